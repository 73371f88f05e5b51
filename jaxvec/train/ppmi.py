"""Positive pointwise mutual information and its truncated SVD: word vectors without training.

Pure functions of counts, in NumPy and SciPy; nothing here starts JAX.

Letters: `V` vocabulary size, `D` vector size, `N` nonzero cells.
"""

from collections.abc import Iterator
from typing import Annotated, NamedTuple

import numpy as np
from scipy import sparse
from threadpoolctl import threadpool_limits

from jaxvec.cooccurrence import Cooccurrence
from jaxvec.messages.kinds import kind
from jaxvec.messages.numbers import check_number, check_whole
from jaxvec.storage.arrays import release, still_whole
from jaxvec.storage.pool import cores, ordered_map
from jaxvec.train.options import Option, VectorSize
from jaxvec.vectors.word_vectors import WordVectors

_CELLS = 1 << 22  # cells of a slice of rows
_OVERSAMPLES = 20  # random directions beyond `D`
_COLUMNS = 32  # columns of one product, few enough for a core's cache
_ZERO = 1e-6  # singular values below this share of the largest are rounding errors


class Factors(NamedTuple):
    """A truncated singular value decomposition M ≈ U Σ Vᵀ."""

    u: np.ndarray  # float32[V, D], left singular vectors: words
    s: np.ndarray  # float32[D], the largest singular values, falling
    v: np.ndarray  # float32[V, D], right singular vectors: contexts


def matrix(counts: Cooccurrence, *, cds: float = 0.75, shift: float = 1.0) -> sparse.csr_array:
    """The shifted positive PMI of each cell, as a sparse matrix.

        M[w, c] = max(0, log(#(w, c) / #(w)) - log(#(c)^α / Σ_c' #(c')^α) - log k)

    #(w) and #(c) are the sums of row w and column c. Cells without a count are 0.

    Args:
      counts: the counts, in memory or memory-mapped.
      cds: α, the exponent of context distribution smoothing: below 1 it lowers the PMI of rare
        contexts; 1 is plain PMI.
      shift: k; it corresponds to k negative samples of skip-gram, which factorizes PMI - log k.

    Returns:
      float32[V, V] in compressed sparse rows, with positive cells only.

    Raises:
      TypeError: if `counts` are no Cooccurrence, or `cds` or `shift` is no number.
      ValueError: if `cds` is below 0 or `shift` below 1.

    >>> from jaxvec import Corpus, cooccurrence
    >>> corpus = Corpus.from_documents(["a b", "a b", "c d", "c d"], min_count=1)
    >>> print(matrix(cooccurrence.count(corpus), cds=1).toarray()[0].round(3))  # log 4
    [0.    1.386 0.    0.   ]

    References:
      Levy and Goldberg 2014, "Neural Word Embedding as Implicit Matrix Factorization".
      Levy, Goldberg and Dagan 2015, "Improving Distributional Similarity with Lessons Learned
      from Word Embeddings", for `cds`.
    """
    if not isinstance(counts, Cooccurrence):
        raise TypeError(
            f"counts must be a Cooccurrence; got {kind(counts)}: write "
            "cooccurrence.count(corpus, window=5)"
        )
    check_number("cds", cds)
    check_number("shift", shift)
    if not 0 <= cds < np.inf:
        raise ValueError(f"cds must be 0 or positive; got {cds}")
    if not 1 <= shift < np.inf:
        raise ValueError(f"shift must be at least 1; got {shift}")
    return positive(counts.matrix(), cds=cds, shift=shift)


def positive(cells: sparse.csr_array, *, cds: float = 0.75, shift: float = 1.0) -> sparse.csr_array:
    """`matrix` of counts [V, V] that are no `Cooccurrence`.

    Args:
      cells: the counts, none below 0.
      cds, shift: as for `matrix`.
    """
    size = cells.shape[0]
    rows, columns = np.zeros(size), np.zeros(size)
    for part, words, contexts, data in _row_slices(cells):
        rows[part] = np.bincount(words, data, part.stop - part.start)
        columns += np.bincount(contexts, data, size)
    smoothed = np.where(columns > 0, columns, 1) ** cds
    of_context = np.log(smoothed[columns > 0].sum()) - np.log(smoothed) - np.log(shift)
    of_word = -np.log(np.where(rows > 0, rows, 1))

    lengths = np.zeros(size + 1, np.int64)
    kept_contexts, kept = [np.empty(0, np.int32)], [np.empty(0, np.float32)]
    for part, words, contexts, data in _row_slices(cells):
        pmi = (np.log(data) + of_word[part][words] + of_context[contexts]).astype(np.float32)
        positive = pmi > 0
        lengths[1:][part] = np.bincount(words[positive], minlength=part.stop - part.start)
        kept_contexts.append(contexts[positive])
        kept.append(pmi[positive])
    indptr = np.cumsum(lengths)
    indptr = indptr.astype(np.int32) if indptr[-1] < 2**31 else indptr
    indices = np.concatenate(kept_contexts).astype(indptr.dtype, copy=False)
    return sparse.csr_array((np.concatenate(kept), indices, indptr), shape=(size, size))


