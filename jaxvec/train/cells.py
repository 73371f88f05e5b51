"""The cells of a count as segments of chunks, shuffled anew each epoch."""

import functools
from collections.abc import Sequence
from typing import NamedTuple

import jax
import numpy as np
from scipy import sparse

from jaxvec.cooccurrence import Cooccurrence
from jaxvec.storage.arrays import release, still_whole
from jaxvec.train.contracts import STEPS_A_DRAW, Reader

SEGMENT_CELLS = 1 << 20
_CHUNKS = 1 << 14  # laid out in one call of NumPy


class Cells(NamedTuple):
    """`C` chunks of up to `L` cells of one row each; the arrays of `glove.Chunks`."""

    words: np.ndarray  # int32[C]
    contexts: np.ndarray  # int32[C, L]
    counts: np.ndarray  # float32[C, L], 0 for padding


class CellSegments:
    """Cells in segments of chunks, shuffled anew each epoch: a `contracts.Segments`.

    Part (p, q) of the matrix has the cells with row ≡ p and column ≡ q (mod `N`); local ids are
    row // N and column // N. A segment is for one worker, in `N` phases: in phase r
    worker k has cells of part (k, (k + r) mod `N`), so that in no phase two workers have
    a row or a column in common. Segment i is worker (i mod `N`)'s. With one worker
    there is one part and no axis of phases.

    Args:
      parts: the cells of each part in chunks, [N][N].
      words: `V`.
      multiple: the number of chunks of a segment is a multiple of this.
      cells: the most that a segment holds, by default `SEGMENT_CELLS`.

    Attributes:
      sizes: int[number of segments], how many cells each has, on average.
    """

    unit = "cell"
    shuffled = True

    def __init__(
        self,
        parts: Sequence[Sequence[Cells]],
        words: int,
        multiple: int,
        cells: int | None = None,
    ):
        self.parts, self.words = parts, words
        self.workers = len(parts)
        chunk_cells = parts[0][0].contexts.shape[1]
        chunks = np.array([[len(part.words) for part in row] for row in parts])
        most = self.workers * (cells or SEGMENT_CELLS)
        pieces = max(1, -(-chunks.sum() * chunk_cells // most))
        shares = np.linspace(0, 1, pieces + 1)[:, None, None]
        self.bounds = (shares * chunks).round().astype(int)
        lengths = np.diff(self.bounds, axis=0)
        draw = STEPS_A_DRAW * multiple  # of steps that take `multiple` chunks
        multiple = draw if lengths.max() > draw else multiple
        self.length = max(1, -(-lengths.max() // multiple)) * multiple
        real = sum(int(np.count_nonzero(part.counts)) for row in parts for part in row)
        before = np.concatenate([[0], np.cumsum(lengths.sum(axis=2))])
        self.sizes = np.diff((before / before[-1] * real).round().astype(int))

    @classmethod
    def split(
        cls,
        cells: Cooccurrence,
        chunk_cells: int,
        multiple: int,
        valid: float,
        key: jax.Array,
        workers: int = 1,
        most: int | None = None,
    ) -> tuple["CellSegments", "CellSegments | None"]:
        """The cells to train on, for `workers` workers, and those held out, for one.

        Args:
          cells: the counts.
          chunk_cells: `L`.
          multiple: the number of chunks of a segment is a multiple of this.
          valid: the share of chunks that is held out, chosen at random; 0 for none.
          key: of that choice.
          workers: `N`.
          most: cells of a segment, by default `SEGMENT_CELLS`.

        Raises:
          ValueError: if there are no cells, or too few to hold any out.
        """
        if not len(cells):
            raise ValueError(
                "there is nothing to learn from: no two words stand together in a document"
            )
        parts = _parts(cells, chunk_cells, workers)
        if not valid:
            return cls(parts, len(cells.vocab), multiple, most), None
        random = _generator(key)
        kept: list[list[Cells]] = []
        held_out = []
        for p, row in enumerate(parts):
            kept.append([])
            for q, part in enumerate(row):
                out = random.random(len(part.words)) < valid
                kept[p].append(_chosen(part, ~out))
                words, contexts, counts = _chosen(part, out)
                held_out.append(Cells(words * workers + p, contexts * workers + q, counts))
        rest = Cells(*map(np.concatenate, zip(*held_out, strict=True)))
        if not len(rest.words) or not sum(len(part.words) for row in kept for part in row):
            raise ValueError(f"{len(cells)} cells are too few to hold out {valid} of them")
        of_all = len(cells.vocab), multiple, most
        return cls(kept, *of_all), cls([[rest]], *of_all)

    def epoch(self, key: jax.Array) -> Reader:
        """A reader of the segments of the epoch with that key, which shuffles each part."""
        random = _generator(key)
        order = [[random.permutation(len(part.words)) for part in row] for row in self.parts]
        return functools.partial(self._read, order)

    def _read(self, order: list[list[np.ndarray]], i: int) -> Cells:
        segment = self._empty()
        piece, worker = divmod(i, self.workers)
        for phase in range(self.workers):
            q = (worker + phase) % self.workers
            start, stop = self.bounds[piece : piece + 2, worker, q]
            chosen = order[worker][q][start:stop]
            for source, target in zip(self.parts[worker][q], segment, strict=True):
                np.take(source, chosen, axis=0, out=target[phase, : len(chosen)], mode="clip")
        return self._phases(segment)

    def head(self, words: int) -> sparse.csr_array:
        """The cells of the most frequent words among each other, float32[T, T].

        Args:
          words: `T`, or `V` if that is less.
        """
        words = min(words, self.words)
        found = [(np.zeros(0, np.int32), np.zeros(0, np.int32), np.zeros(0, np.float32))]
        for p, row in enumerate(self.parts):
            for q, part in enumerate(row):
                last = np.searchsorted(part.words * self.workers + p, words)
                for start in range(0, int(last), _CHUNKS):
                    own, contexts, counts = (a[start : start + _CHUNKS] for a in part)
                    own, contexts = own * self.workers + p, contexts * self.workers + q
                    inside = (contexts < words) & (counts > 0) & (own < words)[:, None]
                    own = np.broadcast_to(own[:, None], contexts.shape)
                    found.append((own[inside], contexts[inside], counts[inside]))
        rows, columns, data = map(np.concatenate, zip(*found, strict=True))
        return sparse.csr_array((data, (rows, columns)), shape=(words, words))

    def empty(self) -> Cells:
        """A segment without cells."""
        return self._phases(self._empty())

    def _empty(self) -> Cells:
        shape = self.workers, self.length, self.parts[0][0].contexts.shape[1]
        return Cells(
            np.zeros(shape[:2], np.int32), np.zeros(shape, np.int32), np.zeros(shape, np.float32)
        )

    def _phases(self, segment: Cells) -> Cells:
        return segment if self.workers > 1 else Cells(*(part[0] for part in segment))


def _parts(cells: Cooccurrence, chunk_cells: int, workers: int) -> list[list[Cells]]:
    matrix = cells.matrix()
    if workers == 1:
        return [[_chunked(matrix, chunk_cells)]]
    return [
        [_chunked(rows[:, q::workers], chunk_cells) for q in range(workers)]
        for rows in (matrix[p::workers] for p in range(workers))
    ]


def _chosen(part: Cells, which: np.ndarray) -> Cells:
    return Cells(*(array[which] for array in part))


def _chunked(matrix: sparse.csr_array, chunk_cells: int) -> Cells:
    """All cells of a matrix in chunks of up to `L` of a row.

    A row of n cells makes k = n/L chunks, rounded up, and chunk j takes its cells j,
    j + k, j + 2k, …: each has frequent contexts and rare ones.
    """
    ends = matrix.indptr.astype(np.int64)
    strides = -(-np.diff(ends) // chunk_cells)
    words = np.repeat(np.arange(len(strides), dtype=np.int32), strides)
    first = np.concatenate([[0], np.cumsum(strides)])[words]  # chunk of the row
    shape = len(words), chunk_cells
    chunks = Cells(words, np.empty(shape, np.int32), np.empty(shape, np.float32))
    for start in range(0, len(words), _CHUNKS):
        part = slice(start, start + _CHUNKS)
        still_whole(matrix.indices, matrix.data)
        row = words[part]
        begin = ends[row] + np.arange(start, start + len(row)) - first[part]
        cell = begin[:, None] + strides[row][:, None] * np.arange(chunk_cells)
        real = cell < ends[row + 1][:, None]
        cell[~real] = 0
        np.multiply(matrix.indices[cell], real, out=chunks.contexts[part])
        np.multiply(matrix.data[cell], real, out=chunks.counts[part])
    release(matrix.indices)
    release(matrix.data)
    return chunks


def _generator(key: jax.Array) -> np.random.Generator:
    """A host generator whose stream follows from a key: a shuffle of millions is quicker there."""
    return np.random.default_rng(np.asarray(jax.random.key_data(key)))
