"""Where word vectors are read from: a file, plain or compressed, a pipe or standard input."""

import contextlib
import io
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

from jaxvec.storage.door import reading
from jaxvec.storage.files import decompressed, existing
from jaxvec.storage.sizes import Unpacked
from jaxvec.text.read import standard_input

_WAY_OUT = "read it with force_size=True or jaxvec convert --force-size"
_BUFFER = 1 << 18  # bytes
_BOM = b"\xef\xbb\xbf"


class Source(NamedTuple):
    """An open file of word vectors."""

    name: str | os.PathLike[str]
    """The path as it was given, for messages."""

    path: Path
    """The file on disk; of a pipe, a copy."""

    file: BinaryIO
    """Its content, unpacked."""

    packed: bool
    """Whether it is compressed."""

    def rewound(self) -> "Source":
        """Itself, at the start of the content."""
        self.file.seek(0)
        return self

    def length(self) -> int:
        """Bytes of the content; the place in it stays."""
        place = self.file.tell()
        length = self.file.seek(0, os.SEEK_END)
        self.file.seek(place)
        return length

    def skip_mark(self) -> None:
        """Goes to the start of the text, after a byte order mark."""
        self.file.seek(0)
        start = self.file.read(4)
        # As a word of its own, before a blank, it is no mark of the encoding.
        marked = start.startswith(_BOM) and start[3:4] not in b" \t"
        self.file.seek(len(_BOM) if marked else 0)

    def header(self) -> tuple[int, int] | None:
        """Number and size of the vectors, if the first line is two numbers; goes to what follows.

        Without such a line, goes to the start of the text.
        """
        self.skip_mark()
        header = self.file.readline(1 << 16).split()
        if len(header) == 2 and all(number.isdigit() for number in header):
            return int(header[0]), int(header[1])
        self.skip_mark()
        return None


@contextlib.contextmanager
def opened(path: str | os.PathLike[str], *, force_size: bool = False) -> Iterator[Source]:
    """Opens a file of word vectors.

    Args:
      path: a file, which gzip, bzip2 or xz may have compressed; or a pipe, or ``"-"`` for standard
        input, which is copied to disk first.
      force_size: whether a compressed file may hold over 64 times its size.

    Raises:
      FileNotFoundError: if there is no such file.
      ValueError: if it is a folder; or, also from within the block, for any error that is one of
        the file's content.
    """
    with contextlib.ExitStack() as stack:
        found = stack.enter_context(_on_disk(path))
        raw = stack.enter_context(open(found, "rb"))
        file = decompressed(raw)
        packed = file is not raw
        if packed and not force_size:
            file = io.BufferedReader(Unpacked(file, found.stat().st_size, _WAY_OUT), _BUFFER)
        with reading(path, "a whole archive" if packed else "a file of word vectors"):
            yield Source(path, found, file, packed)


@contextlib.contextmanager
def _on_disk(path: str | os.PathLike[str]) -> Iterator[Path]:
    with contextlib.ExitStack() as stack:
        if os.fspath(path) == "-":
            pipe = standard_input()
        else:
            found = existing(path, "vectors file")
            if found.is_file():
                yield found
                return
            pipe = stack.enter_context(open(found, "rb"))
        copy = stack.enter_context(tempfile.NamedTemporaryFile(prefix="vectors-"))
        shutil.copyfileobj(pipe, copy)
        copy.flush()
        yield Path(copy.name)
