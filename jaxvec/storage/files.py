"""Paths, compressed files, and atomic writes."""

import bz2
import contextlib
import gzip
import itertools
import json
import lzma
import os
import re
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from io import BufferedReader
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from jaxvec.storage import locks

_OPENERS: dict[re.Pattern[bytes], Callable[..., Any]] = {
    re.compile(rb"\x1f\x8b"): gzip.open,
    re.compile(rb"BZh[1-9](1AY&SY|\x17rE8P\x90)"): bz2.open,  # text may begin with "BZh"
    re.compile(rb"\xfd7zXZ\x00"): lzma.open,
}
_ASKING = threading.Lock()
_NAME_SHOWN = 40  # characters of a file's name that begin its temporary file's name
_PART = ".part"
_TEMPORARY = re.compile(rf"[a-z0-9_]{{8}}{re.escape(_PART)}")  # what follows, as tempfile makes it
_OLD = 3600  # seconds, after which a temporary file that nobody holds is of a killed process
_CLAIMED: set[Path] = set()  # files that must not exist when they are renamed


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
def synced(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """A file to write, new or emptied, which is on the disk after the block.

    Args:
      path: the file.

    Raises:
      OSError: if it cannot be written, there or in the block.

    >>> with synced(getfixture("tmp_path") / "a") as file:
    ...     _ = file.write(b"there after a power failure")
    """
    with open(path, "wb") as file:
        yield file
        file.flush()
        os.fsync(file.fileno())


def synced_folder(folder: Path) -> None:
    """Has the names in a folder on the disk, too, where the system can say so: not on Windows.

    Args:
      folder: the folder.

    Raises:
      OSError: if they cannot be written.
    """
    if os.name != "nt":
        opened = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(opened)
        finally:
            os.close(opened)


@contextlib.contextmanager
def atomic_write(path: str | os.PathLike[str]) -> Iterator[Path]:
    """An atomic write: yields a temporary file, renamed to `path` if the block succeeds.

    Readers see the old file or the whole new one, never a part, even after a power failure. The
    temporary file, ``.NAME.….part``, is in the same folder; if the block fails it is removed. If
    the process is killed it stays, and the next write of the same name removes it, once it is an
    hour old and nobody has it locked (not on systems without such locks, see `locks`). A leading
    ``~`` is the home folder.

    Raises:
      FileNotFoundError: if there is no folder for it.
      FileExistsError: if the file has come into being since it was claimed, see `claim`; what was
        written is beside it, and the message names it.
      OSError: if the folder cannot be written to, or the disk is full.

    >>> with atomic_write(getfixture("tmp_path") / "a.txt") as temporary:
    ...     _ = temporary.write_text("all or nothing")
    """
    target = writable(path)
    prefix = f".{target.name[:_NAME_SHOWN]}."  # cut, so that it stays within the limit
    try:
        mode = target.stat().st_mode & 0o777 if target.exists() else 0o666 & ~umask()
        _remove_leftovers(target.parent, prefix)
        handle, name = tempfile.mkstemp(prefix=prefix, suffix=_PART, dir=target.parent)
    except OSError as error:
        raise type(error)(f"cannot write {path}: {error.strerror}") from None
    temporary = Path(name)
    try:
        if locks.AVAILABLE:
            locks.locked(handle)
        else:  # where an open file cannot be renamed
            os.close(handle)
        yield temporary
        temporary.chmod(mode)
        with open(temporary, "rb+") as file:
            os.fsync(file.fileno())
        _publish(temporary, target)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise
    finally:
        if locks.AVAILABLE:
            os.close(handle)


def _remove_leftovers(folder: Path, prefix: str) -> None:
    """Removes temporary files of killed processes that would have become the same file."""
    if not locks.AVAILABLE:
        return
    with os.scandir(folder) as found:
        names = [one.name for one in found if one.name.startswith(prefix)]
    for name in names:
        path = folder / name
        with contextlib.suppress(OSError):
            of_killed = _TEMPORARY.fullmatch(name[len(prefix) :]) and not path.is_symlink()
            if of_killed and time.time() - path.stat().st_mtime > _OLD:
                with open(path, "rb+") as file:
                    if locks.locked(file.fileno()):
                        path.unlink()


@contextlib.contextmanager
def claims() -> Iterator[None]:
    """Forgets at the end of the block, which is one command, what was claimed in it by `claim`."""
    try:
        yield
    finally:
        _CLAIMED.clear()


def claim(path: str | os.PathLike[str]) -> None:
    """Says that a file does not exist, so that `atomic_write` makes it and overwrites none: of
    another command, say, that has the same output and is done first.

    Args:
      path: the file. Once made, it is the command's own, and overwritten as others.

    >>> path = getfixture("tmp_path") / "a.txt"
    >>> with claims():
    ...     claim(path)
    ...     _ = path.write_text("made meanwhile")
    ...     with atomic_write(path) as temporary:
    ...         _ = temporary.write_text("made by us")
    Traceback (most recent call last):
    ...
    FileExistsError: .../a.txt was made by another meanwhile, and is kept: ours is in .../a.2.txt
    """
    _CLAIMED.add(expanded(path).resolve())


def _publish(temporary: Path, target: Path) -> None:
    """Gives a file that is written its name."""
    if target not in _CLAIMED:
        temporary.replace(target)
        return
    if not _named(temporary, target):
        stem, dot, suffix = target.name[1:].partition(".")
        names = (f"{target.name[0]}{stem}.{n}{dot}{suffix}" for n in itertools.count(2))
        kept = next(one for one in map(target.with_name, names) if _named(temporary, one))
        raise FileExistsError(
            f"{target} was made by another meanwhile, and is kept: ours is in {kept}"
        )
    _CLAIMED.discard(target)


def _named(temporary: Path, target: Path) -> bool:
    """Gives a file another name, unless that is taken; where the file system has no hard links it
    may be taken in the moment between."""
    try:
        target.hardlink_to(temporary)
    except FileExistsError:
        return False
    except OSError:
        if target.exists():
            return False
        temporary.replace(target)
        return True
    temporary.unlink()
    return True


def umask() -> int:
    """The permissions that this process takes from what it makes."""
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
