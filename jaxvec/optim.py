"""Optimisers that update only the rows a batch touched.

A `RowOptimizer` does for tables what an optax transformation does for parameters, given
the gradient of the gathered rows alone. `V` rows a table, `R` rows touched, with repeats.
"""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from jaxvec import rowwise
from jaxvec.adagrad import GloveAdagradState as GloveAdagradState
from jaxvec.adagrad import ScaleByRowAdagradState as ScaleByRowAdagradState
from jaxvec.adagrad import glove_adagrad as glove_adagrad
from jaxvec.adagrad import row_adagrad as row_adagrad
from jaxvec.adagrad import scale_by_row_adagrad as scale_by_row_adagrad

PyTree = Any


class RowOptimizer(NamedTuple):
    """A pair of pure functions, and the scratch memory that they need while a run lasts.

    - ``init(params) -> state``.
    - ``scratch(params) -> scratch``: whatever it holds between steps means nothing.
    - ``update(params, state, scratch, rows, gradients, rate)`` returns new ``params``,
      ``state`` and ``scratch``. ``rows`` has the ids of the rows touched, ``gradients``
      the loss's gradient by each gathered copy, both structured as ``params``.
    - ``uses_curvature``: whether ``update`` takes one argument more, a bound of the second
      derivative along each gathered copy, a number a row.
    """

    init: Callable[[PyTree], PyTree]
    scratch: Callable[[PyTree], PyTree]
    update: Callable[..., tuple[PyTree, PyTree, PyTree]]
    uses_curvature: bool = False


@functools.cache
def dense(transform: optax.GradientTransformation) -> RowOptimizer:
    """Any optax transformation, applied to whole tables: O(V) a step.

    The gradient of the rows is summed into tables of zeros, which is the gradient of the
    loss by the tables. The slow path that row-sparse ones are held to.
    """

    def update(params, state, scratch, rows, gradients, rate):
        def scatter(table, ids, gradient):
            return jnp.zeros_like(table).at[ids].add(gradient)

        whole = jax.tree.map(scatter, params, rows, gradients)
        updates, state = rowwise.updated(transform, whole, state, params)
        updates = jax.tree.map(lambda u: rate * u, updates)
        return optax.apply_updates(params, updates), state, scratch

    return RowOptimizer(functools.partial(rowwise.begin, transform), lambda params: (), update)


@functools.cache
def row_sparse(transform: optax.GradientTransformation, *, combine: bool = True) -> RowOptimizer:
    """An optax transformation, applied to the rows touched alone: O(R) a step.

    Rows come in copies, one for each time that the batch touched them. With `combine`,
    the gradients of a row's copies are summed first, and the transformation sees each
    touched row once, with that row's part of its state. So where a row without gradient
    does not move, nor its state, as in SGD, AdaGrad and clipping, the result is as by
    `dense`. Where they do (momentum, Adam and its kin, RMSProp, Lion, weight decay),
    untouched rows and their state rest: "lazy" Adam. Step counters go on for all rows.

    Without `combine`, the transformation sees every copy by itself, all from the state
    before the step, and the changes of a row and of its state are added up: a plain
    scatter-add, cheaper, and for SGD the same. An accumulator of squares then grows by
    Σ g² of the n copies in place of (Σ g)², which is at most n times as much; the step is
    the sum of the copies' own. Not for state that decays.

    Args:
      transform: must treat every row by itself, and keep state that is per element, per
        row, or one scalar for all. `optax.sgd`, `adagrad`, `adam`, `rmsprop`, `clip`, their
        chains and `partition` of them do; `clip_by_global_norm`, `lars`, `lamb`, `adafactor`,
        `add_noise`, `MultiSteps`, `contrib.muon` and `contrib.prodigy` do not.
      combine: sum the gradients of a row's copies first.

    Raises:
      ValueError: from ``init``, if it does not; the message names the state at fault.
    """

    def init(params):
        state = rowwise.begin(transform, params)
        rowwise.owners(transform, params, state)
        rowwise.check(transform, params)
        return state

    def scratch(params):
        return _slots(params) if combine else ()

    def update(params, state, scratch, rows, gradients, rate):
        tables, treedef = jax.tree.flatten(params)
        ids = [leaf.reshape(-1) for leaf in treedef.flatten_up_to(rows)]
        sums = [
            gradient.reshape(-1, *table.shape[1:])
            for table, gradient in zip(tables, treedef.flatten_up_to(gradients), strict=True)
        ]
        targets = ids
        if combine:
            slots, sums, targets = zip(
                *map(_combine, treedef.flatten_up_to(scratch), ids, sums), strict=True
            )
            scratch = treedef.unflatten(slots)
        whole, state_def = jax.tree.flatten(state)
        owners = rowwise.owners(transform, params, state)
        before = [
            part if owner is None else part[ids[owner]]
            for part, owner in zip(whole, owners, strict=True)
        ]
        copies = treedef.unflatten(t[i] for t, i in zip(tables, ids, strict=True))
        updates, after = rowwise.updated(
            transform, treedef.unflatten(sums), state_def.unflatten(before), copies
        )
        tables = [
            table.at[target].add((rate * update).astype(table.dtype), mode="drop")
            for table, target, update in zip(
                tables, targets, treedef.flatten_up_to(updates), strict=True
            )
        ]
        whole = [
            new if owner is None else _write(part, targets[owner], old, new, combine)
            for part, owner, old, new in zip(
                whole, owners, before, state_def.flatten_up_to(after), strict=True
            )
        ]
        return treedef.unflatten(tables), state_def.unflatten(whole), scratch

    return RowOptimizer(init, scratch, update)


