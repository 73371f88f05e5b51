"""Each worker trains a copy of the tables on text of its own; after each segment they are merged.

A call takes `R` segments of each worker, its rounds. After each round the rows of the most frequent
words are merged, most of what changes, and after the last one all rows: a merge reads and writes
whole tables, and a rare word has rarely changed since the last. Tables of models that are not
`contracts.Ranked`, of optimizers that change whole tables, or split by rows are merged whole::

    round       0         1
    workers  0  segment   segment
             1  segment   segment
    merged          head      head, then all
"""

import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.sharding import PartitionSpec as P

from jaxvec.optim.rows import RowOptimizer
from jaxvec.optim.writeback import COMPILER_OPTIONS
from jaxvec.train.contracts import Model, Ranked, State, Steps
from jaxvec.train.epoch import run_segment
from jaxvec.train.parallel.contract import Program
from jaxvec.train.placement import WORKERS, Placement
from jaxvec.train.workers import everyones, own_workers, stacked_on

PyTree = Any

_CHUNK_ROWS = 2048  # of a table and its change: they fit in a core's cache
_ROUNDS = 2  # four are 1.03 times as fast, with slightly lower scores
_HEAD_ROWS = 4096  # of a table, merged after each round; at least a 16th of them
_HEAD_SHARE = 16


def rounds(placement: Placement) -> int:
    """`R`: 1 where tables are split by rows, as XLA would copy shards to merge parts of them.

    Args:
      placement: of the tables.
    """
    return _ROUNDS if placement.shards == 1 else 1


class Twins(NamedTuple):
    """A state twice."""

    start: State  # a snapshot at the last synchronization
    end: State  # this worker's current state


@dataclasses.dataclass(frozen=True)
class Copies:
    """`N` workers, each with all tables, which `combine` merges after each segment. A
    `contract.Parallel`."""

    program: Program
    placement: Placement

    models = 1

    @property
    def rounds(self) -> int:
        """`R`."""
        return rounds(self.placement)

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
        """A segment and its key for each worker of this process and each round, round by round."""
        part, keys = stacked_on(
            self.placement.mesh, parts[0], rounds=len(parts[0]) // len(self.own)
        )
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
    """`run_segment` on `R` segments a worker; `combine` after each, of all rows after the last.

    Args:
      placement: of the tables of `N` workers.
      model, optimizer, frozen: as for `run_segment`.
      twins, constants: the same for each worker; `twins` is donated.
      segments, keys: stacked along axes of `R` rounds and `N` workers.
      rates: of each round, float32[R, P]; see `run_segment`.

    Returns:
      The combined state, twice, and the steps of each worker, [N, R · draws].
    """
    each, same = P(WORKERS), P()
    specs = placement.specs(optimizer, twins.start)
    of_each = jax.tree.map(lambda spec: P(WORKERS, *spec), specs)
    all_rows = rounds(placement) == 1 or optimizer.whole_tables
    names = model.ranked if isinstance(model, Ranked) and not all_rows else ()

    def work(ends, constants, frozen, segment, key, rates):
        end, segment, key = jax.tree.map(lambda part: part[0], (ends, segment, key))
        end, steps = run_segment(
            model, optimizer, end, constants, segment, key, rates, frozen, shards=placement.shards
        )
        return _stacked(end), everyones(steps)

    def merged(start, ends, last):
        end = jax.tree.map(lambda leaf: leaf[0], ends)
        leaves = optimizer.leaves(end.params, end.opt_state)
        rows = _rows(end, leaves, names, last)
        twins = combine(Twins(start, end), leaves, WORKERS, placement.columns, rows)
        return twins if last else (twins.start, _stacked(twins.end))

    def apart(function, inner, outer):
        return jax.shard_map(
            function, mesh=placement.mesh, in_specs=inner, out_specs=outer, check_vma=False
        )

    def one(states, now):
        start, ends = states
        segment, key, rates = now
        ends, steps = jax.shard_map(
            work, mesh=placement.mesh, axis_names={WORKERS},
            in_specs=(each, same, same, each, each, same), out_specs=(each, same), check_vma=False,
        )(ends, constants, frozen, segment, key, rates)  # fmt: skip
        merge = apart(functools.partial(merged, last=False), (specs, of_each), (specs, of_each))
        return merge(start, ends), steps

    states = twins.start, apart(_stacked, (specs,), of_each)(twins.end)
    states, steps = lax.scan(one, states, (segments, keys, rates))
    merge = apart(functools.partial(merged, last=True), (specs, of_each), Twins(specs, specs))
    by_worker = jax.tree.map(lambda part: part.swapaxes(0, 1).reshape(part.shape[1], -1), steps)
    return merge(*states), by_worker


