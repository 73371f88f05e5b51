"""What the commands share: numbers in bounds, outputs that lose nothing, messages."""

import argparse
import functools
import math
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from tqdm import tqdm

from jaxvec.vectors import WordVectors

say = functools.partial(tqdm.write, file=sys.stderr)
"""Prints a message, past a progress bar if there is one."""


def whole(least: int) -> Callable[[str], int]:
    """An argument that is a whole number of at least so much."""

    def convert(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            value = least - 1
        if not least <= value < 2**31:
            raise argparse.ArgumentTypeError(
                f"expected a whole number from {least} to {2**31 - 1}, not {text!r}"
            )
        return value

    return convert


def number(least: float = -math.inf, *, beyond: bool = False) -> Callable[[str], float]:
    """An argument that is a finite number of at least (or above) so much."""

    def convert(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not math.isfinite(value) or value < least or (beyond and value == least):
            bound = (
                f" {'above' if beyond else 'of at least'} {least:g}" if least > -math.inf else ""
            )
            raise argparse.ArgumentTypeError(f"expected a number{bound}, not {text!r}")
        return value

    return convert


def check_output(path: str, *, force: bool, inputs: Sequence[str] = ()) -> None:
    """Makes sure that a file can be written, and may be, without writing it.

    Raises:
      ValueError: if it exists and `force` is not set, is a folder or one of the inputs, or
        cannot be made.
    """
    target = Path(path)
    if target.is_dir():
        raise ValueError(f"output {path} is a folder; give a file's name")
    if target.exists():
        if any(Path(name).exists() and target.samefile(name) for name in inputs):
            raise ValueError(f"output {path} is also an input; give another name")
        if not force:
            raise ValueError(f"output {path} exists; --force overwrites it")
    folder = next(parent for parent in target.absolute().parents if parent.exists())
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise ValueError(f"cannot write {path}: {error.strerror} in {folder}") from None


def neighbours_line(vectors: WordVectors, word: str, topn: int = 8) -> str:
    """A word and its nearest neighbours, on one line."""
    return f"{word}: " + " ".join(other for other, _ in vectors.most_similar(word, topn=topn))
