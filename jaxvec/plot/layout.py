"""The words of a map: their positions by PCA or t-SNE, and their groups."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from threadpoolctl import threadpool_limits

from jaxvec.vectors import ranking
from jaxvec.vectors.keys import key_list as keys
from jaxvec.vectors.word_vectors import WordVectors

METHODS = ("pca", "tsne")

_RESTARTS = 8  # of k-means
_THREADED = 1000  # words from which t-SNE is faster with threads than without
_NAMING = 3  # words in the name of a group


class Layout(NamedTuple):
    """The positions of `n` words on a map."""

    points: np.ndarray
    """float64[n, 2]."""

    shares: np.ndarray | None
    """float64[2], the share of the variance along each axis; None for t-SNE."""


def layout(
    vectors: WordVectors,
    words: Sequence[str],
    method: str = "pca",
    *,
    seed: int = 0,
    perplexity: float | None = None,
) -> Layout:
    """Positions of words in a plane, similar words near each other, from unit vectors.

    Args:
      vectors: of all words.
      words: the `n` words to place.
      method: ``"pca"``, the first two principal components of these words, or ``"tsne"``.
      seed: of t-SNE, which starts from the principal components and hardly depends on it.
      perplexity: of t-SNE, the effective number of neighbors of a word; by default min(30, n / 3).

    Raises:
      KeyError: for a word without a vector, with close matches.
      ValueError: for another method, fewer than 3 words, a perplexity not below `n`, or t-SNE
        without scikit-learn.

    >>> wv = WordVectors(["a", "b", "c"], [[3, 4], [4, 3], [-1, 0]])
    >>> layout(wv, ["a", "b", "c"]).points.shape
    (3, 2)

    References:
      van der Maaten and Hinton 2008, "Visualizing Data using t-SNE".
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

    With X the centered vectors, X = U S Vᵀ, the points are X v₁ and X v₂. The signs of v₁ and v₂
    make their entry of largest magnitude positive, so that the same vectors give the same map.

    >>> pca(np.array([[0.0, 0], [2, 0], [0, 1], [2, 1]])).points.tolist()
    [[-1.0, -0.5], [1.0, -0.5], [-1.0, 0.5], [1.0, 0.5]]
    """
    centered = np.asarray(vectors, np.float64)
    centered = centered - centered.mean(axis=0)
    _, singular, axes = np.linalg.svd(centered, full_matrices=False)
    first = np.zeros((2, centered.shape[1]))
    first[: len(axes)] = axes[:2]  # only one if D = 1
    largest = np.take_along_axis(first, np.abs(first).argmax(axis=1)[:, None], axis=1)
    shares = np.zeros(2)
    shares[: len(singular)] = singular[:2] ** 2 / max(np.sum(singular**2), np.finfo(float).tiny)
    return Layout(centered @ (first * np.where(largest < 0, -1, 1)).T, shares)


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
    start *= 1e-4 / max(start[:, 0].std(), 1e-12)  # the scale that t-SNE expects
    model = TSNE(perplexity=perplexity, init=start, random_state=seed)
    with threadpool_limits(1 if len(units) < _THREADED else None):
        return model.fit_transform(units - units.mean(axis=0)).astype(np.float64)


def _units(vectors: WordVectors, words: Sequence[str]) -> np.ndarray:
    """Vectors scaled to length 1, float64[n, D]; float32 would merge nearly equal directions."""
    return ranking.unit(vectors[keys(words)].astype(np.float64))


def _names(vectors: WordVectors, words: Iterable[str]) -> list[str]:
    return [vectors.index_to_key[vectors.get_index(word)] for word in keys(words)]


def with_neighbors(
    vectors: WordVectors, words: Iterable[str], neighbors: int
) -> tuple[list[str], list[str]]:
    """Words with their nearest neighbors, and the word that each is a neighbor of.

    A neighbor of several words belongs to the nearest; a word asked for belongs to itself.

    Args:
      vectors: of all words.
      words: the words asked for.
      neighbors: number of neighbors of each.

    Returns:
      The words without duplicates, those asked for first; and for each the word asked for that
      it belongs to.

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
    """The group of each word by spherical k-means, `cluster.classes.kmeans`.

    A group is named by the three of its words that are nearest to its mean.

    Args:
      vectors: of all words.
      words: the `n` words to group.
      count: number of groups; fewer if fewer vectors differ.
      seed: of the initial centers; the best of several runs is kept.

    Raises:
      KeyError: for a word without a vector, with close matches.
      ValueError: if `count` is below 1.

    >>> wv = WordVectors(["a", "b", "c"], [[1, 0], [1, 0.1], [0, 1]])
    >>> group(wv, ["a", "b", "c"], 2)
    ['a, b', 'a, b', 'c']
    """
    import jax

    from jaxvec.cluster.classes import kmeans

    if count < 1:
        raise ValueError(f"there must be a group or more; got {count}")
    words = _names(vectors, words)
    units = _units(vectors, words)
    count = min(count, len(np.unique(units.astype(np.float32), axis=0)))
    runs = [kmeans(key, units, count) for key in jax.random.split(jax.random.key(seed), _RESTARTS)]
    best, _ = min(runs, key=lambda run: float(run[1].objective))
    labels = np.asarray(best.labels)
    names = {}
    for label in range(count):
        inside = np.flatnonzero(labels == label)
        nearness = units[inside] @ units[inside].mean(axis=0)
        central = inside[np.argsort(-nearness.round(12), kind="stable")[:_NAMING]]
        names[label] = ", ".join(words[i] for i in central)
    return [names[label] for label in labels]
