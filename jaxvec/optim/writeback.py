"""How the gradients of a row's copies are combined before they are written."""

from typing import Any

import jax
import jax.numpy as jnp

PyTree = Any


def slots_of(params: PyTree) -> PyTree:
    """For each table a place a row, for `combine_copies`."""
    return jax.tree.map(lambda table: jnp.zeros(len(table), jnp.int32), params)


def combine_copies(slots: jax.Array, ids: jax.Array, gradients: jax.Array):
    """Sums the gradients of equal ids into one of their places.

    The copies of a row find one of their places by `winners`. An id past the end (a row that is
    held, a step beyond the last) keeps its gradient in its own place; it is written nowhere.

    Returns:
      The slots; the sums [R, …], zero in the places that lost; and where to write each
      place's result: its id, or `V` (out of bounds) for the places that lost.
    """
    slots, winner = winners(slots, ids)
    places = jnp.arange(len(ids), dtype=slots.dtype)
    sums = jnp.zeros_like(gradients).at[winner].add(gradients)
    return slots, sums, jnp.where(winner == places, ids, len(slots))


def winners(slots: jax.Array, ids: jax.Array) -> tuple[jax.Array, jax.Array]:
    """The slots, and for each place one place of the same id, the same for all of that id.

    Every place is written to its id's slot; one write wins, and all places of the id read back
    which, so that nothing need be sorted or cleared. An id past the end has no slot: its place is
    its own.
    """
    places = jnp.arange(len(ids), dtype=slots.dtype)
    slots = slots.at[ids].set(places)
    return slots, jnp.where(ids < len(slots), slots[ids], places)
