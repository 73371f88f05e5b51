"""Streaming readers: files, folders and standard input as pieces of lines, and files of lines.

A line is a document. Text is read in chunks of `CHUNK` bytes, so that a file that is
one endless line needs no more memory than any other, if it has white space.
"""

import codecs
import os
import sys
from collections.abc import Iterable, Iterator
from io import BufferedReader
from pathlib import Path
from typing import BinaryIO, cast

from jaxvec.messages.kinds import kind
from jaxvec.storage.files import DAMAGED, decompressed, existing, expanded

CHUNK = 1 << 20

_MARKS = {  # other encodings' byte order marks, the longer first
    b"\xff\xfe\x00\x00": "UTF-32",
    b"\x00\x00\xfe\xff": "UTF-32",
    b"\xff\xfe": "UTF-16",
    b"\xfe\xff": "UTF-16",
}
_PEEKED = 256  # bytes that tell UTF-16 without a mark

Piece = tuple[str, bool]
"""Some text of one line, and whether the line ends with it."""


def expand_paths(paths: Iterable[str | os.PathLike[str]]) -> list[str]:
    """Every folder replaced by the files below it, in alphabetical order, hidden ones left out.

    Args:
      paths: files, folders, or ``"-"`` for standard input.

    Raises:
      FileNotFoundError: if a path does not exist.
      TypeError: unless all are paths.
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
    """Streams UTF-8 text, plain or compressed (gzip, bzip2, xz: told by content).

    A byte order mark at the start of a file is dropped.

    Args:
      paths: as for `expand_paths`.
      errors: ``"strict"``, or what else `bytes.decode` takes, such as ``"replace"``.

    Yields:
      ``(text, ends)``: a line without its line end, or a part of a line that is longer
      than `CHUNK`, cut at white space; without any, the whole line.

    Raises:
      FileNotFoundError: if a path does not exist.
      ValueError: if a file is binary, is not UTF-8 (naming the byte offset in the
        uncompressed text, or UTF-16 if it is that), or is a damaged
        archive; or if a folder holds no file.
    """
    for name in expand_paths(paths):
        if name == "-":
            yield from _pieces(cast(BufferedReader, sys.stdin.buffer), "standard input", errors)
            continue
        with open(name, "rb") as raw:
            yield from _pieces(raw, name, errors)


def text_lines(path: str | os.PathLike[str], what: str = "file") -> Iterator[tuple[int, str]]:
    """The lines of a file of UTF-8 text, numbered from 1, without their ends and a byte order mark.

    It may be compressed, as for `read_pieces`.

    Args:
      path: the file, or a pipe.
      what: what it should be, for messages.

    Raises:
      FileNotFoundError: if there is no such file.
      ValueError: if it is a folder, or not such text.

    >>> path = getfixture("tmp_path") / "words"
    >>> _ = path.write_bytes("\ufeffthe\\r\\ncafé".encode())
    >>> list(text_lines(path))
    [(1, 'the'), (2, 'café')]
    """
    with open(existing(path, what), "rb") as raw:
        rest = ""
        number = 1
        for text in _decoded(decompressed(raw), f"{what} {path}", None):
            *lines, rest = (rest + text).split("\n")
            for line in lines:
                yield number, line.removesuffix("\r")
                number += 1
        if rest:
            yield number, rest.removesuffix("\r")


def _pieces(raw: BufferedReader, name: str, errors: str) -> Iterator[Piece]:
    parts: list[str] = []  # of a line that goes on
    for text in _decoded(decompressed(raw), name, errors):
        first, *lines = text.split("\n")
        parts.append(first)
        if lines:
            yield "".join(parts).removesuffix("\r"), True
            for line in lines[:-1]:
                yield line.removesuffix("\r"), True
            parts = [lines[-1]]
        elif sum(map(len, parts)) >= CHUNK and (cut := _last_space(first)):
            yield "".join(parts[:-1]) + first[:cut], False
            parts = [first[cut:]]
    yield "".join(parts).removesuffix("\r"), True


def _last_space(text: str) -> int:
    """The place after the last white space that may part words, 0 if there is none."""
    for i in range(len(text) - 2, -1, -1):
        if text[i].isspace() and text[i + 1] not in "/\n":  # <br /> is one to basic_english
            return i + 1
    return 0


def _decoded(file: BinaryIO, name: str, errors: str | None) -> Iterator[str]:
    decoder = codecs.getincrementaldecoder("utf-8")(errors or "strict")
    offset, at_start = 0, True
    while True:
        try:
            chunk = file.read(CHUNK)
        except DAMAGED as error:
            raise ValueError(f"cannot read {name} after byte {offset}: {error}") from None
        if not offset and (encoding := _other_encoding(chunk)):
            raise ValueError(
                f"{name} is {encoding} text, not UTF-8: convert it, such as by "
                f"'iconv -f {encoding} -t UTF-8'"
            )
        if (nul := chunk.find(0)) >= 0:
            raise ValueError(
                f"{name} is not text: byte {offset + nul} is zero; expected UTF-8 text, "
                "plain or compressed by gzip, bzip2 or xz"
            )
        pending = len(decoder.getstate()[0])  # bytes of a character cut by the last chunk
        try:
            text = decoder.decode(chunk, final=not chunk)
        except UnicodeDecodeError as error:
            at = offset - pending + error.start
            way_out = ", or read it with errors='replace'" if errors else ""
            raise ValueError(
                f"{name} is not UTF-8: byte offset {at} ({error.reason}); convert the file{way_out}"
            ) from None
        offset += len(chunk)
        if at_start and text:
            text, at_start = text.removeprefix("\ufeff"), False
        if text:
            yield text
        if not chunk:
            return


def _other_encoding(start: bytes) -> str:
    """Which encoding other than UTF-8 a text begins in; "" if it seems none."""
    for mark, encoding in _MARKS.items():
        if start.startswith(mark):
            return encoding
    for zeros, others in ((1, 0), (0, 1)):  # as of letters of most alphabets, mostly spaces
        high, low = start[zeros:_PEEKED:2], start[others:_PEEKED:2]
        if len(high) > 1 and high.count(0) > len(high) / 2 and not low.count(0):
            return "UTF-16"
    return ""
