"""A softmax over a sample of the words: its value, what it tends to, and training by it."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxvec import Softmax, fit, optim, sampling, sgns, softmax
from jaxvec.train.contracts import State
from jaxvec.train.epoch import train_segment
from jaxvec.train.segments import TokenSegments
from tests import reference

pytestmark = pytest.mark.usefixtures("strict_dtypes")

KEY = jax.random.key(0)
V, D, B, K = 12, 4, 8, 6
SMALL = Softmax(vector_size=8, window=2, sampled=16)


@pytest.fixture
def params():
    rng = np.random.default_rng(0)
    return sgns.Params(*(jnp.asarray(rng.normal(0, 1, (V, D)), jnp.float32) for _ in range(2)))


def pairs(drawn=K, key=KEY, q=None):
    """`B` pairs, each with words drawn from a distribution of its own shape."""
    rng = np.random.default_rng(1)
    centers, contexts = (jnp.asarray(rng.integers(0, V, B), jnp.int32) for _ in range(2))
    q = sampling.noise_distribution(np.arange(1, V + 1)) if q is None else q
    words = sampling.negatives(key, (B, drawn), V, sampling.alias_table(q))
    weights = jnp.asarray(rng.choice([0, 0.5, 1], B), jnp.float32)
    return softmax.SampledBatch(
        centers, contexts, words, softmax.log_expected(q, drawn)[words], weights
    )


def full(batch):
    return softmax.Batch(batch.centers, batch.contexts, batch.weights)


def test_values_and_gradients_equal_the_slow_reference(params):
    batch = pairs()
    assert bool((batch.contexts[:, None] == batch.negatives).any())  # some are to be left out
    arrays = list(map(np.asarray, (*params, *batch)))
    value, gradients = jax.value_and_grad(softmax.sampled_loss)(params, batch)
    np.testing.assert_allclose(value, reference.sampled_softmax(*arrays), rtol=1e-5)
    expected = reference.sampled_softmax_gradients(*arrays)
    for ours, theirs in zip(gradients, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)


def test_block_is_the_grid_of_its_pairs(params):
    rng = np.random.default_rng(2)
    weights = rng.choice([0, 1, 2], (1, 3, 5)).astype(np.float32)
    centers, contexts, drawn = (rng.integers(0, V, (1, n)) for n in (3, 5, K))
    logs = rng.normal(size=(1, K)).astype(np.float32)
    block = softmax.SampledBlocks(*map(jnp.asarray, (centers, contexts, drawn, logs, weights)))
    i, j = np.nonzero(weights[0])
    expected = reference.sampled_softmax(
        *map(np.asarray, params), centers[0, i], contexts[0, j],
        np.repeat(drawn, len(i), 0), np.repeat(logs, len(i), 0), weights[0, i, j],
    )  # fmt: skip
    np.testing.assert_allclose(softmax.sampled_loss(params, block), expected, rtol=1e-5)


def test_a_sample_of_each_word_once_is_the_full_softmax(params):
    every = jnp.broadcast_to(jnp.arange(V, dtype=jnp.int32), (B, V))
    batch = pairs()._replace(negatives=every, log_expected=jnp.zeros((B, V)))
    ours = jax.value_and_grad(softmax.sampled_loss)(params, batch)
    theirs = jax.value_and_grad(softmax.loss)(params, full(batch))
    for one, other in zip(jax.tree.leaves(ours), jax.tree.leaves(theirs), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)
    rows = softmax.sampled_rows(batch)
    curvature = softmax.sampled_rows_curvature(softmax.take(params, rows), batch)
    output = jnp.zeros(V).at[rows.output].add(curvature.output)
    vectors = params._replace(input=params.input[batch.centers[:, None]])
    expected = softmax.rows_curvature(vectors, full(batch))
    np.testing.assert_allclose(curvature.input, expected.input, rtol=1e-4)
    np.testing.assert_allclose(output, expected.output, rtol=1e-4)


def test_tends_to_the_full_softmax_as_the_sample_grows(params):
    expected = jax.grad(softmax.loss)(params, full(pairs()))

    def off(drawn):
        found = jax.grad(softmax.sampled_loss)(params, pairs(drawn))
        differences = jax.tree.map(lambda a, b: jnp.linalg.norm(a - b), found, expected)
        return sum(jax.tree.leaves(differences)) / sum(map(jnp.linalg.norm, expected))

    few, many = off(30), off(30_000)
    assert many < 0.03
    assert many < few / 8  # the root of a thousand is 32


def test_the_sum_has_the_expectation_of_all_words(params):
    keys = jax.random.split(jax.random.key(1), 20_000)
    one = jax.tree.map(lambda part: part[:1], pairs(3)._replace(weights=jnp.ones(B)))

    def total(key):
        drawn = jax.tree.map(lambda part: part[:1], pairs(3, key))
        batch = one._replace(negatives=drawn.negatives, log_expected=drawn.log_expected)
        return jnp.exp(softmax.sampled_loss(params, batch))

    totals = jax.jit(jax.vmap(total))(keys)
    expected = jnp.exp(softmax.loss(params, full(one)))
    assert abs(totals.mean() - expected) < 4 * totals.std() / len(keys) ** 0.5


def test_words_that_are_never_drawn_are_no_nan(params):
    q = np.array([0.5, 0.5] + [0.0] * (V - 2))
    assert bool(jnp.isfinite(softmax.log_expected(q, K)).all())
    batch = pairs(q=q)
    assert int(batch.negatives.max()) < 2
    value, gradient = jax.value_and_grad(softmax.sampled_loss)(params, batch)
    assert all(bool(jnp.isfinite(part).all()) for part in (value, *gradient))


@pytest.mark.parametrize("scale", [1, 30])
def test_nothing_but_the_context_drawn(params, scale):
    """There is no contrast: a loss of 0, and no gradient; nor with logits in the thousands."""
    params = jax.tree.map(lambda table: scale * table, params)
    batch = pairs()
    batch = batch._replace(
        negatives=jnp.broadcast_to(batch.contexts[:, None], (B, K)),
        log_expected=jnp.full((B, K), -3.0), weights=jnp.ones(B),
    )  # fmt: skip
    value, gradient = jax.value_and_grad(softmax.sampled_loss)(params, batch)
    assert abs(float(value)) < 1e-3 * scale**2
    for part in gradient:
        assert float(jnp.abs(part).max()) < 1e-3 * scale**2


def test_the_same_key_trains_the_same_bits(topic_corpus):
    def trained(seed):
        return fit(topic_corpus, SMALL, key=jax.random.key(seed), epochs=1, progress=False).params

    first, again, other = (trained(seed) for seed in (0, 0, 1))
    assert all(bool((a == b).all()) for a, b in zip(first, again, strict=True))
    assert not bool((first.output == other.output).all())


def test_a_step_multiplies_by_no_whole_table(topic_corpus):
    """Not with the vocabulary's vectors, nor does it gather them."""
    words = len(topic_corpus.vocab)
    program = train_segment.lower(*arguments(SMALL, topic_corpus)).as_text()
    products = [line for line in program.splitlines() if "dot_general" in line]
    assert products
    assert not any(re.search(rf"[<x]{words}x", line) for line in products)
    whole = train_segment.lower(*arguments(Softmax(vector_size=8, window=2), topic_corpus))
    assert any(f"{words}x" in line for line in whole.as_text().splitlines() if "dot_g" in line)


