import dataclasses
import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxvec import OPTIMIZERS, Corpus, SkipGram, fit, linear_decay, optim, sampling, sgns
from jaxvec.optim.named import resolve_optimizer
from jaxvec.train.contracts import State
from jaxvec.train.epoch import run_segment
from jaxvec.train.segments import TokenSegments
from jaxvec.train.watch import NonFiniteError
from tests.compiled import KEY, SMALL, compiled, copies_in_loops
from tests.conftest import segment_programs
from tests.reference import window_pairs


def segment_of(corpus, model):
    segments = TokenSegments(corpus)
    assert len(segments.sizes) == 1
    return jax.jit(model.plan)(model.constants(corpus), KEY, segments.epoch(KEY)(0))


def batches(corpus, model):
    """All the batches of an epoch over a corpus of one segment."""
    constants, plan = model.constants(corpus), segment_of(corpus, model)
    bits = jax.random.bits(KEY, (int(plan.steps), *model.bits()))
    batch = jax.jit(lambda bits, t: model.expanded(model.batch(constants, plan, bits, t)))
    return [batch(bits[t], t) for t in range(int(plan.steps))]


@pytest.mark.parametrize(("blocks", "size"), [(1, 32), (4, 32), (3, 8), (8, 64)])
def test_blocks_hold_every_pair_of_the_text_once(blocks, size):
    """Fixed windows, no subsampling: the pairs are those of the text, counted by word."""
    rng = np.random.default_rng(0)
    documents = [[f"w{i}" for i in rng.integers(0, 20, rng.integers(1, 40))] for _ in range(30)]
    corpus = Corpus.from_documents(documents, min_count=1)
    model = dataclasses.replace(SMALL, shrink_windows=False, blocks=blocks, block_tokens=size)
    found = np.zeros((20, 20))
    for batch in batches(corpus, model):
        centers = np.broadcast_to(batch.centers[:, :, None], batch.weights.shape)
        contexts = np.broadcast_to(batch.contexts[:, None, :], batch.weights.shape)
        np.add.at(found, (centers, contexts), batch.weights)
    expected = np.zeros((20, 20))
    positions = window_pairs(documents, np.full(len(corpus), model.window))
    for i, j in positions:
        expected[corpus.ids[i], corpus.ids[j]] += 1
    assert np.array_equal(found, expected)


def test_shrinking_windows_are_even(topic_corpus):
    total = sum(float(batch.weights.sum()) for batch in batches(topic_corpus, SMALL))
    # windows of 1, 2 and 3 words a side, cut at the ends of documents of 40 words
    full = sum(len(topic_corpus) * 2 * r - 600 * r * (r + 1) for r in (1, 2, 3)) / 3
    assert abs(total / full - 1) < 0.01


@pytest.mark.parametrize(("window", "size"), [(3, 16), (40, 16), (16, 16)])
def test_batches_of_a_draw_are_those_of_its_steps(topic_corpus, window, size):
    model = dataclasses.replace(SMALL, window=window, block_tokens=size, blocks=3)
    constants = model.constants(topic_corpus)
    plan = model.plan(constants, KEY, TokenSegments(topic_corpus).epoch(KEY)(0))
    bits = jax.random.bits(KEY, (5, *model.bits()))
    together = jax.jit(model.batches)(constants, plan, bits, jnp.int32(128))
    batch = jax.jit(model.batch)
    for i in range(5):
        alone = batch(constants, plan, bits[i], jnp.int32(128 + i))
        for ours, theirs in zip(*map(jax.tree.leaves, (together, alone)), strict=True):
            assert np.array_equal(ours[i], theirs)
        blocks = model.expanded(alone)
        met = [
            blocks.weights.sum(1),
            jnp.broadcast_to(blocks.negative_weights.sum(1, keepdims=True), alone.negatives.shape),
        ]
        np.testing.assert_allclose(alone.met, np.concatenate(met, axis=1), rtol=1e-5)


