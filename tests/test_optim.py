import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxvec import optim, sgns
from tests import reference

V, D = 40, 6


@pytest.fixture
def params():
    rng = np.random.default_rng(0)
    return sgns.Params(*(jnp.asarray(rng.normal(0, 0.3, (V, D)), jnp.float32) for _ in range(2)))


def batch(seed, words=V):
    rng = np.random.default_rng(seed)
    return sgns.Batch(
        *(jnp.asarray(rng.integers(0, words, shape)) for shape in [(60,), (60,), (60, 5)]),
        jnp.ones(60),
    )


def train(optimizer, params, batches, rate=0.1):
    state, scratch = optimizer.init(params), optimizer.scratch(params)
    for b in batches:
        rows = sgns.rows(b)
        gradients = jax.grad(sgns.rows_loss)(sgns.take(params, rows), b)
        params, state, scratch = optimizer.update(params, state, scratch, rows, gradients, rate)
    return params, state


EXACT = {
    "sgd": optax.sgd(1.0),
    "adagrad": optax.adagrad(1.0),
    "row_adagrad": optim.row_adagrad(1.0),
    "clipped": optax.chain(optax.clip(0.5), optax.adagrad(0.5)),
}


@pytest.mark.parametrize("name", EXACT)
def test_rows_without_gradient_rest_so_sparse_equals_dense(params, name):
    """Half of the words never occur."""
    batches = [batch(seed, V // 2) for seed in range(5)]
    sparse, _ = train(optim.row_sparse(EXACT[name]), params, batches)
    dense, _ = train(optim.dense(EXACT[name]), params, batches)
    for a, b, start in zip(sparse, dense, params, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)
        assert np.array_equal(a[V // 2 :], start[V // 2 :])


@pytest.mark.parametrize("transform", [optax.adam(0.1), optax.sgd(0.1, momentum=0.9)])
def test_momentum_is_lazy(params, transform):
    """Touched rows move as if the others did not exist; the others rest, and their state."""
    few = 4  # words, so that each step touches each
    optimizer = optim.row_sparse(transform)
    some = [batch(seed, few) for seed in range(3)]
    sparse, state = train(optimizer, params, some)
    small = jax.tree.map(lambda table: table[:few], params)
    dense, _ = train(optim.dense(transform), small, some)
    for a, b, start in zip(sparse, dense, params, strict=True):
        np.testing.assert_allclose(a[:few], b, rtol=1e-4, atol=1e-5)
        assert np.array_equal(a[few:], start[few:])
    for leaf in jax.tree.leaves(state):
        assert jnp.ndim(leaf) == 0 or not np.any(leaf[few:])


def test_scattered_sgd_equals_optax(params):
    ours, _ = train(optim.row_sparse(optax.sgd(1.0), combine=False), params, [batch(0)])
    theirs, _ = train(optim.dense(optax.sgd(1.0)), params, [batch(0)])
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


def test_scattered_accumulators_sum_the_squares_of_copies(params):
    """Without `combine`, a row touched n times gathers Σ g², within n times (Σ g)² either way."""
    transform, one = optax.adagrad(1.0, initial_accumulator_value=0.1, eps=0), batch(0)
    _, scattered = train(optim.row_sparse(transform, combine=False), params, [one])
    rows = sgns.rows(one)
    gradients = jax.grad(sgns.rows_loss)(sgns.take(params, rows), one)
    expected = np.full((V, D), 0.1)
    np.add.at(expected, np.asarray(rows.input).ravel(), np.square(gradients.input).reshape(-1, D))
    np.testing.assert_allclose(scattered[0].sum_of_squares.input, expected, rtol=1e-4)

    _, combined = train(optim.row_sparse(transform), params, [one])
    copies = np.bincount(np.asarray(rows.input).ravel(), minlength=V)[:, None]
    bound = np.maximum(copies, 1) * (expected - 0.1) + 0.1
    assert (np.asarray(combined[0].sum_of_squares.input) <= bound * 1.0001).all()


def test_row_adagrad_equals_the_slow_reference():
    rng = np.random.default_rng(0)
    table = rng.normal(size=(4, 3)).astype(np.float32)
    transform = optim.row_adagrad(0.1, 0.5, 1e-6)
    ours, state = jnp.asarray(table), transform.init(jnp.asarray(table))
    expected, sums = table.astype(np.float64), np.full(4, 0.5)
    for _ in range(3):
        gradients = rng.normal(size=(4, 3))
        updates, state = transform.update(jnp.asarray(gradients, jnp.float32), state)
        ours = optax.apply_updates(ours, updates)
        reference.row_adagrad(expected, gradients, sums, 0.1, 1e-6)
    np.testing.assert_allclose(ours, expected, rtol=1e-5)


def test_vectors_and_tables_mix():
    """Biases, one number a row, are updated by their own rows."""
    params = {"table": jnp.ones((5, 2)), "bias": jnp.ones(7)}
    rows = {"table": jnp.array([1, 1, 4]), "bias": jnp.array([6, 0])}
    gradients = {"table": jnp.ones((3, 2)), "bias": jnp.array([1.0, 2.0])}
    for transform in (optax.adagrad(1.0), optim.row_adagrad(1.0)):
        sparse, dense = optim.row_sparse(transform), optim.dense(transform)
        ours, _, _ = sparse.update(
            params, sparse.init(params), sparse.scratch(params), rows, gradients, 0.1
        )
        theirs, _, _ = dense.update(params, dense.init(params), (), rows, gradients, 0.1)
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-6), ours, theirs)


@pytest.mark.parametrize(
    ("transform", "names"),
    [
        (optax.clip_by_global_norm(1.0), "clip_by_global_norm"),
        (optax.lamb(0.1), "other rows"),
        (optax.adafactor(0.1), r"v_row.* has shape \(1,\)"),
    ],
)
def test_what_couples_rows_is_refused_by_name(params, transform, names):
    with pytest.raises(ValueError, match=rf"cannot update rows alone: .*{names}"):
        optim.row_sparse(transform).init(params)


def test_same_transformation_same_optimizer():
    transform = optax.adagrad(1.0)
    assert optim.row_sparse(transform) is optim.row_sparse(transform)
