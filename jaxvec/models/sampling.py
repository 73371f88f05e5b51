"""Random choices of word2vec training: negatives, subsampling, window sizes.

`V` is the size of the vocabulary. Tables are made once on the host in float64; draws are
made in batches from `jax.random` keys, inside compiled code.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np


class AliasTable(NamedTuple):
    """A distribution over `V` words from which one draw costs O(1), whatever `V`.

    A draw picks one of the `V` words evenly, and keeps it with the word's own
    probability or else takes its alias (Walker 1977).
    """

    keep: jax.Array  # uint32[V], probability to keep, in units of 2^-32
    alias: jax.Array  # int32[V]


def noise_distribution(counts: np.ndarray, exponent: float = 0.75) -> np.ndarray:
    """The noise of negative sampling: counts^exponent / Σ counts^exponent, float64[V].

    Mikolov et al. 2013, "Distributed Representations of Words and Phrases and their
    Compositionality", use 0.75. Words that never occur are never drawn.

    >>> noise_distribution(np.array([16, 1, 0]))
    array([0.88888889, 0.11111111, 0.        ])
    """
    counts = np.asarray(counts, np.float64)
    if not (counts > 0).any():
        raise ValueError("the noise distribution needs at least one word with a count above 0")
    # of logarithms, and relative to the largest: no power of a count overflows
    logs = exponent * np.log(np.where(counts > 0, counts, 1))
    powers = np.where(counts > 0, np.exp(logs - logs[counts > 0].max()), 0)
    return powers / powers.sum()


def alias_table(distribution: np.ndarray) -> AliasTable:
    """The alias table of a distribution over `V` words, which need not sum to 1.

    Words with less than their even share are filled up by the words with more, both
    taken in order, so that who fills whom follows from two cumulative sums.

    Args:
      distribution: weights [V], finite, none negative, not all zero.

    Raises:
      ValueError: if the weights are not such.

    >>> alias_table([3.0, 1.0]).alias.tolist()
    [0, 0]
    """
    weights = np.asarray(distribution, np.float64)
    if weights.ndim != 1 or not np.isfinite(weights).all() or (weights < 0).any():
        raise ValueError("a distribution must be a vector of finite weights, none below 0")
    if weights.sum() <= 0:
        raise ValueError("a distribution needs at least one weight above 0")
    share = weights / weights.sum() * len(weights)
    share[weights.argmax()] = max(share.max(), 1.0)  # not below its even share by rounding
    alias = np.arange(len(weights))
    keep = np.minimum(share, 1)
    poor, rich = np.flatnonzero(share < 1), np.flatnonzero(share >= 1)
    lacks, spares = np.cumsum(1 - share[poor]), np.cumsum(share[rich] - 1)
    # poor word i is filled by the first rich word that has some left once all before i are full
    helper = np.searchsorted(spares, lacks - (1 - share[poor]), side="right")
    alias[poor] = rich[np.minimum(helper, len(rich) - 1)]
    # the last word that rich word j fills takes more than it has left: j + 1 fills j in turn
    last = np.searchsorted(lacks, spares, side="right")
    overdrawn = last < len(poor)
    overdrawn[-1] = False
    j = np.flatnonzero(overdrawn)
    keep[rich[j]] = 1 + spares[j] - lacks[last[j]]
    alias[rich[j]] = rich[j + 1]
    return AliasTable(
        keep=jnp.asarray(_probability_bits(keep)), alias=jnp.asarray(alias, jnp.int32)
    )


def draw(table: AliasTable, bits: jax.Array) -> jax.Array:
    """One word id per pair of random words: uint32[..., 2] -> int32[...]."""
    word = scale(bits[..., 0], len(table.alias))
    return jnp.where(bits[..., 1] < table.keep[word], word, table.alias[word])


def negatives(
    key: jax.Array, shape: tuple[int, ...], vocab_size: int, table: AliasTable | None = None
) -> jax.Array:
    """Independent draws of word ids, int32[shape].

    Args:
      key: a `jax.random` key.
      shape: how many.
      vocab_size: `V`.
      table: the distribution; without one, every word is equally likely.

    >>> table = alias_table(noise_distribution(np.array([10, 5, 1])))
    >>> negatives(jax.random.key(0), (2, 5), 3, table).shape
    (2, 5)
    """
    if table is None:
        return scale(random_words(key, shape), vocab_size)
    if len(table.alias) != vocab_size:
        raise ValueError(f"a table of {len(table.alias)} words, but vocab_size={vocab_size}")
    return draw(table, random_words(key, (*shape, 2)))


def random_words(key: jax.Array, shape: tuple[int, ...]) -> jax.Array:
    """Random bits, uint32[shape], in 64-bit mode too, where JAX by itself draws 64 at a time."""
    return jax.random.bits(key, shape, jnp.uint32)


def scale(bits: jax.Array, n: int) -> jax.Array:
    """floor(bits · n / 2^32): uint32[...] -> int32[...] evenly in 0 … n - 1.

    Exact in 32-bit arithmetic, by halves of 16 bits.
    """
    low, high = bits & 0xFFFF, bits >> 16
    n_low, n_high = n & 0xFFFF, n >> 16
    middle = high * n_low + ((low * n_low) >> 16)
    carry = low * n_high + (middle & 0xFFFF)
    return (high * n_high + (middle >> 16) + (carry >> 16)).astype(jnp.int32)


def shares(counts: np.ndarray) -> np.ndarray:
    """Each word's share of all tokens, float64[V]; above 0 for words that do not occur."""
    counts = np.asarray(counts, np.float64)
    return np.maximum(counts, 1e-9) / counts.sum()


