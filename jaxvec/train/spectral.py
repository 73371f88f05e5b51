"""Spectral initialization: tables whose product approximates the PMI matrix of the text.

From random vectors a model first has to find the directions along which words differ, one after
the other, the strongest first (Saxe, McClelland and Ganguli 2014), and that takes most of a short
run. But skip-gram with negative sampling factorizes the pointwise mutual information of words
and contexts (Levy and Goldberg 2014), and to factorize that of a few million words of the text
takes about a second. GloVe fits the logarithm of a count, which is the PMI plus a number of each of
the two words.

Letters: `V` vocabulary, `T` frequent words, `D` dimension.
"""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from scipy import sparse

from jaxvec import cooccurrence
from jaxvec.models.sgns import Params
from jaxvec.storage.arrays import release, still_whole
from jaxvec.storage.pool import give_back
from jaxvec.text.corpus import Corpus
from jaxvec.train import ppmi

MOST_WORDS = 1 << 13
_STRETCHES = 16  # of the text, spread over it
_WINDOW = 2  # wider ones cost more and help no more
_ITERATIONS = 2  # of the SVD, whose errors training corrects


def tables(
    corpus: Corpus,
    vector_size: int,
    *,
    words: int = 1 << 22,
    window: int = 5,
    symmetric: bool = True,
) -> Params | None:
    """Vectors of the `T` most frequent words, as inputs and as outputs, each float32[T, D].

    They are U √Σ and V √Σ, where U Σ Vᵀ are the `D` leading singular vectors and values of the
    positive PMI of the vocabulary's first `T` words, at most `MOST_WORDS`. So the product of
    an input and an output vector comes near to the PMI of their words. See `ppmi`. The same
    text gives the same bits.

    Args:
      corpus: the text, in memory or memory-mapped.
      vector_size: `D`.
      words: how many of its tokens are counted, in stretches spread evenly over it.
      window: how far apart words are counted, though never more than 2.
      symmetric: count words on both sides, or those after a word alone.

    Returns:
      The tables, of NumPy; None if there are no more words than dimensions, or no two words occur
      together more often than by chance.

    >>> corpus = Corpus.from_documents(["a b", "a b", "a b", "c d", "c d"], min_count=1)
    >>> found = tables(corpus, 2)
    >>> c, d = corpus.vocab.encode(["c", "d"])
    >>> print(f"{found.input[c] @ found.output[d]:.2f}")  # -log of 4^¾ / (2 · 6^¾ + 2 · 4^¾)
    1.55
    """
    size = min(len(corpus.vocab), MOST_WORDS)
    if size <= vector_size:
        return None
    counts = cooccurrence.count(
        _spread(corpus, words), window=min(window, _WINDOW), symmetric=symmetric
    )
    give_back()
    pmi = ppmi.matrix(counts)[:size, :size] if len(counts) else None
    del counts
    return None if pmi is None else _of_pmi(pmi, vector_size)


def of_cells(cells: sparse.csr_array, vector_size: int) -> Params | None:
    """`tables` of counts, with the PMI of the words that these have.

    Args:
      cells: of `T` words, [T, T].
      vector_size: `D`.
    """
    if cells.shape[0] <= vector_size or not cells.nnz:
        return None
    return _of_pmi(ppmi.positive(cells), vector_size)


def _of_pmi(pmi: sparse.csr_array, vector_size: int) -> Params | None:
    """U √Σ and V √Σ of a positive PMI; None if all of it is 0."""
    if not pmi.nnz:
        return None
    factors = ppmi.svd(pmi, vector_size, iterations=_ITERATIONS)
    give_back()
    # on the host: to place them would wait for a compiler that is busy
    tables: Any = (ppmi.weighted(factors, which=name) for name in Params._fields)
    return Params(*tables)


def added(params: Params, head_start: Params | None) -> Params:
    """Tables to whose first T rows the rows of a head start are added, in place.

    Args:
      params: the tables, [V, D] each; donated.
      head_start: tables [T, D], as `tables` returns them; None for nothing to add.
    """
    if head_start is None:
        return params
    return jax.tree.map(_plus, params, head_start)


@functools.partial(jax.jit, donate_argnums=0)
def _plus(table: jax.Array, rows: jax.Array) -> jax.Array:
    ids = jnp.arange(len(rows), dtype=jnp.int32)  # of a table in shards each device takes its own
    return table.at[ids].add(rows)


def _spread(corpus: Corpus, tokens: int) -> Corpus:
    """`tokens` tokens of a corpus in evenly spread stretches, or all if it has no more."""
    if len(corpus) <= tokens:
        return corpus
    length = -(-tokens // _STRETCHES)
    starts = np.linspace(0, len(corpus) - length, _STRETCHES).astype(int)
    parts, offsets = [], [np.zeros(1, np.int64)]
    for i, start in enumerate(starts):
        still_whole(corpus.ids, corpus.offsets)
        inner = corpus.offsets[slice(*np.searchsorted(corpus.offsets, [start + 1, start + length]))]
        offsets.append(np.append(inner - start, length) + i * length)
        parts.append(np.array(corpus.ids[start : start + length]))
        for array in (corpus.ids, corpus.offsets):
            release(array)
    ids = np.concatenate(parts)
    return Corpus(corpus.vocab, ids, np.concatenate(offsets), raw_words=len(ids))
