"""What the READMEs and the help texts name is there, and the program takes what they type."""

import argparse
import importlib
import re
import shlex
import tomllib
from functools import cache
from pathlib import Path

import pytest

import jaxvec
from benchmarks.__main__ import make_parser as make_suites
from jaxvec.cli import make_parser
from jaxvec.cli.models import make_model, set_defaults
from jaxvec.text.tokenize import get_tokenizer
from jaxvec.vectors import formats

ROOT = Path(__file__).parent.parent
READMES = sorted(
    str(path.relative_to(ROOT))
    for pattern in ("*.md", "jaxvec/**/*.md", "benchmarks/**/*.md")
    for path in ROOT.glob(pattern)
)  # none if tests run away from their repository
COMMANDS = {  # at least this number of `jaxvec` commands in each
    "README.md": 6, "jaxvec/cli/README.md": 44, "jaxvec/plot/README.md": 7,
    "benchmarks/README.md": 5,
}  # fmt: skip
each_readme = pytest.mark.parametrize("name", READMES)


@cache
def text(name: str) -> str:
    return (ROOT / name).read_text("utf-8")


def fences(name: str, *languages: str) -> list[str]:
    """The code blocks in one of these languages."""
    blocks = re.findall(r"^```(\w*)\n(.*?)^```$", text(name), re.MULTILINE | re.DOTALL)
    return [code for language, code in blocks if language in languages]


def prose(name: str) -> str:
    """All but the code blocks."""
    return re.sub(r"^```\w*\n.*?^```$", "", text(name), flags=re.MULTILINE | re.DOTALL)


def inline(name: str) -> list[str]:
    """What stands between backticks."""
    return re.findall(r"`([^`]+)`", prose(name))


def commands(line: str) -> list[list[str]]:
    """The `jaxvec` commands in a line of a shell, as their arguments."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars="|&<>")
    lexer.whitespace_split = True
    found: list[list[str]] = [[]]
    for word in lexer:
        if set(word) <= set("|&"):
            found.append([])
        else:
            found[-1].append(word)
    return [words[1:] for words in found if words and Path(words[0]).name == "jaxvec"]


def shell_lines(name: str) -> list[str]:
    """The lines that people are told to type into a shell."""
    typed = re.findall(r"^\$ (.*)$", "\n".join(fences(name, "console")), re.MULTILINE)
    return typed + "\n".join(fences(name, "sh")).replace("\\\n", " ").splitlines()


def parsers() -> dict[str, argparse.ArgumentParser]:
    """The parser of each command."""
    (actions,) = (
        action
        for action in make_parser()._actions
        if isinstance(action, argparse._SubParsersAction)
    )
    return actions.choices


def help_examples() -> list[str]:
    epilogs = "\n".join(parser.epilog or "" for parser in parsers().values())
    return re.findall(r"^  ((?:.*\| )?jaxvec .*)$", epilogs, re.MULTILINE)


def check(arguments: list[str]) -> None:
    """Raises if the program would refuse these arguments, or a name among them."""
    options = make_parser().parse_args(arguments)
    assert callable(options.run)
    if options.command == "train":
        set_defaults(options)
        if options.model != "ppmi-svd":  # which is not trained
            make_model(options)
            assert options.optimizer in jaxvec.OPTIMIZERS
    if getattr(options, "tokenizer", None):
        get_tokenizer(options.tokenizer)
    if options.command in ("train", "convert"):
        formats.check_words(["word"], options.output)


@each_readme
def test_commands_are_understood(name):
    typed = [arguments for line in shell_lines(name) for arguments in commands(line)]
    for arguments in typed:
        check(arguments)
    assert len(typed) >= COMMANDS.get(name, 0)


def test_help_examples_are_understood():
    typed = [arguments for line in help_examples() for arguments in commands(line)]
    for arguments in typed:
        check(arguments)
    assert len(typed) >= 20


@pytest.mark.parametrize("option", ["recipe", "model", "optimizer", "tokenizer", "output"])
def test_a_wrong_name_is_found(option):
    (arguments,) = commands(f"zcat text.gz | jaxvec train - --{option} nonsense")
    with pytest.raises((ValueError, KeyError, AssertionError)):
        check(arguments)


@each_readme
def test_benchmarks_are_there(name, capsys):
    for suite in set(re.findall(r"python -m\s+benchmarks (\w+)", text(name))):
        with pytest.raises(SystemExit) as caught:
            make_suites().parse_args([suite, "--help"])
        assert caught.value.code == 0, capsys.readouterr().err


@each_readme
def test_links_lead_somewhere(name):
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(name)):
        if not re.match(r"https?:", target):
            path, _, anchor = target.partition("#")
            path = (ROOT / name).parent / path if path else ROOT / name
            assert path.exists(), target
            if anchor:
                assert anchor in anchors(path), target


def anchors(path: Path) -> set[str]:
    """The headings of a README, as links name them."""
    headings = re.findall(r"^#+ (.*)$", path.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@each_readme
def test_files_are_there(name):
    """Paths in backticks, from the README's folder or from the root."""
    drawn = re.findall(r"(?:\w+/)+(?:\w+\.py)?", "\n".join(fences(name, "text")))
    named = [code for code in inline(name) if re.fullmatch(r"[\w/]+(/|\.(py|pyi|md|toml))", code)]
    missing = {
        path
        for path in drawn + named
        if not any((folder / path).exists() for folder in ((ROOT / name).parent, ROOT))
    }
    assert not missing


@each_readme
def test_names_are_there(name):
    """Dotted names in backticks."""
    for code in inline(name):
        for dotted in re.findall(r"\bjaxvec((?:\.[A-Za-z_]\w*)+)", code):
            found, so_far = jaxvec, "jaxvec"
            for part in dotted[1:].split("."):
                so_far += f".{part}"
                found = getattr(found, part, None) or importlib.import_module(so_far)


@each_readme
def test_options_are_there(name):
    """Options in backticks, of whatever command."""
    if name.startswith("jaxvec/") or name == "README.md":
        known = {flag for parser in parsers().values() for flag in parser._option_string_actions}
        named = re.findall(r"(?<!\w)--[a-z][a-z-]*", " ".join(inline(name)))
        assert set(named) <= known


def test_examples_in_python_are_run():
    config = ROOT / "pyproject.toml"
    if not config.exists():
        pytest.skip("without a repository")
    options = tomllib.loads(config.read_text())["tool"]["pytest"]["ini_options"]
    assert "--doctest-glob=*.md" in options["addopts"]
    for name in READMES:
        if ">>>" in text(name):
            assert any(Path(name).is_relative_to(path) for path in options["testpaths"]), name


@pytest.mark.skipif(not READMES, reason="without a repository")
def test_the_first_page_is_short_and_says_how_to_test():
    lines = text("README.md").splitlines()
    assert len(lines) <= 200
    assert len([line for line in lines if re.match("python3 .*-m pytest", line)]) == 1
