"""Random draws of word2vec training: negatives, subsampling, window sizes.

Tables over the vocabulary are computed once on the host in float64. Draws are batches inside
compiled code, from `jax.random` keys or from random bits that a caller drew.

Letters: `V` vocabulary size, `K` negatives per pair; `S` tokens of a segment; `M` centers of a
block, `W` window, `X` = M + 2W tokens of a block with its margins.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from jaxvec.models.threefry import random_bits as random_bits


class AliasTable(NamedTuple):
    """A distribution over `V` words for Walker's alias method: a draw costs O(1) for any `V`.

    A draw picks a word uniformly; it keeps the word with probability `keep`, and returns the
    word's `alias` otherwise.

    Attributes:
      keep: uint32[V], the probability to keep each word, in units of 2^-32.
      alias: int32[V], the word id returned otherwise.

    References:
      Walker 1977, "An Efficient Method for Generating Discrete Random Variables with General
      Distributions".
    """

    keep: jax.Array  # uint32[V]
    alias: jax.Array  # int32[V]


def noise_distribution(counts: np.ndarray, exponent: float = 0.75) -> np.ndarray:
    """The noise distribution of negative sampling: counts^exponent / Σ counts^exponent.

    Words with count 0 have probability 0.

    Args:
      counts: of the words, [V].
      exponent: 0.75 in word2vec; 0 for a uniform distribution.

    Returns:
      Probabilities, float64[V].

    Raises:
      ValueError: if no count is above 0.

    References:
      Mikolov et al. 2013, "Distributed Representations of Words and Phrases and their
      Compositionality".

    >>> noise_distribution(np.array([16, 1, 0]))
    array([0.88888889, 0.11111111, 0.        ])
    """
    counts = np.asarray(counts, np.float64)
    if not (counts > 0).any():
        raise ValueError("the noise distribution needs at least one word with a count above 0")
    # computed from logarithms, relative to the largest: no power of a count overflows
    logs = exponent * np.log(np.where(counts > 0, counts, 1))
    powers = np.where(counts > 0, np.exp(logs - logs[counts > 0].max()), 0)
    return powers / powers.sum()


def alias_table(distribution: np.ndarray) -> AliasTable:
    """The alias table of a distribution over `V` words, which need not sum to 1.

    Vose's method (1991) scales the distribution to a mean of 1 and fills each word with a mass
    below 1 from a word with a mass above 1, its alias. Here both kinds are taken in order of id,
    so that two cumulative sums, of deficits and of surpluses, give all aliases without a loop.

    Args:
      distribution: weights [V], finite, at least 0, not all 0.

    Raises:
      ValueError: if the weights are not of this form.

    References:
      Vose 1991, "A Linear Algorithm for Generating Random Numbers with a Given Distribution".

    >>> alias_table([3.0, 1.0]).alias.tolist()
    [0, 0]
    """
    weights = np.asarray(distribution, np.float64)
    if weights.ndim != 1 or not np.isfinite(weights).all() or (weights < 0).any():
        raise ValueError("a distribution must be a vector of finite weights, none below 0")
    if weights.sum() <= 0:
        raise ValueError("a distribution needs at least one weight above 0")
    mass = weights / weights.sum() * len(weights)
    mass[weights.argmax()] = max(mass.max(), 1.0)  # rounding may leave it just below 1
    keep, alias = np.minimum(mass, 1), np.arange(len(weights))
    small, large = np.flatnonzero(mass < 1), np.flatnonzero(mass >= 1)
    deficits, surpluses = np.cumsum(1 - mass[small]), np.cumsum(mass[large] - 1)
    # small word i draws on the first large word with surplus left after small words 0 … i - 1
    donor = np.searchsorted(surpluses, deficits - (1 - mass[small]), side="right")
    alias[small] = large[np.minimum(donor, len(large) - 1)]
    # the last small word to draw on large word j takes more than j has left, which brings j
    # below 1: j then draws the difference from large word j + 1
    last = np.searchsorted(deficits, surpluses, side="right")
    overdrawn = last < len(small)
    overdrawn[-1] = False
    j = np.flatnonzero(overdrawn)
    keep[large[j]] = 1 + surpluses[j] - deficits[last[j]]
    alias[large[j]] = large[j + 1]
    return AliasTable(
        keep=jnp.asarray(_probability_bits(keep)), alias=jnp.asarray(alias, jnp.int32)
    )


def draw(table: AliasTable, bits: jax.Array) -> jax.Array:
    """Draws a word id for each pair of uint32 random bits.

    Args:
      table: of the distribution.
      bits: random bits, uint32[..., 2].

    Returns:
      Word ids, int32[...].
    """
    word = scale(bits[..., 0], len(table.alias))
    return jnp.where(bits[..., 1] < table.keep[word], word, table.alias[word])


def negatives(
    key: jax.Array, shape: tuple[int, ...], vocab_size: int, table: AliasTable | None = None
) -> jax.Array:
    """Draws independent word ids, int32[shape].

    Args:
      key: a `jax.random` key.
      shape: of the result, such as ``(B, K)``.
      vocab_size: `V`.
      table: the distribution; None for a uniform one.

    Raises:
      ValueError: if the table is not of `V` words.

    >>> table = alias_table(noise_distribution(np.array([10, 5, 1])))
    >>> negatives(jax.random.key(0), (2, 5), 3, table).shape
    (2, 5)
    """
    if table is None:
        return scale(random_bits(key, shape), vocab_size)
    if len(table.alias) != vocab_size:
        raise ValueError(f"a table of {len(table.alias)} words, but vocab_size={vocab_size}")
    return draw(table, random_bits(key, (*shape, 2)))


def scale(bits: jax.Array, n: int | jax.Array) -> jax.Array:
    """Maps random bits to integers uniform in 0 … n - 1: floor(bits · n / 2^32).

    Exact in 32-bit arithmetic: the product is summed from halves of 16 bits.

    Args:
      bits: random bits, uint32[...].
      n: the number of values, or of each draw, uint32[...].

    Returns:
      int32[...].
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
    """word2vec's subsampling: the probability min(1, sqrt(t/f) + t/f) to keep each word.

    Args:
      counts: of the words, [V]; f is a word's count over their sum.
      sample: the threshold t; 0 keeps everything.

    Returns:
      Probabilities, float64[V].

    Raises:
      ValueError: if `sample` is negative.

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
    """Probabilities [V] as the uint32[V] thresholds that `subsample` compares random bits with."""
    return jnp.asarray(_probability_bits(probability))


def subsample(
    key: jax.Array, ids: jax.Array, docs: jax.Array, thresholds: jax.Array
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Keeps each token with its word's probability, and moves the kept ones to the front.

    Args:
      key: a `jax.random` key.
      ids: token ids, int32[S].
      docs: the document of each token, int32[S]; -1 for padding.
      thresholds: from `keep_thresholds`, uint32[V].

    Returns:
      ``(ids, docs, count)``: the `count` kept tokens in their order, int32[S] each, padded with
      id 0 and document -1.
    """
    kept = (random_bits(key, ids.shape) <= thresholds[ids]) & (docs >= 0)
    place = jnp.cumsum(kept, dtype=jnp.int32)
    target = jnp.where(kept, place - 1, len(ids))
    return (
        jnp.zeros_like(ids).at[target].set(ids, mode="drop"),
        jnp.full_like(docs, -1).at[target].set(docs, mode="drop"),
        place[-1],
    )


