import jax
import numpy as np
import optax
import pytest

from jaxvec import OPTIMIZERS, Corpus, GloVe, SkipGram, cooccurrence, fit
from jaxvec.train import glove as glove_training
from jaxvec.train.epoch import train_segment
from tests import reference
from tests.conftest import topic_accuracy

KEY = jax.random.key(0)
SMALL = GloVe(vector_size=16, x_max=20.0)


@pytest.fixture(scope="module")
def cells(topic_corpus):
    return cooccurrence.count(topic_corpus, window=5)


@pytest.mark.parametrize("chunk_cells", [1, 3, 32, 1000])
@pytest.mark.parametrize("segment_cells", [100, 10**6])
@pytest.mark.parametrize("valid", [0.0, 0.2])
def test_an_epoch_holds_every_cell_once(cells, monkeypatch, chunk_cells, segment_cells, valid):
    monkeypatch.setattr(glove_training, "SEGMENT_CELLS", segment_cells)
    model = GloVe(chunk_cells=chunk_cells, chunks=3)
    train, held_out = model.segments(cells, valid, KEY)
    assert (held_out is None) == (valid == 0)
    expected = cells.matrix().toarray()
    for epoch in range(2):
        found = np.zeros_like(expected)
        for part in filter(None, (train, held_out)):
            for i in range(len(part.sizes)):
                words, contexts, counts = part.get(jax.random.fold_in(KEY, epoch), i)
                assert len(words) % 3 == 0
                assert (words.shape, counts.shape) == (part.empty().words.shape, contexts.shape)
                np.add.at(
                    found, (np.broadcast_to(words[:, None], contexts.shape), contexts), counts
                )
        np.testing.assert_array_equal(found, expected)
    share = (held_out.sizes.sum() if held_out else 0) / len(cells)
    assert abs(share - valid) < 0.05
    assert train.sizes.sum() + (held_out.sizes.sum() if held_out else 0) == len(cells)


def test_epochs_differ_and_keys_decide(cells):
    segments, _ = SMALL.segments(cells, 0, KEY)
    one, again, other = (segments.get(jax.random.key(i), 0).words for i in (1, 1, 2))
    assert np.array_equal(one, again)
    assert not np.array_equal(one, other)


@pytest.mark.parametrize("optimizer", ["glove_row_adagrad", "glove_adagrad", "adagrad", "adam"])
def test_learns_the_topics(optimizer):
    """From text in which words of other topics turn up too: GloVe sees what does occur only."""
    rng = np.random.default_rng(0)
    topics = rng.integers(0, 8, (600, 1)), rng.integers(0, 8, (600, 40))
    topic = np.where(rng.random((600, 40)) < 0.8, *topics)
    words = rng.integers(0, 12, (600, 40))
    text = [[f"t{t}w{w}" for t, w in zip(*d, strict=True)] for d in zip(topic, words, strict=True)]
    cells = cooccurrence.count(Corpus.from_documents(text, min_count=1), window=5)
    result = fit(cells, SMALL, key=KEY, epochs=30, optimizer=optimizer, valid=0.1)
    first, last = result.history[0], result.history[-1]
    assert last.loss < first.loss
    assert last.valid_loss < first.valid_loss
    assert topic_accuracy(result.vectors()) > 0.9


def test_reported_loss_is_the_programs_cost(cells):
    """The mean over cells of half the terms, here at the start: nothing moves at such a rate."""
    result = fit(cells, SMALL, key=KEY, epochs=1, optimizer=optax.sgd(1.0), learning_rate=1e-12)
    matrix = cells.matrix().tocoo()
    start = SMALL.init(jax.random.split(KEY, 3)[0], len(cells.vocab))
    terms = reference.glove_cells(
        [np.asarray(table, float) for table in start],
        matrix.row, matrix.col, matrix.data.astype(float), SMALL.x_max, SMALL.alpha,
    )  # fmt: skip
    assert result.history[0].words == result.history[0].pairs == len(cells)
    assert result.history[0].loss == pytest.approx(terms.mean() / 2, rel=1e-5)


def test_vectors_are_the_sum_by_default(cells):
    result = fit(cells, SMALL, key=KEY, epochs=1)
    assert np.array_equal(result.vectors().vectors, result.params.input + result.params.output)


def test_compiles_once(cells):
    model = GloVe(vector_size=11)
    before = train_segment._cache_size()
    for _ in range(2):
        fit(cells, model, key=KEY, epochs=2)
    assert train_segment._cache_size() == before + 1


def test_memory_mapped_counts_train_the_same(cells, tmp_path):
    cells.save(tmp_path / "cells")
    mapped = cooccurrence.Cooccurrence.load(tmp_path / "cells")
    ours, theirs = (fit(data, SMALL, key=KEY, epochs=2).params for data in (cells, mapped))
    assert all(np.array_equal(a, b) for a, b in zip(ours, theirs, strict=True))


def test_models_refuse_each_others_data(cells, topic_corpus):
    with pytest.raises(ValueError, match="GloVe trains on counts"):
        fit(topic_corpus, SMALL, key=KEY)
    with pytest.raises(ValueError, match="this model trains on text"):
        fit(cells, SkipGram(), key=KEY)


@pytest.mark.parametrize(
    ("options", "message"),
    [({"x_max": 0}, "x_max"), ({"alpha": -1}, "alpha"), ({"chunks": 0}, "chunks")],
)
def test_bad_model(options, message):
    with pytest.raises(ValueError, match=message):
        GloVe(**options)


def test_glove_rates_have_no_schedule(cells):
    for options in ({"min_learning_rate": 0.01}, {"learning_rate": lambda p: 0.1}):
        with pytest.raises(ValueError, match="one learning rate"):
            fit(cells, SMALL, key=KEY, **options)
    assert {"glove_adagrad", "glove_row_adagrad"} <= OPTIMIZERS.keys()


def test_never_nan_at_a_tenth(topic_corpus):
    two = Corpus.from_documents([["a", "b"] * 5000], min_count=1)
    for corpus in (topic_corpus, two):
        counts = cooccurrence.count(corpus)
        result = fit(counts, key=KEY, model=GloVe(vector_size=8), epochs=5, learning_rate=0.1)
        assert np.isfinite(result.vectors().vectors).all()
