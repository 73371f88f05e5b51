"""The compiled part of training: all the steps of a segment in one program."""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any, cast

import jax
import jax.numpy as jnp
from jax import lax

from jaxvec.models.sampling import random_bits
from jaxvec.optim.rows import RowOptimizer
from jaxvec.optim.wrappers import held
from jaxvec.train.contracts import Curvature, HeadStart, Model, State, Steps, Tunable

PyTree = Any

STEPS_A_DRAW = 64


def compiled_for(model: Model) -> Model:
    """The model as a static argument: options that the program does not hold have their
    defaults, so that models which differ in these alone share one program."""
    names = [*(model.traced if isinstance(model, Tunable) else ()),
             *(model.start_options if isinstance(model, HeadStart) else ())]  # fmt: skip
    if not names:
        return model
    fields = dataclasses.fields(cast(Any, model))
    defaults = {field.name: field.default for field in fields if field.name in names}
    return dataclasses.replace(cast(Any, model), **defaults)


def run_segment(
    model: Model,
    optimizer: RowOptimizer,
    state: State,
    constants: PyTree,
    segment: tuple[jax.Array, ...],
    key: jax.Array,
    rates: jax.Array,
    frozen: jax.Array | None = None,
    together: str | None = None,
) -> tuple[State, Steps]:
    """Trains on a segment; its every random number comes from `key`.

    Pure, to be jitted (`train_segment`), shard-mapped (`parallel.copies`, `.strata`) and vmapped
    (`parallel.many`).

    Args:
      model, optimizer, together: static.
      state: the tables and the optimizer's state.
      constants: from ``model.constants``.
      segment: the model's arrays, of the same shapes for every segment.
      key: a `jax.random` key of this segment alone.
      rates: the learning rate at evenly spaced points of the segment, the ends included,
        float32[at least 2]; straight lines between.
      frozen: bool[V], True for rows to leave as they are, see `optim.held`; None for none.
      together: the name of the axis that `jax.vmap` maps this function over; see `_masked`.

    Returns:
      The state after the segment, and the loss and weight of each step, float32[max_steps].
    """

    def step(t, batch, rows, steps, carry):
        state, scratch = carry
        # every read of the tables done before the first write, so that writes are in place
        vectors = lax.optimization_barrier(_gathered(state.params, rows))
        loss, gradients = jax.value_and_grad(model.rows_loss)(vectors, batch)
        curvature = ()
        if optimizer.uses_curvature:
            if not isinstance(model, Curvature):
                raise TypeError(
                    f"this optimizer asks for curvature: give {type(model).__name__} rows_curvature"
                )
            curvature = (model.rows_curvature(vectors, batch),)
        if frozen is not None:
            rows = held(rows, frozen)
        params, opt_state, scratch = optimizer.update(
            state.params, state.opt_state, scratch, rows, gradients,
            _interpolate(rates, t, steps), *curvature,
        )  # fmt: skip
        return (State(params, opt_state), scratch), Steps(loss, model.weight(batch))

    carry = state, optimizer.scratch(state.params)
    if together is not None:
        step = _masked(step)
    (state, _), report = _run(model, constants, segment, key, step, carry, together)
    return state, report


@functools.partial(jax.jit, static_argnames=("model", "optimizer"), donate_argnames="state")
def train_segment(
    model, optimizer, state, constants, segment, key, rates, frozen=None
) -> tuple[State, Steps]:
    """`run_segment`, compiled.

    Args:
      model, optimizer: static.
      state: donated; its buffers are reused. Do not read it after the call.
      constants, segment, key, rates, frozen: as for `run_segment`.
    """
    return run_segment(model, optimizer, state, constants, segment, key, rates, frozen)


@functools.partial(jax.jit, static_argnames="model")
def evaluate_segment(
    model: Model, params: PyTree, constants: PyTree, segment: tuple[jax.Array, ...], key: jax.Array
) -> Steps:
    """The loss on a segment, drawn as in training, without an update.

    Args:
      model: static.
      params: the tables.
      constants, segment, key: as for `run_segment`.
    """

    def step(t, batch, rows, steps, carry):
        return carry, Steps(model.rows_loss(_gathered(params, rows), batch), model.weight(batch))

    return _run(model, constants, segment, key, step, ())[1]


def _gathered(params: PyTree, rows: PyTree) -> PyTree:
    return jax.tree.map(lambda table, ids: table[ids], params, rows)


def _masked(step: Callable) -> Callable:
    """`step` with no effect from trip count `steps` on.

    For `jax.vmap`: loops of different lengths would have it select between old and new tables
    after each step, a copy of both. So all models take as many steps as the longest, and those
    beyond a model's own write to row `V`, which is nowhere.
    """

    def masked(t, batch, rows, steps, carry):
        state, _ = carry
        inside = t < steps
        rows = jax.tree.map(
            lambda table, ids: jnp.where(inside, ids, len(table)), state.params, rows
        )
        (after, scratch), report = step(t, batch, rows, steps, carry)
        opt_state = jax.tree.map(
            lambda old, new: new if new.ndim else jnp.where(inside, new, old),
            state.opt_state, after.opt_state,
        )  # fmt: skip
        report = jax.tree.map(lambda number: jnp.where(inside, number, 0), report)
        return (after._replace(opt_state=opt_state), scratch), report

    return masked


def _run(
    model: Model, constants, segment, key, step: Callable, carry, together: str | None = None
) -> tuple[PyTree, Steps]:
    """Takes ``carry, Steps(loss, weight) = step(t, batch, rows, steps, carry)`` over the batches
    of a segment.

    The random bits of `STEPS_A_DRAW` steps are drawn in one call: a call costs as much
    as thousands of numbers.
    """
    plan_key, bits_key = jax.random.split(key)
    plan = model.plan(constants, plan_key, segment)
    last = plan.steps if together is None else lax.pmax(plan.steps, together)

    def draw(i, carry):
        first = i * STEPS_A_DRAW
        bits = random_bits(jax.random.fold_in(bits_key, i), (STEPS_A_DRAW, *model.bits()))

        def one(t, carry):
            carry, report = carry
            batch = model.batch(constants, plan, bits[t - first], t)
            carry, done = step(t, batch, model.rows(batch), plan.steps, carry)
            return carry, jax.tree.map(lambda all, number: all.at[t].set(number), report, done)

        return lax.fori_loop(first, jnp.minimum(first + STEPS_A_DRAW, last), one, carry)

    zeros = jnp.zeros(model.max_steps(segment), jnp.float32)
    draws = -(-last // STEPS_A_DRAW)
    return lax.fori_loop(0, draws, draw, (carry, Steps(zeros, zeros)))


def _interpolate(values: jax.Array, t: jax.Array, steps: jax.Array) -> jax.Array:
    """The value at step `t` of `steps`, over which the values are evenly spread."""
    place = t.astype(values.dtype) / steps.astype(values.dtype) * (len(values) - 1)
    left = jnp.minimum(place.astype(jnp.int32), len(values) - 2)
    return values[left] + (place - left.astype(place.dtype)) * (values[left + 1] - values[left])
