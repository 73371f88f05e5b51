"""The strategies that write gradients back, each held to `optim.dense` or to a loop in NumPy."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax.sharding import AxisType
from jax.sharding import PartitionSpec as P

from jaxvec import SkipGram, fit, optim, sweep
from jaxvec.optim.named import accelerators_own, resolve_optimizer, write_backs
from jaxvec.optim.writeback import STRATEGIES as NAMED
from jaxvec.optim.writeback import SUM_FIRST, Head, Scatter, Slots, alike, name_of, run_sums
from jaxvec.optim.writeback.runs import PackedProducts, Products
from tests.compiled import KEY, SMALL, compiled, copies_in_loops

pytestmark = pytest.mark.usefixtures("strict_dtypes")

V, W = 6, 4  # rows of a table and of a vector
IDS = {"table": [1, V, 5, 1, 1, 0, V + 3, 5], "bias": [[3, 3], [W, 0], [3, W + 1]]}
FIXED = {"moved": optax.adagrad(0.1), "fixed": optax.set_to_zero()}
RULES = {
    "sgd": optax.sgd(0.5),
    "row_adagrad": optim.row_adagrad(0.5),
    "adagrad": optax.adagrad(0.5),
    "glove": optim.glove_adagrad(0.5, per_row=True, accumulate_first=True),
    "adam, scheduled": optax.adam(optax.linear_schedule(0.5, 0.1, 5)),
    "partition": optax.partition(FIXED, {"table": "moved", "bias": "fixed"}),
}
FORMS = {  # what "sorted" is on other devices, and other heads
    "packed products": PackedProducts(),
    "products": Products(),
    "head of 2, slots": Head(2, Slots()),
    "head of 2, products": Head(2, Products()),
}
SUMMING = {name: NAMED[name] for name in SUM_FIRST} | FORMS
STRATEGIES = NAMED | FORMS | {"head of 2, scatter": Head(2, Scatter())}


def draw(shapes, seed):
    rng = np.random.default_rng(seed)
    return {k: jnp.asarray(rng.normal(size=shape), jnp.float32) for k, shape in shapes.items()}


def arrays(ids):
    return jax.tree.map(jnp.asarray, ids, is_leaf=lambda x: isinstance(x, list))


def close(ours, theirs):
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6), ours, theirs)


@pytest.mark.parametrize("rule", RULES)
def test_sums_first_equal_dense(rule):
    """Of repeated rows and of ids that are no row's, in tables and vectors and all their state."""
    ids, sizes = arrays(IDS), {"table": V, "bias": W}
    dense = optim.dense(RULES[rule])
    start = draw({"table": (V, 3), "bias": (W,)}, 0)
    names = ["slots", "products", "head of 2, slots"]
    if rule == "sgd":
        names = [name for name in STRATEGIES if name not in SUMMING]
    elif rule == "row_adagrad":
        names = SUMMING
    for name in names:
        by_rows = optim.row_sparse(RULES[rule], write_back=STRATEGIES[name])
        ours = start, by_rows.init(start), by_rows.scratch(start)
        theirs = start, dense.init(start), ()
        for seed in (1, 2):  # the same rows twice: the others have no momentum to move them
            gradients = draw({"table": (8, 3), "bias": (3, 2)}, seed)
            ours = by_rows.update(*ours, ids, gradients, 0.3)
            real = {k: ids[k] < sizes[k] for k in ids}
            picked = [{k: tree[k][real[k]] for k in ids} for tree in (ids, gradients)]
            theirs = dense.update(*theirs, *picked, 0.3)
        close(ours[:2], theirs[:2])
        assert np.array_equal(ours[0]["table"][2:5], start["table"][2:5]), name


@pytest.mark.parametrize("rule", ["row_adagrad", "adagrad", "glove"])
def test_occurrences_apart_add_up(rule):
    """One by one, each from the state before the step; the differences are added."""
    transform, ids = RULES[rule], jnp.array(IDS["table"])
    start, gradients = draw({"t": (V, 3)}, 0)["t"], draw({"t": (8, 3)}, 1)["t"]
    expected = [np.array(leaf) for leaf in jax.tree.leaves((start, transform.init(start)))]
    for row, gradient in zip(ids.tolist(), gradients, strict=True):
        if row < V:
            alone = start, transform.init(start)
            whole = jnp.zeros_like(start).at[row].set(gradient)
            updates, state = transform.update(whole, alone[1], start)
            after = optax.apply_updates(start, jax.tree.map(lambda u: 0.3 * u, updates)), state
            for leaf, new, old in zip(expected, *map(jax.tree.leaves, (after, alone)), strict=True):
                leaf += np.asarray(new) - np.asarray(old)
    for name in ("scatter", "sorted_scatter"):
        by_rows = optim.row_sparse(transform, write_back=name)
        begun = start, by_rows.init(start), by_rows.scratch(start)
        found = by_rows.update(*begun, ids, gradients, 0.3)
        close(jax.tree.leaves(found[:2]), expected)


