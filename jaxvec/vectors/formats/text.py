"""Word vectors as text: a word and its numbers a line, after a header (word2vec) or not (GloVe)."""

import os
import re
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import BinaryIO

import numpy as np

from jaxvec.vectors.formats.checks import LENIENT, check_blanks, check_lines, checked, fill
from jaxvec.vectors.formats.format import Format, Options
from jaxvec.vectors.formats.source import Source
from jaxvec.vectors.table import WordTable

_ROWS = 4096  # rows turned to text in one step
_BLOCK = 1 << 20  # bytes of one read
LONGEST_ROW = 1 << 22
"""Bytes of the longest line that is read: a word and some 300,000 numbers."""
_NUMBER = 64  # bytes of a number, and more
_APART = re.compile(rb"[ \t]+")
_BLANK = b" \t\r\n"
_BOM = "\ufeff"


def check(words: Sequence[str]) -> None:
    """ValueError for a word that word2vec text cannot hold."""
    check_lines(words)
    check_blanks(words)


def check_glove(words: Sequence[str]) -> None:
    """Refuses words that GloVe text cannot hold.

    Raises:
      ValueError: for the first of them.
    """
    check(words)
    if words and words[0].startswith(_BOM) and words[0] != _BOM:
        raise ValueError(
            f"word {words[0]!r} is the first and begins with a byte order mark, which readers of "
            "a text drop; save as word2vec text, .txt or .vec, or .npz"
        )


def write(vectors: WordTable, path: Path) -> None:
    """Writes word2vec text: a header, and the shortest decimals that give the same numbers.

    Args:
      vectors: the table.
      path: the file.
    """
    with open(path, "w", encoding="utf-8", newline="\n") as file:
        file.write(f"{len(vectors)} {vectors.vector_size}\n")
        _write_lines(vectors, file)


def write_glove(vectors: WordTable, path: Path) -> None:
    """Writes the same without a header.

    Args:
      vectors: the table.
      path: the file.
    """
    with open(path, "w", encoding="utf-8", newline="\n") as file:
        _write_lines(vectors, file)


def _write_lines(vectors: WordTable, file) -> None:
    for word, row in decimals(vectors):
        line = f"{word} {' '.join(row)}\n"
        if len(line) * 4 > LONGEST_ROW and len(line.encode()) > LONGEST_ROW:
            raise ValueError(
                f"the line of {word[:40]!r} would have more than {LONGEST_ROW:,} bytes, which no "
                "reader here takes; save as .npz"
            )
        file.write(line)


def decimals(vectors: WordTable) -> Iterator[tuple[str, np.ndarray]]:
    """Each word, and the shortest decimals that give its numbers."""
    for start in range(0, len(vectors), _ROWS):
        words = vectors.index_to_key[start : start + _ROWS]
        yield from zip(words, vectors.vectors[start : start + _ROWS].astype(str), strict=True)


def recognizes(source: Source) -> bool:
    """Whether there is a header; binary, which has one too, must be ruled out before."""
    return source.header() is not None


def is_glove_with(source: Source) -> bool:
    """Whether a file that begins like a header may be GloVe text, of vectors of one number."""
    return source.header() is None or len(source.file.readline(1 << 16).split()) in (0, 2)


