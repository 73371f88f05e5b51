"""Self-organizing maps, batch form: a grid of units fitted to vectors so that neighbors are alike.

Letters: `V` vectors, `D` dimension, `R` rows and `C` columns of the grid, `U` = R·C its units,
numbered row by row.

References:
  Kohonen 1982, "Self-organized formation of topologically correct feature maps".
  Kohonen 1995 (3rd edition 2001), "Self-Organizing Maps".
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from jaxvec.vectors.neighbors import squared_distances

_SQUARES = 1 << 19  # distances between vectors and units held in memory: 2 MiB
_SPAN = 2.0  # standard deviations that the initial grid reaches to each side


def init(vectors: jax.Array, shape: tuple[int, int], key: jax.Array | None = None) -> jax.Array:
    """The initial units, float32[R, C, D].

    With a key each unit is a vector drawn at random; without one the grid lies flat in the
    plane of the first two principal components, its longer side along the first, so that the
    result depends on the vectors alone.

    Args:
      vectors: float[V, D].
      shape: rows and columns of the grid.
      key: a `jax.random.key`, or None.

    Raises:
      ValueError: for a grid without two units, or without vectors.

    >>> corners = jnp.array([[-1.0, -1.0], [-1.0, 1.0], [1.0, -1.0], [1.0, 1.0]])
    >>> init(corners, (3, 4)).shape, init(corners, (3, 4), jax.random.key(0)).shape
    ((3, 4, 2), (3, 4, 2))
    """
    rows, columns = shape
    if min(shape) < 1 or rows * columns < 2:
        raise ValueError(f"a grid needs at least 2 units; got {rows}x{columns}")
    if jnp.ndim(vectors) != 2 or not jnp.size(vectors):
        raise ValueError(f"a map needs vectors [V, D]; got {jnp.shape(vectors)}")
    return _init(jnp.asarray(vectors, jnp.float32), (rows, columns), key)


@partial(jax.jit, static_argnames="shape")
def _init(vectors: jax.Array, shape: tuple[int, int], key: jax.Array | None) -> jax.Array:
    rows, columns = shape
    if key is not None:
        drawn = jax.random.randint(key, (rows * columns,), 0, len(vectors), jnp.int32)
        return vectors[drawn].reshape(rows, columns, -1)
    origin = vectors[0]  # from which differences are exact, however far the vectors are from 0
    centered = vectors - origin[None]
    mean = centered.mean(axis=0)
    centered = centered - mean[None]
    with jax.default_matmul_precision("highest"):
        covariance = centered.T @ centered / len(vectors)
    variances, directions = jnp.linalg.eigh(covariance)  # the smallest first
    largest = jnp.abs(directions).argmax(axis=0)[None]
    signs = jnp.sign(jnp.take_along_axis(directions, largest, axis=0))
    axes = (directions * signs * jnp.sqrt(jnp.maximum(variances, 0))[None]).T[::-1]
    first, second = axes[0], axes[1] if len(axes) > 1 else jnp.zeros_like(axes[0])
    down, across = (first, second) if rows > columns else (second, first)
    return (origin + mean)[None, None] + (
        _spread(rows)[:, None, None] * down[None, None]
        + _spread(columns)[None, :, None] * across[None, None]
    )


def _spread(count: int) -> jax.Array:
    return jnp.linspace(-_SPAN if count > 1 else 0, _SPAN, count, dtype=jnp.float32)


@jax.jit
def best_matching_unit(weights: jax.Array, vectors: jax.Array) -> jax.Array:
    """The unit nearest to each vector, argmin_u |x − w_u|, int32[V]; the first of equals.

    Args:
      weights: float[R, C, D].
      vectors: float[V, D].

    >>> weights = jnp.array([[[0.0], [1.0]], [[2.0], [3.0]]])
    >>> best_matching_unit(weights, jnp.array([[0.9], [5.0]])).tolist()
    [1, 3]
    """
    units = _units(weights)

    def put(best, rows, start, new):
        return jax.lax.dynamic_update_slice_in_dim(best, _best(units, rows), start, 0)

    return _fold(put, jnp.zeros(len(vectors), jnp.int32), units, vectors)


def _units(weights: jax.Array) -> jax.Array:
    return weights.reshape(-1, weights.shape[-1])


def _best(units: jax.Array, rows: jax.Array) -> jax.Array:
    return squared_distances(rows, units).argmin(axis=1).astype(jnp.int32)


def _fold(
    add: Callable[[Any, jax.Array, jax.Array, jax.Array], Any],
    total: Any,
    units: jax.Array,
    vectors: jax.Array,
) -> Any:
    """Folds `add(total, rows, start, new)` over slices of the vectors, without padding them.

    The last slice overlaps the one before; `new`, bool, masks the rows not seen yet.
    """
    size = min(max(1, _SQUARES // len(units)), len(vectors))

    def block(i, total):
        start = jnp.minimum(i * size, len(vectors) - size)
        rows = jax.lax.dynamic_slice_in_dim(vectors, start, size)
        return add(total, rows, start, start + jnp.arange(size) >= i * size)

    return jax.lax.fori_loop(0, -(-len(vectors) // size), block, total)


def neighborhood(shape: tuple[int, ...], radius: jax.Array | float) -> jax.Array:
    """The Gaussian neighborhood h(u, v) = exp(−d(u, v)² / 2r²) of all units, float32[U, U].

    d is the distance of two units on the grid, 1 between adjacent units.

    Args:
      shape: (R, C).
      radius: r, above 0.

    >>> print(neighborhood((1, 3), 1.0).round(2))
    [[1.   0.61 0.14]
     [0.61 1.   0.61]
     [0.14 0.61 1.  ]]
    """
    places = _places(shape)
    squares = ((places[:, None] - places[None]) ** 2).sum(axis=-1)
    return jnp.exp(-squares / (2 * radius**2))


def _places(shape: tuple[int, ...]) -> jax.Array:
    """Row and column of each unit, float32[U, 2]."""
    return jnp.indices(shape).reshape(2, -1).T.astype(jnp.float32)


@jax.jit
def step(weights: jax.Array, vectors: jax.Array, radius: jax.Array | float) -> jax.Array:
    """The units after one step of the batch form, float32[R, C, D].

    Each unit becomes the mean of all vectors, weighted by how near their best matching units
    c(x) are to it on the grid:

        w_u = Σ_x h(u, c(x)) x / Σ_x h(u, c(x))

    A unit with no vector near it stays. Vectors are read in slices, so that memory does not grow
    with `V`.

    Args:
      weights: float[R, C, D].
      vectors: float[V, D].
      radius: of the neighborhood, above 0.

    >>> weights = jnp.array([[[0.0], [1.0]]])
    >>> step(weights, jnp.array([[0.0], [0.5], [2.0]]), radius=0.05).tolist()
    [[[0.25], [2.0]]]
    """
    return _relative(lambda w, origin: _step(w, vectors, origin, radius), weights, vectors)


def _relative(
    move: Callable[[jax.Array, jax.Array], jax.Array], weights: jax.Array, vectors: jax.Array
) -> jax.Array:
    """`move(weights − origin, origin)` + origin, so that sums keep small differences between
    vectors far from 0. Weights that `move` leaves unchanged keep their bits."""
    origin = vectors[0]
    before = weights - origin[None, None]
    after = move(before, origin)
    return jnp.where(after == before, weights, after + origin[None, None])


def _step(
    weights: jax.Array, vectors: jax.Array, origin: jax.Array, radius: jax.Array | float
) -> jax.Array:
    """`step` on weights relative to `origin`."""
    units = _units(weights)

    def add(sums, rows, start, new):
        totals, counts = sums
        rows = rows - origin[None]
        mine = jax.nn.one_hot(jnp.where(new, _best(units, rows), -1), len(units), dtype=rows.dtype)
        return totals + mine.T @ rows, counts + mine.sum(axis=0)

    with jax.default_matmul_precision("highest"):
        empty = jnp.zeros_like(units), jnp.zeros_like(units[:, 0])
        totals, counts = _fold(add, empty, units, vectors)
        near = neighborhood(weights.shape[:2], radius)
        shares = (near @ counts)[:, None]
        means = near @ totals / jnp.where(shares > 0, shares, 1)
    return jnp.where(shares > 0, means, units).reshape(weights.shape)


@jax.jit
def train(
    weights: jax.Array,
    vectors: jax.Array,
    epochs: int = 20,
    radius: float | None = None,
    final_radius: float = 1.0,
) -> jax.Array:
    """The units after `epochs` batch steps over all vectors, as one compiled program.

    The radius falls geometrically, r_t = r_0 (r_1 / r_0)^(t / (epochs − 1)).

    Args:
      weights: initial units, float[R, C, D]; see `init`.
      vectors: float[V, D].
      epochs: number of steps.
      radius: r_0; by default half of the longer side of the grid.
      final_radius: r_1.

    >>> square = jax.random.uniform(jax.random.key(0), (1000, 2))
    >>> weights = train(init(square, (6, 6)), square)
    >>> bool(quantization_error(weights, square) < 0.1)
    True
    >>> float(topographic_error(weights, square))
    0.0
    """
    first = max(weights.shape[:2]) / 2 if radius is None else radius

    def one(t, weights, origin):
        falling = first * (final_radius / first) ** (t / jnp.maximum(epochs - 1, 1))
        return _step(weights, vectors, origin, falling)

    def steps(start: jax.Array, origin: jax.Array) -> jax.Array:
        return jax.lax.fori_loop(0, epochs, lambda t, w: one(t, w, origin), start)

    return _relative(steps, weights, vectors)


@jax.jit
def quantization_error(weights: jax.Array, vectors: jax.Array) -> jax.Array:
    """The mean distance of vectors to their best matching units, (1/V) Σ_x |x − w_c(x)|.

    Args:
      weights: float[R, C, D].
      vectors: float[V, D].

    >>> float(quantization_error(jnp.array([[[0.0], [1.0]]]), jnp.array([[0.5], [3.0]])))
    1.25
    """
    units = _units(weights)

    def add(total, rows, start, new):
        distances = jnp.linalg.norm(rows - units[_best(units, rows)], axis=1)
        return total + jnp.where(new, distances, 0).sum()

    return _fold(add, 0.0, units, vectors) / len(vectors)


@jax.jit
def topographic_error(weights: jax.Array, vectors: jax.Array) -> jax.Array:
    """The share of vectors whose best and second-best units are not neighbors on the grid.

    Neighbors touch, if only at a corner: a unit in the middle has eight.

    Args:
      weights: float[R, C, D].
      vectors: float[V, D].

    >>> folded = jnp.array([[[0.0], [2.0], [1.0]]])
    >>> float(topographic_error(folded, jnp.array([[0.4], [1.6]])))
    0.5

    References:
      Kiviluoto 1996, "Topology preservation in self-organizing maps".
    """
    units, places = _units(weights), _places(weights.shape[:2])

    def add(total, rows, start, new):
        best, second = jax.lax.top_k(-squared_distances(rows, units), 2)[1].T
        apart = jnp.abs(places[best] - places[second]).max(axis=1) > 1
        return total + (apart & new).sum()

    return _fold(add, 0, units, vectors) / len(vectors)


def u_matrix(weights: jax.Array) -> jax.Array:
    """The mean distance of each unit to the units above, below, left and right, float32[R, C].

    Large values are borders between groups of similar units.

    >>> u_matrix(jnp.array([[[0.0], [1.0], [5.0]]])).tolist()
    [[1.0, 2.5, 4.0]]

    References:
      Ultsch and Siemon 1990, "Kohonen's Self Organizing Feature Maps for Exploratory Data
      Analysis".
    """
    weights = jnp.asarray(weights)
    down = jnp.linalg.norm(jnp.diff(weights, axis=0), axis=-1)
    across = jnp.linalg.norm(jnp.diff(weights, axis=1), axis=-1)
    total = count = jnp.zeros(weights.shape[:2], weights.dtype)
    for one, other, far in (
        (jnp.s_[1:], jnp.s_[:-1], down),
        (jnp.s_[:, 1:], jnp.s_[:, :-1], across),
    ):
        total = total.at[one].add(far).at[other].add(far)
        count = count.at[one].add(1).at[other].add(1)
    return total / count
