"""Models of one program are those that `fit` trains one by one."""

import dataclasses
import functools
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvec import CBOW, GloVe, SkipGram, Softmax, cooccurrence, fit, sweep
from jaxvec.optim.named import resolve_optimizer
from jaxvec.train import segments
from jaxvec.train.contracts import State
from jaxvec.train.epoch import run_segment
from jaxvec.train.segments import TokenSegments
from jaxvec.train.stability import stable
from tests.compiled import copies_in_loops
from tests.conftest import segment_programs

KEYS = jax.random.split(jax.random.key(7), 4)
SMALL = SkipGram(vector_size=16, window=3, blocks=2)


@pytest.fixture(scope="module")
def cells(topic_corpus):
    return cooccurrence.count(topic_corpus, window=5)


def assert_solo(results, data, models, keys, rates, **options):
    """Each result is that of its own run, its reports too."""
    for result, model, key, rate in zip(results, models, keys, rates, strict=True):
        solo = fit(data, model, key=key, learning_rate=rate, workers=1, **options)
        for ours, theirs in zip(
            jax.tree.leaves(result[:2]), jax.tree.leaves(solo[:2]), strict=True
        ):
            scale = np.abs(theirs).max()
            np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-5 * scale)
        for ours, theirs in zip(result.history, solo.history, strict=True):
            assert ours.loss == pytest.approx(theirs.loss, rel=1e-5)
            if theirs.valid_loss is not None:
                assert ours.valid_loss == pytest.approx(theirs.valid_loss, rel=1e-5)
            assert (ours.epoch, ours.pairs, ours.words) == (
                theirs.epoch,
                theirs.pairs,
                theirs.words,
            )
            assert ours.learning_rate == pytest.approx(theirs.learning_rate)


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_seeds(short_corpus, monkeypatch, optimizer):
    """Of several segments, and of lengths that subsampling makes different."""
    monkeypatch.setattr(segments, "SEGMENT_TOKENS", 1500)
    options = {"epochs": 2, "optimizer": optimizer, "valid": 0.1}
    results = sweep(short_corpus, SMALL, key=KEYS, workers=2, **options)
    assert len({report.pairs for result in results for report in result.history}) > 4
    assert_solo(results, short_corpus, [SMALL] * 4, KEYS, [None] * 4, **options)


@pytest.mark.parametrize("workers", [1, 4])
def test_rates_and_noise(short_corpus, workers):
    two = [dataclasses.replace(SMALL, ns_exponent=e, sample=s) for e, s in [(1, 1e-3), (-0.5, 0)]]
    models = two * 2
    rates = [0.01, 0.02, 0.04, lambda progress: 0.03 * (1 - progress)]
    options = {"epochs": 1, "optimizer": "row_adagrad"}
    results = sweep(
        short_corpus, models, key=KEYS[0], learning_rate=rates, workers=workers, **options
    )
    assert_solo(results, short_corpus, models, [KEYS[0]] * 4, rates, **options)


@pytest.mark.parametrize("optimizer", [None, "adam"])
def test_glove(cells, optimizer):
    models = [GloVe(vector_size=8, x_max=x, alpha=a) for x, a in [(10, 0.75), (50, 0.5)]]
    rates = [0.05, 0.1]
    options = {"epochs": 2, "optimizer": optimizer}
    results = sweep(cells, models, key=KEYS[:2], learning_rate=rates, **options)
    assert_solo(results, cells, models, KEYS[:2], rates, **options)


@pytest.mark.parametrize("model", [CBOW(vector_size=8, blocks=1), Softmax(vector_size=8, blocks=1)])
def test_other_models(topic_corpus, model):
    results = sweep(topic_corpus, model, key=KEYS[:2], epochs=1)
    assert_solo(results, topic_corpus, [model] * 2, KEYS[:2], [None] * 2, epochs=1)


def test_held_out_cells_are_those_of_the_first_key(cells):
    model = GloVe(vector_size=16, x_max=20)
    options = {"epochs": 5, "valid": 0.1}
    results = sweep(cells, model, key=KEYS, **options)
    assert_solo(results[:1], cells, [model], KEYS[:1], [None], **options)
    assert len({result.history[0].words for result in results}) == 1
    assert len({result.history[-1].valid_loss for result in results}) == 4


def test_steps_small_enough_for_all(short_corpus):
    """The highest rate asks for the smallest steps."""
    model = SkipGram(vector_size=8)
    rates = [0.01, 0.05]
    sizes = [stable(model, short_corpus.vocab.counts, rate)[0].step_tokens for rate in rates]
    assert sizes[0] > sizes[1]
    results = sweep(short_corpus, model, key=KEYS[0], learning_rate=rates, epochs=1)
    assert {result.model.step_tokens for result in results} == {sizes[1]}


def test_one_that_diverges_stops_no_other(short_corpus):
    options = {"epochs": 1, "optimizer": "adam", "valid": 0.1}
    results = sweep(
        short_corpus, SMALL, key=KEYS[0], learning_rate=np.array([0.02, 1e4]), **options
    )
    assert np.isnan(results[1].history[-1].loss)
    assert np.isnan(results[1].history[-1].valid_loss)
    assert_solo(results[:1], short_corpus, [SMALL], KEYS[:1], [0.02], **options)


def test_one_program_for_all_sweeps_of_a_shape(topic_corpus, caplog):
    model = dataclasses.replace(SMALL, vector_size=9)
    with segment_programs(caplog) as programs:
        for seed in (1, 2):
            keys = jax.random.split(jax.random.key(seed), 4)
            sweep(topic_corpus, model, key=keys, epochs=2, learning_rate=0.01 * seed)
    assert len(programs) == 1


def swept(topic_corpus, name, together) -> list[str]:
    """The copies of tables in a step of four models' one program."""
    optimizer, _ = resolve_optimizer(name, False, None, None)
    constants = SMALL.constants(topic_corpus)
    one = functools.partial(run_segment, SMALL, optimizer, together=together)

    @functools.partial(jax.jit, donate_argnums=0)
    def train(states, keys):
        return jax.vmap(
            lambda state, key: one(state, constants, segment, key, jnp.ones(2)), axis_name="models"
        )(states, keys)

    segment = TokenSegments(topic_corpus).epoch(KEYS[0])(0)
    params = SMALL.init(KEYS[0], len(topic_corpus.vocab))
    state = State(params, optimizer.init(params))
    states = jax.tree.map(lambda a: jnp.stack([a] * 4), state)
    text = train.lower(states, KEYS).compile().as_text()
    return copies_in_loops(text, 4, len(topic_corpus.vocab), SMALL.vector_size)


@pytest.mark.parametrize("name", ["sgd", "adam"])
def test_no_copy_of_the_tables_in_a_step(topic_corpus, name):
    assert swept(topic_corpus, name, "models") == []


def test_vmap_of_loops_of_different_lengths_would_copy_them(topic_corpus):
    assert len(swept(topic_corpus, "sgd", None)) >= 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"learning_rate": [0.1, 0.2]}, "got 4 of key, 2 of learning_rate"),
        ({"model": [SMALL, dataclasses.replace(SMALL, window=2)], "key": KEYS[0]}, "may differ in"),
        ({"model": [SMALL, CBOW(16)], "key": KEYS[0]}, "may differ in"),
        ({"workers": 3}, "4 models cannot be shared out evenly over workers=3"),
        ({"learning_rate": []}, "0 of learning_rate"),
        ({"epochs": 0}, "epochs must be at least 1"),
    ],
)
def test_what_does_not_fit(topic_corpus, options, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        sweep(topic_corpus, **{"model": SMALL, "key": KEYS, **options})
