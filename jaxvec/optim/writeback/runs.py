"""Sums of runs of equal ids, by sorting: `Sorted`, and `run_sums` without atomics."""

import math

import jax
import jax.numpy as jnp
from jax import lax

from jaxvec.optim.writeback.contract import DROP, Touched

_BLOCK = 128  # places a block of `run_sums`: the side of its masks
_ALONE = 512  # so few places are one block


class Packed:
    """Sorts the ids, sums each run of equal ones, and updates each row once, in order.

    What is written is sorted and has no row twice, and XLA is told so: it need not guard
    against two writes to one row, which is what makes scatters slow on accelerators.
    """

    def scratch(self, table):
        """None needed."""
        return ()

    def combine(self, scratch, ids, gradients, size):
        """Sums in the first places, a place for each different id in order, zeros behind."""
        ids, gradients = _sorted(ids, gradients, size)
        run = jnp.cumsum(_begins(ids), dtype=ids.dtype) - 1
        targets = _beyond(ids, size).at[run].set(ids, indices_are_sorted=True)
        return scratch, Touched(targets, targets, self._sums(ids, run, gradients))

    def _sums(self, ids, run, gradients):
        return jax.ops.segment_sum(gradients, run, len(ids), indices_are_sorted=True)

    def add(self, table, targets, changes):
        """A scatter-add of different rows in order."""
        return table.at[targets].add(changes, **DROP, indices_are_sorted=True, unique_indices=True)

    def store(self, leaf, targets, old, new):
        """A scatter of different rows in order."""
        return leaf.at[targets].set(new, **DROP, indices_are_sorted=True, unique_indices=True)


class PackedProducts(Packed):
    """As `Packed`, the sums by `run_sums`."""

    def _sums(self, ids, run, gradients):
        places = jnp.arange(len(ids), dtype=run.dtype)
        first = jnp.full_like(run, len(ids)).at[run].min(places, indices_are_sorted=True)
        return run_sums(ids, gradients).at[first].get(mode="fill", fill_value=0)


class Products:
    """Sorts the ids, sums each run by `run_sums`, and writes the sum from the run's first place.

    The other places write nowhere, so that nothing is moved, and the rows that are written are
    different but not in order. No atomics: the same bits on each call, on GPUs too.
    """

    def scratch(self, table):
        """None needed."""
        return ()

    def combine(self, scratch, ids, gradients, size):
        """Sums in the first place of each run, parts of them in the others."""
        ids, gradients = _sorted(ids, gradients, size)
        targets = jnp.where(_begins(ids), ids, _beyond(ids, size))
        return scratch, Touched(ids, targets, run_sums(ids, gradients))

    def add(self, table, targets, changes):
        """A scatter-add of different rows."""
        return table.at[targets].add(changes, **DROP, unique_indices=True)

    def store(self, leaf, targets, old, new):
        """A scatter of different rows."""
        return leaf.at[targets].set(new, **DROP, unique_indices=True)


_FORMS = {"cpu": Packed(), "tpu": PackedProducts(), "default": Products()}


class Sorted:
    """Sorts the ids, sums each run of equal ones, and updates each row once.

    In the form that suits the device that it is compiled for: `Packed` for a CPU, where a
    scatter-add has one order and is faster than products; `PackedProducts` for a TPU, whose
    compiler sorts what it is not told to be sorted; `Products` for a GPU, with the fewest kernels.
    """

    def scratch(self, table):
        """None needed."""
        return ()

    def combine(self, scratch, ids, gradients, size):
        """Sums, in a place for each different id."""

        def of(form):
            return lambda ids, gradients: form.combine((), ids, gradients, size)[1]

        forms = {device: of(form) for device, form in _FORMS.items()}
        return scratch, lax.platform_dependent(ids, gradients, **forms)

    def add(self, table, targets, changes):
        """A scatter-add of different rows."""
        forms = {device: form.add for device, form in _FORMS.items()}
        return lax.platform_dependent(table, targets, changes, **forms)

    def store(self, leaf, targets, old, new):
        """A scatter of different rows."""
        forms = {device: form.store for device, form in _FORMS.items()}
        return lax.platform_dependent(leaf, targets, old, new, **forms)


def _sorted(ids, gradients, size):
    """In the order of the ids; ids of no row come last, as `V`."""
    ids = jnp.minimum(ids.astype(jnp.int32), size)
    order = jnp.argsort(ids)
    return ids[order], gradients[order]


def _begins(ids):
    """Whether a run of equal ids begins at a place, bool[R]."""
    return jnp.diff(ids, prepend=-1) != 0


def _beyond(ids, size):
    """Different rows, none of the table, int[R]."""
    return size + jnp.arange(len(ids), dtype=ids.dtype)


def run_sums(ids: jax.Array, values: jax.Array) -> jax.Array:
    """The sum of each run of equal ids, by products with masks: no scatter, no atomics.

    The ids are cut into blocks of 128. Within a block the sums are (ids equal ids) · values, a
    product of a [128, 128] mask. A run that goes on in the next blocks has their sums added, which
    are sums over runs of the blocks' first ids: the same problem, 128 times smaller.

    Args:
      ids: int[R], in order.
      values: [R, …], floats. One that is not finite spoils the sums of its block.

    Returns:
      [R, …]: at the first place of each run its sum; at its other places a part of it.

    >>> run_sums(jnp.array([1, 1, 4, 4, 4, 7]), jnp.arange(6.0))[jnp.array([0, 2, 5])].tolist()
    [1.0, 9.0, 5.0]
    """
    rows = values.reshape(len(ids), math.prod(values.shape[1:]))
    return _run_sums(ids, rows).reshape(values.shape)


def _run_sums(ids: jax.Array, rows: jax.Array) -> jax.Array:
    count = len(ids)
    if count <= _ALONE:
        return _within(ids[None], rows[None])[0]
    padding = -count % _BLOCK
    ids = jnp.pad(ids, (0, padding), mode="edge").reshape(-1, _BLOCK)
    rows = jnp.pad(rows, ((0, padding), (0, 0))).reshape(*ids.shape, -1)
    sums = _within(ids, rows)
    first, last = ids[:, 0], ids[:, -1]
    of_blocks = _run_sums(first, sums[:, 0])  # of all blocks that begin with an id, at their first
    goes_on = jnp.append(first[1:] == last[:-1], False)
    after = jnp.where(goes_on[:, None], jnp.roll(of_blocks, -1, axis=0), 0)
    sums += jnp.where((ids == last[:, None])[..., None], after[:, None], 0)
    sums = jnp.where((first == last)[:, None, None], of_blocks[:, None], sums)
    return sums.reshape(-1, sums.shape[-1])[:count]


def _within(ids: jax.Array, rows: jax.Array) -> jax.Array:
    """The sums over equal ids of each block [n, B]: [n, B, D] of rows [n, B, D]."""
    same = (ids[:, :, None] == ids[:, None, :]).astype(rows.dtype)
    return jnp.matmul(same, rows, precision=lax.Precision.HIGHEST)
