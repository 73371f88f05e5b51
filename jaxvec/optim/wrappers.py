"""Row optimizers made of others: damped, frozen, bounded."""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from jaxvec.optim.rows import RowOptimizer, row_sparse
from jaxvec.optim.writeback import slots_of, winners

PyTree = Any


@functools.cache
def damped(optimizer: RowOptimizer, damping: float = 0.1, scale: float = 1.0) -> RowOptimizer:
    """An SGD-like optimizer for large steps: rows move less where the loss may bend sharply.

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
        return slots_of(params), optimizer.scratch(params)

    def update(params, state, scratch, rows, gradients, rate, curvature):
        slots, inner = scratch

        def shares(slots, ids, bend):
            slots, winner = winners(slots, ids.reshape(-1))
            total = jnp.zeros(winner.shape, bend.dtype).at[winner].add(bend.reshape(-1))[winner]
            return slots, 1 / (1 + damping * scale * rate * total.reshape(ids.shape))

        found = jax.tree.map(shares, slots, rows, curvature)
        slots, share = jax.tree.transpose(
            jax.tree.structure(params), jax.tree.structure((0, 0)), found
        )
        gradients = jax.tree.map(lambda g, s: g * s[..., None], gradients, share)
        params, state, inner = optimizer.update(params, state, inner, rows, gradients, rate)
        return params, state, (slots, inner)

    return optimizer._replace(scratch=scratch, update=update, uses_curvature=True)


def damped_sgd(damping: float = 0.1) -> RowOptimizer:
    """SGD, `damped`: row -= rate · G / (1 + damping · rate · H)."""
    return damped(row_sparse(_SGD, combine=False), damping)


_SGD = optax.sgd(1.0)  # the same object each time, so that nothing is compiled twice


def frozen(optimizer: RowOptimizer, mask: np.ndarray) -> RowOptimizer:
    """A row-sparse optimizer that leaves some rows, and their state, as they are.

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
    """A row-sparse optimizer after whose update the rows touched have a norm of at most so much.

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