@pytest.mark.parametrize("name", STRATEGIES)
def test_what_is_added_is_the_sum(name):
    strategy, rng = STRATEGIES[name], np.random.default_rng(0)
    for ids in ([1, 1, V, 0, 1, V + 2], [V, V], [2], []):
        for width in [(), (3,)]:
            gradients = rng.normal(size=(len(ids), *width)).astype(np.float32)
            ids, table = np.array(ids, np.int32), jnp.ones((V, *width))
            _, touched = strategy.combine(
                strategy.scratch(table), jnp.asarray(ids), jnp.asarray(gradients), V
            )
            expected = np.ones((V, *width), np.float32)
            np.add.at(expected, ids[ids < V], gradients[ids < V])
            found = strategy.add(table, touched.targets, touched.gradients)
            np.testing.assert_allclose(found, expected, rtol=1e-5)
            written = np.asarray(touched.targets)[np.asarray(touched.targets) < V]
            if name in SUMMING:
                assert sorted(written) == sorted(set(ids[ids < V]))


def test_run_sums_go_on_over_blocks():
    """Runs within a block, over two, over many, and of a whole length; blocks of one id."""
    rng, summed = np.random.default_rng(0), jax.jit(run_sums)
    for count in (1, 512, 70_000):  # one block; three levels
        for words in (1, 3, 400, count):
            ids = np.sort(rng.integers(0, words, count)).astype(np.int32)
            values = rng.normal(size=(count, 2)).astype(np.float32)
            starts = np.flatnonzero(np.diff(ids, prepend=-1))
            expected = np.add.reduceat(values.astype(np.float64), starts)
            found = np.asarray(summed(ids, values))[starts]
            np.testing.assert_allclose(found, expected, atol=1e-5 * count**0.5)


def test_sorted_repeats_no_row_in_what_a_gpu_is_sent():
    """Every scatter of floats in the program for CUDA says that its rows are different."""
    table, ids, gradients = jnp.zeros((50, 3)), jnp.zeros(700, jnp.int32), jnp.zeros((700, 3))

    def float_scatters(name):
        optimizer = optim.row_sparse(RULES["row_adagrad"], write_back=name)
        begun = table, optimizer.init(table), optimizer.scratch(table)
        traced = jax.jit(optimizer.update).trace(*begun, ids, gradients, 0.1)
        text = traced.lower(lowering_platforms=("cuda",)).as_text()
        return re.findall(r"stablehlo\.scatter.*?unique_indices = (\w+).*?\n.*tensor<(\w)", text)

    assert float_scatters("sorted") == [("true", "f")] * 2
    assert float_scatters("slots").count(("false", "f")) >= 1


def updates_of_three(name):
    """An update by a strategy; tables, ids and gradients of three models; and each, updated."""
    optimizer = optim.row_sparse(RULES["row_adagrad"], write_back=NAMED[name])
    tables = draw({"t": (3, V, 3)}, 0)["t"]
    ids = jnp.array(np.random.default_rng(1).integers(0, V + 2, (3, 8)))
    gradients = draw({"t": (3, 8, 3)}, 2)["t"]

    def update(table, ids, gradients):
        begun = table, optimizer.init(table), optimizer.scratch(table)
        return optimizer.update(*begun, ids, gradients, 0.3)[:2]

    parts = tables, ids, gradients
    alone = [update(*(part[i] for part in parts)) for i in range(3)]
    return update, parts, jax.tree.map(lambda *leaves: np.stack(leaves), *alone)


@pytest.mark.parametrize("name", NAMED)
def test_many_at_once_are_as_one(name):
    """By `jax.vmap`, as in a sweep, and by `jax.shard_map`, as workers do."""
    update, parts, alone = updates_of_three(name)
    close(jax.jit(jax.vmap(update))(*parts), alone)
    mesh = jax.make_mesh((3,), ("workers",), (AxisType.Auto,), devices=jax.devices()[:3])

    def work(*parts):
        found = update(*(part[0] for part in parts))
        return jax.tree.map(lambda leaf: leaf[None], found)

    shared = jax.shard_map(
        work, mesh=mesh, in_specs=P("workers"), out_specs=P("workers"), check_vma=False
    )
    close(jax.jit(shared)(*parts), alone)


@pytest.mark.parametrize("name", ["head of 2, products", "sorted"])
def test_tables_are_written_in_place(name, topic_corpus):
    optimizer = optim.row_sparse(RULES["row_adagrad"], write_back=STRATEGIES[name])
    with jax.numpy_dtype_promotion("standard"):
        program = compiled(topic_corpus, optimizer)
    assert not copies_in_loops(program, len(topic_corpus.vocab), 16)


