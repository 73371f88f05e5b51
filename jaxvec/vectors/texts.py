"""Vectors of texts: weighted means of their words' vectors, without the directions all share.

Pure functions of arrays, and `encode`, which calls them on batches of texts.

Letters: `V` vocabulary, `D` dimension; `n` texts, `T` tokens and `B` texts of a batch, `k`
directions.
"""

import itertools
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from jaxvec.messages.kinds import kind
from jaxvec.messages.numbers import check_number, check_whole
from jaxvec.text.pieces import document_pieces
from jaxvec.text.tokenize import Tokenizer
from jaxvec.text.vocab import word_list
from jaxvec.vectors.table import WordTable

Weighting = Literal["sif", "idf"] | np.ndarray | jax.Array | None

_TOKENS = 4**8  # at most in a batch, unless one text has more
_TEXTS = 4**6


class _Batch(NamedTuple):
    ids: np.ndarray  # int32[T], from `V` on of the others
    lengths: np.ndarray  # int[B], how many of them each text has
    others: list[str]  # unknown words, each once, which n-grams may know


def encode(
    vectors: WordTable,
    texts: Iterable[str | Sequence[str]],
    *,
    weighting: Weighting = None,
    remove_components: int | ArrayLike = 0,
    tokenizer: str | Tokenizer = "whitespace",
    ngrams: bool = True,
) -> np.ndarray:
    """A vector for each text: the mean of weight(w) · v(w) over its `m` known words w,

        x = Σ_w weight(w) v(w) / m          x - Σ_u (u·x) u

    and, in the second formula, without directions u that the texts share. Texts are read once, in
    batches; a batch is one compiled call, and batches have few shapes.

    Args:
      vectors: the word vectors, with counts for ``"sif"``.
      texts: `n` strings, which the tokenizer splits, or lists of words. Unknown words are left
        out; of vectors with n-grams only those without any.
      weighting: None for plain means; ``"sif"``, see `sif_weights`; ``"idf"``, see `idf_weights`,
        of these texts; or a weight for each word, [V], such as of other texts. A word that n-grams
        alone know weighs what the rarest does: 1 by ``"sif"``, as of the count 0, and the highest
        of an array; by ``"idf"`` it is counted in these texts like the others.
      remove_components: the number of directions, found in these texts by `components` (SIF
        removes 1); or directions of other texts, [k, D].
      tokenizer: for strings; preferably the one that the vectors were trained with.
      ngrams: whether n-grams make vectors of unknown words, as in fastText's
        ``get_sentence_vector`` (which takes the mean of vectors scaled to length 1).

    Returns:
      float32[n, D]. The vector of a text without a known word is 0, before and after directions
      are removed.

    Raises:
      ValueError: if `texts` is one string, the counts that ``"sif"`` needs are unknown, an array
        has another shape, or there are fewer texts, or dimensions, than directions.
      TypeError: if a text is neither a string nor words.

    Warns:
      UserWarning: if texts have no known word, with their number.

    References:
      Arora, Liang and Ma 2017, "A Simple but Tough-to-Beat Baseline for Sentence Embeddings".

    >>> wv = WordTable(["the", "cat", "dog"], [[1, 1], [0, 2], [2, 0]], counts=[98, 1, 1])
    >>> encode(wv, ["the cat", ["the", "dog", "unheard"]]).tolist()
    [[0.5, 1.5], [1.5, 0.5]]
    >>> print(encode(wv, ["the cat", "the dog"], weighting="sif").round(2))
    [[0.   0.09]
     [0.09 0.  ]]
    """
    batches: Iterable[_Batch] = _batches(vectors, texts, tokenizer, ngrams)
    weights: jax.Array | None
    if isinstance(weighting, str) and weighting == "idf":
        batches = list(batches)
        of_words, of_others = _idf(batches, len(vectors))
        weights = jnp.asarray(of_words)
    else:
        weights, of_others = _weights(vectors, weighting)
    found, empty = _encoded(vectors, batches, weights, of_others)
    if empty:
        warnings.warn(
            f"{empty:,} of {len(found):,} texts have no known word: their vectors are 0",
            stacklevel=2,
        )
    if not len(found) or (isinstance(remove_components, int) and not remove_components):
        return found
    if np.ndim(remove_components) == 0:
        remove_components = components(found, check_whole("remove_components", remove_components))
    return np.asarray(without(found, remove_components))


