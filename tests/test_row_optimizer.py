"""The contract of `optim.RowOptimizer`: what it declares, tracing, and what `fit` makes of it."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxvec import optim
from jaxvec.optim import rowwise
from jaxvec.optim.named import NAMED, linear_decay, resolve_optimizer


class Params(NamedTuple):
    input: jax.Array
    output: jax.Array
    bias: jax.Array


PARAMS = Params(jnp.zeros((5, 2)), jnp.zeros((7, 2)), jnp.zeros(6))
LABELS = Params("a", "b", "b")
RULES = {
    "adagrad": optax.adagrad(0.1),
    "adam": optax.adam(optax.linear_schedule(0.1, 0, 9)),
    "rmsprop": optax.rmsprop(0.1, centered=True),
    "momentum": optax.sgd(0.1, momentum=0.9),
    "chain": optax.chain(optax.clip(1.0), optax.trace(0.9), optax.adagrad(0.1)),
    "partition": optax.partition({"a": optax.adagrad(0.1), "b": optax.adam(0.1)}, LABELS),
    "glove_adagrad": optim.glove_adagrad(0.05),
}


@pytest.mark.parametrize("name", [*NAMED, *(f"optax {name}" for name in RULES)])
def test_leaves_are_declared(name):
    """Sums of squares add up, all else is averaged; each leaf goes with the table as long."""
    rule = RULES[name.removeprefix("optax ")] if "optax" in name else name
    optimizer, _ = resolve_optimizer(rule, True, None, None)
    state = jax.eval_shape(optimizer.init, PARAMS)
    declared = optimizer.leaves(PARAMS, state)
    assert jax.tree.structure(declared) == jax.tree.structure(state)
    lengths = [len(table) for table in PARAMS]
    for (path, leaf), one in zip(
        jax.tree_util.tree_leaves_with_path(state), jax.tree.leaves(declared), strict=True
    ):
        additive = "sum_of_squares" in jax.tree_util.keystr(path)
        number = lengths.index(leaf.shape[0]) if leaf.ndim else None
        assert one == optim.StateLeaf(number, "sum" if additive else "mean")


def test_leaves_of_tables_of_one_length_and_of_shards():
    optimizer, params = optim.row_sparse(optax.adagrad(0.1)), [jnp.zeros((4, 3))] * 2
    state = optimizer.init(params)
    (first, second) = jax.tree.leaves(optimizer.leaves(params, state))
    assert (first.table, second.table) == (0, 1)
    shards = jax.tree.map(lambda leaf: leaf[:2], (params, state))
    assert jax.tree.leaves(optimizer.leaves(*shards)) == [first, second]


class Seen(NamedTuple):
    gradients: Params
    last: Params


def seen(**options) -> optim.RowOptimizer:
    """An optimizer that is written by hand."""
    begin = lambda params: Seen(*[jax.tree.map(jnp.zeros_like, params)] * 2)  # noqa: E731
    return optim.RowOptimizer(begin, lambda params: (), lambda *step: step[:3], **options)


def test_what_is_written_by_hand_declares_its_sums():
    optimizer = seen()
    state = optimizer.init(PARAMS)

    def merges(optimizer):
        return [leaf.merge for leaf in jax.tree.leaves(optimizer.leaves(PARAMS, state))]

    assert merges(optimizer) == ["mean"] * 6
    optim.additive(Seen, "gradients")
    assert merges(optimizer) == ["sum"] * 3 + ["mean"] * 3
    own = seen(
        leaves=lambda params, state: jax.tree.map(lambda _: optim.StateLeaf(0, "sum"), state)
    )
    assert merges(own) == ["sum"] * 6
    with pytest.raises(ValueError, match="Seen has no field 'sums'; it has gradients, last"):
        optim.additive(Seen, "sums")


def test_a_wrapper_keeps_what_is_declared():
    inner = optim.row_sparse(optax.adagrad(0.1))
    wrapped = optim.frozen(optim.bounded(optim.damped(inner), 1.0), np.zeros(5, bool))
    assert wrapped.leaves is inner.leaves
    assert wrapped.uses_curvature


@pytest.mark.parametrize("name", ["adam", "partition"])
def test_init_is_traced(name):
    init = optim.row_sparse(RULES[name]).init
    expected = init(PARAMS)
    shapes = jax.eval_shape(init, PARAMS)
    assert jax.tree.map(jnp.shape, shapes) == jax.tree.map(jnp.shape, expected)
    jax.tree.map(np.testing.assert_array_equal, jax.jit(init)(PARAMS), expected)


def test_rows_are_tried_once():
    """When the optimizer is made, and for each kind of parameters; not for each length."""
    inner, calls = optax.adagrad(0.1), []

    def update(*arguments):
        calls.append(1)
        return inner.update(*arguments)

    optimizer = optim.row_sparse(optax.GradientTransformation(inner.init, update))
    assert calls
    optimizer.init(PARAMS)
    calls.clear()
    optimizer.init(jax.tree.map(lambda table: table[:3], PARAMS))
    assert len(calls) == 1  # whether it can begin


@pytest.mark.parametrize("clip", [None, 0.1])
@pytest.mark.parametrize("name", NAMED)
def test_named_optimizers_which_are_not_tried_treat_rows_by_themselves(name, clip):
    if NAMED[name].rate_is_fixed:
        transform = NAMED[name].make(0.1, clip=clip or 100.0)
    else:
        transform = optax.chain(optax.clip(clip or 1.0), NAMED[name].make(0.1))
    rowwise.check(transform, PARAMS)
    by_rows, _ = resolve_optimizer(name, False, None, None, clip)
    jax.eval_shape(by_rows.init, PARAMS)


def test_what_couples_rows_is_refused_when_it_is_made_or_begins():
    with pytest.raises(ValueError, match=r"cannot update rows alone: .*clip_by_global_norm"):
        optim.row_sparse(optax.clip_by_global_norm(1.0))
    labeled = optim.row_sparse(optax.partition({"a": optax.sgd(0.1), "b": optax.lars(0.1)}, LABELS))
    with pytest.raises(ValueError, match="cannot update rows alone"):
        labeled.init(PARAMS)
    across = optim.row_sparse(  # a bias's rows, but not a table's
        optax.stateless_with_tree_map(lambda g, p: g / jnp.linalg.norm(g, axis=-1, keepdims=True))
    )
    across.init(PARAMS[:2])
    with pytest.raises(ValueError, match="depend on other rows"):
        across.init(PARAMS)


@pytest.mark.parametrize("axis", [0, 1])
def test_what_is_made_for_rows_of_one_length_is_tried_on_those(axis):
    def scaled(gradient, _):
        return gradient * jnp.ones((1, 5)) / jnp.linalg.norm(gradient, axis=axis, keepdims=True)

    optimizer, table = optim.row_sparse(optax.stateless_with_tree_map(scaled)), jnp.zeros((9, 5))
    if axis == 1:
        optimizer.init(table)
        return
    with pytest.raises(ValueError, match="depend on other rows"):
        optimizer.init(table)


def test_another_mask_compiles_nothing():
    traces = []

    @jax.jit
    def step(mask, table, ids, gradients):
        traces.append(1)
        sgd = optim.row_sparse(optax.sgd(1.0), write_back="scatter")
        return sgd.update(table, sgd.init(table), (), optim.held(ids, mask), gradients, 1.0)[0]

    ids, gradients = jnp.array([0, 2, 2, 3, 4]), jnp.ones((5, 2))
    for mask in np.eye(4, dtype=bool)[:3]:
        found = step(mask, jnp.zeros((4, 2)), ids, gradients)
        expected = -np.array([1.0, 0, 2, 1]) * ~mask
        np.testing.assert_array_equal(found[:, 0], expected)
    assert len(traces) == 1


def test_a_row_optimizer_is_taken_as_it_is():
    optimizer = seen()
    found, schedule = resolve_optimizer(optimizer, False, None, None)
    assert found is optimizer
    assert [schedule(p) for p in (0, 0.5, 1)] == [1, 1, 1]
    assert resolve_optimizer(optimizer, False, 0.5, None)[1](1) == pytest.approx(5e-5)
    with pytest.raises(ValueError, match=r"not a RowOptimizer: .*optax.clip\(0.5\)"):
        resolve_optimizer(optimizer, False, None, None, 0.5)
    with pytest.raises(ValueError, match=r"not a RowOptimizer: .*optim.dense"):
        resolve_optimizer(optimizer, True, None, None)


def test_linear_decay_is_optax_in_float64():
    ours, theirs = linear_decay(0.03, 3e-6), optax.linear_schedule(0.03, 3e-6, 1)
    for progress in np.linspace(0, 1, 7):
        assert ours(progress) == pytest.approx(float(theirs(progress)), rel=1e-4)
