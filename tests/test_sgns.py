import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvec import Corpus, SkipGram, sgns
from jaxvec.models.sampling import random_bits
from tests import reference

pytestmark = pytest.mark.usefixtures("strict_dtypes")

V, D, B, K = 30, 7, 40, 5


@pytest.fixture
def params():
    rng = np.random.default_rng(0)
    return sgns.Params(*(jnp.asarray(rng.normal(0, 1, (V, D)), jnp.float32) for _ in range(2)))


@pytest.fixture
def batch():
    rng = np.random.default_rng(1)
    return sgns.Batch(
        centers=jnp.asarray(rng.integers(0, V, B)),
        contexts=jnp.asarray(rng.integers(0, V, B)),
        negatives=jnp.asarray(rng.integers(0, V, (B, K))),
        weights=jnp.asarray(rng.choice([0, 0.5, 1, 2], B), jnp.float32),
    )


def as_numpy(*trees):
    return [np.asarray(leaf, np.float64 if leaf.dtype == np.float32 else leaf.dtype)
            for leaf in jax.tree.leaves(trees)]  # fmt: skip


def test_values_equal_the_slow_reference(params, batch):
    expected = reference.sgns_pairs(*as_numpy(params, batch)[:5])
    np.testing.assert_allclose(sgns.pair_loss(params, batch), expected, rtol=1e-5)
    np.testing.assert_allclose(
        sgns.loss(params, batch), np.sum(np.asarray(batch.weights) * expected), rtol=1e-5
    )


def test_gradients_equal_the_slow_reference(params, batch):
    gradients = jax.grad(sgns.loss)(params, batch)
    expected = reference.sgns_gradients(*as_numpy(params, batch))
    for ours, theirs in zip(gradients, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)


def test_block_is_the_grid_of_its_pairs(params):
    """Each center with each context, and all negatives of the block weighted K/N."""
    rng = np.random.default_rng(2)
    m, x, n = 4, 6, 8
    weights = rng.choice([0, 1], (m, x)).astype(np.float32)
    block = sgns.Blocks(
        centers=jnp.asarray(rng.integers(0, V, (1, m))),
        contexts=jnp.asarray(rng.integers(0, V, (1, x))),
        negatives=jnp.asarray(rng.integers(0, V, (1, n))),
        weights=jnp.asarray(weights)[None],
        negative_weights=jnp.asarray(weights.sum(1) * K / n)[None],
    )
    i, j = np.nonzero(weights)
    pairs = (np.asarray(block.centers)[0, i], np.asarray(block.contexts)[0, j])
    tables = as_numpy(params)
    positive = reference.sgns_pairs(*tables, *pairs, np.zeros((len(i), 0), int))
    both = reference.sgns_pairs(*tables, *pairs, np.tile(block.negatives[0], (len(i), 1)))
    expected = positive.sum() + K / n * (both - positive).sum()
    np.testing.assert_allclose(sgns.loss(params, block), expected, rtol=1e-5)


def test_gradients_of_rows_equal_the_slow_reference(params, batch):
    rows = sgns.rows(batch)
    by_rows = jax.grad(sgns.rows_loss)(sgns.take(params, rows), batch)
    scattered = jax.tree.map(
        lambda table, ids, g: jnp.zeros_like(table).at[ids].add(g), params, rows, by_rows
    )
    expected = reference.sgns_gradients(*as_numpy(params, batch))
    for ours, theirs in zip(scattered, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)


def test_one_pair_moves_as_in_word2vec(params):
    """A step of SGD on one pair, its rows distinct, is word2vec.c's update."""
    batch = sgns.Batch(jnp.array([3]), jnp.array([1]), jnp.array([[4, 5, 6]]), jnp.ones(1))
    gradient = jax.grad(sgns.loss)(params, batch)
    stepped = jax.tree.map(lambda p, g: p - 0.025 * g, params, gradient)
    tables = as_numpy(params)
    rows = [1, 4, 5, 6]
    v, u = reference.word2vec_c_pair(tables[0][3], tables[1][rows], 0.025)
    np.testing.assert_allclose(stepped.input[3], v, rtol=1e-5)
    np.testing.assert_allclose(stepped.output[jnp.array(rows)], u, rtol=1e-5)


