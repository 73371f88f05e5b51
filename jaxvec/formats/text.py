"""Word vectors as text: a word and its numbers a line, after a header (word2vec) or not (GloVe)."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np

from jaxvec.formats.checks import checked, fill
from jaxvec.vectors import WordVectors

_ROWS = 4096  # rows turned to text at a time
_BLOCK = 1 << 22  # bytes read at a time


def write(vectors: WordVectors, path: Path) -> None:
    """Writes word2vec text: a header, and the shortest decimals that give the same numbers."""
    with open(path, "w", encoding="utf-8", newline="\n") as file:
        file.write(f"{len(vectors)} {vectors.vector_size}\n")
        _write_lines(vectors, file)


def write_glove(vectors: WordVectors, path: Path) -> None:
    """Writes the same without a header."""
    with open(path, "w", encoding="utf-8", newline="\n") as file:
        _write_lines(vectors, file)


def _write_lines(vectors: WordVectors, file) -> None:
    file.writelines(f"{word} {' '.join(row)}\n" for word, row in decimals(vectors))


def decimals(vectors: WordVectors) -> Iterator[tuple[str, np.ndarray]]:
    """Each word, and the shortest decimals that give its numbers."""
    for start in range(0, len(vectors), _ROWS):
        words = vectors.index_to_key[start : start + _ROWS]
        yield from zip(words, vectors.vectors[start : start + _ROWS].astype(str), strict=True)


def read(
    file: BinaryIO,
    path: str | os.PathLike[str],
    header: tuple[int, int] | None,
    limit: int | None,
    dtype: np.dtype,
) -> WordVectors:
    """Reads the vectors from here on, of the count and size that a header says, if there is one.

    Lines are counted first, so that the table is made once. A word may hold spaces.

    Raises:
      ValueError: as `formats.load`.
    """
    count, size = header or (None, None)
    first_line = 2 if header else 1
    rows = count_rows(file, path, count, limit)
    start = file.tell()
    first = file.readline()
    file.seek(start)
    if size is None:
        size = first.rstrip(b" \r\n").count(b" ")
    parsed = np.promote_types(dtype, np.float32)
    _parse_all(path, [first], first_line, size, parsed)  # before a table of that size is made
    words: list[str] = []
    table = np.empty((rows, size), dtype)
    while len(words) < rows and (lines := file.readlines(_BLOCK)):
        line = first_line + len(words)
        block = _parse_all(path, lines[: rows - len(words)], line, size, parsed)
        bad = fill(table, len(words), block[1])
        if bad is not None:
            raise ValueError(f"{path}: line {first_line + bad}: a number is not finite in {dtype}")
        words += block[0]
    if count is not None and rows == count + 1 and words[-1] != "<unk>":
        _raise_for_header(path, count, rows)
    return checked(path, words, table, lambda i: f"line {first_line + i}")


def count_rows(
    file: BinaryIO, path: str | os.PathLike[str], count: int | None, limit: int | None
) -> int:
    """How many lines follow, or `limit` if more, and leaves the file where it is.

    Raises:
      ValueError: if there are none, or not as many as the header's `count`. One more may be
        <unk>'s, which ``glove -write-header 1`` leaves out.
    """
    enough = limit if count is None or (limit is not None and limit <= count) else None
    start = file.tell()
    rows, last = 0, b"\n"
    while (enough is None or rows < enough) and (block := file.read(_BLOCK)):
        rows += block.count(b"\n")
        last = block[-1:]
    rows += last != b"\n" and not file.read(1)  # a last line without an end
    file.seek(start)
    if not rows:
        raise ValueError(f"{path} holds no word vectors: expected a word and its numbers a line")
    if count is not None and not (rows in (count, count + 1) or (enough and rows >= enough)):
        _raise_for_header(path, count, rows)
    return rows if limit is None else min(rows, limit)


def _raise_for_header(path, count: int, rows: int) -> None:
    raise ValueError(f"{path}: its header promises {count} vectors, but {rows} follow")


def _parse_all(
    path, lines: list[bytes], number: int, size: int, dtype: np.dtype
) -> tuple[list[str], np.ndarray]:
    """Words and numbers of lines, of which the first has this number."""
    try:
        return _parse(lines, size, dtype)
    except ValueError:
        for i, line in enumerate(lines):
            try:
                _parse([line], size, dtype)
            except ValueError as error:
                what = str(error).partition(" at row")[0]
                raise ValueError(
                    f"{path} is not a file of word vectors: line {number + i}: {what}"
                ) from None
        raise


def _parse(lines: list[bytes], size: int, dtype: np.dtype) -> tuple[list[str], np.ndarray]:
    words, rows = [], []
    for line in lines:
        line = line.rstrip(b" \r\n")
        word, _, numbers = line.partition(b" ")
        if numbers.count(b" ") >= size > 0:
            word = line.rsplit(b" ", size)[0]
            numbers = line[len(word) + 1 :]
            if _is_number(word.rpartition(b" ")[2]):  # more likely of a longer vector
                numbers = b""
        if not numbers or numbers.count(b" ") != size - 1:
            raise ValueError(f"expected a word and {max(size, 1)} numbers, parted by spaces")
        words.append(word)
        rows.append(numbers)
    # The quickest that NumPy has, and strict.
    table = np.loadtxt(rows, dtype, comments=None, delimiter=" ", ndmin=2)
    return [word.decode() for word in words], table


def _is_number(text: bytes) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
