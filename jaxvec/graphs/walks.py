"""Random walks on a graph: of the first order, and node2vec's of the second.

Pure functions of a key, compiled once for each number of walks and length. Their result is what
`Corpus.from_ids` takes: a row a walk, filled up by -1 if the walk came to a node without edges.

Letters: `B` walks, `L` nodes of a walk, the first included; `V` nodes, `E` edges of the graph.
"""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.typing import ArrayLike

from jaxvec.graphs.graph import Graph
from jaxvec.messages.numbers import check_whole
from jaxvec.models.sampling import random_bits, scale

_NONE = -1  # no node: after a dead end, or before the first


def uniform_walks(key: jax.Array, graph: Graph, starts: ArrayLike, length: int) -> jax.Array:
    """Walks that go on to each neighbor with equal probability, or in proportion to the weights.

    Args:
      key: a `jax.random` key; the same gives the same walks.
      graph: the graph.
      starts: the first node of each walk, int[B].
      length: `L`.

    Returns:
      The nodes, int32[B, L], where -1 follows a node that no edge leads away from.

    Raises:
      TypeError: if a number is not whole.
      ValueError: if `length` is below 1, or a start is no node. (Starts inside `jax.jit` are not
        checked: outside 0 … V - 1 they are taken for the nearest node.)

    References:
      Perozzi, Al-Rfou and Skiena 2014, "DeepWalk: Online Learning of Social Representations".

    >>> graph = Graph.from_edges([(0, 1), (1, 2), (2, 3)], directed=True)
    >>> uniform_walks(jax.random.key(0), graph, [0, 2], 5).tolist()
    [[0, 1, 2, 3, -1], [2, 3, -1, -1, -1]]
    """
    return _uniform(key, graph, _starts(graph, starts), check_whole("length", length))


def node2vec_walks(
    key: jax.Array,
    graph: Graph,
    starts: ArrayLike,
    length: int,
    *,
    p: ArrayLike = 1.0,
    q: ArrayLike = 1.0,
) -> jax.Array:
    """Walks that remember the node before: from t to v, they go on to x in proportion to

        w(v, x) · (1/p if x = t; 1 if there is an edge from t to x; 1/q else)

    Neighbors are proposed as in `uniform_walks`, and accepted in proportion to the second factor,
    which is exact and needs no table of pairs of edges. About max(1/p, 1, 1/q) / min(1/p, 1, 1/q)
    proposals are needed a node, at most.

    Args:
      key, graph, starts, length: as for `uniform_walks`.
      p: above 0; below 1, walks often turn back.
      q: above 0; below 1, walks often move away; above 1, they stay near.

    Returns:
      The nodes, int32[B, L], where -1 follows a node that no edge leads away from.

    Raises:
      TypeError, ValueError: as `uniform_walks`; if `p` or `q` is not above 0 and finite. (Arrays
        inside `jax.jit` are not checked.)

    References:
      Grover and Leskovec 2016, "node2vec: Scalable Feature Learning for Networks".

    >>> triangle = Graph.from_edges([(0, 1), (1, 2), (2, 0)])
    >>> (walk,) = node2vec_walks(jax.random.key(0), triangle, [0], 5, p=1e-6)  # to and fro
    >>> walk[::2].tolist()
    [0, 0, 0]
    """
    for name, value in (("p", p), ("q", q)):
        if not isinstance(value, jax.core.Tracer) and not 0 < np.asarray(value) < np.inf:
            raise ValueError(f"{name} must be a finite number above 0; got {value}")
    return _node2vec(key, graph, _starts(graph, starts), check_whole("length", length), p, q)


def _starts(graph: Graph, starts: ArrayLike) -> jax.Array:
    if isinstance(starts, jax.core.Tracer):
        return starts.astype(jnp.int32)
    nodes = np.asarray(starts)
    if nodes.ndim != 1 or nodes.dtype.kind not in "iu":
        raise TypeError(f"starts must be whole numbers [B]; got {nodes.dtype} {list(nodes.shape)}")
    if nodes.min(initial=0) < 0 or nodes.max(initial=0) >= graph.num_nodes:
        raise ValueError(f"starts must be nodes from 0 to {graph.num_nodes - 1}")
    return jnp.asarray(nodes, jnp.int32)