def _write(whole: jax.Array, targets: jax.Array, old, new, combine: bool) -> jax.Array:
    if combine:
        return whole.at[targets].set(new, mode="drop")
    return whole.at[targets].add(new - old)


@functools.cache
def damped(optimizer: RowOptimizer, damping: float = 0.1, scale: float = 1.0) -> RowOptimizer:
    """An SGD-like optimiser for large steps: rows move less where the loss may bend sharply.

    For the sum H of the curvatures of a row's copies, their gradients are divided by

        1 + damping · scale · rate · H

    A row with few pairs in a step moves as without; one with thousands, which at that rate
    would be thrown far beyond where they pull it, by SGD no more than G / (damping · H) for its
    gradient G, whatever the rate. With damping 1 and the exact curvature it would be the step of
    implicit SGD (Toulis and Airoldi 2017) for pairs that all pull the same way. The pairs
    of a word pull in many, and H is a bound: a tenth of it proved enough.

    Args:
      optimizer: whose steps are proportional to the gradient.
      damping: in units of the curvature bound's own step.
      scale: its total step for a gradient of 1 at a rate of 1: 10 for a momentum of 0.9.
    """

    def scratch(params):
        return _slots(params), optimizer.scratch(params)

    def update(params, state, scratch, rows, gradients, rate, curvature):
        slots, inner = scratch

        def shares(slots, ids, bend):
            slots, winner = _places(slots, ids.reshape(-1))
            total = jnp.zeros(winner.shape, bend.dtype).at[winner].add(bend.reshape(-1))[winner]
            return slots, 1 / (1 + damping * scale * rate * total.reshape(ids.shape))

        found = jax.tree.map(shares, slots, rows, curvature)
        slots, share = jax.tree.transpose(
            jax.tree.structure(params), jax.tree.structure((0, 0)), found
        )
        gradients = jax.tree.map(lambda g, s: g * s[..., None], gradients, share)
        params, state, inner = optimizer.update(params, state, inner, rows, gradients, rate)
        return params, state, (slots, inner)

    return RowOptimizer(optimizer.init, scratch, update, uses_curvature=True)


def damped_sgd(damping: float = 0.1) -> RowOptimizer:
    """SGD, `damped`: row -= rate · G / (1 + damping · rate · H)."""
    return damped(row_sparse(_SGD, combine=False), damping)


_SGD = optax.sgd(1.0)  # the same object each time, so that nothing is compiled twice