def test_negative_weights_are_k_a_pair(topic_corpus):
    model = dataclasses.replace(SMALL, negative=7, block_negatives=50)
    for batch in batches(topic_corpus, model)[:5]:
        assert batch.negatives.shape == (2, 50)
        total = float(batch.negative_weights.sum() * 50)
        np.testing.assert_allclose(total, 7 * batch.weights.sum(), rtol=1e-5)


@pytest.mark.parametrize("options", [{}, {"negative": 12}, {"block_negatives": 20}])
def test_blocks_have_the_expected_loss_of_the_textbook_form(topic_corpus, options):
    """Over draws of noise; the textbook's expectation is written out over the vocabulary."""
    model = dataclasses.replace(SMALL, shrink_windows=False, blocks=2, block_tokens=8, **options)
    rng = np.random.default_rng(0)
    params = sgns.Params(
        *(jnp.asarray(rng.normal(0, 0.5, (len(topic_corpus.vocab), 4)), jnp.float32) for _ in "io")
    )
    constants, plan = model.constants(topic_corpus), segment_of(topic_corpus, model)
    draws = jax.random.bits(KEY, (2000, *model.bits()))

    @jax.jit
    def batch_of(bits):
        return model.expanded(model.batch(constants, plan, bits, 3))

    losses = jax.jit(jax.vmap(lambda bits: sgns.loss(params, batch_of(bits))))(draws)
    batch = jax.tree.map(np.asarray, batch_of(draws[0]))
    noise = sampling.noise_distribution(topic_corpus.vocab.counts, model.ns_exponent)
    logits = np.asarray(params.input @ params.output.T, np.float64)
    expected = 0.0
    for centers, contexts, weights in zip(
        batch.centers, batch.contexts, batch.weights, strict=True
    ):
        for v, ws in zip(centers, weights, strict=True):
            for u in contexts[ws > 0]:
                expected += np.log1p(np.exp(-logits[v, u]))
                expected += model.negative * noise @ np.log1p(np.exp(logits[v]))
    error = np.std(losses) / np.sqrt(len(losses))
    assert error < 0.01 * expected
    assert abs(np.mean(losses) - expected) < 4 * error


@pytest.mark.parametrize("tokens", [100, 1000, 10**6])
def test_segments_hold_the_corpus(topic_corpus, tokens):
    segments = TokenSegments(topic_corpus, tokens)
    ids, starts = [], 0
    for i, size in enumerate(segments.sizes):
        segment = segments.epoch(KEY)(i)
        real = segment.docs >= 0
        assert real.sum() == size
        assert segment.ids.shape == segments.empty().ids.shape
        assert len(segment.ids) <= tokens
        ids.append(segment.ids[real])
        starts += len(np.unique(segment.docs[real]))
    assert np.array_equal(np.concatenate(ids), topic_corpus.ids)
    cut = np.setdiff1d(segments.bounds, topic_corpus.offsets)
    assert starts == len(topic_corpus.offsets) - 1 + len(cut)


def test_same_key_same_bits_and_other_key_others(short_corpus):
    first, second, other = (
        fit(short_corpus, SMALL, key=jax.random.key(seed), epochs=2).params for seed in (1, 1, 2)
    )
    for a, b, c in zip(first, second, other, strict=True):
        assert np.array_equal(a, b)
        assert not np.array_equal(a, c)


def test_compiles_once(topic_corpus, caplog):
    model = SkipGram(vector_size=9, blocks=2)
    with segment_programs(caplog) as programs:
        for rate in (0.001, 0.002):
            fit(topic_corpus, model, key=KEY, epochs=3, learning_rate=rate)
    assert len(programs) == 1


