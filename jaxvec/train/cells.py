"""The cells of a count as segments of chunks, shuffled anew each epoch."""

from collections.abc import Sequence
from typing import NamedTuple

import jax
import numpy as np
from scipy import sparse

from jaxvec.cooccurrence import Cooccurrence
from jaxvec.storage.arrays import release

SEGMENT_CELLS = 1 << 20
_CHUNKS = 1 << 14  # laid out at a time


class Cells(NamedTuple):
    """`C` chunks of up to `L` cells of one row each; the arrays of `glove.Chunks`."""

    words: np.ndarray  # int32[C]
    contexts: np.ndarray  # int32[C, L]
    counts: np.ndarray  # float32[C, L], 0 for padding


class CellSegments:
    """Segments of cells for `N` workers that divide the rows and the columns of the matrix.

    Block (p, q) has the cells whose row leaves p and whose column leaves q when divided by
    `N`, numbered by the quotients. A segment is for one worker, in `N` phases: in phase r
    worker k has cells of block (k, (k + r) mod `N`), so that in no phase two workers have
    a row or a column in common. Segment i is worker (i mod `N`)'s. With one worker
    there is one block and no axis of phases.

    Attributes:
      sizes: int[number of segments], how many cells each has, on average.
    """

    unit = "cell"

    def __init__(self, blocks: Sequence[Sequence[Cells]], multiple: int):
        self.blocks = blocks
        self.workers = len(blocks)
        chunk_cells = blocks[0][0].contexts.shape[1]
        chunks = np.array([[len(block.words) for block in row] for row in blocks])
        pieces = max(1, -(-chunks.sum() * chunk_cells // (self.workers * SEGMENT_CELLS)))
        shares = np.linspace(0, 1, pieces + 1)[:, None, None]
        self.bounds = (shares * chunks).round().astype(int)
        lengths = np.diff(self.bounds, axis=0)
        self.length = max(1, -(-lengths.max() // multiple)) * multiple
        cells = sum(int(np.count_nonzero(block.counts)) for row in blocks for block in row)
        before = np.concatenate([[0], np.cumsum(lengths.sum(axis=2))])
        self.sizes = np.diff((before / before[-1] * cells).round().astype(int))
        self._order: tuple[bytes, list[list[np.ndarray]]] = (b"", [])

    @classmethod
    def split(
        cls,
        cells: Cooccurrence,
        chunk_cells: int,
        multiple: int,
        valid: float,
        key: jax.Array,
        workers: int = 1,
    ) -> tuple["CellSegments", "CellSegments | None"]:
        """All cells; or a random share of their chunks held out, for one worker, and the rest.

        Raises:
          ValueError: if there are no cells, or too few to hold any out.
        """
        if not len(cells):
            raise ValueError(
                "there is nothing to learn from: no two words stand together in a document"
            )
        blocks = _blocks(cells, chunk_cells, workers)
        if not valid:
            return cls(blocks, multiple), None
        held_out = []
        random = _generator(key)
        for p, row in enumerate(blocks):
            for q, block in enumerate(row):
                out = random.random(len(block.words)) < valid
                row[q], rest = (Cells(*(part[which] for part in block)) for which in (~out, out))
                held_out.append(
                    rest._replace(
                        words=rest.words * workers + p, contexts=rest.contexts * workers + q
                    )
                )
        parts = Cells(*map(np.concatenate, zip(*held_out, strict=True)))
        if not len(parts.words) or not sum(len(block.words) for row in blocks for block in row):
            raise ValueError(f"{len(cells)} cells are too few to hold out {valid} of them")
        return cls(blocks, multiple), cls([[parts]], multiple)

    def get(self, key: jax.Array, i: int) -> Cells:
        """Segment `i` of the epoch whose key that is."""
        segment = self._empty()
        piece, worker = divmod(i, self.workers)
        order = self._shuffled(key)
        for phase in range(self.workers):
            q = (worker + phase) % self.workers
            start, stop = self.bounds[piece : piece + 2, worker, q]
            chosen = order[worker][q][start:stop]
            for source, target in zip(self.blocks[worker][q], segment, strict=True):
                np.take(source, chosen, axis=0, out=target[phase, : len(chosen)], mode="clip")
        return self._phases(segment)

    def empty(self) -> Cells:
        """A segment without cells."""
        return self._phases(self._empty())

    def _empty(self) -> Cells:
        shape = self.workers, self.length, self.blocks[0][0].contexts.shape[1]
        return Cells(
            np.zeros(shape[:2], np.int32), np.zeros(shape, np.int32), np.zeros(shape, np.float32)
        )

    def _phases(self, segment: Cells) -> Cells:
        return segment if self.workers > 1 else Cells(*(part[0] for part in segment))

    def _shuffled(self, key: jax.Array) -> list[list[np.ndarray]]:
        name = np.asarray(jax.random.key_data(key)).tobytes()
        if self._order[0] != name:
            random = _generator(key)
            order = [[random.permutation(len(b.words)) for b in row] for row in self.blocks]
            self._order = name, order
        return self._order[1]


def _blocks(cells: Cooccurrence, chunk_cells: int, workers: int) -> list[list[Cells]]:
    matrix = cells.matrix()
    if workers == 1:
        return [[_chunked(matrix, chunk_cells)]]
    return [
        [_chunked(rows[:, q::workers], chunk_cells) for q in range(workers)]
        for rows in (matrix[p::workers] for p in range(workers))
    ]


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
