"""Word classes by spherical k-means, as pure functions of arrays.

Like the classes of ``word2vec -classes``, with centers of length 1. Unlike there, vectors are
scaled to length 1 first, so that frequent words weigh no more than others; k-means++ chooses the
initial centers; no class is empty; and iterations go on until no word changes its class.

Letters: `V` vectors, `D` vector size, `k` classes.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxvec.vectors.neighbors import squared_distances
from jaxvec.vectors.ranking import unit

_COSINES = 1 << 20  # cosines of vectors and centers in memory: 4 MiB
_SAMPLE = 32  # vectors per class that k-means++ chooses the initial centers from


class Classes(NamedTuple):
    """The class of each of `V` vectors.

    Attributes:
      labels: int32[V], the class of each vector, 0 … k - 1; no class is empty.
      cosines: float32[V], the cosine of each vector with the center of its class.
      centers: float32[k, D], of length 1.
    """

    labels: jax.Array  # int32[V]
    cosines: jax.Array  # float32[V]
    centers: jax.Array  # float32[k, D]


class Report(NamedTuple):
    """The convergence of k-means.

    Attributes:
      objective: float32, the mean of 1 - cosine; no iteration increases it.
      iterations: int32, the number of iterations.
      converged: bool, whether the last iteration changed no class.
    """

    objective: jax.Array  # float32
    iterations: jax.Array  # int32
    converged: jax.Array  # bool


@partial(jax.jit, static_argnames="k")
def kmeans(
    key: jax.Array, vectors: jax.Array, k: int, *, iterations: int = 100
) -> tuple[Classes, Report]:
    """Divides vectors into `k` classes of small Σ (1 - cos(vector, center of its class)).

    Lloyd's iterations: each vector moves to the class of the nearest center, each center to the
    mean direction of its vectors. Classes are numbered by their first vectors: if words are in
    descending order of count, class 0 has the most frequent. Cosines are computed block by
    block, never all V·k at once, as |u - c|² / 2 = 1 - cos(u, c) of unit vectors, which is more
    precise for cosines near 1.

    Args:
      key: a `jax.random` key for the initial centers; the same key gives the same bits.
      vectors: float[V, D], of any length; a vector of zeros is equally near to every center.
      k: the number of classes, at most `V`.
      iterations: the most iterations.

    Returns:
      The classes, and how the iterations converged.

    Raises:
      ValueError: if `k` is not from 1 to `V`.

    >>> vectors = jnp.array([[1.0, 0.1], [0.1, 1.0], [2.0, 0.1], [0.0, 3.0]])
    >>> classes, report = kmeans(jax.random.key(0), vectors, 2)
    >>> classes.labels.tolist(), bool(report.converged)
    ([0, 1, 0, 1], True)

    References:
      Dhillon and Modha 2001, "Concept Decompositions for Large Sparse Text Data Using
      Clustering".
    """
    if not 1 <= k <= len(vectors):
        raise ValueError(f"k must be from 1 to {len(vectors)}, the number of vectors; got {k}")
    units = unit(jnp.asarray(vectors, jnp.float32))

    def iterate(state: tuple[Classes, jax.Array, jax.Array]):
        classes, iteration, _ = state
        new = assign(units, means(units, classes.labels, k), classes.labels)
        return new, iteration + 1, (new.labels == classes.labels).all()

    def continues(state: tuple[Classes, jax.Array, jax.Array]):
        _, iteration, converged = state
        return (iteration < iterations) & ~converged

    start = assign(units, first_centers(key, units, k)), jnp.int32(0), jnp.bool(False)
    classes, iteration, converged = jax.lax.while_loop(continues, iterate, start)
    objective = _losses(units, classes.centers[classes.labels]).mean()
    return _numbered(classes), Report(objective, iteration, converged)


def _losses(units: jax.Array, centers: jax.Array) -> jax.Array:
    """1 - cosine of vector i with center i, [V]; 1 if either is zeros."""
    squares = jnp.square(units - centers).sum(axis=1)
    return jnp.where(units.any(axis=1) & centers.any(axis=1), squares / 2, 1)


@partial(jax.jit, static_argnames="k")
def first_centers(key: jax.Array, units: jax.Array, k: int) -> jax.Array:
    """Initial centers by k-means++ on a random sample of 32 k vectors: float[k, D].

    Centers are drawn one after the other, each with probability proportional to 1 - cosine with
    the nearest center drawn before.

    Args:
      key: a `jax.random` key.
      units: vectors of length 1, float[V, D].
      k: the number of centers.

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
def assign(units: jax.Array, centers: jax.Array, labels: jax.Array | None = None) -> Classes:
    """Assigns each vector to the class of its nearest center: its own if none is nearer by more
    than rounding, else the first of several that are equal.

    A class without vectors takes the vector farthest from its center, among all but the nearest
    of each class; that vector becomes its center. Several empty classes take the farthest
    vectors in order.

    Args:
      units: vectors of length 1, float[V, D].
      centers: of length 1, float[k, D].
      labels: the class of each before, int32[V]; None for none.
    """
    real = centers.any(axis=1)

    def nearest(vector: jax.Array, label: jax.Array):
        squares = squared_distances(vector[None], centers)[0]
        losses = jnp.where(real & vector.any(), squares / 2, 1)
        # among equal vectors centers differ by rounding, and would take turns in having them
        rounding = jnp.finfo(losses.dtype).eps ** 2  # the square of a unit vector's
        stays = (label >= 0) & (losses[label] <= losses.min() + rounding)
        found = jnp.where(stays, label, losses.argmin().astype(jnp.int32))
        return found, losses[found]

    block = max(1, _COSINES // len(centers))
    before = jnp.full(len(units), -1, jnp.int32) if labels is None else labels
    labels, losses = jax.lax.map(lambda one: nearest(*one), (units, before), batch_size=block)
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
    """The center of each class: the sum of its vectors, scaled to length 1.

    Sums are matrix products with one-hot labels, block by block, which add in the same order on
    every device, unlike a scatter. They are sums of differences from the first vector: nearly
    equal vectors then lose no precision.

    Args:
      units: vectors of length 1, float[V, D].
      labels: the class of each, int32[V].
      k: the number of classes.

    Returns:
      The centers, float[k, D].
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
    """Renumbers the classes in the order of their first vectors."""
    k = len(classes.centers)
    firsts = jax.ops.segment_min(jnp.arange(len(classes.labels)), classes.labels, k)
    order = firsts.argsort()
    numbers = order.argsort().astype(jnp.int32)
    return classes._replace(labels=numbers[classes.labels], centers=classes.centers[order])


def members(classes: Classes, *, central: bool = False) -> list[np.ndarray]:
    """The indices of the vectors of each class.

    Args:
      classes: from `kmeans`.
      central: order the vectors of a class by falling cosine with its center, not by index.

    Returns:
      An array of indices per class, k of them.

    >>> classes = Classes(jnp.array([0, 1, 0]), jnp.array([0.8, 1.0, 0.9]), jnp.eye(2))
    >>> [places.tolist() for places in members(classes, central=True)]
    [[2, 0], [1]]
    """
    labels = np.asarray(classes.labels)
    order = np.lexsort(
        (-np.asarray(classes.cosines) if central else np.arange(len(labels)), labels)
    )
    return np.split(order, np.searchsorted(labels[order], np.arange(1, len(classes.centers))))
