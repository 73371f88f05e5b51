"""The default corpus: documentation that is installed with Python and jaxvec.

The docstrings of jaxvec's dependencies and of the standard library, and the language reference
in `pydoc_data.topics`. Sources are parsed, never imported or run.
"""

import ast
import importlib.util
import sysconfig
import warnings
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

PACKAGES = ("jax", "numpy", "scipy", "optax", "flax", "orbax")
"""The packages that are read in addition to the standard library."""

_LEFT_OUT = {"test", "tests", "testing", "site-packages", "idlelib", "lib2to3", "_vendor"}
_DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


class Docstring(NamedTuple):
    """A docstring and the file that it is from."""

    package: str  # one of `PACKAGES`, or "python" for the standard library
    file: str  # path within the package, parts joined by "/"
    text: str


def documentation() -> list[str]:
    """The distinct docstrings, a document each, in an order that mixes the packages.

    The order depends on the texts alone. Packages that are not installed are left out.
    """
    texts = {docstring.text for docstring in docstrings()}
    return sorted(texts, key=lambda text: (zlib.crc32(text.encode(errors="replace")), text))


def docstrings() -> Iterator[Docstring]:
    """All docstrings, package by package and file by file; a text may come more than once."""
    for package, root in _roots():
        for path in sorted(root.rglob("*.py")):
            file = path.relative_to(root)
            if not _LEFT_OUT.intersection(file.parts):
                for text in _texts(path):
                    yield Docstring(package, file.as_posix(), text)


def _roots() -> Iterator[tuple[str, Path]]:
    """(package, folder) of each package that is installed."""
    yield "python", Path(sysconfig.get_path("stdlib"))
    for package in PACKAGES:
        # find_spec of a top-level name finds the package without importing it
        spec = importlib.util.find_spec(package)
        for root in (spec and spec.submodule_search_locations) or []:
            yield package, Path(root)


def _texts(path: Path) -> Iterator[str]:
    try:
        with warnings.catch_warnings():  # invalid escapes in other people's strings
            warnings.simplefilter("ignore", SyntaxWarning)
            warnings.simplefilter("ignore", DeprecationWarning)
            tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError, RecursionError, OSError):
        return  # a template, or the syntax of another Python
    if path.match("pydoc_data/topics.py"):
        yield from _strings(tree)
        return
    stack: list[ast.AST] = [tree]
    while stack:
        node = stack.pop()
        if isinstance(node, _DOCUMENTED) and (text := ast.get_docstring(node)):
            yield text
        # only statements contain definitions; expressions, most of the tree, are skipped
        for field in ("orelse", "body", "handlers", "finalbody"):
            stack += reversed(getattr(node, field, None) or [])


def _strings(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Dict):
            for value in node.values:
                if isinstance(value, ast.Constant) and isinstance(value.value, str):
                    yield value.value
