import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvec import WordVectors, ranking
from jaxvec.vectors.ranking import cosines, cosmul, highest, norms, unit


def best(scores, topn):
    """Obviously: sort by score, then by place."""
    return sorted(range(len(scores)), key=lambda i: (-scores[i], i))[:topn]


@pytest.mark.parametrize("topn", [0, 1, 5, 49, 50, 80])
def test_highest_sorts_by_score_then_place(topn):
    scores = np.random.default_rng(topn).integers(0, 6, 50).astype(np.float32)
    assert highest(scores, topn).tolist() == best(scores, topn)


def test_nan_is_not_high():
    assert highest(np.array([np.nan, 1, np.nan, 2]), 3).tolist() == [3, 1, 0]


def test_pure_functions_take_both_kinds_of_arrays():
    table = np.random.default_rng(0).normal(size=(20, 8)).astype(np.float32)
    table[3] = 0
    for function in (unit, lambda t: cosmul(unit(t[:2]) @ unit(t).T, unit(t[2:3]) @ unit(t).T)):
        ours, jaxs = function(table), function(jnp.asarray(table))
        assert isinstance(ours, np.ndarray)
        assert isinstance(jaxs, jax.Array)
        np.testing.assert_allclose(ours, jaxs, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("held", [1, 24, 1 << 22])  # numbers: of one row, three, or all
def test_cosines_a_block_at_a_time(dtype, held, monkeypatch, tmp_path):
    rng = np.random.default_rng(0)
    np.save(tmp_path / "t.npy", rng.normal(size=(50, 8)).astype(dtype))
    table = np.load(tmp_path / "t.npy", mmap_mode="r+")
    table[7] = 0
    queries = unit(rng.normal(size=(3, 8)))
    expected = queries @ unit(table.astype(np.float64)).T
    monkeypatch.setattr(ranking, "_NUMBERS", held)
    found = cosines(table, norms(table), queries)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=2e-7 if held > 8 else 4e-7)
    assert (found[:, 7] == 0).all()


@pytest.mark.parametrize(
    ("dtype", "scales"),
    [("float32", (1e30, 1e18, 1e-22, 1e-30)), ("float64", (1e200, 1e30, 1e-30, 1e-200))],
)
def test_vectors_of_any_length_have_the_same_cosines(dtype, scales):
    table = np.random.default_rng(0).normal(size=(40, 8))
    words = [str(i) for i in range(40)]
    usual = WordVectors(words, table)
    expected = usual.most_similar("0", topn=None)
    for scale in scales:
        scaled = WordVectors(words, table * scale, dtype=dtype)
        mixed = table * np.where(np.arange(40) % 2, scale, 1)[:, None]
        for found in (scaled, WordVectors(words, mixed, dtype=dtype)):
            assert abs(found.most_similar("0", topn=None) - expected).max() < 2e-6
            assert abs(found.similarity("0", "1") - expected[1]) < 2e-6
            assert abs(found.distances("0") - (1 - expected)).max() < 2e-6
            top = found.most_similar_many(["0", "3"], topn=3)
            assert top[0] == [(word, pytest.approx(x, abs=2e-6)) for word, x in
                              usual.most_similar("0", topn=3)]  # fmt: skip
            assert np.isfinite(found.get_normed_vectors()).all()


def test_no_vector_is_nan():
    for bad in (np.nan, np.inf):
        with pytest.raises(ValueError, match="of 'b', at place 1, holds NaN or infinity"):
            WordVectors(["a", "b"], [[1, 0], [bad, 1]])
        vectors = WordVectors(["a"], [[1, 0]])
        with pytest.raises(ValueError, match="the vector of 'c'"):
            vectors["c"] = [1, bad]
        assert vectors.index_to_key == ["a"]
