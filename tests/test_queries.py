import itertools
import math
import warnings

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment

from jaxvec import WordVectors, align
from jaxvec.vectors.transport import transport_cost
from tests.peers import WORDS, same, vector


def silently(function, *args, **kwargs):
    """What gensim says, its own deprecations apart."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return function(*args, **kwargs)


def random_query(seed: int) -> dict:
    """Words, places, vectors and weights as gensim takes them."""
    rng = np.random.default_rng(seed)

    def term():
        word = WORDS[rng.integers(300)]
        kinds = [word, int(rng.integers(300)), vector(rng.integers(1000))]
        kind = kinds[rng.choice(3, p=[0.6, 0.2, 0.2])]
        return (kind, float(rng.normal())) if rng.random() < 0.3 else kind

    return {
        "positive": [term() for _ in range(rng.integers(1, 4))],
        "negative": [term() for _ in range(rng.integers(0, 3))],
        "topn": [1, 7, 299, 1000][rng.integers(4)],
        "restrict_vocab": [None, 40, 300, 5000][rng.integers(4)],
    }


@pytest.mark.parametrize(
    "query",
    [
        {"positive": "w3"},
        {"positive": ["w3"], "topn": 3},
        {"positive": ["w3", "w10"], "negative": ["w7"]},
        {"positive": ["w3"], "negative": ["w7", "w8"], "restrict_vocab": 50},
        {"positive": ["w200"], "restrict_vocab": 50, "topn": 100},
        {"negative": ["w5"]},
        {"positive": "w3", "negative": "w5"},
        {"positive": 7, "topn": 0},
        {"positive": ["w3", "w3"], "restrict_vocab": 3},
        {"positive": "w3", "clip_start": 40, "clip_end": 90},
        {"positive": ["w3", "w60"], "clip_start": 40, "topn": 300},
        {"positive": "w3", "clip_end": 7, "topn": 3},
        {"positive": "w3", "clip_start": 40, "clip_end": 90, "restrict_vocab": 20},
        {"positive": "w3", "clip_start": 290, "clip_end": 400},
        {"positive": vector(1), "topn": 300},
        {"positive": np.array([vector(1), vector(2)]), "negative": vector(3)},
        {"positive": [("w3", 0.5), (vector(1), 2.0)], "negative": [("w8", 0.7), "w9"]},
        *(random_query(seed) for seed in range(60)),
    ],
)
def test_most_similar_is_gensims(ours, theirs, query):
    same(ours.most_similar(**query), theirs.most_similar(**query))
    query["topn"] = None
    np.testing.assert_allclose(ours.most_similar(**query), theirs.most_similar(**query), atol=1e-5)


def test_every_word_has_gensims_neighbors(ours, theirs):
    many = ours.most_similar_many(WORDS, topn=5)
    for word, found in zip(WORDS, many, strict=True):
        expected = theirs.similar_by_word(word, 5)
        same(ours.similar_by_word(word, 5), expected)
        same(found, expected)


def test_many_in_one_call(ours, theirs):
    for found, word in zip(
        ours.most_similar_many(["w250", 3], 60, 50), ["w250", "w3"], strict=True
    ):
        same(found, theirs.most_similar(word, topn=60, restrict_vocab=50))
    assert ours.most_similar_many([]) == []
    assert ours.most_similar_many(["w1", "w2"], topn=0) == [[], []]
    with pytest.raises(KeyError, match="close matches: w99"):
        ours.most_similar_many(["w1", "w999"])


def test_by_vector(ours, theirs):
    for seed in range(20):
        query = {"topn": 8, "restrict_vocab": 100 if seed % 2 else None}
        same(
            ours.similar_by_vector(vector(seed), **query),
            theirs.similar_by_vector(vector(seed), **query),
        )
    found = ours.similar_by_word("w4", None)
    np.testing.assert_allclose(found, theirs.similar_by_word("w4", None), atol=1e-6)
    assert ours.similar_by_vector(ours["w4"], topn=1)[0][0] == "w4"


@pytest.mark.parametrize(
    "query",
    [
        {"positive": "w3"},
        {"positive": "w3", "negative": "w5"},
        {"positive": ["w3", "w10"], "negative": ["w7"], "topn": 300},
        {"positive": ["w3", "w10", "w12"], "negative": ["w7", "w8"]},
        {"positive": [vector(1) / np.linalg.norm(vector(1)), "w1"], "negative": "w7"},
        {"positive": "w3", "topn": 0},
    ],
)
def test_cosmul_is_gensims(ours, theirs, query):
    same(ours.most_similar_cosmul(**query), silently(theirs.most_similar_cosmul, **query))
    query["topn"] = None
    expected = silently(theirs.most_similar_cosmul, **query)
    np.testing.assert_allclose(ours.most_similar_cosmul(**query), expected, rtol=1e-4, atol=1e-5)


def test_cosmul_where_gensim_errs(ours):
    query = {"positive": ["w3", "w10"], "negative": ["w7"]}
    asked = {"w3", "w10", "w7"}
    few = ours.most_similar_cosmul(**query, topn=300, restrict_vocab=40)
    everywhere = dict(ours.most_similar_cosmul(**query, topn=300))
    assert {word for word, _ in few} == {f"w{i}" for i in range(40)} - asked
    assert all(everywhere[word] == pytest.approx(score, rel=1e-5) for word, score in few)
    assert np.all(np.diff([score for _, score in few]) <= 0)
    vectors = {"positive": [ours["w3"], 5 * ours["w10"]], "negative": [ours["w7"]]}
    same(
        ours.most_similar_cosmul(**query, topn=5),
        [f for f in ours.most_similar_cosmul(**vectors, topn=8) if f[0] not in asked][:5],
    )
    same(ours.most_similar_cosmul([3, "w10"], [7]), ours.most_similar_cosmul(**query))
    with pytest.raises(ValueError, match="positive"):
        ours.most_similar_cosmul(negative="w3")


def test_pairs_of_words(ours, theirs):
    pairs = list(zip(WORDS[:60], WORDS[100:160], strict=True))
    for a, b in pairs:
        assert ours.similarity(a, b) == pytest.approx(theirs.similarity(a, b), abs=1e-5)
        assert ours.distance(a, b) == pytest.approx(theirs.distance(a, b), abs=1e-5)
        assert ours.rank(a, b) == theirs.rank(a, b)
        assert ours.closer_than(a, b) == theirs.closer_than(a, b)
    assert ours.closer_than("w1", "w1") == []
    assert ours.rank("w1", "w1") == 1


def test_distances(ours, theirs):
    for args in (("w7",), ("w7", ["w1", "w200"]), (vector(1),), (vector(1), WORDS[5:9]), (7, None)):
        np.testing.assert_allclose(ours.distances(*args), theirs.distances(*args), atol=1e-5)


def test_groups_of_words(ours, theirs):
    rng = np.random.default_rng(3)
    for size in range(1, 30):
        left, right = (list(rng.choice(WORDS, size)) for _ in "ab")
        for words in (left, [*left, "unheard"]):
            expected = theirs.n_similarity(words, right)
            assert ours.n_similarity(words, right) == pytest.approx(expected, abs=1e-5)
        if len(set(left)) != 2:  # both of two are as far from their mean
            assert ours.doesnt_match([*left, "unheard"]) == theirs.doesnt_match([*left, "unheard"])
        nearest = theirs.most_similar_to_given("w9", right)
        assert ours.most_similar_to_given("w9", right) == nearest
    assert ours.n_similarity(["unheard"], right) == theirs.n_similarity(["unheard"], right) == 0
    assert ours.doesnt_match("w5") == "w5"


def test_empty_queries(ours):
    with pytest.raises(ValueError, match="at least one word"):
        ours.most_similar()


def test_ties_come_in_order_of_place():
    rows = [[1, 1, 1, 1], [1, 1, 1, -1], [-1, 1, 1, 1], [1, 1, 1, -1], [1, -1, 1, 1]]
    vectors = WordVectors(list("edcba"), rows)
    assert [word for word, _ in vectors.most_similar("e", topn=3)] == ["d", "c", "b"]
    assert [word for word, _ in vectors.most_similar_many(["e"], topn=3)[0]] == ["d", "c", "b"]
    assert [word for word, _ in vectors.most_similar_cosmul("e", topn=3)] == ["d", "c", "b"]
    assert vectors.most_similar_to_given("e", ["b", "d"]) == "b"
    assert vectors.closer_than("e", "b") == []


def test_zero_vectors_make_no_nan():
    vectors = WordVectors(["a", "b"], np.zeros((2, 3)))
    assert vectors.most_similar("a") == [("b", 0.0)]
    assert vectors.most_similar_many(["a"]) == [[("b", 0.0)]]
    assert vectors.distances("a").tolist() == [1, 1]
    assert vectors.n_similarity(["a"], ["b"]) == 0
    assert vectors.get_vector("a", norm=True).tolist() == [0, 0, 0]


def test_wmdistance_is_the_best_assignment(ours):
    """Of two texts, each word repeated till both are as long: the best of all pairings."""
    rng = np.random.default_rng(4)
    for left, right in itertools.product((1, 2, 3, 5, 8), (1, 4, 7)):
        words = rng.choice(WORDS[:12], left), rng.choice(WORDS[:12], right)
        length = math.lcm(left, right)
        for norm, get in ((True, ours.get_normed_vectors()), (False, ours.vectors)):
            tables = [get[[ours.key_to_index[w] for w in text]] for text in words]
            first, second = (np.repeat(t, length // len(t), axis=0) for t in tables)
            costs = np.linalg.norm(first[:, None] - second, axis=-1)
            expected = costs[linear_sum_assignment(costs)].mean()
            found = ours.wmdistance([*words[0], "unheard"], list(words[1]), norm=norm)
            assert found == pytest.approx(expected, abs=1e-5)


def test_wmdistance_at_its_edges(ours):
    assert ours.wmdistance(["w1", "w2"], ["w2", "w1"]) == pytest.approx(0, abs=1e-9)
    assert ours.wmdistance("w1", "w1") == 0
    assert ours.wmdistance(["unheard"], ["w1"]) == np.inf
    assert ours.wmdistance([], ["w1"]) == np.inf
    twins = WordVectors(["a", "b", "c"], [[1, 0], [1, 0], [0, 1e-9]])
    assert twins.wmdistance(["a"], ["b"]) == 0
    assert twins.wmdistance(["a", "b"], ["c"], norm=False) == pytest.approx(1)


def test_supply_that_is_not_the_demand():
    with pytest.raises(ValueError, match="no flow"):
        transport_cost(np.array([1.0]), np.array([2.0]), np.ones((1, 1)))


def test_a_vector_that_is_not_finite_has_no_neighbors():
    with pytest.raises(ValueError, match="must hold finite numbers"):
        WordVectors(["a", "b"], np.eye(2)).most_similar(np.array([np.nan, 1.0]))


@pytest.mark.parametrize("shift", [1013.25, 101325])
def test_far_from_zero_neighbors_are_those_of_float64(shift):
    rng = np.random.default_rng(8)
    wv = WordVectors([f"w{i}" for i in range(300)], rng.normal(size=(300, 5)) + shift)
    exact = wv.vectors.astype(np.float64)
    exact /= np.linalg.norm(exact, axis=1, keepdims=True)
    apart = ((exact[3] - exact) ** 2).sum(axis=1) / 2
    order = [f"w{i}" for i in np.argsort(apart)[1:]]
    for found in (
        wv.most_similar("w3", topn=20), wv.most_similar_cosmul("w3", topn=20),
        wv.most_similar(exact[3], topn=21)[1:], wv.most_similar_many(["w3"], topn=20)[0],
    ):  # fmt: skip
        assert [word for word, _ in found] == order[:20]
    np.testing.assert_allclose(wv.distances("w3"), apart, rtol=1e-4, atol=1e-15)
    others = [*order[:10], order[-1]]
    mean = np.mean([exact[wv.get_index(word)] for word in others], axis=0)
    odd = min(others, key=lambda word: exact[wv.get_index(word)] @ mean)
    assert wv.doesnt_match(others) == odd
    assert wv.closer_than("w3", order[3]) == sorted(order[:3], key=wv.get_index)


def test_sums_of_float16_do_not_overflow():
    wv = WordVectors(list("ab"), [[60000.0, 1], [60000, 2]], dtype=np.float16)
    assert wv.n_similarity(["a", "b"], ["a"]) == pytest.approx(1)
    assert wv.most_similar("a")[0][1] == pytest.approx(1)


@pytest.mark.parametrize("limit", [0, -1, 1.5, True, "3", np.float64(3)])
@pytest.mark.parametrize(
    "ask",
    [
        lambda v, n: v.most_similar("w1", restrict_vocab=n),
        lambda v, n: v.most_similar("w1", clip_end=n),
        lambda v, n: v.most_similar("w1", topn=None, restrict_vocab=n),
        lambda v, n: v.most_similar_cosmul("w1", restrict_vocab=n),
        lambda v, n: v.most_similar_dot("w1", restrict_vocab=n),
        lambda v, n: v.most_similar_many(["w1"], restrict_vocab=n),
        lambda v, n: v.similar_by_word("w1", restrict_vocab=n),
        lambda v, n: v.similar_by_key("w1", restrict_vocab=n),
        lambda v, n: v.similar_by_vector(v["w1"], restrict_vocab=n),
        lambda v, n: align.shared_words(v, v, restrict_vocab=n),
        lambda v, n: align.drift(v, v, restrict_vocab=n),
    ],
)
def test_limits_are_whole_numbers_from_one(ours, ask, limit):
    error = ValueError if type(limit) is int else TypeError
    with pytest.raises(error, match=r"(restrict_vocab|clip_end) must be (at least 1|a whole)"):
        ask(ours, limit)
    assert ask(ours, np.int32(150)) is not None


def test_a_negative_clip_start_is_refused(ours):
    with pytest.raises(ValueError, match="clip_start must be at least 0; got -1"):
        ours.most_similar("w1", clip_start=-1)


@pytest.mark.parametrize("topn", [1.5, "3", True])
def test_topn_is_a_whole_number(ours, topn):
    for ask in (
        ours.most_similar, ours.most_similar_cosmul, ours.most_similar_dot, ours.similar_by_key,
        lambda word, topn: ours.most_similar_many([word], topn),
        lambda word, topn: ours.relative_cosine_similarity(word, "w2", topn),
    ):  # fmt: skip
        with pytest.raises(TypeError, match="topn must be a whole number; got"):
            ask("w1", topn=topn)
        assert ask("w1", topn=np.int64(2))


def test_terms_that_are_none():
    wv = WordVectors(["a", "b", "c"], [[1, 0], [1, 1], [0, 1]])
    assert wv.most_similar([["a", 2.0], "b"]) == wv.most_similar([("a", 2.0), "b"])
    with pytest.raises(
        TypeError, match=r"a term must be a word or a vector; got \['a', 'b', 'c'\]"
    ):
        wv.most_similar([["a", "b", "c"]])
    with pytest.raises(TypeError, match="the weight of a term must be a number; got the string"):
        wv.most_similar([("a", "b")])
    with pytest.raises(ValueError, match=r"a vector must be \[2\]; got the number 2.0"):
        wv.most_similar(("a", 2.0))