@pytest.mark.parametrize("name", [*OPTIMIZERS, "damped sgd"])
def test_no_copy_of_a_table_in_the_compiled_step(topic_corpus, name):
    if name == "damped sgd":
        optimizer = optim.damped_sgd()
    else:
        optimizer, _ = resolve_optimizer(name, False, None, None)
    shape = len(topic_corpus.vocab), SMALL.vector_size
    assert copies_in_loops(compiled(topic_corpus, optimizer), *shape) == []


def test_a_copy_of_a_table_would_be_found(topic_corpus):
    """A rule that reads the old table after it has written the new one: XLA must keep both."""
    sgd = optim.row_sparse(optax.sgd(1.0))

    def update(params, state, scratch, rows, gradients, rate):
        new, state, scratch = sgd.update(params, state, scratch, rows, gradients, rate)
        late = jax.tree.map(
            lambda old, table: table.at[0].add(old[jnp.argmax(table[:, 0])]), params, new
        )
        return late, state, scratch

    shape = len(topic_corpus.vocab), SMALL.vector_size
    rule = optim.RowOptimizer(sgd.init, sgd.scratch, update)
    assert len(copies_in_loops(compiled(topic_corpus, rule), *shape)) >= 2


def dense_and_sparse(corpus, transform, rate=0.005):
    return [
        fit(corpus, SMALL, key=KEY, epochs=1, optimizer=transform, learning_rate=rate, dense=dense)
        for dense in (True, False)
    ]