def _encoded(
    vectors: WordTable,
    batches: Iterable[_Batch],
    weights: jax.Array | None,
    of_others: Callable[[str], float],
) -> tuple[np.ndarray, int]:
    """The vectors of all texts, float32[n, D], and how many have no known word."""
    table = jnp.asarray(vectors.vectors, jnp.float32)
    empty, parts = 0, [np.zeros((0, vectors.vector_size), np.float32)]
    for batch in batches:
        texts = np.repeat(np.arange(len(batch.lengths)), batch.lengths)
        own = batch.ids < len(vectors)
        tokens = np.bincount(texts[own], minlength=len(batch.lengths))
        size, room = _padded(len(tokens)), _padded(int(own.sum()))
        places = np.full(room, size, np.int32)  # of no text
        places[: own.sum()] = texts[own]
        ids = np.pad(batch.ids[own], (0, room - own.sum()))
        means = np.asarray(segment_means(table, ids, places, size, weights)[: len(tokens)])
        if batch.others:
            assert vectors.subwords is not None
            rows, some = vectors.subwords.vectors(batch.others)
            rows = rows * np.array([of_others(word) for word in batch.others])[:, None]
            known = np.flatnonzero(~own)
            known = known[some[batch.ids[known] - len(vectors)]]
            sums = means * tokens[:, None]
            np.add.at(sums, texts[known], rows[batch.ids[known] - len(vectors)])
            tokens += np.bincount(texts[known], minlength=len(tokens))
            means = (sums / np.maximum(tokens, 1)[:, None]).astype(np.float32)
        empty += int((tokens == 0).sum())
        parts.append(means)
    return np.concatenate(parts), empty


@partial(jax.jit, static_argnames="texts")
def segment_means(
    table: jax.Array,
    ids: ArrayLike,
    places: ArrayLike,
    texts: int,
    weights: jax.Array | None = None,
) -> jax.Array:
    """The mean of weights[id] · table[id] over the tokens of each text; 0 for a text without any.

    Args:
      table: word vectors, [V, D]; the result is differentiable in it.
      ids: the words of the tokens of all texts, one text after the other, int[T].
      places: which text each token is of, rising, int[T]; `B` for padding.
      texts: `B`.
      weights: of the words, [V]; None for 1.

    Returns:
      [B, D], of the table's dtype.

    >>> table = jnp.array([[1.0, 0.0], [0.0, 2.0]])
    >>> segment_means(table, [0, 1, 1, 0], [0, 0, 2, 3], 3).tolist()  # the last is padding
    [[0.5, 1.0], [0.0, 0.0], [0.0, 2.0]]
    """
    ids, places = jnp.asarray(ids), jnp.asarray(places)
    rows = table[ids]
    if weights is not None:
        rows *= weights[ids][:, None]
    sums = partial(jax.ops.segment_sum, num_segments=texts, indices_are_sorted=True)
    tokens = sums(jnp.ones(len(ids), table.dtype), places)
    return sums(rows, places) / jnp.maximum(tokens, 1)[:, None]


