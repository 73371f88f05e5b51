"""Files of word vectors: word2vec text and binary, GloVe text, and `.npz`."""

import itertools
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import numpy as np

from jaxvec.files import ZIP_MAGIC, array_text, load_arrays, save_arrays, text_array, written_beside
from jaxvec.vectors import WordVectors

_ROWS = 4096  # rows turned to or from text at a time


def save(vectors: WordVectors, path: str | os.PathLike[str], *, header: bool = False) -> None:
    """Writes word vectors; the suffix says how.

    ``.glove.txt`` GloVe text (no header); ``.txt`` and ``.vec`` word2vec text; ``.bin``
    word2vec binary; ``.npz`` NumPy arrays ``vectors``, ``words`` (UTF-8 text, one a line),
    ``counts`` and ``metadata`` (JSON). With `header`, GloVe text gets one too, which makes it
    word2vec text.

    Raises:
      ValueError: for any other suffix, or a word that the format cannot hold.
    """
    write = writer(path)
    if header and write is _write_glove:
        write = _write_text
    for word in vectors.index_to_key:
        if "\n" in word:
            raise ValueError(f"word {word!r} holds a line break, which no file of vectors can")
    if write is not _write_npz:
        for word in vectors.index_to_key:
            if " " in word:
                raise ValueError(
                    f"word {word!r} holds white space, which {path} cannot tell from what "
                    "parts words from numbers; save as .npz"
                )
    with written_beside(path) as temporary:
        write(vectors, temporary)


def writer(path: str | os.PathLike[str]) -> Callable[[WordVectors, Path], None]:
    """The function that writes the format of a path's suffix; ValueError if there is none."""
    name = Path(path).name.lower()
    for suffix, write in _WRITERS.items():
        if name.endswith(suffix):
            return write
    raise ValueError(
        f"cannot tell a format from the name {path}: it must end in {', '.join(_WRITERS)}"
    )


def load(path: str | os.PathLike[str]) -> WordVectors:
    """Reads what `save`, word2vec, fastText (``.vec``), GloVe or gensim wrote.

    The format is told from the content, not from the name.

    Raises:
      FileNotFoundError: if there is no such file.
      ValueError: if it is none of these, is cut short, or holds values that are no
        numbers; the message names the line or byte.
    """
    if not Path(path).exists():
        raise FileNotFoundError(f"no such vectors file: {path}")
    with open(path, "rb") as file:
        if file.read(len(ZIP_MAGIC)) == ZIP_MAGIC:
            return _read_npz(path)
        file.seek(0)
        first = file.readline(1 << 16)
        header = first.split()
        if len(header) == 2 and header[0].isdigit() and header[1].isdigit():
            count, size = int(header[0]), int(header[1])
            if _binary_follows(file, size):
                return _read_binary(file, path, count, size)
            return _read_text(file, path, first_line=2, count=count, size=size)
        file.seek(0)
        return _read_text(file, path, first_line=1)


def _write_npz(vectors: WordVectors, path: Path) -> None:
    counts = {} if vectors.counts is None else {"counts": vectors.counts}
    save_arrays(
        path,
        kind=np.array("vectors"),
        words=text_array(vectors.index_to_key),
        vectors=vectors.vectors,
        metadata=np.array(json.dumps(vectors.metadata)),
        **counts,
    )


def _write_binary(vectors: WordVectors, path: Path) -> None:
    with open(path, "wb") as file:
        file.write(f"{len(vectors)} {vectors.vector_size}\n".encode())
        for word, row in zip(vectors.index_to_key, vectors.vectors.astype("<f4"), strict=True):
            file.write(word.encode() + b" " + row.tobytes() + b"\n")


def _write_text(vectors: WordVectors, path: Path) -> None:
    with open(path, "w", encoding="utf-8", newline="\n") as file:
        file.write(f"{len(vectors)} {vectors.vector_size}\n")
        _write_lines(vectors, file)


def _write_glove(vectors: WordVectors, path: Path) -> None:
    with open(path, "w", encoding="utf-8", newline="\n") as file:
        _write_lines(vectors, file)


def _write_lines(vectors: WordVectors, file) -> None:
    for start in range(0, len(vectors), _ROWS):
        words = vectors.index_to_key[start : start + _ROWS]
        rows = vectors.vectors[start : start + _ROWS].astype(str)  # the shortest exact decimals
        file.writelines(f"{word} {' '.join(row)}\n" for word, row in zip(words, rows, strict=True))


