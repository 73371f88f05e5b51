import numpy as np
import pytest

from jaxvec.vectors import neighbors
from jaxvec.vectors.neighbors import cosine_top, cosmul_top
from jaxvec.vectors.ranking import unit


@pytest.fixture(scope="module")
def units():
    return unit(np.random.default_rng(0).normal(size=(200, 8)).astype(np.float32))


def best(scores, topn):
    """Obviously: sort by score, then by place."""
    return sorted(range(len(scores)), key=lambda i: (-scores[i], i))[:topn]


@pytest.mark.parametrize("held", [1, 1400, 1 << 24])  # scores: of one query, seven, or all
def test_cosine_top_is_a_sort(units, held, monkeypatch):
    monkeypatch.setattr(neighbors, "_SCORES", held)
    cosine_top.clear_cache()
    rng = np.random.default_rng(1)
    queries = rng.normal(size=(30, 8)).astype(np.float32)
    exclude = rng.integers(0, 201, (30, 3))  # 200 is none
    top = cosine_top(units, queries, 6, exclude)
    for query, left_out, indices, scores in zip(queries, exclude, *top[::-1], strict=True):
        cosines = units @ query / np.linalg.norm(query)
        cosines[left_out[left_out < 200]] = -np.inf
        assert indices.tolist() == best(cosines, 6)
        np.testing.assert_allclose(scores, cosines[indices], atol=1e-6)


@pytest.mark.parametrize(("positive", "negative"), [(2, 1), (1, 0), (3, 2)])
def test_cosmul_top_is_a_sort(units, positive, negative):
    rng = np.random.default_rng(2)
    pulls = rng.normal(size=(20, positive, 8)).astype(np.float32)
    pushes = rng.normal(size=(20, negative, 8)).astype(np.float32)
    top = cosmul_top(units, pulls, pushes, 5)
    for pull, push, indices, scores in zip(pulls, pushes, *top[::-1], strict=True):
        expected = np.ones(200)
        for vector in pull:
            expected *= (1 + units @ vector / np.linalg.norm(vector)) / 2
        divisor = np.ones(200)
        for vector in push:
            divisor *= (1 + units @ vector / np.linalg.norm(vector)) / 2
        expected /= divisor + 1e-6
        assert indices.tolist() == best(expected, 5)
        np.testing.assert_allclose(scores, expected[indices], rtol=1e-4)


def test_ties_by_place():
    units = np.array([[0, 1], [1, 0], [0, 1], [1, 0], [0, 1]], np.float32)
    assert cosine_top(units, units[:1], 4, np.array([[2]])).indices.tolist() == [[0, 4, 1, 3]]


def test_all_but_the_excluded():
    units = np.eye(3, dtype=np.float32)
    top = cosine_top(units, units[:1], 3, np.array([[0, 2]]))
    assert top.scores.tolist() == [[0, -np.inf, -np.inf]]
    with pytest.raises(ValueError, match="topn=4 of 3"):
        cosine_top(units, units, 4)


def test_one_program_for_all_queries_of_a_shape(units):
    cosine_top.clear_cache()
    for i in range(3):
        cosine_top(units, units[i : i + 40], 5)
    assert cosine_top._cache_size() == 1
