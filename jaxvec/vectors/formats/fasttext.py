"""fastText's models, ``.bin``: a dictionary, words' own rows and their n-grams', an output matrix.

All numbers are little-endian. After a magic number and the version: the options, 12 int32 and a
double; the dictionary, its sizes and for each word its bytes, a zero, its count and its kind; the
input matrix, the words' rows and then the n-grams'; the output matrix. Before each matrix a byte
says whether it is quantised, and two int64 how large it is.

References:
  https://github.com/facebookresearch/fastText, ``src/fasttext.cc``, ``args.cc``,
  ``dictionary.cc`` and ``densematrix.cc``.
"""

import struct
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np

from jaxvec.text.ngrams import LONGEST
from jaxvec.vectors.formats.checks import LENIENT, check_lines, checked, fill
from jaxvec.vectors.formats.format import Format, Options
from jaxvec.vectors.formats.source import Source
from jaxvec.vectors.subwords import Subwords
from jaxvec.vectors.table import WordTable

MAGIC = struct.pack("<i", 793712314)
SUFFIX = ".fasttext.bin"

CBOW, SKIPGRAM, SUPERVISED = 1, 2, 3  # kinds of models
NEGATIVE_SAMPLING = 2  # a loss

_VERSIONS = (11, 12)
_OPTIONS, _SIZES, _SHAPE = struct.Struct("<12id"), struct.Struct("<3i2q"), struct.Struct("<2q")
_ENTRY = struct.Struct("<qb")  # after a word and its zero
_BLOCK = 1 << 20  # bytes of one read
_LONGEST = 1 << 12  # bytes of a word, each of which has up to 64 n-grams
_ROWS = 1 << 12  # of a matrix, read or written together


class Settings(NamedTuple):
    """The options of a model, in the order of the file; the numbers in a name are fastText's."""

    dim: int = 100  # `D`
    ws: int = 5
    epoch: int = 5
    min_count: int = 1
    neg: int = 5
    word_ngrams: int = 1
    loss: int = NEGATIVE_SAMPLING
    model: int = SKIPGRAM
    bucket: int = 0  # `B`
    minn: int = 0
    maxn: int = 0
    lr_update_rate: int = 100
    t: float = 1e-4


class Model(NamedTuple):
    """What is in a file."""

    settings: Settings
    words: list[str]
    counts: np.ndarray  # int64[V]
    own: np.ndarray  # float[V, D], the words' own rows
    ngrams: np.ndarray  # float[B, D]; [0, D] without n-grams
    output: np.ndarray | None  # float32[V, D]; None if it was not asked for, or is not there

    def subwords(self) -> Subwords | None:
        """The rows of n-grams; None if there are none."""
        if not len(self.ngrams):
            return None
        return Subwords(self.ngrams, self.settings.minn, self.settings.maxn)


def recognizes(source: Source) -> bool:
    """Whether it begins with fastText's magic number."""
    return source.file.read(len(MAGIC)) == MAGIC


def count(source: Source) -> int:
    """The number of words that the header says."""
    return _header(_Bytes(source))[1]


def ngrams(source: Source) -> tuple[int, int, int] | None:
    """See `Format.ngrams`."""
    settings = _header(_Bytes(source))[0]
    found = settings.minn, settings.maxn, settings.bucket
    return found if settings.maxn and settings.bucket else None


def read(source: Source, options: Options) -> WordTable:
    """Reads the words' vectors, and the rows of n-grams.

    Args:
      source: the file.
      options: how to read it.

    Raises:
      ValueError: as `formats.load`; if the model is supervised, or quantised.

    Warns:
      UserWarning: as `formats.load`.
    """
    model = read_model(source, options)
    subwords, words = model.subwords(), model.words
    if subwords is not None:  # in place: with the two matrices there is nothing else in memory
        subwords.composed(model.own, words, in_place=True)
    shown = _shown(source.name, words, options)
    return checked(source.name, shown, model.own, lambda i: f"word {i + 1}",
                   counts=model.counts, subwords=subwords)  # fmt: skip


def read_model(source: Source, options: Options, *, output: bool = False) -> Model:
    """Reads what is in a file. Words are UTF-8; bytes that are not stand in them as Python's
    ``surrogateescape`` writes them.

    Args:
      source: the file, at its start.
      options: how to read it: at most `limit` words, in which dtype.
      output: whether to read the output matrix, too.

    Raises:
      ValueError: if it is cut short or damaged, or the model is supervised or quantised.
    """
    data, dtype = _Bytes(source), options.dtype or np.dtype("float32")
    settings, size = _header(data)
    words, counts = _entries(data, size)
    wanted = min(size, options.limit or size)
    rows, start = _matrix_shape(data, "input"), data.at
    if rows != (size + settings.bucket, settings.dim):
        raise ValueError(
            f"{source.name}: its input matrix is {list(rows)}, and {size} words and "
            f"{settings.bucket} buckets of {settings.dim} numbers need "
            f"[{size + settings.bucket}, {settings.dim}]"
        )
    width = 4 * settings.dim
    buckets = settings.bucket if settings.maxn and options.ngrams else 0
    own = _rows(data, wanted, settings.dim, dtype)
    data.go(start + width * size)
    ngrams = _rows(data, buckets, settings.dim, dtype)
    found = None
    data.go(start + width * rows[0])
    if data.left():  # else it has none, as files made for look-ups alone
        shape = _matrix_shape(data, "output")
        if output:
            found = _rows(data, shape[0], shape[1], np.dtype("float32"))
        else:
            data.go(data.at + 4 * shape[0] * shape[1])
        if data.left():
            raise ValueError(f"{source.name}: more follows its matrices, from byte {data.at}")
    return Model(settings, words[:wanted], counts[:wanted], own, ngrams, found)


