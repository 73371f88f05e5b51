"""Rows of tables that a step reads, gathered into a buffer that its loop carries."""

from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

PyTree = Any


def buffers(params: PyTree, rows: PyTree) -> PyTree:
    """A buffer for each table, [R + 1, D], for `gathered`.

    Args:
      params: the tables, [V, D].
      rows: ids of the `R` rows of each that a step reads, int[T, ...] of `T` steps.
    """
    return jax.tree.map(
        lambda table, ids: jnp.zeros((ids[0].size + 1, *table.shape[1:]), table.dtype), params, rows
    )


def gathered(params: PyTree, rows: PyTree, landing: PyTree) -> tuple[PyTree, PyTree]:
    """The rows of tables, and `landing` for the next step.

    XLA's CPU compiler splits a gather among the threads of its pool by the size of the table, not
    of the rows: above 512 KiB it hands half of the 59 kB of a step of skip-gram to another thread,
    which costs more than the gather. Updates in place are never split: so there rows are gathered
    into a buffer, one row longer than they are, as an update of a whole buffer is no update in
    place.

    Args:
      params: the tables, [V, D].
      rows: ids of the rows of each, int[...]; above `V` - 1 they stand for the last row.
      landing: from `buffers`.

    Returns:
      The rows, [..., D], and the buffers.
    """

    def one(table, ids):
        return table.at[ids].get(mode="clip", wrap_negative_indices=False)

    def direct(params, rows, landing):
        return jax.tree.map(one, params, rows), landing

    def in_place(params, rows, landing):
        def write(table, ids, landing):
            return lax.dynamic_update_slice_in_dim(landing, one(table, ids.ravel()), 0, 0)

        def read(ids, landing):
            return landing[: ids.size].reshape(*ids.shape, *landing.shape[1:])

        landing = lax.optimization_barrier(jax.tree.map(write, params, rows, landing))
        return jax.tree.map(read, rows, landing), landing

    return lax.platform_dependent(params, rows, landing, cpu=in_place, default=direct)