def sif_weights(counts: ArrayLike, a: float = 1e-3) -> np.ndarray:
    """The weights of smooth inverse frequency: a / (a + p), p a word's share of all tokens.

    Args:
      counts: of the words, [V].
      a: about 1e-4 to 1e-3 in the paper.

    Returns:
      float32[V], from 0 to 1.

    Raises:
      ValueError: if `a` is not above 0, or no count is.
      TypeError: if `a` is no number.

    References:
      Arora, Liang and Ma 2017, "A Simple but Tough-to-Beat Baseline for Sentence Embeddings".

    >>> print(sif_weights([999, 1]).round(3))
    [0.001 0.5  ]
    """
    check_number("a", a)
    numbers = np.asarray(counts, np.float64)
    if not a > 0 or not numbers.sum() > 0:
        raise ValueError(f"a and some count must be above 0; got a={a} and {numbers.sum()} tokens")
    return (a / (a + numbers / numbers.sum())).astype(np.float32)


def idf_weights(
    vectors: WordTable,
    texts: Iterable[str | Sequence[str]],
    *,
    tokenizer: str | Tokenizer = "whitespace",
) -> np.ndarray:
    """Inverse document frequency: log((1 + n) / (1 + d)) + 1 of a word that `d` of `n` texts have.

    Args:
      vectors: the words.
      texts, tokenizer: as for `encode`.

    Returns:
      float32[V], to be given to `encode` as `weighting`, also for other texts.

    Raises:
      ValueError, TypeError: as `encode`.

    References:
      Spärck Jones 1972, "A Statistical Interpretation of Term Specificity and its Application in
      Retrieval"; the ones added are scikit-learn's.

    >>> print(idf_weights(WordTable(["a", "b"], np.eye(2)), ["a b a", "a"]).round(3))
    [1.    1.405]
    """
    return _idf(_batches(vectors, texts, tokenizer), len(vectors))[0]


def components(vectors: ArrayLike, count: int) -> jax.Array:
    """The first directions of vectors: the `k` leading right singular vectors, not centered.

    Args:
      vectors: [n, D].
      count: `k`.

    Returns:
      [k, D], of length 1 and at right angles to each other, the first direction first.

    Raises:
      ValueError: if `count` is above `n` or `D`.

    >>> print(components(jnp.array([[3.0, 3.0], [1.0, 1.0], [0.1, -0.1]]), 1).round(2))
    [[0.71 0.71]]
    """
    vectors = jnp.asarray(vectors)
    if count > min(vectors.shape):
        raise ValueError(f"cannot find {count} directions of vectors {list(vectors.shape)}: "
                         f"{min(vectors.shape)} at most")  # fmt: skip
    return _leading(vectors, count)


@partial(jax.jit, static_argnames="count")
def _leading(vectors: jax.Array, count: int) -> jax.Array:
    products = jnp.matmul(vectors.T, vectors, precision="highest")
    found = jnp.linalg.eigh(products)[1][:, : -count - 1 : -1].T  # the largest come last
    largest = jnp.take_along_axis(found, jnp.abs(found).argmax(1)[:, None], axis=1)
    return found * jnp.sign(largest)


def without(vectors: ArrayLike, directions: ArrayLike) -> jax.Array:
    """Vectors without what they have of some directions: x - Σ_u (u·x) u.

    Args:
      vectors: [n, D].
      directions: of length 1 and at right angles to each other, as of `components`, [k, D].

    Raises:
      ValueError: if they are not [k, D].

    >>> without(jnp.array([[3.0, 1.0]]), jnp.array([[1.0, 0.0]])).tolist()
    [[0.0, 1.0]]
    """
    vectors, directions = jnp.asarray(vectors), jnp.asarray(directions)
    if directions.ndim != 2 or directions.shape[1] != vectors.shape[1]:
        raise ValueError(f"directions must be [k, {vectors.shape[1]}]; got {directions.shape}")
    with jax.default_matmul_precision("highest"):
        return vectors - (vectors @ directions.T) @ directions


def centered(vectors: ArrayLike) -> jax.Array:
    """Vectors less their mean, [n, D].

    Args:
      vectors: [n, D].

    >>> centered([[1.0, 2.0], [3.0, 2.0]]).tolist()
    [[-1.0, 0.0], [1.0, 0.0]]
    """
    vectors = jnp.asarray(vectors)
    return vectors - vectors.mean(axis=0, keepdims=True)