@pytest.mark.parametrize(
    "transform",
    [optax.sgd(1.0), optax.adagrad(1.0), optim.row_adagrad(1.0)],
    ids=["sgd", "adagrad", "row_adagrad"],
)
def test_row_sparse_training_equals_dense(short_corpus, transform):
    dense, sparse = dense_and_sparse(short_corpus, transform)
    for a, b in zip(dense.params, sparse.params, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


def test_sgd_by_name_equals_optax_on_whole_tables(topic_corpus):
    by_name, dense = (
        fit(topic_corpus, SMALL, key=KEY, epochs=1, dense=dense) for dense in (False, True)
    )
    for a, b in zip(by_name.params, dense.params, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


def test_any_transformation_trains_densely(topic_corpus):
    """One that looks at all rows together: no step moves them by more than its bound."""
    transform = optax.chain(optax.clip_by_global_norm(0.01), optax.sgd(1.0))
    steps = []
    moved, still = (
        fit(
            topic_corpus, SMALL, key=KEY, epochs=1, optimizer=transform, dense=True,
            learning_rate=rate, report_every=1, step_callbacks=[steps.append],
        ).params
        for rate in (1.0, 1e-12)
    )  # fmt: skip
    distance = np.sqrt(sum(np.square(a - b).sum() for a, b in zip(moved, still, strict=True)))
    assert 0.1 < distance < 1.001 * 0.01 * steps[-1].step
    with pytest.raises(ValueError, match="dense=True"):
        fit(topic_corpus, SMALL, key=KEY, optimizer=transform)


def test_schedules(short_corpus):
    def rates(**options):
        return [
            r.learning_rate for r in fit(short_corpus, SMALL, key=KEY, epochs=4, **options).history
        ]

    np.testing.assert_allclose(rates(), np.linspace(0.03, 0.03e-4, 5)[1:], rtol=1e-6)
    np.testing.assert_allclose(
        rates(learning_rate=0.02, min_learning_rate=0.01), [0.0175, 0.015, 0.0125, 0.01]
    )
    np.testing.assert_allclose(rates(optimizer=optax.sgd(0.01)), 1)
    cosine = optax.cosine_decay_schedule(0.04, 1)
    np.testing.assert_allclose(
        rates(learning_rate=cosine), [cosine(p) for p in (0.25, 0.5, 0.75, 1)]
    )


def test_a_schedule_acts_as_its_straight_line(topic_corpus):
    by_rate = fit(topic_corpus, SMALL, key=KEY, epochs=2, learning_rate=0.02)
    by_schedule = fit(
        topic_corpus, SMALL, key=KEY, epochs=2, learning_rate=linear_decay(0.02, 0.02e-4)
    )
    assert np.array_equal(by_rate.params.input, by_schedule.params.input)


def test_reports(topic_corpus):
    seen = []
    result = fit(
        topic_corpus, SMALL, key=KEY, epochs=3, valid=0.1,
        callbacks=[lambda report, so_far: seen.append((report, so_far.vectors()))],
    )  # fmt: skip
    assert [report for report, _ in seen] == result.history
    assert np.array_equal(seen[-1][1].vectors, result.vectors().vectors)
    assert not np.array_equal(seen[0][1].vectors, result.vectors().vectors)
    first, last = result.history[0], result.history[-1]
    assert first.compile_seconds > 0 == last.compile_seconds
    assert first.words == len(topic_corpus.split(0.1)[0])
    assert first.words_per_second == first.words / first.seconds
    assert 0 < last.valid_loss < first.valid_loss
    # before anything is learned, each of a pair's 1 + K terms is log 2
    assert math.log(2) * 6 > first.loss > last.loss


def test_validation_does_not_change_training(short_corpus):
    train, _ = short_corpus.split(0.1)
    alone = fit(train, SMALL, key=KEY, epochs=2)
    validated = fit(short_corpus, SMALL, key=KEY, epochs=2, valid=0.1)
    assert np.array_equal(alone.params.input, validated.params.input)


def test_memory_mapped_corpus_trains_the_same(topic_corpus, tmp_path):
    topic_corpus.save(tmp_path / "c.npz")
    mapped = Corpus.load(tmp_path / "c.npz")
    assert isinstance(mapped.ids, np.memmap)
    ours, theirs = (fit(data, SMALL, key=KEY, epochs=1).params for data in (topic_corpus, mapped))
    assert np.array_equal(ours.input, theirs.input)


def test_which_table(topic_corpus):
    result = fit(topic_corpus, SMALL, key=KEY, epochs=1)
    tables = result.params
    for which, expected in [
        ("input", tables.input), ("output", tables.output), ("sum", tables.input + tables.output),
    ]:  # fmt: skip
        assert np.array_equal(result.vectors(which).vectors, expected)
    with pytest.raises(ValueError, match="'input' or 'output' or 'sum' or 'joined'; got"):
        result.vectors("both")


@pytest.mark.parametrize("words", [2, 3, 10])
def test_tiny_vocabularies_stay_finite(words):
    rng = np.random.default_rng(0)
    corpus = Corpus.from_documents([[f"w{i}" for i in rng.integers(0, words, 50_000)]])
    result = fit(corpus, key=KEY, epochs=3)
    assert np.isfinite(result.params.input).all()


def test_divergence_is_an_error_that_names_the_step(topic_corpus):
    with pytest.raises(NonFiniteError, match=r"after \d+ to \d+ steps of segment 1, epoch 1"):
        fit(topic_corpus, SMALL, key=KEY, optimizer=optax.rmsprop(1e30))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"epochs": 0}, "epochs must be at least 1"),
        ({"optimizer": "sgdd"}, "one of sgd, adagrad, row_adagrad, adam"),
        ({"learning_rate": -1}, "learning_rate must be a positive number; got -1"),
        ({"learning_rate": lambda p: 0.1 - p}, "at least 0; this one gives -0.9 to 0.1"),
        ({"learning_rate": lambda p: math.nan}, "at least 0; this one gives nan"),
        ({"learning_rate": math.nan}, "learning_rate must be a positive number"),
        ({"learning_rate": 0.1, "min_learning_rate": 0.2}, "between 0 and 0.1"),
        ({"learning_rate": lambda p: 0.1, "min_learning_rate": 0.2}, "does not go with"),
        ({"valid": 1.5}, "between 0 and 1"),
    ],
)
def test_bad_arguments(topic_corpus, options, message):
    with pytest.raises(ValueError, match=message):
        fit(topic_corpus, SMALL, key=KEY, **options)


