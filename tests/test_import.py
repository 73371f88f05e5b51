import importlib
import subprocess
import sys

import pytest

import jaxvec


def test_every_name_is_there():
    for name in jaxvec.__all__:
        assert getattr(jaxvec, name) is not None


@pytest.mark.parametrize("heavy", ["jax", "scipy", "optax", "orbax"])
def test_a_query_starts_none_of_them(tmp_path, heavy):
    jaxvec.WordVectors(["a", "b"], [[1, 0], [1, 1]]).save(tmp_path / "v.npz")
    script = (
        "import sys; from jaxvec.cli import main; main(sys.argv[1:]); "
        f"assert {heavy!r} not in sys.modules"
    )
    arguments = ["similar", str(tmp_path / "v.npz"), "a"]
    run = subprocess.run([sys.executable, "-c", script, *arguments], capture_output=True, text=True)
    assert (run.returncode, run.stdout) == (0, "a\n   0.707  b\n"), run.stderr


@pytest.mark.parametrize("name", ["sgns", "evaluate", "stanford", "neighbours", "classes"])
def test_modules_are_imported_by_their_short_paths(name):
    module = importlib.import_module(f"jaxvec.{name}")
    assert module is getattr(jaxvec, name)
    assert module.__spec__.name == module.__name__


def test_only_modules_have_paths():
    for name in ("fit", "nonsense"):
        with pytest.raises(ModuleNotFoundError, match=f"No module named 'jaxvec.{name}'"):
            importlib.import_module(f"jaxvec.{name}")
