"""Word2vec's binary format: a header line, then each word, a space and its float32 numbers."""

import codecs
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np

from jaxvec.vectors.formats import text
from jaxvec.vectors.formats.checks import LENIENT, check_lines, checked, fill
from jaxvec.vectors.formats.format import Format, Options
from jaxvec.vectors.formats.source import Source
from jaxvec.vectors.table import WordTable

_BLOCK = 1 << 20  # bytes of one read
_LONGEST = 1 << 20  # bytes of a word
_SAMPLE = 1 << 16  # bytes that tell whether a file is text
_CONTROL = re.compile(rb"[\x00-\x08\x0e-\x1f\x7f]")
_IS_CONTROL = np.array([bool(_CONTROL.match(bytes([byte]))) for byte in range(256)])
_IN_NUMBERS = np.isin(np.arange(256), list(b"0123456789.,+-eE \t\r\n"))
_LEAST, _MOST = 2.0**-11, 2.0**14  # of the floats that vectors are mostly made of
_MARGIN, _MOSTLY, _FOREIGN = 1 / 16, 1 / 2, 1 / 8  # shares of bytes, see `_is_text`


def check(words: Sequence[str]) -> None:
    """Refuses words that the format cannot hold.

    Raises:
      ValueError: for the first of them.
    """
    check_lines(words)
    for word in words:
        if " " in word:
            raise ValueError(
                f"word {word!r} holds white space, which in word2vec binary ends a word; save "
                "as .npz"
            )
        if len(word) * 4 > _LONGEST and len(word.encode()) >= _LONGEST:
            raise ValueError(f"word {word[:40]!r}… is longer than {_LONGEST} bytes")


def write(vectors: WordTable, path: Path) -> None:
    """Writes the format, with a line break after each vector as word2vec does.

    Args:
      vectors: the table.
      path: the file.
    """
    with open(path, "wb") as file:
        file.write(f"{len(vectors)} {vectors.vector_size}\n".encode())
        for word, row in zip(vectors.index_to_key, vectors.vectors, strict=True):
            file.write(word.encode() + b" " + row.astype("<f4").tobytes() + b"\n")


def recognizes(source: Source) -> bool:
    """Whether there is a header, and what follows is not text."""
    header = source.header()
    if header is None:
        return False
    size = header[1]
    return size < 1 or not (text.row_follows(source.file, size) or _is_text(source.file, size))