def read(source: Source, options: Options, has_header: bool = True) -> WordTable:
    """Reads the vectors, of the number and size that the header says, if there is one.

    Lines are counted first, so that the table is made once, and no larger than the lines can fill.
    Blanks or tabs separate the numbers; a word may hold them, too. Empty lines at the end are none.

    Args:
      source: the file.
      options: how to read it.
      has_header: whether the first line is one.

    Raises:
      ValueError: as `formats.load`.
    """
    count, size = _begin(source, has_header)
    first_line = 1 if count is None else 2
    path, file = source.name, source.file
    limit, dtype = options.limit, options.dtype or np.dtype("float32")
    rows, length = count_rows(file, path, count, limit)
    start = file.tell()
    first = file.readline(LONGEST_ROW + 1)
    file.seek(start)
    if len(first) > LONGEST_ROW:
        _raise_for_length(path, first_line)
    if size is None:
        line = first.rstrip(_BLANK)
        parts = _APART.split(line.lstrip(b" \t"), 1)
        blank_word = first[:1] in (b" ", b"\t") and _is_number(parts[0])
        size = len(_APART.findall(line.lstrip(b" \t"))) + blank_word
    parsed = np.promote_types(dtype, np.float32)
    how = size, parsed, options
    _parse_all(path, [first], first_line, *how)  # before a table of that size is made
    words: list[str] = []
    table = np.empty((min(rows, length // (2 * size) + 1), size), dtype)
    for lines in _line_blocks(file, path, first_line):
        line_number = first_line + len(words)
        block = _parse_all(path, lines[: rows - len(words)], line_number, *how)
        bad = fill(table, len(words), block[1])
        if bad is not None:
            raise ValueError(f"{path}: line {first_line + bad}: a number is not finite in {dtype}")
        words += block[0]
        if len(words) == rows:
            break
    if count is not None and rows == count + 1 and words[-1] != "<unk>":
        _raise_for_header(path, count, rows)
    return checked(path, words, table, lambda i: f"line {first_line + i}")


def _line_blocks(file: BinaryIO, path, number: int) -> Iterator[list[bytes]]:
    """Lines without their ends, some megabytes of them at a time; the first has this number."""
    rest = b""
    while block := file.read(_BLOCK):
        *lines, rest = (rest + block).split(b"\n")
        for line in lines[:1]:  # the only one that may be longer than a block
            if len(line) > LONGEST_ROW:
                _raise_for_length(path, number)
        number += len(lines)
        if len(rest) > LONGEST_ROW:
            _raise_for_length(path, number)
        if lines:
            yield lines
    if rest:
        yield [rest]


def _raise_for_length(path, number: int) -> None:
    raise ValueError(
        f"{path}: line {number} has more than {LONGEST_ROW:,} bytes, the most that a word and its "
        "numbers may take"
    )


def count(source: Source, has_header: bool = True) -> int:
    """The number of lines, compared with that of the header; their numbers are not read.

    Args:
      source: the file.
      has_header: whether the first line is a header.

    Raises:
      ValueError: if the header says another number.
    """
    promised, _ = _begin(source, has_header)
    return count_rows(source.file, source.name, promised, None)[0]


def _begin(source: Source, has_header: bool) -> tuple[int | None, int | None]:
    """Number and size of the vectors, by the header; goes to the first of them."""
    if has_header and (header := source.header()):
        return header
    source.skip_mark()
    return None, None


def count_rows(
    file: BinaryIO, path: str | os.PathLike[str], count: int | None, limit: int | None
) -> tuple[int, int]:
    """The number of lines that follow, or `limit` if there are more, and the bytes that have them.

    The place in the file stays.

    Args:
      file: at the first vector.
      path: of the file, for messages.
      count: of the header, or None.
      limit: the number of lines that are needed; None for all.

    Raises:
      ValueError: if there are none, or another number than the header's. One more may be that of
        <unk>, which ``glove -write-header 1`` leaves out.
    """
    enough = limit if count is None or (limit is not None and limit <= count) else None
    start = file.tell()
    ended = empty = 0  # lines with an end, and lines after the last that is not blank
    rows = length = 0
    while (enough is None or rows < enough) and (block := file.read(_BLOCK)):
        length += len(block)
        filled = len(block.rstrip(_BLANK))
        if filled:
            ended += empty + block.count(b"\n", 0, filled)
            empty = 0
            rows = ended + 1
        empty += block.count(b"\n", filled)
    file.seek(start)
    if not rows and not count:
        raise ValueError(f"{path} holds no word vectors: expected a word and its numbers a line")
    if count is not None and not (rows in (count, count + 1) or (enough and rows >= enough)):
        _raise_for_header(path, count, rows)
    return rows if limit is None else min(rows, limit), length


def _raise_for_header(path, count: int, rows: int) -> None:
    raise ValueError(f"{path}: its header promises {count} vectors, but {rows} follow")


def row_follows(file: BinaryIO, size: int) -> bool:
    """Whether the next line is text: ends in `size` numbers, if decimal commas are points.

    Args:
      file: at the line; its place stays.
      size: `D`.
    """
    start = file.tell()
    line = file.readline(LONGEST_ROW)
    file.seek(start)
    return is_row(line, size)


def is_row(line: bytes, size: int) -> bool:
    """Whether a line is text: ends in `size` numbers, if decimal commas are points.

    Args:
      line: without its end, or with it.
      size: `D`.

    >>> is_row(b"new york 1 0,5", 2), is_row(b"new york 1 0.5", 3)
    (True, False)
    """
    line = line.rstrip(_BLANK)
    if not _is_number(line[-_NUMBER:].rpartition(b" ")[2].rpartition(b"\t")[2].replace(b",", b".")):
        return False  # as of most lines that are none: before they are cut
    fields = _APART.split(line)
    numbers = (number.replace(b",", b".") for number in fields[-size:])
    return len(fields) > size and all(map(_is_number, numbers))


def _parse_all(
    path, lines: list[bytes], number: int, size: int, dtype: np.dtype, options: Options
) -> tuple[list[str], np.ndarray]:
    """Words and numbers of lines, of which the first has this number."""
    try:
        return _parse(lines, size, dtype, options)
    except ValueError:
        for i, line in enumerate(lines):
            try:
                _parse([line], size, dtype, options)
            except ValueError as error:
                what = str(error).partition(" at row")[0]
                if isinstance(error, UnicodeDecodeError):
                    name = error.encoding.upper()
                    what = f"the word {error.object!r} is not {name}; {LENIENT}"
                elif b"," in line and "convert" in what:
                    what += "; decimals need a point, 0.1, not a comma"
                raise ValueError(
                    f"{path} is not a file of word vectors: line {number + i}: {what}"
                ) from None
        raise


def _parse(
    lines: list[bytes], size: int, dtype: np.dtype, options: Options
) -> tuple[list[str], np.ndarray]:
    words, rows = [], []
    for line in lines:
        line = line.rstrip(_BLANK)
        word, _, numbers = line.partition(b" ")
        more = b"\t" in line or numbers[:1] in (b"", b" ")
        if more or numbers.count(b" ") != size - 1 or not word:
            word, numbers = _separated(line, size)
        words.append(word)
        rows.append(numbers)
    # NumPy's quickest parser, and strict.
    table = np.loadtxt(rows, dtype, comments=None, delimiter=" ", ndmin=2)
    return [word.decode(options.encoding, options.errors) for word in words], table


def _separated(line: bytes, size: int) -> tuple[bytes, bytes]:
    """A word, which may hold blanks and tabs, and its numbers separated by one blank each."""
    gaps = [gap.span() for gap in _APART.finditer(line)]
    if len(gaps) < size or not size:
        raise ValueError(f"expected a word and {max(size, 1)} numbers, separated by spaces")
    start, end = gaps[-size]
    word = line[:start].strip(b" \t") or line[: end - 1]  # a word of blanks
    if _is_number(_APART.split(word)[-1]) and _APART.search(word):  # rather of a longer vector
        raise ValueError(f"expected a word and {size} numbers, separated by spaces")
    return word, _APART.sub(b" ", line[end:])


def _is_number(text: bytes) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return b"_" not in text  # which Python lets stand between digits


GLOVE = Format(
    "GloVe text",
    (".glove.txt",),
    write_glove,
    lambda source: True,  # asked last
    partial(read, has_header=False),
    partial(count, has_header=False),
    check_words=check_glove,
    is_text=True,
)
WORD2VEC = Format(
    "word2vec text",
    (".txt", ".vec"),
    write,
    recognizes,
    read,
    count,
    check_words=check,
    is_text=True,
)