def svd(
    matrix: sparse.csr_array, vector_size: int = 100, *, iterations: int = 6, seed: int = 1
) -> Factors:
    """The truncated singular value decomposition of a sparse matrix, by random projection.

    The range of (M Mᵀ)^q M G, with a random G [V, D + 20], approximates the span of the leading
    singular vectors, the better the larger q; the decomposition within it is small. Signs make
    the entry of largest magnitude in each column of `u` positive. The bits do not depend on the
    number of cores.

    Args:
      matrix: float32[V, V].
      vector_size: `D`.
      iterations: q. More of them change vectors, but hardly their scores.
      seed: of G.

    Raises:
      TypeError: if `matrix` is not sparse, or a number is not whole.
      ValueError: if `vector_size` is not from 1 to `V`, `iterations` is below 0, or all cells
        are 0.

    >>> factors = svd(sparse.csr_array(np.diag([1.0, 3.0, 2.0])), 2)
    >>> print(factors.s.round(3), np.abs(factors.u.T.round(3)).tolist())
    [3. 2.] [[0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]

    References:
      Halko, Martinsson and Tropp 2011, "Finding Structure with Randomness: Probabilistic
      Algorithms for Constructing Approximate Matrix Decompositions", algorithm 4.4.
    """
    if not sparse.issparse(matrix):
        raise TypeError(
            f"matrix must be sparse, such as ppmi.matrix(counts); got {kind(matrix)}: write "
            "scipy.sparse.csr_array(matrix)"
        )
    vector_size = check_whole("vector_size", vector_size)
    check_whole("iterations", iterations, least=0)
    size = matrix.shape[0]
    if not 1 <= vector_size <= size:
        raise ValueError(
            f"vector_size must be from 1 to {size}, as there are {size} words; got {vector_size}"
        )
    if not matrix.nnz:
        raise ValueError(
            "no cell is above 0, so there is nothing to learn from: lower the shift or take more "
            "text"
        )
    directions = size, min(size, vector_size + _OVERSAMPLES)
    start = np.random.default_rng(seed).standard_normal(directions, np.float32)
    with threadpool_limits(1):  # of BLAS: more win little, and its bits depend on their number
        basis = _thin_svd(_product(matrix, start))[0]
        for _ in range(iterations):
            back = _thin_svd(_product(matrix.T, basis))[0]
            basis = _thin_svd(_product(matrix, back))[0]
        v, s, rotation = _thin_svd(_product(matrix.T, basis))
        u = basis @ rotation
    signs = np.sign(np.take_along_axis(u, np.abs(u).argmax(axis=0)[None], axis=0))
    kept = slice(vector_size)
    factors = (u * signs)[:, kept], s[kept], (v * signs)[:, kept]
    return Factors(*(np.ascontiguousarray(a, np.float32) for a in factors))


