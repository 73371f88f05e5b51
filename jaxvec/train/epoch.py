"""The compiled part of training: all the steps of a segment in one program."""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any, cast

import jax
import jax.numpy as jnp
from jax import lax

from jaxvec.models.threefry import fold_in, random_bits, split
from jaxvec.optim.once import made_once
from jaxvec.optim.rows import RowOptimizer
from jaxvec.optim.wrappers import held
from jaxvec.optim.writeback import COMPILER_OPTIONS
from jaxvec.train.contracts import (
    STEPS_A_DRAW,
    Curvature,
    Draws,
    HeadStart,
    Model,
    SparseLoss,
    State,
    Steps,
    Tunable,
)
from jaxvec.train.dealing import dealt_places
from jaxvec.train.landing import buffers, gathered

PyTree = Any

_SAMPLED = 1 << 11  # steps of a segment, some 130,000 words, whose losses may be sampled


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
    shards: int = 1,
) -> tuple[State, Steps]:
    """Trains on a segment; its every random number comes from `key`.

    Pure, to be jitted (`train_segment`), shard-mapped (`parallel.copies`, `.strata`) and vmapped
    (`parallel.many`).

    Args:
      model, optimizer, together, shards: static.
      state: the tables and the optimizer's state.
      constants: from ``model.constants``.
      segment: the model's arrays, of the same shapes for every segment.
      key: a `jax.random` key of this segment alone.
      rates: the learning rate at evenly spaced points of the segment, the ends included,
        float32[at least 2]; straight lines between.
      frozen: bool[V], True for rows to leave as they are, see `optim.held`; None for none.
      together: the name of the axis that `jax.vmap` maps this function over: all of its models
        take as many draws as the longest, and none writes beyond its own steps. Loops of different
        lengths would have it select between old and new tables, a copy of both.
      shards: `n`, in how many shards the rows of tables are dealt out, see `dealing`.

    Returns:
      The state after the segment, and the steps' losses.
    """

    def summed(vectors, batch):
        losses = model.rows_loss(vectors, batch)
        return losses.sum(), losses

    def step(carry, batch, rows, rate, inside):
        (state, scratch), landing = carry
        vectors, landing = gathered(state.params, rows, landing)
        # every read of the tables done before the first write, so that writes are in place
        vectors = lax.optimization_barrier(vectors)
        gradients, losses = jax.grad(summed, has_aux=True)(vectors, batch)
        # a GPU would cut the rate out for the products, in a kernel of its own
        gradients = made_once(gradients, "cuda")
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
            state.params, state.opt_state, scratch, rows, gradients, rate, *curvature
        )
        after = jax.tree.map(kept(inside), state, State(params, opt_state))
        return ((after, scratch), landing), losses

    def kept(inside):
        """A step beyond the last changes no row that it is given; nor may it change a counter, or
        tables that an optimizer moves without being given their rows."""

        def one(old, new):
            moved = optimizer.whole_tables or not new.ndim
            return jnp.where(inside, new, old) if moved else new

        return one

    carry = state, optimizer.scratch(state.params)
    (state, _), report = _run(
        model, state.params, constants, segment, key, step, carry, rates, together, shards,
        model.loss_every if isinstance(model, SparseLoss) else 1,
    )  # fmt: skip
    return state, report


@functools.partial(
    jax.jit, static_argnames=("model", "optimizer", "shards"), donate_argnames="state",
    compiler_options=COMPILER_OPTIONS,
)  # fmt: skip
def train_segment(
    model, optimizer, state, constants, segment, key, rates, frozen=None, shards=1
) -> tuple[State, Steps]:
    """`run_segment`, compiled. Not for use inside `jax.jit`, `lax.scan` or `jax.eval_shape`: there
    call `run_segment`.

    Args:
      model, optimizer, shards: static.
      state: donated; its buffers are reused. Do not read it after the call.
      constants, segment, key, rates, frozen: as for `run_segment`.
    """
    return run_segment(
        model, optimizer, state, constants, segment, key, rates, frozen, shards=shards
    )


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

    def step(carry, batch, rows, rate, inside):
        vectors, landing = gathered(params, rows, carry[1])
        return (carry[0], landing), model.rows_loss(vectors, batch)

    return _run(model, params, constants, segment, key, step, (), jnp.zeros(2))[1]


