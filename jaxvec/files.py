"""Files written beside and renamed, and archives of named arrays that can be memory-mapped."""

import contextlib
import mmap
import os
import tempfile
import tokenize
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import numpy as np

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


@contextlib.contextmanager
def written_beside(path: str | os.PathLike[str]) -> Iterator[Path]:
    """A temporary file in the folder of `path`, renamed to `path` if the block succeeds.

    Readers see the old file or the whole new one, never a part. Missing folders are made.

    Example:
      >>> with written_beside(getfixture("tmp_path") / "a.txt") as temporary:
      ...     _ = temporary.write_text("all or nothing")
    """
    target = Path(path).resolve()  # of a link, what it points to
    target.parent.mkdir(parents=True, exist_ok=True)
    mode = target.stat().st_mode & 0o777 if target.exists() else 0o666 & ~_umask()
    handle, name = tempfile.mkstemp(prefix=f".{target.name}.", suffix=".part", dir=target.parent)
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
    try:
        with zipfile.ZipFile(path) as archive:
            return {
                member.filename.removesuffix(".npy"): _load_member(path, archive, member, mapped)
                for member in archive.infolist()
            }
    except (FileNotFoundError, PermissionError):
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


def text_array(words: list[str]) -> np.ndarray:
    """Words as uint8 UTF-8 text, one a line: far smaller than NumPy's fixed-width strings."""
    return np.frombuffer("\n".join(words).encode(), np.uint8)


def array_text(array: np.ndarray) -> list[str]:
    """The words that `text_array` packed."""
    return bytes(array).decode().split("\n") if array.size else []
