"""The contracts are the real ones: a model and an optimizer made here train as jaxvec's own do."""

import dataclasses
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax import lax

from jaxvec import (
    CBOW,
    Checkpoints,
    GloVe,
    SkipGram,
    Softmax,
    cooccurrence,
    fit,
    load_run,
    optim,
    save_run,
    sgns,
    sweep,
)
from jaxvec.optim import StateLeaf
from jaxvec.train import segments
from jaxvec.train.arguments import missing
from jaxvec.train.fit import Stopped
from tests.conftest import segment_programs, topic_accuracy

KEY = jax.random.key(0)


class Plan(NamedTuple):
    ids: jax.Array
    steps: jax.Array


class Batch(NamedTuple):
    words: jax.Array  # int32[32]
    others: jax.Array  # int32[2, 32]: the next word, and a random one


@dataclasses.dataclass(frozen=True)
class NextWord:
    """Tells the next word from a random one."""

    vector_size: int = 16
    default_optimizer, default_learning_rate = "sgd", 0.1
    default_vectors, loss_unit = "input", "pair"

    def init(self, key, vocab_size):
        return sgns.init(key, vocab_size, self.vector_size)

    def rows(self, batch):
        return sgns.Params(batch.words, batch.others)

    def rows_loss(self, vectors, batch):
        after, random = jnp.einsum("bd,kbd->kb", vectors.input, vectors.output)
        return jnp.sum(jax.nn.softplus(-after) + jax.nn.softplus(random))

    def weight(self, batch):
        return jnp.float32(len(batch.words))

    def segments(self, data, valid, key, workers=1):
        return segments.TokenSegments.for_workers(data, workers), None

    def constants(self, data):
        return jnp.uint32(len(data.vocab))

    def max_steps(self, segment):
        return len(segment.ids) // 32

    def plan(self, constants, key, segment):
        return Plan(segment.ids, jnp.sum(segment.docs[1:] >= 0, dtype=jnp.int32) // 32)

    def bits(self):
        return (32,)

    def batch(self, constants, plan, bits, step):
        ids = lax.dynamic_slice(plan.ids, (32 * step,), (33,))
        return Batch(ids[:-1], jnp.stack([ids[1:], (bits % constants).astype(jnp.int32)]))


class Four(NamedTuple):
    words: jax.Array  # [V, D]
    contexts: jax.Array  # [V, D]
    halves: jax.Array  # [V, 2, D / 2]
    bias: jax.Array  # [V]


@dataclasses.dataclass(frozen=True)
class Biased(NextWord):
    """Tables of other names and shapes, and a number that is traced."""

    scale: float = 1.0
    traced, default_vectors = ("scale",), "words"

    def init(self, key, vocab_size):
        first = super().init(key, vocab_size)
        halves = first.input.reshape(vocab_size, 2, -1)
        return Four(first.input, first.output, halves, jnp.zeros(vocab_size))

    def constants(self, data):
        return super().constants(data), jnp.float32(self.scale)

    def batch(self, constants, plan, bits, step):
        return super().batch(constants[0], plan, bits, step), constants[1]

    def rows(self, batch):
        words, others = batch[0]
        return Four(words, others, words, others)

    def rows_loss(self, vectors, batch):
        words = vectors.words + vectors.halves.reshape(vectors.words.shape)
        scores = jnp.einsum("bd,kbd->kb", words, vectors.contexts) + vectors.bias
        after, random = scores * batch[1]
        return jnp.sum(jax.nn.softplus(-after) + jax.nn.softplus(random))

    def rows_curvature(self, vectors, batch):
        return jax.tree.map(lambda ids: jnp.ones(ids.shape), self.rows(batch))

    def weight(self, batch):
        return super().weight(batch[0])


def visits_init(params):
    return jax.tree.map(lambda t: jnp.zeros((len(t),) + (1,) * (t.ndim - 1)), params)


def visits_update(params, state, scratch, rows, gradients, rate):
    """SGD whose rate falls with the root of how often a row was updated."""
    visits = jax.tree.map(lambda n, ids: n.at[ids].add(1.0), state, rows)
    params = jax.tree.map(
        lambda table, n, ids, g: table.at[ids].add(-rate * g / jnp.sqrt(n[ids])),
        params, visits, rows, gradients,
    )  # fmt: skip
    return params, visits, scratch


def visits_leaves(params, state):
    numbers = range(len(jax.tree.leaves(params)))
    return jax.tree.structure(params).unflatten(StateLeaf(i, "sum") for i in numbers)


VISITS = optim.RowOptimizer(visits_init, lambda params: (), visits_update, leaves=visits_leaves)


@pytest.fixture(autouse=True)
def several_segments(monkeypatch):
    monkeypatch.setattr(segments, "SEGMENT_TOKENS", 6000)
    monkeypatch.setattr(segments, "_LEAST_TOKENS", 1000)


def same(a, b) -> bool:
    leaves = zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True)
    return all(np.array_equal(x, y) for x, y in leaves)


