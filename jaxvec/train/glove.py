"""GloVe as a `contracts.Model`."""

import dataclasses
import math
from typing import Annotated, Any, ClassVar, NamedTuple, cast

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from jaxvec.cooccurrence import Cooccurrence
from jaxvec.messages.gensim import explained_model
from jaxvec.messages.numbers import check_whole
from jaxvec.models import glove
from jaxvec.models.products import check_products
from jaxvec.train import spectral
from jaxvec.train.cells import Cells, CellSegments
from jaxvec.train.contracts import STEPS_A_DRAW
from jaxvec.train.devices import DEFAULT_CHUNKS, Device, segment_length, step_chunks
from jaxvec.train.options import Option, Products, VectorSize


class Constants(NamedTuple):
    """What is traced."""

    x_max: jax.Array  # float32
    alpha: jax.Array  # float32
    prior: Any  # float32[V, D], vectors that words are drawn to; () for none
    pull: Any  # float32[V], how strongly in each chunk of a word's cells; () for none


class Plan(NamedTuple):
    """A segment and how many steps it takes."""

    chunks: glove.Chunks
    steps: jax.Array


class Step(NamedTuple):
    """A batch, and the numbers of its weights."""

    chunks: glove.Chunks
    x_max: jax.Array
    alpha: jax.Array
    prior: Any  # float32[R, D], of the chunks' words
    pull: Any  # float32[R]