def sides(docs: jax.Array, window: int) -> tuple[jax.Array, jax.Array]:
    """How many tokens on each side of a token are of its document, `W` at most.

    Documents are runs of equal numbers. The length of a run is found by doubling: a token whose
    2^j neighbors all belong to its document adds the count of the token 2^j away.

    Args:
      docs: the document of each token, int32[S]; negative for none.
      window: `W`.

    Returns:
      ``(before, after)``, int32[S] each, 0 … W; 0 for a token of no document.

    >>> before, after = sides(jnp.array([0, 0, 0, 1, -1, -1]), 2)
    >>> before.tolist(), after.tolist()
    ([0, 1, 2, 0, 0, 0], [2, 1, 0, 0, 0, 0])
    """

    def before(docs):
        joined = (docs[1:] == docs[:-1]) & (docs[1:] >= 0)
        run, step = jnp.pad(joined, (1, 0)).astype(jnp.int32), 1
        while step < window:
            further = jnp.pad(run, (step, 0))[: len(run)]
            run, step = run + jnp.where(run == step, further, 0), 2 * step
        return jnp.minimum(run, window)

    return before(docs), before(docs[::-1])[::-1]


def in_window(
    before: jax.Array, after: jax.Array, window: int, width: int | None = None
) -> jax.Array:
    """Whether a token of a block is context of a center: bool[..., M, X].

    Args:
      before, after: how far the window of each of `M` centers reaches, int32[..., M], 0 … W.
      window: `W`; center m is token m + W of its block.
      width: the length of the last axis, by default `X` = M + 2W; what is beyond `X` is False.

    >>> in_window(jnp.array([0, 1]), jnp.array([1, 0]), 1).astype(int).tolist()
    [[0, 0, 1, 0], [0, 1, 0, 0]]
    """
    shape = (*before.shape, width or before.shape[-1] + 2 * window)
    center, token = (lax.broadcasted_iota(jnp.int32, shape, len(shape) - k) for k in (2, 1))
    offset = token - window - center
    return (offset >= -before[..., None]) & (offset <= after[..., None]) & (offset != 0)


def _probability_bits(probability: np.ndarray) -> np.ndarray:
    return np.minimum(np.asarray(probability) * 2.0**32, 2**32 - 1).astype(np.uint32)
