"""Streaming readers: files, folders and standard input as pieces of lines, and files of lines.

A line is a document. Text is read in parts of `READ_SIZE` bytes, so that memory stays bounded even
for a file of a single line, if it has white space.
"""

import codecs
import contextlib
import os
import re
import sys
from collections.abc import Iterable, Iterator
from io import BufferedReader
from pathlib import Path
from typing import BinaryIO, NamedTuple, cast

from jaxvec.messages.kinds import kind
from jaxvec.storage.door import reading
from jaxvec.storage.files import decompressed, existing, expanded
from jaxvec.storage.sizes import LONGEST_LINE, Unpacked
from jaxvec.text.decoding import decoded, encoded

READ_SIZE = 1 << 20
"""Bytes of one read."""

_CUT = re.compile(rb" (?=[^\s/])")  # in a very long line, as `_last_space`

Piece = tuple[str, bool]
"""A pair (text, ends): some text of one line, and whether the line ends with it."""


class Block(NamedTuple):
    """Some lines, or part of a line that is longer than `READ_SIZE`."""

    data: bytes  # UTF-8 with line ends
    ends: bool  # whether what stands after the last of them, nothing or a line, is a line


def expand_paths(paths: Iterable[str | os.PathLike[str]]) -> list[str]:
    """Paths with each folder replaced by its files, hidden ones left out, in alphabetical order.

    Args:
      paths: files, folders, or ``"-"`` for standard input.

    Raises:
      FileNotFoundError: if a path does not exist.
      TypeError: if one is no path.
      ValueError: if a folder holds no file.
    """
    files: list[str] = []
    paths = [paths] if isinstance(paths, str | os.PathLike) else list(paths)
    if odd := [path for path in paths if not isinstance(path, str | os.PathLike)]:
        raise TypeError(
            f"from_files takes paths one by one, not {kind(odd[0])}: write from_files(*paths), or "
            "from_documents(sentences) for sentences"
        )
    for name in [os.fspath(path) for path in paths]:
        path = Path(name) if name == "-" else expanded(name)
        if name == "-" or path.is_file():
            files.append(str(path))
        elif path.is_dir():
            inside = sorted(
                str(file)
                for file in path.rglob("[!.]*")
                if file.is_file()
                and not any(part.startswith(".") for part in file.relative_to(path).parts)
            )
            if not inside:
                raise ValueError(f"folder {name} holds no text files")
            files += inside
        elif path.exists():
            files.append(str(path))  # a pipe, /dev/stdin
        else:
            raise FileNotFoundError(f"no such file or folder: {name}")
    return files


def read_pieces(
    paths: Iterable[str | os.PathLike[str]], *, errors: str = "strict"
) -> Iterator[Piece]:
    """Streams UTF-8 text, plain or compressed by gzip, bzip2 or xz, recognized by content.

    A byte order mark at the start of a file is dropped.

    Args:
      paths: files, folders, or ``"-"`` for standard input.
      errors: what to do about invalid UTF-8, as in `bytes.decode`: ``"strict"``, ``"replace"``,
        ``"ignore"`` …

    Yields:
      ``(text, ends)``: a line without its line end; or part of a line longer than `READ_SIZE`,
      cut at white space. A word is never cut.

    Raises:
      FileNotFoundError: if a path does not exist.
      TypeError: if one is no path.
      ValueError: if a folder holds no file, or a file is binary, damaged or not UTF-8; the
        message has the byte offset in the uncompressed text, or names UTF-16; also if `errors`
        is no such name; or for a line, or a word, of over 16 MiB without white space.
    """
    return pieces_of(read_blocks(paths, errors=errors))


def read_blocks(
    paths: Iterable[str | os.PathLike[str]], *, errors: str = "strict"
) -> Iterator[Block]:
    """Streams UTF-8 text as `read_pieces`, many lines at once.

    Args:
      paths, errors: as for `read_pieces`.

    Yields:
      The blocks.

    Raises:
      FileNotFoundError, TypeError, ValueError: as `read_pieces`.
    """
    check_errors(errors)
    for name in expand_paths(paths):
        if name == "-":
            yield from _blocks(decompressed(standard_input()), "standard input", errors)
            continue
        with open(name, "rb") as raw:
            yield from _blocks(decompressed(raw), name, errors)


