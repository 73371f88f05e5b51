import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvec import cbow, sgns
from tests import reference

pytestmark = pytest.mark.usefixtures("strict_dtypes")

V, D, B, X, K = 30, 6, 20, 4, 5


@pytest.fixture
def params():
    rng = np.random.default_rng(0)
    return sgns.Params(*(jnp.asarray(rng.normal(0, 1, (V, D)), jnp.float32) for _ in range(2)))


@pytest.fixture
def batch():
    rng = np.random.default_rng(1)
    weights = rng.integers(0, 2, (B, X)).astype(np.float32)
    weights[0] = 0  # a word without context
    return cbow.Batch(
        centers=jnp.asarray(rng.integers(0, V, B)),
        contexts=jnp.asarray(rng.integers(0, V, (B, X))),
        negatives=jnp.asarray(rng.integers(0, V, (B, K))),
        weights=jnp.asarray(weights),
    )


@pytest.mark.parametrize("mean", [True, False])
def test_values_equal_the_slow_reference(params, batch, mean):
    expected = reference.cbow(*map(np.asarray, (*params, *batch)), mean)
    np.testing.assert_allclose(cbow.loss(params, batch, mean), expected, rtol=1e-5)


@pytest.mark.parametrize("mean", [True, False])
def test_block_is_its_words_one_by_one(params, mean):
    rng = np.random.default_rng(2)
    m, x, n = 4, 6, 8
    weights = rng.integers(0, 2, (m, x)).astype(np.float32)
    weights[1] = 0
    block = cbow.Blocks(
        centers=jnp.asarray(rng.integers(0, V, (1, m))),
        contexts=jnp.asarray(rng.integers(0, V, (1, x))),
        negatives=jnp.asarray(rng.integers(0, V, (1, n))),
        weights=jnp.asarray(weights)[None],
        negative_weights=jnp.full((1, m), K / n),
    )
    alone = [
        np.asarray(a)
        for a in (block.centers[0], np.tile(block.contexts[0], (m, 1)),
                  np.tile(block.negatives[0], (m, 1)), weights)
    ]  # fmt: skip
    tables = [np.asarray(table) for table in params]
    none = [alone[0], alone[1], np.zeros((m, 0), int), alone[3]]
    positive = reference.cbow(*tables, *none, mean)
    both = reference.cbow(*tables, *alone, mean)
    expected = positive + K / n * (both - positive)
    np.testing.assert_allclose(cbow.loss(params, block, mean), expected, rtol=1e-5)


@pytest.mark.parametrize("mean", [True, False])
def test_gradients_equal_the_slow_reference(params, batch, mean):
    """By whole tables, and by rows, summed."""
    rows = cbow.rows(batch)
    by_rows = jax.grad(cbow.rows_loss)(cbow.take(params, rows), batch, mean)
    scattered = jax.tree.map(
        lambda table, ids, g: jnp.zeros_like(table).at[ids].add(g), params, rows, by_rows
    )
    dense = jax.grad(cbow.loss)(params, batch, mean)
    expected = reference.cbow_gradients(*map(np.asarray, (*params, *batch)), mean)
    for ours in (scattered, dense):
        for table, slow in zip(ours, expected, strict=True):
            np.testing.assert_allclose(table, slow, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("mean", [True, False])
def test_curvature_bounds_the_second_derivative(params, batch, mean):
    vectors = cbow.take(params, cbow.rows(batch))
    bounds = cbow.rows_curvature(vectors, batch, mean)
    hessian = jax.jit(jax.hessian(cbow.rows_loss), static_argnums=2)(vectors, batch, mean)
    for name in ("input", "output"):
        own, bound = getattr(getattr(hessian, name), name), getattr(bounds, name)
        for index in np.ndindex(bound.shape):
            sharpest = np.linalg.eigvalsh(own[index][:, index[0], index[1]]).max()
            assert sharpest <= bound[index] * (1 + 1e-4) + 1e-5