def _stacked(state: State) -> State:
    """A worker's state, along a first axis of one."""
    return jax.tree.map(lambda leaf: leaf[None], state)


def _rows(state: State, leaves: PyTree, ranked: Sequence[str], last: bool) -> State:
    """How many rows of each array are merged: all after each round but, of `ranked` tables and
    their optimizer's state, the first ones, until the `last` merge has the whole of these alone."""
    among = [i for i, name in enumerate(state.params._fields) if name in ranked] if ranked else ()

    def of(size: int, table: int | None) -> int:
        if table not in among:
            return 0 if last else size
        head = max(_HEAD_ROWS, size // _HEAD_SHARE)
        head = min(-(-head // _CHUNK_ROWS) * _CHUNK_ROWS, size)
        return head if not last else size if head < size else 0

    sizes = _sizes(state)
    tables, structure = jax.tree.flatten(sizes.params)
    params = jax.tree.unflatten(structure, [of(size, i) for i, size in enumerate(tables)])
    return State(params, jax.tree.map(lambda leaf, n: of(n, leaf.table), leaves, sizes.opt_state))


def combine(
    twins: Twins, leaves: PyTree, axis: str, columns: tuple[str, ...] = (), rows: PyTree = None
) -> Twins:
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
      rows: how many of each array are merged, the first ones, a multiple of `_CHUNK_ROWS` or all;
        the state's shape. None for all.

    Returns:
      The merged state, twice; rows beyond `rows` as they were.

    References:
      Maleki et al. 2020, "Scaling Distributed Training with Adaptive Summation", for the idea of
      a rule between sum and mean by agreement.
    """

    def squared(rows):
        """Squared length of each row of [V, …]: [V, 1, …]."""
        own = jnp.square(rows).sum(tuple(range(1, rows.ndim)), keepdims=True)
        return lax.psum(own, columns) if columns and rows.ndim > 1 else own

    def of_rows(start, end):
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

    of_state = jax.tree.map(lambda leaf: rules[leaf.merge], leaves)
    of_each = State(jax.tree.map(lambda _: of_rows, twins.end.params), of_state)
    rows = _sizes(twins.end) if rows is None else rows
    arrays = zip(*map(jax.tree.leaves, (of_each, *twins, rows)), strict=True)
    starts, ends = zip(*[_first_rows(*one) for one in arrays], strict=True)
    structure = jax.tree.structure(twins.end)
    return Twins(jax.tree.unflatten(structure, starts), jax.tree.unflatten(structure, ends))


def _sizes(state: State) -> State:
    """The rows of each array, 1 of a number."""
    return jax.tree.map(lambda array: len(array) if array.ndim else 1, state)


def _first_rows(
    rule: Callable, start: jax.Array, end: jax.Array, rows: int
) -> tuple[jax.Array, jax.Array]:
    """`start` and `end` with ``rule(start, end)`` in their first rows, `_CHUNK_ROWS` a call. The
    last chunk may overlap with the one before: a rule leaves rows that did not change."""
    if not end.ndim:
        return (rule(start, end),) * 2 if rows else (start, end)
    size = min(len(end), _CHUNK_ROWS)

    def part(table, at):
        return lax.dynamic_slice_in_dim(table, at, size)

    def chunk(i, tables):
        at = jnp.minimum(i * size, len(end) - size)
        start, end_ = tables
        end_ = lax.dynamic_update_slice_in_dim(end_, rule(part(start, at), part(end_, at)), at, 0)
        # read back, as XLA copies a table that is written with what was computed from it
        return lax.dynamic_update_slice_in_dim(start, part(end_, at), at, 0), end_

    return lax.fori_loop(0, -(-rows // size), chunk, (start, end))
