import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvec import Corpus, Softmax, fit, sgns, softmax
from tests import reference

pytestmark = pytest.mark.usefixtures("strict_dtypes")

KEY = jax.random.key(0)
V, D, B = 30, 6, 20


@pytest.fixture
def params():
    rng = np.random.default_rng(0)
    return sgns.Params(*(jnp.asarray(rng.normal(0, 1, (V, D)), jnp.float32) for _ in range(2)))


def test_values_equal_the_slow_reference(params):
    rng = np.random.default_rng(1)
    batch = softmax.Batch(
        *(jnp.asarray(rng.integers(0, V, B)) for _ in range(2)),
        jnp.asarray(rng.choice([0, 0.5, 1], B), jnp.float32),
    )
    expected = reference.softmax(*map(np.asarray, (*params, *batch)))
    np.testing.assert_allclose(softmax.loss(params, batch), expected, rtol=1e-5)


def test_gradients_equal_the_slow_reference(params):
    rng = np.random.default_rng(1)
    batch = softmax.Batch(
        *(jnp.asarray(rng.integers(0, V, B)) for _ in range(2)),
        jnp.asarray(rng.choice([0, 0.5, 1], B), jnp.float32),
    )
    expected = reference.softmax_gradients(*map(np.asarray, (*params, *batch)))
    for ours, theirs in zip(jax.grad(softmax.loss)(params, batch), expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)


def test_block_is_the_grid_of_its_pairs(params):
    rng = np.random.default_rng(2)
    weights = rng.choice([0, 1, 2], (1, 3, 5)).astype(np.float32)
    centers, contexts = (rng.integers(0, V, (1, n)) for n in (3, 5))
    block = softmax.Blocks(jnp.asarray(centers), jnp.asarray(contexts), jnp.asarray(weights))
    i, j = np.nonzero(weights[0])
    expected = reference.softmax(
        *map(np.asarray, params), centers[0, i], contexts[0, j], weights[0, i, j]
    )
    np.testing.assert_allclose(softmax.loss(params, block), expected, rtol=1e-5)


def test_learns_the_probabilities_of_neighbors():
    """With as many dimensions as words, the softmax becomes the counts' own."""
    rng = np.random.default_rng(0)
    ids = rng.choice(4, 40_000, p=[0.4, 0.3, 0.2, 0.1])
    corpus = Corpus.from_documents([[f"w{i}" for i in ids]], min_count=1)
    model = Softmax(vector_size=4, window=1, sample=0, shrink_windows=False)
    params = fit(corpus, model, key=KEY, epochs=2).params
    found = np.asarray(jax.nn.softmax(params.input @ params.output.T))
    share = corpus.vocab.counts / len(corpus)
    np.testing.assert_allclose(found, np.tile(share, (4, 1)), atol=0.03)


def test_a_vocabulary_that_does_not_fit_is_an_error(topic_corpus):
    with pytest.raises(ValueError, match="leave out rare words"):
        Softmax(blocks=100_000).choices(topic_corpus.vocab.counts)
