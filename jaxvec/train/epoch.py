"""The compiled part of training: all the steps of a segment in one program."""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol, cast

import jax
import jax.numpy as jnp
from jax import lax

from jaxvec.models.sampling import random_words
from jaxvec.optim.rows import RowOptimizer

PyTree = Any

STEPS_A_DRAW = 64


class Model(Protocol):
    """What the trainer asks of a model; all but `segments`, `head_start`, `constants`
    and `untrained_loss`, the mean loss of tables of zeros, is traced. Hashable.

    ``rows``, ``take`` and ``rows_loss`` are those of the model's pure module: the loss
    of a batch is ``rows_loss(take(params, rows(batch)), batch)``. Some have ``rows_curvature``
    too, for `optim.damped_sgd`.
    """

    default_optimizer: str
    default_vectors: str
    loss_unit: str  # what the loss of a run is the mean of: "pair", "word" or "cell"
    stratified: bool  # several workers share the tables out (`strata`), or have copies (`workers`)

    @property
    def default_learning_rate(self) -> float: ...
    def init(self, key: jax.Array, vocab_size: int) -> PyTree: ...
    def segments(
        self, data: Any, valid: float, key: jax.Array, workers: int = 1
    ) -> tuple[Any, Any]: ...
    def head_start(self, segments: Any) -> PyTree | None: ...
    def constants(self, data: Any) -> PyTree: ...
    def untrained_loss(self, data: Any) -> float: ...
    def max_steps(self, segment: Any) -> int: ...
    def plan(self, constants: Any, key: jax.Array, segment: Any) -> Any: ...
    def bits(self) -> tuple[int, ...]: ...
    def batch(self, constants: Any, plan: Any, bits: jax.Array, step: jax.Array) -> PyTree: ...
    def rows(self, batch: Any) -> PyTree: ...
    def take(self, params: Any, rows: Any) -> PyTree: ...
    def rows_loss(self, vectors: Any, batch: Any) -> jax.Array: ...
    def weight(self, batch: Any) -> jax.Array: ...


class State(NamedTuple):
    """All that training changes."""

    params: PyTree
    opt_state: PyTree


def begun(own: State, start: State | None) -> State:
    """A copy of the state to start from, its parts that are None being one's own.

    Raises:
      ValueError: if it is not of the shapes of one's own, or has numbers of another size than
        one's own that are not float64.
    """
    if start is None:
        return own
    start = State(
        *(mine if given is None else given for mine, given in zip(own, start, strict=True))
    )
    expected, got = (str(jax.tree.map(jnp.shape, state)) for state in (own, start))
    if got != expected:
        raise ValueError(f"start must have the shapes {expected}; got {got}")
    return jax.tree.map(converted, own, start)


def converted(own: jax.Array, given: Any) -> jax.Array:
    """A copy of an array, of the dtype of one's own; ValueError if it has coarser numbers."""
    if jnp.issubdtype(given.dtype, jnp.floating) and given.dtype.itemsize < own.dtype.itemsize:
        raise ValueError(
            f"start has arrays of {given.dtype}, and training is in {own.dtype}: convert them, "
            f"array.astype({own.dtype})"
        )
    return jnp.array(given, own.dtype)


class Steps(NamedTuple):
    """What each step of a segment reports; 0 beyond the last step."""

    loss: jax.Array  # float32[max_steps], the sum over the step's pairs
    weight: jax.Array  # float32[max_steps], the pairs' summed weight


