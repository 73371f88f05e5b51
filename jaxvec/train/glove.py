"""GloVe as the trainer sees it: from counts to chunks of their rows, in random order."""

import dataclasses
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from jaxvec import glove
from jaxvec.cooccurrence import Cooccurrence
from jaxvec.train.text_model import whole

SEGMENT_CELLS = 1 << 20


class Cells(NamedTuple):
    """Up to `C` chunks of up to `L` cells; the arrays of `glove.Chunks`."""

    words: np.ndarray  # int32[C]
    contexts: np.ndarray  # int32[C, L]
    counts: np.ndarray  # float32[C, L], 0 for padding


class CellSegments:
    """The cells of a count in chunks of up to `L` of one row, shuffled anew each epoch.

    A row of n cells makes k = n/L chunks, rounded up, and chunk j takes its cells j,
    j + k, j + 2k, …: each has frequent contexts and rare ones.

    Attributes:
      sizes: int[number of segments], how many cells each has, on average.
    """

    unit = "cell"

    def __init__(self, cells: Cooccurrence, chunk_cells: int, chunks: np.ndarray, multiple: int):
        self.cells = cells
        self.chunk_cells = chunk_cells
        self.chunks = chunks
        ends = np.cumsum(_chunks_a_row(cells, chunk_cells))
        self._first = np.concatenate([[0], ends])  # of each row
        count = -(-len(chunks) * chunk_cells // SEGMENT_CELLS)
        self.bounds = np.linspace(0, len(chunks), count + 1).round().astype(int)
        longest = int(np.diff(self.bounds).max())
        self.length = -(-longest // multiple) * multiple
        share = len(cells) * len(chunks) / self._first[-1]
        self.sizes = np.diff((self.bounds / len(chunks) * share).round().astype(int))
        self._order: tuple[bytes, np.ndarray] = (b"", chunks)

    @classmethod
    def split(
        cls, cells: Cooccurrence, chunk_cells: int, multiple: int, valid: float, key: jax.Array
    ) -> tuple["CellSegments", "CellSegments | None"]:
        """All chunks; or a random share of them held out, and the rest before it."""
        total = int(_chunks_a_row(cells, chunk_cells).sum())
        if not total:
            raise ValueError(
                "there is nothing to learn from: no two words stand together in a document"
            )
        if not valid:
            return cls(cells, chunk_cells, np.arange(total), multiple), None
        order = _generator(key).permutation(total)
        held_out = round(valid * total)
        if not 0 < held_out < total:
            raise ValueError(f"{total} chunks of cells are too few to hold out {valid} of them")
        return (
            cls(cells, chunk_cells, np.sort(order[held_out:]), multiple),
            cls(cells, chunk_cells, np.sort(order[:held_out]), multiple),
        )

    def get(self, key: jax.Array, i: int) -> Cells:
        """Segment `i` of the epoch whose key that is."""
        words, contexts, counts = self.empty()
        start, stop = self.bounds[i : i + 2]
        chosen = self._shuffled(key)[start:stop]
        row = np.searchsorted(self._first, chosen, "right") - 1
        stride = self._first[row + 1] - self._first[row]
        begin = np.asarray(self.cells.indptr[row], np.int64) + chosen - self._first[row]
        cell = begin[:, None] + stride[:, None] * np.arange(self.chunk_cells)
        real = cell < self.cells.indptr[row + 1][:, None]
        cell[~real] = 0
        n = len(chosen)
        words[:n] = row
        contexts[:n] = np.where(real, self.cells.indices[cell], 0)
        counts[:n] = np.where(real, self.cells.data[cell], 0)
        return Cells(words, contexts, counts)

    def empty(self) -> Cells:
        """A segment without cells."""
        shape = self.length, self.chunk_cells
        return Cells(
            np.zeros(self.length, np.int32), np.zeros(shape, np.int32), np.zeros(shape, np.float32)
        )

    def _shuffled(self, key: jax.Array) -> np.ndarray:
        name = np.asarray(jax.random.key_data(key)).tobytes()
        if self._order[0] != name:
            self._order = name, _generator(key).permutation(self.chunks)
        return self._order[1]


def _chunks_a_row(cells: Cooccurrence, chunk_cells: int) -> np.ndarray:
    return -(-np.diff(cells.indptr) // chunk_cells)


def _generator(key: jax.Array) -> np.random.Generator:
    """A host generator whose stream follows from a key: a shuffle of millions is quicker there."""
    return np.random.default_rng(np.asarray(jax.random.key_data(key)))


class Plan(NamedTuple):
    """A segment and how many steps it takes."""

    chunks: glove.Chunks
    steps: jax.Array


@dataclasses.dataclass(frozen=True)
class GloVe:
    """GloVe: what is trained, and on which cells at a time.

    Attributes:
      vector_size: `D`.
      x_max, alpha: of the weight f(x), see `glove.weight`; the C program's defaults.
      chunk_cells: `L`, cells of a row that are taken together.
      chunks: `R`, chunks a step: a few on a CPU, many on an accelerator.
    """

    vector_size: int = 100
    x_max: float = 100.0
    alpha: float = 0.75
    chunk_cells: int = 32
    chunks: int = 16

    default_optimizer = "glove_row_adagrad"
    default_learning_rate = 0.05
    default_vectors = "sum"

    def __post_init__(self):
        for name in ("vector_size", "chunk_cells", "chunks"):
            whole(name, getattr(self, name))
        if not 0 < self.x_max < np.inf:
            raise ValueError(f"x_max must be a positive number; got {self.x_max}")
        if not 0 <= self.alpha < np.inf:
            raise ValueError(f"alpha must be 0 or a positive number; got {self.alpha}")

    rows = staticmethod(glove.rows)
    take = staticmethod(glove.take)

    def rows_loss(self, vectors: glove.Params, batch: glove.Chunks) -> jax.Array:
        """Half of `glove.rows_loss`: the C program's cost, and so its gradient."""
        return glove.rows_loss(vectors, batch, self.x_max, self.alpha) / 2

    def init(self, key: jax.Array, vocab_size: int) -> glove.Params:
        return glove.init(key, vocab_size, self.vector_size)

    def segments(
        self, data: Cooccurrence, valid: float, key: jax.Array, workers: int = 1
    ) -> tuple[CellSegments, CellSegments | None]:
        """What to train on, and what is held out."""
        if not isinstance(data, Cooccurrence):
            raise ValueError(f"GloVe trains on counts: give cooccurrence.count(…) of this {data!r}")
        del workers
        return CellSegments.split(data, self.chunk_cells, self.chunks, valid, key)

    def constants(self, data: Cooccurrence) -> tuple[()]:
        """Nothing: the counts say all."""
        return ()

    def max_steps(self, segment: Cells) -> int:
        """The most steps that a segment can take."""
        return len(segment.words) // self.chunks

    def plan(self, constants: tuple[()], key: jax.Array, segment: Any) -> Plan:
        """The segment as it is: it was shuffled when it was made."""
        filled = (segment.counts[:, 0] > 0).sum()
        return Plan(glove.Chunks(*segment), -(-filled // self.chunks))

    def bits(self) -> tuple[int]:
        """No random words."""
        return (0,)

    def batch(
        self, constants: tuple[()], plan: Plan, bits: jax.Array, step: jax.Array
    ) -> glove.Chunks:
        """The chunks of a step."""
        return jax.tree.map(
            lambda array: lax.dynamic_slice_in_dim(array, step * self.chunks, self.chunks),
            plan.chunks,
        )

    def weight(self, batch: glove.Chunks) -> jax.Array:
        """How many cells a batch holds."""
        return jnp.sum(batch.counts > 0, dtype=jnp.float32)
