"""Continuous bag of words with negative sampling: batches and the loss, as pure functions.

The word in the middle is told apart from noise by its context's mean or sum. Mikolov et
al. 2013, "Efficient Estimation of Word Representations in Vector Space". Parameters are
those of `sgns`: `input` has the vectors of context words, `output` those of the middle.

Letters: `V` vocabulary, `D` dimension, `B` batch, `X` contexts, `K` negatives; in blocks,
`M` words in the middle and `N` negatives.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from jaxvec.models.checks import exportable
from jaxvec.models.sgns import Params as Params
from jaxvec.models.sgns import init as init
from jaxvec.models.tables import softplus
from jaxvec.models.tables import take as take


@exportable
class Batch(NamedTuple):
    """The textbook form: a context for each word, with negatives of its own."""

    centers: jax.Array  # int[B]
    contexts: jax.Array  # int[B, X]
    negatives: jax.Array  # int[B, K]
    weights: jax.Array  # float[B, X], of each context word; 0 for padding


@exportable
class Blocks(NamedTuple):
    """Stretches of text, whose words share contexts and negatives."""

    centers: jax.Array  # int[B, M]
    contexts: jax.Array  # int[B, X]
    negatives: jax.Array  # int[B, N]
    weights: jax.Array  # float[B, M, X], of each context word for each word
    negative_weights: jax.Array  # float[B, M], K/N, of each word with each negative


def loss(params: Params, batch: Batch | Blocks, mean: bool = True) -> jax.Array:
    """The sum over words of the negative-sampling loss, a scalar.

    For the vectors v_j of a word's context and their weights w_j,

        h = Σ w_j v_j / Σ w_j, or without `mean` h = Σ w_j v_j

    and with the vector u of the word and u_k of its negatives, the loss is

        -log σ(u·h) - Σ_k log σ(-u_k·h)

    A word without context counts nothing. (word2vec.c, and gensim by default, take the
    mean but give each context word the gradient of the sum; the gradient of this loss is
    its own, smaller by the size of the context.) `rows_curvature` bounds the second derivative
    of this formula: change both.

    >>> params = init(jax.random.key(0), vocab_size=10, vector_size=4)
    >>> batch = Batch(
    ...     centers=jnp.array([1]), contexts=jnp.array([[3, 4]]),
    ...     negatives=jnp.array([[5, 6]]), weights=jnp.ones((1, 2)))
    >>> print(f"{loss(params, batch):.4f}")  # 3 log 2 while `output` is zero
    2.0794
    """
    return rows_loss(take(params, rows(batch)), batch, mean)


def as_blocks(batch: Batch | Blocks) -> Blocks:
    """A batch as blocks of one word each; blocks as they are."""
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
    """The rows of each table that a batch touches: int[B, X] and int[B, M + N]."""
    blocks = as_blocks(batch)
    return Params(blocks.contexts, jnp.concatenate([blocks.centers, blocks.negatives], axis=1))


def rows_loss(vectors: Params, batch: Batch | Blocks, mean: bool = True) -> jax.Array:
    """`loss` as a function of the vectors that `take` gathered."""
    blocks = as_blocks(batch)
    shares, known = _shares(blocks, mean)
    words, noise = _split(vectors.output, blocks)
    hidden = jnp.einsum("bmx,bxd->bmd", shares, vectors.input)
    positive = softplus(-jnp.einsum("bmd,bmd->bm", hidden, words))
    negative = softplus(jnp.einsum("bmd,bnd->bmn", hidden, noise)).sum(-1)
    return jnp.sum(known * (positive + blocks.negative_weights * negative))


def rows_curvature(vectors: Params, batch: Batch | Blocks, mean: bool = True) -> Params:
    """How sharply the loss may bend along each gathered vector; see `sgns.rows_curvature`."""
    blocks = as_blocks(batch)
    shares, known = _shares(blocks, mean)
    words, noise = (jnp.square(v).sum(-1) for v in _split(vectors.output, blocks))
    hidden = jnp.square(jnp.einsum("bmx,bxd->bmd", shares, vectors.input)).sum(-1)
    along_hidden = known * (words + blocks.negative_weights * noise.sum(-1, keepdims=True))
    along_noise = jnp.einsum("bm,bm->b", known * blocks.negative_weights, hidden)
    output = [known * hidden, jnp.broadcast_to(along_noise[:, None], noise.shape)]
    return Params(
        jnp.einsum("bmx,bm->bx", jnp.square(shares), along_hidden) / 4,
        jnp.concatenate(output, axis=1) / 4,
    )


def _split(output: jax.Array, blocks: Blocks) -> tuple[jax.Array, jax.Array]:
    """The vectors of the words in the middle, and of the negatives."""
    size = blocks.centers.shape[1]
    return output[:, :size], output[:, size:]


def _shares(blocks: Blocks, mean: bool) -> tuple[jax.Array, jax.Array]:
    """What part each context vector has in a word's sum, and 1 for words with a context."""
    total = blocks.weights.sum(-1)
    known = (total > 0).astype(total.dtype)
    divisor = jnp.where(total > 0, total, 1) if mean else jnp.ones_like(total)
    return blocks.weights / divisor[..., None], known
