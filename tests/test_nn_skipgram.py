"""The flax module of skip-gram, compared with `sgns` and a slow reference."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import orbax.checkpoint as ocp
import pytest
from flax import nnx
from scipy import stats

import jaxvec.nn as jnn
from jaxvec import sampling, sgns
from tests import reference
from tests.conftest import topic_accuracy

V, D, B, K = 30, 7, 40, 5
WEIGHTS = np.arange(V) ** 1.5  # of the noise distribution; word 0 is never drawn


def make(noise=WEIGHTS, seed=0) -> jnn.SkipGramNeg:
    return jnn.SkipGramNeg(V, D, noise=noise, rngs=nnx.Rngs(seed))


@pytest.fixture
def pairs():
    rng = np.random.default_rng(1)
    centers, contexts = jnp.asarray(rng.integers(0, V, (2, B)))
    return centers, contexts, jnp.asarray(rng.choice([0, 0.5, 1, 2], B), jnp.float32)


def test_start_and_shapes(pairs):
    model = make()
    for table in model.params:
        assert table.shape == (V, D)
        assert 0.95 < float(jnp.abs(table).max()) <= 1
        assert stats.kstest(np.ravel(table), stats.uniform(-1, 2).cdf).pvalue > 1e-3
    assert (model.params.input != model.params.output).all()
    centers, contexts, _ = pairs
    np.testing.assert_array_equal(model.forward_input(centers), model.params.input[centers])
    np.testing.assert_array_equal(model.forward_output(contexts), model.params.output[contexts])
    assert model.forward_noise(B, K).shape == (B, K, D)


def test_same_seed_same_bits_and_each_call_draws_anew():
    first, second = make(), make()
    np.testing.assert_array_equal(first.forward_noise(B, K), second.forward_noise(B, K))
    assert (first.draw_noise(B, K) != make().draw_noise(B, K)).any()
    assert (make(seed=1).draw_noise(B, K) != make().draw_noise(B, K)).any()


def test_loss_is_that_of_the_fast_path_and_the_formula(pairs):
    centers, contexts, weights = pairs
    batch = sgns.Batch(centers, contexts, make().draw_noise(B, K), weights)
    model = make()
    loss = model.loss(centers, contexts, K, weights)
    np.testing.assert_allclose(loss, sgns.loss(make().params, batch), rtol=1e-6)

    v, u, noise = model.forward_input(centers), model.forward_output(contexts), batch.negatives
    u_k = model.params.output[noise]
    each = -jnp.log(jax.nn.sigmoid((v * u).sum(-1)))
    each -= jnp.log(jax.nn.sigmoid(-jnp.einsum("bd,bkd->bk", v, u_k))).sum(-1)
    np.testing.assert_allclose(loss, (weights * each).sum(), rtol=1e-5)
    np.testing.assert_allclose(sgns.pair_loss(model.params, batch), each, rtol=1e-4)
    unweighted = jnn.negative_sampling_loss(v, u, u_k)
    np.testing.assert_allclose(unweighted, each.sum(), rtol=1e-5)


def test_gradient_is_that_of_the_fast_path_and_the_slow_reference(pairs):
    centers, contexts, weights = pairs
    batch = sgns.Batch(centers, contexts, make().draw_noise(B, K), weights)
    gradients = nnx.grad(lambda model: model.loss(centers, contexts, K, weights))(make())
    ours = [gradients[name]["embedding"].get_value() for name in ("in_embed", "out_embed")]
    assert len(jax.tree.leaves(gradients)) == 2  # neither the noise nor its key
    fast = jax.grad(sgns.loss)(make().params, batch)
    tables = [np.asarray(table, np.float64) for table in make().params]
    slow = reference.sgns_gradients(*tables, *map(np.asarray, batch))
    for found, of_fast, of_slow in zip(ours, fast, slow, strict=True):
        np.testing.assert_allclose(found, of_fast, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(found, of_slow, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("noise", [None, WEIGHTS, sampling.alias_table(WEIGHTS)])
def test_noise_follows_its_distribution(noise):
    expected = np.ones(V) if noise is None else WEIGHTS
    drawn = np.bincount(np.ravel(make(noise).draw_noise(1000, 100)), minlength=V)
    possible = expected > 0
    assert not drawn[~possible].any()
    scaled = expected[possible] / expected.sum() * 100_000
    assert stats.chisquare(drawn[possible], scaled).pvalue > 1e-3


def test_noise_of_another_vocabulary_is_refused():
    with pytest.raises(ValueError, match="noise of 3 words, but vocab_size=30"):
        make([1, 2, 3])
    with pytest.raises(ValueError, match="none below 0"):
        make([-1] * V)


def test_state_splits_and_merges(pairs):
    model = make()
    graphdef, params, rest = nnx.split(model, nnx.Param, ...)
    assert set(params) == {"in_embed", "out_embed"}
    again = nnx.merge(graphdef, params, rest, copy=True)
    assert again.loss(*pairs[:2]) == model.loss(*pairs[:2])
    assert again.loss(*pairs[:2]) == model.loss(*pairs[:2])


@nnx.jit
def step(model, optimizer, centers, contexts):
    loss, gradients = nnx.value_and_grad(lambda m: m.loss(centers, contexts, K))(model)
    optimizer.update(model, gradients)
    return loss


def test_a_restored_module_continues_with_the_same_bits(tmp_path, pairs):
    def fresh():
        model = make()
        return model, nnx.Optimizer(model, optax.adam(0.05), wrt=nnx.Param)

    trained = fresh()
    step(*trained, *pairs[:2])
    with ocp.StandardCheckpointer() as checkpointer:
        checkpointer.save(tmp_path / "state", nnx.state(trained))
        checkpointer.wait_until_finished()
        graphdef, abstract = nnx.split(nnx.eval_shape(fresh))
        resumed = nnx.merge(graphdef, checkpointer.restore(tmp_path / "state", abstract))
    for _ in range(3):
        assert step(*trained, *pairs[:2]) == step(*resumed, *pairs[:2])
    for ours, theirs in zip(trained[0].params, resumed[0].params, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_a_compiled_loop_learns_the_topics(topic_corpus):
    """Batches of 512 pairs from windows of 3, with noise from counts^0.75."""
    vocab, ids = topic_corpus.vocab, np.asarray(topic_corpus.ids)
    document = np.repeat(np.arange(len(topic_corpus.offsets) - 1), np.diff(topic_corpus.offsets))
    pairs = np.concatenate(
        [
            np.stack(both)[:, document[d:] == document[:-d]]
            for d in (1, 2, 3)
            for both in ((ids[d:], ids[:-d]), (ids[:-d], ids[d:]))
        ],
        axis=1,
    )
    pairs = np.random.default_rng(0).permutation(pairs, axis=1)[:, : 512 * 250]
    noise = sampling.noise_distribution(vocab.counts)
    model = jnn.SkipGramNeg(len(vocab), 16, noise=noise, rngs=nnx.Rngs(0))
    optimizer = nnx.Optimizer(model, optax.adam(0.02), wrt=nnx.Param)
    losses = [
        float(step(model, optimizer, *batch)) / 512
        for batch in pairs.reshape(2, -1, 512).swapaxes(0, 1)
    ]
    vectors = jnn.word_vectors(model.in_embed.embedding, vocab)
    assert np.mean(losses[-20:]) < np.mean(losses[:20]) * 0.8
    assert topic_accuracy(vectors) > 0.95
    assert vectors.index_to_key == vocab.words
    np.testing.assert_array_equal(vectors.counts, vocab.counts)
