"""Corpora of whole numbers: the corpora of the numbers written as text, to the bit."""

import itertools

import jax
import numpy as np
import pytest

from jaxvec import CBOW, Corpus, GloVe, SkipGram, Vocab, cooccurrence, fit, ppmi
from jaxvec.train.segments import TokenSegments

KEY = jax.random.key(0)


def documents(seed=0, most=400, count=200):
    rng = np.random.default_rng(seed)
    return [rng.zipf(1.4, rng.integers(0, 20)) % most for _ in range(count)]


def same(one, other):
    assert one.vocab.words == other.vocab.words
    assert np.array_equal(one.vocab.counts, other.vocab.counts)
    assert (one.vocab.specials, one.vocab.unk) == (other.vocab.specials, other.vocab.unk)
    assert np.array_equal(one.ids, other.ids)
    assert np.array_equal(one.offsets, other.offsets)
    assert one.ids.dtype == other.ids.dtype
    assert one.offsets.dtype == other.offsets.dtype
    assert one.raw_words == other.raw_words


OPTIONS = [
    {}, {"min_count": 3}, {"max_size": 20}, {"min_count": 3, "unk": "<unk>"},
    {"specials": ["<pad>", "7"]}, {"vocab": Vocab(["3", "1", "17"], [1, 1, 1])},
    {"vocab": Vocab(["<unk>", "3", "1"], [0, 1, 1], specials=1, unk="<unk>")},
    {"extend": Vocab(["3", "900"], [9, 9]), "min_count": 2},
]  # fmt: skip


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("factor", [1, 10**15])  # counted in an array, and sorted
def test_equals_the_corpus_of_numbers_as_text(options, factor):
    given = [document * factor for document in documents()]
    if factor > 1:
        options = {k: v for k, v in options.items() if k not in ("vocab", "extend")}
    text = [[str(number) for number in document] for document in given]
    expected = Corpus.from_documents(text, **{"min_count": 1, **options})
    ends = np.cumsum([len(document) for document in given])
    for ids, breaks in [
        (np.concatenate(given), ends),
        (np.concatenate(given).astype(np.uint64), np.concatenate([[0], ends])),
        (given, None),
        ([document.tolist() for document in given], None),
        (padded(given), None),
    ]:
        same(Corpus.from_ids(ids, breaks, **options), expected)


def padded(rows):
    places = np.arange(max(map(len, rows)))
    ids = np.full((len(rows), len(places)), -1)
    for i, row in enumerate(rows):
        ids[i, : len(row)] = row
    return ids


def test_words_of_the_callers():
    words = [f"node {i}" for i in range(400)]
    given = documents(1)
    text = [[words[number] for number in document] for document in given]
    expected = Corpus.from_documents(text, min_count=2)
    same(Corpus.from_ids(given, words=words, min_count=2), expected)
    vocab = expected.vocab
    again = Corpus.from_ids(list(expected.documents()), words=vocab.words, vocab=vocab)
    assert np.array_equal(again.ids, expected.ids)


def test_arrays_of_jax_and_one_document():
    corpus = Corpus.from_ids(jax.numpy.array([5, 5, 3]))
    assert (corpus.vocab.words, corpus.offsets.tolist()) == (["5", "3"], [0, 3])
    assert Corpus.from_ids(7 * np.eye(2, dtype=int)).vocab.words == ["0", "7"]


@pytest.mark.parametrize(
    ("arguments", "options", "error", "message"),
    [
        (([1.0, 2.0],), {}, TypeError, "ids must be whole numbers; got float64"),
        (([True],), {}, TypeError, "ids must be whole numbers; got bool"),
        ((["1"],), {}, TypeError, "ids must be whole numbers; got <U1"),
        (([1, None],), {}, TypeError, "ids must be whole numbers; got object"),
        (([[1, 2], [2.5]],), {}, TypeError, "ids must be whole numbers; got float64"),
        (([1, -1],), {}, ValueError, "whole numbers from 0; got -1"),
        (([[1, -2], [3, 4]],), {}, ValueError, "whole numbers from 0; got -2"),
        ((np.array([[1, -1, 2]]),), {}, ValueError, "not go on after it"),
        (([],), {}, ValueError, "there are no ids"),
        (([[], []],), {}, ValueError, "there are no ids"),
        ((np.array([[-1]]),), {}, ValueError, "there are no ids"),
        ((np.zeros((2, 2, 2), int),), {}, ValueError, r"must be \[T\], or \[N, L\]"),
        (([[1, 2]], [1]), {}, ValueError, "breaks do not go with a list"),
        ((np.ones((1, 2), int), [1]), {}, ValueError, r"without breaks; got \[1, 2\]"),
        (([1, 2, 3], [1, 2]), {}, ValueError, r"rising to the 3 .* np.cumsum\(lengths\)"),
        (([1, 2, 3], [2, 1, 3]), {}, ValueError, "rising to the 3"),
        (([1, 2, 3], [-1, 3]), {}, ValueError, "rising to the 3"),
        (([1, 2, 3], []), {}, ValueError, "rising to the 3"),
        (([1, 2], [1.0, 2.0]), {}, TypeError, "breaks must be whole numbers; got float64"),
        (([1, 2],), {"words": ["a", "b"]}, ValueError, "ids go up to 2, and .* words up to 1"),
        (([0, 1],), {"words": ["a", "a"]}, ValueError, "two ids have the same word 'a'"),
        (([0],), {"words": [1]}, TypeError, "words must be strings"),
        (([0],), {"vocab": Vocab(["7", "b"], [1, 1])}, ValueError, "no numbers, such as 'b'"),
        (([0],), {"extend": Vocab(["b"], [1])}, ValueError, "no numbers, such as 'b'"),
        (([0],), {"vocab": ["0"]}, TypeError, "vocab must be a Vocab"),
        (([0],), {"vocab": Vocab(["1"], [1])}, ValueError, "no word of the ids is in"),
        (([0],), {"min_count": 2}, ValueError, "lower min_count"),
        (([0],), {"min_count": 0}, ValueError, "min_count must be at least 1"),
        (([0],), {"offsets": [0]}, TypeError, r"from_ids has no argument offsets.*write Corpus"),
    ],
)  # fmt: skip
def test_bad_ids(arguments, options, error, message):
    with pytest.raises(error, match=message):
        Corpus.from_ids(*arguments, **options)


