"""The start that knows the text: what it is, that it pays, and when there is none."""

import dataclasses

import jax
import numpy as np
import pytest

from jaxvec import (
    CBOW,
    Corpus,
    GloVe,
    SkipGram,
    Softmax,
    Vocab,
    WordVectors,
    cooccurrence,
    fit,
    ppmi,
    spectral,
)
from jaxvec.cli import main
from jaxvec.train import drawing
from tests.conftest import segment_programs, topic_accuracy

KEY = jax.random.key(0)
MODELS = {
    "sgns": SkipGram(vector_size=16, window=3, sample=0),
    "cbow": CBOW(vector_size=16, window=3, sample=0),
}


def test_products_are_the_best_of_their_rank(topic_corpus):
    """Eckart and Young: no other two tables of D columns come nearer to the matrix."""
    found = spectral.tables(topic_corpus, 20)
    exact = ppmi.matrix(cooccurrence.count(topic_corpus, window=2)).toarray()
    missed = np.linalg.norm(exact - found.input @ found.output.T)
    best = np.linalg.norm(np.linalg.svd(exact, compute_uv=False)[20:])
    assert best <= missed < 1.02 * best
    np.testing.assert_allclose(
        np.linalg.norm(found.input, axis=0), np.linalg.norm(found.output, axis=0), rtol=1e-4
    )


def test_words_after_are_another_matrix():
    corpus = Corpus.from_documents(["a b", "a b", "c d", "e f"], min_count=1)
    found = spectral.tables(corpus, 4, symmetric=False)
    a, b = corpus.vocab.encode(["a", "b"])
    products = found.input @ found.output.T
    assert products[a, b] > 0.5
    assert abs(products[b, a]) < 1e-4


def test_learns_at_low_rates_what_a_random_start_does_not(topic_corpus):
    model = MODELS["sgns"]
    options = {"key": KEY, "epochs": 2, "learning_rate": model.default_learning_rate / 8}
    informed = fit(topic_corpus, model, **options)
    random = fit(topic_corpus, dataclasses.replace(model, spectral_words=0), **options)
    assert topic_accuracy(informed.vectors()) > 0.9
    assert topic_accuracy(random.vectors()) < 0.5
    assert informed.history[0].loss < random.history[0].loss
    assert informed.history[0].start_seconds > 0


def test_cbow_starts_from_the_same_tables(topic_corpus):
    sgns, cbow = (
        fit(topic_corpus, model, key=KEY, epochs=1, learning_rate=1e-20)
        for model in MODELS.values()
    )
    for ours, theirs in zip(cbow.params, sgns.params, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-7)
    assert topic_accuracy(cbow.vectors()) > 0.9


def test_zero_is_word2vecs_start(topic_corpus):
    """What training at next to no rate begins with, and so ends with."""
    model = dataclasses.replace(MODELS["sgns"], spectral_words=0)
    result = fit(topic_corpus, model, key=KEY, epochs=1, learning_rate=1e-20)
    start = model.init(jax.random.split(KEY, 3)[0], len(topic_corpus.vocab))
    np.testing.assert_allclose(result.params.input, start.input, atol=1e-7)
    assert np.abs(result.params.output).max() < 1e-7


def test_given_vectors_come_before_it(topic_corpus):
    table = np.random.default_rng(0).normal(size=(len(topic_corpus.vocab), 16))
    given = WordVectors(topic_corpus.vocab.words, table.astype(np.float32))
    options = {"key": KEY, "epochs": 1, "learning_rate": 1e-20}
    result = fit(topic_corpus, MODELS["sgns"], init=given, **options)
    np.testing.assert_allclose(result.params.input, given.vectors, atol=1e-6)
    assert np.abs(result.params.output).max() < 1e-7


