"""Vectors of texts: weighted means of their words' vectors, without the directions all share.

Pure functions of arrays, and `encode`, which calls them on batches of texts.

Letters: `V` vocabulary, `D` dimension; `n` texts, `T` tokens and `B` texts of a batch, `k`
directions.
"""

import itertools
import warnings
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import Literal, NamedTuple

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
    ids: np.ndarray  # int32[T]
    lengths: np.ndarray  # int[B], how many of them each text has


def encode(
    vectors: WordTable,
    texts: Iterable[str | Sequence[str]],
    *,
    weighting: Weighting = None,
    remove_components: int | ArrayLike = 0,
    tokenizer: str | Tokenizer = "whitespace",
) -> np.ndarray:
    """A vector for each text: the mean of weight(w) · v(w) over its `m` known words w,

        x = Σ_w weight(w) v(w) / m          x - Σ_u (u·x) u

    and, in the second formula, without directions u that the texts share. Texts are read once, in
    batches; a batch is one compiled call, and batches have few shapes.

    Args:
      vectors: the word vectors, with counts for ``"sif"``.
      texts: `n` strings, which the tokenizer splits, or lists of words. Unknown words are left
        out, even if they have n-grams.
      weighting: None for plain means; ``"sif"``, see `sif_weights`; ``"idf"``, see `idf_weights`,
        of these texts; or a weight for each word, [V], such as of other texts.
      remove_components: the number of directions, found in these texts by `components` (SIF
        removes 1); or directions of other texts, [k, D].
      tokenizer: for strings; preferably the one that the vectors were trained with.

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
    batches: Iterable[_Batch] = _batches(vectors, texts, tokenizer)
    weights: jax.Array | None
    if isinstance(weighting, str) and weighting == "idf":
        batches = list(batches)
        weights = jnp.asarray(_idf(batches, len(vectors)))
    else:
        weights = _weights(vectors, weighting)
    table = jnp.asarray(vectors.vectors, jnp.float32)
    empty, parts = 0, [np.zeros((0, vectors.vector_size), np.float32)]
    for ids, lengths in batches:
        empty += int((lengths == 0).sum())
        size, room = _padded(len(lengths)), _padded(len(ids))
        places = np.full(room, size, np.int32)  # of no text
        places[: len(ids)] = np.repeat(np.arange(len(lengths)), lengths)
        ids = np.pad(ids, (0, room - len(ids)))
        means = segment_means(table, ids, places, size, weights)
        parts.append(np.asarray(means[: len(lengths)]))
    found = np.concatenate(parts)
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
    return _idf(_batches(vectors, texts, tokenizer), len(vectors))


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


def _weights(vectors: WordTable, weighting: Weighting) -> jax.Array | None:
    if weighting is None:
        return None
    if isinstance(weighting, str):
        if weighting != "sif":
            raise ValueError(f'weighting must be "sif", "idf", weights [V] or None; got '
                             f"{kind(weighting)}")  # fmt: skip
        if vectors.counts is None:
            raise ValueError(
                'weighting="sif" needs the counts of words, which these vectors lack: load them '
                "with fvocab=, or set wv.counts"
            )
        return jnp.asarray(sif_weights(vectors.counts))
    weights = jnp.asarray(weighting, jnp.float32)
    if weights.shape != (len(vectors),):
        raise ValueError(f"weights must be [{len(vectors)}]; got {list(weights.shape)}")
    return weights


def _batches(
    vectors: WordTable, texts: Iterable[str | Sequence[str]], tokenizer: str | Tokenizer
) -> Iterator[_Batch]:
    """The ids of texts, in batches of about `_TOKENS` tokens."""
    ids: list[int] = []
    lengths: list[int] = []
    known = vectors.key_to_index
    for words, _ in document_pieces(texts, tokenizer):
        if not all(issubclass(found, str) for found in set(map(type, words))):
            word_list(words)  # raises
        text = [known[word] for word in words if word in known]
        if lengths and (len(lengths) == _TEXTS or len(ids) + len(text) > _TOKENS):
            yield _Batch(np.array(ids, np.int32), np.array(lengths))
            ids, lengths = [], []
        ids += text
        lengths.append(len(text))
    if lengths:
        yield _Batch(np.array(ids, np.int32), np.array(lengths))


def _idf(batches: Iterable[_Batch], size: int) -> np.ndarray:
    texts, found = 0, np.zeros(size, np.int64)
    for ids, lengths in batches:
        of = np.repeat(np.arange(len(lengths)), lengths)
        found += np.bincount(np.unique(of * size + ids) % size, minlength=size)
        texts += len(lengths)
    return (np.log((1 + texts) / (1 + found)) + 1).astype(np.float32)


def _padded(length: int) -> int:
    """The least power of 4 that is as large, so that few programs are compiled."""
    return next(size for size in (4**i for i in itertools.count()) if size >= length)