class _Bytes:
    """A file read from its start to its end, each size checked against what is left of it."""

    def __init__(self, source: Source):
        self.name, self._file, self.at = source.name, source.rewound().file, 0
        self._length = source.length()

    def left(self) -> int:
        return self._length - self.at

    def need(self, count: int, what: str) -> None:
        """ValueError unless that number of bytes follows."""
        if count > self.left():
            raise ValueError(
                f"{self.name} is cut short or damaged: {what} takes {count:,} bytes from byte "
                f"{self.at:,}, and {max(self.left(), 0):,} follow"
            )

    def take(self, count: int, what: str) -> bytes:
        self.need(count, what)
        self.at += count
        return self._file.read(count)

    def go(self, place: int) -> None:
        self.at = self._file.seek(place)

    def blocks(self) -> Iterator[bytes]:
        while block := self._file.read(_BLOCK):
            yield block


def _header(data: _Bytes) -> tuple[Settings, int]:
    """The settings and the number of words; goes to the number of tokens, within the dictionary."""
    name = data.name
    version = struct.unpack("<4xi", data.take(8, "its header"))[0]
    if version not in _VERSIONS:
        raise ValueError(f"{name} is a fastText model of version {version}; 11 and 12 are read")
    settings = Settings(*_OPTIONS.unpack(data.take(_OPTIONS.size, "its header")))
    if settings.model == SUPERVISED:
        raise ValueError(
            f"{name} is a supervised fastText model, a classifier, whose vectors are not read"
        )
    if settings.model not in (CBOW, SKIPGRAM):
        raise ValueError(f"{name}: {settings.model} is no kind of model; it is damaged")
    size, words, labels, _, pruned = _SIZES.unpack(data.take(_SIZES.size, "its dictionary"))
    if size < 1 or words != size or labels or settings.dim < 1 or settings.bucket < 0:
        raise ValueError(
            f"{name} is damaged: its header says {size} entries, {words} of them words and {labels}"
            f" labels, {settings.bucket} buckets, {settings.dim} numbers in a vector"
        )
    lengths = settings.minn, settings.maxn
    if not 0 <= settings.maxn <= LONGEST or (settings.maxn and not 0 <= lengths[0] <= lengths[1]):
        raise ValueError(
            f"{name} is damaged: n-grams of {settings.minn} to {settings.maxn} characters"
        )
    if settings.maxn and not settings.bucket:
        raise ValueError(f"{name} is damaged: it has n-grams, and no buckets for them")
    if pruned > 0:
        raise ValueError(
            f"{name} has a dictionary that fastText has pruned, and is not read: convert the model "
            "it was made of"
        )
    data.need(size * (1 + _ENTRY.size), f"a dictionary of {size:,} words")
    return settings._replace(minn=max(settings.minn, 1) if settings.maxn else 0), size


def _entries(data: _Bytes, size: int) -> tuple[list[str], np.ndarray]:
    """The words and their counts; goes behind the dictionary."""
    words: list[str] = []
    counts = np.empty(size, np.int64)
    held, start = b"", data.at
    for block in data.blocks():
        held, at = held + block, 0
        while len(words) < size:
            zero = held.find(b"\0", at)
            if zero < 0 or zero + 1 + _ENTRY.size > len(held):
                break
            number, kind = _ENTRY.unpack_from(held, zero + 1)
            if kind or number < 0 or not 0 < zero - at <= _LONGEST:
                raise ValueError(
                    f"{data.name} is damaged: word {len(words) + 1} of its dictionary, at byte "
                    f"{start + at:,}, is {held[at:zero][:40]!r}, {number} times, of kind {kind}"
                )
            counts[len(words)] = number
            words.append(held[at:zero].decode(errors="surrogateescape"))
            at = zero + 1 + _ENTRY.size
        held, start = held[at:], start + at
        if len(words) == size:
            data.go(start)
            return words, counts
        if len(held) > _LONGEST + 1 and b"\0" not in held:
            raise ValueError(f"{data.name}: no word ends within {_LONGEST} bytes of byte {start}")
    raise ValueError(
        f"{data.name} is cut short: its header says {size:,} words, and {len(words):,} follow"
    )


