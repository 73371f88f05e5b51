"""Reads and writes the files of Stanford's GloVe programs, so that steps of both can be mixed.

The programs ``vocab_count``, ``cooccur``, ``shuffle`` and ``glove`` pass each other files. Their
vocabulary is the format of `Vocab.save` and `Vocab.load`; the counts, the parameters and the
AdaGrad sums of squared gradients are here. All numbers are little-endian, as the programs write
them on usual machines.

Letters: `V` vocabulary size, `D` vector size.

References:
  https://github.com/stanfordnlp/GloVe, ``src/``.
"""

import os

import jax.numpy as jnp
import numpy as np
from scipy import sparse

from jaxvec.cooccurrence import Cooccurrence
from jaxvec.models import glove
from jaxvec.optim.adagrad import GloveAdagradState
from jaxvec.storage.arrays import release
from jaxvec.storage.door import reading
from jaxvec.storage.files import atomic_write, existing
from jaxvec.storage.runs import MOST_SUM
from jaxvec.text.vocab import Vocab
from jaxvec.vectors.rows import unk_vector as unk_vector
from jaxvec.vectors.word_vectors import WordVectors

UNK = "<unk>"

_RECORD = np.dtype([("word1", "<i4"), ("word2", "<i4"), ("value", "<f8")])
_RECORDS = 1 << 20  # records in memory
_ROWS = 4096  # table rows in memory


def save_records(cells: Cooccurrence, path: str | os.PathLike[str]) -> None:
    """Writes counts in the format of ``cooccur``, row by row.

    A record of 16 bytes per cell: row and column as int32, from 1, and the count as float64.
    ``glove`` expects random order: run ``shuffle`` on the file first.

    Args:
      cells: the counts.
      path: the file to write.

    Example:
      >>> from jaxvec import Corpus, cooccurrence
      >>> path = getfixture("tmp_path") / "cells.bin"
      >>> cells = cooccurrence.count(Corpus.from_documents(["a b a"], min_count=1))
      >>> save_records(cells, path)
      >>> path.stat().st_size
      48
      >>> load_records(path, cells.vocab).matrix().toarray().tolist()
      [[1.0, 2.0], [2.0, 0.0]]
    """
    with atomic_write(path) as temporary, open(temporary, "wb") as file:
        for start in range(0, len(cells), _RECORDS):
            stop = min(start + _RECORDS, len(cells))
            records = np.empty(stop - start, _RECORD)
            records["word1"] = np.searchsorted(cells.indptr, np.arange(start, stop), "right")
            records["word2"] = cells.indices[start:stop] + 1
            records["value"] = cells.data[start:stop]
            records.tofile(file)
            release(cells.indices)
            release(cells.data)