def _is_text(file: BinaryIO, size: int) -> bool:
    """Whether what follows a header is text, even if the first line, or every line, is broken.

    A line that is a word and its numbers settles it. If there is none, then the bytes where binary
    has its numbers do, four at a time. Of text they are digits, points and blanks, which as a float
    are below 0.00025 or huge, and never negative; of binary most are floats between 0.0005 and
    16,384. Where neither is so (broken text, or tiny vectors), binary has bytes that are no text,
    and many that are not ASCII where its numbers are.
    """
    start = file.tell()
    sample = file.read(_SAMPLE)
    file.seek(start)
    if any(text.is_row(line, size) for line in sample.split(b"\n")):
        return True
    held = _number_bytes(sample, 4 * size)
    fours = held[: len(held) // 4 * 4].reshape(-1, 4)
    floats = np.abs(fours.reshape(-1).view("<f4"))
    as_text = _IN_NUMBERS[fours].all(axis=1)
    as_floats = ((floats > _LEAST) & (floats < _MOST)) | (floats == 0)
    written, stored = (float(of.mean()) if len(fours) else 0.0 for of in (as_text, as_floats))
    if written > stored + _MARGIN:
        return True
    if stored > _MOSTLY:
        return False
    if not _CONTROL.search(sample) and _is_utf8(sample):
        return True
    foreign = (held >= 0x80) | _IS_CONTROL[held]
    return len(held) > 0 and foreign.sum() <= max(1, _FOREIGN * len(held))


def _is_utf8(sample: bytes) -> bool:
    try:
        codecs.getincrementaldecoder("utf-8")().decode(sample)  # may end within a character
    except UnicodeDecodeError:
        return False
    return True


def _number_bytes(sample: bytes, width: int) -> np.ndarray:
    """The bytes that binary has its numbers in: uint8[n], `width` after each word's blank."""
    parts, at = [b""], 0
    while (space := sample.find(b" ", at)) >= 0:
        at = space + 1 + width
        parts.append(sample[space + 1 : at][: width - width % 4])
    whole = [part[: len(part) // 4 * 4] for part in parts]
    return np.frombuffer(b"".join(whole), np.uint8)


def count(source: Source) -> int:
    """The number of words that the header says."""
    header = source.header()
    return header[0] if header else 0


def read(source: Source, options: Options) -> WordTable:
    """Reads the number of vectors that the header says, of the size that it says.

    Line breaks after them may be there or not. With a `limit` below the header's number, what
    follows is not looked at, but the file must be long enough.

    Args:
      source: the file.
      options: how to read it.

    Raises:
      ValueError: as `formats.load`.
    """
    path, file = source.name, source.file
    count, size = source.header() or (0, 0)
    limit, dtype = options.limit, options.dtype or np.dtype("float32")
    if count < 1 or size < 1:
        raise ValueError(f"{path} holds no word vectors: its header says {count} of {size} numbers")
    start = file.tell()
    possible = (source.length() - start) // (4 * size + 1)
    if not possible:
        _check_end(file, path, count, size, 0, start)
    wanted = min(count, limit or count)
    table = np.empty((min(wanted, possible), size), dtype)
    places = np.empty(len(table), np.int64)
    words: list[str] = []
    found, end = 0, start
    for raw, rows, starts, after in _blocks(file, path, size):
        new = min(len(raw), len(table) - len(words))
        if new:
            at = len(words)
            places[at : at + new] = starts[:new]
            words += _decoded(path, raw[:new], starts, options)
            bad = fill(table, at, rows[:new])
            if bad is not None:
                raise ValueError(
                    f"{path}: the vector at byte {places[bad]}, of {words[bad]!r}, is not finite "
                    f"in {dtype}"
                )
        found, end = found + len(raw), after
        if wanted <= found and wanted < count <= possible:
            break
    else:
        _check_end(file, path, count, size, found, end)
    return checked(path, words, table, lambda i: f"byte {places[i]}")


def _blocks(
    file: BinaryIO, path, size: int
) -> Iterator[tuple[list[bytes], np.ndarray, list[int], int]]:
    """Words, their vectors, the bytes where they begin and the one where the last ends."""
    width = 4 * size
    data, start = b"", file.tell()
    while block := file.read(max(_BLOCK, width - len(data))):  # few reads of a long vector
        data += block
        words: list[bytes] = []
        begins: list[int] = []  # of words, in `data`
        spaces: list[int] = []
        at = 0
        while (space := data.find(b" ", at)) >= 0 and (end := space + 1 + width) <= len(data):
            words.append(data[at:space])
            begins.append(at)
            spaces.append(space)
            at = end
        if words:
            windows = np.lib.stride_tricks.sliding_window_view(np.frombuffer(data, np.uint8), width)
            rows = windows[np.array(spaces) + 1].view("<f4")  # copies each row at once
            yield words, rows, [start + begin for begin in begins], start + at
        elif space < 0 and len(data) > _LONGEST:
            raise ValueError(f"{path}: no word ends within {_LONGEST} bytes of byte {start}")
        data, start = data[at:], start + at


def _decoded(path, raw: list[bytes], starts: list[int], options: Options) -> list[str]:
    """Words as strings; ValueError for the first that is not of the encoding, or has line breaks
    inside."""
    found = [word.lstrip(b"\n") for word in raw]
    if b"\n" in b"".join(found):
        place = next(i for i, word in enumerate(found) if b"\n" in word)
        raise ValueError(
            f"{path}: the word at byte {starts[place]}, {found[place][:40]!r}, holds a line break"
        )
    encoding, errors = options.encoding, options.errors
    try:
        return [word.decode(encoding, errors) for word in found]
    except UnicodeDecodeError as error:
        place = found.index(error.object)
        raise ValueError(
            f"{path}: the word at byte {starts[place]}, {raw[place]!r}, is not "
            f"{error.encoding.upper()}; {LENIENT}"
        ) from None


def _check_end(file: BinaryIO, path, count: int, size: int, found: int, end: int) -> None:
    promise = f"its header promises {count} vectors of {size} numbers"
    if found < count:
        raise ValueError(
            f"{path} is cut short: {promise}, but {found} follow; the next, at byte {end}, is not "
            "complete"
        )
    if found > count:
        raise ValueError(f"{path}: {promise}, but {found} follow")
    file.seek(end)
    if file.read(_BLOCK).strip(b"\r\n"):
        raise ValueError(f"{path}: {promise}, but more follows them, from byte {end}")


FORMAT = Format(
    "word2vec binary",
    (".bin",),
    write,
    recognizes,
    read,
    count,
    check_words=check,
    about="word2vec binary, always float32",
)
