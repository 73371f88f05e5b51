import sys

import pytest

from jaxvec.text import docstrings


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package whose import would fail: reading it must not run it."""
    root = tmp_path / "fakepkg"
    (root / "tests").mkdir(parents=True)
    (root / "__init__.py").write_text('"""The package."""\nraise SystemExit("imported")\n')
    (root / "code.py").write_text(
        '"""A module."""\n'
        "x = '''not a docstring'''\n"
        "if True:\n"
        "    class A:\n"
        "        '''A class.'''\n"
        "        async def f(self):\n"
        "            '''A method.\n\n            Indented.\n            '''\n"
        "            def g(): 'Inner.'\n"
        "try:\n    pass\nexcept ValueError:\n    def h(): 'In a handler.'\n"
        "def again(): 'A module.'\n"
    )
    (root / "broken.py").write_text("def (: '''no''' \\d")
    (root / "tests" / "test_a.py").write_text('"""A test."""')
    topics = tmp_path / "pydoc_data"
    topics.mkdir()
    (topics / "topics.py").write_text("topics = {'if': 'The if statement.', 'n': 3}\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(docstrings, "PACKAGES", ("fakepkg", "not_installed_anywhere"))
    monkeypatch.setattr(docstrings.sysconfig, "get_path", lambda name: str(topics.parent))
    return root


def test_docstrings_are_read_and_nothing_runs(package):
    assert set(docstrings.documentation()) == {
        "The package.",
        "A module.",
        "A class.",
        "A method.\n\nIndented.",
        "Inner.",
        "In a handler.",
        "The if statement.",
    }
    assert "fakepkg" not in sys.modules


def test_order_is_the_same_each_time(package):
    assert docstrings.documentation() == docstrings.documentation()


def test_where_each_is_from_is_known(package):
    found = list(docstrings.docstrings())
    assert docstrings.Docstring("python", "pydoc_data/topics.py", "The if statement.") in found
    of_package = [(one.file, one.text) for one in found if one.package == "fakepkg"]
    assert ("__init__.py", "The package.") in of_package
    assert of_package.count(("code.py", "A module.")) == 2  # of the module and of `again`
