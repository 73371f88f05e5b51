"""Word classes by spherical k-means, as pure functions on arrays.

As ``word2vec -classes``, with centers of length 1, but vectors are scaled to length 1 first, so
that frequent words have no larger weight; the initial centers are drawn by k-means++, not taken
by the order of words; no class is empty; and the iterations stop when no label changes.

Letters: `V` vocabulary, `D` dimension, `k` classes.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxvec.vectors.neighbors import squared_distances
from jaxvec.vectors.ranking import unit

_COSINES = 1 << 20  # cosines of vectors and centers held in memory: 4 MiB
_SAMPLE = 32  # vectors per class that the initial centers are drawn from


class Classes(NamedTuple):
    """The classes of `V` vectors."""

    labels: jax.Array  # int32[V], 0 … k - 1; none is empty
    cosines: jax.Array  # float32[V], of each vector with the center of its class
    centers: jax.Array  # float32[k, D], of length 1


class Report(NamedTuple):
    """The outcome of k-means."""

    objective: jax.Array  # float32, the mean of 1 - cosine; never increases
    iterations: jax.Array  # int32
    converged: jax.Array  # bool, whether the last iteration changed no label


@partial(jax.jit, static_argnames="k")
def kmeans(
    key: jax.Array, vectors: jax.Array, k: int, *, iterations: int = 100
) -> tuple[Classes, Report]:
    """Divides vectors into classes to minimize Σ (1 - cos(vector, center of its class)).

    Lloyd's iterations: each vector joins the class with the nearest center, each center becomes
    the direction of its vectors' sum. Classes are numbered by their first vectors: with words in
    falling order of count, class 0 has the most frequent. No [V, k] array is made. Distances are
    |u - c|² / 2 = 1 - cos(u, c) of unit vectors, exact where cosines near 1 would be rounded.

    Args:
      key: of the initial centers; the same key gives the same bits.
      vectors: float[V, D], of any length; zeros are equally near to every center.
      k: number of classes, at most `V`.
      iterations: the most iterations.

    Raises:
      ValueError: if `k` is not from 1 to `V`.

    >>> vectors = jnp.array([[1.0, 0.1], [0.1, 1.0], [2.0, 0.1], [0.0, 3.0]])
    >>> classes, report = kmeans(jax.random.key(0), vectors, 2)
    >>> classes.labels.tolist(), bool(report.converged)
    ([0, 1, 0, 1], True)

    References:
      Dhillon and Modha 2001, "Concept Decompositions for Large Sparse Text Data Using Clustering".
    """
    if not 1 <= k <= len(vectors):
        raise ValueError(f"k={k} classes of {len(vectors)} vectors: give 1 to {len(vectors)}")
    units = unit(jnp.asarray(vectors, jnp.float32))

    def iterate(state: tuple[Classes, jax.Array, jax.Array]):
        classes, iteration, _ = state
        new = assign(units, means(units, classes.labels, k))
        return new, iteration + 1, (new.labels == classes.labels).all()

    def goes_on(state: tuple[Classes, jax.Array, jax.Array]):
        _, iteration, converged = state
        return (iteration < iterations) & ~converged

    start = assign(units, first_centers(key, units, k)), jnp.int32(0), jnp.bool(False)
    classes, iteration, converged = jax.lax.while_loop(goes_on, iterate, start)
    objective = _losses(units, classes.centers[classes.labels]).mean()
    return _numbered(classes), Report(objective, iteration, converged)


def _losses(units: jax.Array, centers: jax.Array) -> jax.Array:
    """1 - cosine of each vector with the center in its row, [V]; 1 if either is zeros."""
    squares = jnp.square(units - centers).sum(axis=1)
    return jnp.where(units.any(axis=1) & centers.any(axis=1), squares / 2, 1)


@partial(jax.jit, static_argnames="k")
def first_centers(key: jax.Array, units: jax.Array, k: int) -> jax.Array:
    """Initial centers by k-means++, float[k, D], drawn one by one from 32 k random vectors.

    A vector's probability is proportional to 1 - cosine with the nearest center drawn before.

    Args:
      key: a `jax.random` key.
      units: vectors of length 1, float[V, D].
      k: number of centers.

    References:
      Arthur and Vassilvitskii 2007, "k-means++: The Advantages of Careful Seeding".
    """
    sampling, drawing = jax.random.split(key)
    places = jax.random.permutation(sampling, len(units))[: _SAMPLE * k]
    sample = units[places]

    def draw(i: jax.Array, state: tuple[jax.Array, jax.Array]):
        centers, least = state
        place = jax.random.categorical(jax.random.fold_in(drawing, i), jnp.log(least))
        losses = _losses(sample, jnp.broadcast_to(sample[place], sample.shape))
        return centers.at[i].set(sample[place]), jnp.minimum(least, losses)

    nothing = jnp.zeros_like(units, shape=(k, units.shape[1])), 2 * jnp.ones_like(sample[:, 0])
    return jax.lax.fori_loop(0, k, draw, nothing)[0]


@jax.jit
def assign(units: jax.Array, centers: jax.Array) -> Classes:
    """The class of the nearest center for each vector, the first of equals.

    Empty classes take, in order, the vectors that are farthest from their centers, also as their
    new centers; every class keeps its nearest vector.

    Args:
      units: vectors of length 1, float[V, D].
      centers: vectors of length 1, float[k, D].
    """
    real = centers.any(axis=1)

    def nearest(vector: jax.Array):
        squares = squared_distances(vector[None], centers)[0]
        losses = jnp.where(real & vector.any(), squares / 2, 1)
        return losses.argmin().astype(jnp.int32), losses.min()

    block = max(1, _COSINES // len(centers))
    labels, losses = jax.lax.map(nearest, units, batch_size=block)
    sizes = jnp.zeros(len(centers), jnp.int32).at[labels].add(1)
    labels, losses, centers = jax.lax.cond(
        (sizes == 0).any(), _filled, lambda *same: same[:3], labels, losses, centers, units, sizes
    )
    return Classes(labels, 1 - losses, centers)


def _filled(
    labels: jax.Array, losses: jax.Array, centers: jax.Array, units: jax.Array, sizes: jax.Array
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Labels, losses and centers with a vector moved to each empty class; see `assign`."""
    k, places = len(centers), jnp.arange(len(units))
    least = jax.ops.segment_min(losses, labels, k)[labels]
    kept = jax.ops.segment_min(jnp.where(losses == least, places, len(units)), labels, k)
    can_go = jnp.ones(len(units), bool).at[kept].set(False, mode="drop")
    farthest = jax.lax.top_k(jnp.where(can_go, losses, -jnp.inf), k)[1]
    empty = sizes == 0
    given = jnp.where(empty, farthest[jnp.cumsum(empty) - 1], len(units))
    vectors = units.at[given].get(mode="fill", fill_value=0)
    return (
        labels.at[given].set(jnp.arange(k, dtype=jnp.int32), mode="drop"),
        losses.at[given].set(_losses(vectors, vectors), mode="drop"),
        jnp.where(empty[:, None], vectors, centers),
    )


