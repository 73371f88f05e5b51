"""Nearest words of many queries in one compiled call, by cosine, 3CosMul or distance.

Pure functions on arrays. For a single query see `ranking`, which compiles nothing.

Letters: `V` vocabulary, `D` dimension, `Q` queries, `P` positive and `N` negative words of a
query, `X` words that it excludes.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxvec.vectors.ranking import cosmul, unit

_SCORES = 1 << 24  # scores in memory: 64 MiB
_UNROLL = 4  # dimensions that one pass over the sums adds


class Top(NamedTuple):
    """The best words of each query, the best first; equal ones in the order of their places."""

    scores: jax.Array  # float[Q, topn], -inf where fewer words are left
    indices: jax.Array  # int32[Q, topn]


@partial(jax.jit, static_argnames=("topn", "recall"))
def cosine_top(
    units: jax.Array,
    queries: jax.Array,
    topn: int,
    exclude: jax.Array | None = None,
    recall: float | None = None,
) -> Top:
    """The words whose vectors u have the highest cosines u·q / |q| with each query q.

    Queries are scored in batches of a few hundred, so that memory does not grow with `Q`. Words
    are equal if their cosines are, in the dtype of the units.

    Args:
      units: vectors of length 1, float[V, D]; see `ranking.unit`.
      queries: float[Q, D], of any length.
      topn: the number of words for each query, at most `V`.
      exclude: int[Q, X], the places that each query excludes; `V` stands for none.
      recall: the expected share of the best words that are found, above 0 and below 1, for an
        approximate search that accelerators finish sooner; on a CPU it is exact. None for the
        exact one.

    Raises:
      ValueError: if `topn` is above `V`, or `recall` out of bounds.

    References:
      Chern et al. 2022, "TPU-KNN: K Nearest Neighbor Search at Peak FLOP/s", for `recall`.

    >>> units = unit(jnp.array([[1.0, 0.0], [1.0, 1.0], [0.0, 1.0]]))
    >>> top = cosine_top(units, units[:2], topn=2, exclude=jnp.array([[0], [1]]))
    >>> top.indices.tolist()
    [[1, 2], [0, 2]]
    >>> print(top.scores.round(2))
    [[0.71 0.  ]
     [0.71 0.71]]
    """
    if recall is not None and not 0 < recall < 1:
        raise ValueError(f"recall must be above 0 and below 1, or None; got {recall}")
    return _top(lambda query: query @ units.T, unit(queries), exclude, len(units), topn, recall)


@partial(jax.jit, static_argnames="topn")
def cosmul_top(
    units: jax.Array,
    positive: jax.Array,
    negative: jax.Array,
    topn: int,
    exclude: jax.Array | None = None,
) -> Top:
    """The words with the highest score by `ranking.cosmul` for each query; see `cosine_top`.

    Args:
      units: vectors of length 1, float[V, D].
      positive: vectors that attract, of any length, float[Q, P, D].
      negative: vectors that repel, of any length, float[Q, N, D].
      topn: the number of words for each query, at most `V`.
      exclude: int[Q, X], the places that each query excludes; `V` stands for none.

    Raises:
      ValueError: if `topn` is above `V`.

    >>> units = unit(jnp.array([[1.0, 0.0], [1.0, 1.0], [0.0, 1.0]]))
    >>> top = cosmul_top(units, units[None, 1:2], units[None, :1], 1, jnp.array([[0, 1]]))
    >>> top.indices.tolist()
    [[2]]
    """
    terms = unit(positive), unit(negative)
    return _top(
        lambda pair: cosmul(pair[0] @ units.T, pair[1] @ units.T), terms, exclude, len(units), topn
    )


def squared_distances(queries: jax.Array, vectors: jax.Array) -> jax.Array:
    """|q - v|² of each query q and vector v, [Q, V], summed one dimension after another.

    Not |q|² - 2 q·v + |v|²: far from 0 that rounds the differences away, and on a core is no
    quicker. The result is in memory as a whole: call it on batches of queries.

    Args:
      queries: float[Q, D].
      vectors: float[V, D].

    >>> far = 2.0**20
    >>> squared_distances(jnp.array([[far, 1.0]]), jnp.array([[far, 1.5], [far + 2, 1]])).tolist()
    [[0.25, 4.0]]
    """
    queries, vectors = queries.T, vectors.T

    def add(d: jax.Array, sums: jax.Array) -> jax.Array:
        return sums + jnp.square(queries[d][:, None] - vectors[d][None])

    dtype = jnp.result_type(queries, vectors)
    nothing = jnp.zeros((queries.shape[1], vectors.shape[1]), dtype)
    return jax.lax.fori_loop(0, len(queries), add, nothing, unroll=_UNROLL)


def _top(
    score: Callable[[Any], jax.Array],
    queries: Any,
    exclude: jax.Array | None,
    size: int,
    topn: int,
    recall: float | None = None,
) -> Top:
    """Ranks the scores [V] of each query, in batches of queries."""
    if topn > size:
        raise ValueError(f"topn={topn} of {size} words: give {size} at most")
    if exclude is None:
        exclude = jnp.zeros((len(jax.tree.leaves(queries)[0]), 0), jnp.int32)

    def best(query):
        terms, left_out = query
        scores = score(terms).at[left_out].set(-jnp.inf, mode="drop")
        if recall is None:
            return jax.lax.top_k(scores, topn)
        return tuple(jax.lax.approx_max_k(scores, topn, recall_target=recall))

    with jax.default_matmul_precision("highest"):
        return Top(*jax.lax.map(best, (queries, exclude), batch_size=max(1, _SCORES // size)))