def _product(matrix: sparse.csr_array | sparse.csc_array, tall: np.ndarray) -> np.ndarray:
    """The product of a sparse matrix [V, V] and a dense one [V, n], on all cores.

    Groups of columns are multiplied separately, so that the bits do not depend on the cores.
    """
    parts = np.array_split(tall, -(-tall.shape[1] // _COLUMNS), axis=1)
    return np.hstack(list(ordered_map(lambda part: matrix @ part, parts, cores())))


def _thin_svd(tall: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The thin SVD U Σ Wᵀ of a matrix [V, n], from the eigenvectors of its Gram matrix, in float64.

    LAPACK's SVD synchronizes the threads of BLAS at many small steps, which took ten times as long
    on a busy machine. Squaring costs half the digits of float64, which leaves enough for float32.

    Returns:
      U float32[V, n], Σ float64[n] and W float32[n, n].
    """
    tall = tall.astype(np.float64)
    squares, w = np.linalg.eigh(tall.T @ tall)
    squares, w = squares[::-1], w[:, ::-1]
    real = squares > _ZERO**2 * squares[0]
    s = np.sqrt(np.where(real, squares, 0))
    u = tall @ (w * np.where(real, 1 / np.where(real, s, 1), 0))
    return u.astype(np.float32), s, w.astype(np.float32)


def weighted(
    factors: Factors, *, eigenvalue_weighting: float = 0.5, which: str = "input"
) -> np.ndarray:
    """A table of vectors: U Σ^p for words, V Σ^p for contexts, or their sum.

    Args:
      factors: the result of `svd`.
      eigenvalue_weighting: p. With 1 the products of vectors approximate M Mᵀ; a smaller p makes
        the leading dimensions dominate less.
      which: ``"input"`` for words, ``"output"`` for contexts, ``"sum"`` for w + c.

    Returns:
      float32[V, D]; dimensions whose singular value is 0 are 0.

    Raises:
      TypeError: if `eigenvalue_weighting` is no number.
      ValueError: if `eigenvalue_weighting` is below 0, or there is no such table.

    >>> factors = Factors(np.eye(2), np.array([4.0, 1.0]), np.eye(2))
    >>> weighted(factors).tolist()
    [[2.0, 0.0], [0.0, 1.0]]

    References:
      Levy, Goldberg and Dagan 2015, "Improving Distributional Similarity with Lessons Learned
      from Word Embeddings", sections 3.3 and 7.
    """
    check_number("eigenvalue_weighting", eigenvalue_weighting)
    if not 0 <= eigenvalue_weighting < np.inf:
        raise ValueError(f"eigenvalue_weighting must be 0 or positive; got {eigenvalue_weighting}")
    if which not in ("input", "output", "sum"):
        raise ValueError(f"vectors must be 'input', 'output' or 'sum'; got {which!r}")
    real = factors.s > _ZERO * factors.s.max()
    scale = np.where(real, factors.s, 1) ** eigenvalue_weighting * real
    tables = {"input": factors.u, "output": factors.v}
    table = factors.u + factors.v if which == "sum" else tables[which]
    return (table * scale).astype(np.float32)


def vectors(
    counts: Cooccurrence,
    *,
    vector_size: VectorSize = 100,
    cds: Annotated[float, Option("raise counts of contexts to the power A", "A", least=0)] = 0.75,
    shift: Annotated[float, Option("subtract log K from each PMI", "K", least=1)] = 1.0,
    eigenvalue_weighting: Annotated[
        float, Option("weigh dimensions by singular values to the power P", "P", least=0)
    ] = 0.5,
    which: str = "input",
    seed: int = 1,
) -> WordVectors:
    """Word vectors from counts: `matrix`, then `svd`, then `weighted`.

    Args:
      counts: the counts.
      vector_size: `D`.
      cds, shift: as for `matrix`.
      eigenvalue_weighting, which: as for `weighted`.
      seed: as for `svd`.

    Returns:
      Vectors, zeros for a word without a positive cell. Their metadata have ``positive_cells``,
      the number of positive cells, and ``explained``, the share of their sum of squares that `D`
      dimensions account for.

    Raises:
      TypeError, ValueError: as `matrix`, `svd` and `weighted`.

    >>> from jaxvec import Corpus, cooccurrence
    >>> corpus = Corpus.from_documents(["a b", "a c", "d e", "d f"] * 9, min_count=1)
    >>> found = vectors(cooccurrence.count(corpus), vector_size=4)
    >>> found.most_similar("b", topn=1)[0][0], round(found.metadata["explained"], 3)
    ('c', 1.0)
    """
    positive = matrix(counts, cds=cds, shift=shift)
    factors = svd(positive, vector_size, seed=seed)
    table = weighted(factors, eigenvalue_weighting=eigenvalue_weighting, which=which)
    known = np.zeros(len(table), bool)  # the others' vectors are zeros up to rounding
    if which != "output":
        known |= np.diff(positive.indptr) > 0
    if which != "input":
        known[positive.indices] = True
    table[~known] = 0
    squares = np.square(positive.data, dtype=np.float64).sum()
    explained = np.square(factors.s, dtype=np.float64).sum() / squares
    vocab = counts.vocab
    metadata = {"positive_cells": positive.nnz, "explained": float(explained)}
    vectors = WordVectors(vocab.words, table, counts=vocab.counts, metadata=metadata)
    vectors.sort_by_descending_frequency()
    return vectors


def _row_slices(
    counts: sparse.csr_array,
) -> Iterator[tuple[slice, np.ndarray, np.ndarray, np.ndarray]]:
    """Splits a matrix of counts into slices of rows with about `_CELLS` cells each.

    Yields:
      (rows, words, contexts, data): the slice of rows, and for each of its cells the row within
      the slice int64[n], the column int32[n] and the count float64[n].
    """
    ends = np.asarray(counts.indptr)
    edges = np.searchsorted(ends[:-1], np.arange(0, int(ends[-1]) + _CELLS, _CELLS)).tolist()
    for first, last in zip(edges, [*edges[1:], len(ends) - 1], strict=True):
        cells = slice(ends[first], ends[last])
        still_whole(counts.indices, counts.data)
        words = np.repeat(np.arange(last - first), np.diff(ends[first : last + 1]))
        data = counts.data[cells].astype(np.float64)
        yield slice(first, last), words, np.array(counts.indices[cells]), data
        release(counts.indices)
        release(counts.data)
