import dataclasses
import re

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax.sharding import PartitionSpec as P

from jaxvec import Corpus, SkipGram, fit, optim, use_cores
from jaxvec.optim.named import resolve_optimizer
from jaxvec.optim.rows import StateLeaf
from jaxvec.train import parallel, segments, workers
from jaxvec.train.contracts import State
from jaxvec.train.epoch import train_segment
from jaxvec.train.fit import Checkpoints, Stopped
from jaxvec.train.parallel import copies
from jaxvec.train.parallel.contract import Program
from jaxvec.train.segments import TokenSegments

KEY = jax.random.key(0)
SMALL = SkipGram(vector_size=16, window=3, sample=0)


def combined(start, ends, opt_start=(), opt_ends=None, rule="mean"):
    """What `combine` makes of several workers' tables."""
    n = len(ends)
    mesh = workers.mesh(n)
    merge = jax.tree.map(lambda _: StateLeaf(None, rule), opt_start)

    def one(start, end):
        end = jax.tree.map(lambda a: a[0], end)
        return copies.combine(copies.Twins(start, end), merge, "workers")

    stacked = jax.tree.map(lambda *a: jnp.stack(a), *ends)
    opt_stacked = jax.tree.map(lambda *a: jnp.stack(a), *opt_ends) if opt_ends else ()
    specs = {"in_specs": (P(), P("workers")), "out_specs": P(), "check_vma": False}
    twins = jax.jit(jax.shard_map(one, mesh=mesh, **specs))(
        State(start, opt_start), State(stacked, opt_stacked)
    )
    for a, b in zip(jax.tree.leaves(twins.start), jax.tree.leaves(twins.end), strict=True):
        assert np.array_equal(a, b)
    return twins.end