@functools.partial(
    jax.jit, static_argnames=("model", "optimizer", "together"), donate_argnames="state"
)
def train_segment(
    model: Model,
    optimizer: RowOptimizer,
    state: State,
    constants: PyTree,
    segment: tuple[jax.Array, ...],
    key: jax.Array,
    rates: jax.Array,
    together: str | None = None,
) -> tuple[State, Steps]:
    """Trains on a segment; its every random number comes from `key`.

    Args:
      model, optimizer: what to compute. Compiled once for each.
      state: given up to the caller's profit: updated in place.
      constants: from ``model.constants``.
      segment: the model's arrays, of the same shapes for every segment.
      key: a `jax.random` key of this segment alone.
      rates: the learning rate at evenly spaced points of the segment, the ends included,
        float32[at least 2]; straight lines between.
      together: the name of the axis that `jax.vmap` maps this function over. All then take as
        many steps as the longest, those beyond one's own without effect: loops of different
        lengths would have `vmap` choose between old and new tables after each step.
    """

    def step(t, batch, steps, carry):
        state, scratch = carry
        rows = model.rows(batch)
        if together is not None:  # beyond the last step: rows that are not there
            rows = jax.tree.map(
                lambda table, ids: jnp.where(t < steps, ids, len(table)), state.params, rows
            )
        # every read of the tables done before the first write, so that writes are in place
        vectors = lax.optimization_barrier(model.take(state.params, rows))
        loss, gradients = jax.value_and_grad(model.rows_loss)(vectors, batch)
        curvature = []
        if optimizer.uses_curvature:
            curvature = [cast(Any, model).rows_curvature(vectors, batch)]
        params, opt_state, scratch = optimizer.update(
            state.params, state.opt_state, scratch, rows, gradients,
            _interpolate(rates, t, steps), *curvature,
        )  # fmt: skip
        if together is not None:
            opt_state = jax.tree.map(
                lambda old, new: new if new.ndim else jnp.where(t < steps, new, old),
                state.opt_state, opt_state,
            )  # fmt: skip
            loss = jnp.where(t < steps, loss, 0)
        return (State(params, opt_state), scratch), loss

    carry = state, optimizer.scratch(state.params)
    (state, _), report = _run(model, constants, segment, key, step, carry, together)
    return state, report


@functools.partial(jax.jit, static_argnames="model")
def evaluate_segment(
    model: Model, params: PyTree, constants: PyTree, segment: tuple[jax.Array, ...], key: jax.Array
) -> Steps:
    """The loss on a segment, drawn as in training, without an update."""

    def step(t, batch, steps, carry):
        return carry, model.rows_loss(model.take(params, model.rows(batch)), batch)

    return _run(model, constants, segment, key, step, ())[1]


def _run(
    model: Model, constants, segment, key, step: Callable, carry, together: str | None = None
) -> tuple[PyTree, Steps]:
    """Takes ``carry, loss = step(t, batch, steps, carry)`` over the batches of a segment.

    The random words of `STEPS_A_DRAW` steps are drawn in one call: a call costs as much
    as thousands of words.
    """
    plan_key, bits_key = jax.random.split(key)
    plan = model.plan(constants, plan_key, segment)
    last = plan.steps if together is None else lax.pmax(plan.steps, together)

    def draw(i, carry):
        first = i * STEPS_A_DRAW
        bits = random_words(jax.random.fold_in(bits_key, i), (STEPS_A_DRAW, *model.bits()))

        def one(t, carry):
            carry, report = carry
            batch = model.batch(constants, plan, bits[t - first], t)
            carry, loss = step(t, batch, plan.steps, carry)
            weight = model.weight(batch)
            if together is not None:
                weight = jnp.where(t < plan.steps, weight, 0)
            return carry, Steps(report.loss.at[t].set(loss), report.weight.at[t].set(weight))

        return lax.fori_loop(first, jnp.minimum(first + STEPS_A_DRAW, last), one, carry)

    zeros = jnp.zeros(model.max_steps(segment), jnp.float32)
    draws = -(-last // STEPS_A_DRAW)
    return lax.fori_loop(0, draws, draw, (carry, Steps(zeros, zeros)))


def _interpolate(values: jax.Array, t: jax.Array, steps: jax.Array) -> jax.Array:
    """The value at step `t` of those whose span the values are spread over."""
    place = t.astype(values.dtype) / steps.astype(values.dtype) * (len(values) - 1)
    left = jnp.minimum(place.astype(jnp.int32), len(values) - 2)
    return values[left] + (place - left.astype(place.dtype)) * (values[left + 1] - values[left])
