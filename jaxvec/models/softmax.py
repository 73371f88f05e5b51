"""Skip-gram with a full softmax: batches and the loss, as pure functions.

Each word predicts its neighbors among the whole vocabulary: the model that negative
sampling stands in for. Exact, and as much work a word as there are words. Mikolov et al.
2013, "Efficient Estimation of Word Representations in Vector Space". Parameters are those
of `sgns`.

Letters: `V` vocabulary, `D` dimension, `B` batch; in blocks, `M` centers and `X` contexts.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from jaxvec.models.checks import exportable
from jaxvec.models.sgns import Params as Params
from jaxvec.models.sgns import init as init


@exportable
class Batch(NamedTuple):
    """The textbook form: independent pairs."""

    centers: jax.Array  # int[B]
    contexts: jax.Array  # int[B]
    weights: jax.Array  # float[B], 0 for padding


@exportable
class Blocks(NamedTuple):
    """Stretches of text: the pairs of each are a grid."""

    centers: jax.Array  # int[B, M]
    contexts: jax.Array  # int[B, X]
    weights: jax.Array  # float[B, M, X], of each pair


def loss(params: Params, batch: Batch | Blocks) -> jax.Array:
    """The weighted sum over pairs of the cross-entropy, a scalar.

    For a center vector v and the vectors u_w of the vocabulary, of which u is the context's:

        log Σ_w exp(u_w·v) - u·v

    `rows_curvature` bounds the second derivative of this formula: change both.

    >>> params = init(jax.random.key(0), vocab_size=10, vector_size=4)
    >>> batch = Batch(jnp.array([1, 2]), jnp.array([3, 4]), jnp.ones(2))
    >>> print(f"{loss(params, batch):.4f}")  # 2 log 10 while `output` is zero
    4.6052
    """
    centers = params.input[as_blocks(batch).centers]
    return rows_loss(params._replace(input=centers), batch)


def as_blocks(batch: Batch | Blocks) -> Blocks:
    """A batch as blocks of one pair each; blocks as they are."""
    if isinstance(batch, Blocks):
        return batch
    return Blocks(batch.centers[:, None], batch.contexts[:, None], batch.weights[:, None, None])


def rows_loss(vectors: Params, batch: Batch | Blocks) -> jax.Array:
    """`loss` as a function of the centers' vectors [B, M, D] and of `output` whole."""
    blocks = as_blocks(batch)
    normalizer = jax.nn.logsumexp(jnp.einsum("bmd,vd->bmv", *vectors), axis=-1)
    contexts = vectors.output[blocks.contexts]
    logits = jnp.einsum("bmd,bxd->bmx", vectors.input, contexts)
    return jnp.sum(blocks.weights * (normalizer[..., None] - logits))


def rows_curvature(vectors: Params, batch: Batch | Blocks) -> Params:
    """How sharply the loss may bend along each row of `rows_loss`: [B, M] and [V].

    For a center v whose pairs weigh W in all, q_w of it with the context w, and for the
    probability p_w that the model gives that word, the loss bends along v by at most
    W Σ_w p_w |u_w|² and along u_w by W p_w |v|², summed over the centers. Both grow as p
    comes to be q: so this has p + q in the place of p.
    """
    blocks = as_blocks(batch)
    probabilities = jax.nn.softmax(jnp.einsum("bmd,vd->bmv", *vectors))
    centers, words = (jnp.square(v).sum(-1) for v in vectors)
    observed = jnp.einsum("bmx,bx->bm", blocks.weights, words[blocks.contexts])
    pulls = jnp.einsum("bmx,bm->bx", blocks.weights, centers)
    totals = blocks.weights.sum(-1)
    return Params(
        totals * jnp.einsum("bmv,v->bm", probabilities, words) + observed,
        jnp.einsum("bm,bm,bmv->v", totals, centers, probabilities).at[blocks.contexts].add(pulls),
    )