def frozen(optimizer: RowOptimizer, mask: np.ndarray) -> RowOptimizer:
    """A row-sparse optimiser that leaves some rows, and their state, as they are.

    Args:
      optimizer: of `row_sparse` or `damped_sgd`.
      mask: bool[V], which.
    """
    places = np.where(mask, len(mask), np.arange(len(mask), dtype=np.int32))  # V: not written

    def update(params, state, scratch, rows, *rest):
        rows = jax.tree.map(lambda ids: jnp.asarray(places, jnp.int32)[ids], rows)
        return optimizer.update(params, state, scratch, rows, *rest)

    return optimizer._replace(update=update)


@functools.cache
def bounded(optimizer: RowOptimizer, max_norm: float) -> RowOptimizer:
    """A row-sparse optimiser after whose update the rows touched have a norm of at most so much.

        row *= min(1, max_norm / |row|)

    The projection onto a ball, as of ``max_norm`` in PyTorch's ``Embedding``, which shortens
    rows before they are used rather than after. Biases, arrays of one dimension, are left as
    they are, and so are rows not touched.

    Args:
      optimizer: of `row_sparse` or `damped_sgd`.
      max_norm: the bound, above 0.

    >>> sgd = bounded(row_sparse(optax.sgd(1.0)), 1.0)
    >>> table, rows = jnp.zeros((3, 2)), jnp.array([1])
    >>> before = table, sgd.init(table), sgd.scratch(table)
    >>> table, *_ = sgd.update(*before, rows, jnp.array([[-4.0, 0.0]]), 1.0)
    >>> table.tolist()
    [[0.0, 0.0], [1.0, 0.0], [0.0, 0.0]]
    """
    if not 0 < max_norm < np.inf:
        raise ValueError(f"max_norm must be a positive number; got {max_norm}")

    def shorten(table, ids):
        if table.ndim == 1:
            return table
        ids = ids.reshape(-1)
        # read before anything is written, so that the table is not copied
        rows = jax.lax.optimization_barrier(table[ids])
        return table.at[ids].set(shortened(rows, max_norm), mode="drop")

    def update(params, state, scratch, rows, *rest):
        params, state, scratch = optimizer.update(params, state, scratch, rows, *rest)
        return jax.tree.map(shorten, params, rows), state, scratch

    return optimizer._replace(update=update)


def shortened(rows: jax.Array, max_norm: float) -> jax.Array:
    """The rows, those longer than `max_norm` made as long as that; arrays of one dimension as
    they are."""
    if rows.ndim == 1:
        return rows
    norms = jnp.sqrt(jnp.square(rows).sum(-1, keepdims=True))
    return rows * (max_norm / jnp.maximum(norms, max_norm))


def _slots(params: PyTree) -> PyTree:
    """For each table a place a row, for `_combine`."""
    return jax.tree.map(lambda table: jnp.zeros(len(table), jnp.int32), params)


def _combine(slots: jax.Array, ids: jax.Array, gradients: jax.Array):
    """Sums the gradients of equal ids into one of their places.

    The copies of a row find one of their places by `_places`. An id past the end (a row that is
    held, a step beyond the last) keeps its gradient in its own place; it is written nowhere.

    Returns:
      The slots; the sums [R, …], zero in the places that lost; and where to write each
      place's result: its id, or `V` (out of bounds) for the places that lost.
    """
    slots, winner = _places(slots, ids)
    places = jnp.arange(len(ids), dtype=slots.dtype)
    sums = jnp.zeros_like(gradients).at[winner].add(gradients)
    return slots, sums, jnp.where(winner == places, ids, len(slots))


def _places(slots: jax.Array, ids: jax.Array) -> tuple[jax.Array, jax.Array]:
    """The slots, and for each place one place of the same id, the same for all of that id.

    Every place is written to its id's slot; one write wins, and all places of the id read back
    which, so that nothing need be sorted or cleared. An id past the end has no slot: its place is
    its own.
    """
    places = jnp.arange(len(ids), dtype=slots.dtype)
    slots = slots.at[ids].set(places)
    return slots, jnp.where(ids < len(slots), slots[ids], places)
