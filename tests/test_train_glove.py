import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxvec import OPTIMIZERS, Corpus, GloVe, SkipGram, WordVectors, cooccurrence, fit, optim
from jaxvec.train import cells as cell_segments
from jaxvec.train.contracts import State
from jaxvec.train.epoch import evaluate_segment, run_segment, train_segment
from jaxvec.train.start import matched, warm
from tests import reference
from tests.conftest import segment_programs

KEY = jax.random.key(0)
SMALL = GloVe(vector_size=16, x_max=20.0, spectral_start=False)


@pytest.fixture(scope="module")
def cells(topic_corpus):
    return cooccurrence.count(topic_corpus, window=5)


@pytest.mark.parametrize("chunk_cells", [1, 3, 32, 1000])
@pytest.mark.parametrize("segment_cells", [100, 10**6])
@pytest.mark.parametrize("valid", [0.0, 0.2])
@pytest.mark.parametrize("workers", [1, 3])
def test_an_epoch_holds_every_cell_once(
    cells, monkeypatch, chunk_cells, segment_cells, valid, workers
):
    monkeypatch.setattr(cell_segments, "SEGMENT_CELLS", segment_cells)
    model = GloVe(chunk_cells=chunk_cells, chunks=3)
    train, held_out = model.segments(cells, valid, KEY, workers)
    assert (held_out is None) == (valid == 0)
    expected = cells.matrix().toarray()
    for epoch in range(2):
        found = np.zeros_like(expected)
        for part in filter(None, (train, held_out)):
            for i in range(len(part.sizes)):
                arrays = part.epoch(jax.random.fold_in(KEY, epoch))(i)
                assert [a.shape for a in arrays] == [a.shape for a in part.empty()]
                if part.workers == 1:
                    arrays = [a[None] for a in arrays]
                n, worker = part.workers, i % part.workers
                for phase, (words, contexts, counts) in enumerate(zip(*arrays, strict=True)):
                    assert len(words) % 3 == 0
                    row = np.broadcast_to(words[:, None] * n + worker, contexts.shape)
                    column = contexts * n + (worker + phase) % n
                    real = counts > 0
                    np.add.at(found, (row[real], column[real]), counts[real])
        np.testing.assert_array_equal(found, expected)
    share = (held_out.sizes.sum() if held_out else 0) / len(cells)
    assert abs(share - valid) < 0.1
    assert train.sizes.sum() + (held_out.sizes.sum() if held_out else 0) == len(cells)