def all_but_the_top(table: ArrayLike, count: int) -> jax.Array:
    """Word vectors less their mean, and without their first directions after that.

    Args:
      table: [V, D].
      count: `k`, about D / 100 in the paper.

    Returns:
      [V, D].

    Raises:
      ValueError: as `components`.

    References:
      Mu and Viswanath 2018, "All-but-the-Top: Simple and Effective Postprocessing for Word
      Representations".

    >>> all_but_the_top(jnp.array([[1.0, 5.0], [1.0, -5.0], [4.0, 0.0]]), 1)[:, 0].tolist()
    [-1.0, -1.0, 2.0]
    """
    moved = centered(table)
    return without(moved, components(moved, count))


def _weights(
    vectors: WordTable, weighting: Weighting
) -> tuple[jax.Array | None, Callable[[str], float]]:
    """The weights of words, and of a word that n-grams alone know."""
    if weighting is None:
        return None, lambda word: 1.0
    if isinstance(weighting, str):
        if weighting != "sif":
            raise ValueError(f'weighting must be "sif", "idf", weights [V] or None; got '
                             f"{kind(weighting)}")  # fmt: skip
        if vectors.counts is None:
            raise ValueError(
                'weighting="sif" needs the counts of words, which these vectors lack: load them '
                "with fvocab=, or set wv.counts"
            )
        return jnp.asarray(sif_weights(vectors.counts)), lambda word: 1.0
    weights = jnp.asarray(weighting, jnp.float32)
    if weights.shape != (len(vectors),):
        raise ValueError(f"weights must be [{len(vectors)}]; got {list(weights.shape)}")
    rarest = float(weights.max()) if len(weights) else 1.0
    return weights, lambda word: rarest


def _batches(
    vectors: WordTable,
    texts: Iterable[str | Sequence[str]],
    tokenizer: str | Tokenizer,
    ngrams: bool = False,
) -> Iterator[_Batch]:
    """The ids of texts, in batches of about `_TOKENS` tokens."""
    ids: list[int] = []
    lengths: list[int] = []
    others: dict[str, int] = {}
    known, size = vectors.key_to_index, len(vectors)
    ngrams = ngrams and vectors.subwords is not None
    for words, _ in document_pieces(texts, tokenizer):
        if not all(issubclass(found, str) for found in set(map(type, words))):
            word_list(words)  # raises
        here = words if ngrams else [word for word in words if word in known]
        if lengths and (len(lengths) == _TEXTS or len(ids) + len(here) > _TOKENS):
            yield _Batch(np.array(ids, np.int32), np.array(lengths), list(others))
            ids, lengths, others = [], [], {}
        for word in here:
            place = known.get(word)
            ids.append(size + others.setdefault(word, len(others)) if place is None else place)
        lengths.append(len(here))
    if lengths:
        yield _Batch(np.array(ids, np.int32), np.array(lengths), list(others))


def _idf(batches: Iterable[_Batch], size: int) -> tuple[np.ndarray, Callable[[str], float]]:
    """The inverse document frequencies of words, float32[V], and of others."""
    texts, found, of_others = 0, np.zeros(size, np.int64), Counter[str]()
    for ids, lengths, others in batches:
        width = size + len(others)
        of = np.repeat(np.arange(len(lengths)), lengths)
        having = np.bincount(np.unique(of * width + ids) % width, minlength=width)
        found += having[:size]
        of_others.update(dict(zip(others, having[size:].tolist(), strict=True)))
        texts += len(lengths)

    def idf(having: Any) -> Any:
        return np.log((1 + texts) / (1 + having)) + 1

    return idf(found).astype(np.float32), lambda word: idf(of_others[word])


def _padded(length: int) -> int:
    """The least power of 4 that is as large, so that few programs are compiled."""
    return next(size for size in (4**i for i in itertools.count()) if size >= length)
