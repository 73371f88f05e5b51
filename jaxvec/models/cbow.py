"""Continuous bag of words (CBOW) with negative sampling: batches and the loss, as pure functions.

The mean or sum of the context's vectors predicts the center word against negatives. `Params` is
that of `sgns`, with other roles: `input` has a vector per context word, `output` a vector per
center word or negative.

Letters: `V` vocabulary size, `D` vector size, `B` batch size (words or blocks), `X` contexts, `K`
negatives per word; in blocks, `M` centers and `N` negatives.

References:
  Mikolov et al. 2013, "Efficient Estimation of Word Representations in Vector Space".
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from jaxvec.models.checks import exportable
from jaxvec.models.products import einsum
from jaxvec.models.sgns import Params as Params
from jaxvec.models.sgns import init as init
from jaxvec.models.tables import softplus
from jaxvec.models.tables import take as take


@exportable
class Batch(NamedTuple):
    """`B` words, each with its own `X` contexts and `K` negatives: the textbook form.

    Attributes:
      centers: int[B], word ids, rows of `Params.output`.
      contexts: int[B, X], word ids, rows of `Params.input`.
      negatives: int[B, K], word ids drawn from the noise distribution, rows of `Params.output`.
      weights: float[B, X], weight of each context in the mean or sum; 0 for padding.
    """

    centers: jax.Array  # int[B]
    contexts: jax.Array  # int[B, X]
    negatives: jax.Array  # int[B, K]
    weights: jax.Array  # float[B, X]


@exportable
class Blocks(NamedTuple):
    """`B` blocks of text, whose centers share contexts and negatives.

    Attributes:
      centers: int[B, M], word ids, rows of `Params.output`.
      contexts: int[B, X], word ids, rows of `Params.input`.
      negatives: int[B, N], word ids drawn from the noise distribution, rows of `Params.output`.
      weights: float[B, M, X], weight of each context in the mean or sum of each center.
      negative_weights: float[B, M], weight of each negative in the loss of each center: K/N.
    """

    centers: jax.Array  # int[B, M]
    contexts: jax.Array  # int[B, X]
    negatives: jax.Array  # int[B, N]
    weights: jax.Array  # float[B, M, X]
    negative_weights: jax.Array  # float[B, M]


def loss(
    params: Params, batch: Batch | Blocks, mean: bool = True, *, products: str | None = None
) -> jax.Array:
    """The negative-sampling loss, summed over center words: a scalar.

    For the vectors v_j of a center's context and their weights w_j, the hidden vector is

        h = Σ w_j v_j / Σ w_j, or without `mean` h = Σ w_j v_j

    and for the center's vector u and the vectors u_k of its negatives the loss is

        -log σ(u·h) - Σ_k log σ(-u_k·h)

    A center without context contributes 0. (word2vec.c, and gensim by default, take the mean
    but give each context word the gradient of the sum. The gradient here is that of this loss,
    smaller by the factor 1 / Σ w_j.)

    If you change this formula, change `rows_curvature` with it: it bounds the second derivative
    of this loss, and the optimizer `damped_sgd` relies on it.

    Args:
      params: the tables, [V, D] each.
      batch: `B` words, or `B` blocks.
      mean: whether h is the mean or the sum.
      products: their kind, see `products.einsum`.

    >>> params = init(jax.random.key(0), vocab_size=10, vector_size=4)
    >>> batch = Batch(
    ...     centers=jnp.array([1]), contexts=jnp.array([[3, 4]]),
    ...     negatives=jnp.array([[5, 6]]), weights=jnp.ones((1, 2)))
    >>> print(f"{loss(params, batch):.4f}")  # 3 log 2 while `output` is zero
    2.0794
    """
    return rows_loss(take(params, rows(batch)), batch, mean, products=products)


def as_blocks(batch: Batch | Blocks) -> Blocks:
    """Converts a batch to `B` blocks of one center each; returns blocks unchanged."""
    if isinstance(batch, Blocks):
        return batch
    return Blocks(
        centers=batch.centers[:, None],
        contexts=batch.contexts,
        negatives=batch.negatives,
        weights=batch.weights[:, None],
        negative_weights=jnp.ones_like(batch.weights[:, :1]),
    )


def rows(batch: Batch | Blocks) -> Params:
    """Ids of the table rows that a batch reads: int[B, X] and int[B, M + N]."""
    blocks = as_blocks(batch)
    return Params(blocks.contexts, jnp.concatenate([blocks.centers, blocks.negatives], axis=1))


def rows_loss(
    vectors: Params, batch: Batch | Blocks, mean: bool = True, *, products: str | None = None
) -> jax.Array:
    """`loss` as a function of the gathered vectors.

    Args:
      vectors: from `take`: [B, X, D] and [B, M + N, D].
      batch: the `B` words or blocks whose `rows` were gathered.
      mean: see `loss`.
      products: their kind, see `products.einsum`.
    """
    return center_losses(vectors, batch, mean, products=products).sum()


def center_losses(
    vectors: Params, batch: Batch | Blocks, mean: bool = True, *, products: str | None = None
) -> jax.Array:
    """The loss of each center: [B, M], of which `rows_loss` is the sum.

    Args:
      vectors, batch, mean, products: as for `rows_loss`.
    """
    blocks = as_blocks(batch)
    shares, known = _shares(blocks, mean)
    words, noise = _split(vectors.output, blocks)
    hidden = einsum("bmx,bxd->bmd", shares, vectors.input, products)
    positive = softplus(-einsum("bmd,bmd->bm", hidden, words, products))
    negative = softplus(einsum("bmd,bnd->bmn", hidden, noise, products)).sum(-1)
    return known * (positive + blocks.negative_weights * negative)


def rows_curvature(
    vectors: Params, batch: Batch | Blocks, mean: bool = True, *, products: str | None = None
) -> Params:
    """A bound of the loss's second derivative along each gathered vector: [B, X], [B, M + N].

    See `sgns.rows_curvature` for the method.

    Args:
      vectors: from `take`: [B, X, D] and [B, M + N, D].
      batch: the `B` words or blocks whose `rows` were gathered.
      mean: see `loss`.
      products: their kind, see `products.einsum`.
    """
    blocks = as_blocks(batch)
    shares, known = _shares(blocks, mean)
    words, noise = (jnp.square(v).sum(-1) for v in _split(vectors.output, blocks))
    hidden = jnp.square(einsum("bmx,bxd->bmd", shares, vectors.input, products)).sum(-1)
    along_hidden = known * (words + blocks.negative_weights * noise.sum(-1, keepdims=True))
    along_noise = einsum("bm,bm->b", known * blocks.negative_weights, hidden, products)
    output = [known * hidden, jnp.broadcast_to(along_noise[:, None], noise.shape)]
    return Params(
        einsum("bmx,bm->bx", jnp.square(shares), along_hidden, products) / 4,
        jnp.concatenate(output, axis=1) / 4,
    )


def _split(output: jax.Array, blocks: Blocks) -> tuple[jax.Array, jax.Array]:
    """Splits gathered output vectors: centers [B, M, D], negatives [B, N, D]."""
    size = blocks.centers.shape[1]
    return output[:, :size], output[:, size:]


def _shares(blocks: Blocks, mean: bool) -> tuple[jax.Array, jax.Array]:
    """The factor of each context in h, [B, M, X], and 1 for centers with a context, [B, M]."""
    total = blocks.weights.sum(-1)
    known = (total > 0).astype(total.dtype)
    divisor = jnp.where(total > 0, total, 1) if mean else jnp.ones_like(total)
    return blocks.weights / divisor[..., None], known
