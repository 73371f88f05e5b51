"""Where word vectors are read from: a file, plain or compressed, a pipe or standard input."""

import codecs
import contextlib
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from io import BufferedReader
from pathlib import Path
from typing import BinaryIO, NamedTuple, cast

import numpy as np

from jaxvec.storage.arrays import ZIP_MAGIC
from jaxvec.storage.files import DAMAGED, decompressed, existing
from jaxvec.vectors.formats import text

_SAMPLE = 1 << 16  # bytes that tell whether a file is text
_ENOUGH = 256  # bytes of floats hold a control character, or their file is tiny
_CONTROL = re.compile(rb"[\x00-\x08\x0e-\x1f\x7f]")
_BOM = b"\xef\xbb\xbf"


class Source(NamedTuple):
    """An open file of word vectors."""

    kind: str
    """Its format: "npz", "safetensors", "word2vec text", "word2vec binary" or "GloVe text"."""

    file: BinaryIO
    """Its content, unpacked, at the first vector."""

    header: tuple[int, int] | None
    """Count and size, if a header says them."""

    path: Path
    """The file on disk; of a pipe, a copy."""

    def length(self) -> int:
        """Bytes of the content; the place in it stays."""
        place = self.file.tell()
        length = self.file.seek(0, os.SEEK_END)
        self.file.seek(place)
        return length


@contextlib.contextmanager
def opened(path: str | os.PathLike[str]) -> Iterator[Source]:
    """Opens word vectors, whose format the content tells.

    Args:
      path: a file, which gzip, bzip2 or xz may have compressed if it is text or word2vec
        binary; or a pipe, or ``"-"`` for standard input, which is copied to disk first.

    Raises:
      FileNotFoundError: if there is no such file.
      ValueError: if it is a folder; or, also from within the block, a damaged archive.
    """
    with contextlib.ExitStack() as stack:
        found = stack.enter_context(_on_disk(path))
        raw = stack.enter_context(open(found, "rb"))
        file = decompressed(raw)
        try:
            kind, header = _told(file, found)
            if file is not raw and kind in ("npz", "safetensors"):
                raise ValueError(f"{path} is a compressed {kind}: unpack it first")
            yield Source(kind, file, header, found)
        except DAMAGED as error:
            if file is raw:
                raise
            raise ValueError(f"{path} is a damaged or cut archive: {error}") from None


@contextlib.contextmanager
def _on_disk(path: str | os.PathLike[str]) -> Iterator[Path]:
    with contextlib.ExitStack() as stack:
        if os.fspath(path) == "-":
            pipe = cast(BufferedReader, sys.stdin.buffer)
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


def _told(file: BinaryIO, path: Path) -> tuple[str, tuple[int, int] | None]:
    """Format and header; leaves the file at its first vector."""
    start = file.read(9)
    if start.startswith(ZIP_MAGIC):
        return "npz", None
    if start[8:] == b"{" and int.from_bytes(start[:8], "little") < path.stat().st_size:
        return "safetensors", None
    # As a word of its own, before a blank, it is no mark of the encoding.
    begin = len(_BOM) if start.startswith(_BOM) and start[3:4] not in b" \t" else 0
    file.seek(begin)
    header = file.readline(1 << 16).split()
    if len(header) == 2 and all(number.isdigit() for number in header):
        count, size = int(header[0]), int(header[1])
        is_text = size > 0 and (text.row_follows(file, size) or _is_text(file, size))
        return "word2vec text" if is_text else "word2vec binary", (count, size)
    file.seek(begin)
    return "GloVe text", None


def _is_text(file: BinaryIO, size: int) -> bool:
    """Whether what follows is text, even if no row of numbers is in its first line.

    Of a few bytes, all of them printable, the first vector tells: as floats, text is tiny or huge.
    """
    start = file.tell()
    sample = file.read(_SAMPLE)
    file.seek(start)
    if _CONTROL.search(sample):
        return False
    try:
        codecs.getincrementaldecoder("utf-8")().decode(sample)  # may end within a character
    except UnicodeDecodeError:
        return len(sample) > _ENOUGH
    if len(sample) > _ENOUGH:
        return True
    row = sample.partition(b" ")[2][: 4 * size]
    numbers = np.abs(np.frombuffer(row[: len(row) // 4 * 4], "<f4"))
    return len(numbers) < size or not ((numbers > 1e-6) & (numbers < 1e6)).all()
