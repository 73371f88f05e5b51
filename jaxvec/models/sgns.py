"""Skip-gram with negative sampling (SGNS): parameters, batches and the loss, as pure functions.

Letters: `V` vocabulary size, `D` vector size, `B` batch size (pairs or blocks), `K` negatives per
pair; in blocks, `M` centers, `X` contexts and `N` negatives.

References:
  Mikolov et al. 2013, "Distributed Representations of Words and Phrases and their
  Compositionality"; Levy and Goldberg 2014, "Neural Word Embedding as Implicit Matrix
  Factorization".
"""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from jaxvec.models.checks import exportable
from jaxvec.models.products import einsum
from jaxvec.models.tables import softplus as softplus
from jaxvec.models.tables import take as take
from jaxvec.models.tables import uniform_rows

_TYPICAL = 64  # rows that a mean is taken over: as many as a GPU adds up in one kernel


@exportable
class Params(NamedTuple):
    """The two tables, or one array per table: row ids, gathered rows, curvatures.

    Attributes:
      input: float[V, D], a vector per center word; these are the word vectors.
      output: float[V, D], a vector per context word.
    """

    input: jax.Array  # [V, D]
    output: jax.Array  # [V, D]


@exportable
class Batch(NamedTuple):
    """`B` independent pairs, each with its own `K` negatives: the textbook form.

    Attributes:
      centers: int[B], word ids, rows of `Params.input`.
      contexts: int[B], word ids, rows of `Params.output`.
      negatives: int[B, K], word ids drawn from the noise distribution, rows of `Params.output`.
      weights: float[B], weight of each pair in the loss; 0 for padding.
    """

    centers: jax.Array  # int[B]
    contexts: jax.Array  # int[B]
    negatives: jax.Array  # int[B, K]
    weights: jax.Array  # float[B]


@exportable
class Blocks(NamedTuple):
    """`B` blocks of text: every center is paired with every context and negative of its block.

    All pairs of a block share its `N` negatives, and each negative replaces K/N negatives of
    each pair: `negative_weights` is K/N times the sum of a center's `weights`. The loss then has
    the same expectation as that of a `Batch` with the same pairs.

    Attributes:
      centers: int[B, M], word ids, rows of `Params.input`.
      contexts: int[B, X], word ids, rows of `Params.output`.
      negatives: int[B, N], word ids drawn from the noise distribution, rows of `Params.output`.
      weights: float[B, M, X], weight of each pair of center and context; 0 for no pair.
      negative_weights: float[B, M], weight of each pair of that center and a negative.
    """

    centers: jax.Array  # int[B, M]
    contexts: jax.Array  # int[B, X]
    negatives: jax.Array  # int[B, N]
    weights: jax.Array  # float[B, M, X]
    negative_weights: jax.Array  # float[B, M]


def init(key: jax.Array, vocab_size: int, vector_size: int, *, dtype=jnp.float32) -> Params:
    """word2vec's initial tables: `input` uniform in ±1/(2D), `output` zero.

    Args:
      key: a `jax.random` key.
      vocab_size: `V`.
      vector_size: `D`.
      dtype: of both tables.

    >>> init(jax.random.key(0), vocab_size=10, vector_size=4).input.shape
    (10, 4)
    """
    return init_rows(key, jnp.arange(vocab_size, dtype=jnp.int32), vector_size, dtype=dtype)


def init_rows(key: jax.Array, rows: jax.Array, vector_size: int, *, dtype=jnp.float32) -> Params:
    """Rows of `init`'s tables.

    Args:
      key, vector_size, dtype: as for `init`.
      rows: their ids, int32[R].

    Returns:
      Tables [R, D].
    """
    start = uniform_rows(key, rows, vector_size, dtype=dtype)
    return Params(input=start, output=jnp.zeros_like(start))


def loss(params: Params, batch: Batch | Blocks, *, products: str | None = None) -> jax.Array:
    """The negative-sampling loss, summed over pairs with their weights: a scalar.

    For a center vector v, a context vector u and the vectors u_k of the pair's negatives:

        -log σ(u·v) - Σ_k log σ(-u_k·v)

    A negative that happens to equal the context counts like any other. For a mean per pair,
    divide by the sum of the weights.

    If you change this formula, change `rows_curvature` and `typical_curvature` with it: they are
    of its second derivative, and the optimizer `damped_sgd` relies on them.

    Args:
      params: the tables, [V, D] each.
      batch: `B` pairs, or `B` blocks.
      products: their kind, see `products.einsum`.

    >>> params = init(jax.random.key(0), vocab_size=10, vector_size=4)
    >>> batch = Batch(
    ...     centers=jnp.array([1, 2]), contexts=jnp.array([3, 4]),
    ...     negatives=jnp.array([[5, 6], [7, 8]]), weights=jnp.ones(2))
    >>> print(f"{loss(params, batch):.4f}")  # 2 pairs, each 3 log 2 while `output` is zero
    4.1589
    """
    return rows_loss(take(params, rows(batch)), batch, products=products)