@partial(jax.jit, static_argnames="k")
def means(units: jax.Array, labels: jax.Array, k: int) -> jax.Array:
    """The center of each class, its vectors' sum scaled to length 1: float[k, D].

    Sums are products with one-hot rows, in slices: unlike a scatter, they add in the same order on
    every device. They add differences from the first vector, so that similar vectors lose no
    digits.

    Args:
      units: vectors of length 1, float[V, D].
      labels: of the vectors, int32[V].
      k: number of classes.
    """
    origin = units[0][None]
    block = min(len(units), max(1, _COSINES // k))

    def add(i: jax.Array, state: tuple[jax.Array, jax.Array]):
        sums, sizes = state
        start = jnp.minimum(i * block, len(units) - block)  # the last block overlaps
        ours = jax.lax.dynamic_slice_in_dim(labels, start, block)
        rows = jax.lax.dynamic_slice_in_dim(units, start, block)
        new = (start + jnp.arange(block) >= i * block) & rows.any(axis=1)
        members = jax.nn.one_hot(jnp.where(new, ours, k), k, dtype=units.dtype)
        return sums + members.T @ (rows - origin), sizes + members.sum(axis=0)

    with jax.default_matmul_precision("highest"):
        nothing = jnp.zeros_like(units, shape=(k, units.shape[1])), jnp.zeros_like(units, shape=k)
        sums, sizes = jax.lax.fori_loop(0, -(-len(units) // block), add, nothing)
    sizes = sizes[:, None]
    return unit(jnp.where(sizes > 0, origin + sums / jnp.maximum(sizes, 1), 0))


def _numbered(classes: Classes) -> Classes:
    """The same classes, numbered in the order of their first vectors."""
    k = len(classes.centers)
    firsts = jax.ops.segment_min(jnp.arange(len(classes.labels)), classes.labels, k)
    order = firsts.argsort()
    numbers = order.argsort().astype(jnp.int32)
    return classes._replace(labels=numbers[classes.labels], centers=classes.centers[order])


def members(classes: Classes, *, central: bool = False) -> list[np.ndarray]:
    """The rows of the vectors of each class.

    Args:
      classes: as `kmeans` returns them.
      central: whether the nearest to the center come first, not the rows in order.

    >>> classes = Classes(jnp.array([0, 1, 0]), jnp.array([0.8, 1.0, 0.9]), jnp.eye(2))
    >>> [places.tolist() for places in members(classes, central=True)]
    [[2, 0], [1]]
    """
    labels = np.asarray(classes.labels)
    order = np.lexsort(
        (-np.asarray(classes.cosines) if central else np.arange(len(labels)), labels)
    )
    return np.split(order, np.searchsorted(labels[order], np.arange(1, len(classes.centers))))
