"""Rows of sharded tables, in the order of the vocabulary and as they are dealt out for training.

Between epochs shard b of `n` has the rows b·L … (b + 1)·L, for L = V' / n, in the order of the
vocabulary. The first rows are the frequent words, so that shard 0 would write nearly all of a
step's rows. In training,

    row i is row i // n of shard i mod n

An all-to-all takes a table from one to the other in place.

Letters: `V` vocabulary, `V'` rows of a table, a multiple of n²; `n` shards.
"""

import functools
import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.sharding import Mesh
from jax.sharding import PartitionSpec as P

_PIECE = 1 << 23  # bytes of a shard that move at a time


def dealt_places(ids: jax.Array, rows: int, shards: int) -> jax.Array:
    """The places of rows that are dealt out; an id of `V'` or more stays.

    Args:
      ids: of rows, int[...].
      rows: `V'`.
      shards: `n`.

    >>> dealt_places(jnp.arange(8), 8, 2).tolist()
    [0, 4, 1, 5, 2, 6, 3, 7]
    """
    if shards == 1:
        return ids
    return jnp.where(ids < rows, ids % shards * (rows // shards) + ids // shards, ids)


def dealt_mask(mask: np.ndarray, rows: int, shards: int) -> np.ndarray:
    """A mask of words with its rows dealt out.

    Args:
      mask: bool[V].
      rows: `V'`.
      shards: `n`.

    Returns:
      bool[V'].
    """
    return padded(mask, rows, np).reshape(-1, shards).T.reshape(-1)


def padded(table: Any, rows: int, xp: Any) -> Any:
    """A table [V, …] with rows of zeros after its own.

    Args:
      table: of NumPy or JAX.
      rows: `V'`.
      xp: `numpy` or `jax.numpy`.
    """
    room = rows - len(table)
    return xp.pad(table, [(0, room)] + [(0, 0)] * (table.ndim - 1)) if room else table


@functools.partial(
    jax.jit, static_argnames=("mesh", "axes", "spec", "back"), donate_argnames="table"
)
def exchanged(
    table: jax.Array, mesh: Mesh, axes: tuple[str, ...], spec: P, *, back: bool
) -> jax.Array:
    """A table whose rows are dealt out, some columns at a time.

    Args:
      table: [V', …] in shards, in the order of the vocabulary; donated.
      mesh: of devices.
      axes: that split its rows.
      spec: of the table.
      back: the inverse.
    """
    shards = math.prod(mesh.shape[axis] for axis in axes)

    def exchange(part):  # [L, …]
        length = len(part) // shards
        split = (shards, length) if back else (length, shards)
        part = part.reshape(*split, *part.shape[1:])
        part = part if back else part.swapaxes(0, 1)
        part = lax.all_to_all(part, axes, 0, 0)
        part = part.swapaxes(0, 1) if back else part
        return part.reshape(-1, *part.shape[2:])

    def work(shard):
        if shard.ndim == 1:
            return exchange(shard)
        width = _width(shard.shape)

        def step(i, shard):
            part = lax.dynamic_slice_in_dim(shard, i * width, width, 1)
            return lax.dynamic_update_slice_in_dim(shard, exchange(part), i * width, 1)

        return lax.fori_loop(0, shard.shape[1] // width, step, shard)

    return jax.shard_map(
        work, mesh=mesh, in_specs=spec, out_specs=spec, check_vma=False
    )(table)  # fmt: skip


def _width(shape: tuple[int, ...]) -> int:
    """How many columns of a shard [L, d, …] move at a time: a divisor of d."""
    most = max(1, _PIECE // (4 * shape[0] * math.prod(shape[2:])))
    return max(w for w in range(1, min(most, shape[1]) + 1) if shape[1] % w == 0)
