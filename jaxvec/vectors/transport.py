"""Optimal transport, and the Word Mover's Distance of texts, which it computes."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy import optimize, sparse
from scipy.spatial.distance import cdist

from jaxvec.vectors.keys import Key, key_list
from jaxvec.vectors.ranking import unit
from jaxvec.vectors.table import WordTable


def transport_cost(supply: np.ndarray, demand: np.ndarray, costs: np.ndarray) -> float:
    """The least cost of moving a supply to where the demand is.

    min Σ_ij F_ij C_ij over flows F ≥ 0 with Σ_j F_ij = supply_i and Σ_i F_ij = demand_j,
    solved exactly, as a linear program.

    Args:
      supply: float[n].
      demand: float[m], of the same sum.
      costs: float[n, m], the cost of a unit from i to j, at least 0.

    Raises:
      ValueError: if the sums differ.

    >>> transport_cost(np.array([0.5, 0.5]), np.array([1.0]), np.array([[1.0], [3.0]]))
    2.0
    """
    n, m = costs.shape
    scale = costs.max() or 1.0  # the solver's tolerances are absolute
    flows: Any = sparse.vstack(
        [sparse.kron(sparse.eye(n), np.ones((1, m))), sparse.kron(np.ones((1, n)), sparse.eye(m))]
    )
    solution = optimize.linprog(
        costs.ravel() / scale, A_eq=flows, b_eq=np.concatenate([supply, demand]), method="highs"
    )
    if solution.fun is None:
        raise ValueError(f"no flow from this supply to this demand: {solution.message}")
    return float(solution.fun * scale)


def word_movers_distance(
    vectors: WordTable, document1: Sequence[Key], document2: Sequence[Key], norm: bool = True
) -> float:
    """The Word Mover's Distance of two documents.

    Args:
      vectors: the word vectors.
      document1, document2, norm: as for `WordVectors.wmdistance`.

    Raises:
      ValueError: if a document is a string, and not one word that is known.
    """
    for document in (document1, document2):
        if isinstance(document, str) and document not in vectors:
            raise ValueError(f"a text must be a list of words; got {document[:80]!r}: split it")

    def key(word: Key) -> Key:  # a place, or a word that has a vector by its n-grams alone
        return vectors.get_index(word) if word in vectors else word

    counts = [
        Counter(key(word) for word in key_list(document) if vectors.has_vector_for(word))
        for document in (document1, document2)
    ]
    if not all(counts):
        return float("inf")
    supply, demand = (np.array(list(count.values())) / count.total() for count in counts)
    first, second = (vectors[list(count)].astype(np.float64) for count in counts)
    if norm:
        first, second = unit(first), unit(second)
    return transport_cost(supply, demand, cdist(first, second))