def test_runs_by_name(topic_corpus):
    """In a sweep and by object: the same as by the optimizer's own."""
    model, keys = SkipGram(vector_size=8, blocks=1), jax.random.split(jax.random.key(0), 2)
    options = {"optimizer": "sgd", "epochs": 1, "workers": 1}
    with jax.numpy_dtype_promotion("standard"):
        both = sweep(topic_corpus, model, key=keys, write_back="head", **options)
        own = fit(topic_corpus, model, key=keys[0], **options)
        given = fit(topic_corpus, model, key=keys[0], write_back=NAMED["sorted"], **options)
    close(both[0].params, own.params)
    close(given.params, own.params)
    found = [result.write_back for result in (both[1], own, given)]
    assert found == [("head", {}), ("scatter", {}), ("sorted", {})]


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
    close(*found)


def test_names():
    assert [name_of(strategy) for strategy in NAMED.values()] == list(NAMED)
    assert name_of(ByTable()) == "ByTable"
    assert alike("head_scatter", linear=False) == ("head_scatter",)
    assert write_backs("sgd")[0] == "scatter"
    assert set(write_backs("sgd")) == set(NAMED) - {"accumulate"}
    assert write_backs("sgd", 1.0) == SUM_FIRST == write_backs(optax.sgd(0.1))
    assert write_backs("glove_row_adagrad", 5.0) == ("scatter", "sorted_scatter")
    assert write_backs(optim.damped_sgd()) == ()


def test_what_cannot_be_is_refused(topic_corpus):
    known = "slots, sorted, head, scatter, sorted_scatter, head_scatter, accumulate"
    with pytest.raises(ValueError, match=f"one of {known}, or a WriteBack; got 'so"):
        optim.row_sparse(optax.sgd(0.1), write_back="sort")
    with pytest.raises(ValueError, match="rows must be 1 or more; got 0"):
        Head(0)
    for optimizer, dense, name, message in [
        (
            "adam",
            False,
            "scatter",
            "adam has state that decays.*one of slots, sorted, head; got 's",
        ),
        ("adam", False, "head_scatter", "got 'head_scatter'"),
        ("sgd", True, "sorted", "write_back is for an optimizer of rows"),
        ("sgd", False, "sort", f"one of {known}"),
        (optim.damped_sgd(), False, "sorted", r"row_sparse\(transform, write_back='sorted'\)"),
    ]:
        with pytest.raises(ValueError, match=message):
            resolve_optimizer(optimizer, dense, None, None, None, name)
    for wrong, message in [
        (Slots, r"write_back is an instance: write Slots\(\)"),
        (3, "write_back is a name such as 'sorted'.*lacks scratch, combine, add, store"),
    ]:
        with pytest.raises(TypeError, match=message):
            fit(topic_corpus, SkipGram(), key=jax.random.key(0), write_back=wrong)


@pytest.mark.parametrize("per_row", [True, False])
def test_accumulate_divides_each_occurrence_by_the_sum_of_all(per_row):
    """Beside loops: first every square is added, then every occurrence moves its row."""
    rng = np.random.default_rng(0)
    table, gradients = rng.normal(size=(9, 3)), rng.normal(size=(20, 3))
    ids = rng.integers(0, 11, 20)  # 9 and 10 are no rows
    rule = optim.row_adagrad(1.0) if per_row else optax.adagrad(1.0)
    sums = np.full((9, 1 if per_row else 3), 0.1)
    expected = table.copy()
    for i, g in zip(ids, gradients, strict=True):
        if i < 9:
            sums[i] += np.square(g).mean() if per_row else np.square(g)
    for i, g in zip(ids, gradients, strict=True):
        if i < 9:
            expected[i] -= 0.5 * g / np.sqrt(sums[i] + 1e-7)
    optimizer = optim.row_sparse(rule, write_back="accumulate")
    start = jnp.asarray(table, jnp.float32)
    found, state, _ = optimizer.update(
        start, optimizer.init(start), optimizer.scratch(start), jnp.asarray(ids),
        jnp.asarray(gradients, jnp.float32), 0.5,
    )  # fmt: skip
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(jax.tree.leaves(state)[0], sums, rtol=1e-5)


@pytest.mark.parametrize("rule", [optax.adam(1.0), optax.sgd(1.0, momentum=0.9)])
def test_accumulate_is_refused_for_state_that_is_no_sum(rule):
    optimizer = optim.row_sparse(rule, write_back="accumulate")
    with pytest.raises(ValueError, match="whose state of a row is a sum"):
        optimizer.init(jnp.zeros((4, 2)))


def test_accumulate_is_what_accelerators_take_for_adagrad(topic_corpus):
    """And it learns as a sum first does."""
    losses = {
        write_back: fit(
            topic_corpus, SMALL, key=KEY, epochs=2, optimizer="row_adagrad", write_back=write_back
        ).history[-1].loss
        for write_back in ("slots", "accumulate")
    }  # fmt: skip
    assert accelerators_own("row_adagrad") == accelerators_own("adagrad") == "accumulate"
    assert accelerators_own("row_adagrad", 1.0) is None
    assert losses["accumulate"] == pytest.approx(losses["slots"], rel=0.02)
