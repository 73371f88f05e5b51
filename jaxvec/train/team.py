"""Who trains: one worker, copies of the tables that are combined, or shards that go round."""

import contextlib
import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

from jaxvec.optim.rows import RowOptimizer
from jaxvec.train.epoch import Model, State, Steps, train_segment
from jaxvec.train.strata import gathered, spread, train_strata
from jaxvec.train.text_model import whole
from jaxvec.train.workers import Twins, mesh, train_segments

PyTree = Any


@contextlib.contextmanager
def by_itself() -> Iterator[None]:
    """JAX without the caller's mesh and transfer guard: training places its arrays itself."""
    with jax.set_mesh(Mesh(np.empty((), object), ())), jax.transfer_guard("allow"):
        yield


@dataclasses.dataclass(frozen=True)
class Team:
    """One worker, on JAX's default device.

    Attributes:
      workers: `N`.
      model, optimizer, constants: what `train_segment` takes.
      impl: of keys, see `jax.random.key_impl`.
    """

    workers: int
    model: Model
    optimizer: RowOptimizer
    constants: PyTree
    impl: Any

    @staticmethod
    def of(
        workers: int, model: Model, optimizer: RowOptimizer, constants: PyTree, impl: Any = None
    ) -> "Team":
        """A team of so many; ValueError if JAX has fewer devices."""
        whole("workers", workers)
        if workers == 1:
            return Team(1, model, optimizer, constants, impl)
        devices = mesh(workers)
        constants = jax.device_put(constants, NamedSharding(devices, P()))
        kind = Strata if model.stratified else Copies
        return kind(workers, model, optimizer, constants, impl, devices)

    def alone(self) -> "Team":
        """Its first worker."""
        return self

    def begin(self, state: State) -> Any:
        """A state as `train` takes it."""
        return state

    def state(self, training: Any) -> State:
        """The state in what `train` returned."""
        return training

    def share(self, parts: Sequence[tuple[PyTree, np.ndarray]]) -> tuple[PyTree, jax.Array]:
        """One of `N` segments, each with its key's data, to each worker's device."""
        part, key = jax.device_put(parts[0])
        return part, jax.random.wrap_key_data(key, impl=self.impl)

    def train(self, training: Any, part: PyTree, rates: np.ndarray) -> tuple[Any, Steps]:
        """Trains each worker on its segment with its key."""
        return train_segment(self.model, self.optimizer, training, self.constants, *part, rates)


@dataclasses.dataclass(frozen=True)
class _Several(Team):
    mesh: Mesh

    def alone(self) -> Team:
        return Team(1, self.model, self.optimizer, _first(self.constants), self.impl)

    def share(self, parts: Sequence[tuple[PyTree, np.ndarray]]) -> tuple[PyTree, jax.Array]:
        # stacked on the host: the devices are at work
        stacked = jax.tree.map(lambda *arrays: np.stack(arrays), *parts)
        part, keys = jax.device_put(stacked, NamedSharding(self.mesh, P("workers")))
        return part, jax.random.wrap_key_data(keys, impl=self.impl)


class Copies(_Several):
    """Each worker has all tables, which are combined after each segment."""

    def begin(self, state: State) -> Twins:
        everywhere = NamedSharding(self.mesh, P())
        copies = [jax.device_put(jax.tree.map(jnp.copy, state), everywhere) for _ in range(2)]
        return Twins(*copies)

    def state(self, training: Twins) -> State:
        return _first(training.end)

    def train(self, training: Twins, part: PyTree, rates: np.ndarray) -> tuple[Twins, Steps]:
        return train_segments(
            self.mesh, self.model, self.optimizer, training, self.constants, *part, rates
        )


class Shards(NamedTuple):
    """A state spread over the workers, and what it was before."""

    state: State
    like: State


class Strata(_Several):
    """Each worker has shards of the tables, and those of the columns go round."""

    def begin(self, state: State) -> Shards:
        by_worker = NamedSharding(self.mesh, P("workers"))
        like = jax.eval_shape(lambda: state)
        return Shards(jax.device_put(spread(state, self.workers), by_worker), like)

    def state(self, training: Shards) -> State:
        return gathered(jax.device_put(training.state, jax.devices()[0]), training.like)

    def train(self, training: Shards, part: PyTree, rates: np.ndarray) -> tuple[Shards, Steps]:
        state, steps = train_strata(
            self.mesh, self.model, self.optimizer, training.state, self.constants, *part, rates
        )
        return training._replace(state=state), steps


def _first(tree: PyTree) -> PyTree:
    """One worker's copy of what all have."""
    return jax.tree.map(lambda a: a.addressable_data(0), tree)
