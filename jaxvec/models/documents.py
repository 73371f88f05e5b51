"""Paragraph vectors, PV-DBOW: a vector for each document, which predicts the document's words.

The loss is skip-gram's, where a document is the center of each of its words. `fitted` finds the
vectors of further documents while words stay as they are.

Letters: `N` documents, `V` vocabulary size, `D` vector size; in a batch `B` blocks of `M` tokens
with `K` negatives each, of which a block draws `S`.

References:
  Le and Mikolov 2014, "Distributed Representations of Sentences and Documents".
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from jaxvec.models import sgns
from jaxvec.models.checks import exportable
from jaxvec.models.products import einsum
from jaxvec.models.tables import softplus, take

_FURTHER, _STEPS = 3, 100  # the steps along a line, and the most lines
_ENOUGH = 1e-5  # of a vector's largest number
_OF_WORDS, _OF_NOISE = 1 / 5, 1 / 16  # σ' at logits of 1 and -2.7, typical of trained vectors
_RIDGE, _TINY = 1e-6, 1e-30
_SOLVED = 32  # the largest triangular matrix whose inverse is not taken by halves


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


@jax.jit
def fitted(
    output: jax.Array,
    noise: Noise,
    ids: jax.Array,
    counts: jax.Array,
    negative: jax.Array | float,
    penalty: jax.Array | float,
) -> jax.Array:
    """The vectors of documents whose words have given vectors: the least of

        f(d) = Σ_w c_w ( -log σ(u_w·d) - K Σ_v q_v log σ(-u_v·d) ) + λ |d|² / 2

    with c_w how often the document has the word w, and q the noise distribution: the expected loss,
    with no draw in it, and a penalty. f is strictly convex, so that it has one least point, which
    conjugate gradients find from 0, in 100 steps at most: each document's until no number of P⁻¹ ∇f
    is above 1e-5 of the largest of d. The preconditioner P is f's second derivative with typical
    values of σ':

        P = λ + Σ_w c_w ( u_w u_wᵀ / 5 + K Σ_v q_v u_v u_vᵀ / 16 )

    At a point of the line along a direction p where f has the slope -s and the second derivative h,
    it goes on by

        log(1 + x s / h) / x,    x = max |u·p| over the words and the noise

    for h grows by no more than e^x in one p: that never goes beyond the least point of the line.

    Args:
      output: the words' vectors, [V, D].
      noise: `S` words, and their shares.
      ids: the words of each document, each word once, int[B, L].
      counts: how often the document has it, float[B, L]; 0 for padding.
      negative: `K`.
      penalty: λ, above 0.

    Returns:
      [B, D]; 0 for a document without words. Differentiable in `output`.

    References:
      Polak and Ribière 1969, "Note sur la convergence de méthodes de directions conjuguées"; Bach
      2010, "Self-concordant analysis for logistic regression", for the bound.

    >>> output = jnp.array([[1.0, 0.0], [0.0, 1.0]])
    >>> noise = Noise(jnp.array([0, 1]), jnp.array([0.5, 0.5]))
    >>> found = fitted(output, noise, jnp.array([[0]]), jnp.array([[9.0]]), 1, 1.0)
    >>> print(found.round(2))  # near the word that it has, far from the other
    [[ 0.52 -1.11]]
    """
    of_noise = negative * counts.sum(1, keepdims=True) * noise.shares[None]
    weights = jnp.concatenate([counts, of_noise], axis=1)
    loss = _Loss(output[ids], output[noise.ids], weights, noise.shares, penalty)
    start = jnp.zeros((len(ids), output.shape[1]), output.dtype)
    with jax.default_matmul_precision("highest"):
        return lax.custom_root(
            lambda found: loss.slope(found, loss.logits(found)), start,
            lambda _, start: _least(loss, start), _solved,
        )  # fmt: skip


class _Loss(NamedTuple):
    """f of each document of `fitted`."""

    words: jax.Array  # [B, L, D]
    contrast: jax.Array  # [S, D]
    weights: jax.Array  # [B, L + S], of the words and of the noise
    shares: jax.Array  # [S], of the noise
    penalty: jax.Array | float

    def split(self, numbers: jax.Array) -> list[jax.Array]:
        """The words' numbers, and the noise's."""
        return jnp.split(numbers, [self.words.shape[1]], axis=1)

    def logits(self, vectors: jax.Array) -> jax.Array:
        """[B, L + S]"""
        of_words = jnp.einsum("bld,bd->bl", self.words, vectors)
        return jnp.concatenate([of_words, vectors @ self.contrast.T], axis=1)

    def derivatives(self, logits: jax.Array) -> tuple[jax.Array, jax.Array]:
        """The first two by each logit, without the penalty."""
        rising = jax.nn.sigmoid(logits)
        is_word = jnp.arange(logits.shape[1]) < self.words.shape[1]
        return self.weights * (rising - is_word[None]), self.weights * rising * (1 - rising)

    def slope(self, vectors: jax.Array, logits: jax.Array) -> jax.Array:
        """∇f, [B, D]."""
        of_words, of_noise = self.split(self.derivatives(logits)[0])
        found = jnp.einsum("bl,bld->bd", of_words, self.words) + of_noise @ self.contrast
        return self.penalty * vectors + found

    def preconditioner(self) -> jax.Array:
        """R with RᵀR = P⁻¹, [B, D, D]; a P that is nearly singular has more of a ridge."""
        of_words, of_noise = self.split(self.weights)
        bend = jnp.einsum("bld,ble->bde", _OF_WORDS * of_words[..., None] * self.words, self.words)
        shared = (_OF_NOISE * self.shares[:, None] * self.contrast).T @ self.contrast
        bend += of_noise.sum(1)[:, None, None] * shared[None]
        ridge = jnp.maximum(self.penalty, _RIDGE * jnp.trace(bend, axis1=1, axis2=2))
        return inverse(
            jnp.linalg.cholesky(bend + ridge[:, None, None] * jnp.eye(bend.shape[1])[None])
        )

    def length(
        self, at: jax.Array, along: jax.Array, vectors: jax.Array, way: jax.Array
    ) -> jax.Array:
        """How far along a way the least point is, in units of the way: [B].

        Args:
          at, along: the `logits` of vectors and way.
          vectors, way: [B, D].
        """
        most = jnp.where(self.weights > 0, jnp.abs(along), 0).max(1)
        tilt, width = ((self.penalty * side * way).sum(1) for side in (vectors, way))
        found = jnp.zeros_like(most)
        for _ in range(_FURTHER):
            first, second = self.derivatives(at + found[:, None] * along)
            down = -(first * along).sum(1) - tilt - found * width
            bend = (second * jnp.square(along)).sum(1) + width
            further = jnp.log1p(most * jnp.maximum(down, 0) / jnp.maximum(bend, _TINY))
            found += further / jnp.maximum(most, 1e-9)
        return found


def _least(loss: _Loss, start: jax.Array) -> jax.Array:
    """The least points. A document that is done stays there while others of the batch go on."""
    root = loss.preconditioner()

    def step(state):
        found, at, way, before, _, steps = state
        slope = loss.slope(found, at)
        up = jnp.einsum("bde,bd->be", root, jnp.einsum("bde,be->bd", root, slope))
        change = slope - before
        kept = (change * up).sum(1) / jnp.maximum((change * way).sum(1), _TINY)
        way = jnp.maximum(kept, 0)[:, None] * way - up
        busy = jnp.abs(up).max(1) > _ENOUGH * jnp.abs(found).max(1)
        along = loss.logits(way)
        length = jnp.where(busy, loss.length(at, along, found, way), 0)[:, None]
        return found + length * way, at + length * along, way, slope, busy, steps + 1

    def unfinished(state):
        return state[-2].any() & (state[-1] < _STEPS)

    busy = jnp.ones(len(start), bool)
    state = start, loss.logits(start), start, start, busy, 0
    return lax.while_loop(unfinished, step, state)[0]


def _solved(linear: Callable[[jax.Array], jax.Array], right: jax.Array) -> jax.Array:
    """The vectors that a function, linear and of each document by itself, takes to `right`."""
    columns = jax.vmap(lambda unit: linear(jnp.broadcast_to(unit, right.shape)))
    matrices = jnp.moveaxis(columns(jnp.eye(right.shape[1], dtype=right.dtype)), 0, 2)
    return jnp.linalg.solve(matrices, right[..., None])[..., 0]


def inverse(lower: jax.Array) -> jax.Array:
    """The inverses of lower triangular matrices, by halves: mostly products, which are fast.

    Args:
      lower: [B, D, D].

    >>> inverse(jnp.array([[[2.0, 0.0], [1.0, 1.0]]])).tolist()
    [[[0.5, 0.0], [-0.5, 1.0]]]
    """
    size = lower.shape[1]
    if size <= _SOLVED:
        unit = jnp.broadcast_to(jnp.eye(size, dtype=lower.dtype), lower.shape)
        return lax.linalg.triangular_solve(lower, unit, left_side=True, lower=True)
    half = size // 2
    first, last = inverse(lower[:, :half, :half]), inverse(lower[:, half:, half:])
    corner = -last @ (lower[:, half:, :half] @ first)
    top = jnp.pad(first, ((0, 0), (0, 0), (0, size - half)))
    return jnp.concatenate([top, jnp.concatenate([corner, last], 2)], 1)


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
