"""Paragraph vectors, PV-DBOW: a vector for each document, which predicts the document's words.

The loss is skip-gram's, where a document is the center of each of its words. `fitted` finds the
vectors of further documents while words stay as they are.

Letters: `N` documents, `V` vocabulary size, `D` vector size; in a batch `B` blocks of `M` tokens
with `K` negatives each, of which a block draws `S`.

References:
  Le and Mikolov 2014, "Distributed Representations of Sentences and Documents".
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxvec.models import sgns
from jaxvec.models.checks import exportable
from jaxvec.models.products import einsum
from jaxvec.models.tables import softplus, take

_FURTHER = 5  # steps along a line


@exportable
class Params(NamedTuple):
    """The two tables, or one array per table: row ids, gathered rows, curvatures.

    Attributes:
      output: float[V, D], a vector per word, as it is predicted.
      documents: float[N, D], a vector per document.
    """

    output: jax.Array  # [V, D]
    documents: jax.Array  # [N, D]


@exportable
class Batch(NamedTuple):
    """`B` blocks of `M` tokens, each with its document; the tokens of a block share negatives.

    Attributes:
      documents: int[B, M], the document of each token, a row of `Params.documents`.
      words: int[B, M], word ids, rows of `Params.output`.
      negatives: int[B, S], word ids drawn from the noise distribution, rows of `Params.output`.
      weights: float[B, M], weight of each token; 0 for padding.
      negative_weights: float[B, M], weight of each pair of that token's document and a negative:
        K/S of the token's.
    """

    documents: jax.Array  # int[B, M]
    words: jax.Array  # int[B, M]
    negatives: jax.Array  # int[B, S]
    weights: jax.Array  # float[B, M]
    negative_weights: jax.Array  # float[B, M]


def init(key: jax.Array, vocab_size: int, documents: int, vector_size: int) -> Params:
    """The tables to begin with: `documents` uniform in ±1/(2D), `output` zero.

    Args:
      key: a `jax.random` key.
      vocab_size: `V`.
      documents: `N`.
      vector_size: `D`.

    >>> init(jax.random.key(0), vocab_size=10, documents=3, vector_size=4).documents.shape
    (3, 4)
    """
    return Params(
        output=jnp.zeros((vocab_size, vector_size), jnp.float32),
        documents=sgns.init(key, documents, vector_size).input,
    )


def loss(params: Params, batch: Batch, *, products: str | None = None) -> jax.Array:
    """The negative-sampling loss of documents, summed over tokens with their weights: a scalar.

    For the vector d of a document, u of its word and u_k of the word's negatives:

        -log σ(u·d) - Σ_k log σ(-u_k·d)

    which is `sgns.loss` with documents as centers. The order of words does not count.

    Args:
      params: the tables, [V, D] and [N, D].
      batch: `B` blocks.
      products: their kind, see `products.einsum`.

    >>> params = init(jax.random.key(0), vocab_size=10, documents=3, vector_size=4)
    >>> batch = Batch(jnp.array([[0, 2]]), jnp.array([[3, 4]]), jnp.array([[5, 6]]),
    ...               weights=jnp.ones((1, 2)), negative_weights=jnp.ones((1, 2)))
    >>> print(f"{loss(params, batch):.4f}")  # 2 tokens, each 3 log 2 while `output` is zero
    4.1589
    """
    return rows_loss(take(params, rows(batch)), batch, products=products).sum()


def rows(batch: Batch) -> Params:
    """Ids of the table rows that a batch reads: int[B, M + S] and int[B, M].

    Args:
      batch: `B` blocks.
    """
    return Params(jnp.concatenate([batch.words, batch.negatives], axis=1), batch.documents)


def rows_loss(vectors: Params, batch: Batch, *, products: str | None = None) -> jax.Array:
    """`loss` by token, as a function of the gathered vectors: [B, M].

    Args:
      vectors: from `take`: [B, M + S, D] and [B, M, D].
      batch: the blocks whose `rows` were gathered.
      products: their kind, see `products.einsum`.
    """
    size = batch.words.shape[1]
    words, negatives = vectors.output[:, :size], vectors.output[:, size:]
    logits = einsum("bmd,bmd->bm", vectors.documents, words, products)
    shape = *batch.words.shape, negatives.shape[1]
    weights = jnp.broadcast_to(batch.negative_weights[..., None], shape)
    contrast = sgns.center_losses(
        sgns.Params(vectors.documents, negatives), weights, 0, products=products
    )
    return batch.weights * softplus(-logits) + contrast


def typical_curvature(vectors: Params, batch: Batch) -> Params:
    """`sgns.typical_curvature` of documents and words: [B, M + S] and [B, M].

    Args:
      vectors, batch: as for `rows_loss`.
    """
    negatives = batch.negatives.shape[1]
    of_noise = batch.negative_weights.sum(1, keepdims=True).repeat(negatives, axis=1)
    totals = sgns.Params(
        batch.weights + negatives * batch.negative_weights,
        jnp.concatenate([batch.weights, of_noise], axis=1),
    )
    found = sgns.typical_curvature(sgns.Params(vectors.documents, vectors.output), totals)
    return Params(found.output, found.input)


class Noise(NamedTuple):
    """The noise distribution, or `S` quantiles of it, for `fitted`.

    Attributes:
      ids: int[S], words.
      shares: float[S], of each in the distribution; they add up to 1.
    """

    ids: jax.Array  # int[S]
    shares: jax.Array  # float[S]


@partial(jax.jit, static_argnames="iterations")
def fitted(
    output: jax.Array,
    noise: Noise,
    ids: jax.Array,
    counts: jax.Array,
    negative: jax.Array | float,
    penalty: jax.Array | float,
    iterations: int = 6,
) -> jax.Array:
    """The vectors of documents whose words have given vectors: the least of

        f(d) = Σ_w c_w ( -log σ(u_w·d) - K Σ_v q_v log σ(-u_v·d) ) + λ |d|² / 2

    with c_w how often the document has the word w, and q the noise distribution: the expected loss,
    with no draw in it, and a penalty. f is strictly convex, so that it has one least point, which
    Newton's method finds from 0. At a point of the line along Newton's direction p where f has the
    slope -s and the second derivative h, it goes on by

        log(1 + x s / h) / x,    x = max |u·p| over the words and the noise

    for h grows by no more than e^x in one p: that never goes beyond the least point of the line.

    Args:
      output: the words' vectors, [V, D].
      noise: `S` words, and their shares.
      ids: the words of each document, each word once, int[B, L].
      counts: how often the document has it, float[B, L]; 0 for padding.
      negative: `K`.
      penalty: λ, above 0.
      iterations: how many steps.

    Returns:
      [B, D]; 0 for a document without words. Differentiable in `output`.

    References:
      Bach 2010, "Self-concordant analysis for logistic regression", for the bound.

    >>> output = jnp.array([[1.0, 0.0], [0.0, 1.0]])
    >>> noise = Noise(jnp.array([0, 1]), jnp.array([0.5, 0.5]))
    >>> found = fitted(output, noise, jnp.array([[0]]), jnp.array([[9.0]]), 1, 1.0)
    >>> print(found.round(2))  # near the word that it has, far from the other
    [[ 0.52 -1.11]]
    """
    words, contrast = output[ids], output[noise.ids]  # [B, L, D], [S, D]
    noise_counts = negative * counts.sum(1, keepdims=True) * noise.shares[None]
    weights = jnp.concatenate([counts, noise_counts], axis=1)  # [B, L + S]
    is_word = jnp.arange(weights.shape[1])[None] < counts.shape[1]
    ridge = penalty * jnp.eye(output.shape[1])[None]

    def logits(vectors):
        return jnp.concatenate([jnp.einsum("bld,bd->bl", words, vectors), vectors @ contrast.T], 1)

    def slopes(at):
        """The first two derivatives of the loss by each logit."""
        rising = jax.nn.sigmoid(at)
        return weights * (rising - is_word), weights * rising * (1 - rising)

    def step(found, _):
        at = logits(found)
        first, second = slopes(at)
        of_words, of_noise = jnp.split(first, [counts.shape[1]], axis=1)
        slope = penalty * found + of_noise @ contrast + jnp.einsum("bl,bld->bd", of_words, words)
        of_words, of_noise = jnp.split(second, [counts.shape[1]], axis=1)
        bend = ridge + jnp.einsum("bld,ble->bde", of_words[..., None] * words, words)
        bend += jnp.einsum("bsd,se->bde", of_noise[..., None] * contrast[None], contrast)
        solved = jax.scipy.linalg.cho_solve((jnp.linalg.cholesky(bend), True), slope[..., None])
        way = -solved[..., 0]
        along = logits(way)
        most = jnp.maximum(jnp.where(weights > 0, jnp.abs(along), 0).max(1), 1e-9)
        tilt, width = penalty * (found * way).sum(1), penalty * jnp.square(way).sum(1)

        def further(length, _):
            first, second = slopes(at + length[:, None] * along)
            down = -(first * along).sum(1) - tilt - length * width
            bend = (second * jnp.square(along)).sum(1) + width
            step = jnp.log1p(most * jnp.maximum(down, 0) / jnp.maximum(bend, 1e-30)) / most
            return length + step, None

        length, _ = jax.lax.scan(further, jnp.zeros_like(most), length=_FURTHER)
        return found + length[:, None] * way, None

    with jax.default_matmul_precision("highest"):
        return jax.lax.scan(step, jnp.zeros_like(words[:, 0]), length=iterations)[0]


def quantiles(distribution: np.ndarray, size: int) -> Noise:
    """A distribution of words, by the words that stand in the middle of its `size` equal parts.

    Words with much of it come as often as is their due. It is exact if there are no more words.

    Args:
      distribution: of words, float64[V].
      size: the most words.

    Returns:
      `S` ≤ `size` words.

    >>> found = quantiles(np.array([0.5, 0.2, 0.1, 0.1, 0.1]), 4)
    >>> found.ids.tolist(), found.shares.tolist()
    ([0, 1, 3], [0.5, 0.25, 0.25])
    """
    if len(distribution) <= size:
        return Noise(jnp.arange(len(distribution)), jnp.asarray(distribution, jnp.float32))
    sums = np.cumsum(distribution)
    middles = (np.arange(size) + 0.5) / size * sums[-1]
    ids, times = np.unique(np.searchsorted(sums, middles), return_counts=True)
    return Noise(jnp.asarray(ids, jnp.int32), jnp.asarray(times / size, jnp.float32))
