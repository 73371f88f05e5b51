"""GloVe: parameters, batches and the loss, as pure functions.

Pennington, Socher and Manning 2014, "GloVe: Global Vectors for Word Representation".

Letters: `V` vocabulary, `D` dimension, `B` batch; in chunks, `R` rows of the count
matrix and `L` cells of each.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from jaxvec.models.checks import exportable
from jaxvec.models.tables import take as take


@exportable
class Params(NamedTuple):
    """Two tables, and a bias for each row of each."""

    input: jax.Array  # [V, D], vectors of words: w
    output: jax.Array  # [V, D], vectors of context words
    input_bias: jax.Array  # [V]
    output_bias: jax.Array  # [V]


@exportable
class Batch(NamedTuple):
    """The textbook form: cells of the co-occurrence matrix, in any order."""

    words: jax.Array  # int[B]
    contexts: jax.Array  # int[B]
    counts: jax.Array  # float[B], 0 for padding


@exportable
class Chunks(NamedTuple):
    """Some cells of the same row at a time, so that the row's vector is fetched once for all."""

    words: jax.Array  # int[R]
    contexts: jax.Array  # int[R, L]
    counts: jax.Array  # float[R, L], 0 for padding


def init(key: jax.Array, vocab_size: int, vector_size: int, *, dtype=jnp.float32) -> Params:
    """The C program's start: every number uniform in ±1/(2D), biases too.

    >>> init(jax.random.key(0), vocab_size=10, vector_size=4).output_bias.shape
    (10,)
    """
    keys = jax.random.split(key, 4)
    shapes = [(vocab_size, vector_size)] * 2 + [(vocab_size,)] * 2
    return Params(
        *(
            jax.random.uniform(k, shape, dtype, -0.5, 0.5) / vector_size
            for k, shape in zip(keys, shapes, strict=True)
        )
    )


def weight(
    counts: jax.Array, x_max: float | jax.Array = 100.0, alpha: float | jax.Array = 0.75
) -> jax.Array:
    """f(x) = min(1, (x / x_max)^α), and 0 for x = 0.

    >>> weight(jnp.array([0.0, 1.0, 16.0, 20.0]), x_max=16.0).tolist()
    [0.0, 0.125, 1.0, 1.0]
    """
    safe = jnp.where(counts > 0, counts, 1)  # keeps derivatives finite where there is no cell
    return jnp.where(counts > 0, jnp.minimum(1, (safe / x_max) ** alpha), 0)


def loss(
    params: Params,
    batch: Batch | Chunks,
    x_max: float | jax.Array = 100.0,
    alpha: float | jax.Array = 0.75,
) -> jax.Array:
    """The weighted sum over cells of squared errors, a scalar.

    For a word vector w, a context vector c, their biases b and b′ and a count x:

        Σ f(x) (w·c + b + b′ - log x)²

    The C program reports half of that, divided by the number of cells, as its cost, and
    what it calls the gradient, f(x) (w·c + b + b′ - log x) times a vector, is that of the half.

    Args:
      params: the tables and biases.
      batch: cells, or chunks of them.
      x_max, alpha: see `weight`; the C program's defaults.

    >>> params = jax.tree.map(jnp.zeros_like, init(jax.random.key(0), vocab_size=10, vector_size=4))
    >>> batch = Batch(jnp.array([1, 2]), jnp.array([3, 4]), jnp.array([2.0, 200.0]))
    >>> print(f"{loss(params, batch):.4f}")  # f(2) log²2 + log²200
    28.0977
    """
    return rows_loss(take(params, rows(batch)), batch, x_max, alpha)


def cell_loss(
    params: Params,
    batch: Batch,
    x_max: float | jax.Array = 100.0,
    alpha: float | jax.Array = 0.75,
) -> jax.Array:
    """The term of each cell of a batch: float[B]; see `loss`."""
    chunks = as_chunks(batch)
    return _cell_losses(take(params, rows(chunks)), chunks, x_max, alpha)[:, 0]


def as_chunks(batch: Batch | Chunks) -> Chunks:
    """A batch as chunks of one cell each; chunks as they are."""
    if isinstance(batch, Chunks):
        return batch
    return Chunks(batch.words, batch.contexts[:, None], batch.counts[:, None])


def rows(batch: Batch | Chunks) -> Params:
    """The rows of each table that a batch touches: int[R] and int[R, L]."""
    chunks = as_chunks(batch)
    return Params(chunks.words, chunks.contexts, chunks.words, chunks.contexts)


def rows_loss(
    vectors: Params,
    batch: Batch | Chunks,
    x_max: float | jax.Array = 100.0,
    alpha: float | jax.Array = 0.75,
) -> jax.Array:
    """`loss` as a function of what `take` gathered."""
    return _cell_losses(vectors, as_chunks(batch), x_max, alpha).sum()


def _cell_losses(vectors: Params, chunks: Chunks, x_max, alpha) -> jax.Array:
    products = jnp.einsum("rd,rld->rl", vectors.input, vectors.output)
    fit = products + vectors.input_bias[:, None] + vectors.output_bias
    error = fit - jnp.log(jnp.where(chunks.counts > 0, chunks.counts, 1))
    return weight(chunks.counts, x_max, alpha) * jnp.square(error)