def test_composes_with_jit_vmap_and_hessian(params, batch):
    loss = sgns.loss(params, batch)
    np.testing.assert_allclose(jax.jit(sgns.loss)(params, batch), loss, rtol=1e-6)
    many = jax.tree.map(lambda a: jnp.stack([a, 2 * a]), params)
    both = jax.vmap(sgns.loss, (0, None))(many, batch)
    np.testing.assert_allclose(both[0], loss, rtol=1e-6)
    one = jax.tree.map(lambda a: a[:1], batch)

    def of_a_row(row):
        return sgns.loss(params._replace(input=params.input.at[one.centers[0]].set(row)), one)

    hessian = jax.jit(jax.hessian(of_a_row))(params.input[one.centers[0]])
    np.testing.assert_allclose(hessian, hessian.T, atol=1e-6)
    assert np.linalg.eigvalsh(hessian).min() > -1e-5  # convex in one vector


def test_softplus_is_exact_and_safe_everywhere():
    x = jnp.array([-1e4, -100.0, -20.0, -1.0, 0.0, 1.0, 20.0, 100.0, 1e4])
    np.testing.assert_allclose(sgns.softplus(x), jax.nn.softplus(x), rtol=1e-6)
    np.testing.assert_allclose(jax.vmap(jax.grad(sgns.softplus))(x), jax.nn.sigmoid(x), rtol=1e-6)


def test_init_is_word2vecs():
    params = sgns.init(jax.random.key(0), 1000, 50)
    assert params.input.shape == params.output.shape == (1000, 50)
    assert not params.output.any()
    assert 0.0099 < float(jnp.abs(params.input).max()) <= 0.01  # 1 / (2 D)
    assert abs(float(params.input.mean())) < 1e-4


def test_typical_curvature_is_the_bound_where_all_rows_are_as_long():
    """And of rows of different lengths it is that of their mean."""
    rng = np.random.default_rng(0)
    weights = jnp.asarray(rng.random((2, 4, 9)), jnp.float32)
    rows = [rng.normal(size=(2, n, 5)) for n in (4, 9)]
    rows = [r / np.linalg.norm(r, axis=-1, keepdims=True) for r in rows]
    rows = [jnp.asarray(length * r, jnp.float32) for length, r in zip((2, 3), rows, strict=True)]
    vectors = sgns.Params(*rows)
    totals = sgns.Params(weights.sum(2), weights.sum(1))
    found = sgns.typical_curvature(vectors, totals)
    np.testing.assert_allclose(found.input, weights.sum(2) * 9 / 4, rtol=1e-5)
    np.testing.assert_allclose(found.output, weights.sum(1) * 4 / 4, rtol=1e-5)
    half = vectors._replace(output=vectors.output * np.float32(0.5**0.5))
    np.testing.assert_allclose(
        sgns.typical_curvature(half, totals).input, found.input / 2, rtol=1e-5
    )


@pytest.mark.parametrize(("window", "documents"), [(1, 1), (5, 9), (12, 2)])
def test_losses_by_windows_are_the_losses_of_all_pairs(window, documents):
    model = SkipGram(vector_size=6, window=window, sample=0, spectral_words=0)
    words = np.random.default_rng(0).integers(0, 30, 300).astype(str)
    parts = [part.tolist() for part in np.array_split(words, documents)]
    corpus = Corpus.from_documents(parts, min_count=1)
    segments, _ = model.segments(corpus, 0, jax.random.key(0))
    constants, segment = model.constants(corpus), segments.epoch(jax.random.key(0))(0)
    plan = jax.jit(model.plan)(constants, jax.random.key(1), segment)

    @jax.jit
    def drawn():
        bits = random_bits(jax.random.key(2), model.bits())
        batch = model.batch(constants, plan, bits, 1)
        normal = functools.partial(jax.random.normal, jax.random.key(3))
        return batch, jax.tree.map(lambda ids: normal((*ids.shape, 6)), model.rows(batch))

    @jax.jit
    def losses(vectors, batch):
        every, near = (
            jax.value_and_grad(lambda vectors, form: form(vectors, batch).sum())(vectors, form)
            for form in (model._all_pairs, model._windows)
        )
        return every, near, model.rows_loss(vectors, batch), model._windows(vectors, batch)

    batch, vectors = drawn()
    every, near, *both = losses(vectors, batch)
    jax.tree.map(functools.partial(np.testing.assert_allclose, rtol=1e-4, atol=1e-5), every, near)
    assert np.array_equal(*both)