def sessions():
    """Two kinds of sessions of 2 to 12 items, each of items of its own: 0 to 9, and 10 to 19."""
    rng = np.random.default_rng(0)
    kinds = rng.integers(0, 2, 400)
    return [rng.permutation(10)[: rng.integers(2, 11)] + 10 * kind for kind in kinds]


def test_a_window_of_whole_sessions_pairs_all_their_items():
    corpus = Corpus.from_ids(sessions())
    window = corpus.longest_document() - 1
    model = SkipGram(vector_size=4, window=window, shrink_windows=False, sample=0)
    constants = model.constants(corpus)
    plan = model.plan(constants, KEY, TokenSegments(corpus).epoch(KEY)(0))
    bits = jax.random.bits(KEY, (int(plan.steps), *model.bits()))
    weight = sum(
        float(model.weight(model.batch(constants, plan, bits[t], t)))
        for t in range(int(plan.steps))
    )
    lengths = np.diff(corpus.offsets)
    assert weight == (lengths * (lengths - 1)).sum()


@pytest.mark.parametrize("model", [SkipGram, ppmi], ids=["sgns", "ppmi"])
def test_items_of_a_kind_are_neighbors(model):
    corpus = Corpus.from_ids(sessions())
    window = corpus.longest_document() - 1
    if model is ppmi:
        wv = ppmi.vectors(cooccurrence.count(corpus, window=window), vector_size=8)
    else:
        options = model(
            vector_size=8, window=window, shrink_windows=False, sample=1e-2, ns_exponent=-0.5
        )
        wv = fit(corpus, options, key=KEY, epochs=10).vectors()
    for item in range(20):
        for other, _ in wv.most_similar(str(item), topn=3):
            assert int(other) // 10 == item // 10


def test_words_of_four_letters_of_dna():
    """k-mers: the number of a word of 4 letters is read in base 4."""
    rng = np.random.default_rng(0)
    letters = rng.integers(0, 4, (50, 40))
    codes = sum(letters[:, i : i + 37] * 4 ** (3 - i) for i in range(4))
    words = ["".join(word) for word in itertools.product("ACGT", repeat=4)]
    corpus = Corpus.from_ids(codes, words=words)
    first = "".join("ACGT"[letter] for letter in letters[0])
    (document, *_) = corpus.documents()
    assert corpus.vocab.decode(document) == [first[i : i + 4] for i in range(37)]


@pytest.mark.parametrize("ids", [[np.zeros((2, 3), int), np.zeros((1, 3), int)], [[1, 2], 5, [3]]])
def test_a_list_is_of_documents(ids):
    with pytest.raises(ValueError, match=r"a document must be a list of ids, \[L\]; got \["):
        Corpus.from_ids(ids)


@pytest.mark.parametrize("kind", [SkipGram, CBOW, GloVe, ppmi], ids=lambda kind: kind.__name__)
def test_all_models_learn_the_same_from_numbers_and_text(kind):
    given = documents(most=30, count=60)
    text = Corpus.from_documents([[str(n) for n in one] for one in given], min_count=1)
    tables = []
    for corpus in (Corpus.from_ids(given), text):
        counts = cooccurrence.count(corpus, window=3)
        if kind is ppmi:
            wv = ppmi.vectors(counts, vector_size=4)
        else:
            data = counts if kind is GloVe else corpus
            wv = fit(data, kind(vector_size=4), key=KEY, epochs=1).vectors()
        tables.append((wv.index_to_key, wv.vectors, wv.counts))
    (words, vectors, counts), (of_text, expected, expected_counts) = tables
    assert words == of_text
    np.testing.assert_array_equal(vectors, expected)
    np.testing.assert_array_equal(counts, expected_counts)