@partial(jax.jit, static_argnames="length")
def _uniform(key: jax.Array, graph: Graph, starts: jax.Array, length: int) -> jax.Array:
    def step(nodes, key):
        following = _drawn(graph, nodes, random_bits(key, nodes.shape))
        return following, following

    _, following = lax.scan(step, starts, jax.random.split(key, length - 1))
    return jnp.concatenate([starts[None], following]).T


@partial(jax.jit, static_argnames="length")
def _node2vec(
    key: jax.Array,
    graph: Graph,
    starts: jax.Array,
    length: int,
    p: ArrayLike,
    q: ArrayLike,
) -> jax.Array:
    """Each walk goes on when its proposal is accepted, and does not wait for the others."""
    rows = jnp.arange(len(starts), dtype=jnp.int32)
    back, away = 1 / jnp.float32(p), 1 / jnp.float32(q)
    most = jnp.maximum(jnp.maximum(back, away), 1)

    def go_on(state):
        count, walks, places = state
        proposals, chances = random_bits(jax.random.fold_in(key, count), (2, len(rows)))
        nodes = walks[rows, jnp.minimum(places, length) - 1]
        before = jnp.where(places > 1, walks[rows, places - 2], _NONE)
        proposed = _drawn(graph, nodes, proposals)
        near = _is_edge(graph, before, proposed)
        factor = jnp.where(proposed == before, back, jnp.where(near, 1, away))
        accepted = chances.astype(jnp.float32) < factor / most * 2.0**32
        accepted |= (before == _NONE) | (proposed == _NONE)
        accepted &= places < length
        walks = walks.at[rows, jnp.where(accepted, places, length)].set(proposed, mode="drop")
        places = jnp.where(
            accepted & (proposed == _NONE), length, places + accepted.astype(jnp.int32)
        )
        return count + 1, walks, places

    walks = jnp.full((len(starts), length), _NONE, jnp.int32).at[:, 0].set(starts)
    state = jnp.int32(0), walks, jnp.ones(len(starts), jnp.int32)
    return lax.while_loop(lambda state: (state[2] < length).any(), go_on, state)[1]


def _drawn(graph: Graph, nodes: jax.Array, bits: jax.Array) -> jax.Array:
    """A neighbor of each node, int32[B], in proportion to weights; -1 if there is none.

    Args:
      graph: the graph.
      nodes: int32[B], or -1.
      bits: random, uint32[B].
    """
    low, high = _ends(graph, nodes)
    if graph.chosen is None:
        edges = low + scale(bits, (high - low).astype(jnp.uint32))
    else:
        edges = _first(graph.chosen, bits, low, high)
    return jnp.where(low < high, graph.indices[edges], _NONE)


def _is_edge(graph: Graph, nodes: jax.Array, others: jax.Array) -> jax.Array:
    """Whether an edge leads from each node to the other, bool[B]; never from -1."""
    low, high = _ends(graph, nodes)
    places = _first(graph.indices, others, low, high)
    return (places < high) & (graph.indices[places] == others)


def _ends(graph: Graph, nodes: jax.Array) -> tuple[jax.Array, jax.Array]:
    """The first edge of each node, and the one after the last; of -1 there is none."""
    low = graph.indptr[nodes]
    return low, jnp.where(nodes == _NONE, low, graph.indptr[nodes + 1])


def _first(values: jax.Array, least: jax.Array, low: jax.Array, high: jax.Array) -> jax.Array:
    """The first place from low to high - 1 whose value is at least `least`, or high: int32[B].

    Args:
      values: rising from each low to high, [E].
      least: [B].
      low, high: int32[B].
    """

    def halve(state):
        low, high = state
        middle = low + (high - low) // 2
        after = values[middle] < least
        return jnp.where(after, middle + 1, low), jnp.where(after, high, middle)

    def halve_all(state):
        low, high = state
        return jax.tree.map(lambda new, old: jnp.where(low < high, new, old), halve(state), state)

    return lax.while_loop(lambda state: (state[0] < state[1]).any(), halve_all, (low, high))[0]