@pytest.mark.parametrize("name", ["vector_size", "window", "negative", "blocks", "block_tokens"])
def test_bad_model(name):
    with pytest.raises(ValueError, match=f"{name} must be at least 1; got 0"):
        SkipGram(**{name: 0})
    for value in (5.0, math.nan, math.inf):
        with pytest.raises(TypeError, match=f"{name} must be a whole number; got the number"):
            SkipGram(**{name: value})


def test_one_word_is_not_enough():
    with pytest.raises(ValueError, match="two or more"):
        fit(Corpus.from_documents([["a"] * 10]), key=KEY)


def test_pure_loss_trains_with_plain_optax(topic_corpus):
    """The textbook way, for those who compose: jax.grad of the loss, and optax."""
    rng = np.random.default_rng(0)
    docs = topic_corpus.ids
    params, transform = sgns.init(KEY, len(topic_corpus.vocab), 16), optax.adam(0.01)
    state = transform.init(params)

    @jax.jit
    def step(params, state, batch):
        loss, gradient = jax.value_and_grad(sgns.loss)(params, batch)
        updates, state = transform.update(gradient, state)
        return optax.apply_updates(params, updates), state, loss / batch.weights.sum()

    losses = []
    for _ in range(150):
        at = rng.integers(0, len(docs) - 1, 256)
        batch = sgns.Batch(
            docs[at], docs[at + 1], rng.integers(0, len(topic_corpus.vocab), (256, 5)),
            jnp.ones(256),
        )  # fmt: skip
        params, state, loss = step(params, state, batch)
        losses.append(float(loss))
    assert np.mean(losses[-20:]) < 0.9 * np.mean(losses[:20])


@pytest.mark.parametrize("key", [jax.random.key(1, impl="rbg"), jax.random.PRNGKey(1)])
@pytest.mark.parametrize("workers", [1, 2])
def test_keys_of_any_kind(short_corpus, key, workers):
    a, b = (fit(short_corpus, SMALL, key=key, epochs=1, workers=workers) for _ in range(2))
    assert np.array_equal(a.params.input, b.params.input)


@pytest.mark.parametrize("rule", [optax.adamw(0.05, weight_decay=0.5), optax.sgd(0.1, 0.9)])
def test_steps_beyond_the_last_do_not_move_dense_tables(topic_corpus, rule):
    """A segment of 65 steps runs two draws of 64: beside a loop over its batches."""
    model = dataclasses.replace(SMALL, blocks=1, block_tokens=8)
    constants = model.constants(topic_corpus)
    segment = jnp.asarray(topic_corpus.ids[: 65 * 8], jnp.int32), jnp.zeros(65 * 8, jnp.int32)
    optimizer = optim.dense(rule)
    params = model.init(KEY, len(topic_corpus.vocab))
    opt_state = optimizer.init(params)
    run = functools.partial(run_segment, model, optimizer)
    found, steps = jax.jit(run)(State(params, opt_state), constants, segment, KEY, jnp.ones(2))
    assert steps.taken.tolist() == [64, 1]

    @jax.jit
    def step(params, opt_state, bits, t):
        batch = model.batch(constants, plan, bits, t)
        rows = model.rows(batch)
        vectors = sgns.take(params, rows)
        gradients = jax.grad(lambda vectors: model.rows_loss(vectors, batch).sum())(vectors)
        return optimizer.update(params, opt_state, (), rows, gradients, 1.0)[:2]

    plan_key, bits_key = jax.random.split(KEY)
    plan = jax.jit(model.plan)(constants, plan_key, segment)
    keys = [jax.random.fold_in(bits_key, i) for i in (0, 1)]
    draws = [sampling.random_bits(key, (64, *model.bits())) for key in keys]
    for t in range(65):
        params, opt_state = step(params, opt_state, draws[t // 64][t % 64], jnp.int32(t))
    for ours, theirs in zip(found.params, params, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-4)
