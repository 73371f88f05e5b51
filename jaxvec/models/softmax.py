"""Skip-gram with a full softmax: batches and the loss, as pure functions.

Each center predicts its contexts by a softmax over the whole vocabulary, which negative sampling
approximates. The cost per center grows with `V`. `Params` is that of `sgns`.

Letters: `V` vocabulary size, `D` vector size, `B` batch size (pairs or blocks); in blocks, `M`
centers and `X` contexts.

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
