"""Paths, files written beside and renamed, and archives of arrays that can be memory-mapped."""

import bz2
import contextlib
import gzip
import json
import lzma
import mmap
import os
import re
import tempfile
import tokenize
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from io import BufferedReader
from pathlib import Path
from typing import IO, Any, BinaryIO

import numpy as np

ZIP_MAGIC = b"PK\x03\x04"
"""What an `.npz` begins with."""

DAMAGED = (EOFError, OSError, lzma.LZMAError, zlib.error)
"""What reading from `decompressed` raises if the file is damaged or cut short."""

_OPENERS: dict[re.Pattern[bytes], Callable[..., Any]] = {
    re.compile(rb"\x1f\x8b"): gzip.open,
    re.compile(rb"BZh[1-9](1AY&SY|\x17rE8P\x90)"): bz2.open,  # text may begin with "BZh"
    re.compile(rb"\xfd7zXZ\x00"): lzma.open,
}
_NAME_SHOWN = 40  # characters of a file's name that its temporary's has
_ALIGNMENT = 64
_PIECE = 1 << 20  # numbers written at a time
_DAMAGES = (
    zipfile.BadZipFile,
    zlib.error,
    tokenize.TokenError,  # in the header of an array
    EOFError,
    NotImplementedError,  # of a way of compression that does not exist
    OSError,  # of a place before the start of the file
    OverflowError,
    RuntimeError,  # of encryption
    ValueError,
)  # what damaged archives make the libraries raise
_LOCAL_HEADER = 30  # bytes of a zip member's header before its name


def expanded(path: str | os.PathLike[str]) -> Path:
    """A path whose ``~`` at the front is the home folder.

    >>> expanded("a/~").parts
    ('a', '~')
    """
    return Path(os.path.expanduser(path))  # noqa: PTH111  Path's raises for an unknown ~name


def existing(path: str | os.PathLike[str], what: str = "file") -> Path:
    """The path of a file that is there, its ``~`` expanded.

    Args:
      path: the file.
      what: it is, for the message: ``"vocabulary file"``.

    Raises:
      FileNotFoundError: if there is no such file.
      ValueError: if it is a folder, or its name is too long for one.

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
def written_beside(path: str | os.PathLike[str]) -> Iterator[Path]:
    """A temporary file in the folder of `path`, renamed to `path` if the block succeeds.

    Readers see the old file or the whole new one, never a part. A ``~`` at the front of
    `path` is the home folder.

    Raises:
      FileNotFoundError: if there is no such folder.
      OSError: if no such file can be made there.

    Example:
      >>> with written_beside(getfixture("tmp_path") / "a.txt") as temporary:
      ...     _ = temporary.write_text("all or nothing")
    """
    target = writable(path)
    prefix = f".{target.name[:_NAME_SHOWN]}."  # as a longer name would be too long
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
    os.umask(mask := os.umask(0))
    return mask


def decompressed(file: BufferedReader) -> BinaryIO:
    """A file's content, unpacked if it is compressed by gzip, bzip2 or xz; content tells."""
    start = file.peek(10)
    for magic, opener in _OPENERS.items():
        if magic.match(start):
            return opener(file, "rb")
    return file


def to_json(value: Any) -> str:
    """JSON, in which NumPy's scalars and arrays are numbers and lists.

    Raises:
      TypeError: for what JSON cannot hold; the message has it.

    >>> to_json({"window": np.int64(5), "scores": np.ones(2)})
    '{"window": 5, "scores": [1.0, 1.0]}'
    """

    def plain(other: Any) -> Any:
        if isinstance(other, np.generic | np.ndarray):
            return other.tolist()
        raise TypeError(f"JSON holds numbers, text, lists and dictionaries only; got {other!r}")

    return json.dumps(value, default=plain)


def save_arrays(path: str | os.PathLike[str], **arrays: np.ndarray) -> None:
    """Writes an uncompressed ``.npz`` whose arrays start at multiples of 64 bytes.

    `numpy.load` reads it; so does `load_arrays`, without reading them into memory.
    """
    with written_beside(path) as temporary, zipfile.ZipFile(temporary, "w") as archive:
        for name, array in arrays.items():
            member = zipfile.ZipInfo(f"{name}.npy")
            assert archive.fp is not None
            # zip64 sizes take 20 bytes of extra fields; ours (id, size, zeros) pads the rest.
            start = archive.fp.tell() + _LOCAL_HEADER + len(member.filename) + 20
            padding = -(start + 4) % _ALIGNMENT
            member.extra = b"jv" + padding.to_bytes(2, "little") + bytes(padding)
            with archive.open(member, "w", force_zip64=True) as file:
                _write_array(file, np.asanyarray(array, order="C"))


