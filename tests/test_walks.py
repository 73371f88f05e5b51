"""Random walks: each step against the probabilities that the definition gives, by chi-square."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import sparse, stats

from jaxvec import Corpus, SkipGram, fit
from jaxvec.graphs import Graph, node2vec_walks, uniform_walks
from tests.compiled import KEY

V = 9


def adjacency(seed=0, weighted=True, directed=True):
    """Weights of a random graph of V nodes, float64[V, V]; the last node is a dead end."""
    rng = np.random.default_rng(seed)
    weights = (rng.random((V, V)) < 0.45) * (rng.integers(1, 9, (V, V)) if weighted else 1.0)
    if not directed:
        weights = np.maximum(weights, weights.T)
    weights[-1] = 0
    if not directed:
        weights[:, -1] = 0
    return weights.astype(float)


def graph_of(weights):
    matrix = sparse.csr_array(weights)
    return Graph.from_csr(matrix.indptr, matrix.indices, matrix.data)


def chances(weights, before, node, p, q):
    """The probability of each next node, as node2vec's paper has it, one by one."""
    found = np.zeros(V)
    for x in range(V):
        bias = 1.0
        if before is not None:
            bias = 1 / p if x == before else 1.0 if weights[before, x] else 1 / q
        found[x] = weights[node, x] * bias
    return found / found.sum()


def check_steps(walks, weights, p=1.0, q=1.0):
    """Chi-square of all steps of the walks; those of one (before, node) have one distribution.

    What is expected less than five times is one cell of all steps, of Poisson's distribution.
    """
    walks = np.asarray(walks)
    dead = ~weights.any(1)
    nodes, following = walks[:, :-1], walks[:, 1:]
    assert ((following == -1) == ((nodes == -1) | dead[nodes])).all()
    counts = np.zeros((V + 1, V, V))  # the last is of first steps
    before = np.concatenate([np.full((len(walks), 1), V), walks[:, :-2]], axis=1)
    there = following >= 0
    np.add.at(counts, (before[there], nodes[there], following[there]), 1)
    total, freedom, rare, rarely = 0.0, 0, 0.0, 0.0
    asked = np.argwhere(counts.any(2)).tolist()
    for before, node in asked:
        seen = counts[before, node]
        expected = chances(weights, None if before == V else before, node, p, q) * seen.sum()
        assert not seen[expected == 0].any()
        often = expected >= 5
        total += (np.square(seen - expected)[often] / expected[often]).sum()
        freedom += max(often.sum() - 1, 0)
        rare, rarely = rare + expected[~often].sum(), rarely + seen[~often].sum()
    assert len(asked) > 30
    assert stats.chi2.sf(total, freedom) > 1e-3, (total, freedom)
    assert min(stats.poisson.sf(rarely - 1, rare), stats.poisson.cdf(rarely, rare)) > 1e-4


@pytest.mark.parametrize("plain", [True, False], ids=["edges", "arrows with weights"])
@pytest.mark.parametrize("p", [1e-6, 0.25, 1, 4, 1e6])
@pytest.mark.parametrize("q", [1e-6, 0.25, 1, 4, 1e6])
def test_steps_have_their_probabilities(plain, p, q, strict_dtypes):
    weights = adjacency(weighted=not plain, directed=not plain)
    starts = np.tile(np.arange(V), 800)
    walks = node2vec_walks(KEY, graph_of(weights), starts, 6, p=p, q=q)
    assert (walks.dtype, walks.shape) == (jnp.int32, (len(starts), 6))
    assert np.array_equal(walks[:, 0], starts)
    check_steps(walks, weights, p, q)
    if p == q == 1:
        check_steps(uniform_walks(KEY, graph_of(weights), starts, 6), weights)


@pytest.mark.parametrize("p", [1e-20, 1e20])
@pytest.mark.parametrize("q", [1e-20, 1e20])
def test_walks_do_not_hang_where_all_neighbors_are_unlikely(p, q):
    """At leaves, in stars, in bipartite graphs, in cliques, and with weights of all sizes."""
    star = np.zeros((V, V))
    star[0, 1:] = star[1:, 0] = 1
    clique = 1 - np.eye(V)
    sides = (np.arange(V)[:, None] + np.arange(V)) % 2
    sizes = clique * 10.0 ** -np.arange(V)
    for weights in (star, clique, sides, sizes):
        walks = np.asarray(node2vec_walks(KEY, graph_of(weights), np.arange(V), 30, p=p, q=q))
        assert weights[walks[:, :-1], walks[:, 1:]].all()
        assert p >= q or (walks[:, 2:] == walks[:, :-2]).all()


