"""Paths, compressed files, and atomic writes."""

import bz2
import contextlib
import gzip
import json
import lzma
import os
import re
import tempfile
import threading
from collections.abc import Callable, Iterator
from io import BufferedReader
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

_OPENERS: dict[re.Pattern[bytes], Callable[..., Any]] = {
    re.compile(rb"\x1f\x8b"): gzip.open,
    re.compile(rb"BZh[1-9](1AY&SY|\x17rE8P\x90)"): bz2.open,  # text may begin with "BZh"
    re.compile(rb"\xfd7zXZ\x00"): lzma.open,
}
_ASKING = threading.Lock()
_NAME_SHOWN = 40  # characters of a file's name that begin its temporary file's name


def expanded(path: str | os.PathLike[str]) -> Path:
    """A path with a leading ``~`` replaced by the home folder.

    >>> expanded("a/~").parts
    ('a', '~')
    """
    return Path(os.path.expanduser(path))  # noqa: PTH111  Path's raises for an unknown ~name


def existing(path: str | os.PathLike[str], what: str = "file") -> Path:
    """The path of a file that exists, its ``~`` expanded.

    Args:
      path: the file.
      what: the kind of file, for messages: ``"vocabulary file"``.

    Raises:
      FileNotFoundError: if there is no such file.
      ValueError: if it is a folder, or its name is too long.

    >>> existing(getfixture("tmp_path") / "a", "log")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ...
    FileNotFoundError: no such log: ...
    """
    found = expanded(path)
    try:
        there = found.exists()
    except OSError as error:
        raise ValueError(f"cannot read {path}: {error.strerror}") from None
    if not there:
        raise FileNotFoundError(f"no such {what}: {path}")
    if found.is_dir():
        raise ValueError(f"{path} is a folder, not a {what}")
    return found


def writable(path: str | os.PathLike[str]) -> Path:
    """The path of a file to write, its ``~`` expanded and links followed.

    Raises:
      FileNotFoundError: if there is no folder for it.

    >>> writable(getfixture("tmp_path") / "a" / "b")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ...
    FileNotFoundError: cannot write ...: there is no folder ...
    """
    target = expanded(path).resolve()
    if not target.parent.is_dir():
        raise FileNotFoundError(f"cannot write {path}: there is no folder {target.parent}")
    return target


@contextlib.contextmanager
def atomic_write(path: str | os.PathLike[str]) -> Iterator[Path]:
    """An atomic write: yields a temporary file, renamed to `path` if the block succeeds.

    Readers see the old file or the whole new one, never a part. The temporary file is in the same
    folder; if the block fails it is removed. A leading ``~`` is the home folder.

    Raises:
      FileNotFoundError: if there is no folder for it.
      OSError: if the folder cannot be written to.

    >>> with atomic_write(getfixture("tmp_path") / "a.txt") as temporary:
    ...     _ = temporary.write_text("all or nothing")
    """
    target = writable(path)
    prefix = f".{target.name[:_NAME_SHOWN]}."  # cut, so that it stays within the limit
    try:
        mode = target.stat().st_mode & 0o777 if target.exists() else 0o666 & ~_umask()
        handle, name = tempfile.mkstemp(prefix=prefix, suffix=".part", dir=target.parent)
    except OSError as error:
        raise type(error)(f"cannot write {path}: {error.strerror}") from None
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(mode)
        temporary.replace(target)
    except BaseException:
        temporary.unlink()
        raise


def _umask() -> int:
    with _ASKING:  # it is of the process: two threads could both read the 0
        os.umask(mask := os.umask(0))
    return mask


def decompressed(file: BufferedReader) -> BinaryIO:
    """The content of a file, decompressed if it begins as gzip, bzip2 or xz does."""
    start = file.peek(10)
    for magic, opener in _OPENERS.items():
        if magic.match(start):
            return opener(file, "rb")
    return file


def to_json(value: Any) -> str:
    """JSON; NumPy's scalars and arrays become numbers and lists.

    Raises:
      TypeError: for a value that JSON cannot hold; the message shows it.

    >>> to_json({"window": np.int64(5), "scores": np.ones(2)})
    '{"window": 5, "scores": [1.0, 1.0]}'
    """

    def plain(other: Any) -> Any:
        if isinstance(other, np.generic | np.ndarray):
            return other.tolist()
        raise TypeError(f"JSON holds numbers, text, lists and dictionaries only; got {other!r}")

    return json.dumps(value, default=plain)
