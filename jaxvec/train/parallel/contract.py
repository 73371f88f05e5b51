"""What the trainer asks of a way to run in parallel.

Letters: `V` vocabulary, `N` workers, `R` rounds, `k` models.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

import jax
import numpy as np

from jaxvec.optim.rows import RowOptimizer
from jaxvec.train.contracts import Model, State, Steps

PyTree = Any


class Program(NamedTuple):
    """What a segment is trained with, beside its data."""

    model: Model  # static, as `epoch.compiled_for` returns it
    optimizer: RowOptimizer  # static
    constants: PyTree  # traced, from ``model.constants``
    frozen: jax.Array | None  # traced, see `epoch.run_segment`
    impl: Any  # of the run's keys, see `jax.random.key_impl`


class Parallel(Protocol):
    """A way to train: on one device or several, one model or many; this package has one a file."""

    @property
    def program(self) -> Program:
        """What is trained."""

    @property
    def workers(self) -> int:
        """`N`."""

    @property
    def rounds(self) -> int:
        """`R`, how many segments each worker takes in a call: `N` · `R` in all, `N` a round."""

    @property
    def own(self) -> Sequence[int]:
        """Which of the `N` segments of a round this process reads: its devices' workers."""

    @property
    def models(self) -> int:
        """`k`, how many models are trained: 1 but for a sweep."""

    def begin(self, states: Sequence[State]) -> Any:
        """The states of the `k` models, which are donated, as `train` takes them."""

    def share(self, parts: Sequence[Sequence[tuple[PyTree, np.ndarray]]]) -> PyTree:
        """Sends segments to the devices of this process: for each model the ones in `own`, round
        by round, each with the data of its key. Called from a thread while devices are at work."""

    def train(self, training: Any, part: PyTree, rates: np.ndarray) -> tuple[Any, Steps]:
        """Trains on what `share` sent.

        Args:
          training, part: as `begin` or `train`, and `share`, returned them; `training` is donated.
          rates: float32[k, R, P], for each model the learning rate at P evenly spaced points of
            each round.

        Returns:
          The same after training, and the steps: [draws] of one worker, [N, R · draws] of `N`,
          [k, draws] of `k` models.
        """

    def end(self, training: Any) -> list[State]:
        """The states of the `k` models, in the order of the vocabulary, out of what `begin` or
        `train` returned, which is donated."""
