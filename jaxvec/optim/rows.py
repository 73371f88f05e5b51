"""Optimizers that update only the rows a batch touched.

A `RowOptimizer` does for tables what an optax transformation does for parameters, given
the gradient of the gathered rows alone. `V` rows a table, `R` rows touched, with repeats.
"""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from jaxvec.optim import rowwise
from jaxvec.optim.writeback import combine_copies, slots_of

PyTree = Any


class StateLeaf(NamedTuple):
    """What a leaf of an optimizer's state belongs to, and how workers' copies of it are merged."""

    table: int | None  # the number among `jax.tree.leaves(params)` whose rows it has; None: scalar
    merge: str  # "sum" for accumulators of squares, else "mean"


class RowOptimizer(NamedTuple):
    """A pair of pure functions, and the scratch memory that they need while a run lasts.

    - ``init(params) -> state``.
    - ``scratch(params) -> scratch``: whatever it holds between steps means nothing.
    - ``update(params, state, scratch, rows, gradients, rate)`` returns new ``params``,
      ``state`` and ``scratch``. ``rows`` has the ids of the rows touched, ``gradients``
      the loss's gradient by each gathered copy, both structured as ``params``.
    - ``uses_curvature``: whether ``update`` takes one argument more, a bound of the second
      derivative along each gathered copy, a number a row.
    - ``leaves(params, state)``: a `StateLeaf` for each leaf of the state, structured as it.
    """

    init: Callable[[PyTree], PyTree]
    scratch: Callable[[PyTree], PyTree]
    update: Callable[..., tuple[PyTree, PyTree, PyTree]]
    uses_curvature: bool = False
    leaves: Callable[[PyTree, PyTree], PyTree] = lambda params, state: _leaves(state, None)


def _leaves(state: PyTree, owners: list[int | None] | None) -> PyTree:
    treedef: Any
    paths, treedef = jax.tree_util.tree_flatten_with_path(state)
    return treedef.unflatten(
        StateLeaf(owner, "sum" if "sum_of_squares" in jax.tree_util.keystr(path) else "mean")
        for (path, _), owner in zip(paths, owners or [None] * len(paths), strict=True)
    )


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
        return slots_of(params) if combine else ()

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
                *map(combine_copies, treedef.flatten_up_to(scratch), ids, sums), strict=True
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

    def leaves(params, state):
        return _leaves(state, rowwise.owners(transform, params, state))

    return RowOptimizer(init, scratch, update, leaves=leaves)


def _write(whole: jax.Array, targets: jax.Array, old, new, combine: bool) -> jax.Array:
    if combine:
        return whole.at[targets].set(new, mode="drop")
    return whole.at[targets].add(new - old)
