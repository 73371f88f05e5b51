"""Each worker trains a copy of the tables on text of its own; after each segment all are merged."""

import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.sharding import PartitionSpec as P

from jaxvec.optim.rows import RowOptimizer, StateLeaf
from jaxvec.optim.writeback import COMPILER_OPTIONS
from jaxvec.train.contracts import Model, Program, State, Steps
from jaxvec.train.epoch import run_segment
from jaxvec.train.placement import WORKERS, Placement
from jaxvec.train.workers import everyones, own_workers, stacked_on

PyTree = Any

_CHUNK_ROWS = 2048  # of a table and its change: they fit in a core's cache


class Twins(NamedTuple):
    """A state twice."""

    start: State  # a snapshot at the last synchronization
    end: State  # this worker's current state


@dataclasses.dataclass(frozen=True)
class Copies:
    """`N` workers, each with all tables, which `combine` merges after each segment. A
    `contracts.Parallel`."""

    program: Program
    placement: Placement

    models = 1

    @property
    def workers(self) -> int:
        """`N`."""
        return self.placement.mesh.shape[WORKERS]

    @property
    def own(self) -> Sequence[int]:
        """The workers with a device of this process."""
        return own_workers(self.placement.mesh)

    def begin(self, states: Sequence[State]) -> Twins:
        """Copies of the state for each worker."""
        state = self.placement.entered(self.program.optimizer, states[0])
        return Twins(jax.tree.map(jnp.copy, state), state)

    def share(self, parts: Sequence[Sequence[tuple[PyTree, np.ndarray]]]) -> PyTree:
        """A segment and its key for each worker of this process."""
        part, keys = stacked_on(self.placement.mesh, parts[0])
        return part, jax.random.wrap_key_data(keys, impl=self.program.impl)

    def train(self, training: Twins, part: PyTree, rates: np.ndarray) -> tuple[Twins, Steps]:
        """See `train_copies`."""
        model, optimizer, constants, frozen, _ = self.program
        return train_copies(
            self.placement, model, optimizer, training, constants, *part, rates[0], frozen
        )

    def compile(self, like: State, part: PyTree, rates: np.ndarray) -> None:
        """Compiles what `train` runs.

        Args:
          like, part, rates: as for `parallel.compile_ahead`.
        """
        if self.placement.whole is None or self.placement.shards > 1:
            return
        model, optimizer, constants, frozen, _ = self.program
        shardings = self.placement.shardings(self.placement.specs(optimizer, like))
        like = jax.tree.map(lambda leaf, sharding: leaf.update(sharding=sharding), like, shardings)
        train_copies.lower(
            self.placement, model, optimizer, Twins(like, like), constants, *part, rates[0], frozen
        ).compile()

    def end(self, training: Twins) -> list[State]:
        """The merged state."""
        return [self.placement.left(self.program.optimizer, training.end)]


@functools.partial(
    jax.jit, static_argnames=("placement", "model", "optimizer"), donate_argnames="twins",
    compiler_options=COMPILER_OPTIONS,
)  # fmt: skip
def train_copies(
    placement: Placement,
    model: Model,
    optimizer: RowOptimizer,
    twins: Twins,
    constants: PyTree,
    segments: tuple[jax.Array, ...],
    keys: jax.Array,
    rates: jax.Array,
    frozen: jax.Array | None = None,
) -> tuple[Twins, Steps]:
    """`run_segment` on `N` segments, each on a worker, from the same state; then `combine`.

    Args:
      placement: of the tables of `N` workers.
      model, optimizer, rates, frozen: as for `run_segment`.
      twins, constants: the same for each worker; `twins` is donated.
      segments, keys: stacked along a first axis of `N`, one for each worker.

    Returns:
      The combined state, twice, and the steps of each worker, [N, draws].
    """

    def work(state, constants, frozen, segment, key, rates):
        segment, key = jax.tree.map(lambda part: part[0], (segment, key))
        end, steps = run_segment(
            model, optimizer, state, constants, segment, key, rates, frozen,
            shards=placement.shards,
        )  # fmt: skip
        return jax.tree.map(lambda leaf: leaf[None], end), everyones(steps)

    def merged(start, end):
        end = jax.tree.map(lambda leaf: leaf[0], end)
        leaves = optimizer.leaves(end.params, end.opt_state)
        return combine(Twins(start, end), leaves, WORKERS, placement.columns)

    each, same = P(WORKERS), P()
    ends, steps = jax.shard_map(
        work, mesh=placement.mesh, axis_names={WORKERS},
        in_specs=(same, same, same, each, each, same), out_specs=(each, same), check_vma=False,
    )(twins.end, constants, frozen, segments, keys, rates)  # fmt: skip
    specs = placement.specs(optimizer, twins.start)
    twins = jax.shard_map(
        merged, mesh=placement.mesh,
        in_specs=(specs, jax.tree.map(lambda spec: P(WORKERS, *spec), specs)),
        out_specs=Twins(specs, specs), check_vma=False,
    )(twins.start, ends)  # fmt: skip
    return twins, steps