def _run(
    model: Model, params, constants, segment, key, step: Callable, carry, rates, together=None,
    shards=1, loss_every=1,
) -> tuple[PyTree, Steps]:  # fmt: skip
    """Takes ``(carry, landing), losses = step((carry, landing), batch, rows, rate, inside)`` over a
    segment's batches; for `landing` see `gathered`.

    The steps go in draws of `STEPS_A_DRAW`. What does not depend on the tables is made for a
    whole draw: random bits, batches, ids of rows, rates. The loop over its steps has a fixed trip
    count, so that a GPU does not wait for its host between them; in the last draw, steps beyond
    the segment's end have rows `V`, which are none, and `inside` is False.

    On a CPU, in segments of at least `_SAMPLED` steps, only every `loss_every`-th step of a draw,
    the first among them, has its loss added up, and these stand for all of the draw; the compiler
    leaves out what nobody reads. In shorter segments they would be too few.
    """
    if STEPS_A_DRAW % loss_every:
        raise ValueError(f"loss_every must divide {STEPS_A_DRAW}, steps a draw; got {loss_every}")
    step = jax.jit(step, inline=True)  # traced once for all loops below
    plan_key, bits_key = split(key)
    plan = model.plan(constants, plan_key, segment)
    last = plan.steps if together is None else lax.pmax(plan.steps, together)
    most = max(model.max_steps(segment), 1)
    places = jnp.arange(min(STEPS_A_DRAW, most), dtype=jnp.int32)

    def draw(i, carry):
        carry, report = carry
        ts = i * STEPS_A_DRAW + places
        inside = ts < plan.steps
        bits = random_bits(fold_in(bits_key, i), (len(ts), *model.bits()))
        if isinstance(model, Draws):
            batches = model.batches(constants, plan, bits, ts[0])
        else:
            batches = jax.vmap(model.batch, (None, None, 0, 0))(constants, plan, bits, ts)
        rows = jax.tree.map(
            lambda table, ids: _where(inside, dealt_places(ids, len(table), shards), len(table)),
            params,
            jax.vmap(model.rows)(batches),
        )
        weight = _where(inside, jax.vmap(model.weight)(batches), 0)

        now = batches, rows, _interpolate(rates, ts, plan.steps)
        carry = carry, buffers(params, rows)

        def taken(k, carry):
            here = jax.tree.map(lambda part: lax.dynamic_index_in_dim(part, k, 0, False), now)
            return step(carry, *here, ts[0] + k < plan.steps)

        def one(k, carry):
            carry, total, first = carry
            carry, losses = taken(k, carry)
            inside = ts[0] + k < plan.steps
            return carry, total + _where(inside, losses, 0), _where(k > 0, first, losses)

        def one_in(every):
            def group(k, carry):
                (carry, *losses), t = one(k * every, carry), k * every
                carry = lax.fori_loop(t + 1, t + every, lambda k, carry: taken(k, carry)[0], carry)
                return carry, *losses

            return group if every > 1 else one

        def steps(every, carry, weight):
            carry, total, first = lax.fori_loop(0, len(ts) // every, one_in(every), carry)
            counted = weight[::every].sum()
            scale = weight.sum() / jnp.where(counted > 0, counted, 1) if every > 1 else 1
            return carry, total * scale, first, jnp.where(counted > 0, weight.sum(), 0)

        losses = jax.eval_shape(taken, 0, carry)[1]
        zeros = jnp.zeros(losses.shape, losses.dtype)
        every = loss_every if most >= _SAMPLED else 1
        ways = {"cpu": functools.partial(steps, every)} if every > 1 else {}
        (carry, _), total, first, told = lax.platform_dependent(
            (carry, zeros, zeros), weight, **ways, default=functools.partial(steps, 1)
        )
        done = Steps(
            loss=total.sum(), weight=told, taken=inside.sum(dtype=jnp.int32),
            first=first.sum() / jnp.where(weight[0] > 0, weight[0], 1),
        )  # fmt: skip
        return carry, jax.tree.map(lambda all, number: all.at[i].set(number), report, done)

    zeros = jnp.zeros(-(-most // STEPS_A_DRAW), jnp.float32)
    report = Steps(zeros, zeros, zeros.astype(jnp.int32), zeros)
    return lax.fori_loop(0, -(-last // STEPS_A_DRAW), draw, (carry, report))


def _where(chosen: Any, array: jax.Array, other) -> jax.Array:
    """`jnp.where` along the first axes."""
    return jnp.where(jnp.expand_dims(chosen, [*range(chosen.ndim, array.ndim)]), array, other)


def _interpolate(values: jax.Array, t: jax.Array, steps: jax.Array) -> jax.Array:
    """The value at step `t` of `steps`, over which the values are evenly spread."""
    place = t.astype(values.dtype) / steps.astype(values.dtype) * (len(values) - 1)
    left = jnp.minimum(place.astype(jnp.int32), len(values) - 2)
    return values[left] + (place - left.astype(place.dtype)) * (values[left + 1] - values[left])
