"""The same vectors here and in gensim."""

import numpy as np
from gensim.models import KeyedVectors

WORDS = [f"w{i}" for i in range(300)]


def gensims(words, table) -> KeyedVectors:
    vectors = KeyedVectors(table.shape[1])
    vectors.add_vectors(words, table)
    return vectors


def same(found, expected):
    """Neighbors of the same names and scores."""
    assert [word for word, _ in found] == [word for word, _ in expected]
    scores = [score for _, score in found], [score for _, score in expected]
    np.testing.assert_allclose(*scores, rtol=1e-5, atol=1e-5)


def vector(seed: int) -> np.ndarray:
    return 3 * np.random.default_rng(seed).normal(size=10)
