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

PyTree = Any


class RowOptimizer(NamedTuple):
    """A pair of pure functions, and the scratch memory that they need while a run lasts.

    - ``init(params) -> state``.
    - ``scratch(params) -> scratch``: whatever it holds between steps means nothing.
    - ``update(params, state, scratch, rows, gradients, rate)`` returns new ``params``,
      ``state`` and ``scratch``. ``rows`` has the ids of the rows touched, ``gradients``
      the loss's gradient by each gathered copy, both structured as ``params``.
    """

    init: Callable[[PyTree], PyTree]
    scratch: Callable[[PyTree], PyTree]
    update: Callable[..., tuple[PyTree, PyTree, PyTree]]


def sgd() -> RowOptimizer:
    """Plain gradient descent, table[i] -= rate · Σ gradients of row i, added in place.

    Equals `optax.sgd` on whole tables up to the order of the sum.
    """
    return _SGD


def _sgd_update(params, state, scratch, rows, gradients, rate):
    def add(table, ids, gradient):
        return table.at[ids].add(-rate * gradient)

    return jax.tree.map(add, params, rows, gradients), state, scratch


_SGD = RowOptimizer(lambda params: (), lambda params: (), _sgd_update)


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
        updates, state = transform.update(whole, state, params)
        updates = jax.tree.map(lambda u: rate * u, updates)
        return optax.apply_updates(params, updates), state, scratch

    return RowOptimizer(transform.init, lambda params: (), update)


@functools.cache
def row_sparse(transform: optax.GradientTransformation) -> RowOptimizer:
    """An optax transformation, applied to the rows touched alone: O(R) a step.

    The gradients of a row's copies are summed first, then the transformation sees each
    touched row once, with that row's part of its state. So where a row without gradient
    does not move, as in AdaGrad, the result is that of `dense`. Where it does (momentum,
    Adam, weight decay), untouched rows and their state rest: "lazy" Adam.

    Args:
      transform: must treat every row by itself, and keep state that is per element, per
        row, or one scalar for all. `optax.sgd`, `adagrad`, `adam`, `rmsprop`, `clip` and
        their chains do; `clip_by_global_norm`, `lamb`, `adafactor` do not.

    Raises:
      ValueError: from ``init``, if it does not; the message names the state at fault.
    """

    def init(params):
        state = transform.init(params)
        _owners(transform, params, state)
        _check_rows_independent(transform, params)
        return state

    def scratch(params):
        return jax.tree.map(lambda table: jnp.zeros(len(table), jnp.int32), params)

    def update(params, state, scratch, rows, gradients, rate):
        tables, treedef = jax.tree.flatten(params)
        ids = [leaf.reshape(-1) for leaf in treedef.flatten_up_to(rows)]
        gradients = [
            gradient.reshape(-1, *table.shape[1:])
            for table, gradient in zip(tables, treedef.flatten_up_to(gradients), strict=True)
        ]
        slots, sums, targets = zip(
            *map(_combine, treedef.flatten_up_to(scratch), ids, gradients), strict=True
        )
        parts, state_def = jax.tree.flatten(state)
        owners = _owners(transform, params, state)
        here = state_def.unflatten(
            part if owner is None else part[ids[owner]]
            for part, owner in zip(parts, owners, strict=True)
        )
        copies = treedef.unflatten(t[i] for t, i in zip(tables, ids, strict=True))
        updates, here = transform.update(treedef.unflatten(sums), here, copies)
        tables = [
            table.at[target].add(rate * update, mode="drop")
            for table, target, update in zip(
                tables, targets, treedef.flatten_up_to(updates), strict=True
            )
        ]
        parts = [
            new if owner is None else old.at[targets[owner]].set(new, mode="drop")
            for old, new, owner in zip(parts, state_def.flatten_up_to(here), owners, strict=True)
        ]
        return treedef.unflatten(tables), state_def.unflatten(parts), treedef.unflatten(slots)

    return RowOptimizer(init, scratch, update)


def _combine(slots: jax.Array, ids: jax.Array, gradients: jax.Array):
    """Sums the gradients of equal ids into one of their places.

    Of the places that write to a row's slot one wins; all places of that row read back
    which, so nothing need be sorted or cleared.

    Returns:
      The slots; the sums [R, …], zero in the places that lost; and where to write each
      place's result: its id, or `V` (out of bounds) for the places that lost.
    """
    places = jnp.arange(len(ids), dtype=slots.dtype)
    slots = slots.at[ids].set(places)
    winner = slots[ids]
    sums = jnp.zeros_like(gradients).at[winner].add(gradients)
    return slots, sums, jnp.where(winner == places, ids, len(slots))


