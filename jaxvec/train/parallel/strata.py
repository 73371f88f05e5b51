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
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.sharding import PartitionSpec as P

from jaxvec.optim.rows import RowOptimizer
from jaxvec.optim.writeback import COMPILER_OPTIONS
from jaxvec.train.contracts import State, Steps, Stratified
from jaxvec.train.epoch import run_segment
from jaxvec.train.parallel.contract import Program
from jaxvec.train.placement import WORKERS, Placement
from jaxvec.train.workers import everyones, own_workers, stacked_on

PyTree = Any


@dataclasses.dataclass(frozen=True)
class Strata:
    """`N` workers, each with shards of the tables. A `contract.Parallel`.

    Attributes:
      program: what is trained.
      placement: of the tables, whose rows are split along "workers" at last.
    """

    program: Program
    placement: Placement

    models = rounds = 1

    @property
    def workers(self) -> int:
        """`N`."""
        return self.placement.mesh.shape[WORKERS]

    @property
    def own(self) -> Sequence[int]:
        """The workers with a device of this process."""
        return own_workers(self.placement.mesh)

    def begin(self, states: Sequence[State]) -> State:
        """The state in shards, its rows dealt out."""
        return self.placement.entered(self.program.optimizer, states[0])

    def share(self, parts: Sequence[Sequence[tuple[PyTree, np.ndarray]]]) -> PyTree:
        """A segment and its key for each worker of this process."""
        part, keys = stacked_on(self.placement.mesh, parts[0])
        return part, jax.random.wrap_key_data(keys, impl=self.program.impl)

    def train(self, training: State, part: PyTree, rates: np.ndarray) -> tuple[State, Steps]:
        """See `train_strata`."""
        model, optimizer, constants, *_ = self.program
        return train_strata(
            self.placement, model, optimizer, training, constants, *part, rates[0, 0]
        )

    def end(self, training: State) -> list[State]:
        """The state in the order of the vocabulary."""
        return [self.placement.left(self.program.optimizer, training)]


@functools.partial(
    jax.jit, static_argnames=("placement", "model", "optimizer"), donate_argnames="state",
    compiler_options=COMPILER_OPTIONS,
)  # fmt: skip
def train_strata(
    placement: Placement,
    model: Stratified,
    optimizer: RowOptimizer,
    state: State,
    constants: PyTree,
    segments: tuple[jax.Array, ...],
    keys: jax.Array,
    rates: jax.Array,
) -> tuple[State, Steps]:
    """`run_segment` on `N` segments, each on a worker, in `N` phases.

    Args:
      placement: of the tables of `N` workers.
      model, optimizer, constants, rates: as for `run_segment`.
      state: with its rows dealt out; donated.
      segments: arrays [N, N, …], by worker and phase, of ids within shards.
      keys: [N].

    Returns:
      The state, and the steps of each worker, [N, N · draws].
    """
    workers = placement.mesh.shape[WORKERS]
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
                shards=placement.shards // workers,
            )  # fmt: skip
            turned = jax.tree.map(
                lambda turns_round, leaf: (
                    lax.ppermute(leaf, WORKERS, turns) if turns_round else leaf
                ),
                _going_round(model, optimizer, shards), shards,
            )  # fmt: skip
            return turned, steps

        shards, steps = lax.scan(phase, shards, (jnp.arange(workers, dtype=jnp.int32), segment))
        # counts of steps may differ by worker: one for all, as a checkpoint has it
        shards = jax.tree.map(lambda s: s if s.ndim else lax.pmax(s, WORKERS), shards)
        steps = everyones(jax.tree.map(lambda s: s.reshape(-1), steps))
        return jax.tree.map(lambda part: part[None], shards), steps

    specs = placement.specs(optimizer, state)
    own = jax.tree.map(placement.of_worker, specs)
    each, same = P(WORKERS), P()

    def relabeled(tree, before, after, change):
        return jax.shard_map(
            lambda tree: jax.tree.map(change, tree), mesh=placement.mesh, in_specs=(before,),
            out_specs=after, check_vma=False,
        )(tree)  # fmt: skip

    shards = relabeled(state, specs, own, lambda shard: shard[None])
    shards, steps = jax.shard_map(
        work, mesh=placement.mesh, axis_names={WORKERS}, in_specs=(each, same, each, each, same),
        out_specs=(each, same), check_vma=False,
    )(shards, constants, segments, keys, rates)  # fmt: skip
    return relabeled(shards, own, specs, lambda shard: shard[0]), steps


def _going_round(model: Stratified, optimizer: RowOptimizer, state: State) -> State:
    """For each leaf of a state whether its shards go round: tables of columns, and the optimizer's
    state of their rows."""
    columns = jax.tree.leaves(model.columns)
    opt_state = jax.tree.map(
        lambda leaf: leaf.table is not None and columns[leaf.table],
        optimizer.leaves(state.params, state.opt_state),
    )
    return State(model.columns, opt_state)
