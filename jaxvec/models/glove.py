"""GloVe: parameters, batches and the loss, as pure functions.

Letters: `V` vocabulary size, `D` vector size, `B` batch size (cells); in chunks, `R` chunks of up
to `L` cells of one row of the co-occurrence matrix.

References:
  Pennington, Socher and Manning 2014, "GloVe: Global Vectors for Word Representation".
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from jaxvec.models.checks import exportable
from jaxvec.models.products import einsum
from jaxvec.models.tables import take as take
from jaxvec.models.tables import uniform_rows


@exportable
class Params(NamedTuple):
    """Two tables with a bias per row, or one array per table: row ids, gathered rows.

    Attributes:
      input: float[V, D], a vector w per word.
      output: float[V, D], a vector c per context word.
      input_bias: float[V], a bias b per word.
      output_bias: float[V], a bias b′ per context word.
    """

    input: jax.Array  # [V, D]
    output: jax.Array  # [V, D]
    input_bias: jax.Array  # [V]
    output_bias: jax.Array  # [V]


@exportable
class Batch(NamedTuple):
    """`B` cells of the co-occurrence matrix, in any order: the textbook form.

    Attributes:
      words: int[B], rows of the matrix, and of `Params.input`.
      contexts: int[B], columns of the matrix, rows of `Params.output`.
      counts: float[B], the co-occurrence count x of each cell; 0 for padding.
    """

    words: jax.Array  # int[B]
    contexts: jax.Array  # int[B]
    counts: jax.Array  # float[B]


@exportable
class Chunks(NamedTuple):
    """`R` chunks of up to `L` cells of one row, so that the row's vector is gathered once.

    Attributes:
      words: int[R], rows of the co-occurrence matrix, and of `Params.input`.
      contexts: int[R, L], columns of the matrix, rows of `Params.output`.
      counts: float[R, L], the co-occurrence count x of each cell; 0 for padding.
    """

    words: jax.Array  # int[R]
    contexts: jax.Array  # int[R, L]
    counts: jax.Array  # float[R, L]


def init(key: jax.Array, vocab_size: int, vector_size: int, *, dtype=jnp.float32) -> Params:
    """The initial tables of Stanford's C program: every number uniform in ±1/(2D), biases too.

    Args:
      key: a `jax.random` key.
      vocab_size: `V`.
      vector_size: `D`.
      dtype: of all tables.

    >>> init(jax.random.key(0), vocab_size=10, vector_size=4).output_bias.shape
    (10,)
    """
    return init_rows(key, jnp.arange(vocab_size, dtype=jnp.int32), vector_size, dtype=dtype)


def init_rows(key: jax.Array, rows: jax.Array, vector_size: int, *, dtype=jnp.float32) -> Params:
    """Rows of `init`'s tables.

    Args:
      key, vector_size, dtype: as for `init`.
      rows: their ids, int32[R].

    Returns:
      Tables [R, D], and biases [R].
    """

    def drawn(key):  # a vector and, as its last number, a bias
        table = uniform_rows(key, rows, vector_size, biases=1, dtype=dtype)
        return table[:, :-1], table[:, -1]

    (input, input_bias), (output, output_bias) = map(drawn, jax.random.split(key))
    return Params(input, output, input_bias, output_bias)


def weight(
    counts: jax.Array, x_max: float | jax.Array = 100.0, alpha: float | jax.Array = 0.75
) -> jax.Array:
    """The weight of a cell in the loss: f(x) = min(1, (x / x_max)^α), and 0 for x = 0.

    Args:
      counts: x, float[...].
      x_max: counts from here on have weight 1.
      alpha: α, the exponent for smaller counts.

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
    *,
    products: str | None = None,
) -> jax.Array:
    """The squared errors, summed over cells with their `weight` f: a scalar.

    For a word vector w, a context vector c, their biases b and b′ and a count x:

        Σ f(x) (w·c + b + b′ - log x)²

    The C program reports half of this sum per cell as its cost, and steps along the gradient of
    the half, f(x) (w·c + b + b′ - log x) times a vector.

    Args:
      params: the tables, [V, D] and [V].
      batch: `B` cells, or `R` chunks.
      x_max, alpha: see `weight`; the C program's defaults.
      products: their kind, see `products.einsum`.

    >>> params = jax.tree.map(jnp.zeros_like, init(jax.random.key(0), vocab_size=10, vector_size=4))
    >>> batch = Batch(jnp.array([1, 2]), jnp.array([3, 4]), jnp.array([2.0, 200.0]))
    >>> print(f"{loss(params, batch):.4f}")  # f(2) log²2 + log²200
    28.0977
    """
    return rows_loss(take(params, rows(batch)), batch, x_max, alpha, products=products)


def cell_loss(
    params: Params,
    batch: Batch,
    x_max: float | jax.Array = 100.0,
    alpha: float | jax.Array = 0.75,
    *,
    products: str | None = None,
) -> jax.Array:
    """The weighted squared error of each cell of a batch: float[B]; see `loss`.

    Args:
      params: the tables, [V, D] and [V].
      batch: `B` cells.
      x_max, alpha: see `weight`.
      products: their kind, see `products.einsum`.
    """
    chunks = as_chunks(batch)
    return cell_losses(take(params, rows(chunks)), chunks, x_max, alpha, products=products)[:, 0]


def as_chunks(batch: Batch | Chunks) -> Chunks:
    """Converts a batch to `B` chunks of one cell each; returns chunks unchanged."""
    if isinstance(batch, Chunks):
        return batch
    return Chunks(batch.words, batch.contexts[:, None], batch.counts[:, None])


def rows(batch: Batch | Chunks) -> Params:
    """Ids of the table rows that a batch reads: int[R] and int[R, L], for vectors and biases."""
    chunks = as_chunks(batch)
    return Params(chunks.words, chunks.contexts, chunks.words, chunks.contexts)


def rows_loss(
    vectors: Params,
    batch: Batch | Chunks,
    x_max: float | jax.Array = 100.0,
    alpha: float | jax.Array = 0.75,
    *,
    products: str | None = None,
) -> jax.Array:
    """`loss` as a function of the gathered vectors and biases.

    Args:
      vectors: from `take`: [R, D], [R, L, D], [R] and [R, L].
      batch: the `B` cells or `R` chunks whose `rows` were gathered.
      x_max, alpha: see `weight`.
      products: their kind, see `products.einsum`.
    """
    return cell_losses(vectors, as_chunks(batch), x_max, alpha, products=products).sum()


def cell_losses(
    vectors: Params,
    chunks: Chunks,
    x_max: float | jax.Array = 100.0,
    alpha: float | jax.Array = 0.75,
    *,
    products: str | None = None,
) -> jax.Array:
    """The weighted squared error of each cell: [R, L], of which `rows_loss` is the sum.

    Args:
      vectors: from `take`: [R, D], [R, L, D], [R] and [R, L].
      chunks: the `R` chunks whose `rows` were gathered.
      x_max, alpha, products: as for `rows_loss`.
    """
    fit = einsum("rd,rld->rl", vectors.input, vectors.output, products)
    fit = fit + vectors.input_bias[:, None] + vectors.output_bias
    error = fit - jnp.log(jnp.where(chunks.counts > 0, chunks.counts, 1))
    return weight(chunks.counts, x_max, alpha) * jnp.square(error)
