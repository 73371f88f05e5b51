"""Methods of gensim's KeyedVectors: their parameters, and the values of the rarer ones."""

import inspect
import warnings

import numpy as np
import pytest
from gensim.models import KeyedVectors

from jaxvec import WordVectors

WORDS = [f"w{i}" for i in range(60)]
ABSENT = {
    "add_lifecycle_event": "gensim's own log",
    "allocate_vecattrs": "internal to gensim; set_vecattr and add_vectors make arrays",
    "index2entity": "an error in gensim too",
    "index2word": "an error in gensim too",
    "init_sims": "deprecated in gensim",
    "log_accuracy": "internal to gensim",
    "log_evaluate_word_pairs": "internal to gensim",
    "resize_vectors": "gensim's preallocation, with random vectors",
    "similarity_unseen_docs": "an error in gensim too",
    "vectors_norm": "an error in gensim too",
    "vocab": "an error in gensim too",
    "word_vec": "deprecated in gensim",
    "words_closer_than": "deprecated in gensim",
}
OTHER_PARAMETERS = {
    "load": "reads other files than gensim's pickles",
    "save": "writes other files than gensim's pickles",
    "most_similar": "without indexer, as there are no approximate indexes",
    "save_word2vec_format": "without total_vec and append: files are written whole, headers true",
}
OTHER_DEFAULTS = {
    ("evaluate_word_pairs", "delimiter"): "tabs, or white space in lines without",
    ("intersect_word2vec_format", "lockf"): "nothing locks vectors",
}


def test_parameters_are_gensims():
    """The first of ours are gensim's, of the same order and defaults."""
    for name in sorted(name for name in dir(KeyedVectors) if not name.startswith("_")):
        assert (name in ABSENT) == (not hasattr(WordVectors, name)), name
        if name in ABSENT or name in OTHER_PARAMETERS:
            continue
        theirs = inspect.signature(getattr(KeyedVectors, name)).parameters
        ours = inspect.signature(getattr(WordVectors, name)).parameters
        assert list(ours)[: len(theirs)] == list(theirs), name
        for parameter in theirs.values():
            mine = ours[parameter.name]
            assert mine.kind == parameter.kind, name
            if (name, parameter.name) not in OTHER_DEFAULTS:
                assert mine.default == parameter.default, (name, parameter.name)


@pytest.fixture
def table():
    return np.random.default_rng(0).normal(size=(60, 5)).astype(np.float32)


@pytest.fixture
def ours(table):
    return WordVectors(WORDS, table)


@pytest.fixture
def theirs(table):
    vectors = KeyedVectors(5)
    vectors.add_vectors(WORDS, table.copy())
    return vectors


def test_deprecated_names_are_answered(ours):
    for name, instead in {"word_vec": "get_vector", "words_closer_than": "closer_than"}.items():
        with pytest.raises(AttributeError, match=f"write {instead}"):
            getattr(ours, name)


@pytest.mark.parametrize("pre", [False, True])
@pytest.mark.parametrize("post", [False, True])
def test_mean_vectors(ours, theirs, pre, post):
    rng = np.random.default_rng(1)
    options = {"pre_normalize": pre, "post_normalize": post}
    for size in range(1, 8):
        keys = [*rng.choice(WORDS, size), int(rng.integers(60)), rng.normal(size=5), "unheard"]
        for weights in (None, rng.normal(size=size + 3), rng.normal(size=size + 3).tolist()):
            expected = theirs.get_mean_vector(keys, weights, **options)
            found = ours.get_mean_vector(keys, weights, **options)
            np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)
            assert found.dtype == np.float32
    assert ours.get_mean_vector(["unheard"], **options).tolist() == [0] * 5
    rows = ours.get_mean_vector(ours.vectors[:3], **options)
    np.testing.assert_allclose(rows, theirs.get_mean_vector(theirs.vectors[:3], **options), 1e-5)
    with pytest.raises(KeyError, match="unheard"):
        ours.get_mean_vector(["unheard"], ignore_missing=False)


def test_centrality(ours, theirs):
    rng = np.random.default_rng(2)
    for size in range(3, 20):
        words = [*rng.choice(WORDS, size, replace=False), "unheard"]
        for use_norm in (False, True):
            found, expected = (v.rank_by_centrality(words, use_norm) for v in (ours, theirs))
            assert [word for _, word in found] == [word for _, word in expected]
            scores = [[score for score, _ in ranked] for ranked in (found, expected)]
            np.testing.assert_allclose(*scores, rtol=1e-4, atol=1e-6)