def pair_loss(params: Params, batch: Batch, *, products: str | None = None) -> jax.Array:
    """The loss of each pair of a batch, without its weight: float[B]; see `loss`.

    Args:
      params: the tables, [V, D] each.
      batch: `B` pairs.
      products: their kind, see `products.einsum`.
    """
    alone = as_blocks(batch._replace(weights=jnp.ones_like(batch.weights)))
    vectors = take(params, rows(alone))
    return center_losses(vectors, _weights(alone), 1, products=products)[:, 0]


def as_blocks(batch: Batch | Blocks) -> Blocks:
    """Converts a batch to `B` blocks of one pair each; returns blocks unchanged."""
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
    """Ids of the table rows that a batch reads: int[B, M] and int[B, X + N]."""
    blocks = as_blocks(batch)
    return Params(blocks.centers, jnp.concatenate([blocks.contexts, blocks.negatives], axis=1))


def rows_loss(vectors: Params, batch: Batch | Blocks, *, products: str | None = None) -> jax.Array:
    """`loss` as a function of the gathered vectors; its gradient covers the gathered rows alone.

    Args:
      vectors: from `take`: [B, M, D] and [B, X + N, D].
      batch: the `B` pairs or blocks whose `rows` were gathered.
      products: their kind, see `products.einsum`.
    """
    blocks = as_blocks(batch)
    contexts = blocks.contexts.shape[1]
    return center_losses(vectors, _weights(blocks), contexts, products=products).sum()


def rows_curvature(
    vectors: Params, batch: Batch | Blocks, *, products: str | None = None
) -> Params:
    """A bound of the loss's second derivative along each gathered vector: [B, M] and [B, X + N].

    The second derivative of softplus is at most 1/4. So along a center's vector, with all other
    vectors fixed, the second derivative of the loss is at most Σ w |u|² / 4, summed over the
    vectors u it is paired with at weights w. The bound along a context or negative is the same
    sum over the centers.

    Args:
      vectors: from `take`: [B, M, D] and [B, X + N, D].
      batch: the `B` pairs or blocks whose `rows` were gathered.
      products: their kind, see `products.einsum`.
    """
    weights = _weights(as_blocks(batch))
    centers, others = (jnp.square(v).sum(-1) for v in vectors)
    return Params(
        einsum("bmk,bk->bm", weights, others, products) / 4,
        einsum("bmk,bm->bk", weights, centers, products) / 4,
    )


