"""A synthetic text whose structure is known, so that a run can be asked what it found of it.

The text is a row of passages. Each has a state, a topic τ and an attribute α with a direction
each, and every word of it is drawn on its own:

    p(w | τ, α) = z(w) · f(w, τ) · g(w, α) / Z(τ, α)
    f(w, τ) = exp(x_τ · v_w) / mean over τ,      g(w, α) = exp(y_α · u_w) / mean over α

z is the Zipf distribution and (v_w, u_w) the latent vector of a word. A passage has state (τ, α)
with a probability proportional to Z(τ, α), so that the mean of p over states is z: the unigram
distribution is Zipf's exactly, whatever is planted. Given the state words are independent, so how
often two of them stand together depends on their latent vectors alone, nearly as
exp(v_w · v_w' + u_w · u_w'): angles between latent vectors are what embeddings must recover.

A word's v is the direction of its home topic with noise of the word's own, its u that of its home
attribute. The two parts add, so "a is to b as c is to ?" has a known answer where a and b share a
topic, and a and c an attribute: any word of b's attribute and c's topic. Homes go round among the
words by frequency, and directions are spread evenly, so that one corpus is as hard as another. The
most frequent words have latent vectors of 0: they are everywhere.

Letters: `T` tokens, `V` vocabulary, `H` topics, `A` attributes, `E` numbers of a latent vector.

References:
  Arora, Li, Liang, Ma and Risteski 2016, "A Latent Variable Model Approach to PMI-based Word
  Embeddings"; there the direction walks slowly and normally, here it stays and then jumps.
"""

from typing import NamedTuple

import jax
import numpy as np

from jaxvec import Corpus, Vocab
from jaxvec.messages.numbers import check_number, check_whole

NEUTRAL = 50  # words without topic or attribute, the most frequent
DOCUMENT = 1000  # tokens; word2vec cuts text like this
_TOPIC_SIZE, _ATTRIBUTE_SIZE = 16, 8  # numbers of a direction, at most
_PASSAGE = 30.0  # tokens of a passage, on average
_NOISE = 0.4  # a word's own part, relative to its home's


class Truth(NamedTuple):
    """What was planted.

    Attributes:
      latent: float32[V, E], the latent vector of each word; 0 for neutral words.
      topic: int32[V], its home; -1 for neutral words.
      attribute: int32[V], its home; -1 for neutral words.
    """

    latent: np.ndarray  # float32[V, E]
    topic: np.ndarray  # int32[V]
    attribute: np.ndarray  # int32[V]


class Planted(NamedTuple):
    """A corpus, and what was planted in it.

    Attributes:
      corpus: documents of 1,000 tokens; word i is called ``w<i>``, and may not occur.
      truth: what was planted.
      unigram: float64[V], the distribution of its tokens.
    """

    corpus: Corpus
    truth: Truth
    unigram: np.ndarray  # float64[V]


def plant(
    key: jax.Array,
    tokens: int,
    words: int,
    *,
    strength: float = 1.0,
    exponent: float = 1.0,
    topics: int = 64,
    attributes: int = 8,
) -> Planted:
    """Draws a corpus.

    Args:
      key: a `jax.random` key, which decides everything.
      tokens: `T`.
      words: `V`.
      strength: standard deviation over topics of x_τ · v_w, and over attributes of y_α · u_w; 0
        plants nothing.
      exponent: of the Zipf distribution.
      topics: `H`.
      attributes: `A`.

    Raises:
      TypeError: if a number is of another kind.
      ValueError: if one is out of its range.

    >>> found = plant(jax.random.key(0), tokens=2000, words=100)
    >>> found.corpus, found.truth.topic[:3].tolist(), found.truth.latent.shape
    (Corpus of 2,000 tokens in 2 documents, 100 words, [-1, -1, -1], (100, 23))
    """
    for name, value in (("tokens", tokens), ("words", words), ("topics", topics),
                        ("attributes", attributes)):  # fmt: skip
        check_whole(name, value, least=2 if name in ("tokens", "words") else 1)
    for name, value in (("strength", strength), ("exponent", exponent)):
        check_number(name, value)
        if not 0 <= value < 10:
            raise ValueError(f"{name} must be from 0 to 10; got {value}")
    random = np.random.default_rng(np.asarray(jax.random.key_data(key)).ravel())
    unigram = zipf(words, exponent)
    directions = (
        _directions(random, topics, _TOPIC_SIZE),
        _directions(random, attributes, _ATTRIBUTE_SIZE),
    )
    homes = _homes(random, words, topics, attributes)
    parts = [
        _vectors(random, direction, home, strength)
        for direction, home in zip(directions, homes, strict=True)
    ]
    tilts = [_tilts(*both) for both in zip(directions, parts, strict=True)]
    ids = _drawn(random, tokens, unigram, *tilts)
    vocab = Vocab([f"w{i}" for i in range(words)], np.bincount(ids, minlength=words))
    offsets = np.append(np.arange(0, tokens, DOCUMENT), tokens)
    corpus = Corpus(vocab, ids, offsets, raw_words=tokens)
    return Planted(corpus, Truth(np.concatenate(parts, axis=1), *homes), unigram)