@pytest.mark.parametrize(
    ("n", "rows"), [(2, 7), (3, copies._CHUNK_ROWS), (4, 2 * copies._CHUNK_ROWS + 5)]
)
def test_combine_is_its_formula(n, rows):
    rng = np.random.default_rng(0)
    start = rng.normal(size=(rows, 5))
    changes = rng.normal(size=(n, rows, 5))
    changes[:, 0] = changes[0, 0]  # all the same
    changes[1:, 1] = 0  # one worker alone
    changes[:, 2] = 0  # nobody
    total = changes.sum(0)
    squares = np.square(changes).sum((0, 2))[:, None]
    with np.errstate(invalid="ignore"):
        agreement = np.square(total).sum(1, keepdims=True) / squares
        expected = start + total / np.maximum(agreement, 1) ** (1 - 1 / n)
    expected[2] = start[2]
    as32 = [jnp.asarray(a, jnp.float32) for a in (start, *(start + changes))]
    found = combined(as32[0], as32[1:]).params
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(found[1], start[1] + changes[0, 1], rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(
        found[0], start[0] + n ** (1 / n) * changes[0, 0], rtol=1e-4, atol=1e-5
    )


def test_state_of_optimizers_is_added_or_averaged():
    params = jnp.ones((3, 2))
    adagrad, adam = optax.adagrad(0.1, 0.5), optax.adam(0.1)
    gradients = [jnp.array([[1.0, 2], [0, 0], [3, 0]]), jnp.array([[5.0, 2], [0, 0], [0, 0]])]
    for transform in (adagrad, adam):
        start = transform.init(params)
        ends = [transform.update(g, start, params)[1] for g in gradients]
        rule = "sum" if transform is adagrad else "mean"
        found = combined(params, [params, params], start, ends, rule).opt_state
        leaves = optim.row_sparse(transform).leaves(params, start)
        assert {leaf.merge for leaf in jax.tree.leaves(leaves)} == {rule}
        first, second, both = (jax.tree.leaves(tree) for tree in (ends[0], ends[1], found))
        for before, a, b, together in zip(jax.tree.leaves(start), first, second, both, strict=True):
            assert together.dtype == before.dtype
            if transform is adagrad:  # the sum of all squares
                expected = a + b - before
            else:  # the mean of those who changed it; the count of steps is as for one
                changed = (a != before).astype(int) + (b != before)
                expected = before + (a + b - 2 * before) / np.maximum(changed, 1)
            np.testing.assert_allclose(together, expected, rtol=1e-6)


def test_same_number_of_workers_same_bits(topic_corpus):
    first, second, alone = (
        fit(topic_corpus, SMALL, key=KEY, epochs=2, workers=n).params for n in (2, 2, 1)
    )
    for a, b, c in zip(first, second, alone, strict=True):
        assert np.array_equal(a, b)
        assert not np.array_equal(a, c)


def test_each_segment_is_trained_once(topic_corpus):
    """Every pair of the text is trained on, however the segments are shared out."""
    fixed = SkipGram(vector_size=4, window=3, sample=0, shrink_windows=False)
    parts = TokenSegments.for_workers(topic_corpus, 3)
    lost = 3 * 4 * len(np.setdiff1d(parts.bounds, topic_corpus.offsets))  # cut by segments
    pairs = [
        fit(topic_corpus, fixed, key=KEY, epochs=1, workers=n).history[0].pairs for n in (1, 3)
    ]
    assert pairs[0] - lost <= pairs[1] <= pairs[0]


def test_resumes_to_the_same_bits(topic_corpus, tmp_path, monkeypatch):
    monkeypatch.setattr(segments, "_LEAST_TOKENS", 1000)
    settings, options = {"workers": 2}, {"key": KEY, "epochs": 2, "workers": 2}
    model = SkipGram(vector_size=8, window=2, sample=0)
    whole = fit(topic_corpus, model, **options)
    checkpoints = Checkpoints(tmp_path, settings, steps=1)
    asked = iter([False, True])
    with pytest.raises(Stopped):
        fit(topic_corpus, model, **options, checkpoints=checkpoints,
            should_stop=lambda: next(asked))  # fmt: skip
    checkpoints.close()
    checkpoints = Checkpoints(tmp_path, settings, steps=10**9)
    resumed = fit(topic_corpus, model, **options, checkpoints=checkpoints)
    checkpoints.close()
    for a, b in zip(whole.params, resumed.params, strict=True):
        assert np.array_equal(a, b)


def test_validates_with_workers(topic_corpus):
    """As one worker does, and one that trains on what is held out, of the same tables, which
    learn nothing more."""
    options = {"key": KEY, "epochs": 1, "valid": 0.1}
    model = dataclasses.replace(SMALL, blocks=1)  # which depends on the rate, if not given
    run = fit(topic_corpus, model, workers=2, **options)
    start = State(jax.tree.map(np.array, run.params), None)
    options |= {"workers": 1, "start": start, "learning_rate": 1e-20}
    still = fit(topic_corpus, model, **options)
    assert np.array_equal(still.params.input, run.params.input)
    assert run.history[0].valid_loss == pytest.approx(still.history[0].valid_loss, rel=1e-6)
    assert run.history[0].valid_loss != pytest.approx(still.history[0].loss, rel=1e-4)
    held_out = fit(topic_corpus.split(0.1)[1], model, **options | {"valid": 0})
    assert run.history[0].valid_loss == pytest.approx(held_out.history[0].loss, rel=0.02)


@pytest.mark.parametrize(("n", "message"), [(0, "at least 1; got 0"), (99, r"use_cores\(99\)")])
def test_bad_numbers_of_workers(topic_corpus, n, message):
    with pytest.raises(ValueError, match=message):
        fit(topic_corpus, SMALL, key=KEY, workers=n)


def test_use_cores_after_the_start_changes_nothing():
    devices = len(jax.devices())
    with pytest.warns(
        UserWarning, match=rf"use_cores\({devices + 1}\) came after .* {devices} CPU"
    ):
        use_cores(devices + 1)
    use_cores(devices)  # there are as many
    with pytest.raises(ValueError, match="at least 1; got 0"):
        use_cores(0)
    assert len(jax.devices()) == devices


def test_a_worker_for_every_8_million_words_and_two_from_4(topic_corpus, monkeypatch):
    few = [(2, 1), (3_999_999, 1), (4_000_000, 2), (23_999_999, 2)]
    for words, expected in [*few, (24_000_000, 3), (10**9, 8)]:
        monkeypatch.setattr(Corpus, "__len__", lambda corpus, words=words: words)
        assert workers.usual_workers(topic_corpus) == expected


@pytest.mark.parametrize("optimizer", ["sgd", "adagrad"])
def test_a_round_is_each_worker_alone_and_then_combined(topic_corpus, optimizer):
    optimize, _ = resolve_optimizer(optimizer, False, None, None)
    parts = TokenSegments(topic_corpus, 5_000)
    rates, keys = np.full(2, 0.05, np.float32), jax.random.split(KEY, 4)
    params = SMALL.init(KEY, len(topic_corpus.vocab))
    state = State(params, optimize.init(params))
    constants = SMALL.constants(topic_corpus)
    program = Program(SMALL, optimize, constants, None, None)
    team = parallel.on(2, program, len(topic_corpus.vocab))
    training = team.begin([jax.tree.map(jnp.copy, state)])
    for first in (0, 2):
        chosen = [(parts.epoch(KEY)(i), keys[i]) for i in (first, first + 1)]
        shared = team.share([[(part, np.asarray(jax.random.key_data(k))) for part, k in chosen]])
        training, _ = team.train(training, shared, rates[None, None])
        copies = [jax.tree.map(jnp.copy, state) for _ in chosen]
        ends = [
            train_segment(SMALL, optimize, copy, constants, *part, rates)[0]
            for copy, part in zip(copies, chosen, strict=True)
        ]
        state = combined(
            state.params,
            [e.params for e in ends],
            state.opt_state,
            [e.opt_state for e in ends],
            rule="sum",
        )
        (found,) = team.end(training)
        for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(state), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)
        training = team.begin([found])


