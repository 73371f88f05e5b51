"""Scores of words for a query, and their order, in NumPy; some functions take JAX arrays too.

Nothing here starts JAX. For many queries in one call see `neighbors`.

Letters: `V` vocabulary, `D` dimension, `P` positive and `N` negative words of a query.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, TypeVar

import numpy as np

if TYPE_CHECKING:
    import jax

Array = TypeVar("Array", "np.ndarray", "jax.Array")

EPSILON = 1e-6  # keeps 3CosMul's divisor from 0
_NUMBERS = 1 << 22  # of a table that are in memory as float32
DOUBT = 4e-6  # the error that a score made of float32 cosines may have


def unit(vectors: Array) -> Array:
    """Vectors [..., D] scaled to length 1, v / |v|; zero vectors stay.

    >>> unit(np.array([[3.0, 4.0], [0.0, 0.0]])).tolist()
    [[0.6, 0.8], [0.0, 0.0]]
    """
    lengths = (vectors * vectors).sum(axis=-1, keepdims=True) ** 0.5
    return vectors / (lengths + (lengths == 0).astype(lengths.dtype))


def norms(table: np.ndarray) -> np.ndarray:
    """The lengths of vectors [V, D], 1 for zero vectors: float32[V].

    >>> norms(np.array([[3.0, 4.0], [0.0, 0.0]])).tolist()
    [5.0, 1.0]
    """
    lengths = np.empty(len(table), np.float32)
    for start, rows in _blocks(table):
        lengths[start : start + len(rows)] = np.sqrt(np.einsum("vd,vd->v", rows, rows))
    return lengths + (lengths == 0)


def cosines(table: np.ndarray, lengths: np.ndarray, queries: np.ndarray) -> np.ndarray:
    """The cosines of vectors of length 1 with the rows of a table: float32[n, V].

    The table may be memory-mapped and of any floating dtype; no copy of it is made.

    Args:
      table: [V, D].
      lengths: its `norms`, [V].
      queries: of length 1, [n, D].

    >>> table = np.array([[3.0, 4.0], [0.0, 2.0]], np.float16)
    >>> print(cosines(table, norms(table), np.eye(2)[1:]))
    [[0.8 1. ]]
    """
    queries = np.asarray(queries, np.float32)
    found = np.empty((len(queries), len(table)), np.float32)
    for start, rows in _blocks(table):
        np.matmul(queries, rows.T, out=found[:, start : start + len(rows)])
    found /= lengths
    return found


def exact_cosines(table: np.ndarray, queries: np.ndarray) -> np.ndarray:
    """The cosines of vectors [n, D] with the rows of a table [V, D], of any length: float64[n, V].

    In float64: it orders vectors of nearly one direction, whose float32 cosines are all 1.

    Args:
      table: of any floating dtype; may be memory-mapped.
      queries: of any length.

    >>> far = np.array([[1e5, 0], [1e5, 1], [1e5, 2]], np.float32)
    >>> (1 - exact_cosines(far, far[:1])[0]).round(12).tolist()
    [0.0, 5e-11, 2e-10]
    """
    queries = unit(np.asarray(queries, np.float64))
    found = np.empty((len(queries), len(table)))
    for start, rows in _blocks(table, np.float64):
        np.einsum("nd,vd->nv", queries, unit(rows), out=found[:, start : start + len(rows)])
    return found


def _blocks(table: np.ndarray, dtype: type = np.float32) -> Iterator[tuple[int, np.ndarray]]:
    """The rows of a table in another dtype, in blocks, and the place of the first row of each."""
    held = max(1, _NUMBERS // max(1, table.shape[1]))
    for start in range(0, len(table), held):
        yield start, np.asarray(table[start : start + held], dtype)


def cosmul(pulls: Array, pushes: Array) -> Array:
    """The 3CosMul score of each word, [V], from its cosines with the words of a query.

    With cosines moved to 0 … 1, s(a, b) = (1 + a·b) / 2, the score of a word w is

        Π_p s(w, p) / (Π_n s(w, n) + 10⁻⁶)

    Args:
      pulls: cosines with the words that attract, [P, V].
      pushes: cosines with the words that repel, [N, V].

    >>> cosmul(np.array([[1.0, 0.0]]), np.array([[0.0, 1.0]])).round(3).tolist()
    [2.0, 0.5]

    References:
      Levy and Goldberg 2014, "Linguistic Regularities in Sparse and Explicit Word
      Representations".
    """
    return ((1 + pulls) / 2).prod(axis=0) / (((1 + pushes) / 2).prod(axis=0) + EPSILON)


def highest(scores: np.ndarray, topn: int) -> np.ndarray:
    """The places of the highest of scores[V], the highest first: int[min(topn, V)].

    Equal scores come in the order of their places, and NaN last.

    Args:
      scores: float[V].
      topn: the number of places.

    >>> highest(np.array([1.0, 3.0, 2.0, 3.0]), 3).tolist()
    [1, 3, 2]
    """
    negated = -scores
    places = np.arange(len(scores))
    if 0 < topn < len(scores):
        last = np.partition(negated, topn - 1)[topn - 1]
        places = np.flatnonzero(~(negated > last))
    return places[np.argsort(negated[places], kind="stable")[:topn]]


def in_doubt(scores: np.ndarray, topn: int) -> np.ndarray:
    """The places, rising, of all scores that may be among the highest, but for rounding errors.

    Args:
      scores: float[V], made of float32 cosines.
      topn: the number of highest scores.

    >>> in_doubt(np.array([0.1, 0.5, 0.7, 0.6999999]), 1).tolist()
    [2, 3]
    """
    if topn >= len(scores):
        return np.arange(len(scores))
    last = -np.partition(-scores, topn - 1)[topn - 1]
    return np.flatnonzero(~(scores < last - DOUBT * max(1, abs(last))))
