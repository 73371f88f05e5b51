"""The frequent rows by a product: `Head`."""

import dataclasses
import math

import jax.numpy as jnp
from jax import lax

from jaxvec.optim.writeback.contract import Touched, WriteBack
from jaxvec.optim.writeback.runs import Sorted


@dataclasses.dataclass(frozen=True)
class Head:
    """Sums the gradients of the first rows by a product with a one-hot matrix.

        sums = onehot(ids)ᵀ · gradients        [H, R] · [R, D]

    They are added to the first H rows as one slice, and the others are left to another strategy.
    Vocabularies are sorted by frequency: these few rows have most of the occurrences, whose
    additions one after the other the product does away with. For H rows it takes 2 · H · R · D
    operations, too many for a CPU.

    Attributes:
      rows: H; of a smaller table all.
      tail: the strategy of rows H and up. If it takes occurrences apart, the first rows are still
        summed first: only for rules to which that is the same, as SGD.
    """

    rows: int = 256
    tail: WriteBack = dataclasses.field(default_factory=Sorted)

    def __post_init__(self):
        if self.rows < 1:
            raise ValueError(f"rows must be 1 or more; got {self.rows}")

    def scratch(self, table):
        """Of the tail."""
        return self.tail.scratch(table)

    def combine(self, scratch, ids, gradients, size):
        """A place for each of the first H rows; then the places of the tail."""
        places = jnp.arange(min(self.rows, size), dtype=jnp.int32)
        ids = ids.astype(places.dtype)
        onehot = places[:, None] == ids[None]
        flat = gradients.reshape(len(ids), math.prod(gradients.shape[1:]))
        sums = jnp.matmul(onehot.astype(flat.dtype), flat, precision=lax.Precision.HIGHEST)
        sums = sums.reshape(len(places), *gradients.shape[1:])
        beyond = jnp.where(ids < len(places), size, ids)
        scratch, tail = self.tail.combine(scratch, beyond, gradients, size)
        head = Touched(places, jnp.where(onehot.any(1), places, size), sums)
        return scratch, Touched(*map(_joined, head, tail))

    def add(self, table, targets, changes):
        """A sum of slices, then as the tail does. Rows without occurrence stay."""
        count = min(self.rows, len(table))
        hit = _as_column(targets[:count] < len(table), table)
        first = table[:count] + jnp.where(hit, changes[:count], 0)
        table = lax.dynamic_update_slice_in_dim(table, first, 0, 0)
        return self.tail.add(table, targets[count:], changes[count:])

    def store(self, leaf, targets, old, new):
        """A slice, then as the tail does. Rows without occurrence keep their state."""
        count = min(self.rows, len(leaf))
        hit = _as_column(targets[:count] < len(leaf), leaf)
        first = jnp.where(hit, new[:count], old[:count])
        leaf = lax.dynamic_update_slice_in_dim(leaf, first, 0, 0)
        return self.tail.store(leaf, targets[count:], old[count:], new[count:])


def _joined(first, second):
    return jnp.concatenate([first, second.astype(first.dtype)])


def _as_column(flags, array):
    return flags.reshape(len(flags), *(1,) * (array.ndim - 1))
