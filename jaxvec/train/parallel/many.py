"""Many models in one program, `jax.vmap` of a segment; for `sweep`."""

import dataclasses
import functools
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh
from jax.sharding import PartitionSpec as P

from jaxvec.optim.rows import RowOptimizer
from jaxvec.optim.writeback import COMPILER_OPTIONS
from jaxvec.train.contracts import Model, State, Steps
from jaxvec.train.epoch import run_segment
from jaxvec.train.parallel.contract import Program
from jaxvec.train.workers import by_worker, replicated, stacked_on

PyTree = Any


@dataclasses.dataclass(frozen=True)
class Many:
    """`k` models on the devices of a mesh, equally many on each. A `contract.Parallel`.

    Attributes:
      program: whose constants are `stacked`.
      mesh: of a number of devices that divides `k`.
      models: `k`.
      shared: whether all train on the same segments, or each on its own shuffle.
    """

    program: Program
    mesh: Mesh
    models: int
    shared: bool

    workers = rounds = 1
    own = (0,)

    def begin(self, states: Sequence[State]) -> State:
        """The states, stacked along a first axis."""
        return stacked(states, self.mesh)

    def share(self, parts: Sequence[Sequence[tuple[PyTree, np.ndarray]]]) -> PyTree:
        """The segment of all, or one each, and their keys."""
        segments, keys = zip(*(part[0] for part in parts), strict=True)
        if self.shared:
            segment = replicated(segments[0], self.mesh)
        else:
            segment = stacked_on(self.mesh, segments)
        keys = jax.random.wrap_key_data(stacked_on(self.mesh, keys), impl=self.program.impl)
        return segment, keys

    def train(self, training: State, part: PyTree, rates: np.ndarray) -> tuple[State, Steps]:
        """See `train_many`."""
        model, optimizer, constants, *_ = self.program
        rates = jax.device_put(rates[:, 0], by_worker(self.mesh))
        return train_many(
            self.mesh, model, optimizer, self.shared, training, constants, *part, rates
        )

    def end(self, training: State) -> list[State]:
        """The state of each model, on the first device."""
        whole = jax.device_put(training, jax.devices()[0])
        return [jax.tree.map(lambda leaf, m=m: leaf[m], whole) for m in range(self.models)]


def stacked(trees: Sequence[PyTree], over: Mesh) -> PyTree:
    """Arrays of `k` models, stacked along a first axis that is split over the devices.

    Args:
      trees: one of each model.
      over: the devices.
    """
    return jax.device_put(jax.tree.map(lambda *leaves: jnp.stack(leaves), *trees), by_worker(over))


@functools.partial(
    jax.jit, static_argnames=("mesh", "model", "optimizer", "shared"), donate_argnames="states",
    compiler_options=COMPILER_OPTIONS,
)  # fmt: skip
def train_many(
    mesh: Mesh,
    model: Model,
    optimizer: RowOptimizer,
    shared: bool,
    states: State,
    constants: PyTree,
    segment: PyTree,
    keys: jax.Array,
    rates: jax.Array,
) -> tuple[State, Steps]:
    """`run_segment` of `k` models.

    Args:
      mesh, model, optimizer, shared: as of `Many`; static.
      states: donated.
      states, constants, keys, rates: of all models, along a first axis of `k`.
      segment: along a first axis too, or one for all if `shared`.

    Returns:
      The states, and the steps of each model, [k, draws].
    """

    def work(states, constants, segment, keys, rates):
        one = functools.partial(run_segment, model, optimizer, together="models")
        axes = (0, 0, None if shared else 0, 0, 0)
        return jax.vmap(one, axes, axis_name="models")(states, constants, segment, keys, rates)

    each, same = P("workers"), P()
    return jax.shard_map(
        work, mesh=mesh, in_specs=(each, each, same if shared else each, each, each),
        out_specs=each, check_vma=False,
    )(states, constants, segment, keys, rates)  # fmt: skip
