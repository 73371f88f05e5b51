"""The command line, `jaxvec COMMAND`; only this room prints."""

import argparse
import gc
import os
import signal
import sys
import textwrap
import warnings
from collections.abc import Sequence
from contextlib import redirect_stdout
from importlib import import_module
from importlib.metadata import version
from typing import Any, NoReturn

from jaxvec.cli.processor import avoid_slow_sorts
from jaxvec.cli.terminal import Output, drop_stdout, open_streams, quits_at_once

avoid_slow_sorts()

_COMMANDS = {  # the module with `add_COMMAND_options`, and the purpose of the command
    "train": ("train", "train word vectors"),
    "cooccur": ("cooccur", "count co-occurrences, for GloVe"),
    "phrases": ("phrases", "find phrases and join their words: new_york"),
    "classes": ("classes", "divide words into classes by k-means"),
    "similar": ("query", "nearest neighbors of words"),
    "analogy": ("query", "solve A is to B as C is to ?"),
    "encode": ("encode", "vectors of texts: means of their words' vectors"),
    "drift": ("drift", "words that moved most between two spaces"),
    "evaluate": ("query", "score vectors on analogies and word pairs"),
    "plot": ("plot", "draw vectors, or the curves of training"),
    "convert": ("convert", "write word vectors in another format"),
    "info": ("convert", "what a file of word vectors holds"),
}


class _Parser(argparse.ArgumentParser):
    def __init__(self, **options: Any):
        layout = argparse.RawDescriptionHelpFormatter
        super().__init__(allow_abbrev=False, formatter_class=layout, **options)

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}\n")


def make_parser(command: str | None = None) -> argparse.ArgumentParser:
    """The parser of all commands; `run` of the parsed options is the function to call.

    Args:
      command: the only command to import and to add the flags of.
    """
    parser = _Parser(prog="jaxvec", description="Word vectors in JAX.")
    parser.add_argument("--version", action="version", version=f"jaxvec {version('jaxvec')}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, (module, purpose) in _COMMANDS.items():
        options = commands.add_parser(name, help=purpose)
        if command in (None, name):
            getattr(import_module(f"jaxvec.cli.{module}"), f"add_{name}_options")(options)
            lines = (options.description or "").splitlines()
            options.description = "\n".join(textwrap.fill(line, 96) for line in lines)
    return parser


def _of_jax(error: RuntimeError) -> bool:
    jax = sys.modules.get("jax")
    return jax is not None and isinstance(error, jax.errors.JaxRuntimeError)


def _message(error: BaseException) -> str:
    """What an error says, on one line."""
    if type(error) is KeyError:
        text = str(error.args[0])
    elif isinstance(error, OSError) and error.filename is not None:
        text = f"{os.fsdecode(error.filename)}: {error.strerror}"
    else:
        text = str(error) or "out of memory"
    return " ".join("; ".join([text, *_notes(error)]).split())


def _notes(error: BaseException) -> list[str]:
    return getattr(error, "__notes__", [])


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command; returns its exit status: 0; 2 with one line on standard error; or 128 and
    the number of the signal that ended it, such as 130 and 143."""
    open_streams()
    with quits_at_once("jaxvec"):
        from jaxvec.cli.common import say  # imports NumPy
        from jaxvec.cli.interrupt import Ended, raised
        from jaxvec.storage.files import claims

        of_process = arguments is None
        arguments = sys.argv[1:] if arguments is None else arguments
        if of_process:
            gc.disable()
        command = next((word for word in arguments if not word.startswith("-")), "")
        options = make_parser(command).parse_args(arguments)
        if of_process:
            gc.freeze()  # modules stay: to go through them at each collection takes half a second
            gc.enable()
    try:
        with raised(), claims(), warnings.catch_warnings(), redirect_stdout(Output(sys.stdout)):
            warnings.filterwarnings("always", category=UserWarning, module="jaxvec")
            warnings.showwarning = lambda message, *_, **__: say(
                " ".join([f"jaxvec {options.command}: warning:", *str(message).split()])
            )
            status = options.run(options)
            sys.stdout.flush()
    except BrokenPipeError:  # the reader of our output has gone, as `head` does
        status = 0
        drop_stdout()
    except (ValueError, KeyError, OSError, MemoryError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and not _of_jax(error):
            raise
        say(f"jaxvec {options.command}: {_message(error)}", always=True)
        return 2
    except (KeyboardInterrupt, Ended) as error:
        by = f" by {error.signal.name}" if isinstance(error, Ended) else ""
        text = "; ".join([f"interrupted{by}", *_notes(error)])
        say(f"jaxvec {options.command}: {text}", always=True)
        return 128 + (error.signal if isinstance(error, Ended) else signal.SIGINT)
    return status or 0