def zipf(words: int, exponent: float = 1.0) -> np.ndarray:
    """The distribution z(w) ∝ 1 / (w + 1)^exponent: float64[V].

    Args:
      words: `V`.
      exponent: 1 in Zipf's law.

    >>> zipf(3).round(3).tolist()
    [0.545, 0.273, 0.182]
    """
    weights = np.arange(1, words + 1, dtype=np.float64) ** -exponent
    return weights / weights.sum()


def _directions(random: np.random.Generator, count: int, size: int) -> np.ndarray:
    """`count` directions with a mean of 0 and a covariance of 1, float32[count, at most size].

    Drawn normally, then by turns made of equal length, centered and whitened.
    """
    size = min(size, count - 1)
    found = random.standard_normal((count, size))
    for _ in range(20 if size else 0):
        found /= np.linalg.norm(found, axis=1, keepdims=True)
        found -= found.mean(axis=0)
        left, _, right = np.linalg.svd(found, full_matrices=False)
        found = left @ right
    return (found * np.sqrt(count)).astype(np.float32)


def _homes(
    random: np.random.Generator, words: int, topics: int, attributes: int
) -> tuple[np.ndarray, np.ndarray]:
    """Topic and attribute of each word, int32[V]: of H · A consecutive words each pair has one."""
    both = topics * attributes
    rounds = -(-words // both)
    pairs = random.permuted(np.tile(np.arange(both), (rounds, 1)), axis=1).ravel()
    pairs = np.append(np.full(NEUTRAL, -1), pairs)[:words]
    topic, attribute = np.divmod(pairs, attributes)
    topic[pairs < 0] = attribute[pairs < 0] = -1
    return topic.astype(np.int32), attribute.astype(np.int32)


def _vectors(
    random: np.random.Generator, directions: np.ndarray, homes: np.ndarray, strength: float
) -> np.ndarray:
    """One part of the latent vectors, float32[V, size]; 0 for neutral words.

    Args:
      random: of the words' own parts.
      directions: float32[count, size].
      homes: int32[V].
      strength: see `plant`.
    """
    size = directions.shape[1]
    vectors = _NOISE * random.standard_normal((len(homes), size), np.float32)
    vectors += directions[homes]
    vectors *= strength / np.sqrt(max(size, 1) * (1 + _NOISE**2))
    vectors[homes < 0] = 0
    return vectors


def _tilts(directions: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """f or g, float32[count, V]: how much likelier a direction makes each word. Mean 1 a word."""
    tilts = np.exp(directions @ vectors.T)
    tilts /= tilts.mean(axis=0, dtype=np.float64)
    return tilts


def _drawn(
    random: np.random.Generator,
    tokens: int,
    unigram: np.ndarray,
    by_topic: np.ndarray,
    by_attribute: np.ndarray,
) -> np.ndarray:
    """The tokens, int32[T]: first the state of each passage, then all words of a state at once.

    Args:
      random: of the tokens.
      tokens: `T`.
      unigram: z, float64[V].
      by_topic, by_attribute: f, float32[H, V], and g, float32[A, V].
    """
    mass = np.einsum("hv,av,v->ha", by_topic, by_attribute, unigram, optimize=True).ravel()
    begins = random.random(tokens) < 1 / _PASSAGE
    begins[::DOCUMENT] = True
    chosen = random.choice(len(mass), int(np.count_nonzero(begins)), p=mass / mass.sum())
    states = chosen.astype(np.min_scalar_type(len(mass)))[np.cumsum(begins) - 1]
    order = np.argsort(states, kind="stable")
    ends = np.cumsum(np.bincount(states, minlength=len(mass)))
    ids, start = np.empty(tokens, np.int32), 0
    for state, end in enumerate(ends.tolist()):
        topic, attribute = divmod(state, len(by_attribute))
        below = np.cumsum(unigram * by_topic[topic] * by_attribute[attribute])
        places = random.random(end - start) * below[-1]
        found = np.searchsorted(below, places, side="right")
        ids[order[start:end]] = np.minimum(found, len(below) - 1)  # rounding may reach the end
        start = end
    return ids
