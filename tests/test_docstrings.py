"""Docstrings tell arguments, errors and sources; prose is plain; functions and files are short."""

import ast
import re
from pathlib import Path

import pytest

import jaxvec

HOUSE = Path(jaxvec.__file__).parent
REPOSITORY = HOUSE.parent
FOLDERS = ("jaxvec", "tests", "benchmarks")
VAGUE = [
    "so many", "told apart", "those of", "those that", "for want of", "likewise", "put together",
]  # fmt: skip
MOST_LINES_OF_CODE = 80
MOST_LINES_OF_A_FILE = 400

Function = ast.FunctionDef | ast.AsyncFunctionDef


def parameters(function):
    """The names of a function's parameters, without `self` and `cls`."""
    given = function.args
    named = [*given.posonlyargs, *given.args, given.vararg, *given.kwonlyargs, given.kwarg]
    return [one.arg for one in named if one is not None and one.arg not in ("self", "cls")]


def untold(function, text):
    """The faults of a docstring about a function's parameters, if it has two or more.

    A class may list them under Attributes:. ``**options`` need no line of their own."""
    named = parameters(function)
    if len(named) < 2:
        return []
    start = re.search(r"^(Args|Attributes):", text, re.MULTILINE)
    if not start or (start[1] == "Attributes" and function.name != "__init__"):
        return ["no Args:"]
    options = function.args.kwarg and function.args.kwarg.arg
    told = text[start.start() :]
    return [f"nothing about {one}" for one in named
            if one != options and not re.search(rf"\b{one}\b", told)]  # fmt: skip


def is_public(name):
    return not name.startswith("_")


def definitions(body, prefix=""):
    """(name, node) of public functions, classes and methods; functions in functions are private."""
    for node in body:
        if isinstance(node, Function | ast.ClassDef) and is_public(node.name):
            yield prefix + node.name, node
            if isinstance(node, ast.ClassDef):
                yield from definitions(node.body, f"{prefix}{node.name}.")
        elif isinstance(node, ast.If | ast.Try):
            yield from definitions(node.body, prefix)


def classes():
    """The classes of jaxvec: for each name a list."""
    found = {}
    for path in HOUSE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.ClassDef):
                found.setdefault(node.name, []).append(node)
    return found


def base_names(node):
    """The last part of each base's name: ``Protocol`` for ``typing.Protocol[T]``."""
    bases = [base.value if isinstance(base, ast.Subscript) else base for base in node.bases]
    return [ast.unparse(base).rpartition(".")[2] for base in bases]


def documented_elsewhere(node, owner, known):
    """Whether a method overrides a documented member of a base class in jaxvec, or has the name
    and the parameters of a documented member of a Protocol in jaxvec."""
    if owner is None or not isinstance(node, Function):
        return False
    above, waiting = [], base_names(owner)
    while waiting:
        for base in known.get(waiting.pop(), []):
            above.append(base)
            waiting += base_names(base)
    protocols = [one for same in known.values() for one in same if "Protocol" in base_names(one)]
    for other in [*above, *protocols]:
        for member in other.body:
            same = isinstance(member, Function) and member.name == node.name
            fits = same and (other in above or parameters(member) == parameters(node))
            if fits and member is not node and ast.get_docstring(member):
                return True
    return False


def raises(function):
    """Whether a function raises an error itself, other than `NotImplementedError`."""
    stack, found = list(function.body), False
    while stack:
        node = stack.pop()
        if isinstance(node, Function | ast.Lambda | ast.ClassDef):
            continue
        if isinstance(node, ast.Raise) and node.exc is not None:
            found |= "NotImplementedError" not in ast.unparse(node.exc)
        stack += ast.iter_child_nodes(node)
    return found


