"""Archives of arrays (``.npz``) that can be memory-mapped, and words packed into an array."""

import errno
import mmap
import os
import zipfile
import zlib
from collections.abc import Collection, Mapping, Sequence
from typing import IO

import numpy as np

from jaxvec.storage.door import reading
from jaxvec.storage.files import atomic_write, existing
from jaxvec.storage.members import Check, Member, checked_members, member_name

ZIP_MAGIC = b"PK\x03\x04"
"""The first bytes of a zip file, and so of an ``.npz``."""
_ALIGNMENT = 64
_PIECE = 1 << 20  # numbers of one write
_LOCAL_HEADER = 30  # bytes of a zip member's header before its name


def save_arrays(path: str | os.PathLike[str], **arrays: np.ndarray) -> None:
    """Writes an uncompressed ``.npz`` whose arrays start at multiples of 64 bytes.

    `numpy.load` reads it, and `load_arrays` can memory-map it.

    Args:
      path: the file.
      **arrays: the arrays by name, of any shape; memory-mapped ones are copied piece by piece.

    Raises:
      FileNotFoundError: if there is no folder for it.
      ValueError: if an array holds Python objects.

    >>> path = getfixture("tmp_path") / "a.npz"
    >>> save_arrays(path, ids=np.arange(3))
    >>> load_arrays(path, mapped=True)["ids"]
    memmap([0, 1, 2])
    """
    with atomic_write(path) as temporary, zipfile.ZipFile(temporary, "w") as archive:
        for name, array in arrays.items():
            member = zipfile.ZipInfo(f"{name}.npy")
            assert archive.fp is not None
            # zip64 sizes take 20 bytes of extra fields; a field of zeros is the padding
            start = archive.fp.tell() + _LOCAL_HEADER + len(member.filename) + 20
            padding = -(start + 4) % _ALIGNMENT
            member.extra = b"jv" + padding.to_bytes(2, "little") + bytes(padding)
            with archive.open(member, "w", force_zip64=True) as file:
                _write_array(file, np.asanyarray(array, order="C"))


def _write_array(file: IO[bytes], array: np.ndarray) -> None:
    """As `numpy.lib.format.write_array`, but a memory-mapped array is never whole in memory."""
    if array.dtype.hasobject:
        raise ValueError(f"an array of {array.dtype} cannot be saved without pickle")
    np.lib.format.write_array_header_1_0(file, np.lib.format.header_data_from_array_1_0(array))
    values = array.reshape(-1)
    for start in range(0, len(values), _PIECE):
        file.write(values[start : start + _PIECE].tobytes())
        release(array)


def load_arrays(
    path: str | os.PathLike[str],
    *,
    mapped: bool = False,
    names: Collection[str] | None = None,
    checks: Mapping[str, Check] | None = None,
    partly: Collection[str] = (),
    force_size: bool = False,
) -> dict[str, np.ndarray]:
    """Reads an ``.npz``; pickled objects are refused.

    Each array's header is checked against the bytes that are there before memory is taken, and its
    checksum is compared in the one pass that reads it. A mapped array takes a pass too, when it is
    opened. Its file may be replaced while it is in use: the array keeps the old one. If its file is
    cut in place while it is in use, `still_whole` tells so, but between two calls of it the system
    ends the process (SIGBUS), which no library can turn into an error.

    Args:
      path: the file.
      mapped: memory-map uncompressed arrays, so that they are read from disk as they are used.
      names: the arrays to read, if they are there; by default all.
      checks: for the name of an array a function, called with each part of its numbers.
      partly: arrays of which only a part will be used: they are mapped, and neither checksum nor
        `checks` read the rest.
      force_size: read compressed arrays even if they unpack to over 64 times the file's size.

    Returns:
      The arrays by name.

    Raises:
      FileNotFoundError: if there is no such file.
      PermissionError: if it may not be read.
      ValueError: if it is no archive of arrays, or is damaged.
    """
    checks = checks or {}
    file = existing(path)
    with (
        reading(path, "an .npz archive of arrays"),
        open(file, "rb") as raw,
        zipfile.ZipFile(raw) as archive,
    ):
        arrays = {}
        for info, begin in checked_members(raw, archive, force_size=force_size):
            name = member_name(info)
            if names is not None and name not in names:
                continue
            member = Member(raw, archive, info, begin)
            if not ((mapped or name in partly) and member.stored):
                arrays[name] = member.read(checks.get(name))
                continue
            if name not in partly:
                member.verify(checks.get(name))
            arrays[name] = member.mapped()
        return arrays


def still_whole(*arrays: np.ndarray) -> None:
    """Makes sure that the files of memory-mapped arrays have not been cut since they were opened.

    To be called before each part that is read: to touch a page beyond the end of a file ends the
    process. A cut between this call and the reading still does.

    Args:
      *arrays: of which some may be memory-mapped.

    Raises:
      OSError: if a file has become shorter.
    """
    for array in arrays:
        base = _mapped_base(array)
        mapped = getattr(base, "_mmap", None)
        if mapped is None:
            continue
        begin = base.offset - base.offset % mmap.ALLOCATIONGRANULARITY  # type: ignore[attr-defined]
        if (size := mapped.size()) < begin + len(mapped):
            name = getattr(base, "filename", None) or "a temporary file"
            raise OSError(
                errno.EIO,
                f"it was cut to {size:,} of {begin + len(mapped):,} bytes while it was in use",
                os.fspath(name),
            )


def _mapped_base(array: np.ndarray) -> np.ndarray:
    """The memory-mapped array that an array is a view of, or itself."""
    while isinstance(array.base, np.ndarray) and not isinstance(array, np.memmap):
        array = array.base  # what `np.asarray` made a plain view of
    return array


def release(array: np.ndarray) -> None:
    """Drops the pages of a memory-mapped array from resident memory; they are read again if used.

    Without it, one pass over a large file counts as memory of the process. Arrays that are not
    memory-mapped, and copy-on-write ones, are left alone.
    """
    array = _mapped_base(array)
    mapped = getattr(array, "_mmap", None)
    private = getattr(array, "mode", None) == "c"  # changes to it exist in memory only
    if mapped is not None and not private and hasattr(mmap, "MADV_DONTNEED"):
        mapped.madvise(mmap.MADV_DONTNEED)


def crc(*arrays: np.ndarray) -> int:
    """The CRC-32 of arrays, read in parts: a fingerprint of data.

    Args:
      *arrays: of any dtype; memory-mapped ones are read once.
    """
    value = 0
    for array in arrays:
        for start in range(0, len(array), 1 << 22):
            value = zlib.crc32(array[start : start + (1 << 22)].tobytes(), value)
            release(array)
    return value


def check_encoding(words: Sequence[str]) -> None:
    """Refuses words with half a surrogate pair, which UTF-8 cannot hold.

    Raises:
      ValueError: for such a word.
    """
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
    """Words as uint8[bytes], UTF-8 text with one a line; NumPy's fixed-width strings are larger."""
    return np.frombuffer("\n".join(words).encode(), np.uint8)


def array_text(array: np.ndarray) -> list[str]:
    """The words of a `text_array`.

    >>> array_text(text_array(["a", "café"]))
    ['a', 'café']
    """
    return bytes(array).decode().split("\n") if array.size else []
