"""Words' vectors as means of several rows each: their own, and the rows of their n-grams.

Pure functions between tables and the losses of `sgns` and `cbow`, whose input vectors they make. A
batch has its n-grams in one array, each with the token that it is of: words have from none to a
hundred of them, and a rectangle would be mostly empty.

Letters: `V` vocabulary size, `B` buckets of n-grams, `D` vector size; in a batch, `T` tokens and
`R` places for their n-grams; `S` n-grams of the vocabulary.

References:
  Bojanowski et al. 2017, "Enriching Word Vectors with Subword Information".
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxvec.models import sgns
from jaxvec.models.checks import exportable
from jaxvec.models.tables import uniform_rows


@exportable
class Params(NamedTuple):
    """The tables, or one array per table: row ids, gathered rows, curvatures.

    Attributes:
      input: float[V, D], each word's own row.
      output: float[V, D], a vector per context word.
      ngrams: float[B, D], a row per bucket of n-grams.
    """

    input: jax.Array  # [V, D]
    output: jax.Array  # [V, D]
    ngrams: jax.Array  # [B, D]


class Lists(NamedTuple):
    """The n-grams of a vocabulary, and how much room a batch has for them.

    Attributes:
      ids: int[S], buckets: the n-grams of the first word, then of the second, ….
      offsets: int[V + 1], where the n-grams of each word begin.
      room: [R], an array whose length is the number of places; its values mean nothing.
    """

    ids: jax.Array  # int[S]
    offsets: jax.Array  # int[V + 1]
    room: Any  # [R]


class Ngrams(NamedTuple):
    """The n-grams of a batch's tokens, one after the other, then places that are empty.

    Attributes:
      ids: int[R], buckets; `B` or more in empty places.
      tokens: int[R], the token that each is of, 0 … T - 1; `T` in empty places.
      rows: float[T], of how many rows each token's vector is the mean, 1 or more.
    """

    ids: jax.Array  # int[R]
    tokens: jax.Array  # int[R]
    rows: jax.Array  # float[T]


def init(key: jax.Array, vocab_size: int, buckets: int, vector_size: int) -> Params:
    """The tables to begin with: `input` and `ngrams` uniform in ±1/(2D), `output` zero.

    Args:
      key: a `jax.random` key.
      vocab_size: `V`.
      buckets: `B`.
      vector_size: `D`.

    >>> init(jax.random.key(0), vocab_size=10, buckets=20, vector_size=4).ngrams.shape
    (20, 4)
    """
    words = sgns.init(key, vocab_size, vector_size)
    rows = vocab_size + jnp.arange(buckets, dtype=jnp.int32)
    return Params(*words, uniform_rows(key, rows, vector_size))


def listed(lists: Lists, tokens: jax.Array, used: jax.Array, buckets: int) -> tuple[Ngrams, Any]:
    """The n-grams of a batch's tokens, as far as there is room for them.

    Args:
      lists: of the vocabulary.
      tokens: word ids, int[T].
      used: which tokens' vectors are asked for, bool[T]; the others get no place.
      buckets: `B`.

    Returns:
      Their `Ngrams`, and which tokens have all of theirs, bool[T]: from the first one that finds no
      room on, none has any. A token without its n-grams must not be trained.

    >>> lists = Lists(jnp.array([7, 8, 9]), jnp.array([0, 2, 3]), room=jnp.zeros(5))
    >>> found, whole = listed(lists, jnp.array([1, 0, 1, 0]), jnp.ones(4, bool), buckets=10)
    >>> found.ids.tolist(), found.tokens.tolist(), found.rows.tolist(), whole.tolist()
    ([9, 7, 8, 9, 10], [0, 1, 1, 2, 4], [2.0, 3.0, 2.0, 3.0], [True, True, True, False])
    """
    starts, ends = lists.offsets[tokens], lists.offsets[tokens + 1]
    sizes = ends - starts
    wanted = jnp.where(used, sizes, 0)
    after = jnp.cumsum(wanted)
    places = jnp.arange(len(lists.room), dtype=after.dtype)
    whole = after <= len(places)
    taken = jnp.where(whole, wanted, 0)
    first = after - wanted
    # a token's number from its first place on: tokens without places are passed over
    steps = jnp.zeros(len(places) + 1, after.dtype).at[jnp.where(whole, first, len(places))].add(1)
    token = jnp.clip(jnp.cumsum(steps[:-1]) - 1, 0, len(tokens) - 1)
    inside = places < taken.sum()
    source = starts[token] + places - first[token]
    ids = lists.ids.at[source].get(mode="clip")
    ngrams = Ngrams(
        ids=jnp.where(inside, ids, buckets),
        tokens=jnp.where(inside, token, len(tokens)),
        rows=(1 + sizes).astype(jnp.float32),
    )
    return ngrams, whole


def composed(own: jax.Array, of_ngrams: jax.Array, ngrams: Ngrams) -> jax.Array:
    """The vector of each token: the mean of its word's own row z and the rows z_g of its n-grams,

        v = (z + Σ_g z_g) / n

    Args:
      own: the words' own rows, [T, D].
      of_ngrams: the rows at ``ngrams.ids``, [R, D]; what empty places have does not count.
      ngrams: of the `T` tokens.

    Returns:
      [T, D].

    >>> ngrams = Ngrams(jnp.array([4, 5]), jnp.array([0, 0]), jnp.array([3.0, 1.0]))
    >>> composed(jnp.array([[3.0], [1.0]]), jnp.array([[4.0], [5.0]]), ngrams).tolist()
    [[4.0], [1.0]]
    """
    return _total(own, of_ngrams, ngrams) / ngrams.rows[:, None]


def composed_for_steps(own: jax.Array, of_ngrams: jax.Array, ngrams: Ngrams) -> jax.Array:
    """`composed`, whose gradient by each of the `n` rows of a vector is the vector's own.

    By the mean's gradient a row would get an n-th of that, and a step of all n rows would move
    their mean by an n-th of what a step moves a vector that is one row: long words would learn
    slowly. So, as fastText does, the derivative is taken as that of the sum,

        dv = dz + Σ_g dz_g

    and a step of plain SGD moves v as it moves a vector of skip-gram without n-grams.

    Args:
      own, of_ngrams, ngrams: as for `composed`.
    """
    return _mean(_total(own, of_ngrams, ngrams), ngrams.rows)


def _total(own: jax.Array, of_ngrams: jax.Array, ngrams: Ngrams) -> jax.Array:
    return own.at[ngrams.tokens].add(of_ngrams, mode="drop", wrap_negative_indices=False)


@jax.custom_jvp
def _mean(total: jax.Array, rows: jax.Array) -> jax.Array:
    return total / rows[:, None]


@_mean.defjvp
def _mean_jvp(primals, tangents):
    total, rows = primals
    return _mean(total, rows), tangents[0]
