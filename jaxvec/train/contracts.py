"""What the trainer asks of a model and of data; of a way to run in parallel, see
`parallel.contract`.

A `Model` is an `Objective` (pure mathematics) and a `Source` (from data to batches) in one
hashable object, such as a frozen dataclass; `README.md` here has one of 25 lines. What only some
models can do is an optional ability, a Protocol that the trainer asks for with `isinstance`.

Static is what the program is compiled for: the model (without the options that `Tunable` and
`HeadStart` name), the optimizer and all shapes. Traced, so that another value runs the same
program, are the state, constants, segments, keys, rates and the rows that are frozen.

Letters: `V` vocabulary, `D` dimension, `N` workers.
"""

from collections.abc import Callable, Sequence
from typing import Any, ClassVar, NamedTuple, Protocol, runtime_checkable

import jax
import numpy as np

from jaxvec.train.devices import Device

PyTree = Any
Batch = Any
Reader = Callable[[int], tuple[np.ndarray, ...]]
"""Returns the arrays of segment i."""

STEPS_A_DRAW = 64
"""How many steps have their batches and random bits made at once: a call for random bits costs as
much as thousands of them, and a loop of a fixed trip count needs no host between its steps."""


class State(NamedTuple):
    """All that training changes."""

    params: PyTree  # the tables, [V, …] each
    opt_state: PyTree  # of the optimizer


class Steps(NamedTuple):
    """What a segment's steps report, by draw of `STEPS_A_DRAW`, the last fewer; 0 beyond it."""

    loss: jax.Array  # float32[draws], the sum over the pairs of a draw; see `SparseLoss`
    weight: jax.Array  # float32[draws], the pairs' summed weight
    taken: jax.Array  # int32[draws], how many steps
    first: jax.Array  # float32[draws], the mean loss of the first of them


class Objective(Protocol):
    """The mathematics of a model: pure functions, traced, of batches that a `Source` makes.

    The loss of a batch is ``rows_loss(vectors, batch)``, where `vectors` has for each table the
    rows ``table[rows(batch)]``.
    """

    default_optimizer: str
    """A name in `OPTIMIZERS`, for `fit` without `optimizer`."""
    default_vectors: str
    """What `Result.vectors` returns: a table's name, or ``"sum"`` of ``input`` and ``output``."""
    loss_unit: str
    """What a loss is the mean of: ``"pair"``, ``"word"`` or ``"cell"``."""

    @property
    def default_learning_rate(self) -> float:
        """The first rate of a run with the default optimizer."""

    def init(self, key: jax.Array, vocab_size: int) -> PyTree:
        """The tables to begin with, a NamedTuple.

        Row i of each, float32[V, …], is of word i. The tables of `default_vectors` are [V, D].

        Args:
          key: of their random numbers.
          vocab_size: `V`.
        """

    def rows(self, batch: Batch) -> PyTree:
        """Ids of the rows that a batch reads, int32[…], with repeats; structured as the tables."""

    def rows_loss(self, vectors: PyTree, batch: Batch) -> jax.Array:
        """The weighted losses of a batch, whose sum is minimized: a scalar, or an array, say of a
        loss for each word, which is summed once for many steps.

        Args:
          vectors: for each table its rows at ``rows(batch)``, float32[*shape of the ids, …].
          batch: from `Source.batch`.
        """

    def weight(self, batch: Batch) -> jax.Array:
        """What a mean loss divides by: the summed weights of the batch's pairs, a scalar."""


class Plan(Protocol):
    """A segment made ready for its steps: any pytree with a trip count."""

    @property
    def steps(self) -> jax.Array:
        """How many steps the segment takes, int32[]."""


class Segments(Protocol):
    """Data cut into segments of the same shapes, each trained on by one compiled call, and read
    when it is asked for, so that the data may be memory-mapped."""

    sizes: np.ndarray
    """How much of the data each segment holds, int[number of segments], in units."""
    unit: str
    """``"word"`` or ``"cell"``."""
    shuffled: bool
    """Whether an epoch's key decides what its segments hold."""

    def epoch(self, key: jax.Array) -> Reader:
        """A reader of the segments of the epoch with that key; called from a thread."""

    def empty(self) -> tuple[np.ndarray, ...]:
        """A segment without data, of which a plan has 0 steps."""


