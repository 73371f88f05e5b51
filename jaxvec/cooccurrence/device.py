"""Counting co-occurrences of a stretch of text on a JAX device: `lax.sort` and segment sums."""

import functools
from collections.abc import Callable, Iterator
from typing import TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from jaxvec.cooccurrence.settings import Means, Settings, both_directions, id_bits
from jaxvec.storage.arrays import release, still_whole
from jaxvec.storage.runs import Run
from jaxvec.text.corpus import Corpus

T = TypeVar("T")

MOST_PAIRS = 1 << 25
"""Pairs that are counted at once."""


def counter(
    corpus: Corpus, window: int, settings: Settings, means: Means
) -> Callable[[int, int, Callable[[Run], T]], Iterator[T]]:
    """Returns ``cells(start, stop, then)``: yields ``then(run)`` for the cells of the pairs whose
    left word is in tokens start … stop, at most `MOST_PAIRS` of them.

    Args:
      corpus: the text.
      window: the largest distance that occurs.
      settings: the options of `count`; mirrored cells are added on the host.
      means: of the host: not used.

    Raises:
      ValueError: if a word id and a distance need more than 32 bits.
    """
    if len(corpus.vocab) * window >= 2**32:
        raise ValueError(
            f"{len(corpus.vocab)} words and a window of {window} do not fit into 32 bits: count "
            "on the host, raise min_count or lower the window"
        )

    bits, unit = id_bits(len(corpus.vocab)), settings.unit()
    tokens = max(1, min(MOST_PAIRS // window, len(corpus)))

    def cells(start: int, stop: int, then: Callable[[Run], T]) -> Iterator[T]:
        ids = np.zeros(tokens + window, np.int32)
        documents = np.full(tokens + window, -1, np.int32)
        still_whole(corpus.ids)
        text = corpus.ids[start : stop + window]
        ids[: len(text)] = text
        release(corpus.ids)
        documents[: len(text)] = corpus.document_numbers(start, start + len(text))
        sums, low, high, found = sum_pairs(
            ids, documents, stop - start, window, settings.distance_weighting
        )
        keys = np.asarray(low[:found]).astype(np.int64) << bits
        units = np.round(np.asarray(sums[:found]).astype(np.float64) * unit).astype(np.int64)
        run = Run(keys | np.asarray(high[:found]), units)
        yield then(both_directions(run, bits) if settings.symmetric else run)

    return cells


@functools.partial(jax.jit, static_argnames=("window", "distance_weighting"))
def sum_pairs(
    ids: jax.Array,
    documents: jax.Array,
    lefts: jax.Array | int,
    window: int,
    distance_weighting: bool = True,
) -> tuple[jax.Array, jax.Array, jax.Array, jax.Array]:
    """Sums the pairs whose left word is one of the first `T` tokens, cell by cell.

    Args:
      ids: int32[T + W].
      documents: int32[T + W], the document of each token; -1 for padding.
      lefts: only the first of these tokens are left words, at most `T`.
      window: `W`, the largest distance.
      distance_weighting: add 1/d for a pair; else 1.

    Returns:
      (sums, rows, columns, found): float32[T · W] and twice uint32[T · W], of which the first
      `found` entries are cells, in rising order of (row, column). A cell adds up pairs of equal
      distance first, as their number times 1/d, so that its sum has the error of at most W
      additions.

    >>> sums, rows, columns, found = sum_pairs(
    ...     jnp.array([0, 1, 0, 0]), jnp.array([0, 0, 0, -1]), 3, 1)
    >>> sums[:found].tolist(), rows[:found].tolist(), columns[:found].tolist()
    ([1.0, 1.0], [0, 1], [1, 0])
    """
    length = len(ids) - window
    left = jnp.broadcast_to(ids[:length], (window, length))
    right = jnp.stack([ids[d : d + length] for d in range(1, window + 1)])
    document = jnp.stack([documents[d : d + length] for d in range(1, window + 1)])
    real = (document == documents[None, :length]) & (document >= 0)
    real &= (jnp.arange(length) < lefts)[None, :]
    distance = jnp.arange(window, dtype=jnp.uint32)[:, None]  # d - 1
    none = jnp.uint32(2**32 - 1)  # row of padding and across documents: sorts to the end
    row = jnp.where(real, left.astype(jnp.uint32), none).reshape(-1)
    rest = (right.astype(jnp.uint32) * jnp.uint32(window) + distance).reshape(-1)
    row, rest = lax.sort((row, rest), num_keys=2)

    column, distance = rest // window, rest % window
    new_cell = _differs(row) | _differs(column)
    new = new_cell | _differs(rest)
    places = jnp.arange(len(row))
    following = lax.cummin(jnp.where(new, places, len(row)), reverse=True)
    times = jnp.append(following[1:], len(row)) - places  # number of equal (row, column, d)
    weight = times.astype(jnp.float32)
    if distance_weighting:
        weight /= (distance + 1).astype(jnp.float32)
    cell = jnp.cumsum(new_cell) - 1
    sums = jax.ops.segment_sum(jnp.where(new, weight, 0), cell, len(row), indices_are_sorted=True)
    rows, columns = (jnp.zeros_like(row).at[cell].set(part) for part in (row, column))
    return sums, rows, columns, (new_cell & (row != none)).sum()


def _differs(sorted_values: jax.Array) -> jax.Array:
    """bool[N]: whether each value differs from the one before; True for the first."""
    return jnp.append(True, sorted_values[1:] != sorted_values[:-1])
