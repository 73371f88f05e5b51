import numpy as np
import pytest
from gensim.models import KeyedVectors

from jaxvec import WordVectors


@pytest.fixture(scope="module")
def ours():
    table = np.random.default_rng(0).normal(size=(300, 10)).astype(np.float32)
    return WordVectors([f"w{i}" for i in range(300)], table)


@pytest.fixture(scope="module")
def theirs(ours):
    vectors = KeyedVectors(10)
    vectors.add_vectors(ours.index_to_key, ours.vectors)
    return vectors


@pytest.mark.parametrize(
    "query",
    [
        {"positive": "w3"},
        {"positive": ["w3"], "topn": 3},
        {"positive": ["w3", "w10"], "negative": ["w7"]},
        {"positive": ["w3"], "negative": ["w7", "w8"], "restrict_vocab": 50},
        {"positive": ["w200"], "restrict_vocab": 50, "topn": 100},
        {"negative": ["w5"]},
    ],
)
def test_most_similar_is_gensims(ours, theirs, query):
    expected = theirs.most_similar(**query)
    found = ours.most_similar(**query)
    assert [word for word, _ in found] == [word for word, _ in expected]
    np.testing.assert_allclose([s for _, s in found], [s for _, s in expected], atol=1e-6)


def test_similarity_and_look_ups(ours, theirs):
    assert ours.similarity("w1", "w2") == pytest.approx(theirs.similarity("w1", "w2"), abs=1e-6)
    assert np.array_equal(ours["w5"], ours.vectors[5])
    assert np.array_equal(ours[["w5", "w1"]], ours.vectors[[5, 1]])
    assert "w5" in ours
    assert "x" not in ours
    assert (len(ours), ours.vector_size, ours.key_to_index["w7"]) == (300, 10, 7)


def test_falling_count_order():
    vectors = WordVectors(["<unk>", "a", "b"], [[0], [1], [2]], counts=[3, 9, 3])
    assert vectors.index_to_key == ["a", "<unk>", "b"]
    assert vectors.vectors[:, 0].tolist() == [1, 0, 2]
    assert vectors.counts.tolist() == [9, 3, 3]


def test_unknown_words_and_empty_queries(ours):
    for ask in (ours.__getitem__, ours.most_similar, lambda w: ours.similarity("w1", w)):
        with pytest.raises(KeyError, match="'w999' is not in the vocabulary; close matches: w99"):
            ask("w999")
    with pytest.raises(ValueError, match="at least one word"):
        ours.most_similar()


def test_zero_vectors_make_no_nan():
    vectors = WordVectors(["a", "b"], np.zeros((2, 3)))
    assert vectors.most_similar("a") == [("b", 0.0)]


@pytest.mark.parametrize(
    ("words", "table", "counts", "message"),
    [
        (["a"], np.ones((2, 3)), None, r"got \(2, 3\)"),
        (["a", "a"], np.ones((2, 3)), None, "comes twice"),
        (["a", "b"], np.ones((2, 3)), [1], "as many counts"),
    ],
)
def test_bad_tables(words, table, counts, message):
    with pytest.raises(ValueError, match=message):
        WordVectors(words, table, counts=counts)