@pytest.mark.parametrize(("optimizer", "workers"), [(None, 1), (None, 2), (VISITS, 1), (VISITS, 2)])
def test_a_model_and_an_optimizer_of_ones_own_learn(topic_corpus, optimizer, workers):
    options = {"optimizer": optimizer, "workers": workers}
    if optimizer is VISITS:
        options["learning_rate"] = 1.0
    result = fit(topic_corpus, NextWord(), key=KEY, epochs=6, **options)
    assert result.history[-1].loss < 0.9 * 2 * np.log(2)
    assert topic_accuracy(result.vectors()) > 0.9
    assert result.history[-1].pairs > 0.95 * len(topic_corpus)
    if optimizer is VISITS:  # counts of several workers add up: one for each pair and epoch
        assert float(result.opt_state.input.sum()) == sum(r.pairs for r in result.history)


def test_a_model_of_ones_own_sweeps(topic_corpus):
    rates = [0.05, 0.1]
    swept = sweep(topic_corpus, NextWord(), key=KEY, epochs=1, optimizer=VISITS,
                  learning_rate=rates)  # fmt: skip
    for result, rate in zip(swept, rates, strict=True):
        alone = fit(topic_corpus, NextWord(), key=KEY, epochs=1, optimizer=VISITS,
                    learning_rate=rate, workers=1)  # fmt: skip
        np.testing.assert_allclose(result.params.input, alone.params.input, atol=1e-5)


@pytest.mark.parametrize("workers", [1, 2])
def test_a_model_of_ones_own_resumes(topic_corpus, tmp_path, workers):
    options = {"key": KEY, "epochs": 2, "optimizer": VISITS, "workers": workers}
    whole = fit(topic_corpus, NextWord(), **options)
    asked = iter([False, True])
    for stop in (lambda: next(asked), lambda: False):
        checkpoints = Checkpoints(tmp_path, {}, steps=1)
        try:
            resumed = fit(topic_corpus, NextWord(), **options, checkpoints=checkpoints,
                          should_stop=stop)  # fmt: skip
        except Stopped:
            assert checkpoints.progress().segment
        checkpoints.close()
    assert same((whole.params, whole.opt_state), (resumed.params, resumed.opt_state))


def test_freezing_and_going_on_need_nothing_of_a_model(topic_corpus):
    first = fit(topic_corpus, NextWord(), key=KEY, epochs=1, optimizer=VISITS)
    kept = np.array(first.params.input)
    words = topic_corpus.vocab.words[:5]
    result = fit(topic_corpus, NextWord(), key=KEY, epochs=1, optimizer=VISITS, start=first,
                 freeze=words)  # fmt: skip
    assert np.array_equal(result.params.input[:5], kept[:5])
    assert not np.isclose(result.params.input[5:], kept[5:]).all(1).any()


@pytest.mark.parametrize(
    ("optimizer", "workers"), [(VISITS, 2), (optim.damped_sgd(1.0), 1), (optax.adam(0.01), 1)]
)
def test_tables_of_other_names_and_shapes_learn(topic_corpus, optimizer, workers):
    options = {"key": KEY, "optimizer": optimizer, "learning_rate": 0.5, "workers": workers}
    result = fit(topic_corpus, Biased(), epochs=2, **options)
    assert result.history[-1].loss < 0.95 * 2 * np.log(2)
    vectors = result.vectors()
    assert np.array_equal(vectors.vectors, result.params.words)
    with pytest.raises(ValueError, match="vectors must be 'words' or 'contexts'; got 'sum'"):
        result.vectors("sum")
    again = fit(topic_corpus, Biased(), epochs=1, init=vectors, freeze=vectors.index_to_key[:3],
                **options)  # fmt: skip
    assert np.array_equal(again.params.words[:3], result.params.words[:3])


def test_a_sweep_over_a_number_of_ones_own_and_its_file(topic_corpus, tmp_path):
    models = [Biased(scale=1.0), Biased(scale=0.5)]
    swept = sweep(topic_corpus, models, key=KEY, epochs=1)
    for model, result in zip(models, swept, strict=True):
        alone = fit(topic_corpus, model, key=KEY, epochs=1, workers=1)
        np.testing.assert_allclose(result.params.words, alone.params.words, atol=1e-5)
        save_run(result, tmp_path / "run")
        again = load_run(tmp_path / "run")
        assert again.model == model
        assert same(again.params, result.params)


