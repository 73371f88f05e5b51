"""Skip-gram with a full softmax: batches and the loss, as pure functions.

Each center predicts its contexts by a softmax over the whole vocabulary, which negative sampling
approximates. The cost per center grows with `V`, but for `sampled_loss`, where `K` words that are
drawn stand for all. `Params` is that of `sgns`.

Letters: `V` vocabulary size, `D` vector size, `B` batch size (pairs or blocks), `K` words drawn a
pair or block; in blocks, `M` centers and `X` contexts.

References:
  Mikolov et al. 2013, "Efficient Estimation of Word Representations in Vector Space"; Bengio and
  Senécal 2008, "Adaptive Importance Sampling to Accelerate Training of a Neural Probabilistic
  Language Model"; Blanc and Rendle 2018, "Adaptive Sampled Softmax with Kernel Based Sampling".
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from jaxvec.models.checks import exportable
from jaxvec.models.products import einsum
from jaxvec.models.sgns import Params as Params
from jaxvec.models.sgns import init as init
from jaxvec.models.tables import take


@exportable
class Batch(NamedTuple):
    """`B` independent pairs: the textbook form.

    Attributes:
      centers: int[B], word ids, rows of `Params.input`.
      contexts: int[B], word ids, rows of `Params.output`.
      weights: float[B], weight of each pair in the loss; 0 for padding.
    """

    centers: jax.Array  # int[B]
    contexts: jax.Array  # int[B]
    weights: jax.Array  # float[B]


@exportable
class Blocks(NamedTuple):
    """`B` blocks of text: every center is paired with every context of its block.

    Attributes:
      centers: int[B, M], word ids, rows of `Params.input`.
      contexts: int[B, X], word ids, rows of `Params.output`.
      weights: float[B, M, X], weight of each pair in the loss; 0 for no pair.
    """

    centers: jax.Array  # int[B, M]
    contexts: jax.Array  # int[B, X]
    weights: jax.Array  # float[B, M, X]


@exportable
class SampledBatch(NamedTuple):
    """`B` independent pairs, each with `K` words that stand for the vocabulary.

    Attributes:
      centers: int[B], word ids, rows of `Params.input`.
      contexts: int[B], word ids, rows of `Params.output`.
      negatives: int[B, K], word ids drawn with replacement, rows of `Params.output`.
      log_expected: float[B, K], of each of them log(K q); see `log_expected`.
      weights: float[B], weight of each pair in the loss; 0 for padding.
    """

    centers: jax.Array  # int[B]
    contexts: jax.Array  # int[B]
    negatives: jax.Array  # int[B, K]
    log_expected: jax.Array  # float[B, K]
    weights: jax.Array  # float[B]


@exportable
class SampledBlocks(NamedTuple):
    """`B` blocks of text as `Blocks`, whose pairs share `K` words that stand for the vocabulary.

    Attributes:
      centers: int[B, M], word ids, rows of `Params.input`.
      contexts: int[B, X], word ids, rows of `Params.output`.
      negatives: int[B, K], word ids drawn with replacement, rows of `Params.output`.
      log_expected: float[B, K], of each of them log(K q); see `log_expected`.
      weights: float[B, M, X], weight of each pair in the loss; 0 for no pair.
    """

    centers: jax.Array  # int[B, M]
    contexts: jax.Array  # int[B, X]
    negatives: jax.Array  # int[B, K]
    log_expected: jax.Array  # float[B, K]
    weights: jax.Array  # float[B, M, X]


def loss(params: Params, batch: Batch | Blocks, *, products: str | None = None) -> jax.Array:
    """The cross-entropy, summed over pairs with their weights: a scalar.

    For a center vector v, a context vector u and the vectors u_w of all `V` words:

        log Σ_w exp(u_w·v) - u·v

    If you change this formula, change `rows_curvature` with it: it estimates the second
    derivative of this loss, and the optimizer `damped_sgd` relies on it.

    Args:
      params: the tables, [V, D] each.
      batch: `B` pairs, or `B` blocks.
      products: their kind, see `products.einsum`.

    >>> params = init(jax.random.key(0), vocab_size=10, vector_size=4)
    >>> batch = Batch(jnp.array([1, 2]), jnp.array([3, 4]), jnp.ones(2))
    >>> print(f"{loss(params, batch):.4f}")  # 2 log 10 while `output` is zero
    4.6052
    """
    centers = params.input[as_blocks(batch).centers]
    return rows_loss(params._replace(input=centers), batch, products=products)


def as_blocks(batch: Batch | Blocks) -> Blocks:
    """Converts a batch to `B` blocks of one pair each; returns blocks unchanged."""
    if isinstance(batch, Blocks):
        return batch
    return Blocks(batch.centers[:, None], batch.contexts[:, None], batch.weights[:, None, None])


def rows_loss(vectors: Params, batch: Batch | Blocks, *, products: str | None = None) -> jax.Array:
    """`loss` as a function of the gathered center vectors and the whole `output` table.

    Args:
      vectors: of the centers, [B, M, D], and of all words, [V, D].
      batch: the `B` pairs or blocks with these centers.
      products: their kind, see `products.einsum`.
    """
    blocks = as_blocks(batch)
    normalizer = jax.nn.logsumexp(einsum("bmd,vd->bmv", *vectors, products), axis=-1)
    contexts = vectors.output[blocks.contexts]
    logits = einsum("bmd,bxd->bmx", vectors.input, contexts, products)
    return jnp.sum(blocks.weights * (normalizer[..., None] - logits))


def rows_curvature(
    vectors: Params, batch: Batch | Blocks, *, products: str | None = None
) -> Params:
    """An estimate of the loss's second derivative along each row of `rows_loss`: [B, M] and [V].

    Let a center v have pairs of total weight W, the fraction q_w of it with context w, and let
    p_w be the probability that the model gives word w. Then the second derivative of the loss is
    at most W Σ_w p_w |u_w|² along v, and at most W p_w |v|² along u_w, summed over centers.
    Training moves p towards q, so this uses p + q in place of p.

    Args:
      vectors: of the centers, [B, M, D], and of all words, [V, D].
      batch: the `B` pairs or blocks with these centers.
      products: their kind, see `products.einsum`.
    """
    blocks = as_blocks(batch)
    probabilities = jax.nn.softmax(einsum("bmd,vd->bmv", *vectors, products))
    centers, words = (jnp.square(v).sum(-1) for v in vectors)
    observed = einsum("bmx,bx->bm", blocks.weights, words[blocks.contexts], products)
    pulls = einsum("bmx,bm->bx", blocks.weights, centers, products)
    totals = blocks.weights.sum(-1)
    return Params(
        totals * einsum("bmv,v->bm", probabilities, words, products) + observed,
        einsum("bm,bmv->v", centers, totals[..., None] * probabilities, products)
        .at[blocks.contexts]
        .add(pulls),
    )


def log_expected(distribution: np.ndarray, drawn: int) -> jax.Array:
    """log(K q), where K q is how often a word is expected among `K` draws: float32[V].

    A word that is never drawn, q = 0, has the logarithm of float32's least number.

    Args:
      distribution: `q`, [V], as from `sampling.noise_distribution`.
      drawn: `K`.

    >>> [round(x, 2) for x in log_expected(np.array([0.75, 0.25, 0]), 4).tolist()]
    [1.1, 0.0, -87.34]
    """
    expected = np.maximum(drawn * np.asarray(distribution), np.finfo(np.float32).tiny)
    return jnp.asarray(np.log(expected), jnp.float32)


def sampled_loss(
    params: Params, batch: SampledBatch | SampledBlocks, *, products: str | None = None
) -> jax.Array:
    """The cross-entropy over a context and a sample of the words, summed with weights: a scalar.

    For a center vector v, a context c with vector u, and words s_1 … s_K drawn from a distribution
    q, with replacement:

        log(exp(u·v) + Σ_{k: s_k ≠ c} exp(u_{s_k}·v) / (K q_{s_k})) - u·v

    The sum has the expectation Σ_w exp(u_w·v) for any `K`, as draws of the context itself are
    left out, and it is there once. So this tends to `loss` as `K` grows, gradients too, if all
    words can be drawn. For a small `K` its mean is below `loss`, as a logarithm is concave.
    TensorFlow's `sampled_softmax_loss` divides exp(u·v) by how often c is expected, too: that
    is for draws without replacement, which hold c once at most. Draws of the context are taken out
    of the sum of all, which costs digits where c is drawn though K q is small: where it is 1e-5,
    the loss is good to a thousandth.

    Args:
      params: the tables, [V, D] each.
      batch: `B` pairs, or `B` blocks, with their samples.
      products: their kind, see `products.einsum`.

    >>> params = init(jax.random.key(0), vocab_size=8, vector_size=4)
    >>> drawn = jnp.array([[5, 6, 7, 4]])  # each with q = 1/8: two of a kind stand for four words
    >>> batch = SampledBatch(
    ...     jnp.array([1]), jnp.array([4]), drawn, jnp.log(jnp.full((1, 4), 4 / 8)), jnp.ones(1))
    >>> print(f"{sampled_loss(params, batch):.4f}")  # log (1 + 3 · 2) while `output` is zero
    1.9459
    """
    return sampled_rows_loss(take(params, sampled_rows(batch)), batch, products=products)


def as_sampled_blocks(batch: SampledBatch | SampledBlocks) -> SampledBlocks:
    """Converts a batch to `B` blocks of one pair each; returns blocks unchanged."""
    if isinstance(batch, SampledBlocks):
        return batch
    pairs = as_blocks(Batch(batch.centers, batch.contexts, batch.weights))
    return SampledBlocks(
        pairs.centers, pairs.contexts, batch.negatives, batch.log_expected, pairs.weights
    )


def sampled_rows(batch: SampledBatch | SampledBlocks) -> Params:
    """Ids of the table rows that a batch reads: int[B, M] and int[B, X + K]."""
    blocks = as_sampled_blocks(batch)
    return Params(blocks.centers, jnp.concatenate([blocks.contexts, blocks.negatives], axis=1))


def sampled_rows_loss(
    vectors: Params, batch: SampledBatch | SampledBlocks, *, products: str | None = None
) -> jax.Array:
    """`sampled_loss` as a function of the gathered vectors.

    Args:
      vectors: of the centers, [B, M, D], and of contexts and samples, [B, X + K, D].
      batch: the `B` pairs or blocks whose `sampled_rows` were gathered.
      products: their kind, see `products.einsum`.
    """
    blocks = as_sampled_blocks(batch)
    of_contexts, of_samples = _sampled_logits(vectors, blocks, products)
    others = jax.nn.logsumexp(of_samples, axis=-1, keepdims=True)
    # a sample that is the context has its logit: such samples add a multiple of exp(that)
    same = blocks.contexts[:, :, None] == blocks.negatives[:, None, :]
    drawn = jnp.where(same, jnp.exp(-blocks.log_expected)[:, None], 0).sum(-1)[:, None]
    largest = lax.stop_gradient(jnp.maximum(others, of_contexts))
    own = jnp.exp(of_contexts - largest)
    total = jnp.maximum(jnp.exp(others - largest) + (1 - drawn) * own, own)  # own, but for rounding
    return jnp.sum(blocks.weights * (largest + jnp.log(total) - of_contexts))


def _sampled_logits(
    vectors: Params, blocks: SampledBlocks, products: str | None
) -> tuple[jax.Array, jax.Array]:
    """The logits of centers with contexts, [B, M, X], and with samples less log(K q), [B, M, K]."""
    contexts = blocks.contexts.shape[1]
    logits = einsum("bmd,bkd->bmk", *vectors, products)
    return logits[..., :contexts], logits[..., contexts:] - blocks.log_expected[:, None]


def sampled_rows_curvature(
    vectors: Params, batch: SampledBatch | SampledBlocks, *, products: str | None = None
) -> Params:
    """`rows_curvature` with the samples in place of all words: [B, M] and [B, X + K].

    The probability of a word is that among the samples, weighted as in `sampled_loss`.

    Args:
      vectors: of the centers, [B, M, D], and of contexts and samples, [B, X + K, D].
      batch: the `B` pairs or blocks whose `sampled_rows` were gathered.
      products: their kind, see `products.einsum`.
    """
    blocks = as_sampled_blocks(batch)
    probabilities = jax.nn.softmax(_sampled_logits(vectors, blocks, products)[1])
    centers, others = (jnp.square(v).sum(-1) for v in vectors)
    contexts, samples = jnp.split(others, [blocks.contexts.shape[1]], axis=1)
    totals = blocks.weights.sum(-1)
    observed = einsum("bmx,bx->bm", blocks.weights, contexts, products)
    pulls = einsum("bmx,bm->bx", blocks.weights, centers, products)
    pushes = einsum("bmk,bm->bk", totals[..., None] * probabilities, centers, products)
    return Params(
        totals * einsum("bmk,bk->bm", probabilities, samples, products) + observed,
        jnp.concatenate([pulls, pushes], axis=1),
    )
