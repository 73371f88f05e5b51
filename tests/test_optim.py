import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxvec import optim, sgns
from tests import reference

pytestmark = pytest.mark.usefixtures("strict_dtypes")

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
    @jax.jit
    def step(params, state, scratch, batch):
        rows = sgns.rows(batch)
        gradients = jax.grad(sgns.rows_loss)(sgns.take(params, rows), batch)
        return optimizer.update(params, state, scratch, rows, gradients, rate)

    state, scratch = jax.jit(optimizer.init)(params), optimizer.scratch(params)
    for one in batches:
        params, state, scratch = step(params, state, scratch, one)
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


def test_scattered_accumulators_sum_the_squares_of_copies(params):
    """A row touched n times gathers Σ g², within n times (Σ g)² either way."""
    transform, one = optax.adagrad(1.0, initial_accumulator_value=0.1, eps=0), batch(0)
    _, scattered = train(optim.row_sparse(transform, write_back="scatter"), params, [one])
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


SAME, LAZY, REFUSED = "as dense", "lazy", "refused"
SCHEDULE = optax.warmup_cosine_decay_schedule(0, 0.1, 2, 10)
LABELS = sgns.Params("moved", "fixed")
EVERY = {
    "sgd": (SAME, optax.sgd(0.1)),
    "sign_sgd": (SAME, optax.sign_sgd(0.1)),
    "adagrad": (SAME, optax.adagrad(0.1)),
    "clip": (SAME, optax.chain(optax.clip(0.1), optax.sgd(0.1))),
    "zero_nans": (SAME, optax.chain(optax.zero_nans(), optax.sgd(0.1))),
    "apply_if_finite": (SAME, optax.apply_if_finite(optax.sgd(0.1), 3)),
    "schedule": (SAME, optax.sgd(SCHEDULE)),
    "partition": (SAME, optax.partition(
        {"moved": optax.adagrad(0.1), "fixed": optax.set_to_zero()}, LABELS)),
    "momentum": (LAZY, optax.sgd(0.1, momentum=0.9)),
    "adam": (LAZY, optax.adam(0.1)),
    "adam, scheduled": (LAZY, optax.adam(SCHEDULE)),
    "adamw": (LAZY, optax.adamw(0.1)),
    "amsgrad": (LAZY, optax.amsgrad(0.1)),
    "lion": (LAZY, optax.lion(0.1)),
    "rmsprop": (LAZY, optax.rmsprop(0.1)),
    "decay": (LAZY, optax.chain(optax.add_decayed_weights(0.1), optax.sgd(0.1))),
    "lars": (REFUSED, optax.lars(0.1)),
    "lamb": (REFUSED, optax.lamb(0.1)),
    "novograd": (REFUSED, optax.novograd(0.1)),
    "add_noise": (REFUSED, optax.chain(optax.sgd(0.1), optax.add_noise(1e-4, 0.5, key=0))),
    "clip_by_global_norm": (REFUSED, optax.clip_by_global_norm(1e8)),
    "adafactor": (REFUSED, optax.adafactor(0.1)),
    "sm3": (REFUSED, optax.sm3(0.1)),
    "muon": (REFUSED, optax.contrib.muon(0.1)),
    "prodigy": (REFUSED, optax.contrib.prodigy(0.1)),
    "dog": (REFUSED, optax.contrib.dog(0.1)),
    "schedule_free": (REFUSED, optax.contrib.schedule_free_sgd(0.1)),
    "sam": (REFUSED, optax.contrib.sam(optax.sgd(0.1), optax.sgd(0.1))),
    "MultiSteps": (REFUSED, optax.MultiSteps(optax.sgd(0.1), 2)),
    "MultiSteps of 100": (REFUSED, optax.MultiSteps(optax.adam(0.1), 100)),
    "apply_every": (REFUSED, optax.chain(optax.adam(0.1), optax.apply_every(3))),
}  # fmt: skip