def test_cosines(ours, theirs, table):
    expected = KeyedVectors.cosine_similarities(table[3], table)
    found = WordVectors.cosine_similarities(table[3], table)
    np.testing.assert_allclose(found, expected, atol=1e-6)
    assert WordVectors.cosine_similarities(table[3], np.zeros((2, 5))).tolist() == [0, 0]
    for a, b, topn in [("w1", "w2", 10), ("w9", "w3", 3), ("w5", "w50", 60)]:
        expected = theirs.relative_cosine_similarity(a, b, topn)
        assert ours.relative_cosine_similarity(a, b, topn) == pytest.approx(expected, rel=1e-4)
        expected = theirs.similar_by_key(a, topn)
        assert [word for word, _ in ours.similar_by_key(a, topn)] == [word for word, _ in expected]
    for key in ("w3", "x", 3, 60, -1):
        assert ours.has_index_for(key) == theirs.has_index_for(key)


def test_vectors_for_all(ours, theirs):
    ours.set_vecattr("w7", "count", 5)
    theirs.set_vecattr("w7", "count", 5)
    keys = ["w7", "unheard", "w3", "w7", "w50"]
    for infer in (False, True):
        for copy in (False, True):
            found = ours.vectors_for_all(keys, infer, copy)
            expected = theirs.vectors_for_all(keys, infer, copy)
            assert found.index_to_key == expected.index_to_key
            assert np.array_equal(found.vectors, expected.vectors)
            assert isinstance(found, WordVectors)
    assert found.counts.tolist() == [5, 0, 0] == expected.expandos["count"].tolist()
    assert len(ours.vectors_for_all([3], False)) == len(theirs.vectors_for_all([3], False)) == 0
    assert ours.vectors_for_all([3, "w3"]).index_to_key == ["w3"]
    found.vectors[:] = 0
    assert ours["w7"].any()


def test_vectors_one_by_one(ours, theirs):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # that this is slow
        for i in range(3):
            vector = np.arange(5.0) + i
            assert ours.add_vector(f"x{i}", vector) == theirs.add_vector(f"x{i}", vector)
    for vectors in (ours, theirs):
        vectors["x1"] = np.ones(5)
        vectors[["x2", "y"]] = np.full((2, 5), 7.0)
    assert ours.index_to_key == theirs.index_to_key
    assert np.array_equal(ours.vectors, theirs.vectors)
    with pytest.raises(TypeError, match="words must be strings"):
        ours[3] = np.ones(5)


def test_unit_lengths(ours, theirs, table):
    before = ours.norms
    ours.unit_normalize_all()
    theirs.unit_normalize_all()
    np.testing.assert_allclose(ours.vectors, theirs.vectors, rtol=1e-6)
    assert ours.vectors.dtype == np.float32
    np.testing.assert_allclose(ours.norms, 1, rtol=1e-6)
    assert not np.allclose(before, 1)
    ours.vectors[0] *= 2
    assert ours.norms[0] == pytest.approx(1)
    ours.fill_norms()
    assert ours.norms[0] == pytest.approx(1)
    ours.fill_norms(force=True)
    assert ours.norms[0] == pytest.approx(2)


@pytest.mark.parametrize("binary", [False, True])
def test_intersection(ours, theirs, table, tmp_path, binary):
    words = ["w3", "elsewhere", "w50", "w7"]
    other = WordVectors(words, -table[:4] - 1)
    other.save_word2vec_format(tmp_path / "v", binary=binary)
    assert ours.intersect_word2vec_format(tmp_path / "v", 1.0, binary) == ["w3", "w7", "w50"]
    expected = table.copy()
    expected[[3, 50, 7]] = -table[[0, 2, 3]] - 1
    assert np.array_equal(ours.vectors, expected)
    assert ours.index_to_key == WORDS
    if not binary:  # gensim's reader of binary fails with today's NumPy
        theirs.vectors_lockf = np.ones(60, np.float32)
        theirs.intersect_word2vec_format(str(tmp_path / "v"), lockf=1.0)
        assert np.array_equal(ours.vectors, theirs.vectors)
    with pytest.raises(ValueError, match=r"lockf must be 1; got 0.0: .*freeze=words"):
        ours.intersect_word2vec_format(tmp_path / "v", 0.0, binary)
    with pytest.raises(ValueError, match="holds vectors of 5 numbers, not 2"):
        WordVectors(["w3"], [[1, 2]]).intersect_word2vec_format(tmp_path / "v", binary=binary)
    assert ours.intersect_word2vec_format(tmp_path / "v", binary=binary) == ["w3", "w7", "w50"]
