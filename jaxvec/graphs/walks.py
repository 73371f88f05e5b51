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

    Neighbors are proposed as in `uniform_walks`, and accepted in proportion to the second factor;
    the edge back, if its factor is the largest, is drawn apart. After as many proposals as v has
    edges, one pass over these draws one of them: a node takes twice as many looks as it has edges,
    at most, whatever p and q are. This is exact, and needs no table of pairs of edges.

    Args:
      key, graph, starts, length: as for `uniform_walks`.
      p: from 1e-20 to 1e20; below 1, walks often turn back.
      q: from 1e-20 to 1e20; below 1, walks often move away; above 1, they stay near.

    Returns:
      The nodes, int32[B, L], where -1 follows a node that no edge leads away from.

    Raises:
      TypeError, ValueError: as `uniform_walks`; if `p` or `q` is not in its range. (Arrays
        inside `jax.jit` are not checked.)

    References:
      Grover and Leskovec 2016, "node2vec: Scalable Feature Learning for Networks"; Yang et al.
      2019, "KnightKing: A Fast Distributed Graph Random Walk Engine", for the edge back drawn
      apart; Chao 1982, "A General Purpose Unequal Probability Sampling Plan", for the pass.

    >>> triangle = Graph.from_edges([(0, 1), (1, 2), (2, 0)])
    >>> (walk,) = node2vec_walks(jax.random.key(0), triangle, [0], 5, p=1e-6)  # to and fro
    >>> walk[::2].tolist()
    [0, 0, 0]
    """
    for name, value in (("p", p), ("q", q)):
        if not isinstance(value, jax.core.Tracer) and not 1e-20 <= np.asarray(value) <= 1e20:
            raise ValueError(f"{name} must be a number from 1e-20 to 1e20; got {value}")
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
    """Each walk goes on when a node is accepted, and does not wait for the others."""
    rows = jnp.arange(len(starts), dtype=jnp.int32)
    back, away = 1 / jnp.float32(p), 1 / jnp.float32(q)
    most = jnp.maximum(away, 1)

    def go_on(state):
        count, walks, places, tries, picked, total = state
        aside, drawing = jax.random.split(jax.random.fold_in(key, count))
        numbers, chances = random_bits(drawing, (2, len(rows)))
        nodes = walks[rows, jnp.minimum(places, length) - 1]
        before = jnp.where(places > 1, walks[rows, places - 2], _NONE)
        low, high = _ends(graph, nodes)

        def apart():
            bits = random_bits(aside, (len(rows),))
            return _apart(graph, before, low, high, bits, numbers, back / most)

        def together():
            drawn = _any_number(graph, numbers, _top(graph, low, high))
            return jnp.zeros(len(rows), bool), _edges(graph, drawn, low, high)

        returning, proposed = lax.cond(back > most, apart, together)
        passing = (tries >= high - low) & (low < high) & (places < length)
        edges = jnp.where(passing, tries - (high - low) + low, proposed)
        others = jnp.where(low < high, graph.indices[edges], _NONE)
        near = _is_edge(graph, before, others)
        factor = jnp.where(others == before, back, jnp.where(near, 1, away))

        accepted = returning | _below(chances, factor / most)
        accepted |= (before == _NONE) | (others == _NONE)

        def passed():
            weight = factor * _numbers(graph, edges, low)[2]
            sums = jnp.where(passing, total + weight, 0)
            picks = _below(chances, weight / sums) | (weight >= sums)
            return sums, jnp.where(passing & ~picks, picked, others)

        total, picked = lax.cond(passing.any(), passed, lambda: (jnp.zeros_like(total), others))
        accepted = jnp.where(passing, edges == high - 1, accepted) & (places < length)
        walks = walks.at[rows, jnp.where(accepted, places, length)].set(picked, mode="drop")
        places = jnp.where(
            accepted & (picked == _NONE), length, places + accepted.astype(jnp.int32)
        )
        return count + 1, walks, places, jnp.where(accepted, 0, tries + 1), picked, total

    walks = jnp.full((len(starts), length), _NONE, jnp.int32).at[:, 0].set(starts)
    none = jnp.zeros_like(starts)
    state = jnp.int32(0), walks, none + 1, none, none, none.astype(jnp.float32)
    return lax.while_loop(lambda state: (state[2] < length).any(), go_on, state)[1]


def _apart(
    graph: Graph,
    before: jax.Array,
    low: jax.Array,
    high: jax.Array,
    asides: jax.Array,
    numbers: jax.Array,
    factor: jax.Array,
) -> tuple[jax.Array, jax.Array]:
    """Whether a walk returns to the node before, bool[B]; and the edge back, or else another one.

    Args:
      graph: the graph.
      before: the nodes before, int32[B], or -1.
      low, high: the ends of the edges of the nodes now.
      asides, numbers: random, uint32[B].
      factor: of the weight of the edge back, beside the other edges' 1.
    """
    edge = _first(graph.indices, before, low, high)
    first, last, count = _numbers(graph, edge, low)
    there = (edge < high) & (graph.indices[edge] == before) & (count > 0)
    top = _top(graph, low, high)
    rest = top - last + first  # how many numbers are of other edges
    own, other = count * factor, rest.astype(jnp.float32)
    returning = there & (_below(asides, own / (own + other)) | (rest == 0))
    drawn = scale(numbers, rest).astype(jnp.uint32)
    drawn += jnp.where(drawn >= first, last - first + 1, 0)
    drawn = jnp.where(there, drawn, _any_number(graph, numbers, top))
    return returning, jnp.where(returning, edge, _edges(graph, drawn, low, high))


def _below(bits: jax.Array, chance: jax.Array) -> jax.Array:
    """True with a probability, in steps of 2^-32 where it is small."""
    return bits.astype(jnp.float32) < chance * 2.0**32


def _drawn(graph: Graph, nodes: jax.Array, bits: jax.Array) -> jax.Array:
    """A neighbor of each node, int32[B], in proportion to weights; -1 if there is none.

    Args:
      graph: the graph.
      nodes: int32[B], or -1.
      bits: random, uint32[B].
    """
    low, high = _ends(graph, nodes)
    edges = _edges(graph, _any_number(graph, bits, _top(graph, low, high)), low, high)
    return jnp.where(low < high, graph.indices[edges], _NONE)


def _top(graph: Graph, low: jax.Array, high: jax.Array) -> jax.Array:
    """The highest number that draws an edge of a node, uint32[B]."""
    if graph.chosen is None:
        return (high - low - 1).astype(jnp.uint32)
    return jnp.full(low.shape, 2**32 - 1, jnp.uint32)


def _any_number(graph: Graph, bits: jax.Array, top: jax.Array) -> jax.Array:
    """A number from 0 to the top, uint32[B]."""
    return scale(bits, top + 1).astype(jnp.uint32) if graph.chosen is None else bits


def _edges(graph: Graph, numbers: jax.Array, low: jax.Array, high: jax.Array) -> jax.Array:
    """The edges that numbers draw, int32[B]."""
    if graph.chosen is None:
        return low + numbers.astype(jnp.int32)
    return _first(graph.chosen, numbers, low, high)


def _numbers(
    graph: Graph, edges: jax.Array, low: jax.Array
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """The first and the last number that draws an edge, uint32[B]; and how many do, float32[B]:
    none if its weight is too small, and then the last is before the first."""
    if graph.chosen is None:
        number = (edges - low).astype(jnp.uint32)
        return number, number, jnp.ones(edges.shape, jnp.float32)
    last, before = graph.chosen[edges], graph.chosen[edges - 1]
    first = jnp.where(edges > low, before + 1, 0)
    none = (edges > low) & (last == before)
    return first, last, jnp.where(none, 0, (last - first).astype(jnp.float32) + 1)


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