def typical_curvature(vectors: Params, totals: Params) -> Params:
    """`rows_curvature` where all partners of a row are as long as the table's typical row.

    The bound Σ w |u|² / 4 becomes ν Σ w / 4, with ν the mean of |u|² over some of the rows at
    hand. What remains of a step's arithmetic is one number a table: for an accelerator, four passes
    over the rows less.

    Args:
      vectors: of the centers, [B, M, D], and of contexts and negatives, [B, X + N, D].
      totals: for each of these rows the summed weight of its pairs, [B, M] and [B, X + N].
    """

    some = min(_TYPICAL, *(rows.size // rows.shape[-1] for rows in vectors))
    rows = jnp.stack([rows.reshape(-1, rows.shape[-1])[:some] for rows in vectors])
    of_centers, of_others = jnp.square(rows).sum((1, 2)) / some
    return Params(totals.input * (of_others / 4), totals.output * (of_centers / 4))


def center_losses(
    vectors: Params, weights: jax.Array, contexts: int, *, products: str | None = None
) -> jax.Array:
    """The loss of each center, summed over its contexts and negatives with weights: [B, M].

    Args:
      vectors: of the centers, [B, M, D], and of `X` contexts followed by `N` negatives,
        [B, X + N, D].
      weights: of every center with each of these, [B, M, X + N].
      contexts: `X`.
      products: their kind, see `products.einsum`.
    """
    by_rows, by_columns = (
        functools.partial(form, contexts=contexts, products=products)
        for form in (_losses_by_rows, _losses_by_columns)
    )
    return lax.platform_dependent(*vectors, weights, cpu=by_columns, default=by_rows)


def windowed_losses(
    vectors: Params, near: jax.Array, negative_weights: jax.Array, *, products: str | None = None
) -> jax.Array:
    """`center_losses` where the contexts of a center stand around it, for a CPU: [B, M].

    The contexts are the `M` centers with `W` tokens before and `W` after them. Every m centers are
    multiplied with the m + 2W tokens around them, and all `M` with the negatives: with M = 32, W =
    5 and m = 8 that is a third less than all pairs of a block.

    Args:
      vectors: of the centers, [B, M, D], and of contexts and negatives, [B, M + 2W + N, D].
      near: the weight of each center with the tokens around it and its m - 1 neighbors,
        [B, M/m, m, m + 2W].
      negative_weights: of each center with each negative, [B, M].
      products: their kind, see `products.einsum`.
    """
    blocks, parts, size, reach = near.shape
    centers, others = vectors
    contexts = parts * size + reach - size
    around = [others[:, at : at + reach] for at in range(0, parts * size, size)]

    def parted(array):  # [B, M/m, …] to [B · M/m, …]
        return array.reshape(-1, *array.shape[2:])

    of_contexts = _summed_by_columns(
        reach, products, centers.reshape(blocks * parts, size, -1),
        parted(jnp.stack(around, axis=1)), parted(near),
    )  # fmt: skip
    shape = *negative_weights.shape, others.shape[1] - contexts
    weights = jnp.broadcast_to(negative_weights[..., None], shape)
    of_negatives = _summed_by_columns(0, products, centers, others[:, contexts:], weights)
    return of_contexts.reshape(of_negatives.shape) + of_negatives


def _losses_by_rows(centers, others, weights, *, contexts, products):
    """The losses from logits [B, M, X + N]."""
    logits = einsum("bmd,bkd->bmk", centers, others, products)
    return _summed(_signs(logits, contexts, axis=2), logits, weights)


def _losses_by_columns(centers, others, weights, *, contexts, products):
    """The losses from logits [B, X + N, M]: a CPU multiplies matrices row by row, and a step takes
    it a fifth less time where all three products have their operands in that order."""
    return _summed_by_columns(contexts, products, centers, others, weights)


def _signs(logits: jax.Array, contexts: int, axis: int) -> jax.Array:
    """-1 for contexts, 1 for negatives, along an axis of logits."""
    is_context = lax.broadcasted_iota(jnp.int32, logits.shape, axis) < contexts
    return jnp.where(is_context, -1.0, 1.0).astype(logits.dtype)


@functools.partial(jax.custom_jvp, nondiff_argnums=(0, 1))
def _summed_by_columns(contexts, products, centers, others, weights):
    """Σ w softplus(sign · logit) over contexts and negatives: [B, M]."""
    logits = _logits_by_columns(centers, others, products)
    values = softplus(_signs(logits, contexts, axis=1) * logits)
    return jnp.sum(weights.swapaxes(1, 2) * values, axis=1)


@_summed_by_columns.defjvp
def _summed_by_columns_jvp(contexts, products, primals, tangents):
    """The slopes are written out in both orders, each for the product that reads it so. The value
    is not kept together with them, so that a step whose loss nobody reads takes no logarithms."""
    centers, others, weights = primals
    centers_dot, others_dot, weights_dot = tangents
    logits = _logits_by_columns(centers, others, products)
    signs, columns = _signs(logits, contexts, axis=1), weights.swapaxes(1, 2)
    values, slopes = jax.jvp(softplus, (signs * logits,), (signs,))
    slopes = lax.optimization_barrier(columns * slopes)
    by_rows = lax.optimization_barrier(slopes.swapaxes(1, 2))
    of_centers = einsum("bmd,bkd->bmk", centers_dot, others, products)
    of_others = einsum("bkd,bmd->bkm", others_dot, centers, products)
    change = slopes * of_others + values * weights_dot.swapaxes(1, 2)
    return (
        jnp.sum(columns * values, axis=1),
        jnp.sum(by_rows * of_centers, axis=2) + jnp.sum(change, axis=1),
    )


def _logits_by_columns(centers, others, products):
    """The logits of contexts and negatives with each center, [B, X + N, M]."""
    turned = lax.optimization_barrier(centers.swapaxes(1, 2))
    return einsum("bkd,bdm->bkm", others, turned, products)


@jax.custom_jvp
def _summed(signs: jax.Array, logits: jax.Array, weights: jax.Array) -> jax.Array:
    """Σ w softplus(sign · logit) over the last axis."""
    return jnp.sum(weights * softplus(signs * logits), axis=-1)


@_summed.defjvp
def _summed_jvp(primals, tangents):
    """The value and its slope by each logit in one pass, kept together by a barrier: each of the
    two gradients is a product with the slopes, and XLA would find them anew for each."""
    signs, logits, weights = primals
    _, logits_dot, weights_dot = tangents
    values, slopes = jax.jvp(softplus, (signs * logits,), (signs,))
    total, slopes = lax.optimization_barrier((jnp.sum(weights * values, axis=-1), weights * slopes))
    return total, jnp.sum(slopes * logits_dot + values * weights_dot, axis=-1)


def _weights(blocks: Blocks) -> jax.Array:
    """Weights of every center with the contexts, then with the negatives: [B, M, X + N]."""
    negative_weights = jnp.broadcast_to(
        blocks.negative_weights[..., None],
        (*blocks.centers.shape, blocks.negatives.shape[1]),
    )
    return jnp.concatenate([blocks.weights, negative_weights], axis=-1)