def _write_array(file: IO[bytes], array: np.ndarray) -> None:
    """As `numpy.lib.format.write_array`, but a memory-mapped array passes through memory."""
    if array.dtype.hasobject:
        raise ValueError(f"an array of {array.dtype} cannot be saved without pickle")
    np.lib.format.write_array_header_1_0(file, np.lib.format.header_data_from_array_1_0(array))
    values = array.reshape(-1)
    for start in range(0, len(values), _PIECE):
        file.write(values[start : start + _PIECE].tobytes())
        release(array)


def load_arrays(path: str | os.PathLike[str], *, mapped: bool = False) -> dict[str, np.ndarray]:
    """Reads an ``.npz``, refusing pickled objects.

    Args:
      path: the file.
      mapped: leave uncompressed arrays on disk, read as they are used.

    Raises:
      FileNotFoundError: if there is no such file.
      ValueError: if it is no such archive, or is damaged.
    """
    file = existing(path)
    try:
        with zipfile.ZipFile(file) as archive:
            return {
                member.filename.removesuffix(".npy"): _load_member(file, archive, member, mapped)
                for member in archive.infolist()
            }
    except PermissionError:
        raise
    except _DAMAGES as error:
        raise ValueError(f"{path} is not an .npz archive of arrays: {error}") from None


def _load_member(
    path, archive: zipfile.ZipFile, member: zipfile.ZipInfo, mapped: bool
) -> np.ndarray:
    if mapped and member.compress_type == zipfile.ZIP_STORED:
        return _map_member(path, member)
    with archive.open(member) as file:
        return np.lib.format.read_array(file, allow_pickle=False)


def _map_member(path, member: zipfile.ZipInfo) -> np.ndarray:
    with open(path, "rb") as file:
        file.seek(member.header_offset + 26)
        lengths = file.read(4)  # of the name and the extra fields, which end the header
        file.seek(
            member.header_offset
            + _LOCAL_HEADER
            + int.from_bytes(lengths[:2], "little")
            + int.from_bytes(lengths[2:], "little")
        )
        start = file.tell()
        old = np.lib.format.read_magic(file) == (1, 0)
        read = np.lib.format.read_array_header_1_0 if old else np.lib.format.read_array_header_2_0
        shape, fortran, dtype = read(file)
        if dtype.hasobject or 0 in shape or not shape:  # which cannot be mapped
            file.seek(start)
            return np.lib.format.read_array(file, allow_pickle=False)
        return np.memmap(path, dtype, "r", file.tell(), shape, "F" if fortran else "C")


def release(array: np.ndarray) -> None:
    """Lets go of the pages of a memory-mapped array that have been read; they can be again.

    Without it, whoever reads a large file through a map once seems to hold all of it.
    """
    mapped = getattr(array, "_mmap", None)
    private = getattr(array, "mode", None) == "c"  # what was written to it is nowhere else
    if mapped is not None and not private and hasattr(mmap, "MADV_DONTNEED"):
        mapped.madvise(mmap.MADV_DONTNEED)


def resident_memory() -> int:
    """Bytes of memory that this process holds, where the system tells; else 0."""
    statm = Path("/proc/self/statm")
    if not statm.exists():
        return 0
    return int(statm.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def cores() -> int:
    """How many cores this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def check_encoding(words: Sequence[str]) -> None:
    """ValueError for a word that UTF-8 cannot hold, which is one with half a surrogate pair."""
    try:
        "".join(words).encode()
    except UnicodeEncodeError as error:
        place = error.start
        for word in words:
            if place < len(word):
                raise ValueError(
                    f"word {word!r} holds half a character ({word[place]!r}), which UTF-8 cannot"
                ) from None
            place -= len(word)


def text_array(words: list[str]) -> np.ndarray:
    """Words as uint8 UTF-8 text, one a line: far smaller than NumPy's fixed-width strings."""
    return np.frombuffer("\n".join(words).encode(), np.uint8)


def array_text(array: np.ndarray) -> list[str]:
    """The words that `text_array` packed."""
    return bytes(array).decode().split("\n") if array.size else []