def test_an_optimizer_of_whole_tables_is_refused_where_rows_must_rest(topic_corpus):
    whole = optim.dense(optax.adamw(0.01))
    with pytest.raises(ValueError, match="sweep needs an optimizer of rows"):
        sweep(topic_corpus, NextWord(), key=KEY, optimizer=whole)
    for options in ({"freeze": ["the"]}, {"max_norm": 1.0}):
        with pytest.raises(ValueError, match="needs dense=False, and an optimizer of rows"):
            fit(topic_corpus, NextWord(), key=KEY, optimizer=whole, **options)
    with pytest.raises(ValueError, match="one worker, not 2"):
        fit(cooccurrence.count(topic_corpus, window=2), GloVe(), key=KEY, optimizer=whole,
            workers=2)  # fmt: skip


def test_a_model_that_holds_nothing_out_says_so(topic_corpus):
    for train in (fit, sweep):
        with pytest.raises(ValueError, match="NextWord holds nothing out: leave out valid"):
            train(topic_corpus, NextWord(), key=KEY, valid=0.1)


def test_a_sweep_refuses_models_of_other_steps(topic_corpus):
    with pytest.raises(ValueError, match="may differ in sample, ns_exponent alone"):
        sweep(topic_corpus, [SkipGram(blocks=1), SkipGram(blocks=4)], key=KEY)


def test_a_model_that_cannot_be_hashed_is_refused(topic_corpus):
    model = dataclasses.make_dataclass("Loose", [], bases=(NextWord,), frozen=True, eq=False)()
    type(model).__hash__ = None
    with pytest.raises(TypeError, match="must be hashable, such as a dataclass with frozen=True"):
        fit(topic_corpus, model, key=KEY)


@pytest.mark.parametrize("model", [SkipGram(), CBOW(), Softmax(), GloVe(), NextWord()])
def test_models_have_all_members(model):
    assert missing(model) == []


def test_a_model_that_lacks_members_is_told_which(topic_corpus):
    class Half:
        default_optimizer = "sgd"
        init = rows = rows_loss = weight = segments = constants = max_steps = plan = None

    with pytest.raises(TypeError, match=r"lacks default_vectors, loss_unit, .*, bits, batch of"):
        fit(topic_corpus, Half(), key=KEY)


@pytest.mark.parametrize("options", [{"dense": True}, {"grad_clip": 1.0}])
def test_a_row_optimizer_is_used_as_it_is(topic_corpus, options):
    with pytest.raises(ValueError, match="not a RowOptimizer"):
        fit(topic_corpus, NextWord(), key=KEY, optimizer=VISITS, **options)


def test_a_row_optimizer_equals_its_transformation(topic_corpus):
    transform = optax.adam(0.01)
    ours, theirs = (
        fit(topic_corpus, NextWord(), key=KEY, epochs=1, optimizer=optimizer)
        for optimizer in (optim.row_sparse(transform), transform)
    )
    assert same(ours.params, theirs.params)


SMALL = SkipGram(vector_size=14, window=2, blocks=1)  # a size that no other test has compiled
RUNS = {
    "text": (SMALL, [{}, {"sample": 1e-2, "ns_exponent": 0.5, "spectral_words": 1000}, {}],
             [{}, {}, {"learning_rate": 0.02}]),
    "glove": (GloVe(vector_size=14), [{"x_max": 10.0}, {"x_max": 20.0, "alpha": 0.5}], [{}, {}]),
    "frozen": (SMALL, [{}, {}], [{"freeze": ["the"]}, {"freeze": ["of", "t0w1"]}]),
}  # fmt: skip


@pytest.mark.parametrize("name", RUNS)
def test_another_number_runs_the_same_program(topic_corpus, caplog, name):
    model, fields, options = RUNS[name]
    data = cooccurrence.count(topic_corpus, window=2) if name == "glove" else topic_corpus
    with segment_programs(caplog) as programs:
        for own, given in zip(fields, options, strict=True):
            fit(data, dataclasses.replace(model, **own), key=KEY, epochs=1, **given)
    assert len(programs) == 1


def test_another_shape_is_another_program(topic_corpus, caplog):
    """A control: compilations are seen."""
    with segment_programs(caplog) as programs:
        fit(topic_corpus, dataclasses.replace(SMALL, vector_size=13), key=KEY, epochs=1)
    assert len(programs) == 1
