"""`Graph`: edges as arrays on a device, row by row, with thresholds to draw them by their weights.

Letters: `V` nodes, `E` edges; an undirected edge is two.
"""

from typing import Any, NamedTuple, Self

import jax
import jax.numpy as jnp
import numpy as np

from jaxvec.messages.numbers import check_whole

_MOST_EDGES = 2**31 - 1


class Graph(NamedTuple):
    """The edges of `V` nodes, each node's beside each other: a sparse matrix in CSR form.

    Make one by `from_edges` or `from_csr`, which check them.

    Attributes:
      indptr: the edges of node v are those at ``indptr[v] … indptr[v + 1] - 1``, int32[V + 1].
      indices: the node that each edge leads to, rising within a node, int32[E].
      chosen: the sum of the weights of a node's edges up to this one, as a share of all of its
        edges, in units of 2^-32, less 1, uint32[E]; None if a node's edges have equal weights.
    """

    indptr: jax.Array  # int32[V + 1]
    indices: jax.Array  # int32[E]
    chosen: jax.Array | None  # uint32[E]

    @classmethod
    def from_edges(
        cls,
        edges: Any,
        num_nodes: int | None = None,
        *,
        weights: Any = None,
        directed: bool = False,
    ) -> Self:
        """A graph of pairs of nodes.

        Args:
          edges: the nodes of each edge, numbers from 0, int[E, 2]. The weights of an edge that
            comes twice are added.
          num_nodes: `V`; by default one more than the highest number.
          weights: of the edges, float[E], finite and at least 0, where 0 is no edge; by default 1.
          directed: whether edges lead from the first node to the second only.

        Raises:
          TypeError: if the nodes are not whole numbers.
          ValueError: if an array has another shape, a node is not 0 … V - 1, or a weight is
            negative or not finite.

        >>> graph = Graph.from_edges([(0, 1), (1, 2), (2, 0), (2, 3)])
        >>> graph.indptr.tolist(), graph.indices.tolist()
        ([0, 2, 4, 7, 8], [1, 2, 0, 2, 0, 1, 3, 2])
        """
        from scipy import sparse  # here, as it takes long to load

        pairs = _whole("edges", edges)
        if pairs.ndim != 2 or pairs.shape[1] != 2:
            raise ValueError(f"edges must be pairs of nodes, [E, 2]; got {list(pairs.shape)}")
        most = int(pairs.max(initial=-1)) + 1
        size = most if num_nodes is None else check_whole("num_nodes", num_nodes)
        if pairs.min(initial=0) < 0 or most > size:
            bad = pairs.min() if pairs.min() < 0 else most - 1
            raise ValueError(f"nodes must be numbers from 0 to {size - 1}; got {bad}")
        values = _weights(np.ones(len(pairs)) if weights is None else weights, len(pairs))
        if not directed:
            loops = pairs[:, 0] == pairs[:, 1]  # once, as in the adjacency matrix
            pairs = np.concatenate([pairs, pairs[~loops, ::-1]])
            values = np.concatenate([values, values[~loops]])
        matrix = sparse.coo_array((values, tuple(pairs.T)), (size, size)).tocsr()
        return cls.from_csr(matrix.indptr, matrix.indices, matrix.data)

    @classmethod
    def from_csr(cls, indptr: Any, indices: Any, weights: Any = None) -> Self:
        """A graph of a sparse adjacency matrix: ``Graph.from_csr(m.indptr, m.indices, m.data)``.

        Args:
          indptr: where the edges of each node begin, int[V + 1].
          indices: the node that each edge leads to, int[E]; each once for a node.
          weights: of the edges, float[E], finite and at least 0, where 0 is no edge; by default 1.

        Raises:
          TypeError: if `indptr` or `indices` are not whole numbers.
          ValueError: if they are not of a matrix [V, V], an edge comes twice, there are 2^31 edges
            or more, or a weight is negative or not finite.
        """
        starts, nodes = _whole("indptr", indptr), _whole("indices", indices)
        fitting = starts.ndim == nodes.ndim == 1 and len(starts) > 1 and starts[0] == 0
        if not fitting or starts[-1] != len(nodes) or (starts[1:] < starts[:-1]).any():
            raise ValueError(
                f"indptr must rise from 0 to the {nodes.size} of all edges; got "
                f"{list(starts.shape)}, {starts.ravel()[:3].tolist()} …"
            )
        size = len(starts) - 1
        if nodes.min(initial=0) < 0 or nodes.max(initial=0) >= size:
            raise ValueError(f"indices must be nodes from 0 to {size - 1}")
        values = _weights(np.ones(len(nodes)) if weights is None else weights, len(nodes))
        rows = np.repeat(np.arange(size), np.diff(starts))[values > 0]
        nodes, values = nodes[values > 0], values[values > 0]
        if len(nodes) > _MOST_EDGES:
            raise ValueError(f"there are {len(nodes)} edges; {_MOST_EDGES} are the most")
        if not len(nodes):
            raise ValueError("a graph needs at least one edge of a weight above 0")
        order = np.lexsort((nodes, rows))
        rows, nodes, values = rows[order], nodes[order], values[order]
        if ((rows[1:] == rows[:-1]) & (nodes[1:] == nodes[:-1])).any():
            raise ValueError("an edge comes twice: in SciPy, matrix.sum_duplicates() adds them")
        starts = np.searchsorted(rows, np.arange(size + 1))
        return cls(
            jnp.asarray(starts, jnp.int32), jnp.asarray(nodes, jnp.int32), _chosen(starts, values)
        )

    @property
    def num_nodes(self) -> int:
        """`V`."""
        return len(self.indptr) - 1


def _whole(name: str, given: Any) -> np.ndarray:
    array = np.asarray(given)
    if array.dtype.kind not in "iu" and array.size:
        raise TypeError(f"{name} must be whole numbers; got {array.dtype}")
    return array.astype(np.int64)


def _weights(given: Any, count: int) -> np.ndarray:
    weights = np.asarray(given, np.float64)
    if weights.shape != (count,):
        raise ValueError(f"{count} edges need weights [{count}]; got {list(weights.shape)}")
    if not (np.isfinite(weights) & (weights >= 0)).all():
        raise ValueError("weights must be finite and at least 0")
    return weights


def _chosen(starts: np.ndarray, weights: np.ndarray) -> jax.Array | None:
    """`Graph.chosen` of the weights of edges, float64[E]; None if all of a node are equal."""
    degrees = np.diff(starts)
    first = np.repeat(starts[:-1], degrees)
    if (weights == weights[first]).all():
        return None
    begun = starts[:-1][degrees > 0]
    totals = np.repeat(np.add.reduceat(weights, begun), degrees[degrees > 0])
    sums = np.cumsum(weights / totals)
    sums -= np.append(0, sums)[first]
    sums[starts[1:][degrees > 0] - 1] = 1  # whatever rounding left
    return jnp.asarray(np.clip(np.round(sums * 2.0**32) - 1, 0, 2.0**32 - 1).astype(np.uint32))
