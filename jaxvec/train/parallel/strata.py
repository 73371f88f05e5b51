"""Workers share the tables out: each has shards of rows and of columns, and the latter go round.

With `N` workers row i of a table is row i // `N` of shard i mod `N`. Worker k keeps shard k
of the tables of rows, and in phase r has shard (k + r) mod `N` of the tables of columns. No
two ever touch the same numbers and nothing is combined: the result is that of some order of the
same steps in one worker.

References:
  Gemulla et al. 2011, "Large-Scale Matrix Factorization with Distributed Stochastic Gradient
  Descent".
"""

import dataclasses
import functools
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.sharding import Mesh
from jax.sharding import PartitionSpec as P

from jaxvec.optim.rows import RowOptimizer
from jaxvec.optim.writeback import COMPILER_OPTIONS
from jaxvec.train.contracts import Program, State, Steps, Stratified
from jaxvec.train.epoch import run_segment
from jaxvec.train.workers import by_worker, stacked_on

PyTree = Any


class Shards(NamedTuple):
    """A state in shards, and the shapes of the whole."""

    state: State
    like: State


@dataclasses.dataclass(frozen=True)
class Strata:
    """`N` workers, each with shards of the tables. A `contracts.Parallel`."""

    program: Program
    mesh: Mesh

    models = 1

    @property
    def workers(self) -> int:
        """`N`."""
        return self.mesh.size

    def begin(self, states: Sequence[State]) -> Shards:
        """The state in shards, one on each device."""
        like = jax.eval_shape(lambda: states[0])
        return Shards(jax.device_put(spread(states[0], self.workers), by_worker(self.mesh)), like)

    def share(self, parts: Sequence[Sequence[tuple[PyTree, np.ndarray]]]) -> PyTree:
        """A segment and its key for each device."""
        part, keys = stacked_on(self.mesh, parts[0])
        return part, jax.random.wrap_key_data(keys, impl=self.program.impl)

    def train(self, training: Shards, part: PyTree, rates: np.ndarray) -> tuple[Shards, Steps]:
        """See `train_strata`."""
        model, optimizer, constants, *_ = self.program
        state, steps = train_strata(
            self.mesh, model, optimizer, training.state, constants, *part, rates[0]
        )
        return training._replace(state=state), steps

    def state(self, training: Shards, model: int = 0) -> State:
        """The shards put back into tables."""
        return gathered(jax.device_put(training.state, jax.devices()[0]), training.like)


def spread(state: PyTree, workers: int) -> PyTree:
    """Tables [V, …] as shards [N, ⌈V/N⌉, …], padded with zeros; a scalar as [N].

    Args:
      state: a pytree of tables and scalars.
      workers: `N`.
    """

    def one(table):
        if not table.ndim:
            return jnp.broadcast_to(table, (workers,))
        full = jnp.pad(table, [(0, -len(table) % workers)] + [(0, 0)] * (table.ndim - 1))
        return full.reshape(-1, workers, *table.shape[1:]).swapaxes(0, 1)

    return jax.tree.map(one, state)


def gathered(shards: PyTree, like: PyTree) -> PyTree:
    """The inverse of `spread`.

    Args:
      shards: from `spread`.
      like: arrays, or their shapes, of what was spread.
    """

    def one(shard, table):
        if not table.ndim:
            return shard[0]
        return shard.swapaxes(0, 1).reshape(-1, *table.shape[1:])[: len(table)]

    return jax.tree.map(one, shards, like)


@functools.partial(
    jax.jit, static_argnames=("mesh", "model", "optimizer"), donate_argnames="shards",
    compiler_options=COMPILER_OPTIONS,
)  # fmt: skip
def train_strata(
    mesh: Mesh,
    model: Stratified,
    optimizer: RowOptimizer,
    shards: State,
    constants: PyTree,
    segments: tuple[jax.Array, ...],
    keys: jax.Array,
    rates: jax.Array,
) -> tuple[State, Steps]:
    """`run_segment` on `N` segments, each on a worker, in `N` phases.

    Args:
      mesh: of `N` workers.
      model, optimizer, constants, rates: as for `run_segment`.
      shards: as `spread` returns them; donated.
      segments: arrays [N, N, …], by worker and phase, of ids within shards.
      keys: [N].

    Returns:
      The shards, and the steps of each worker, [N, N · draws].
    """
    workers = mesh.size
    turns = [(source, (source - 1) % workers) for source in range(workers)]

    def work(shards, constants, segment, key, rates):
        shards, segment, key = jax.tree.map(lambda part: part[0], (shards, segment, key))

        def phase(shards, number_and_part):
            number, part = number_and_part
            places = jnp.linspace(0, 1, len(rates), dtype=rates.dtype)
            span = (number.astype(rates.dtype) + places) / workers * (len(rates) - 1)
            shards, steps = run_segment(
                model, optimizer, shards, constants, part, jax.random.fold_in(key, number),
                jnp.interp(span, jnp.arange(len(rates), dtype=rates.dtype), rates),
            )  # fmt: skip
            turned = jax.tree.map(
                lambda turns_round, leaf: (
                    lax.ppermute(leaf, "workers", turns) if turns_round else leaf
                ),
                _going_round(model, optimizer, shards), shards,
            )  # fmt: skip
            return turned, steps

        shards, steps = lax.scan(phase, shards, (jnp.arange(workers, dtype=jnp.int32), segment))
        # counts of steps may differ by worker: one for all, as a checkpoint has it
        shards = jax.tree.map(lambda s: s if s.ndim else lax.pmax(s, "workers"), shards)
        steps = jax.tree.map(lambda s: s.reshape(1, -1), steps)
        return jax.tree.map(lambda part: part[None], shards), steps

    each, same = P("workers"), P()
    return jax.shard_map(
        work, mesh=mesh, in_specs=(each, same, each, each, same), out_specs=(each, each),
        check_vma=False,
    )(shards, constants, segments, keys, rates)  # fmt: skip


def _going_round(model: Stratified, optimizer: RowOptimizer, state: State) -> State:
    """For each leaf of a state whether its shards go round: tables of columns, and the optimizer's
    state of their rows."""
    columns = jax.tree.leaves(model.columns)
    opt_state = jax.tree.map(
        lambda leaf: leaf.table is not None and columns[leaf.table],
        optimizer.leaves(state.params, state.opt_state),
    )
    return State(model.columns, opt_state)
