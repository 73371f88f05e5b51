"""The files of Stanford's GloVe programs, so that any step of theirs or ours can follow the other.

Their ``vocab_count``, ``cooccur``, ``shuffle`` and ``glove`` hand each other files: the
vocabulary is what `Vocab.save` writes and `Vocab.load` reads; the counts, the parameters and
the sums of squared gradients are here. All numbers are little-endian, as on every machine
that those programs usually run on. `V` words, `D` dimension, `N` cells.
"""

import os

import jax.numpy as jnp
import numpy as np
from scipy import sparse

from jaxvec.cooccurrence import Cooccurrence
from jaxvec.models import glove
from jaxvec.optim.adagrad import GloveAdagradState
from jaxvec.storage.arrays import release
from jaxvec.storage.files import atomic_write, existing
from jaxvec.text.vocab import Vocab
from jaxvec.vectors.rows import unk_vector as unk_vector
from jaxvec.vectors.word_vectors import WordVectors

UNK = "<unk>"

_RECORD = np.dtype([("word1", "<i4"), ("word2", "<i4"), ("value", "<f8")])
_RECORDS = 1 << 20  # taken at a time
_ROWS = 4096  # likewise


def save_records(cells: Cooccurrence, path: str | os.PathLike[str]) -> None:
    """Writes counts as ``cooccur`` does, row by row.

    A cell is 16 bytes: the row and the column as int32, counted from 1, and the count as
    float64. ``glove`` wants them in random order: run ``shuffle`` on the file first.

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
    """Reads the counts of ``cooccur`` or ``shuffle``: records as `save_records` writes them.

    They may come in any order; counts of the same cell are added up, and zeros dropped.

    Args:
      path: the file.
      vocab: the vocabulary that it was counted with: record and line numbers must match.
      settings: how it was counted, if that is known.

    Raises:
      FileNotFoundError: if there is no such file.
      ValueError: if the file ends within a record, or a record has a word outside 1 … V, or
        a count that is negative or not finite as float32; the message has its number.
    """
    file_path = existing(path, "file of records")
    size, width = file_path.stat().st_size, _RECORD.itemsize
    if size % width:
        raise ValueError(
            f"{path} holds no whole records of {width} bytes: record {size // width + 1} has "
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
                kept = counts[part].astype(np.float32)  # as it will be
            bad |= ~(np.isfinite(kept) & (kept >= 0) & ((kept > 0) == (counts[part] > 0)))
            if bad.any():
                first = int(bad.argmax())
                raise ValueError(
                    f"{path}: record {start + first + 1} is {records[first].item()}: expected "
                    f"two words from 1 to {len(vocab)}, as many as the vocabulary has, and a "
                    "count that is positive and finite as float32, or 0"
                )
    shape = len(vocab), len(vocab)
    cells = sparse.coo_array((counts, (rows, columns)), shape=shape).tocsr()
    return Cooccurrence(vocab, cells.indptr, cells.indices, cells.data, settings=settings or {})


def save_parameters(params: glove.Params, path: str | os.PathLike[str]) -> None:
    """Writes tables and biases as ``glove -binary 1`` does, for its ``-init-param-file``.

    That is float64[2, V, D + 1]: the words' vectors, each with its bias at the end, then
    those of the context words.

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
    """Reads what `save_parameters` or the program wrote, as float32.

    Args:
      path: the file.
      vocab_size: `V`.
      vector_size: `D`; by default what the size of the file comes to.

    Raises:
      FileNotFoundError: if there is no such file.
      ValueError: if it has another size, or a number that is not finite.
    """
    file = existing(path, "file of parameters")
    size = file.stat().st_size
    found = size // (16 * vocab_size) - 1
    if size % (16 * vocab_size) or found < 1 or vector_size not in (None, found):
        expected = "D" if vector_size is None else vector_size
        raise ValueError(
            f"{path} has {size} bytes; vectors and biases of {vocab_size} words, of "
            f"{expected} numbers and 1, would take 2 * {vocab_size} * ({expected} + 1) * 8"
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
    """Writes the optimizer's sums of squares as ``glove -save-gradsq 1`` does.

    The program squares a vector's gradient times η, and starts at 1; `optim.glove_adagrad`
    leaves η out and starts at 1/η². So its sums are η² times ours. Biases, which know no η,
    have the same sums (in old builds of it, without ``-grad-clip``, they knew it). One sum a
    row stands for all `D` of it.

    Args:
      state: of `glove_adagrad`.
      path: the file; laid out as the parameters, so that ``-init-gradsq-file`` reads it.
      vector_size: `D`.
      learning_rate: η.
      vocab: write text for people instead, which the program writes too and does not read:
        a word, its vector's sums and its bias's, then those as a context word, to 6 decimals.

    Raises:
      ValueError: if the state is another optimizer's.

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
        raise ValueError(f"these are not the sums of glove_adagrad: {type(state).__name__}")
    _save(state.sum_of_squares, path, vector_size, learning_rate**2, vocab)


def load_gradsq(
    path: str | os.PathLike[str],
    vocab_size: int,
    vector_size: int | None = None,
    *,
    learning_rate: float = 0.05,
    per_row: bool = False,
) -> GloveAdagradState:
    """Reads what `save_gradsq` or the program wrote (not its text).

    Args:
      path, vocab_size, vector_size: see `load_parameters`.
      learning_rate: η, of the run that goes on.
      per_row: take the mean over each vector, for ``glove_adagrad(per_row=True)``.

    Raises:
      FileNotFoundError: if there is no such file.
      ValueError: if it has another size, or a sum that is not positive and finite.
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
    """The same words and vectors, and ``<unk>`` after them with its `unk_vector`, of count 0.

    Raises:
      ValueError: if there is such a word already.

    >>> with_unk(WordVectors(["a", "b"], [[1, 0], [0, 2]])).index_to_key
    ['a', 'b', '<unk>']
    """
    if UNK in vectors:
        raise ValueError(f"there is a word {UNK} already")
    longer = WordVectors(
        vectors.index_to_key,
        vectors.vectors,
        attributes=vectors.attributes,
        metadata=vectors.metadata,
    )
    longer.add_vectors(UNK, unk_vector(vectors))
    return longer


def _save(
    tables: glove.Params, path, vector_size: int, scale: float = 1.0, vocab: Vocab | None = None
) -> None:
    """Writes tables, their vectors scaled, in the program's layout; as text with a vocabulary."""
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
