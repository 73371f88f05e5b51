"""Several workers that share the tables out: each has rows of its own, and takes turns at columns.

With `N` workers a table's row i is the i // `N`-th of shard i mod `N`. Worker k keeps shard k
of what belongs to rows, and in phase r has shard (k + r) mod `N` of what belongs to columns. So
no two ever touch the same numbers, nothing is combined, and what they do together some
order of the same steps in one worker would do: stratified gradient descent (Gemulla et al.
2011, "Large-Scale Matrix Factorization with Distributed Stochastic Gradient Descent").
"""

import functools
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.sharding import Mesh
from jax.sharding import PartitionSpec as P

from jaxvec.optim.rows import RowOptimizer
from jaxvec.train.epoch import Model, State, Steps, train_segment

PyTree = Any


def spread(state: PyTree, workers: int) -> PyTree:
    """Tables [V, …] as shards [N, V/N, …], filled up with zeros; a scalar once for each worker."""

    def one(table):
        if not table.ndim:
            return jnp.broadcast_to(table, (workers,))
        full = jnp.pad(table, [(0, -len(table) % workers)] + [(0, 0)] * (table.ndim - 1))
        return full.reshape(-1, workers, *table.shape[1:]).swapaxes(0, 1)

    return jax.tree.map(one, state)


def gathered(shards: PyTree, like: PyTree) -> PyTree:
    """What was spread, of the shapes of `like`."""

    def one(shard, table):
        if not table.ndim:
            return shard[0]
        return shard.swapaxes(0, 1).reshape(-1, *table.shape[1:])[: len(table)]

    return jax.tree.map(one, shards, like)


@functools.partial(
    jax.jit, static_argnames=("mesh", "model", "optimizer"), donate_argnames="shards"
)
def train_strata(
    mesh: Mesh,
    model: Model,
    optimizer: RowOptimizer,
    shards: State,
    constants: PyTree,
    segments: tuple[jax.Array, ...],
    keys: jax.Array,
    rates: jax.Array,
) -> tuple[State, Steps]:
    """`train_segment` on `N` segments at a time, each in `N` phases.

    Args:
      mesh: of `N` workers.
      model, optimizer, constants, rates: as for `train_segment`.
      shards: as `spread` returns them; updated in place.
      segments: arrays [N, N, …], by worker and phase, of ids within shards.
      keys: [N].

    Returns:
      The shards, and the steps of each worker, [N, N · max_steps].
    """
    workers = mesh.size
    turns = [(source, (source - 1) % workers) for source in range(workers)]

    def work(shards, constants, segment, key, rates):
        shards, segment, key = jax.tree.map(lambda part: part[0], (shards, segment, key))

        def phase(shards, number_and_part):
            number, part = number_and_part
            places = jnp.linspace(0, 1, len(rates), dtype=rates.dtype)
            span = (number.astype(rates.dtype) + places) / workers * (len(rates) - 1)
            shards, steps = train_segment.__wrapped__(
                model, optimizer, shards, constants, part, jax.random.fold_in(key, number),
                jnp.interp(span, jnp.arange(len(rates), dtype=rates.dtype), rates),
            )  # fmt: skip
            turned = jax.tree_util.tree_map_with_path(
                lambda path, leaf: (
                    lax.ppermute(leaf, "workers", turns)
                    if ".output" in jax.tree_util.keystr(path)
                    else leaf
                ),
                shards,
            )
            return turned, steps

        shards, steps = lax.scan(phase, shards, (jnp.arange(workers, dtype=jnp.int32), segment))
        # counts of steps may differ: agreed on, so that what is saved is what goes on
        shards = jax.tree.map(lambda s: s if s.ndim else lax.pmax(s, "workers"), shards)
        steps = jax.tree.map(lambda s: s.reshape(1, -1), steps)
        return jax.tree.map(lambda part: part[None], shards), steps

    each, same = P("workers"), P()
    return jax.shard_map(
        work, mesh=mesh, in_specs=(each, same, each, each, same), out_specs=(each, each),
        check_vma=False,
    )(shards, constants, segments, keys, rates)  # fmt: skip
