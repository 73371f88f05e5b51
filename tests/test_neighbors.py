import re
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest

from jaxvec import WordVectors
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


@pytest.mark.parametrize("recall", [0.5, 0.95])
def test_an_approximate_search_is_exact_on_a_cpu(ours, recall):
    words = ours.index_to_key[:50]
    assert ours.most_similar_many(words, 7, recall=recall) == ours.most_similar_many(words, 7)


def test_the_recall_asked_for_reaches_the_compiler():
    units = jnp.zeros((5000, 8), jnp.float32)
    text = neighbors.cosine_top.lower(units, units[:4], 10, recall=0.875).as_text()
    assert "0.875" in text or "8.750000e-01" in text
    assert "approx" in text.lower()
    assert "approx" not in neighbors.cosine_top.lower(units, units[:4], 10).as_text().lower()


@pytest.mark.parametrize("recall", [0, 1, -0.5])
def test_a_recall_is_a_share(ours, recall):
    with pytest.raises(ValueError, match="recall must be above 0 and below 1, or None; got"):
        ours.most_similar_many(ours.index_to_key[:2], recall=recall)


def test_the_recipe_for_an_index_finds_the_neighbors():
    pytest.importorskip("usearch")
    readme = (Path(__file__).parent.parent / "jaxvec/vectors/README.md").read_text("utf-8")
    recipe = next(
        c for c in re.findall(r"```python\n(.*?)```", readme, re.DOTALL) if "usearch" in c
    )
    table = np.random.default_rng(0).normal(size=(500, 16))
    names = {"np": np, "wv": WordVectors(["king", *map(str, range(499))], table)}
    exec(recipe, names)
    expected = names["wv"].most_similar("king", topn=9)
    found = names["neighbors"]
    assert [word for word, _ in found] == ["king", *(word for word, _ in expected)]
    assert np.allclose([s for _, s in found[1:]], [s for _, s in expected], atol=1e-3)
