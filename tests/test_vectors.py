import copy

import numpy as np
import pytest

from jaxvec import WordVectors
from jaxvec.vectors.queries import WordQueries
from jaxvec.vectors.table import WordTable
from tests.peers import WORDS, gensims, same, vector


def test_look_ups(ours, theirs, table):
    assert np.array_equal(ours["w5"], table[5])
    assert np.array_equal(ours[["w5", "w1", 7]], theirs[["w5", "w1", 7]])
    assert ours[[]].shape == (0, 10)
    assert (len(ours), ours.vector_size, ours.key_to_index["w7"]) == (300, 10, 7)
    for key in ("w5", 5, np.int64(5), "x", 300, -1):
        assert (key in ours) == (key in theirs)
        assert ours.get_index(key, 77) == theirs.get_index(key, 77)
        assert ours.get_index(key, -1) == theirs.get_index(key, -1)
    assert None not in ours
    with pytest.raises(KeyError, match="not in the vocabulary"):
        ours.get_index(2.0)
    for norm in (False, True):
        found = ours.get_vector("w5", norm=norm)
        np.testing.assert_allclose(found, theirs.get_vector("w5", norm=norm), atol=1e-6)
        with pytest.raises(ValueError, match="read-only"):
            found[0] = 1


@pytest.mark.parametrize("replace", [False, True])
def test_add_vectors_is_gensims(table, replace):
    ours, theirs = WordVectors(WORDS[:50], table[:50]), gensims(WORDS[:50], table[:50])
    before = ours.most_similar("w1")
    for first, last in ((40, 60), (60, 60), (10, 100)):
        rows = -table[first:last] if replace else table[first:last] + 1
        ours.add_vectors(WORDS[first:last], rows, replace=replace)
        theirs.add_vectors(WORDS[first:last], rows, replace=replace)
    ours.add_vectors("single", vector(5))
    theirs.add_vectors("single", vector(5))
    assert (ours.index_to_key, ours.key_to_index) == (theirs.index_to_key, theirs.key_to_index)
    assert np.array_equal(ours.vectors, theirs.vectors)
    assert ours.counts is None
    assert ours.most_similar("w1") != before
    same(ours.most_similar("w1"), theirs.most_similar("w1"))
    assert table[10, 0] == np.random.default_rng(0).normal(size=(300, 10)).astype(np.float32)[10, 0]


def test_added_counts():
    vectors = WordVectors(["a", "b"], np.eye(2), counts=[5, 3])
    vectors.add_vectors(["c", "a"], [[2, 0], [0, 2]], {"count": [7, 1]})
    vectors.add_vectors(["d"], [[1, 1]])
    assert vectors.counts.tolist() == [5, 3, 7, 0]
    vectors.add_vectors(["b"], [[9, 9]], {"count": [6]}, True)
    assert vectors.get_vecattr("b", "count") == 6
    vectors.sort_by_descending_frequency()
    assert vectors.index_to_key == ["c", "b", "a", "d"]
    assert vectors["b"].tolist() == [9, 9]
    assert [vectors.get_vecattr(word, "count") for word in "abcd"] == [5, 6, 7, 0]
    bare = WordVectors(["a"], [[1]])
    bare.add_vectors(["b"], [[1]], {"count": [2]})
    assert bare.counts.tolist() == [0, 2]