def arguments(model, corpus):
    optimizer = optim.row_sparse(optax.adam(1.0), write_back="slots")
    params = model.init(KEY, len(corpus.vocab))
    segment = TokenSegments(corpus, None).epoch(KEY)(0)
    state = State(params, optimizer.init(params))
    return model, optimizer, state, model.constants(corpus), segment, KEY, jnp.full(2, 0.01)


def test_held_out_text_has_the_loss_of_the_full_softmax(topic_corpus):
    options = {"key": KEY, "epochs": 1, "valid": 0.2, "progress": False}
    start = fit(topic_corpus, SMALL, **options)
    whole = Softmax(vector_size=8, window=2)
    found, expected = (
        fit(topic_corpus, model, start=start, learning_rate=1e-25, **options).history[-1]
        for model in (SMALL, whole)
    )
    assert found.valid_loss == pytest.approx(expected.valid_loss, rel=1e-5)
    assert found.loss != pytest.approx(expected.loss, rel=1e-4)
    assert SMALL.exact() == whole
    assert whole.exact() is whole


def test_damped_steps(topic_corpus):
    result = fit(topic_corpus, SMALL, key=KEY, epochs=1, optimizer="sgd", progress=False)
    assert result.history[0].loss < np.log(len(topic_corpus.vocab))


@pytest.mark.parametrize(
    ("sampled", "error", "message"),
    [(0, ValueError, "sampled must be at least 1; got 0"), (1.5, TypeError, "whole number")],
)
def test_samples_of_another_size(sampled, error, message):
    with pytest.raises(error, match=message):
        Softmax(sampled=sampled)


def test_samples_too_large(topic_corpus):
    counts = topic_corpus.vocab.counts
    with pytest.raises(ValueError, match="all of which cost no more"):
        fit(topic_corpus, Softmax(sampled=len(counts) + 1), key=KEY)
    with pytest.raises(ValueError, match="give a smaller `sampled`, or fewer `blocks`"):
        Softmax(blocks=10**6, sampled=len(counts)).choices(counts)
    with pytest.raises(ValueError, match="ns_exponent must be a finite number"):
        Softmax(sampled=2, ns_exponent=float("inf"))


def test_an_exact_loss_that_does_not_fit_is_told_before_an_epoch(monkeypatch, topic_corpus):
    monkeypatch.setattr("jaxvec.train.softmax._MOST_LOGITS", 2000)
    model = Softmax(vector_size=4, block_tokens=32, sampled=8, blocks=1)
    called = []
    with pytest.raises(ValueError, match=r"valid=0\.2 asks for the exact loss, and a full softmax"):
        fit(topic_corpus, model, key=KEY, epochs=1, valid=0.2,
            callbacks=[lambda *of: called.append(of)])  # fmt: skip
    assert not called