def _owners(transform, params: PyTree, state: PyTree) -> list[int | None]:
    """For each leaf of the state, the number of the table it belongs to; None if a scalar."""
    treedef: Any
    tables, treedef = jax.tree.flatten(params)
    numbers = treedef.unflatten(range(len(tables)))
    marked = optax.tree.map_params(
        transform, lambda _, number: number, state, numbers, transform_non_params=lambda _: -1
    )
    leaves = jax.tree_util.tree_leaves_with_path(state)
    owners: list[int | None] = []
    for (path, leaf), number in zip(leaves, jax.tree.leaves(marked), strict=True):
        if number >= 0 and jnp.shape(leaf)[:1] == tables[number].shape[:1]:
            owners.append(number)
        elif number < 0 and jnp.ndim(leaf) == 0:
            owners.append(None)
        else:
            name = type(state).__name__ + jax.tree_util.keystr(path)
            raise ValueError(
                f"this optimizer cannot update rows alone: its state {name} has shape "
                f"{jnp.shape(leaf)}, which is neither per element, per row nor a scalar; "
                "use it with dense=True"
            )
    return owners


def _check_rows_independent(transform, params: PyTree) -> None:
    """Tries the transformation on four small rows and on two of them: do those two agree?"""
    rng = np.random.default_rng(0)

    def updates(count: int) -> PyTree:
        tables = jax.tree.map(lambda a: a[:count], small)
        state = transform.init(tables)
        for scale in (1, 1e6):  # the second large enough to be clipped
            gradients = jax.tree.map(lambda a, scale=scale: scale * a, tables)
            out, state = transform.update(gradients, state, tables)
        return jax.tree.map(lambda a: a[:2], out)

    small = jax.tree.map(
        lambda table: jnp.asarray(rng.normal(size=(4, *table.shape[1:])), table.dtype), params
    )
    alone, among_others = updates(2), updates(4)
    same = jax.tree.map(lambda a, b: np.allclose(a, b, 1e-4, 1e-6), alone, among_others)
    if not all(jax.tree.leaves(same)):
        raise ValueError(
            f"this optimizer cannot update rows alone: {transform.update.__qualname__} makes "
            "a row's update depend on other rows (a global norm, a trust ratio, noise); "
            "use it with dense=True"
        )


class ScaleByRowAdagradState(NamedTuple):
    """One accumulator a row."""

    sum_of_squares: PyTree  # [V, 1] for a table [V, D]; [V] for a vector [V]


def scale_by_row_adagrad(
    initial_accumulator_value: float = 0.1, eps: float = 1e-7
) -> optax.GradientTransformation:
    """AdaGrad with one accumulator a row: a D-th of the memory and its traffic.

    For row i with gradient g_i: a_i += mean(g_i²); the update is g_i / sqrt(a_i + eps).
    Chain it with a negative learning rate, as `row_adagrad` does.

    Row-wise AdaGrad: Gupta et al. 2014, "Training Highly Multiclass Classifiers".
    """

    def squares(gradient):
        return jnp.mean(jnp.square(gradient), axis=tuple(range(1, gradient.ndim)), keepdims=True)

    def init(params):
        full = jax.tree.map(
            lambda p: jnp.full_like(
                p, initial_accumulator_value, shape=(len(p),) + (1,) * (p.ndim - 1)
            ),
            params,
        )
        return ScaleByRowAdagradState(full)

    def update(updates, state, params=None):
        del params
        sums = jax.tree.map(lambda a, g: a + squares(g), state.sum_of_squares, updates)
        updates = jax.tree.map(lambda g, a: g * jax.lax.rsqrt(a + eps), updates, sums)
        return updates, ScaleByRowAdagradState(sums)

    return optax.GradientTransformation(init, update)


def row_adagrad(
    learning_rate: float, initial_accumulator_value: float = 0.1, eps: float = 1e-7
) -> optax.GradientTransformation:
    """`optax.adagrad` with one accumulator a row; see `scale_by_row_adagrad`.

    >>> accumulators, _ = row_adagrad(1.0).init(jnp.ones((3, 2)))
    >>> accumulators.sum_of_squares.shape
    (3, 1)
    """
    return optax.chain(
        scale_by_row_adagrad(initial_accumulator_value, eps),
        optax.scale_by_learning_rate(learning_rate),
    )
