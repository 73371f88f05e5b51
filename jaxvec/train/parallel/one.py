"""One worker, on JAX's default device."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np

from jaxvec.train.contracts import Program, State, Steps
from jaxvec.train.epoch import train_segment

PyTree = Any


@dataclasses.dataclass(frozen=True)
class One:
    """One worker, on JAX's default device. A `contracts.Parallel`."""

    program: Program

    workers = 1
    models = 1

    def begin(self, states: Sequence[State]) -> State:
        """The state as it is."""
        return states[0]

    def share(self, parts: Sequence[Sequence[tuple[PyTree, np.ndarray]]]) -> PyTree:
        """The one segment and its key."""
        part, key = jax.device_put(parts[0][0])
        return part, jax.random.wrap_key_data(key, impl=self.program.impl)

    def train(self, training: State, part: PyTree, rates: np.ndarray) -> tuple[State, Steps]:
        """See `epoch.train_segment`."""
        model, optimizer, constants, frozen, _ = self.program
        return train_segment(model, optimizer, training, constants, *part, rates[0], frozen)

    def state(self, training: State, model: int = 0) -> State:
        """The state as it is."""
        return training