@pytest.fixture
def small_head(monkeypatch):
    """Heads of 8 rows: a small vocabulary has rare words, too."""
    for name, value in [("_CHUNK_ROWS", 4), ("_HEAD_ROWS", 7), ("_HEAD_SHARE", 1000)]:
        monkeypatch.setattr(copies, name, value)


@pytest.mark.usefixtures("small_head")
def test_rare_words_are_merged_after_the_last_round(topic_corpus):
    """Two rounds of two workers, beside each worker alone: after the first the first 8 rows are
    merged, after the second all, rare ones by what both rounds changed."""
    model = dataclasses.replace(SMALL, vector_size=12)  # a program of its own
    optimize, _ = resolve_optimizer("adagrad", False, None, None)
    parts, words = TokenSegments(topic_corpus, 5_000), len(topic_corpus.vocab)
    assert words > 8
    keys, rates = jax.random.split(KEY, 4), np.array([[0.05, 0.04], [0.04, 0.03]], np.float32)
    params = model.init(KEY, words)
    start = State(params, optimize.init(params))
    constants = model.constants(topic_corpus)
    team = parallel.on(2, Program(model, optimize, constants, None, None), words)
    chosen = [(parts.epoch(KEY)(i), keys[i]) for i in range(4)]
    shared = team.share([[(part, np.asarray(jax.random.key_data(k))) for part, k in chosen]])
    training, steps = team.train(team.begin([jax.tree.map(jnp.copy, start)]), shared, rates[None])
    ends = [start, start]
    for round_, rate in enumerate(rates):
        for worker in range(2):
            part = chosen[2 * round_ + worker]
            own = jax.tree.map(jnp.copy, ends[worker])
            ends[worker], taken = train_segment(model, optimize, own, constants, *part, rate)
            draws = slice(round_ * len(taken.loss), (round_ + 1) * len(taken.loss))
            np.testing.assert_allclose(steps.loss[worker, draws], taken.loss, rtol=1e-4)
        both = combined(
            start.params, [e.params for e in ends], start.opt_state, [e.opt_state for e in ends],
            rule="sum",
        )  # fmt: skip
        start, *ends = (
            jax.tree.map(lambda own, all: own.at[:8].set(all[:8]) if own.ndim else all, tree, both)
            for tree in (start, *ends)
        )
    (found,) = team.end(training)
    rest = combined(
        start.params, [e.params for e in ends], start.opt_state, [e.opt_state for e in ends],
        rule="sum",
    )  # fmt: skip
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(rest), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


@pytest.mark.usefixtures("small_head")
def test_a_call_copies_no_table(topic_corpus):
    """Tables and their snapshots are trained and merged in place."""
    model = dataclasses.replace(SMALL, vector_size=20)
    optimize, _ = resolve_optimizer("sgd", False, None, None)
    words = len(topic_corpus.vocab)
    constants = model.constants(topic_corpus)
    team = parallel.on(2, Program(model, optimize, constants, None, None), words)
    params = model.init(KEY, words)
    part = (TokenSegments(topic_corpus, 5_000).epoch(KEY)(0), np.zeros(2, np.uint32))
    shared = team.share([[part] * 8])
    training = team.begin([State(params, optimize.init(params))])
    text = copies.train_copies.lower(
        team.placement, model, optimize, training, constants, *shared, np.ones((4, 2), np.float32)
    ).compile().as_text()  # fmt: skip
    table = rf"= f32\[(1,)?{words},{model.vector_size}\]\S* copy\("
    assert not re.search(table, text)