_WRITERS = {
    ".glove.txt": _write_glove,
    ".txt": _write_text,
    ".vec": _write_text,
    ".bin": _write_binary,
    ".npz": _write_npz,
}


def _read_npz(path) -> WordVectors:
    arrays = load_arrays(path)
    if not {"words", "vectors"} <= arrays.keys():
        raise ValueError(f"{path} is an .npz without the arrays 'words' and 'vectors'")
    try:
        metadata = json.loads(str(arrays.get("metadata", "{}")))
        if not isinstance(metadata, dict):
            raise ValueError("its metadata is no JSON object")
        return WordVectors(
            array_text(arrays["words"]),
            arrays["vectors"],
            counts=arrays.get("counts"),
            metadata=metadata,
        )
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def _binary_follows(file: BinaryIO, size: int) -> bool:
    """Whether the next row is not text: a word and `size` numbers."""
    start = file.tell()
    line = file.readline(1 << 20)
    file.seek(start)
    try:
        _, *numbers = line.decode().rstrip().rsplit(" ", size)
        [float(number) for number in numbers]
        return len(numbers) != size
    except ValueError:
        return True


def _read_binary(file: BinaryIO, path, count: int, size: int) -> WordVectors:
    width = 4 * size
    remaining = Path(path).stat().st_size - file.tell()
    if count * (width + 2) > remaining + 1:
        raise ValueError(
            f"{path} is cut short: its header promises {count} vectors of {size} numbers, more "
            f"than its {remaining} bytes after the header can hold"
        )
    words: list[str] = []
    vectors = np.empty((count, size), np.float32)
    data = file.read()
    at = 0
    for i in range(count):
        space = data.find(b" ", at)
        if space < 0 or space + 1 + width > len(data):
            raise ValueError(f"{path} is cut short: vector {i + 1} of {count} is not complete")
        try:
            words.append(data[at:space].lstrip(b"\n").decode())
        except UnicodeDecodeError:
            raise ValueError(f"{path}: word {i + 1} of {count} is not UTF-8") from None
        vectors[i] = np.frombuffer(data, "<f4", size, space + 1)
        at = space + 1 + width
    if not np.isfinite(vectors).all():
        bad = np.flatnonzero(~np.isfinite(vectors).all(axis=1))[0]
        raise ValueError(f"{path}: the vector of word {bad + 1}, {words[bad]!r}, is not finite")
    return _checked(path, words, vectors)


def _read_text(
    file: BinaryIO, path, *, first_line: int, count: int | None = None, size: int | None = None
) -> WordVectors:
    words: list[str] = []
    blocks: list[np.ndarray] = []
    while lines := list(itertools.islice(file, _ROWS)):
        if size is None:
            size = len(lines[0].split()) - 1
        try:
            block = _parse(lines, size)
        except ValueError:
            _raise_for_line(path, lines, first_line + len(words), size)
            raise
        words += block[0]
        blocks.append(block[1])
    if not words:
        raise ValueError(f"{path} holds no word vectors: expected a word and its numbers a line")
    unannounced = words[-1] == "<unk>"  # glove -write-header 1 leaves it out
    if count is not None and len(words) not in (count, count + unannounced):
        raise ValueError(f"{path}: its header promises {count} vectors, but {len(words)} follow")
    return _checked(path, words, np.concatenate(blocks))


def _parse(lines: list[bytes], size: int) -> tuple[list[str], np.ndarray]:
    parts = [line.rstrip(b" \r\n").rsplit(b" ", size) for line in lines]
    if size < 1 or any(len(part) != size + 1 for part in parts):
        raise ValueError(f"expected a word and {max(size, 1)} numbers, parted by spaces")
    numbers = np.array([part[1:] for part in parts], dtype=bytes).astype(np.float32)
    if not np.isfinite(numbers).all():
        raise ValueError("a number is not finite")
    return [part[0].decode() for part in parts], numbers


def _raise_for_line(path, lines: list[bytes], number: int, size: int) -> None:
    for i, line in enumerate(lines):
        try:
            _parse([line], size)
        except ValueError as error:
            raise ValueError(
                f"{path} is not a file of word vectors: line {number + i}: {error}"
            ) from None


def _checked(path, words: list[str], vectors: np.ndarray) -> WordVectors:
    try:
        return WordVectors(words, vectors)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