def test_walks_are_pure_and_compiled_once_for_all_p_and_q():
    graph = graph_of(adjacency())
    starts = jnp.arange(V)
    one = node2vec_walks(KEY, graph, starts, 7, p=0.5, q=2.0)
    with jax.log_compiles(), pytest.raises(AssertionError), _none_compiled():
        node2vec_walks(KEY, graph, starts, 8)  # another length
    with _none_compiled():
        assert np.array_equal(one, node2vec_walks(KEY, graph, starts, 7, p=0.5, q=2.0))
        other = node2vec_walks(jax.random.key(1), graph, starts, 7, p=3.0, q=0.1)
    assert not np.array_equal(one, other)
    keys = jax.random.split(KEY, 3)
    many = jax.vmap(lambda key: uniform_walks(key, graph, starts, 5))(keys)
    for key, walks in zip(keys, many, strict=True):
        assert np.array_equal(walks, uniform_walks(key, graph, starts, 5))
    assert node2vec_walks(KEY, graph, [3], 1).tolist() == [[3]]
    assert uniform_walks(KEY, graph, [3], 1).tolist() == [[3]]


class _none_compiled:
    def __enter__(self):
        from jaxvec.graphs import walks

        self.sizes = lambda: (walks._uniform._cache_size(), walks._node2vec._cache_size())
        self.before = self.sizes()

    def __exit__(self, *error):
        assert self.sizes() == self.before


def test_a_graph_of_edges_is_that_of_its_matrix():
    edges = [(0, 1), (1, 2), (0, 1), (3, 3), (2, 0)]
    graph = Graph.from_edges(edges, 5)
    expected = np.zeros((5, 5))
    for a, b in edges:
        expected[a, b] += 1
        if a != b:
            expected[b, a] += 1
    for one, other in zip(graph, graph_of(expected), strict=True):
        assert np.array_equal(one, other)
    assert graph.num_nodes == 5
    assert graph.indices[graph.indptr[4] :].tolist() == []
    assert Graph.from_edges([(0, 1), (1, 2)]).chosen is None
    dropped = Graph.from_edges([(0, 1), (0, 2)], weights=[1, 0.0])
    assert dropped.indices.tolist() == [1, 0]


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: Graph.from_edges([(0, 1.5)]), TypeError, "edges must be whole numbers"),
        (lambda: Graph.from_edges([0, 1]), ValueError, r"edges must be pairs .* got \[2\]"),
        (lambda: Graph.from_edges([(0, -1)]), ValueError, "from 0 to 0; got -1"),
        (lambda: Graph.from_edges([(0, 5)], 3), ValueError, "from 0 to 2; got 5"),
        (lambda: Graph.from_edges(np.zeros((0, 2), int), 3), ValueError, "at least one edge"),
        (lambda: Graph.from_edges([(0, 1)], weights=[1, 2]), ValueError, r"need weights \[1\]"),
        (lambda: Graph.from_edges([(0, 1)], weights=[-1]), ValueError, "at least 0"),
        (lambda: Graph.from_edges([(0, 1)], weights=[np.nan]), ValueError, "finite"),
        (lambda: Graph.from_csr([0, 2], [0]), ValueError, "rise from 0 to the 1"),
        (lambda: Graph.from_csr([0, 2, 1], [0]), ValueError, "rise from 0 to the 1"),
        (lambda: Graph.from_csr([0, 1], [1]), ValueError, "nodes from 0 to 0"),
        (lambda: Graph.from_csr([0, 2, 2], [1, 1]), ValueError, "an edge comes twice"),
        (lambda: Graph.from_csr([0.0, 1], [0]), TypeError, "indptr must be whole"),
        (lambda: walk([9]), ValueError, "starts must be nodes from 0 to 8"),
        (lambda: walk([-1]), ValueError, "starts must be nodes from 0 to 8"),
        (lambda: walk([0.5]), TypeError, r"starts must be whole numbers \[B\]; got float64 \[1\]"),
        (lambda: walk(3), TypeError, "starts must be whole"),
        (lambda: walk([0], length=0), ValueError, "length must be at least 1"),
        (lambda: walk([0], p=0.0), ValueError, "p must be a number from 1e-20 to 1e20; got 0.0"),
        (lambda: walk([0], q=np.inf), ValueError, "q must be a number from 1e-20"),
    ],
)
def test_bad_graphs_and_starts(call, error, message):
    with pytest.raises(error, match=message):
        call()


def walk(starts, length=3, **options):
    return node2vec_walks(KEY, graph_of(adjacency()), starts, length, **options)


def test_walks_find_communities():
    """DeepWalk on a stochastic block model: the nearest nodes are of the same block."""
    rng = np.random.default_rng(0)
    blocks = np.repeat(np.arange(3), 20)
    linked = rng.random((60, 60)) < np.where(blocks[:, None] == blocks, 0.4, 0.02)
    graph = Graph.from_edges(np.argwhere(np.triu(linked, 1)), 60)
    walks = uniform_walks(KEY, graph, np.tile(np.arange(60), 10), 40)
    corpus = Corpus.from_ids(np.asarray(walks))
    wv = fit(corpus, SkipGram(vector_size=16, sample=0), key=KEY, epochs=3).vectors()
    near = [[int(other) for other, _ in wv.most_similar(str(v), topn=3)] for v in range(60)]
    assert (blocks[np.array(near)] == blocks[:, None]).mean() > 0.95
