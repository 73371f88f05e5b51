"""The losses are plain functions: `grad`, `hessian`, `vmap` and `scan` apply to them."""

import types

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxvec import cbow, glove, sgns, softmax

V, D, B = 7, 3, 5
RANDOM = np.random.default_rng(0)


def ids(*shape):
    return jnp.asarray(RANDOM.integers(0, V, shape))


LOSSES = {
    "sgns": (sgns, sgns.Batch(ids(B), ids(B), ids(B, 4), jnp.ones(B))),
    "glove": (glove, glove.Batch(ids(B), ids(B), jnp.array([0.5, 3.0, 200.0, 1.0, 0.0]))),
    "cbow": (cbow, cbow.Batch(ids(B), ids(B, 2), ids(B, 4), jnp.ones((B, 2)))),
    "softmax": (softmax, softmax.Batch(ids(B), ids(B), jnp.ones(B))),
    "sampled softmax": (
        types.SimpleNamespace(init=softmax.init, loss=softmax.sampled_loss),
        softmax.SampledBatch(ids(B), ids(B), ids(B, 4), jnp.zeros((B, 4)), jnp.ones(B)),
    ),
}


@pytest.fixture(params=LOSSES)
def setting(request):
    """A loss of a batch, and parameters without zeros."""
    module, batch = LOSSES[request.param]
    start = module.init(jax.random.key(0), V, D)
    params = jax.tree.map(lambda a: jnp.asarray(RANDOM.normal(size=a.shape), jnp.float32), start)
    return jax.jit(lambda params: module.loss(params, batch)), params, module, batch


def test_gradient_is_that_of_differences(setting):
    loss, params, *_ = setting
    gradient = jax.jit(jax.grad(loss))(params)
    direction = jax.tree.map(
        lambda a: jnp.asarray(RANDOM.normal(size=a.shape), jnp.float32), params
    )
    moved = [
        jax.tree.map(lambda p, d, s=step: p + s * d, params, direction) for step in (1e-2, -1e-2)
    ]
    slope = (loss(moved[0]) - loss(moved[1])) / 2e-2
    inner = sum(jax.tree.leaves(jax.tree.map(lambda g, d: (g * d).sum(), gradient, direction)))
    assert float(inner) == pytest.approx(float(slope), rel=1e-2)


def test_hessian_is_the_jacobian_of_the_gradient(setting):
    loss, params, *_ = setting
    flat, unravel = jax.flatten_util.ravel_pytree(params)
    hessian = jax.jit(jax.hessian(lambda x: loss(unravel(x))))(flat)
    assert hessian.shape == (len(flat), len(flat))
    np.testing.assert_allclose(hessian, hessian.T, atol=1e-3 * float(jnp.abs(hessian).max()))
    direction = jnp.asarray(RANDOM.normal(size=len(flat)), jnp.float32)
    gradient = jax.jit(jax.grad(lambda x: loss(unravel(x))))
    along = [gradient(flat + s * direction) for s in (1e-2, -1e-2)]
    difference = (along[0] - along[1]) / 2e-2
    scale = float(jnp.abs(difference).max())
    np.testing.assert_allclose(hessian @ direction, difference, atol=2e-2 * scale)


def test_vmap_over_parameters_is_a_loop(setting):
    loss, params, *_ = setting
    many = jax.tree.map(lambda a: jnp.stack([a, 2 * a, -a]), params)
    found = jax.jit(jax.vmap(jax.value_and_grad(loss)))(many)
    for i in range(3):
        expected = jax.jit(jax.value_and_grad(loss))(jax.tree.map(lambda a, i=i: a[i], many))
        for ours, theirs in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
            np.testing.assert_allclose(ours[i], theirs, rtol=1e-4, atol=1e-5)


def test_vmap_over_examples_adds_up(setting):
    loss, params, module, batch = setting
    rows = jax.tree.map(lambda a: a[:, None], batch)  # B batches of one
    each = jax.jit(jax.vmap(lambda one: module.loss(params, one)))(rows)
    assert each.shape == (B,)
    assert float(each.sum()) == pytest.approx(float(loss(params)), rel=1e-5)


def test_scan_trains(setting):
    loss, params, *_ = setting
    optimizer = optax.adam(0.1)

    def step(carry, _):
        params, state = carry
        value, gradient = jax.value_and_grad(loss)(params)
        updates, state = optimizer.update(gradient, state)
        return (optax.apply_updates(params, updates), state), value

    _, losses = jax.lax.scan(step, (params, optimizer.init(params)), length=100)
    assert losses[-1] < losses[0] / 2


def test_gradients_reach_another_model(setting):
    """A network computes the parameters, as in a larger model."""
    _, params, module, batch = setting
    kernel = jnp.asarray(RANDOM.normal(size=(D, D)), jnp.float32)

    def joint(kernel):
        return module.loss(params._replace(input=params.input @ kernel), batch)

    gradient = jax.jit(jax.grad(joint))(kernel)
    assert (jnp.abs(gradient).max(axis=0) > 0).all()