def standard_input() -> BufferedReader:
    """The bytes of standard input.

    Raises:
      ValueError: if the process has none.
    """
    if sys.stdin is None:
        raise ValueError("there is no standard input to read: it is closed")
    return cast(BufferedReader, sys.stdin.buffer)


def pieces_of(blocks: Iterable[Block]) -> Iterator[Piece]:
    """The lines of blocks, without their line ends.

    >>> list(pieces_of([Block(b"a\\r\\nb c ", False), Block(b"d\\n", True)]))
    [('a', True), ('b c ', False), ('d', True), ('', True)]
    """
    for data, ends in blocks:
        *lines, last = _text(data).split("\n")
        for line in lines:
            yield line.removesuffix("\r"), True
        if ends:
            yield last.removesuffix("\r"), True
        elif last:
            yield last, False


def check_errors(errors: str) -> None:
    """Checks the name of what to do about invalid UTF-8.

    Args:
      errors: as in `bytes.decode`.

    Raises:
      ValueError: if it is no such name.

    >>> check_errors("replace")
    """
    try:
        codecs.lookup_error(errors)
    except (LookupError, TypeError):
        raise ValueError(
            f"errors must be a name such as 'strict' or 'replace'; got {errors!r}"
        ) from None


def range_bounds(path: str | os.PathLike[str], size: int) -> list[int]:
    """Where a text file may be divided into ranges of about `size` bytes, for `read_range`.

    Args:
      path: the file.
      size: at least 1.

    Returns:
      Rising offsets, the first 0 and the last the file's size: ends of lines, or within a line
      longer than `READ_SIZE`, or the last line, if it has no end, a place after a blank. A
      compressed file is one range.

    Raises:
      FileNotFoundError: if there is no such file.
      ValueError: if it is a folder.

    >>> path = getfixture("tmp_path") / "text"
    >>> _ = path.write_bytes(b"a b\\nc\\nd e f\\n")
    >>> range_bounds(path, 5)
    [0, 6, 12]
    """
    file = existing(path)
    end = file.stat().st_size
    bounds = [0]
    with open(file, "rb") as raw:
        plain = decompressed(raw) is raw
        while plain and bounds[-1] + size < end:
            cut = _next_cut(raw, bounds[-1] + size)
            if cut >= end:
                break
            bounds.append(cut)
    return [*bounds, end]


def _next_cut(raw: BinaryIO, place: int) -> int:
    """The first place, from `place` on, where a plain file may be divided; its size if none."""
    at = raw.seek(place - 1)
    while block := raw.read(READ_SIZE):
        if end := block.find(b"\n") + 1:
            return at + end
        if blank := _CUT.search(block):
            return at + blank.end()
        at += len(block)
    return at


def read_range(
    path: str | os.PathLike[str], start: int, stop: int | None = None, *, errors: str = "strict"
) -> Iterator[Block]:
    """Streams a range of a text file that is not compressed, as `read_blocks`.

    Args:
      path: the file.
      start, stop: bytes, of `range_bounds`; by default to the end of the file.
      errors: what to do about invalid UTF-8, as in `bytes.decode`.

    Yields:
      Blocks; `ends` of the last is False if the range stops in a line.

    Raises:
      FileNotFoundError: if there is no such file.
      ValueError: if the range is not in the file or would cut a word, or as `read_pieces`.
    """
    with open(existing(path), "rb") as raw:
        end = raw.seek(0, os.SEEK_END)
        stop = end if stop is None else stop
        if not 0 <= start <= stop <= end:
            raise ValueError(f"{path} has {end} bytes, and no range {start}:{stop}")
        before = dict.fromkeys((start, stop), b"\n")
        for place in before:
            if 0 < place < end:
                raw.seek(place - 1)
                before[place] = raw.read(1)
            if before[place] not in (b"\n", b" "):
                raise ValueError(
                    f"byte {place} of {path} stands inside a word: cut at range_bounds(path, size)"
                )
        raw.seek(start)
        part = cast(BinaryIO, _Part(raw, stop - start))
        yield from _blocks(part, str(path), errors, start, before[stop] == b"\n")


