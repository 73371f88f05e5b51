"""Strategies that take the occurrences of a row apart: each brings its own change.

The rule sees every occurrence by itself, from the state before the step, and the changes of a row
and of its state are added up. For SGD that is the same as a sum first. An accumulator of squares
grows by Σ g² of the n occurrences in place of (Σ g)², which is at most n times as much; the step
is the sum of their own. Not for state that decays, as Adam's.
"""

import jax.numpy as jnp

from jaxvec.optim.writeback.contract import DROP, Touched


class Scatter:
    """A plain scatter-add, of the occurrences as they come. The cheapest on a CPU."""

    def scratch(self, table):
        """None needed."""
        return ()

    def combine(self, scratch, ids, gradients, size):
        """All as they come."""
        return scratch, Touched(ids, ids, gradients)

    def add(self, table, targets, changes):
        """A scatter-add, of rows that repeat."""
        return table.at[targets].add(changes, **DROP)

    def store(self, leaf, targets, old, new):
        """A scatter-add of the changes of all occurrences."""
        return leaf.at[targets].add(new - old, **DROP)


class SortedScatter:
    """A scatter-add of the occurrences in the order of their ids, which XLA is told.

    On GPUs XLA then adds equal rows in registers, and writes a row with one atomic for each stretch
    of it that a thread holds.
    """

    def scratch(self, table):
        """None needed."""
        return ()

    def combine(self, scratch, ids, gradients, size):
        """All, in the order of the ids; ids of no row come last, as `V`."""
        ids = jnp.minimum(ids.astype(jnp.int32), size)
        order = jnp.argsort(ids)
        ids = ids[order]
        return scratch, Touched(ids, ids, gradients[order])

    def add(self, table, targets, changes):
        """A scatter-add, of rows that repeat, in order."""
        return table.at[targets].add(changes, **DROP, indices_are_sorted=True)

    def store(self, leaf, targets, old, new):
        """A scatter-add of the changes of all occurrences, in order."""
        return leaf.at[targets].add(new - old, **DROP, indices_are_sorted=True)
