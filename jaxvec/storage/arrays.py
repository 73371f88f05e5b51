"""Archives of arrays, `.npz`, that can be memory-mapped; words packed into an array."""

import mmap
import os
import tokenize
import zipfile
import zlib
from collections.abc import Sequence
from typing import IO

import numpy as np

from jaxvec.storage.files import existing, written_beside

ZIP_MAGIC = b"PK\x03\x04"
"""What an `.npz` begins with."""
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
