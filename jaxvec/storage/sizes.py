"""Bounds of the bytes that a file may unpack to, so that a small file cannot fill the memory."""

import io
import os
from typing import Any, BinaryIO

MOST_RATIO = 64
"""A packed file may unpack to this many times its size: text and vectors come to 2 to 10 times."""
FREE = 64 << 20
"""Bytes that any file may unpack to, however small it is."""
LONGEST_LINE = 1 << 24
"""Bytes of the longest line without white space, and so of a word, that readers of text take; and
of the longest line of files that are read line by line."""


def check_unpacked(size: int, packed: int, way_out: str) -> None:
    """Refuses content that is far larger than its file.

    Args:
      size: bytes of the content.
      packed: bytes of the file.
      way_out: how the size can be allowed, for the message.

    Raises:
      ValueError: if the content is larger than both `MOST_RATIO` times the file and `FREE`.

    >>> check_unpacked(1 << 30, 1 << 20, "unpack it first")
    Traceback (most recent call last):
    ...
    ValueError: 1,048,576 bytes unpack to 1,073,741,824 or more, over 64 times as many: if it is \
to be trusted, unpack it first
    """
    if size > max(FREE, MOST_RATIO * packed):
        raise ValueError(
            f"{packed:,} bytes unpack to {size:,} or more, over {MOST_RATIO} times as many: if it "
            f"is to be trusted, {way_out}"
        )


class Unpacked(io.RawIOBase):
    """The content of a packed file, which raises a ValueError once it is far larger than the file.

    Args:
      content: unpacks as it is read.
      packed: bytes of the file.
      way_out: as for `check_unpacked`.

    >>> import gzip
    >>> content = gzip.open(io.BytesIO(gzip.compress(bytes(FREE + 1))))
    >>> io.BufferedReader(Unpacked(content, 9, "unpack it first")).read()
    Traceback (most recent call last):
    ...
    ValueError: 9 bytes unpack to 67,108,865 or more, over 64 times as many: if it is to be \
trusted, unpack it first
    """

    def __init__(self, content: BinaryIO, packed: int, way_out: str):
        self._content, self._packed, self._way_out = content, packed, way_out

    def readable(self) -> bool:
        """True."""
        return True

    def seekable(self) -> bool:
        """True."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fills a buffer.

        Args:
          buffer: writable bytes.

        Returns:
          How many bytes were read, 0 at the end.

        Raises:
          ValueError: if the content is far larger than the file.
        """
        with memoryview(buffer).cast("B") as view:
            data = self._content.read(len(view))
            view[: len(data)] = data
        check_unpacked(self._content.tell(), self._packed, self._way_out)
        return len(data)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Goes to a place of the content, and returns it.

        Args:
          offset: bytes.
          whence: what they count from, as for any file.

        Raises:
          ValueError: if the content before the place is far larger than the file.
        """
        if whence != os.SEEK_END:
            return self._content.seek(offset, whence)
        while self.read(1 << 20):  # which bounds it
            pass
        return self._content.seek(offset, os.SEEK_CUR)

    def tell(self) -> int:
        """The place in the content, in bytes."""
        return self._content.tell()
