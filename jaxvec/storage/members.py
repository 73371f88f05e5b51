"""The arrays in an ``.npz``, one by one: what a header says is checked before it is believed."""

import io
import math
import os
import struct
import zipfile
import zlib
from collections.abc import Callable
from typing import Any, BinaryIO

import numpy as np

from jaxvec.storage.sizes import check_unpacked

PART = 1 << 18
"""Bytes of an array that are read, summed up and checked together."""
Check = Callable[[np.ndarray], None]
"""Gets an array's numbers part by part, [n] each; ValueError if they are not as they should be."""

_HEADER_BYTES = 1 << 14  # of an array at most; NumPy reads no more than 10,000
_LOCAL = struct.Struct("<4s2xHH16xHH")  # of a member: its mark, flags, method, lengths to its data
_MARK, _ENCRYPTED, _UTF8 = b"PK\x03\x04", 1, 0x800
_KINDS = "biufcSU"
_DESCRIPTOR = 24  # bytes after a member, at most, if its sizes were not known before
_WAY_OUT = (
    "write it anew without compression, numpy.savez(path, **numpy.load(path)), or, if it holds "
    "word vectors, read it with force_size=True or jaxvec convert --force-size"
)


class Member:
    """An array in an archive.

    Attributes:
      name: of the array.
      dtype: of its numbers.
      shape: of the array.

    Args:
      raw: the archive's file.
      archive: the archive.
      info: the member.
      begin: where its bytes are in the file.

    Raises:
      ValueError: if the header is damaged, or tells of another number of bytes than are there.
    """

    def __init__(self, raw: BinaryIO, archive: zipfile.ZipFile, info: zipfile.ZipInfo, begin: int):
        self.name = member_name(info)
        self._raw, self._archive, self._info = raw, archive, info
        self._begin = begin
        self.stored = info.compress_type == zipfile.ZIP_STORED
        with self._opened() as file:
            head = file.read(min(_HEADER_BYTES, info.file_size))
        try:
            self.shape, self._fortran, self.dtype, self._start = _header(head)
        except Exception as error:  # ast's, of text that is no header, may be a MemoryError
            raise ValueError(f"the header of {self.name!r} is damaged: {error}") from None
        self._head = head[: self._start]
        self._count = math.prod(self.shape)
        held = info.file_size - self._start
        if self._count * self.dtype.itemsize != held:
            raise ValueError(
                f"{self.name!r} has {held:,} bytes, and should have {list(self.shape)} numbers of "
                f"{self.dtype.itemsize} bytes, {self.dtype}"
            )

    def mapped(self) -> np.ndarray:
        """The array, memory-mapped if it is not compressed; nothing of it is read or checked."""
        if not self.stored or not self._count or not self.shape:
            return self.read()
        order = "F" if self._fortran else "C"
        place = self._begin + self._start
        return np.memmap(self._raw, self.dtype, "r", place, self.shape, order)  # type: ignore[call-overload]

    def read(self, check: Check | None = None) -> np.ndarray:
        """The array in memory.

        Args:
          check: called for each part of its numbers.

        Raises:
          ValueError: if its checksum is another one, or as `check`.
        """
        numbers = np.empty(self._count, self.dtype)
        self._pass(numbers.view(np.uint8).data, check)
        return numbers.reshape(self.shape, order="F" if self._fortran else "C")

    def verify(self, check: Check | None = None) -> None:
        """Reads the array once, part by part, and keeps nothing of it.

        Args:
          check: as for `read`.

        Raises:
          ValueError: as `read`.
        """
        self._pass(None, check)

    def _pass(self, memory: memoryview | None, check: Check | None) -> None:
        """Reads all bytes, into memory if it is given, and compares their checksum."""
        size, item = self._count * self.dtype.itemsize, self.dtype.itemsize
        length = max(1, PART // item) * item
        kept = memory is not None
        room = memory if memory is not None else memoryview(bytearray(min(length, size)))
        with self._opened() as file:
            value = zlib.crc32(file.read(self._start))
            for start in range(0, size, length):
                wanted = min(length, size - start)
                part = room[start : start + wanted] if kept else room[:wanted]
                filled = 0
                while filled < wanted and (more := file.readinto(part[filled:])):
                    filled += more
                if filled < wanted:
                    raise ValueError(f"{self.name!r} is cut short")
                value = zlib.crc32(part, value)
                if check is not None:
                    check(np.frombuffer(part, self.dtype))
        if value != self._info.CRC:
            raise ValueError(f"{self.name!r} is damaged: its checksum is another one")

    def _opened(self) -> Any:
        if not self.stored:
            return self._archive.open(self._info)
        self._raw.seek(self._begin)
        return _Kept(self._raw)


class _Kept(io.RawIOBase):
    """A file that goes on being open after a ``with``."""

    def __init__(self, file: BinaryIO):
        self._file = file

    def read(self, size: int = -1) -> bytes:
        return self._file.read(size)

    def readinto(self, buffer: Any) -> int:
        return self._file.readinto(buffer)  # type: ignore[attr-defined]


def member_name(info: zipfile.ZipInfo) -> str:
    """The name of a member's array."""
    return info.filename.removesuffix(".npy")


def _header(head: bytes) -> tuple[tuple[int, ...], bool, np.dtype, int]:
    """(shape, fortran, dtype, length) of a header; ValueError for what no archive here holds."""
    file = io.BytesIO(head)
    version = np.lib.format.read_magic(file)
    if version not in ((1, 0), (2, 0)):
        raise ValueError(f"version {version}")
    old = version == (1, 0)
    read = np.lib.format.read_array_header_1_0 if old else np.lib.format.read_array_header_2_0
    shape, fortran, dtype = read(file)
    if dtype.hasobject:
        raise ValueError("it holds Python objects, which only unpickling reads, and that runs code")
    if dtype.kind not in _KINDS or not dtype.itemsize:
        raise ValueError(f"its dtype is {dtype}, neither numbers nor text")
    if not all(type(size) is int and 0 <= size < 1 << 48 for size in shape):
        raise ValueError(f"its shape is {shape}")
    return shape, fortran, dtype, file.tell()


def checked_members(
    raw: BinaryIO, archive: zipfile.ZipFile, *, force_size: bool
) -> list[tuple[zipfile.ZipInfo, int]]:
    """The members of an archive and where their bytes begin, once these are sure to fill its file.

    The list at the end of an archive has no checksum. So each member is compared with the header
    before its bytes, and they must follow each other: none is hidden between.

    Args:
      raw: the archive's file.
      archive: the archive.
      force_size: whether they may unpack to any size.

    Raises:
      ValueError: if they do not; if two have one name or one is encrypted; if they are far larger
        than the file.
    """
    size = os.fstat(raw.fileno()).st_size
    found, names, end = [], set(), 0
    for info in sorted(archive.infolist(), key=lambda info: info.header_offset):
        name = member_name(info)
        if name in names:
            raise ValueError(f"two of its members are called {name!r}")
        names.add(name)
        if not end <= info.header_offset <= end + _DESCRIPTOR:
            raise ValueError(f"its member {name!r} is not where the one before it ends")
        begin = _begin(raw, info)
        found.append((info, begin))
        end = begin + info.compress_size
    if not end <= archive.start_dir <= end + _DESCRIPTOR:
        raise ValueError(f"its members end at byte {end:,}, and their list is at another place")
    if not force_size:
        check_unpacked(sum(info.file_size for info, _ in found), size, _WAY_OUT)
    return found


def _begin(raw: BinaryIO, info: zipfile.ZipInfo) -> int:
    """Where the bytes of a member begin; ValueError if it has another header before them."""
    raw.seek(info.header_offset)
    mark, flags, method, name, extra = _LOCAL.unpack(raw.read(_LOCAL.size))
    encoding = "utf-8" if flags & _UTF8 else "cp437"
    shown = member_name(info)
    if (flags | info.flag_bits) & _ENCRYPTED:
        raise ValueError(f"its member {shown!r} is encrypted")
    named = raw.read(name) == info.orig_filename.encode(encoding, "replace")
    if not named or mark != _MARK or method != info.compress_type:
        raise ValueError(f"its member {shown!r} has another header in the file than in its list")
    if info.compress_type == zipfile.ZIP_STORED and info.compress_size != info.file_size:
        raise ValueError(f"its member {shown!r} has two sizes")
    return info.header_offset + _LOCAL.size + name + extra
