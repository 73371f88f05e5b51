"""Which words a map shows, where they stand on it, and which belong together."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from threadpoolctl import threadpool_limits

from jaxvec.vectors import ranking
from jaxvec.vectors.keys import key_list as keys
from jaxvec.vectors.word_vectors import WordVectors

METHODS = ("pca", "tsne")

_RESTARTS = 8  # of k-means, of which the best is kept
_THREADED = 1000  # words from which threads gain t-SNE more than waiting for each other costs
_NAMING = 3  # words that stand for a group


class Layout(NamedTuple):
    """The places of `n` words on a map."""

    points: np.ndarray
    """float64[n, 2]."""

    shares: np.ndarray | None
    """float64[2], how much of all variance lies along either axis; None for t-SNE."""


def layout(
    vectors: WordVectors,
    words: Sequence[str],
    method: str = "pca",
    *,
    seed: int = 0,
    perplexity: float | None = None,
) -> Layout:
    """Places words on a plane so that like ones are near, by their vectors of length 1.

    Args:
      vectors: those of all words.
      words: the `n` words to place.
      method: ``"pca"``, the first two principal components of these words, or ``"tsne"``.
      seed: of t-SNE, which begins from the principal components and hardly depends on it.
      perplexity: of t-SNE, about how many neighbors count for each word; by default 30, or a
        third of the words if that is less.

    Raises:
      KeyError: for a word without a vector, with close matches.
      ValueError: for another method, fewer than 3 words, a perplexity that is not below their
        number, or if t-SNE is asked for without scikit-learn.

    >>> wv = WordVectors(["a", "b", "c"], [[3, 4], [4, 3], [-1, 0]])
    >>> layout(wv, ["a", "b", "c"]).points.shape
    (3, 2)

    Source: van der Maaten and Hinton 2008, "Visualizing Data using t-SNE".
    """
    if method not in METHODS:
        raise ValueError(f"method must be 'pca' or 'tsne'; got {method!r}")
    units = _units(vectors, words)
    if len(units) < 3:
        raise ValueError(f"a map needs 3 words at least; got {len(units)}")
    if method == "pca":
        return pca(units)
    return Layout(_tsne(units, seed, perplexity), None)


def pca(vectors: np.ndarray) -> Layout:
    """Vectors [n, D] on their first two principal components.

    With X the vectors less their mean, X = U S Vᵀ, the points are X v₁ and X v₂. Of either v
    the number that is largest in size is positive, so that the same vectors always give the
    same map.

    >>> pca(np.array([[0.0, 0], [2, 0], [0, 1], [2, 1]])).points.tolist()
    [[-1.0, -0.5], [1.0, -0.5], [-1.0, 0.5], [1.0, 0.5]]
    """
    centerd = np.asarray(vectors, np.float64)
    centerd = centerd - centerd.mean(axis=0)
    _, singular, axes = np.linalg.svd(centerd, full_matrices=False)
    first = np.zeros((2, centerd.shape[1]))
    first[: len(axes)] = axes[:2]  # a single one, if vectors are of one number
    largest = np.take_along_axis(first, np.abs(first).argmax(axis=1)[:, None], axis=1)
    shares = np.zeros(2)
    shares[: len(singular)] = singular[:2] ** 2 / max(np.sum(singular**2), np.finfo(float).tiny)
    return Layout(centerd @ (first * np.where(largest < 0, -1, 1)).T, shares)


def _tsne(units: np.ndarray, seed: int, perplexity: float | None) -> np.ndarray:
    try:
        from sklearn.manifold import TSNE
    except ImportError:
        raise ValueError(
            "t-SNE needs the package scikit-learn: pip install 'jaxvec[plot]'"
        ) from None
    if perplexity is None:
        perplexity = min(30, len(units) / 3)
    if not 0 < perplexity < len(units):
        raise ValueError(f"perplexity must be below {len(units)}, the words; got {perplexity:g}")
    start = pca(units).points
    start *= 1e-4 / max(start[:, 0].std(), 1e-12)  # as small as t-SNE wants it
    model = TSNE(perplexity=perplexity, init=start, random_state=seed)
    with threadpool_limits(1 if len(units) < _THREADED else None):
        return model.fit_transform(units - units.mean(axis=0)).astype(np.float64)


def _units(vectors: WordVectors, words: Sequence[str]) -> np.ndarray:
    """Vectors scaled to length 1, float64[n, D]: rounded to float32, vectors of nearly the
    same direction would be the same."""
    return ranking.unit(vectors[keys(words)].astype(np.float64))


def _names(vectors: WordVectors, words: Iterable[str]) -> list[str]:
    return [vectors.index_to_key[vectors.get_index(word)] for word in keys(words)]


def with_neighbors(
    vectors: WordVectors, words: Iterable[str], neighbors: int
) -> tuple[list[str], list[str]]:
    """Words and the nearest few of each, and for each of them the word that it is a neighbor of.

    One that is near to several belongs to the nearest, and a word asked for to itself.

    Returns:
      The words, each once, those asked for before their neighbors; and as many of those asked
      for.

    Raises:
      KeyError: for an unknown word, with close matches.

    >>> wv = WordVectors(["a", "b", "c", "d"], [[1, 0], [1, 0.1], [0, 1], [0.1, 1]])
    >>> with_neighbors(wv, ["a", "c"], 1)
    (['a', 'c', 'b', 'd'], ['a', 'c', 'a', 'c'])
    """
    asked = list(dict.fromkeys(_names(vectors, words)))
    nearest = {word: (np.inf, word) for word in asked}
    for word in asked:
        for other, cosine in vectors.most_similar(word, topn=neighbors):
            if cosine > nearest.get(other, (-np.inf,))[0]:
                nearest[other] = cosine, word
    return list(nearest), [of for _, of in nearest.values()]


def group(vectors: WordVectors, words: Sequence[str], count: int, *, seed: int = 0) -> list[str]:
    """Parts words into so many groups by k-means, on their vectors of length 1.

    A group is named by the three of its words that are nearest to its mean.

    Args:
      vectors: those of all words.
      words: the `n` words to group.
      count: how many groups; fewer if so many vectors do not differ.
      seed: of the starts; the best of several is kept.

    Returns:
      The group of each word.

    Raises:
      KeyError: for a word without a vector, with close matches.
      ValueError: if `count` is below 1.

    >>> wv = WordVectors(["a", "b", "c"], [[1, 0], [1, 0.1], [0, 1]])
    >>> group(wv, ["a", "b", "c"], 2)
    ['a, b', 'a, b', 'c']
    """
    from scipy.cluster.vq import ClusterError, kmeans2

    if count < 1:
        raise ValueError(f"there must be a group or more; got {count}")
    words = _names(vectors, words)
    units = _units(vectors, words)
    centerd = units - units.mean(axis=0)  # k-means expands squares: far from 0 they cancel
    count = min(count, len(np.unique(units, axis=0)))
    best, least = np.zeros(len(units), int), np.inf
    for restart in range(_RESTARTS):
        rng = np.random.default_rng([seed, restart])
        try:
            means, members = kmeans2(centerd, count, 30, minit="++", missing="raise", seed=rng)
        except ClusterError:  # a group lost its last word
            continue
        error = ((centerd - means[members]) ** 2).sum()
        if error < least:
            best, least = members, error
    names = {}
    for member in np.unique(best):
        inside = np.flatnonzero(best == member)
        nearness = units[inside] @ units[inside].mean(axis=0)
        central = inside[np.argsort(-nearness.round(12), kind="stable")[:_NAMING]]
        names[member] = ", ".join(words[i] for i in central)
    return [names[member] for member in best]
