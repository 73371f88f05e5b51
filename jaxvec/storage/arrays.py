"""Archives of arrays (``.npz``) that can be memory-mapped, and words packed into an array."""

import mmap
import os
import tokenize
import zipfile
import zlib
from collections.abc import Sequence
from typing import IO

import numpy as np

from jaxvec.storage.files import atomic_write, existing

ZIP_MAGIC = b"PK\x03\x04"
"""The first bytes of a zip file, and so of an ``.npz``."""
_ALIGNMENT = 64
_PIECE = 1 << 20  # numbers of one write
_DAMAGES = (
    zipfile.BadZipFile,
    zlib.error,
    tokenize.TokenError,  # a damaged header of an array
    EOFError,
    NotImplementedError,  # an unknown method of compression
    OSError,  # an offset before the start of the file
    OverflowError,
    RuntimeError,  # encryption
    ValueError,
)  # what zipfile and NumPy raise for damaged archives
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


def load_arrays(path: str | os.PathLike[str], *, mapped: bool = False) -> dict[str, np.ndarray]:
    """Reads an ``.npz``; pickled objects are refused.

    Args:
      path: the file.
      mapped: memory-map uncompressed arrays, so that they are read from disk as they are used.

    Returns:
      The arrays by name.

    Raises:
      FileNotFoundError: if there is no such file.
      PermissionError: if it may not be read.
      ValueError: if it is no archive of arrays, or is damaged.
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
        if dtype.hasobject or 0 in shape or not shape:  # these cannot be mapped
            file.seek(start)
            return np.lib.format.read_array(file, allow_pickle=False)
        return np.memmap(path, dtype, "r", file.tell(), shape, "F" if fortran else "C")


def release(array: np.ndarray) -> None:
    """Drops the pages of a memory-mapped array from resident memory; they are read again if used.

    Without it, one pass over a large file counts as memory of the process. Arrays that are not
    memory-mapped, and copy-on-write ones, are left alone.
    """
    while isinstance(array.base, np.ndarray) and not isinstance(array, np.memmap):
        array = array.base  # what `np.asarray` made a plain view of
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