class Source(Protocol):
    """From data to batches. `segments`, `constants` and `max_steps` run on the host, not traced."""

    def segments(
        self, data: Any, valid: float, key: jax.Array, workers: int = 1
    ) -> tuple[Segments, Segments | None]:
        """The segments to train on, and the held-out ones, None if `valid` is 0.

        Args:
          data: the text or its counts.
          valid: the share of the data to hold out.
          key: for a random choice of it.
          workers: `N`. The number of segments to train on is a multiple of it; worker k of a
            call takes every `N`-th. Held-out segments are for one worker.

        Raises:
          ValueError: if the data are of another kind, or there is nothing to learn from.
        """

    def constants(self, data: Any) -> PyTree:
        """The arrays that batches are made with, such as a noise distribution. Traced: their
        shapes alone are compiled in. Options that nothing else holds are `Tunable`."""

    def max_steps(self, segment: Any) -> int:
        """The most steps that a segment of these shapes can take. Static."""

    def plan(self, constants: PyTree, key: jax.Array, segment: Any) -> Plan:
        """A segment made ready, such as by subsampling, with its trip count.

        Args:
          constants: from `constants`.
          key: of its random numbers.
          segment: one of `segments`.
        """

    def bits(self) -> tuple[int, ...]:
        """The shape of the random bits of one step. Static; ``(0,)`` for none."""

    def batch(self, constants: PyTree, plan: Any, bits: jax.Array, step: jax.Array) -> Batch:
        """The batch of a step. Made for many steps at once, by `jax.vmap`: large arrays that follow
        from smaller ones are for `rows_loss` to write out.

        Args:
          constants, plan: from `constants` and `plan`.
          bits: random, uint32[*bits()].
          step: from 0, int32[].
        """


class Model(Objective, Source, Protocol):
    """What `fit` trains: an objective and the source of its batches. Hashable."""


@runtime_checkable
class Tunable(Protocol):
    """Has options that only ``constants`` reads: runs and models of a sweep that differ in them
    alone share one program. A dataclass whose fields have defaults."""

    traced: ClassVar[tuple[str, ...]]
    """The names of these fields."""


@runtime_checkable
class InitRows(Protocol):
    """Can make its first tables a part at a time, for tables that no device holds whole."""

    def init_rows(self, key: jax.Array, rows: jax.Array) -> PyTree:
        """Rows of ``init``'s tables, [R, …] each. With another ``init`` write another, or None.

        Args:
          key, rows: as for ``init``, and the ids, int32[R].
        """


@runtime_checkable
class Draws(Protocol):
    """Makes the batches of a draw in a better way than `jax.vmap` of ``batch``, such as from one
    slice of the data: a TPU cuts vmapped slices out one by one."""

    def batches(self, constants: PyTree, plan: Any, bits: jax.Array, first: jax.Array) -> Batch:
        """The batches of consecutive steps, stacked along a first axis of `T`.

        Args:
          constants, plan: as for `Source.batch`.
          bits: random, uint32[T, *bits()]; `T` is at most `STEPS_A_DRAW`.
          first: the first of the steps, a multiple of `STEPS_A_DRAW`. The last of them may be
            beyond the plan's.
        """


@runtime_checkable
class SparseLoss(Protocol):
    """Has a loss that is dear beside its gradient: in long segments, a CPU samples it."""

    loss_every: ClassVar[int]  # of how many steps one has its loss read; divides `STEPS_A_DRAW`


@runtime_checkable
class Approximate(Protocol):
    """Trains on an approximation of its loss, such as a sampled one."""

    def exact(self) -> Model:
        """The model whose loss held-out data have; itself if that is its own."""