class _Part:
    """The next `size` bytes of a file, to read."""

    def __init__(self, raw: BinaryIO, size: int):
        self._raw, self._left = raw, size

    def read(self, size: int) -> bytes:
        data = self._raw.read(min(size, self._left))
        self._left -= len(data)
        return data


def text_lines(path: str | os.PathLike[str], what: str = "file") -> Iterator[tuple[int, str]]:
    """Streams the lines of a UTF-8 file, plain or compressed as for `read_pieces`.

    Args:
      path: the file, or a pipe.
      what: the kind of file, for messages: ``"vocabulary file"``.

    Yields:
      ``(number, line)``: numbers from 1, and lines without their ends; a byte order mark at the
      start is dropped.

    Raises:
      FileNotFoundError: if there is no such file.
      ValueError: if it is a folder, binary, damaged or not UTF-8; for a line of over 16 MiB; or
        if it is compressed, and holds over 64 times its size.

    >>> path = getfixture("tmp_path") / "words"
    >>> _ = path.write_bytes("\ufeffthe\\r\\ncafé".encode())
    >>> list(text_lines(path))
    [(1, 'the'), (2, 'café')]
    """
    with opened_text(path, what) as file:
        rest: list[str] = []  # of a line that is not finished
        number, length = 1, 0
        for text in decoded(file, f"{what} {path}", None, READ_SIZE):
            first, *lines = text.split("\n")
            rest.append(first)
            length += len(first)
            if length > LONGEST_LINE:
                raise ValueError(
                    f"{what} {path}: line {number} has more than {LONGEST_LINE:,} characters"
                )
            for line in lines:
                yield number, "".join(rest).removesuffix("\r")
                rest, length = [line], len(line)
                number += 1
        if length:
            yield number, "".join(rest).removesuffix("\r")


@contextlib.contextmanager
def opened_text(path: str | os.PathLike[str], what: str) -> Iterator[BinaryIO]:
    """Opens a file that is read whole, line by line, and unpacks it, within bounds.

    Args:
      path: the file, or a pipe; gzip, bzip2 or xz may have compressed it.
      what: the kind of file, for messages.

    Raises:
      FileNotFoundError: if there is no such file.
      ValueError: from within the block, if it is damaged or holds over 64 times its size.
    """
    with open(existing(path, what), "rb") as raw, reading(path, f"a {what}"):
        file = decompressed(raw)
        if file is not raw:
            size = os.fstat(raw.fileno()).st_size
            file = BufferedReader(Unpacked(file, size, "unpack it first"), READ_SIZE)
        yield file


def _blocks(
    file: BinaryIO, name: str, errors: str, offset: int = 0, ends: bool = True
) -> Iterator[Block]:
    """The blocks of a decompressed file.

    Args:
      file, name, errors, offset: as for `encoded`.
      ends: whether the last line ends with the file.
    """
    parts: list[bytes] = []  # of the line that is not finished
    length = 0  # of these, in characters
    for data in encoded(file, name, errors, READ_SIZE, offset):
        offset += len(data)
        cut = data.rfind(b"\n") + 1
        if not cut:
            text = _text(data)
            length += len(text)
            if length >= READ_SIZE:
                cut = len(_bytes(text[: _last_space(text)]))
            if not cut and length > LONGEST_LINE:
                raise ValueError(
                    f"{name} has more than {LONGEST_LINE:,} characters without white space before "
                    f"byte {offset}: no word is that long; put white space between words"
                )
        if cut:
            yield Block(b"".join([*parts, data[:cut]]), False)
            parts, data = [], data[cut:]
            length = len(_text(data))
        parts.append(data)
    yield Block(b"".join(parts), ends)


def _last_space(text: str) -> int:
    """The place after the last white space between words, 0 if there is none."""
    for i in range(len(text) - 2, -1, -1):
        if text[i].isspace() and text[i + 1] not in "/\n":  # basic_english drops "<br />" whole
            return i + 1
    return 0


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogatepass")


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
