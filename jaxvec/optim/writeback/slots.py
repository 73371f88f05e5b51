"""Sums by a scatter into the place of one occurrence of each row: `Slots`."""

import jax
import jax.numpy as jnp

from jaxvec.optim.writeback.contract import DROP, Touched


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
        return table.at[targets].add(changes, **DROP)

    def store(self, leaf, targets, old, new):
        """A scatter of different rows."""
        return leaf.at[targets].set(new, **DROP)


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
