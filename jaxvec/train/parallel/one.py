"""One worker, on JAX's default device or on several that share the tables out."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np

from jaxvec.train.contracts import State, Steps
from jaxvec.train.epoch import train_segment
from jaxvec.train.parallel.contract import Program
from jaxvec.train.placement import ON_ONE, OneDevice, Placement
from jaxvec.train.processes import put

PyTree = Any


@dataclasses.dataclass(frozen=True)
class One:
    """One worker. A `contract.Parallel`.

    Attributes:
      program: what is trained.
      where: the tables are.
    """

    program: Program
    where: Placement | OneDevice = ON_ONE

    workers = 1
    own = (0,)
    models = rounds = 1

    def begin(self, states: Sequence[State]) -> State:
        """The state, its rows dealt out if it is in shards."""
        return self.where.entered(self.program.optimizer, states[0])

    def share(self, parts: Sequence[Sequence[tuple[PyTree, np.ndarray]]]) -> PyTree:
        """The one segment and its key."""
        part, key = put(parts[0][0], self.where.everywhere)
        return part, jax.random.wrap_key_data(key, impl=self.program.impl)

    def train(self, training: State, part: PyTree, rates: np.ndarray) -> tuple[State, Steps]:
        """See `epoch.train_segment`."""
        model, optimizer, constants, frozen, _ = self.program
        return train_segment(
            model, optimizer, training, constants, *part, rates[0, 0], frozen, self.where.shards
        )

    def compile(self, like: State, part: PyTree, rates: np.ndarray) -> None:
        """Compiles what `train` runs.

        Args:
          like, part, rates: as for `parallel.compile_ahead`.
        """
        if self.where is ON_ONE:
            model, optimizer, constants, frozen, _ = self.program
            train_segment.lower(
                model, optimizer, like, constants, *part, rates[0, 0], frozen, self.where.shards
            ).compile()

    def end(self, training: State) -> list[State]:
        """The state in the order of the vocabulary."""
        return [self.where.left(self.program.optimizer, training)]