def _matrix_shape(data: _Bytes, name: str) -> tuple[int, int]:
    """Rows and columns of a matrix, all of which is there; goes to its numbers."""
    quantised = data.take(1, f"its {name} matrix") != b"\0"
    if quantised:
        raise ValueError(
            f"{data.name} is a quantised fastText model (.ftz), and is not read: convert the model "
            "it was made of"
        )
    rows, columns = _SHAPE.unpack(data.take(_SHAPE.size, f"its {name} matrix"))
    if rows < 0 or columns < 1:
        raise ValueError(f"{data.name} is damaged: its {name} matrix is [{rows}, {columns}]")
    data.need(4 * rows * columns, f"its {name} matrix [{rows:,}, {columns:,}]")
    return rows, columns


def _rows(data: _Bytes, rows: int, columns: int, dtype: np.dtype) -> np.ndarray:
    """The next rows of a matrix; ValueError if one is not finite."""
    table = np.empty((rows, columns), dtype)
    for start in range(0, rows, _ROWS):
        here, at = min(_ROWS, rows - start), data.at
        block = data.take(4 * columns * here, "a matrix")
        bad = fill(table, start, np.frombuffer(block, "<f4").reshape(here, columns))
        if bad is not None:
            place = at + 4 * columns * (bad - start)
            raise ValueError(f"{data.name}: the row at byte {place:,} is not finite in {dtype}")
    return table


def _shown(name, words: list[str], options: Options) -> list[str]:
    """The words in the encoding that was asked for."""
    raw = (word.encode(errors="surrogateescape") for word in words)
    shown: list[str] = []
    try:
        for word in raw:
            shown.append(word.decode(options.encoding, options.errors))  # noqa: PERF401
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{name}: word {len(shown) + 1}, {error.object!r}, is not {error.encoding.upper()}; "
            f"{LENIENT}"
        ) from None
    return shown


def check(words: Sequence[str]) -> None:
    """Refuses words that the format cannot hold.

    Raises:
      ValueError: for the first of them.
    """
    check_lines(words)
    for word in words:
        if "\0" in word or not word:
            raise ValueError(
                f"word {word!r} is empty or holds a zero, which in fastText's format ends a word; "
                "save as .npz"
            )


def write(vectors: WordTable, path: Path) -> None:
    """Writes a model that fastText loads, with these vectors, and others from n-grams.

    Without n-grams it has none. The output matrix, which only training uses, is of zeros; and
    counts that are unknown are 1.

    Args:
      vectors: the table.
      path: the file.
    """
    rows = vectors.subwords
    settings = Settings(dim=vectors.vector_size)
    if rows is not None:
        settings = settings._replace(bucket=len(rows.table), minn=rows.minn, maxn=rows.maxn)

    def own() -> Iterator[np.ndarray]:
        for start in range(0, len(vectors), _ROWS):
            part = vectors.vectors[start : start + _ROWS].astype(np.float32)
            words = vectors.index_to_key[start : start + _ROWS]
            yield part if rows is None else rows.own(part, words)

    counts = np.ones(len(vectors), np.int64) if vectors.counts is None else vectors.counts
    zeros = np.broadcast_to(np.float32(0), vectors.vectors.shape)
    with open(path, "wb") as file:
        _write_dictionary(file, settings, vectors.index_to_key, counts)
        _write_shape(file, (len(vectors) + settings.bucket, settings.dim))
        for part in own():
            _write_rows(file, part)
        if rows is not None:
            _write_rows(file, rows.table)
        _write_shape(file, zeros.shape)
        _write_rows(file, zeros)


def write_model(model: Model, path: Path) -> None:
    """Writes a model as it is.

    Args:
      model: whose output matrix is there.
      path: the file.
    """
    assert model.output is not None
    check(model.words)
    with open(path, "wb") as file:
        _write_dictionary(file, model.settings, model.words, model.counts)
        rows = len(model.own) + len(model.ngrams)
        _write_shape(file, (rows, model.settings.dim))
        _write_rows(file, model.own)
        _write_rows(file, model.ngrams)
        _write_shape(file, model.output.shape)
        _write_rows(file, model.output)


def _write_dictionary(
    file: BinaryIO, settings: Settings, words: Sequence[str], counts: np.ndarray
) -> None:
    file.write(MAGIC + struct.pack("<i", _VERSIONS[-1]) + _OPTIONS.pack(*settings))
    file.write(_SIZES.pack(len(words), len(words), 0, int(counts.sum()), -1))
    for word, number in zip(words, counts.tolist(), strict=True):
        file.write(word.encode() + b"\0" + _ENTRY.pack(number, 0))


def _write_shape(file: BinaryIO, shape: tuple[int, ...]) -> None:
    file.write(b"\0" + _SHAPE.pack(*shape))


def _write_rows(file: BinaryIO, table: np.ndarray) -> None:
    for start in range(0, len(table), _ROWS):
        file.write(table[start : start + _ROWS].astype("<f4").tobytes())


FORMAT = Format(
    "fastText model",
    (SUFFIX,),
    write,
    recognizes,
    read,
    count,
    check_words=check,
    keeps_ngrams=True,
    ngrams=ngrams,
    about="fastText model, always float32",
)
