import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxvec import glove, optim
from tests import reference

pytestmark = pytest.mark.usefixtures("strict_dtypes")

V, D, B, X_MAX, ALPHA = 30, 7, 60, 20.0, 0.75


@pytest.fixture
def params():
    rng = np.random.default_rng(0)
    shapes = [(V, D), (V, D), (V,), (V,)]
    return glove.Params(*(jnp.asarray(rng.normal(0, 0.5, s), jnp.float32) for s in shapes))


@pytest.fixture
def batch():
    rng = np.random.default_rng(1)
    counts = rng.zipf(1.3, B).clip(max=1000) / rng.integers(1, 11, B)
    counts[::7] = 0  # padding
    return glove.Batch(
        *(jnp.asarray(rng.integers(0, V, B)) for _ in range(2)), jnp.asarray(counts, jnp.float32)
    )


def doubles(tree):
    return [np.asarray(leaf, np.float64) for leaf in tree]


def ids(batch):
    return np.asarray(batch.words), np.asarray(batch.contexts), np.asarray(batch.counts, float)


def test_values_equal_the_slow_reference(params, batch):
    expected = reference.glove_cells(doubles(params), *ids(batch), X_MAX, ALPHA)
    np.testing.assert_allclose(
        glove.cell_loss(params, batch, X_MAX, ALPHA), expected, rtol=1e-4, atol=1e-6
    )
    np.testing.assert_allclose(glove.loss(params, batch, X_MAX, ALPHA), expected.sum(), rtol=1e-5)


def test_gradients_equal_the_slow_reference(params, batch):
    gradients = jax.grad(glove.loss)(params, batch, X_MAX, ALPHA)
    expected = reference.glove_gradients(doubles(params), *ids(batch), X_MAX, ALPHA)
    for ours, theirs in zip(gradients, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)


def test_chunks_are_their_cells(params):
    rng = np.random.default_rng(2)
    chunks = glove.Chunks(
        jnp.asarray(rng.integers(0, V, 5)),
        jnp.asarray(rng.integers(0, V, (5, 8))),
        jnp.asarray(rng.integers(0, 4, (5, 8)), jnp.float32),
    )
    flat = glove.Batch(
        jnp.repeat(chunks.words, 8), chunks.contexts.reshape(-1), chunks.counts.reshape(-1)
    )
    np.testing.assert_allclose(glove.loss(params, chunks), glove.loss(params, flat), rtol=1e-6)


def test_padding_has_no_gradient_not_even_by_alpha(params):
    batch = glove.Batch(jnp.array([1]), jnp.array([2]), jnp.array([0.0]))
    gradients = jax.grad(glove.loss, argnums=(0, 2, 3))(params, batch, X_MAX, ALPHA)
    assert all(not np.any(leaf) for leaf in jax.tree.leaves(gradients))


def test_sweeps_over_x_max_and_alpha(params, batch):
    x_max, alpha = jnp.array([5.0, 20.0]), jnp.array([0.5, 0.75])
    both = jax.vmap(glove.loss, (None, None, 0, 0))(params, batch, x_max, alpha)
    np.testing.assert_allclose(both[1], glove.loss(params, batch, X_MAX, ALPHA), rtol=1e-6)


def test_weight_has_the_papers_shape():
    x = jnp.array([0.0, 1.0, 50.0, 100.0, 1000.0])
    np.testing.assert_allclose(glove.weight(x), [0, 0.01**0.75, 0.5**0.75, 1, 1], rtol=1e-6)


@pytest.mark.parametrize("eta", [0.05, 0.3])
@pytest.mark.parametrize("write_back", ["slots", "sorted", "scatter"])
def test_cells_one_by_one_equal_the_c_program(params, batch, eta, write_back):
    """Only rows touched are updated; the loss is half the sum, as there."""
    words, contexts, counts = ids(batch)
    real = counts > 0
    words, contexts, counts = words[real], contexts[real], counts[real] * 50  # some gradients clip
    expected = reference.glove_program(
        doubles(params), words, contexts, counts, X_MAX, ALPHA, eta, clip=0.3
    )
    optimizer = optim.row_sparse(optim.glove_adagrad(eta, clip=0.3), write_back=write_back)

    @jax.jit
    def step(params, state, scratch, cell):
        rows = glove.rows(cell)
        half = lambda vectors: glove.rows_loss(vectors, cell, X_MAX, ALPHA) / 2  # noqa: E731
        gradients = jax.grad(half)(glove.take(params, rows))
        return optimizer.update(params, state, scratch, rows, gradients, 1.0)

    state, scratch = optimizer.init(params), optimizer.scratch(params)
    for cell in zip(words, contexts, counts.astype(np.float32), strict=True):
        one = glove.Batch(*(jnp.asarray([value]) for value in cell))
        params, state, scratch = step(params, state, scratch, one)
    for ours, theirs in zip(params, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-5)


def test_row_accumulators_are_means_of_squares(params, batch):
    """With D equal squares a row, one accumulator a row is one an element."""
    constant = params._replace(
        input=jnp.ones((V, D)) * 0.1, output=jnp.ones((V, D)) * jnp.arange(float(V))[:, None] / V
    )

    def train(transform):
        now, state = constant, transform.init(constant)
        for _ in range(3):
            gradients = jax.grad(glove.loss)(now, batch, X_MAX, ALPHA)
            updates, state = transform.update(gradients, state)
            now = optax.apply_updates(now, updates)
        return now

    each, row = train(optim.glove_adagrad(0.05)), train(optim.glove_adagrad(0.05, per_row=True))
    for a, b in zip(each, row, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)