def faults(source, known):
    """(name, fault) for each fault of the docstrings of a module's public definitions."""
    found = []
    owners = dict(definitions(ast.parse(source).body))
    for name, node in owners.items():
        owner = owners.get(name.rpartition(".")[0])
        marks = [ast.unparse(mark) for mark in node.decorator_list]
        if "overload" in marks or any(mark.endswith(".setter") for mark in marks):
            continue
        if documented_elsewhere(node, owner, known):
            continue
        text = ast.get_docstring(node)
        if not text:
            found.append((name, "no docstring"))
            continue
        called = [node]
        if isinstance(node, ast.ClassDef):  # which tells of its constructor
            called = [one for one in node.body if getattr(one, "name", "") == "__init__"]
        for function in called:
            found += [(name, fault) for fault in untold(function, text)]
            if raises(function) and "Raises:" not in text:
                found.append((name, "no Raises:"))
        if re.search(r"^(Sources?|Reference):", text, re.MULTILINE):
            found.append((name, "sources stand under References:"))
    return found


def test_public_functions_tell_their_arguments_and_errors():
    known = classes()
    found = [
        f"{path.relative_to(REPOSITORY)}: {name}: {fault}"
        for path in sorted(HOUSE.rglob("*.py"))
        if all(is_public(part.removeprefix("__init__")) for part in path.relative_to(HOUSE).parts)
        for name, fault in faults(path.read_text("utf-8"), known)
    ]
    assert not found, f"{len(found)} definitions:\n" + "\n".join(found)


def test_the_test_finds_what_is_not_told():
    source = """
class A:
    def __init__(self, a, b): ...
    def told(self, a, b):
        '''Does.

        Args:
          a, b: numbers.
        '''
        def inner(): raise ValueError
    def half(self, a, b):
        '''Args:
          a: a number.
        '''
        raise KeyError(a)
    def _private(self, a, b): ...
def f(a, b):
    '''Does.'''
def g(a):
    raise NotImplementedError
class B(A):
    '''B.'''
    def told(self, a, b): ...
class P(Protocol):
    '''P.'''
    def step(self, a):
        '''Steps.'''
class C:
    '''C.

    Attributes:
      a: a number.
    '''
    def __init__(self, a, b): raise TypeError
    def step(self, a): ...
    def other(self): ...
    def passed(self, a, **options):
        '''Args:
          a: a number.

        Source: nowhere.
        '''
"""
    nodes = [node for node in ast.parse(source).body if isinstance(node, ast.ClassDef)]
    assert faults(source, {node.name: [node] for node in nodes}) == [
        ("A", "no docstring"),
        ("A.half", "nothing about b"),
        ("A.half", "no Raises:"),
        ("f", "no Args:"),
        ("g", "no docstring"),
        ("C", "nothing about b"),
        ("C", "no Raises:"),
        ("C.other", "no docstring"),
        ("C.passed", "sources stand under References:"),
    ]


@pytest.mark.parametrize("phrase", VAGUE)
def test_prose_is_plain(phrase):
    """In docstrings, comments and messages, across line breaks."""
    found = []
    for path in sorted(HOUSE.rglob("*.py")):
        text = re.sub(r"[\s#\"]+", " ", path.read_text("utf-8"))
        found += [
            f"{path.relative_to(REPOSITORY)}: …{text[max(0, at.start() - 40) : at.end() + 30]}…"
            for at in re.finditer(rf"\b{phrase}\b", text, re.IGNORECASE)
        ]
    assert not found, "\n".join(found)


def lines_of_code(function, lines):
    """The number of a function's lines, without its docstring and blank lines."""
    text = function.body[0] if ast.get_docstring(function) else None
    told = range(text.lineno, text.end_lineno + 1) if text else ()
    inside = range(function.lineno, function.end_lineno + 1)
    return sum(bool(lines[i - 1].strip()) for i in inside if i not in told)


def test_functions_and_files_are_short():
    long = set()
    files = [path for name in FOLDERS for path in (REPOSITORY / name).rglob("*.py")]
    for path in files:
        text = path.read_text("utf-8")
        lines, name = text.splitlines(), path.relative_to(REPOSITORY).as_posix()
        if len(lines) > MOST_LINES_OF_A_FILE:
            long.add(name)
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, Function) and lines_of_code(node, lines) > MOST_LINES_OF_CODE:
                long.add(f"{name}::{node.name}")
    assert not long
