"""What the commands share: flags, numbers in bounds, outputs that lose nothing, messages."""

import argparse
import contextlib
import math
import re
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tqdm import tqdm

from jaxvec.storage.files import claim, existing, expanded
from jaxvec.vectors import formats
from jaxvec.vectors.word_vectors import WordVectors


class Flags:
    """Adds flags to a parser, or to a group of its own.

    Args:
      parser: a parser, or a group of one.
      title: of a new group; none for the parser itself.
      tags: the attributes of the parsed options that list the names of these flags.

    >>> parser = argparse.ArgumentParser()
    >>> add = Flags(parser, "text", tags=["identity"])
    >>> add("-w --window W", "farthest word counted", whole(1))
    >>> add("--force", "overwrite the output", tags=[])
    >>> parser.parse_args(["-w", "5"])
    Namespace(window=5, force=False, identity=('window',))
    """

    def __init__(
        self, parser: argparse._ActionsContainer, title: str = "", *, tags: Sequence[str] = ()
    ):
        self._group = parser.add_argument_group(title) if title else parser
        self._tags = tags

    def __call__(
        self,
        names: str,
        help: str,
        type: Callable[[str], Any] | None = None,
        *,
        tags: Sequence[str] | None = None,
        **options: Any,
    ) -> None:
        """Adds a flag.

        Args:
          names: its names and the metavar of its value, with spaces between; without it, it is a
            switch.
          help: what it does.
          type: what makes a value of its text.
          tags: replace the tags of the group.
          options: others of `argparse.ArgumentParser.add_argument`.
        """
        *flags, metavar = names.split()
        if not flags or metavar.startswith("-"):
            flags.append(metavar)
            options = options or {"action": "store_true"}
        else:
            options["metavar"] = metavar
        if type is not None:
            options["type"] = type
        action = self._group.add_argument(*flags, help=help, **options)
        for tag in self._tags if tags is None else tags:
            listed = self._group.get_default(tag) or ()
            self._group.set_defaults(**{tag: (*listed, action.dest)})


_SILENT: list[bool] = []


def only_errors() -> None:
    """Has `say` print nothing from now on: another process says it."""
    _SILENT.append(True)


def say(message: str, *, always: bool = False) -> None:
    """Prints a message on standard error, past a progress bar if there is one.

    Args:
      message: one line.
      always: also after `only_errors`.
    """
    if _SILENT and not always:
        return
    with contextlib.suppress(OSError):  # whoever reads it has gone; the work goes on
        tqdm.write(message, file=sys.stderr)


def whole(least: int) -> Callable[[str], int]:
    """A type of arguments: whole numbers of at least `least`."""

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


def number(
    least: float = -math.inf, below: float = math.inf, *, beyond: bool = False
) -> Callable[[str], float]:
    """A type of arguments: finite numbers.

    Args:
      least: the smallest, or (`beyond`) a bound that they exceed.
      below: a bound that they do not reach.
      beyond: whether `least` is excluded.
    """
    bounds = [f"{'above' if beyond else 'of at least'} {least:g}"] if least > -math.inf else []
    bounds += [f"below {below:g}"] if below < math.inf else []

    def convert(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not ((value > least if beyond else value >= least) and -math.inf < value < below):
            expected = " ".join(["a finite number", " and ".join(bounds)]).strip()
            raise argparse.ArgumentTypeError(f"expected {expected}, not {text!r}")
        return value

    return convert


def size(text: str) -> int:
    """A type of arguments: numbers of bytes.

    Raises:
      argparse.ArgumentTypeError: unless the text is a number with a unit, such as 1GB or 512MiB.
    """
    match = re.fullmatch(r"(\d+(?:\.\d*)?)\s*([KMGT]?)(i?)B?", text.strip(), re.IGNORECASE)
    if not match:
        raise argparse.ArgumentTypeError(f"expected a size such as 1GB or 512MiB, not {text!r}")
    number, prefix, binary = match.groups()
    return int(float(number) * (1024 if binary else 1000) ** " KMGT".index(prefix.upper() or " "))


def path(text: str) -> str:
    """A type of arguments: paths; a ``~`` that the shell left, as in ``--log=~/a``, is expanded."""
    return str(expanded(text)) if text.startswith("~") else text


def text_paths(name: str) -> list[str]:
    """A file or folder as it is; else the files of a named corpus, fetched if missing."""
    from jaxvec.text import datasets

    if name != "-" and not Path(name).exists() and name in datasets.NAMES:
        return [str(path) for path in datasets.fetch(name).train]
    return [name]


def check_output(path: str, *, force: bool, inputs: Sequence[str] = ()) -> None:
    """Checks that a file can and may be written, without writing it. One that does not exist is
    claimed: `atomic_write` does not overwrite what another makes of that name meanwhile.

    Args:
      path: the file.
      force: whether it may exist.
      inputs: files and folders that it must not overwrite.

    Raises:
      ValueError: if it exists and `force` is not set, is a folder or one of the inputs, or
        cannot be made.
    """
    try:
        target = Path(path).resolve()
        there = target.exists()
    except OSError as error:
        raise ValueError(f"cannot write {path}: {error.strerror}") from None
    if target.is_dir():
        raise ValueError(f"output {path} is a folder; give a file's name")
    for name in inputs:
        source = Path(name).resolve()
        if target == source or (source.is_dir() and source in target.parents):
            raise ValueError(f"output {path} is also an input; give another name")
    if there:
        if not target.is_file():
            raise ValueError(f"output {path} is no plain file; give another name")
        if not force:
            raise ValueError(f"output {path} exists; --force overwrites it")
    check_folder(target.parent, path)
    if not there:
        claim(target)


def check_folder(folder: Path, path: str) -> None:
    """Checks that a folder exists and is writable.

    Args:
      folder: the folder.
      path: of the output in it, for the message.

    Raises:
      ValueError: if it is not.
    """
    if not folder.is_dir():
        raise ValueError(f"cannot write {path}: there is no folder {folder}")
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise ValueError(f"cannot write {path}: {error.strerror} in {folder}") from None


def check_input(path: str | None, what: str = "file") -> None:
    """Checks that an input file exists.

    Args:
      path: of the file, or None.
      what: the kind of file, for the message.

    Raises:
      FileNotFoundError, ValueError: if it is missing, or a folder.
    """
    if path is not None:
        existing(path, what)


def load_mapped(path: str, limit: int | None = None) -> WordVectors:
    """The vectors of a file; an `.npz` stays on disk, memory-mapped.

    Args:
      path: of the file.
      limit: read only the first `limit` words.
    """
    mapped = Path(path).is_file() and formats.kind(path) == "npz"  # a pipe is read only once
    return WordVectors.load(path, limit=limit, mmap=mapped)


def check_known(vectors: WordVectors, words: Sequence[str]) -> None:
    """Makes sure that the vectors have words, of which n-grams alone may know, too.

    Args:
      vectors: of all words.
      words: that are asked for.

    Raises:
      KeyError: for the first that is unknown, with close matches.
    """
    for word in words:
        vectors.get_index(word)


def neighbors_line(vectors: WordVectors, word: str) -> str:
    """A line with a word and its 8 nearest neighbors.

    Args:
      vectors: of all words.
      word: the word.
    """
    return f"{word}: " + " ".join(other for other, _ in vectors.most_similar(word, topn=8))