def test_what_is_held_out_has_no_part_in_it(topic_documents, monkeypatch):
    seen = []
    tables = spectral.tables
    monkeypatch.setattr(spectral, "tables", lambda c, *a, **o: seen.append(c) or tables(c, *a, **o))
    corpus = Corpus.from_documents(topic_documents, min_count=1)
    fit(corpus, MODELS["sgns"], key=KEY, epochs=1, valid=0.25)
    assert [len(c) for c in seen] == [len(corpus) * 3 // 4]


@pytest.mark.parametrize("words", [1, 50, 3_001, 23_999, 24_000])
def test_stretches_of_the_text(topic_corpus, words):
    part = spectral._spread(topic_corpus, words)
    assert words <= len(part) <= max(words + 15, 16)
    assert part.offsets[0] == 0
    assert part.offsets[-1] == len(part)
    assert (np.diff(part.offsets) > 0).all()
    whole = " ".join(map(str, topic_corpus.ids))
    for document in part.documents():  # none of two documents
        assert " ".join(map(str, document)) in whole
        assert len(document) <= 40
    assert (spectral.tables(topic_corpus, 16, words=words) is None) == (words == 1)


def test_stretches_are_spread_evenly_over_the_text():
    """Where no word occurs twice, its id is its place."""
    size = 10_000
    vocab = Vocab([f"w{i}" for i in range(size)], np.ones(size, int))
    ids = np.arange(size, dtype=np.int32)
    corpus = Corpus(vocab, ids, np.array([0, size]), raw_words=size)
    places = spectral._spread(corpus, 1600).ids
    first = places[np.diff(places, prepend=-2) != 1]
    np.testing.assert_allclose(first, np.linspace(0, size - 100, 16), atol=1)
    assert len(np.unique(places)) == 1600


def test_nothing_to_find():
    few = Corpus.from_documents(["the cat sat on the mat"] * 9, min_count=1)
    assert spectral.tables(few, 5) is None  # as many dimensions as words
    apart = Corpus.from_documents([["a"], ["b"], ["c"]], min_count=1)
    assert spectral.tables(apart, 2) is None
    result = fit(few, SkipGram(vector_size=8, sample=0), key=KEY, epochs=1)
    assert np.isfinite(result.history[0].loss)


@pytest.mark.parametrize(("words", "error"), [(-1, ValueError), (1.5, TypeError)])
def test_bad_numbers_of_words(words, error):
    with pytest.raises(error, match="spectral_words must be"):
        SkipGram(spectral_words=words)


def test_other_models_have_none(topic_corpus):
    report = fit(topic_corpus, Softmax(vector_size=16), key=KEY, epochs=1).history[0]
    assert report.start_seconds == 0


def test_glove_begins_at_the_counts_pmi(topic_corpus):
    """With a lower cost than from random vectors, whatever the workers, which hold the cells."""
    counts = cooccurrence.count(topic_corpus, window=5)
    model = GloVe(vector_size=16, x_max=10)
    random = GloVe(vector_size=16, x_max=10, spectral_start=False)
    informed, plain = (fit(counts, m, key=KEY, epochs=3) for m in (model, random))
    assert informed.history[0].start_seconds > 0
    assert plain.history[0].start_seconds == 0
    assert informed.history[0].loss < 0.9 * plain.history[0].loss
    found = []
    for workers in (1, 2):
        cells, _ = model.segments(counts, 0.0, KEY, workers)
        np.testing.assert_array_equal(cells.head(20).toarray(), counts.matrix()[:20, :20].toarray())
        found.append(model.head_start(cells))
    for one, other in zip(*found, strict=True):
        np.testing.assert_array_equal(one, other)
    pmi = ppmi.matrix(counts).toarray()
    products = np.asarray(found[0].input) @ np.asarray(found[0].output).T
    assert np.linalg.norm(products - pmi) < 0.6 * np.linalg.norm(pmi)
    assert not np.any(found[0].input_bias)


def test_frequent_words_without_cells_have_no_start(topic_corpus):
    counts = cooccurrence.count(topic_corpus, window=5)
    cells, _ = GloVe().segments(counts, 0.0, KEY)
    cells.parts = [[part._replace(words=part.words + 50) for part in row] for row in cells.parts]
    assert cells.head(50).nnz == 0
    assert spectral.of_cells(cells.head(50), 8) is None


def test_held_out_cells_are_no_part_of_the_start(topic_corpus):
    counts = cooccurrence.count(topic_corpus, window=5)
    cells, held_out = GloVe().segments(counts, 0.5, KEY)
    ours, theirs = (part.head(1000).toarray() for part in (cells, held_out))
    np.testing.assert_array_equal(ours + theirs, counts.matrix().toarray())
    assert not np.any((ours > 0) & (theirs > 0))
    assert 0.3 < (ours > 0).sum() / len(counts) < 0.7


def test_on_the_command_line(tmp_path, monkeypatch, capsys, topic_documents):
    monkeypatch.chdir(tmp_path)
    text = "\n".join(" ".join(document) for document in topic_documents)
    (tmp_path / "text.txt").write_text(text)
    command = ["train", "text.txt", "--epochs", "1", "--vector-size", "8", "--min-count", "1"]
    assert main([*command, "-o", "a.npz"]) == 0
    assert "start found in" in capsys.readouterr().err
    assert main([*command, "-o", "b.npz", "--spectral-words", "0"]) == 0
    assert "start found in" not in capsys.readouterr().err
    a, b = (WordVectors.load(f"{name}.npz") for name in "ab")
    assert b.metadata["run"]["spectral_words"] == 0
    assert not np.allclose(a.vectors, b.vectors, atol=0.01)
    assert main([*command, "-o", "c.npz", "--model", "glove", "--spectral-words", "9"]) == 2
    assert "--spectral-words is for --model sgns, cbow or pv-dbow" in capsys.readouterr().err


@pytest.mark.parametrize("workers", [1, 2])
def test_small_programs_are_compiled_ahead(topic_corpus, workers, monkeypatch, caplog):
    """On the thread of the start, whose compilations are not logged, and once for all keys. Keys
    take no program, and no optimizer with a name is tried."""
    monkeypatch.setattr(drawing, "ROWS", 64)
    names = "train_", "_drawn", "_threefry_split", "_trial"
    jax.clear_caches()
    with segment_programs(caplog, "|".join(names)) as programs:
        for seed in range(2):
            fit(topic_corpus, MODELS["sgns"], key=jax.random.key(seed), epochs=1, workers=workers)
    assert len(topic_corpus.vocab) > 64
    assert [sum(name in text for text in programs) for name in names] == [1, 0, 0, 0]