def test_sort_is_gensims(table):
    counts = np.random.default_rng(1).permutation(300)
    ours, theirs = WordVectors(WORDS, table), gensims(WORDS, table)
    for word, count in zip(WORDS, counts, strict=True):
        theirs.set_vecattr(word, "count", int(count))
    ours.add_vectors(WORDS, table, {"count": counts}, replace=True)
    ours.sort_by_descending_frequency()
    theirs.sort_by_descending_frequency()
    assert (ours.index_to_key, ours.key_to_index) == (theirs.index_to_key, theirs.key_to_index)
    assert np.array_equal(ours.vectors, theirs.vectors)
    assert ours.get_vecattr("w5", "count") == theirs.get_vecattr("w5", "count")
    ours.counts[:] = 1
    ours.sort_by_descending_frequency()
    assert ours.index_to_key == theirs.index_to_key


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda v: v.add_vectors(["a", "b"], [[1, 2]]), r"need vectors \[2, 2\]; got \(1, 2\)"),
        (lambda v: v.add_vectors(["a"], [[1, 2, 3]]), r"need vectors \[1, 2\]; got \(1, 3\)"),
        (lambda v: v.add_vectors(["x", "x"], np.eye(2)), "'x' comes twice"),
        (lambda v: v.add_vectors(["x"], [[1, 2]], {"count": [1, 2]}), "need 1 counts"),
        (
            lambda v: v.add_vectors(["x"], [[1, 2]], {"hue": [1, 2]}),
            "1 words need 1 values of 'hue'",
        ),
        (lambda v: v.add_vector("a", [1, 2]), "the word 'a' has a vector"),
        (lambda v: v.add_vector("x", [1, 2, 3]), r"need vectors \[1, 2\]; got \(1, 3\)"),
        (lambda v: v.set_vecattr("a", "count", -1), "whole numbers from 0"),
        (lambda v: v.get_mean_vector([]), "at least one word or vector"),
        (lambda v: v.get_mean_vector(["a"], [1, 2]), "1 words need 1 weights; got"),
        (lambda v: v.rank_by_centrality(["x"]), "at least one word"),
        (lambda v: v.relative_cosine_similarity("a", "b", 0), "0 neighbors of 'a' add up to 0"),
        (lambda v: v.most_similar(np.ones(3)), r"must be \[2\]; got \[3\]"),
        (lambda v: v.distances(np.ones((2, 2))), r"must be \[2\]; got \[2, 2\]"),
        (lambda v: v.n_similarity([], ["a"]), "a word or more"),
        (lambda v: v.doesnt_match(["x"]), "at least one word"),
        (lambda v: v.most_similar_to_given("a", []), "words to choose from"),
    ],
)
def test_wrong_arguments(ask, message):
    vectors = WordVectors(["a", "b"], np.eye(2))
    with pytest.raises(ValueError, match=message):
        ask(vectors)
    assert vectors.index_to_key == ["a", "b"]
    assert vectors.vectors.shape == (2, 2)


def test_attributes_that_are_missing():
    vectors = WordVectors(["a"], [[1]])
    with pytest.raises(KeyError, match="no attribute 'count'"):
        vectors.get_vecattr("a", "count")
    with pytest.raises(KeyError, match="no attribute 'count'"):
        vectors.sort_by_descending_frequency()
    with pytest.raises(KeyError, match="no attribute 'hue'"):
        WordVectors(["a"], [[1]], counts=[1]).get_vecattr("a", "hue")


@pytest.mark.parametrize(
    "ask",
    [
        lambda v, w: v[w],
        lambda v, w: v[["w1", w]],
        lambda v, w: v.get_index(w),
        lambda v, w: v.get_vector(w),
        lambda v, w: v.get_vecattr(w, "count"),
        lambda v, w: v.most_similar(w),
        lambda v, w: v.most_similar("w1", [(w, 2.0)]),
        lambda v, w: v.most_similar_cosmul("w1", w),
        lambda v, w: v.similar_by_word(w),
        lambda v, w: v.similarity("w1", w),
        lambda v, w: v.distance(w, "w1"),
        lambda v, w: v.distances("w1", [w]),
        lambda v, w: v.rank("w1", w),
        lambda v, w: v.closer_than(w, "w1"),
        lambda v, w: v.most_similar_to_given("w1", ["w2", w]),
        lambda v, w: v.set_vecattr(w, "hue", 1),
        lambda v, w: v.similar_by_key(w),
        lambda v, w: v.get_mean_vector(["w1", w], ignore_missing=False),
        lambda v, w: v.relative_cosine_similarity("w1", w),
    ],
)
def test_unknown_words(ours, ask):
    with pytest.raises(KeyError, match="'w999' is not in the vocabulary; close matches: w99"):
        ask(ours, "w999")


