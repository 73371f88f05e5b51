"""What a strategy of write-back is: `WriteBack`, and the `Touched` rows that it finds."""

from typing import Any, NamedTuple, Protocol

import jax

PyTree = Any


DROP: Any = {"mode": "drop", "wrap_negative_indices": False}
"""How rows are written: ids of `V` or more are dropped, and none is negative."""

COMPILER_OPTIONS: Any = {"xla_gpu_ftz": True}
"""For `jax.jit` of programs that write rows: float32 numbers below 1e-38 count as 0 on a GPU, as
they do on a CPU. Without it jaxlib 0.10.2 and 0.11.0 add single floats there in a loop of
compare-and-swap. Other devices ignore it. `jax.jit` takes it for the outermost call alone."""


class Touched(NamedTuple):
    """The rows of one table that a step updates, each in one of `P` places."""

    ids: jax.Array  # int[P], the row that a place reads, vector and state
    targets: jax.Array  # int[P], the row that it writes; V or more: none
    gradients: jax.Array  # [P, …], of the row


class WriteBack(Protocol):
    """A strategy, for a table: pure functions, and the buffer that they work in.

    Hashable; compiled code is kept for each object.
    """

    def __hash__(self) -> int: ...

    def scratch(self, table: jax.Array) -> PyTree:
        """A work buffer for a table [V, …], kept while a segment lasts.

        Its contents carry no information from step to step.
        """
        ...

    def combine(
        self, scratch: PyTree, ids: jax.Array, gradients: jax.Array, size: int
    ) -> tuple[PyTree, Touched]:
        """Says which place updates which row, with which gradient.

        Args:
          scratch: of `scratch`.
          ids: int[R], the rows that the step touches, with repeats.
          gradients: [R, …], of each occurrence.
          size: `V`.

        Returns:
          The buffer, and `P` places, `R` of most strategies. All targets below `V` must be
          different, if the state of a row is to be that of its summed gradient.
        """
        ...

    def add(self, table: jax.Array, targets: jax.Array, changes: jax.Array) -> jax.Array:
        """The table [V, …] with the changes [P, …] added to the rows ``targets``, int[P]."""
        ...

    def store(
        self, leaf: jax.Array, targets: jax.Array, old: jax.Array, new: jax.Array
    ) -> jax.Array:
        """A leaf of an optimizer's state, [V, …], with its rows ``targets`` updated.

        Args:
          leaf: the leaf before the step.
          targets: int[P], of `Touched`.
          old, new: [P, …], the rows of the leaf before and after the optimizer's update.
        """
        ...