def keep_probability(counts: np.ndarray, sample: float) -> np.ndarray:
    """word2vec's subsampling: min(1, sqrt(t/f) + t/f), float64[V].

    f is a word's share of all tokens and t is `sample`; 0 keeps everything.

    >>> keep_probability(np.array([900, 100]), 0.1).round(3)
    array([0.444, 1.   ])
    """
    if sample < 0:
        raise ValueError(f"sample must be 0 (keep all) or positive; got {sample}")
    if sample == 0:
        return np.ones(len(counts))
    ratio = sample / shares(counts)
    return np.minimum(1, np.sqrt(ratio) + ratio)


def keep_thresholds(probability: np.ndarray) -> jax.Array:
    """Probabilities [V] as uint32[V] that `subsample` compares random words with."""
    return jnp.asarray(_probability_bits(probability))


def subsample(
    key: jax.Array, ids: jax.Array, docs: jax.Array, thresholds: jax.Array
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Keeps each token with its word's probability and closes the gaps.

    Args:
      key: a `jax.random` key.
      ids: token ids, int32[S].
      docs: the document each token is in, int32[S]; -1 where there is no token.
      thresholds: from `keep_thresholds`, uint32[V].

    Returns:
      ``(ids, docs, count)``: the `count` tokens that are left, in order, and after them
      id 0 and document -1.
    """
    kept = (random_words(key, ids.shape) <= thresholds[ids]) & (docs >= 0)
    place = jnp.cumsum(kept, dtype=jnp.int32)
    target = jnp.where(kept, place - 1, len(ids))
    return (
        jnp.zeros_like(ids).at[target].set(ids, mode="drop"),
        jnp.full_like(docs, -1).at[target].set(docs, mode="drop"),
        place[-1],
    )


def window_weights(
    docs: jax.Array,
    reach: jax.Array,
    window: int,
    *,
    symmetric: bool = True,
) -> jax.Array:
    """Which words of a stretch of text are context of which: 1 or 0, float32[M, M + 2W].

    Args:
      docs: the documents of `M` centers with `W` tokens before and after, int32[M + 2W];
        -1 where there is no token.
      reach: how far each center looks, int32[M], at most `window`.
      window: `W`.
      symmetric: whether the words before a center are context too, or those after it alone.

    >>> docs = jnp.array([0, 0, 0, 1, 1, -1])
    >>> window_weights(docs, jnp.array([2, 1]), 2).tolist()
    [[1.0, 1.0, 0.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0, 1.0, 0.0]]
    >>> window_weights(docs, jnp.array([2, 1]), 2, symmetric=False).tolist()
    [[0.0, 0.0, 0.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0, 1.0, 0.0]]
    """
    own = docs[window:-window]
    places = jnp.arange(len(docs), dtype=jnp.int32)
    after = places[None] - window - places[: len(own), None]
    offset = jnp.abs(after)
    near = (offset > 0) & (offset <= reach[:, None])
    same = (docs[None] == own[:, None]) & (own >= 0)[:, None]
    if not symmetric:
        near &= after > 0
    return (near & same).astype(jnp.float32)


def _probability_bits(probability: np.ndarray) -> np.ndarray:
    return np.minimum(np.asarray(probability) * 2.0**32, 2**32 - 1).astype(np.uint32)
