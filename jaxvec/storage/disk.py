"""An array that grows and is rewritten in a temporary file, for what outgrows memory."""

import errno
import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np


class DiskArray:
    """`N` numbers in a temporary file, which has no name where the system allows it: nothing is
    left of it however the process ends.

    Attributes:
      length: `N`.

    Args:
      dtype: of the numbers.
      folder: where the file is; None for that of `tempfile`, which ``TMPDIR`` sets.

    Raises:
      FileNotFoundError: if there is no such folder.
      OSError: if no file can be made there.

    >>> numbers = DiskArray(np.int32, None)
    >>> numbers.append(np.arange(4, dtype=np.int32))
    >>> numbers.write(0, numbers.read(2, 4))
    >>> numbers.truncate(3)
    >>> numbers.mapped().tolist()
    [2, 3, 2]
    """

    def __init__(self, dtype: Any, folder: Path | None):
        self.length = 0
        self._dtype = np.dtype(dtype)
        self._folder = tempfile.gettempdir() if folder is None else folder
        try:
            self._file = tempfile.TemporaryFile(buffering=0, dir=folder)  # noqa: SIM115
        except OSError as error:
            raise self._explained(error) from None

    def append(self, part: np.ndarray) -> None:
        """Adds numbers, [n], at the end.

        Raises:
          OSError: if the disk is full.
        """
        self.write(self.length, part)

    def write(self, start: int, part: np.ndarray) -> None:
        """Replaces numbers; they may reach beyond the end.

        Args:
          start: the place of the first.
          part: the new numbers, [n].

        Raises:
          OSError: if the disk is full.
        """
        left = np.ascontiguousarray(part, self._dtype).view(np.uint8).data
        self._file.seek(start * self._dtype.itemsize)
        while left:  # a write may be cut short
            try:
                left = left[self._file.write(left) :]
            except OSError as error:
                raise self._explained(error) from None
        self.length = max(self.length, start + len(part))

    def read(self, start: int, stop: int) -> np.ndarray:
        """A copy of some numbers.

        Args:
          start, stop: the places that they begin and end at.

        Raises:
          OSError: if the file was cut short.
        """
        part = np.empty(stop - start, self._dtype)
        self._file.seek(start * self._dtype.itemsize)
        left = part.view(np.uint8).data
        while left:
            if not (count := self._file.readinto(left)):
                raise OSError(errno.EIO, f"a temporary file in {self._folder} was cut short")
            left = left[count:]
        return part

    def truncate(self, length: int) -> None:
        """Keeps the first numbers only."""
        self._file.truncate(length * self._dtype.itemsize)
        self.length = length

    def mapped(self) -> np.ndarray:
        """The numbers, memory-mapped. Nothing can be written after it."""
        with self._file:
            if not self.length:  # an empty file cannot be mapped
                return np.empty(0, self._dtype)
            return np.memmap(self._file, self._dtype, "r", shape=(self.length,))

    def close(self) -> None:
        """Gives the file up; its space is free again."""
        self._file.close()

    def _explained(self, error: OSError) -> OSError:
        return type(error)(
            f"cannot write to a temporary file in {self._folder}, after "
            f"{self.length * self._dtype.itemsize:,} bytes: "
            f"{os.strerror(error.errno or errno.EIO)}; make room there, or give another folder"
        )
