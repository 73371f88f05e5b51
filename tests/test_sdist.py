"""What a source distribution holds: all that its tests import."""

import ast
import tomllib
from pathlib import Path

ROOT = Path(__file__).parent.parent


def imported(path: Path) -> set[str]:
    """The names at the head of every import of a module."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
    return {name.partition(".")[0] for name in found}


def test_it_holds_all_that_its_tests_import():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    held = set(project["tool"]["hatch"]["build"]["targets"]["sdist"]["include"])
    ours = {path.name for path in ROOT.iterdir() if path.is_dir() and any(path.glob("*.py"))}
    needed = {name for path in (ROOT / "tests").glob("*.py") for name in imported(path)} & ours
    assert {"jaxvec", "tests", "benchmarks"} <= needed <= held
