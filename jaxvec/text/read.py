"""Streaming readers: files, folders and standard input as pieces of lines.

A line is a document. Text is read in chunks of `CHUNK` bytes, so that a file that is
one endless line needs no more memory than any other.
"""

import codecs
import os
import sys
from collections.abc import Iterable, Iterator
from io import BufferedReader
from pathlib import Path
from typing import BinaryIO, cast

from jaxvec.files import DAMAGED, decompressed, expanded

CHUNK = 1 << 20

Piece = tuple[str, bool]
"""Some text of one line, and whether the line ends with it."""


def expand_paths(paths: Iterable[str | os.PathLike[str]]) -> list[str]:
    """Every folder replaced by the files below it, in alphabetical order, hidden ones left out.

    Args:
      paths: files, folders, or ``"-"`` for standard input.

    Raises:
      FileNotFoundError: if a path does not exist.
      ValueError: if a folder holds no file.
    """
    files: list[str] = []
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

    Args:
      paths: as for `expand_paths`.
      errors: ``"strict"``, or what else `bytes.decode` takes, such as ``"replace"``.

    Yields:
      ``(text, ends)``: a line without its line end, or a part of a line that is longer
      than `CHUNK`, cut at white space where it has any.

    Raises:
      FileNotFoundError: if a path does not exist.
      ValueError: if a file is binary, is not UTF-8 (naming the byte offset in the
        uncompressed text), or is a damaged archive; or if a folder holds no file.
    """
    for name in expand_paths(paths):
        if name == "-":
            yield from _pieces(cast(BufferedReader, sys.stdin.buffer), "standard input", errors)
            continue
        with open(name, "rb") as raw:
            yield from _pieces(raw, name, errors)


def _pieces(raw: BufferedReader, name: str, errors: str) -> Iterator[Piece]:
    rest = ""
    for text in _decoded(decompressed(raw), name, errors):
        *lines, rest = (rest + text).split("\n")
        for line in lines:
            yield line.removesuffix("\r"), True
        if len(rest) >= CHUNK:
            cut = max(rest.rfind(" "), rest.rfind("\t")) + 1 or len(rest)
            yield rest[:cut], False
            rest = rest[cut:]
    yield rest, True


def _decoded(file: BinaryIO, name: str, errors: str) -> Iterator[str]:
    decoder = codecs.getincrementaldecoder("utf-8")(errors)
    offset = 0
    while True:
        try:
            chunk = file.read(CHUNK)
        except DAMAGED as error:
            raise ValueError(f"cannot read {name} after byte {offset}: {error}") from None
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
            raise ValueError(
                f"{name} is not UTF-8: byte offset {at} ({error.reason}); convert the file, "
                "or read it with errors='replace'"
            ) from None
        if offset == 0:
            text = text.removeprefix("\ufeff")
        offset += len(chunk)
        if text:
            yield text
        if not chunk:
            return
