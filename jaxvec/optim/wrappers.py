"""Row optimizers made of others: damped, frozen, bounded.

Each takes a `RowOptimizer` and returns one, whose state is the same.
"""

import functools
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from jaxvec.optim import writeback
from jaxvec.optim.rows import RowOptimizer, row_sparse

PyTree = Any


@functools.cache
def damped(optimizer: RowOptimizer, damping: float = 0.1, scale: float = 1.0) -> RowOptimizer:
    """An SGD-like optimizer for large steps: rows move less where the loss may bend sharply.

    For the sum H of the curvatures of a row's occurrences in a step, bounds or estimates, its
    gradient G is divided by

        1 + damping · scale · rate · H

    A row of few pairs moves nearly as without. A row of thousands of pairs, which plain SGD
    would throw far beyond their optimum, moves by at most G / (damping · H) under SGD, whatever
    the rate. With damping 1 and the exact curvature this would be the step of implicit SGD for
    pairs that all pull the same way. The pairs of a word pull in many directions, and H is a
    bound: a damping of 0.1 proved enough.

    Args:
      optimizer: whose steps are proportional to the gradient.
      damping: the fraction of the curvature bound that counts.
      scale: the optimizer's total step for a gradient of 1 at a rate of 1, such as 10 for a
        momentum of 0.9.

    Returns:
      An optimizer that uses curvature; the same object for the same arguments.

    References:
      Toulis and Airoldi 2017, "Asymptotic and finite-sample properties of estimators based on
      stochastic gradients", for implicit SGD.
    """

    def scratch(params):
        rows = sum(map(len, jax.tree.leaves(params)))
        return jnp.zeros(rows, jnp.float32), optimizer.scratch(params)

    def update(params, state, scratch, rows, gradients, rate, curvature):
        bends, inner = scratch
        ids = _in_one(params, rows)
        found = jnp.concatenate([bend.reshape(-1) for bend in jax.tree.leaves(curvature)])
        bends = bends.at[ids].add(found, **writeback.DROP)
        total = bends.at[ids].get(mode="clip", wrap_negative_indices=False)
        # zeros that follow from what is read: XLA reads before it clears, and copies nothing
        bends = bends.at[ids].set(jnp.where(total < 0, total, 0), **writeback.DROP)
        shares = jax.lax.optimization_barrier(1 / (1 + damping * scale * rate * total))

        sizes = [bend.size for bend in jax.tree.leaves(curvature)]
        parts = jnp.split(shares, np.cumsum(sizes)[:-1])
        parts = jax.tree.unflatten(jax.tree.structure(params), parts)
        gradients = jax.tree.map(
            lambda g, s, ids: g * s.reshape(ids.shape + (1,) * (g.ndim - ids.ndim)),
            gradients, parts, rows,
        )  # fmt: skip
        params, state, inner = optimizer.update(params, state, inner, rows, gradients, rate)
        return params, state, (bends, inner)

    return replace(optimizer, scratch=scratch, update=update, uses_curvature=True)


def _in_one(params: PyTree, rows: PyTree) -> jax.Array:
    """The ids of rows of all tables, int[R], as of one table after the other."""
    tables = jax.tree.leaves(params)
    total, before, found = sum(map(len, tables)), 0, []
    for table, ids in zip(tables, jax.tree.leaves(rows), strict=True):
        ids = ids.reshape(-1)
        found.append(jnp.where(ids < len(table), ids + before, total))
        before += len(table)
    return jnp.concatenate(found)


def damped_sgd(damping: float = 0.1) -> RowOptimizer:
    """SGD, `damped`: row -= rate · G / (1 + damping · rate · H).

    Args:
      damping: see `damped`.
    """
    return damped(row_sparse(_SGD, write_back="scatter"), damping)


_SGD = optax.sgd(1.0)  # the same object each time, so that nothing is compiled twice


def held(rows: PyTree, mask: jax.Array) -> PyTree:
    """The rows that a step may update: ids of held ones become `V`, which is no row.

    A pure function for use before `RowOptimizer.update`, whose optimizer then leaves the held
    rows, and their state, as they are. The mask may be traced: another one compiles nothing anew.

    Args:
      rows: ids in tables of `V` rows each, int[...], in any tree.
      mask: bool[V], True for a row to hold.

    Returns:
      The same tree of ids.

    >>> held(jnp.array([0, 2, 1, 2, 3]), jnp.array([False, False, True])).tolist()
    [0, 3, 1, 3, 3]
    """

    def one(ids):
        free = ~mask.at[ids].get(mode="fill", fill_value=True)
        return jnp.where(free, ids, len(mask))

    return jax.tree.map(one, rows)


def frozen(optimizer: RowOptimizer, mask: np.ndarray | jax.Array) -> RowOptimizer:
    """A row-sparse optimizer that leaves some rows, and their state, as they are.

    The mask is a constant of the compiled program; use `held` where it should be traced.

    Args:
      optimizer: any but one of `dense`.
      mask: bool[V], True for a row to leave.

    Raises:
      ValueError: if the optimizer updates whole tables.
    """
    _check_rows_alone("frozen", optimizer)

    def update(params, state, scratch, rows, *rest):
        return optimizer.update(params, state, scratch, held(rows, jnp.asarray(mask)), *rest)

    return replace(optimizer, update=update)


@functools.cache
def bounded(optimizer: RowOptimizer, max_norm: float) -> RowOptimizer:
    """A row-sparse optimizer that keeps the norm of each row it updates at `max_norm` or less.

        row *= min(1, max_norm / |row|)

    The projection onto a ball, as ``max_norm`` of PyTorch's ``Embedding``, which shortens
    rows before they are used, and this after their update. Biases, arrays of one dimension, stay
    as they are, and so do rows that are not touched.

    Args:
      optimizer: any but one of `dense`.
      max_norm: the bound, above 0.

    Raises:
      ValueError: if the bound is not a positive number, or the optimizer updates whole tables.

    >>> sgd = bounded(row_sparse(optax.sgd(1.0)), 1.0)
    >>> table, rows = jnp.zeros((3, 2)), jnp.array([1])
    >>> before = table, sgd.init(table), sgd.scratch(table)
    >>> table, *_ = sgd.update(*before, rows, jnp.array([[-4.0, 0.0]]), 1.0)
    >>> table.tolist()
    [[0.0, 0.0], [1.0, 0.0], [0.0, 0.0]]
    """
    if not 0 < max_norm < np.inf:
        raise ValueError(f"max_norm must be a positive number; got {max_norm}")
    _check_rows_alone("bounded", optimizer)

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

    return replace(optimizer, update=update)


def _check_rows_alone(name: str, optimizer: RowOptimizer) -> None:
    if optimizer.whole_tables:
        raise ValueError(
            f"{name} needs an optimizer that moves the rows of a step alone: not dense"
        )


def shortened(rows: jax.Array, max_norm: float) -> jax.Array:
    """The rows, scaled to a length of `max_norm` if they are longer.

    Args:
      rows: [..., D]; an array [V] of biases is returned as it is.
      max_norm: the bound, above 0.

    >>> shortened(jnp.array([[3.0, 4.0], [0.0, 1.0]]), 2.5).tolist()
    [[1.5, 2.0], [0.0, 1.0]]
    """
    if rows.ndim == 1:
        return rows
    norms = jnp.sqrt(jnp.square(rows).sum(-1, keepdims=True))
    return rows * (max_norm / jnp.maximum(norms, max_norm))