@pytest.mark.parametrize(
    ("words", "table", "counts", "message"),
    [
        (["a"], np.ones((2, 3)), None, r"got \(2, 3\)"),
        (["a", "a"], np.ones((2, 3)), None, "comes twice"),
        (["a", "b"], np.ones((2, 3)), [1], "need 2 counts"),
    ],
)
def test_bad_tables(words, table, counts, message):
    with pytest.raises(ValueError, match=message):
        WordVectors(words, table, counts=counts)


@pytest.mark.parametrize("word", [b"a", [b"a"], True, [True, False], bytearray(b"a"), [b"a", "b"]])
def test_bytes_and_bools_are_no_words(word):
    wv = WordVectors(list("abc"), np.eye(3))
    for ask in (
        wv.most_similar, wv.most_similar_cosmul, wv.doesnt_match, wv.most_similar_many,
        lambda w: wv.most_similar(["a"], w), lambda w: wv.distances("a", w), wv.__getitem__,
        lambda w: wv.n_similarity(["a"], w), lambda w: wv.wmdistance(["a"], w),
        lambda w: wv.most_similar_to_given("a", w), wv.get_normed_vectors,
    ):  # fmt: skip
        with pytest.raises((TypeError, ValueError), match=r"string|float|vector"):
            ask(word)
    if not isinstance(word, list | bytearray):
        for ask in (wv.get_index, wv.most_similar_dot, wv.get_vector):
            with pytest.raises(TypeError, match="a word must be a string"):
                ask(word)


def test_numpys_strings_and_numbers_are_words_and_places():
    wv = WordVectors(np.array(["a", "b", "c"]), [[1, 0], [1, 1], [0, 1]])
    for word in (np.str_("a"), np.int32(0), np.uint8(0), np.array(["a"]), ["a"], (np.str_("a"),)):
        assert wv.most_similar(word, topn=1)[0][0] == "b"
    assert wv[np.array([2, 0])].tolist() == [[0, 1], [1, 0]]


def test_a_string_is_one_word_and_no_list_of_letters():
    wv = WordVectors(["a", "b", "ab"], [[1, 0], [0, 1], [1, 1]])
    assert len(wv.most_similar_many("ab")) == 1
    assert wv.most_similar_to_given("a", "ab") == "ab"
    assert wv.wmdistance("ab", ["ab"]) == 0
    with pytest.raises(ValueError, match="a text must be a list of words; got 'b a': split it"):
        wv.wmdistance(["a"], "b a")
    with pytest.raises(ValueError, match="words must be a list of words; got the string 'ab'"):
        WordVectors("ab", np.eye(2))
    for words in ([b"a", "b"], [1, 2]):
        with pytest.raises(TypeError, match="words must be strings"):
            WordVectors(words, np.eye(2))
        with pytest.raises(TypeError, match="words must be strings"):
            wv.add_vectors(words, np.eye(2))
    with pytest.raises(ValueError, match="whole numbers from 0"):
        WordVectors(["a"], [[1.0]], counts=[1.5])


def test_the_order_given_stays():
    words, table, counts = (
        ["<unk>", "a", "b"],
        np.arange(6, dtype=np.float32).reshape(3, 2),
        [3, 9, 3],
    )
    vectors = WordVectors(words, table, counts=counts)
    assert vectors.index_to_key == words
    assert np.array_equal(vectors.vectors, table)
    assert vectors.counts.tolist() == counts
    vectors.sort_by_descending_frequency()
    assert vectors.index_to_key == ["a", "<unk>", "b"]
    assert vectors.vectors[:, 0].tolist() == [2, 0, 4]
    assert vectors.counts.tolist() == [9, 3, 3]
    assert vectors.key_to_index == {"a": 0, "<unk>": 1, "b": 2}