def load_records(
    path: str | os.PathLike[str], vocab: Vocab, settings: dict[str, int | bool] | None = None
) -> Cooccurrence:
    """Reads counts that ``cooccur``, ``shuffle`` or `save_records` wrote.

    Records may be in any order. Counts of the same cell are summed, and zeros dropped.

    Args:
      path: the file.
      vocab: the vocabulary of the counts: word i of a record is line i of its file.
      settings: how the cells were counted, if known; see `Cooccurrence.settings`.

    Raises:
      FileNotFoundError: if there is no such file.
      ValueError: if the file ends within a record, or a record has a word outside 1 … V, or a
        count that is negative, NaN or above 2^61; the message numbers the record.
    """
    file_path = existing(path, "file of records")
    size, width = file_path.stat().st_size, _RECORD.itemsize
    if size % width:
        raise ValueError(
            f"{path} must hold records of {width} bytes; record {size // width + 1}, the last, has "
            f"{size % width}"
        )
    rows, columns = (np.empty(size // width, np.int32) for _ in range(2))
    counts = np.empty(size // width)
    with open(file_path, "rb") as file:
        for start in range(0, len(counts), _RECORDS):
            records = np.fromfile(file, _RECORD, _RECORDS)
            part = slice(start, start + len(records))
            rows[part] = records["word1"] - 1
            columns[part] = records["word2"] - 1
            counts[part] = records["value"]
            words = np.stack([rows[part], columns[part]])
            bad = ((words < 0) | (words >= len(vocab))).any(axis=0)
            with np.errstate(over="ignore", under="ignore"):
                kept = counts[part].astype(np.float32)  # the dtype of `Cooccurrence.data`
            exact = counts[part]
            bad |= ~((exact >= 0) & (exact <= MOST_SUM) & ((kept > 0) == (exact > 0)))
            if bad.any():
                first = int(bad.argmax())
                raise ValueError(
                    f"{path}: record {start + first + 1} is {records[first].item()}: expected "
                    f"two word numbers from 1 to {len(vocab)}, the size of the vocabulary, and a "
                    f"count that is positive as float32 and at most {MOST_SUM}, or 0"
                )
    shape = len(vocab), len(vocab)
    with reading(path, "a file of records"):
        cells = sparse.coo_array((counts, (rows, columns)), shape=shape).tocsr()
        return Cooccurrence(vocab, cells.indptr, cells.indices, cells.data, settings=settings or {})


def save_parameters(params: glove.Params, path: str | os.PathLike[str]) -> None:
    """Writes tables and biases in the format of ``glove -binary 1`` and ``-init-param-file``.

    The file is float64[2, V, D + 1]: the vector and bias of each word, then the vector and bias
    of each context word.

    Args:
      params: tables and biases, [V, D] and [V].
      path: the file to write.

    Example:
      >>> import jax
      >>> path = getfixture("tmp_path") / "vectors.bin"
      >>> save_parameters(glove.init(jax.random.key(0), vocab_size=10, vector_size=4), path)
      >>> path.stat().st_size
      800
      >>> load_parameters(path, vocab_size=10).output.shape
      (10, 4)
    """
    _save(params, path, params.input.shape[1])


def load_parameters(
    path: str | os.PathLike[str], vocab_size: int, vector_size: int | None = None
) -> glove.Params:
    """Reads tables and biases that `save_parameters` or ``glove`` wrote, as float32.

    Args:
      path: the file.
      vocab_size: `V`.
      vector_size: `D`; by default computed from the size of the file.

    Raises:
      FileNotFoundError: if there is no such file.
      ValueError: if the file is not of the size that `V` and `D` need, or has a number that is
        not finite.
    """
    file = existing(path, "file of parameters")
    size = file.stat().st_size
    found = size // (16 * vocab_size) - 1
    if size % (16 * vocab_size) or found < 1 or vector_size not in (None, found):
        expected = "D" if vector_size is None else vector_size
        raise ValueError(
            f"{path} has {size} bytes; vectors of {expected} numbers and biases for {vocab_size} "
            f"words take 2 * {vocab_size} * ({expected} + 1) * 8"
        )
    numbers = np.fromfile(file, "<f8").reshape(2, vocab_size, found + 1)
    with np.errstate(over="ignore"):
        numbers = numbers.astype(np.float32)
    if not np.isfinite(numbers).all():
        table, row = np.argwhere(~np.isfinite(numbers).all(axis=2))[0]
        raise ValueError(
            f"{path}: row {table * vocab_size + row + 1} holds a number that is not finite"
        )
    vectors, biases = numbers[..., :-1], numbers[..., -1]
    return glove.Params(*map(jnp.array, (*vectors, *biases)))


def save_gradsq(
    state: GloveAdagradState,
    path: str | os.PathLike[str],
    vector_size: int,
    *,
    learning_rate: float = 0.05,
    vocab: Vocab | None = None,
) -> None:
    """Writes AdaGrad's sums of squares in the format of ``glove -save-gradsq 1``.

    For vectors, ``glove`` sums the squares of η times the gradient, starting from 1, while
    `optim.glove_adagrad` sums the squares of the gradient, starting from 1/η²: the sums in the
    file are η² times ours. For biases both sum the squares of the gradient. (Old builds of
    ``glove``, without ``-grad-clip``, multiplied those by η too.) A state with one sum per row
    is written as `D` equal sums.

    Args:
      state: the state of `glove_adagrad`.
      path: the file to write, in the layout of `save_parameters`, for ``-init-gradsq-file``.
      vector_size: `D`.
      learning_rate: η.
      vocab: write text to read instead, as ``glove`` does too: a line per word with the sums of
        its vector and bias as a word, then as a context word, to 6 decimals. ``glove`` does not
        read this file.

    Raises:
      ValueError: if the state is that of another optimizer.

    Example:
      >>> import jax
      >>> from jaxvec import optim
      >>> path = getfixture("tmp_path") / "gradsq.bin"
      >>> params = glove.init(jax.random.key(0), vocab_size=10, vector_size=4)
      >>> save_gradsq(optim.glove_adagrad(0.05).init(params), path, vector_size=4)
      >>> load_parameters(path, vocab_size=10).input[0].tolist()
      [1.0, 1.0, 1.0, 1.0]
    """
    if not isinstance(state, GloveAdagradState):
        raise ValueError(
            f"state must be a GloveAdagradState, of optim.glove_adagrad; got {type(state).__name__}"
        )
    _save(state.sum_of_squares, path, vector_size, learning_rate**2, vocab)


def load_gradsq(
    path: str | os.PathLike[str],
    vocab_size: int,
    vector_size: int | None = None,
    *,
    learning_rate: float = 0.05,
    per_row: bool = False,
) -> GloveAdagradState:
    """Reads sums of squares that `save_gradsq` or ``glove`` wrote in binary.

    Args:
      path, vocab_size, vector_size: see `load_parameters`.
      learning_rate: η of the run that continues.
      per_row: average the `D` sums of each row, for ``glove_adagrad(per_row=True)``.

    Raises:
      FileNotFoundError: if there is no such file.
      ValueError: if the file is not of the size that `V` and `D` need, or has a sum that is not
        positive and finite.
    """
    sums = load_parameters(path, vocab_size, vector_size)
    if any((table <= 0).any() for table in sums):
        raise ValueError(f"{path} holds sums of squares that are not positive")
    words, contexts = [
        (table.mean(axis=1, keepdims=True) if per_row else table) / learning_rate**2
        for table in (sums.input, sums.output)
    ]
    return GloveAdagradState(glove.Params(words, contexts, sums.input_bias, sums.output_bias))


def with_unk(vectors: WordVectors) -> WordVectors:
    """A copy of the vectors with the word ``<unk>`` at the end: its `unk_vector`, count 0.

    Raises:
      ValueError: if ``<unk>`` is a word already.

    >>> with_unk(WordVectors(["a", "b"], [[1, 0], [0, 2]])).index_to_key
    ['a', 'b', '<unk>']
    """
    if UNK in vectors:
        raise ValueError(f"the vectors have a word {UNK} already")
    longer = WordVectors(
        vectors.index_to_key,
        vectors.vectors,
        attributes=vectors.attributes,
        metadata=vectors.metadata,
        dtype=vectors.vectors.dtype,
        subwords=vectors.subwords,
    )
    longer.add_vectors(UNK, unk_vector(vectors))
    return longer


def _save(
    tables: glove.Params, path, vector_size: int, scale: float = 1.0, vocab: Vocab | None = None
) -> None:
    """Writes tables in the layout of ``glove``, vectors times `scale`; as text with `vocab`."""
    words, contexts, word_biases, context_biases = map(np.asarray, tables)
    starts = range(0, len(words), _ROWS)

    def block(table: np.ndarray, bias: np.ndarray, start: int) -> np.ndarray:
        vectors = table[start : start + _ROWS].astype(np.float64) * scale
        vectors = np.broadcast_to(vectors, (len(vectors), vector_size))
        return np.column_stack([vectors, bias[start : start + _ROWS]]).astype("<f8")

    halves = [(words, word_biases), (contexts, context_biases)]
    with atomic_write(path) as temporary, open(temporary, "wb") as file:
        if vocab is None:
            for half in halves:
                for start in starts:
                    block(*half, start).tofile(file)
            return
        for start in starts:
            both = np.hstack([block(*half, start) for half in halves])
            for word, row in zip(vocab.words[start : start + _ROWS], both, strict=True):
                file.write(f"{word} {' '.join(f'{x:.6f}' for x in row)}\n".encode())