@explained_model
@dataclasses.dataclass(frozen=True)
class GloVe:
    """GloVe: its objective, and the source of its batches.

    Attributes:
      vector_size: `D`.
      x_max, alpha: of the weight f(x), see `glove.weight`; the C program's defaults.
      mittens: μ, draws words that have a vector r in `fit`'s `init` to it: an epoch adds
        μ/2 ‖w + c - r‖² to the cost of each that has cells in its row, in equal parts over the
        row's chunks (less those held out). 0 for no pull. On one worker.
      spectral_start: begin from the SVD of the counts' positive PMI, see `spectral.of_cells`, added
        to the C program's random numbers; False for these alone.
      chunk_cells: `L`, the most cells of a row that make a chunk.
      chunks: `R`, chunks a step. None for the device's default: 16 on a CPU, up to 256 on an
        accelerator, see `devices`.
      segment_cells: the most cells of a segment of one worker. None for the device's default: a
        million on a CPU, 8 million on an accelerator.
      products: the precision of products, as of `TextModel`.

    References:
      Dingwall and Potts 2018, "Mittens: An Extension of GloVe for Learning Domain-Specialized
      Representations".
    """

    vector_size: VectorSize = 100
    x_max: Annotated[float, Option("counts from X on have full weight", "X", above=0)] = 100.0
    alpha: Annotated[float, Option("smaller counts x weigh (x / X)^A", "A", least=0)] = 0.75
    mittens: Annotated[
        float, Option("pull words towards their vectors in --init, with strength M", "M", least=0)
    ] = 0.0
    spectral_start: Annotated[
        bool, Option("begin from random vectors alone, as the C program does")
    ] = True
    chunk_cells: int = 32
    chunks: int | None = None
    segment_cells: int | None = None
    products: Products = None

    default_optimizer = "glove_row_adagrad"
    default_learning_rate = 0.05
    default_vectors = "sum"
    loss_unit = "cell"
    traced: ClassVar[tuple[str, ...]] = ("x_max", "alpha")
    start_options: ClassVar[tuple[str, ...]] = ("spectral_start",)
    device_options: ClassVar[tuple[str, ...]] = ("chunks", "segment_cells")
    columns = cast(Any, glove.Params)(input=False, output=True, input_bias=False, output_bias=True)

    def __post_init__(self):
        check_products(self.products)
        for name in ("vector_size", "chunk_cells", *self.device_options):
            given = getattr(self, name)
            check_whole(name, 1 if given is None else given)
        if not 0 < self.x_max < np.inf:
            raise ValueError(f"x_max must be a positive number; got {self.x_max}")
        for name in ("alpha", "mittens"):
            if not 0 <= getattr(self, name) < np.inf:
                raise ValueError(f"{name} must be 0 or positive; got {getattr(self, name)}")

    @property
    def step_chunks(self) -> int:
        """How many chunks a step takes."""
        return self.chunks or DEFAULT_CHUNKS

    def for_device(self, device: Device, data: Any, workers: int = 1) -> dict[str, int | None]:
        """See `contracts.ByDevice`, and `devices` for the rules.

        Args:
          device: that trains.
          data: the counts.
          workers: `N`, who share them out.
        """
        return {
            "chunks": step_chunks(device, self.chunk_cells, len(data) // workers),
            "segment_cells": segment_length(device),
        }

    def init(self, key: jax.Array, vocab_size: int) -> glove.Params:
        """The C program's start; see `glove.init`."""
        return glove.init(key, vocab_size, self.vector_size)

    def init_rows(self, key: jax.Array, rows: jax.Array) -> glove.Params:
        """Rows of `init`'s tables, by their ids; see `contracts.InitRows`."""
        return glove.init_rows(key, rows, self.vector_size)

    def segments(
        self, data: Cooccurrence, valid: float, key: jax.Array, workers: int = 1
    ) -> tuple[CellSegments, CellSegments | None]:
        """See `contracts.Source.segments`; a random share of the chunks is held out."""
        if not isinstance(data, Cooccurrence):
            raise ValueError(f"GloVe trains on counts: give cooccurrence.count(…) of this {data!r}")
        if self.mittens and workers > 1:
            raise ValueError(f"mittens trains on one worker, not {workers}: a word's two vectors "
                             "must be in one place")  # fmt: skip
        return CellSegments.split(
            data, self.chunk_cells, self.step_chunks, valid, key, workers, self.segment_cells
        )

    def head_start(self, segments: CellSegments) -> glove.Params | None:
        """`spectral.of_cells` of the most frequent words, and biases of 0; None if that is off."""
        if not self.spectral_start:
            return None
        found = spectral.of_cells(segments.head(spectral.MOST_WORDS), self.vector_size)
        if found is None:
            return None
        nothing = jnp.zeros_like(found.input[:, 0])
        return glove.Params(*found, nothing, nothing)

    def constants(self, data: Cooccurrence) -> Constants:
        """The numbers of the weight f(x)."""
        return Constants(jnp.float32(self.x_max), jnp.float32(self.alpha), (), ())

    def drawn_to(
        self, constants: Constants, data: Cooccurrence, prior: np.ndarray, known: np.ndarray
    ) -> Constants:
        """See `contracts.Prior.drawn_to`."""
        chunks = -(-np.diff(data.indptr) // self.chunk_cells)
        pull = np.where(known, self.mittens / np.maximum(chunks, 1), 0)
        return constants._replace(
            prior=jnp.asarray(prior, jnp.float32), pull=jnp.asarray(pull, jnp.float32)
        )

    @property
    def has_prior(self) -> bool:
        """Whether `mittens` is above 0."""
        return self.mittens > 0

    def free(self, constants: Constants) -> Constants:
        """Constants with a pull of 0."""
        return constants._replace(pull=jnp.zeros_like(constants.pull))

    def untrained_loss(self, data: Cooccurrence) -> float:
        """The mean of f(x) max(1, log²x) / 2 over a million cells, evenly spread.

        That is the cost of a fit of 0, or of one that is wrong by 1 where that is more. Infinite
        with `mittens`, whose pull has no bound.
        """
        if self.mittens:
            return math.inf
        counts = np.asarray(data.data[:: -(-len(data) // 1_000_000) or 1], np.float64)
        counts = counts[counts > 0]
        weights = np.minimum(1, (counts / self.x_max) ** self.alpha)
        return float((weights * np.maximum(1, np.square(np.log(counts)))).mean() / 2)

    def max_steps(self, segment: Cells) -> int:
        """The most steps that a segment can take."""
        return len(segment.words) // self.step_chunks

    def plan(self, constants: Constants, key: jax.Array, segment: Any) -> Plan:
        """The segment as it is, for it is shuffled already; see `contracts.Source.plan`."""
        filled = (segment.counts > 0).any(axis=1)
        last = jnp.where(filled, jnp.arange(1, len(filled) + 1, dtype=jnp.int32), 0).max()
        draw = STEPS_A_DRAW * self.step_chunks
        room = -len(filled) % draw if len(filled) > draw else 0  # no draw is to end beyond it

        def padded(array):
            return jnp.pad(array, [(0, room)] + [(0, 0)] * (array.ndim - 1))

        return Plan(glove.Chunks(*map(padded, segment)), -(-last // self.step_chunks))

    def bits(self) -> tuple[int]:
        """None: a step draws nothing at random."""
        return (0,)

    def batch(self, constants: Constants, plan: Plan, bits: jax.Array, step: jax.Array) -> Step:
        """The chunks of a step; see `contracts.Source.batch`."""
        return jax.tree.map(lambda part: part[0], self.batches(constants, plan, bits[None], step))

    def batches(self, constants: Constants, plan: Plan, bits: jax.Array, first: jax.Array) -> Step:
        """The chunks of steps; see `contracts.Draws.batches`."""
        steps = len(bits)

        def cut(array):  # [T, R, …]
            start, size = first * self.step_chunks, steps * self.step_chunks
            part = lax.dynamic_slice_in_dim(array, start, size)
            return part.reshape(steps, self.step_chunks, *array.shape[1:])

        chunks = jax.tree.map(cut, plan.chunks)
        prior, pull = (
            jax.tree.map(lambda table: table[chunks.words], table)
            for table in (constants.prior, constants.pull)
        )
        x_max, alpha = (jnp.full(steps, number) for number in (constants.x_max, constants.alpha))
        return Step(chunks, x_max, alpha, prior, pull)

    def rows(self, batch: Step) -> glove.Params:
        """See `glove.rows`; with a prior the words' own context vectors too, at the end."""
        rows = glove.rows(batch.chunks)
        if not self.mittens:
            return rows
        own = batch.chunks.words[:, None]
        return rows._replace(output=jnp.concatenate([rows.output, own], axis=1))

    def rows_loss(self, vectors: glove.Params, batch: Step) -> jax.Array:
        """Half of `glove.cell_losses`, as the C program has it, and the pull of a prior; see
        `contracts.Objective.rows_loss`."""
        if not self.mittens:
            return self._costs(vectors, batch) / 2
        own, vectors = vectors.output[:, -1], vectors._replace(output=vectors.output[:, :-1])
        cost = self._costs(vectors, batch).sum()
        distances = jnp.square(vectors.input + own - batch.prior).sum(-1)
        real = (batch.chunks.counts > 0).any(axis=1)
        return (cost + jnp.sum(jnp.where(real, batch.pull, 0) * distances)) / 2

    def _costs(self, vectors: glove.Params, batch: Step) -> jax.Array:
        return glove.cell_losses(
            vectors, batch.chunks, batch.x_max, batch.alpha, products=self.products
        )

    def weight(self, batch: Step) -> jax.Array:
        """How many cells a batch holds."""
        return jnp.sum(batch.chunks.counts > 0, dtype=jnp.float32)
