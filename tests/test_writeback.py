"""The strategies that write gradients back, each held to `optim.dense`."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxvec import optim
from jaxvec.optim.writeback import STRATEGIES

pytestmark = pytest.mark.usefixtures("strict_dtypes")

V, W = 6, 4  # rows of a table and of a vector
IDS = {"table": [1, V, 5, 1, 1, 0, V + 3, 5], "bias": [[3, 3], [W, 0], [3, W + 1]]}
FIXED = {"moved": optax.adagrad(0.1), "fixed": optax.set_to_zero()}
RULES = {
    "sgd": optax.sgd(0.5),
    "row_adagrad": optim.row_adagrad(0.5),
    "adam, scheduled": optax.adam(optax.linear_schedule(0.5, 0.1, 5)),
    "partition": optax.partition(FIXED, {"table": "moved", "bias": "fixed"}),
}


def draw(shapes, seed):
    rng = np.random.default_rng(seed)
    return {k: jnp.asarray(rng.normal(size=shape), jnp.float32) for k, shape in shapes.items()}


@pytest.mark.parametrize(
    ("name", "rule"), [*itertools.product(["slots", "sorted"], RULES), ("scatter", "sgd")]
)
def test_sums_first_equal_dense(name, rule):
    """Of repeated rows and of ids that are no row's, in tables and vectors and all their state."""
    ids = jax.tree.map(jnp.asarray, IDS, is_leaf=lambda x: isinstance(x, list))
    sizes = {"table": V, "bias": W}
    by_rows, dense = optim.row_sparse(RULES[rule], write_back=name), optim.dense(RULES[rule])
    start = draw({"table": (V, 3), "bias": (W,)}, 0)
    ours = start, by_rows.init(start), by_rows.scratch(start)
    theirs = start, dense.init(start), ()
    step = jax.jit(by_rows.update)
    for seed in (1, 2):  # the same rows twice: the others have no momentum to move them
        gradients = draw({"table": (8, 3), "bias": (3, 2)}, seed)
        ours = step(*ours, ids, gradients, 0.3)
        real = {k: ids[k] < sizes[k] for k in ids}
        picked = [{k: tree[k][real[k]] for k in ids} for tree in (ids, gradients)]
        theirs = dense.update(*theirs, *picked, 0.3)
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6), ours[:2], theirs[:2]
    )
    assert np.array_equal(ours[0]["table"][2:5], start["table"][2:5])


@pytest.mark.parametrize("name", STRATEGIES)
@pytest.mark.parametrize("ids", [[1, 1, V, 0, 1, V + 2], [V, V], [2], []])
@pytest.mark.parametrize("width", [(), (3,)])
def test_what_is_added_is_the_sum(name, ids, width):
    gradients = np.random.default_rng(0).normal(size=(len(ids), *width)).astype(np.float32)
    ids, table = np.array(ids, np.int32), jnp.ones((V, *width))
    strategy = STRATEGIES[name]
    _, touched = strategy.combine(
        strategy.scratch(table), jnp.asarray(ids), jnp.asarray(gradients), V
    )
    expected = np.ones((V, *width), np.float32)
    np.add.at(expected, ids[ids < V], gradients[ids < V])
    found = strategy.add(table, touched.targets, touched.gradients)
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    written = np.asarray(touched.targets)[np.asarray(touched.targets) < V]
    if name != "scatter":
        assert sorted(written) == sorted(set(ids[ids < V]))


class ByTable:
    """A strategy of the reader's own: sums in a second table, and writes every row."""

    def scratch(self, table):
        return ()

    def combine(self, scratch, ids, gradients, size):
        every = jnp.arange(size)
        sums = jnp.zeros((size, *gradients.shape[1:])).at[ids].add(gradients, mode="drop")
        return scratch, optim.Touched(every, every, sums)

    def add(self, table, targets, changes):
        return table + changes

    def store(self, leaf, targets, old, new):
        return new


def test_a_strategy_of_ones_own():
    start, ids = draw({"table": (V, 2)}, 0), {"table": jnp.asarray(IDS["table"])}
    gradients, found = draw({"table": (8, 2)}, 1), []
    for write_back in (ByTable(), "slots"):
        optimizer = optim.row_sparse(optax.adagrad(0.1), write_back=write_back)
        begun = start, optimizer.init(start), optimizer.scratch(start)
        found.append(optimizer.update(*begun, ids, gradients, 1.0)[:2])
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5), *found)


def test_an_unknown_strategy_is_named():
    with pytest.raises(ValueError, match="one of slots, sorted, scatter, or a WriteBack; got 'so"):
        optim.row_sparse(optax.sgd(0.1), write_back="sort")
