"""Scores of words for a query, and their order, in NumPy; some functions take JAX arrays too.

Nothing here starts JAX. For many queries in one call see `neighbors`.

Letters: `V` vocabulary, `D` dimension, `P` positive and `N` negative words of a query.
"""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from numpy.typing import DTypeLike

if TYPE_CHECKING:
    import jax

Array = TypeVar("Array", "np.ndarray", "jax.Array")

EPSILON = 1e-6  # keeps 3CosMul's divisor from 0
_NUMBERS = 1 << 22  # of a table that are in memory as float32
_SHORT, _LONG = 1e-15, 1e18  # lengths whose squares float32 holds to all digits
DOUBT = 4e-6  # the error that a score made of float32 cosines may have


def unit(vectors: Array) -> Array:
    """Vectors [..., D] scaled to length 1, v / |v|; zero vectors stay.

    Where squares would be too large or too small for the dtype, vectors are first scaled by a power
    of two, that of their largest component, which is exact.

    >>> unit(np.array([[3.0, 4.0], [0.0, 0.0]])).tolist()
    [[0.6, 0.8], [0.0, 0.0]]
    >>> print(unit(np.array([[3e30, 4e30], [3e-30, 4e-30]], np.float32)).round(6))
    [[0.6 0.8]
     [0.6 0.8]]
    """
    space = vectors.__array_namespace__()
    if not isinstance(vectors, np.ndarray) or not _squares_fit(vectors):
        largest = abs(vectors).max(axis=-1, keepdims=True, initial=0)
        vectors = space.ldexp(vectors, -space.frexp(largest)[1])
    lengths = (vectors * vectors).sum(axis=-1, keepdims=True) ** 0.5
    return vectors / (lengths + (lengths == 0).astype(lengths.dtype))


def _squares_fit(vectors: np.ndarray) -> bool:
    """Whether sums of squares neither overflow in the dtype nor lose digits below its range."""
    with np.errstate(over="ignore"):
        sums = np.einsum("...d,...d->...", vectors, vectors)
    about = np.finfo(sums.dtype)
    return bool(((sums > about.tiny / about.eps) & (sums < about.max)).all())


def units(table: np.ndarray) -> np.ndarray:
    """Vectors [V, D] of any floating dtype scaled to length 1: float32[V, D].

    >>> units(np.array([[3e200, 4e200]])).dtype
    dtype('float32')
    """
    wide = table.dtype == np.float64  # whose numbers may exceed float32
    scaled = unit(table if wide else table.astype(np.float32, copy=False))
    return scaled.astype(np.float32, copy=False)


def not_finite(rows: np.ndarray, start: int = 0) -> int | None:
    """The place of the first row with NaN or infinity, or None.

    Args:
      rows: [n, D], of any floating dtype.
      start: the place of the first of them.

    >>> not_finite(np.array([[0.0], [np.inf]]), start=5), not_finite(np.eye(2))
    (6, None)
    """
    for first, part in _blocks(rows, None):
        finite = np.isfinite(part)
        if not finite.all():
            return start + first + int(np.flatnonzero(~finite.all(axis=1))[0])
    return None


def check_finite(words: Sequence[str], rows: np.ndarray) -> None:
    """Refuses vectors with NaN or infinity.

    Args:
      words: `n`.
      rows: of each, [n, D].

    Raises:
      ValueError: by the word of the first one.
    """
    bad = not_finite(rows)
    if bad is not None:
        raise ValueError(
            f"the vector of {words[bad]!r}, at place {bad}, holds NaN or infinity, and so "
            "would its scores: leave it out, or train it anew"
        )


def norms(table: np.ndarray) -> np.ndarray:
    """The lengths of vectors [V, D], 1 for zero vectors: float32[V], or float64[V] of float64.

    >>> norms(np.array([[3.0, 4.0], [0.0, 0.0]])).tolist()
    [5.0, 1.0]
    """
    dtype = np.promote_types(table.dtype, np.float32)
    lengths = np.empty(len(table), dtype)
    for start, rows in _blocks(table, dtype):
        part = lengths[start : start + len(rows)]
        with np.errstate(over="ignore"):
            np.sqrt(np.einsum("vd,vd->v", rows, rows), out=part)
        odd = np.flatnonzero(_extreme(part))
        if len(odd):
            wide = rows[odd].astype(np.float64)
            powers = np.frexp(abs(wide).max(axis=1, initial=0))[1]
            wide = np.ldexp(wide, -powers[:, None])
            with np.errstate(over="ignore"):
                part[odd] = np.ldexp(np.sqrt(np.einsum("vd,vd->v", wide, wide)), powers)
    return lengths + (lengths == 0)


def _extreme(lengths: np.ndarray) -> np.ndarray:
    """Which vectors are too long or too short for squares in float32, or are 0: bool[n]."""
    return ~((lengths > _SHORT) & (lengths < _LONG))


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
    for start, rows in _blocks(table, None):
        stop = start + len(rows)
        if _extreme(lengths[start:stop]).any():
            np.matmul(queries, units(rows).T, out=found[:, start:stop])
            continue
        np.matmul(queries, np.asarray(rows, np.float32).T, out=found[:, start:stop])
        found[:, start:stop] /= lengths[start:stop]
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


def _blocks(table: np.ndarray, dtype: DTypeLike | None) -> Iterator[tuple[int, np.ndarray]]:
    """The rows of a table in another dtype, or as they are, in blocks, and the first's place."""
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