@pytest.mark.parametrize("name", EVERY)
def test_each_by_rows_is_as_dense_or_lazy_or_refused(name):
    """Of steps that touch some rows, and of steps that touch them all."""
    kind, transform = EVERY[name]
    rng = np.random.default_rng(0)
    start = sgns.Params(*(jnp.asarray(rng.normal(size=(4, 3)), jnp.float32) for _ in range(2)))
    dense = optim.dense(transform)
    if kind == REFUSED:
        with pytest.raises(ValueError, match=r"cannot update rows alone: .*dense=True"):
            optim.row_sparse(transform).init(start)
        dense.init(start)
        return
    by_rows = optim.row_sparse(transform)

    def run(optimizer, steps):
        params, state, scratch = start, jax.jit(optimizer.init)(start), optimizer.scratch(start)
        update, draws = jax.jit(optimizer.update), np.random.default_rng(1)
        for ids in steps:
            rows = sgns.Params(jnp.asarray(ids), jnp.asarray(ids))
            gradients = jax.tree.map(
                lambda _: jnp.asarray(draws.normal(size=(3, 3)), jnp.float32), rows
            )
            params, state, scratch = update(params, state, scratch, rows, gradients, 1.0)
        return np.stack(params)

    some, whole = [[0, 1, 1], [2, 0, 0], [1, 2, 1]], [[0, 1, 2]] * 3
    gap = np.abs(run(by_rows, some) - run(dense, some)).max()
    assert (gap > 1e-4) == (kind == LAZY)
    touched = np.s_[:, :3]
    np.testing.assert_allclose(
        run(by_rows, whole)[touched], run(dense, whole)[touched], rtol=1e-4, atol=1e-5
    )


def test_begins_within_a_compiled_function(params):
    assert (
        jax.jit(optim.row_sparse(EXACT["adagrad"]).init)(params)[0].sum_of_squares.input[0, 0] > 0
    )


@pytest.mark.parametrize("by_rows", [True, False])
def test_what_asks_for_more_is_refused(params, by_rows):
    kind = optim.row_sparse if by_rows else optim.dense
    with pytest.raises(ValueError, match=r"gets gradients, state and parameters alone.*value"):
        kind(optax.polyak_sgd()).init(params)


@pytest.mark.parametrize("name", ["prodigy", "dog", "cocob"])
def test_a_state_that_holds_the_parameters_can_be_donated(params, name):
    transform = getattr(optax.contrib, name)()
    optimizer = optim.dense(transform)
    arrays = [id(leaf) for leaf in jax.tree.leaves((params, optimizer.init(params)))]
    assert len(set(arrays)) == len(arrays)


HELD = {
    "sgd": optim.row_sparse(optax.sgd(1.0)),
    "scattered": optim.row_sparse(optax.sgd(1.0), write_back="scatter"),
    "adagrad": optim.row_sparse(optax.adagrad(1.0)),
    "adam": optim.row_sparse(optax.adam(0.1)),
    "row_adagrad": optim.row_sparse(optim.row_adagrad(1.0)),
    "bounded": optim.bounded(optim.row_sparse(optax.adagrad(1.0)), 0.5),
    "damped": optim.damped_sgd(0.1),
}


@pytest.mark.parametrize("name", HELD)
def test_a_held_rows_gradient_goes_nowhere(name):
    """Not to the last row either, which an id past the end reads."""
    table = jnp.asarray(np.random.default_rng(0).normal(size=(3, 2)), jnp.float32)
    optimizer, mask = HELD[name], np.array([True, False, False])
    ids, gradients = (
        jnp.array([0, 1, 0, 2, 2]),
        jnp.array([[100.0, 7], [1, 2], [50, 3], [1, 1], [2, 0]]),
    )

    def run(optimizer, ids, gradients):
        state, scratch = optimizer.init(table), optimizer.scratch(table)
        curvature = [jnp.ones(len(ids))] * optimizer.uses_curvature
        update = jax.jit(optimizer.update)
        return update(table, state, scratch, ids, gradients, 1.0, *curvature)[:2]

    held = run(optim.frozen(optimizer, mask), ids, gradients)
    free = jnp.flatnonzero(ids > 0)
    without = run(optimizer, ids[free], gradients[free])
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6), held, without)
    assert np.array_equal(held[0][0], table[0])


def test_same_transformation_same_optimizer():
    transform = optax.adagrad(1.0)
    assert optim.row_sparse(transform) is optim.row_sparse(transform)