def combine(twins: Twins, leaves: PyTree, axis: str, columns: tuple[str, ...] = ()) -> Twins:
    """Merges what the workers along an axis have learned, row by row.

    For the changes d_1 … d_N that the workers made to a row of a table, s their sum:

        r = |s|² / Σ |d_k|²        from 1 (orthogonal) to N (all the same)
        row += s / max(r, 1)^(1 - 1/N)

    Rare words, which few workers met or each in a way of its own, keep the whole sum. Frequent
    ones, which every worker took the same way to the same place, move by N^(1/N) times the mean,
    at most 1.45 times: the sum would take them N times too far.

    A leaf of the optimizer's state is merged as it is declared: accumulators of squares ("sum")
    add up, as they would have in one worker; others ("mean"), such as moments and counts, change
    by the mean over the workers that changed them.

    Args:
      twins: each worker's own; `start` is the same for all.
      leaves: a `StateLeaf` for each leaf of the optimizer's state; see `RowOptimizer.leaves`.
      axis: of the mesh.
      columns: the axes of the mesh that split the columns of tables.

    Returns:
      The merged state, twice.

    References:
      Maleki et al. 2020, "Scaling Distributed Training with Adaptive Summation", for the idea of
      a rule between sum and mean by agreement.
    """

    def squared(rows):
        """Squared length of each row of [V, …]: [V, 1, …]."""
        own = jnp.square(rows).sum(tuple(range(1, rows.ndim)), keepdims=True)
        return lax.psum(own, columns) if columns and rows.ndim > 1 else own

    def rows(start, end):
        change = end - start
        total, squares = lax.psum((change, squared(change)), axis)
        agreement = squared(total) / jnp.maximum(squares, jnp.finfo(squares.dtype).tiny)
        return start + total / jnp.maximum(agreement, 1) ** (1 - 1 / lax.axis_size(axis))

    def summed(start, end):
        return start + lax.psum(end - start, axis)

    def averaged(start, end):
        change = end - start
        total, changed = lax.psum((change, (change != 0).astype(change.dtype)), axis)
        return start + (total / jnp.maximum(changed, 1)).astype(start.dtype)

    rules = {"sum": summed, "mean": averaged}

    def state_leaf(leaf: StateLeaf, start, end):
        return _in_chunks(rules[leaf.merge], start, end)

    params = jax.tree.map(functools.partial(_in_chunks, rows), twins.start.params, twins.end.params)
    opt_state = jax.tree.map(
        state_leaf, leaves, twins.start.opt_state, twins.end.opt_state,
    )  # fmt: skip
    combined = State(params, opt_state)
    return Twins(combined, combined)


def _in_chunks(rule: Callable, start: jax.Array, end: jax.Array) -> jax.Array:
    """Applies a row-wise ``rule(start, end)`` to `_CHUNK_ROWS` rows a call; the result overwrites
    `end`."""
    if start.ndim == 0:
        return rule(start, end)
    whole = len(start) // _CHUNK_ROWS * _CHUNK_ROWS

    def chunk(i, end):
        at = i * _CHUNK_ROWS
        parts = [lax.dynamic_slice_in_dim(table, at, _CHUNK_ROWS) for table in (start, end)]
        return lax.dynamic_update_slice_in_dim(end, rule(*parts), at, 0)

    if whole:
        end = lax.fori_loop(0, whole // _CHUNK_ROWS, chunk, end)
    return end.at[whole:].set(rule(start[whole:], end[whole:]))