def test_a_first_count_of_zero_is_no_padding(cells):
    segments, _ = GloVe(chunk_cells=3, chunks=2).segments(cells, 0, KEY)
    words, contexts, counts = segments.epoch(KEY)(0)
    filled = (counts > 0).any(axis=1).sum()
    counts[:, 0] = 0  # as by hand: the constructor drops zeros
    counts[: filled - 1] = 0
    counts[filled - 1, 1] = 1
    plan = GloVe(chunk_cells=3, chunks=2).plan(
        None, KEY, cell_segments.Cells(words, contexts, counts)
    )
    assert int(plan.steps) == -(-filled // 2)


def test_epochs_differ_and_keys_decide(cells):
    segments, _ = SMALL.segments(cells, 0, KEY)
    one, again, other = (segments.epoch(jax.random.key(i))(0).words for i in (1, 1, 2))
    assert np.array_equal(one, again)
    assert not np.array_equal(one, other)


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


def test_compiles_once(cells, caplog):
    with segment_programs(caplog) as programs:
        for _ in range(2):
            fit(cells, GloVe(vector_size=11), key=KEY, epochs=2)
    assert len(programs) == 1


def test_memory_mapped_counts_train_the_same(cells, tmp_path):
    cells.save(tmp_path / "cells")
    mapped = cooccurrence.Cooccurrence.load(tmp_path / "cells")
    assert isinstance(mapped.data, np.memmap)
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


def test_bad_mittens(cells):
    model = GloVe(vector_size=4, mittens=1.0)
    with pytest.raises(ValueError, match="mittens needs init"):
        fit(cells, model, key=KEY)
    vectors = WordVectors(cells.vocab.words[:1], [[0, 0, 0, 0]])
    with pytest.raises(ValueError, match="mittens trains on one worker, not 2"):
        fit(cells, model, key=KEY, init=vectors, workers=2)
    with pytest.raises(ValueError, match="have 4 numbers, the model's 16"):
        fit(cells, SMALL, key=KEY, init=vectors)
    with pytest.raises(ValueError, match="no word of the vocabulary"):
        fit(cells, model, key=KEY, init=WordVectors(["elsewhere"], [[0, 0, 0, 0]]))


def test_starts_from_given_vectors(cells):
    """At a rate of next to nothing they stay; words without begin as without `init`."""
    rng = np.random.default_rng(0)
    words = [*cells.vocab.words[5:20], "elsewhere"]
    given = WordVectors(words, rng.normal(size=(16, 16)))
    options = {"key": KEY, "epochs": 1, "optimizer": "sgd", "learning_rate": 1e-12}
    as_usual = fit(cells, SMALL, **options).vectors()
    found = fit(cells, SMALL, init=given, **options)
    np.testing.assert_array_equal(found.params.input[5:20], found.params.output[5:20])
    for word in cells.vocab.words:
        expected = given if word in given else as_usual
        np.testing.assert_allclose(found.vectors()[word], expected[word], atol=1e-6)


def test_mittens_is_its_formula(cells):
    """An epoch's summed loss has μ/2 times each known word's squared distance once."""
    rng = np.random.default_rng(0)
    given = WordVectors(cells.vocab.words[5:20], rng.normal(size=(15, 16)))
    elsewhere = WordVectors(cells.vocab.words[5:20], np.zeros((15, 16)))
    model = dataclasses.replace(SMALL, mittens=0.7)
    constants = model.constants(cells)
    table, known = matched(given, cells.vocab, 16)
    constants = model.drawn_to(constants, cells, table, known)
    params = warm(model.init(KEY, len(cells.vocab)), *matched(elsewhere, cells.vocab, 16), "sum")
    segments, _ = model.segments(cells, 0, KEY)
    losses = {}
    for name, (which, numbers) in {
        "with": (model, constants),
        "without": (SMALL, SMALL.constants(cells)),
    }.items():
        parts = [
            evaluate_segment(which, params, numbers, segments.epoch(KEY)(i), KEY).loss.sum()
            for i in range(len(segments.sizes))
        ]
        losses[name] = float(sum(parts))
    expected = 0.35 * np.square(given.vectors).sum()
    assert losses["with"] - losses["without"] == pytest.approx(expected, rel=1e-3)


def test_what_is_held_out_is_judged_without_mittens(cells):
    given = WordVectors(cells.vocab.words[:20], np.ones((20, 16)))
    options = {"key": KEY, "epochs": 1, "valid": 0.2, "init": given, "optimizer": "sgd",
               "learning_rate": 1e-12}  # fmt: skip
    free, drawn = (
        fit(cells, dataclasses.replace(SMALL, mittens=mittens), **options).history[0]
        for mittens in (0.0, 10.0)
    )
    assert drawn.valid_loss == pytest.approx(free.valid_loss, rel=1e-5)
    start = State(SMALL.init(KEY, len(cells.vocab)), None)
    with pytest.raises(ValueError, match="both init and start"):
        fit(cells, SMALL, key=KEY, init=given, start=start)


def test_mittens_keeps_words_near_their_vectors(cells):
    rng = np.random.default_rng(0)
    given = WordVectors(cells.vocab.words[:20], rng.normal(size=(20, 16)))

    def distance(mittens):
        model = dataclasses.replace(SMALL, mittens=mittens)
        vectors = fit(cells, model, key=KEY, epochs=10, init=given).vectors()
        return np.square(vectors[given.index_to_key] - given.vectors).sum()

    none, some, much = map(distance, (0.0, 1.0, 100.0))
    assert 0 < 10 * much < some < 0.6 * none


def test_gradients_are_clipped(cells):
    """A bound so small that SGD moves every number by the rate times it for each copy, at most."""
    params, start = (
        fit(
            cells, SMALL, key=KEY, epochs=1, optimizer=optimizer, learning_rate=rate, grad_clip=1e-3
        ).params
        for optimizer, rate in [("sgd", 1.0), ("sgd", 1e-12)]
    )
    steps = -(-sum(-(-np.diff(cells.indptr) // SMALL.chunk_cells)) // SMALL.step_chunks)
    for a, b in zip(params, start, strict=True):
        assert 0 < np.abs(a - b).max() <= steps * 1e-3 + 1e-5
    for rate in (1e-30, 1e30):  # its sums would begin at infinity, or 0
        with pytest.raises(ValueError, match=r"must be from 1e-18 to 1e.18, .*; got 1e"):
            fit(cells, SMALL, key=KEY, epochs=1, learning_rate=rate)
    with pytest.raises(ValueError, match="grad_clip must be a positive number; got 0"):
        fit(cells, SMALL, key=KEY, grad_clip=0)


def test_clipping_of_gloves_own_optimizer(cells):
    """Its bound is for vectors; biases, of which few are left to explain all, are as they were."""
    options = {"key": KEY, "epochs": 1}
    usual = fit(cells, SMALL, **options).params
    same = fit(cells, SMALL, grad_clip=100.0, **options).params
    clipped = fit(cells, SMALL, grad_clip=1e-6, **options).params
    np.testing.assert_array_equal(usual.input, same.input)
    start = SMALL.init(jax.random.split(KEY, 3)[0], len(cells.vocab))
    np.testing.assert_allclose(clipped.input, start.input, atol=1e-3)
    assert np.abs(clipped.input_bias - start.input_bias).max() > 0.1


def test_a_sweep_of_numbers_in_one_program(cells):
    """x_max, alpha and the rate as arrays: each row is the run alone with its numbers."""
    sweep = {"x_max": [5.0, 20.0, 100.0], "alpha": [0.5, 0.75, 1.0], "rate": [0.02, 0.05, 0.1]}
    numbers = {name: jnp.array(values) for name, values in sweep.items()}
    segments, _ = SMALL.segments(cells, 0, KEY)
    segment, rates = segments.epoch(KEY)(0), jnp.ones(2)
    params = SMALL.init(KEY, len(cells.vocab))

    def optimizer(rate):
        return optim.glove_adagrad(rate, per_row=True, accumulate_first=True)

    rows = optim.row_sparse(optimizer(0.05), write_back="scatter")

    def train(x_max, alpha, rate):
        constants = SMALL.constants(cells)._replace(x_max=x_max, alpha=alpha)
        state = State(params, optimizer(rate).init(params))
        return run_segment(SMALL, rows, state, constants, segment, KEY, rates)[0].params

    many = jax.jit(jax.vmap(train))(*numbers.values())
    for i, (x_max, alpha, rate) in enumerate(zip(*sweep.values(), strict=True)):
        one = fit_one(cells, segment, params, x_max, alpha, optimizer(rate))
        for a, b in zip(many, one, strict=True):
            np.testing.assert_allclose(a[i], b, rtol=1e-5, atol=1e-6)


def fit_one(cells, segment, params, x_max, alpha, transform):
    """A segment with those numbers as the model's own."""
    model = dataclasses.replace(SMALL, x_max=x_max, alpha=alpha)
    rows = optim.row_sparse(transform, write_back="scatter")
    state = State(jax.tree.map(jnp.copy, params), rows.init(params))
    rates = np.ones(2, np.float32)
    return train_segment(model, rows, state, model.constants(cells), segment, KEY, rates)[0].params