def test_nothing_is_written_to_the_callers_arrays():
    table, counts = np.array([[3, 4], [0, 2]], np.float32), np.array([3, 9])
    words, hues = ["a", "b"], np.array([1, 2])
    vectors = WordVectors(words, table, counts=counts, attributes={"hue": hues})
    assert np.shares_memory(vectors.vectors, table)
    vectors.set_vecattr("a", "count", 5)
    vectors.set_vecattr("a", "hue", 7)
    vectors["a"] = [9, 9]
    WordVectors(words, table, counts=counts).sort_by_descending_frequency()
    WordVectors(words, table).unit_normalize_all()
    vectors.add_vectors(["c", "b"], np.ones((2, 2)), {"count": [1, 1]}, replace=True)
    assert (table.tolist(), counts.tolist(), words) == ([[3, 4], [0, 2]], [3, 9], ["a", "b"])
    assert hues.tolist() == [1, 2]
    assert vectors.counts.tolist() == [5, 1, 1]
    vectors.counts = counts = np.array([1, 2, 3])
    counts[0] = 7
    assert vectors.get_vecattr("a", "count") == 1


@pytest.mark.parametrize("kind", [WordTable, WordQueries, WordVectors])
def test_the_name_of_the_class_is_shown(kind):
    assert repr(kind(["a"], [[1, 2]])) == f"{kind.__name__} of 1 words, 2 numbers each"


def test_attributes_are_gensims(table):
    ours, theirs = WordVectors(WORDS[:9], table[:9]), gensims(WORDS[:9], table[:9])
    rng = np.random.default_rng(0)
    for word in WORDS[:9:2]:
        for name, value in {
            "rank": int(rng.integers(9)), "share": float(rng.normal()), "seen": True,
            "small": np.float32(0.1),
        }.items():  # fmt: skip
            ours.set_vecattr(word, name, value)
            theirs.set_vecattr(word, name, value)
    for vectors in (ours, theirs):
        with pytest.raises(TypeError, match=r"conflicts with|'rank' holds int64; got .* 0\.5"):
            vectors.set_vecattr("w1", "rank", 0.5)
        vectors.add_vectors(["x"], table[:1])
    theirs.allocate_vecattrs()
    for vectors in (ours, theirs):
        vectors.set_vecattr("x", "count", 3)
        vectors.set_vecattr("w3", "count", 5)
    assert ours.counts.tolist() == theirs.expandos["count"].tolist()
    for word in [*WORDS[:9], "x"]:
        for name in ("rank", "share", "seen", "small", "count"):
            assert ours.get_vecattr(word, name) == theirs.get_vecattr(word, name)
    few = ours.vectors_for_all(["x", "w2"], copy_vecattrs=True)
    assert few.get_vecattr("w2", "share") == ours.get_vecattr("w2", "share")
    ours.sort_by_descending_frequency()
    assert ours.index_to_key[:2] == ["w3", "x"]
    assert ours.get_vecattr("w2", "share") == few.get_vecattr("w2", "share")


def test_attributes_may_be_strings():
    vectors = WordVectors(["a", "b"], np.eye(2), attributes={"hue": ["red", None]})
    vectors.set_vecattr("b", "hue", "blue")
    vectors.add_vectors(["c", "a"], np.eye(2), {"hue": ["green", "no"], "size": [2, 3]})
    assert vectors.attributes["hue"].tolist() == ["red", "blue", "green"]
    assert vectors.attributes["size"].tolist() == [0, 0, 2]
    for value in (3, b"x", [1], None):
        with pytest.raises((TypeError, ValueError), match="'hue'"):
            vectors.set_vecattr("a", "hue", value if value is not None else 2.0)
    with pytest.raises(TypeError, match="'size' holds int64; got the string 'x'"):
        vectors.set_vecattr("a", "size", "x")


def test_a_shallow_copy_has_its_own_words():
    first = WordVectors(["a", "b"], np.eye(2))
    second = copy.copy(first)
    second.add_vector("c", [1, 1])
    assert (first.index_to_key, second.index_to_key) == (["a", "b"], ["a", "b", "c"])
    assert len(first) == len(first.vectors)
