"""Write-back: how the gradients of rows that a step touches more than once reach the tables.

A batch names some rows many times: frequent words, negatives that are drawn again. Each
occurrence brings a gradient of its own. The three strategies here combine them before, or
while, they are written. `V` rows a table, `R` occurrences a step.

An id of `V` or more names no row: its gradient is dropped. Ids are never negative.
"""

from typing import Any, Literal, NamedTuple, Protocol

import jax
import jax.numpy as jnp

PyTree = Any


class Touched(NamedTuple):
    """The rows of one table that a step updates, each in one of `R` places."""

    ids: jax.Array  # int[R], the row that a place reads, vector and state
    targets: jax.Array  # int[R], the row that it writes; V or more: none
    gradients: jax.Array  # [R, …], of the row


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
          The buffer, and the places. All targets below `V` must be different, if the state of
          a row is to be that of its summed gradient.
        """
        ...

    def add(self, table: jax.Array, targets: jax.Array, changes: jax.Array) -> jax.Array:
        """The table [V, …] with the changes [R, …] added to the rows ``targets``, int[R]."""
        ...

    def store(
        self, leaf: jax.Array, targets: jax.Array, old: jax.Array, new: jax.Array
    ) -> jax.Array:
        """A leaf of an optimizer's state, [V, …], with its rows ``targets`` updated.

        Args:
          leaf: the leaf before the step.
          targets: int[R], of `Touched`.
          old, new: [R, …], the rows of the leaf before and after the optimizer's update.
        """
        ...


class Slots:
    """Sums the gradients of equal ids by a scatter, and updates each row once. No sort.

    The scratch has a slot for each row. Each occurrence writes its position to the slot of its
    id; one write survives and names the winner, to whose gradient all occurrences of the id
    add theirs. Slots need no clearing: a step reads only slots that it wrote. The fastest way
    to sum on a CPU; an accelerator adds to equal rows one after the other.
    """

    def scratch(self, table):
        """int32[V]."""
        return jnp.zeros(len(table), jnp.int32)

    def combine(self, scratch, ids, gradients, size):
        """Sums in the winners' places, zeros in the others, which write nowhere."""
        slots, winner = winners(scratch, ids)
        places = jnp.arange(len(ids), dtype=slots.dtype)
        sums = jnp.zeros_like(gradients).at[winner].add(gradients)
        return slots, Touched(ids, jnp.where(winner == places, ids, size), sums)

    def add(self, table, targets, changes):
        """A scatter-add of different rows."""
        return table.at[targets].add(changes, mode="drop", wrap_negative_indices=False)

    def store(self, leaf, targets, old, new):
        """A scatter of different rows."""
        return leaf.at[targets].set(new, mode="drop", wrap_negative_indices=False)


_SORTED: Any = {"mode": "drop", "indices_are_sorted": True, "unique_indices": True}


class Sorted:
    """Sorts the ids, sums each run of equal ones, and updates each row once.

    What is written is sorted and has no row twice, and XLA is told so: it need not guard
    against two writes to one row, which is what makes scatters slow on accelerators.
    """

    def scratch(self, table):
        """None needed."""
        return ()

    def combine(self, scratch, ids, gradients, size):
        """Sums in the first places, a place for each different id in order, zeros behind."""
        ids = jnp.minimum(ids.astype(jnp.int32), size)
        order = jnp.argsort(ids)
        ids = ids[order]
        run = jnp.cumsum(jnp.diff(ids, prepend=-1) != 0, dtype=ids.dtype) - 1
        sums = jax.ops.segment_sum(gradients[order], run, len(ids), indices_are_sorted=True)
        beyond = size + jnp.arange(len(ids), dtype=ids.dtype)  # different rows, none of the table
        targets = beyond.at[run].set(ids, indices_are_sorted=True)
        return scratch, Touched(targets, targets, sums)

    def add(self, table, targets, changes):
        """A scatter-add of different rows in order."""
        return table.at[targets].add(changes, **_SORTED)

    def store(self, leaf, targets, old, new):
        """A scatter of different rows in order."""
        return leaf.at[targets].set(new, **_SORTED)


class Scatter:
    """A plain scatter-add: each occurrence for itself, from the state before the step.

    The changes of a row and of its state are added up. The cheapest on a CPU, and for SGD the
    same as a sum first. An accumulator of squares grows by Σ g² of the n occurrences in place
    of (Σ g)², which is at most n times as much; the step is the sum of their own. Not for
    state that decays, as Adam's.
    """

    def scratch(self, table):
        """None needed."""
        return ()

    def combine(self, scratch, ids, gradients, size):
        """All as they come."""
        return scratch, Touched(ids, ids, gradients)

    def add(self, table, targets, changes):
        """A scatter-add, of rows that repeat."""
        return table.at[targets].add(changes, mode="drop", wrap_negative_indices=False)

    def store(self, leaf, targets, old, new):
        """A scatter-add of the changes of all occurrences."""
        return leaf.at[targets].add(new - old, mode="drop", wrap_negative_indices=False)


Name = Literal["slots", "sorted", "scatter"]

STRATEGIES: dict[str, WriteBack] = {"slots": Slots(), "sorted": Sorted(), "scatter": Scatter()}
"""The strategies by name."""


def resolve(write_back: Name | WriteBack) -> WriteBack:
    """A strategy by name; any other object as it is.

    Raises:
      ValueError: if there is no strategy of that name.
    """
    if not isinstance(write_back, str):
        return write_back
    if write_back not in STRATEGIES:
        raise ValueError(
            f"write_back must be one of {', '.join(STRATEGIES)}, or a WriteBack; got {write_back!r}"
        )
    return STRATEGIES[write_back]


def winners(slots: jax.Array, ids: jax.Array) -> tuple[jax.Array, jax.Array]:
    """The slots after a step, and a winner for each of its `R` occurrences.

    Args:
      slots: int32[V], of `Slots.scratch`.
      ids: int[R], `V` or more for no row.

    Returns:
      The slots, and int32[R]: a position of the same id, the same one for all occurrences of
      that id. An occurrence of no row is its own winner.
    """
    places = jnp.arange(len(ids), dtype=slots.dtype)
    slots = slots.at[ids].set(places)
    return slots, jnp.where(ids < len(slots), slots[ids], places)
