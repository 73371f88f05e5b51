import jax
import jax.numpy as jnp
import numpy as np
import pytest

from benchmarks.stability import LONGEST_ROW, STEPS, longest_row, train, zipf_corpus
from jaxvec import SkipGram, fit, optim, sampling, sgns
from jaxvec.train.stability import stable
from tests.conftest import topic_accuracy

KEY = jax.random.key(0)


@pytest.mark.parametrize("number", range(len(STEPS)))
def test_edges_of_what_is_sensible(topic_corpus, number):
    """On small text, where each step holds a word many more times than on large."""
    setting = STEPS[number]
    corpus = topic_corpus
    if setting.words is not None:
        corpus = zipf_corpus(min(setting.words, 20_000), 100_000)
    small = setting._replace(model={**setting.model, "vector_size": 16})
    assert longest_row(train(corpus, small, 0)) < LONGEST_ROW


@pytest.mark.parametrize("blocks", [16, 64])
@pytest.mark.parametrize("times", [1, 2])
def test_large_steps_learn(topic_corpus, blocks, times):
    model = SkipGram(vector_size=16, window=3, sample=0, blocks=blocks)
    result = fit(topic_corpus, model, key=KEY, epochs=40, learning_rate=times * 0.03)
    assert topic_accuracy(result.vectors()) > 0.9


def test_usual_settings_are_plain_sgd(topic_corpus):
    counts = np.full(60_000, 100)
    assert stable(SkipGram(), counts, 0.03)[1] == 0
    assert stable(SkipGram(block_negatives=16), counts, 0.03)[1] == 0.1
    assert stable(SkipGram(blocks=64), np.array([1000, 1000]), 0.03)[1] == 1
    model, damping = stable(SkipGram(), topic_corpus.vocab.counts, 0.03)
    assert model.step_tokens < 128
    assert damping == 0


@pytest.mark.parametrize("blocks", [None, 64])
def test_two_words_are_learnt(blocks):
    """The best is the loss of knowing how frequent each of the two is."""
    corpus = zipf_corpus(2, 300_000)
    model = SkipGram(vector_size=16, sample=0, blocks=blocks)
    report = fit(corpus, model, key=KEY, epochs=1, learning_rate=0.07).history[0]
    p = corpus.vocab.counts / len(corpus)
    q = sampling.noise_distribution(corpus.vocab.counts)
    best = -(p * np.log(p / (p + 5 * q)) + 5 * q * np.log(5 * q / (p + 5 * q))).sum()
    assert report.loss < 1.1 * best


def test_damped_step_is_its_formula():
    rng = np.random.default_rng(0)
    params = sgns.Params(*(jnp.asarray(rng.normal(size=(6, 3)), jnp.float32) for _ in range(2)))
    rows = sgns.Params(jnp.array([[1, 4, 1]]), jnp.array([[0, 0, 5, 0]]))
    gradients = jax.tree.map(lambda i: jnp.asarray(rng.normal(size=(*i.shape, 3))), rows)
    curvature = jax.tree.map(lambda i: jnp.asarray(rng.random(i.shape)), rows)
    optimizer = optim.damped_sgd(0.1)
    found, _, _ = optimizer.update(
        params, (), optimizer.scratch(params), rows, gradients, 0.5, curvature
    )
    for table, ids, g, h, new in zip(params, rows, gradients, curvature, found, strict=True):
        total, bend = np.zeros((6, 3)), np.zeros((6, 1))
        np.add.at(total, ids[0], g[0])
        np.add.at(bend[:, 0], ids[0], h[0])
        np.testing.assert_allclose(
            new, table - 0.5 * total / (1 + 0.1 * 0.5 * bend), rtol=1e-5, atol=1e-6
        )


def test_curvature_bounds_the_second_derivative():
    rng = np.random.default_rng(0)
    params = sgns.Params(*(jnp.asarray(rng.normal(0, 2, (30, 4)), jnp.float32) for _ in range(2)))
    blocks = sgns.Blocks(
        centres=jnp.asarray(rng.integers(0, 30, (2, 3))),
        contexts=jnp.asarray(rng.integers(0, 30, (2, 5))),
        negatives=jnp.asarray(rng.integers(0, 30, (2, 6))),
        weights=jnp.asarray(rng.integers(0, 2, (2, 3, 5)), jnp.float32),
        negative_weights=jnp.asarray(rng.random((2, 3)), jnp.float32),
    )
    vectors = sgns.take(params, sgns.rows(blocks))
    bounds = sgns.rows_curvature(vectors, blocks)
    hessian = jax.hessian(sgns.rows_loss)(vectors, blocks)
    for name in ("input", "output"):
        own = getattr(getattr(hessian, name), name)
        for index in np.ndindex(getattr(bounds, name).shape):
            block = own[index][:, index[0], index[1]]
            sharpest = np.linalg.eigvalsh(block).max()
            assert sharpest <= getattr(bounds, name)[index] * (1 + 1e-4) + 1e-5