@runtime_checkable
class HeadStart(Protocol):
    """Has a warm start that is learned from the data. A dataclass."""

    start_options: ClassVar[tuple[str, ...]]
    """The names of the fields that only `head_start` reads; not compiled in."""

    def head_start(self, segments: Any) -> PyTree | None:
        """Tables as `init`'s, [T, …], to add to their first T rows; None if nothing is learned.

        Args:
          segments: what is trained on.
        """


@runtime_checkable
class Curvature(Protocol):
    """Bounds its curvature, which `optim.damped` asks for."""

    def rows_curvature(self, vectors: PyTree, batch: Batch) -> PyTree:
        """A bound or an estimate of the loss's second derivative along each of ``rows(batch)``.

        Args:
          vectors, batch: as for `Objective.rows_loss`.
        """


@runtime_checkable
class Prior(Protocol):
    """Can draw words to vectors that `fit` is given as `init`."""

    @property
    def has_prior(self) -> bool:
        """Whether it does. If so `init` is needed, and one worker is the default."""

    def drawn_to(self, constants: Any, data: Any, prior: np.ndarray, known: np.ndarray) -> PyTree:
        """Constants with the vectors that words are drawn to.

        Args:
          constants: from ``constants(data)``.
          data: the text or its counts.
          prior: float32[V, D].
          known: which words have a vector there, bool[V].
        """

    def free(self, constants: Any) -> PyTree:
        """What `drawn_to` returned, without the pull: for the held-out loss."""


@runtime_checkable
class StepSize(Protocol):
    """A dataclass that knows how large a step of plain SGD may be; see `stability`."""

    blocks: int | None
    """Blocks a step; None for as many as are stable."""
    block_tokens: int
    """`M`, tokens a block."""

    @property
    def step_tokens(self) -> int:
        """How many tokens a step takes."""

    @property
    def pairs_a_token(self) -> float:
        """`P`, the mean number of pairs that a token predicts."""

    @property
    def step_norm(self) -> float:
        """A bound of the spectral norm of the matrix of a block's pair weights."""

    def keep_probability(self, counts: np.ndarray) -> np.ndarray:
        """The probability that subsampling keeps a token, by word: float64[V]."""

    def steepest_share(self, counts: np.ndarray, share: np.ndarray, words: Sequence[str]) -> float:
        """For the busiest row of a table: how many pairs it takes part in per predicted pair.

        Args:
          counts: of the vocabulary, int[V].
          share: of each word among the tokens that subsampling keeps, float64[V].
          words: of the vocabulary, for a model whose words share rows.
        """


@runtime_checkable
class ByDevice(Protocol):
    """Has options that follow from the device where they are None; see `devices`. A dataclass."""

    device_options: ClassVar[tuple[str, ...]]
    """The names of these fields."""

    def for_device(self, device: Device, data: Any, workers: int = 1) -> dict[str, int | None]:
        """The value of each of them on a device; None for what a CPU takes.

        Args:
          device, data: what trains, and the text or its counts.
          workers: `N`, who share the data out.
        """


@runtime_checkable
class Stratified(Protocol):
    """Trains on cells of a matrix, each of which touches one row and one column: several workers
    share the tables out (`parallel.strata`) rather than copy them (`parallel.copies`), and
    ``segments(…, workers=N)`` has arrays [N, …] by phase, of ids within shards."""

    columns: PyTree
    """Structured as the tables: True for tables of columns, whose shards move from worker to
    worker; False for tables of rows, whose shards stay."""


@runtime_checkable
class Ranked(Protocol):
    """Has tables whose rows are words by falling frequency: workers merge the first more often."""

    ranked: ClassVar[tuple[str, ...]]  # their names


@runtime_checkable
class UntrainedLoss(Protocol):
    """Knows the loss of vectors that know nothing: a run whose loss rises above it has diverged."""

    def untrained_loss(self, data: Any) -> float:
        """The mean loss where all tables are zeros."""


@runtime_checkable
class PredictsWords(Protocol):
    """Predicts a word from its context. Has tables ``input`` and ``output``, [V, D]."""

    def context_vector(self, vectors: np.ndarray) -> np.ndarray:
        """The vector, [D], of a context whose words have these input vectors, [C, D]."""
