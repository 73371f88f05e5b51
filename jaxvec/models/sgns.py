"""Skip-gram with negative sampling: parameters, batches and the loss, as pure functions.

Mikolov et al. 2013, "Distributed Representations of Words and Phrases and their
Compositionality"; Levy and Goldberg 2014, "Neural Word Embedding as Implicit Matrix
Factorization", for the objective.

Letters: `V` vocabulary, `D` dimension, `B` batch, `K` negatives a pair; in blocks, `M`
centers, `X` contexts and `N` negatives.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from jaxvec.models.checks import exportable
from jaxvec.models.tables import softplus as softplus
from jaxvec.models.tables import take as take


@exportable
class Params(NamedTuple):
    """The two tables."""

    input: jax.Array  # [V, D], vectors of center words: the word vectors
    output: jax.Array  # [V, D], vectors of context words


@exportable
class Batch(NamedTuple):
    """The textbook form: independent pairs, each with negatives of its own."""

    centers: jax.Array  # int[B]
    contexts: jax.Array  # int[B]
    negatives: jax.Array  # int[B, K]
    weights: jax.Array  # float[B], 0 for padding


@exportable
class Blocks(NamedTuple):
    """Stretches of text: the pairs of each are a grid, and share its negatives.

    Each of the `N` negatives of a block stands in for K/N negatives of each pair: a
    center's `negative_weights` is K/N times the sum of its `weights`, so that the loss
    has the expectation of that of a `Batch` of the same pairs.
    """

    centers: jax.Array  # int[B, M]
    contexts: jax.Array  # int[B, X]
    negatives: jax.Array  # int[B, N]
    weights: jax.Array  # float[B, M, X], of each pair of center and context
    negative_weights: jax.Array  # float[B, M], of each pair of center and negative


def init(key: jax.Array, vocab_size: int, vector_size: int, *, dtype=jnp.float32) -> Params:
    """word2vec's start: `input` uniform in ±1/(2D), `output` zero.

    >>> init(jax.random.key(0), vocab_size=10, vector_size=4).input.shape
    (10, 4)
    """
    start = jax.random.uniform(key, (vocab_size, vector_size), dtype, -0.5, 0.5) / vector_size
    return Params(input=start, output=jnp.zeros_like(start))


def loss(params: Params, batch: Batch | Blocks) -> jax.Array:
    """The weighted sum over pairs of the negative-sampling loss, a scalar.

    For a center vector v, a context vector u and the vectors u_k of its negatives:

        -log σ(u·v) - Σ_k log σ(-u_k·v)

    A negative that happens to equal the context counts like any other. Divide by the sum
    of the weights for a mean per pair. `rows_curvature` bounds the second derivative of this
    formula: change both.

    Args:
      params: the tables.
      batch: pairs, or blocks of them.

    >>> params = init(jax.random.key(0), vocab_size=10, vector_size=4)
    >>> batch = Batch(
    ...     centers=jnp.array([1, 2]), contexts=jnp.array([3, 4]),
    ...     negatives=jnp.array([[5, 6], [7, 8]]), weights=jnp.ones(2))
    >>> print(f"{loss(params, batch):.4f}")  # 2 pairs, each 3 log 2 while `output` is zero
    4.1589
    """
    return rows_loss(take(params, rows(batch)), batch)


def pair_loss(params: Params, batch: Batch) -> jax.Array:
    """The loss of each pair of a batch, not weighted: float[B]; see `loss`."""
    alone = as_blocks(batch._replace(weights=jnp.ones_like(batch.weights)))
    return _center_losses(take(params, rows(alone)), alone)[:, 0]


def as_blocks(batch: Batch | Blocks) -> Blocks:
    """A batch as blocks of one pair each; blocks as they are."""
    if isinstance(batch, Blocks):
        return batch
    return Blocks(
        centers=batch.centers[:, None],
        contexts=batch.contexts[:, None],
        negatives=batch.negatives,
        weights=batch.weights[:, None, None],
        negative_weights=batch.weights[:, None],
    )


def rows(batch: Batch | Blocks) -> Params:
    """The rows of each table that a batch touches: int[B, M] and int[B, X + N]."""
    blocks = as_blocks(batch)
    return Params(blocks.centers, jnp.concatenate([blocks.contexts, blocks.negatives], axis=1))


def rows_loss(vectors: Params, batch: Batch | Blocks) -> jax.Array:
    """`loss` as a function of the vectors that `take` gathered.

    Its gradient is that of `loss`, of the rows touched alone.
    """
    return _center_losses(vectors, as_blocks(batch)).sum()


def rows_curvature(vectors: Params, batch: Batch | Blocks) -> Params:
    """How sharply the loss may bend along each gathered vector: [B, M] and [B, X + N].

    The second derivative of softplus is at most 1/4. So along a center's vector, all else
    held, that of the loss is at most Σ w |u|² / 4, over the vectors u it is paired with at
    weights w; and along theirs likewise.
    """
    blocks = as_blocks(batch)
    weights = _weights(blocks)
    centers, others = (jnp.square(v).sum(-1) for v in vectors)
    return Params(
        jnp.einsum("bmk,bk->bm", weights, others) / 4,
        jnp.einsum("bmk,bm->bk", weights, centers) / 4,
    )


def _center_losses(vectors: Params, blocks: Blocks) -> jax.Array:
    logits = jnp.einsum("bmd,bkd->bmk", vectors.input, vectors.output)  # k: X, then N
    is_context = lax.broadcasted_iota(jnp.int32, logits.shape, 2) < blocks.contexts.shape[1]
    signed = jnp.where(is_context, -logits, logits)
    return jnp.sum(_weights(blocks) * softplus(signed), axis=-1)


def _weights(blocks: Blocks) -> jax.Array:
    """Of every center with the contexts, then with the negatives: [B, M, X + N]."""
    negative_weights = jnp.broadcast_to(
        blocks.negative_weights[..., None],
        (*blocks.centers.shape, blocks.negatives.shape[1]),
    )
    return jnp.concatenate([blocks.weights, negative_weights], axis=-1)
