"""The command line: `jaxvec train` and its like. Everything else prints nothing."""

import argparse
import os
import sys
from collections.abc import Sequence
from importlib.metadata import version
from typing import NoReturn

from jax.errors import JaxRuntimeError

from jaxvec.cli import cooccur, exchange, query, train


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}\n")


def make_parser() -> argparse.ArgumentParser:
    """The parser of all commands; its result's `run` is the function to call."""
    parser = _Parser(prog="jaxvec", description="Word vectors in JAX.", allow_abbrev=False)
    parser.add_argument("--version", action="version", version=f"jaxvec {version('jaxvec')}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    train.add_parser(commands)
    cooccur.add_parser(commands)
    query.add_similar_parser(commands)
    query.add_evaluate_parser(commands)
    exchange.add_convert_parser(commands)
    exchange.add_info_parser(commands)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command; returns its exit status: 0; 2 with one line on standard error; 130 or 143."""
    options = make_parser().parse_args(arguments)
    try:
        status = options.run(options)
        sys.stdout.flush()
    except BrokenPipeError:  # whoever read our output has gone, as `head` does
        status = 0
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (ValueError, KeyError, OSError, MemoryError, JaxRuntimeError) as error:
        message = error.args[0] if isinstance(error, KeyError) else str(error) or "out of memory"
        print(f"jaxvec {options.command}:", *str(message).split(), file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"jaxvec {options.command}: interrupted", file=sys.stderr)
        return 130
    return status or 0
