"""What the README and the help texts tell people to type is what the program takes."""

import argparse
import re
import shlex
from pathlib import Path

import pytest

from jaxvec.cli import make_parser

README = Path(__file__).parent.parent / "README.md"


def shell_examples() -> list[str]:
    if not README.exists():  # tests run away from their repository
        return []
    return re.findall(r"^\$ (?:.*\| )?(jaxvec .*)$", README.read_text(), re.MULTILINE)


def help_examples() -> list[str]:
    (commands,) = (
        action
        for action in make_parser()._actions
        if isinstance(action, argparse._SubParsersAction)
    )
    epilogs = [parser.epilog or "" for parser in commands.choices.values()]
    return re.findall(r"^  (?:.*\| )?(jaxvec .*)$", "\n".join(epilogs), re.MULTILINE)


@pytest.mark.parametrize("command", shell_examples() + help_examples())
def test_examples_are_understood(command):
    _, *arguments = shlex.split(command)
    assert callable(make_parser().parse_args(arguments).run)


def test_there_are_examples():
    assert len(shell_examples()) >= 4
    assert len(help_examples()) >= 5
