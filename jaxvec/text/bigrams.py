"""Counting and scoring bigrams: pairs of words that follow each other.

Counts are exact: nothing is pruned. Each bigram is one int64 key::

    | bits 63 … 32 | 31 | 30 … 0         |
    | first word   | 0  | second word    |   the words stand side by side
    | first word   | 1  | node of a trie |   connectors stand between them

Words are codes of a `WordIndexer`, connectors the lowest of them. The path from the root of the
trie to the node spells the connectors and the second word: for "bank of the river" the codes of
"of", "the" and "river". Keys are sorted and counted as they come, 2^22 at least, and these runs
are merged. With a `folder` they wait in a temporary file, and only the words are in memory.
"""

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from jaxvec.messages.numbers import check_whole
from jaxvec.storage.pool import cores
from jaxvec.storage.runs import Run, RunStore, merge
from jaxvec.text.indexing import WordIndexer
from jaxvec.text.pieces import Pieces
from jaxvec.text.vocab import word_list

_SORTED = 1 << 22  # keys that are sorted together
_INTERVAL = 1 << 18  # entries of an interval that is merged
_FIRST = 32  # the bit at which the first word begins
_NODE = 1 << 31  # the bit that says that the lower 31 are a node
_CODE_BITS = 31


class Bigrams(NamedTuple):
    """`N` bigrams of a text, and the counts that their scores are made from; gensim's names.

    A bigram is two words that follow each other in a document; connectors may stand between.
    """

    phrases: list[tuple[str, ...]]  # [N], the words, with the connectors between them
    worda_count: np.ndarray  # int64[N], occurrences of the first word
    wordb_count: np.ndarray  # int64[N], of the last word
    bigram_count: np.ndarray  # int64[N], of the bigram
    len_vocab: int  # number of distinct words, connectors left out, and of distinct bigrams
    corpus_word_count: int  # number of words in the text, connectors included


Scorer = Callable[[np.ndarray, np.ndarray, np.ndarray, int, int, int], np.ndarray]
"""A function (worda_count, wordb_count, bigram_count, len_vocab, min_count, corpus_word_count) of
the counts in `Bigrams` to scores, [N]."""


def original_scorer(
    worda_count, wordb_count, bigram_count, len_vocab, min_count, corpus_word_count
):
    """(count(ab) - min_count) · len_vocab / (count(a) · count(b)).

    Args:
      worda_count, wordb_count, bigram_count: [N] or numbers; see `Bigrams`.
      len_vocab, min_count, corpus_word_count: numbers. `len_vocab` is gensim's; word2phrase has
        the number of words of the text in its place, so that its thresholds are higher.

    >>> original_scorer(10, 20, 15, 1000, 5, 10_000)
    50.0

    References:
      Mikolov et al. 2013, "Distributed Representations of Words and Phrases and their
      Compositionality".
    """
    # in floats: the product of two counts may exceed 64 bits
    return (1.0 * bigram_count - min_count) / (1.0 * worda_count * wordb_count) * len_vocab


def npmi_scorer(worda_count, wordb_count, bigram_count, len_vocab, min_count, corpus_word_count):
    """Normalized pointwise mutual information, ln(p(ab) / (p(a) p(b))) / -ln p(ab): -1 to 1.

    Each p is a count divided by `corpus_word_count`.

    Args:
      worda_count, wordb_count, bigram_count: [N] or numbers; see `Bigrams`.
      len_vocab, min_count, corpus_word_count: numbers, of which the first two are not used.

    >>> float(npmi_scorer(10, 10, 10, 0, 5, 100))  # neither occurs without the other
    1.0

    References:
      Bouma 2009, "Normalized (Pointwise) Mutual Information in Collocation Extraction".
    """
    a, b, ab = (n / corpus_word_count for n in (worda_count, wordb_count, bigram_count))
    return np.log(ab / (a * b)) / -np.log(ab)


def count(
    pieces: Pieces,
    *,
    source: str = "documents",
    min_count: int = 5,
    connector_words: Iterable[str] = (),
    folder: str | os.PathLike[str] | None = None,
) -> Bigrams:
    """Counts the bigrams of a text in one pass.

    Args:
      pieces: the words; a document may come in several pieces.
      source: what messages call the text.
      min_count: leave out bigrams that occur less often; `len_vocab` includes them.
      connector_words: words that may stand inside a bigram, any number of them.
      folder: where counts wait in a temporary file; by default in memory, some 16 bytes for
        each bigram of the text.

    Returns:
      The bigrams that occur at least `min_count` times, in order of their keys.

    Raises:
      TypeError: for a word that is no string, or if `min_count` is no whole number.
      ValueError: if there is no word, or `min_count` is below 1.

    >>> found = count([(["bank", "of", "china", "of"], True)], min_count=1, connector_words=["of"])
    >>> found.phrases, found.bigram_count.tolist(), found.len_vocab, found.corpus_word_count
    ([('bank', 'of', 'china')], [1], 3, 4)
    """
    check_whole("min_count", min_count)
    indexer, trie = WordIndexer(), _Trie()
    distinct_connectors = dict.fromkeys(word_list(connector_words, "connector_words"))
    connectors = len([indexer.codes[word] for word in distinct_connectors])
    handles: list[Any] = []
    waiting: list[np.ndarray] = []
    open_end = np.zeros(0, np.int32)
    with RunStore(None if folder is None else Path(folder)) as store:
        for codes, ends in indexer.batches(pieces):
            start = indexer.tokens - len(codes) - len(open_end)
            codes = np.concatenate([open_end, codes])
            keys, open_end = _keys(codes, np.array(ends, np.int64) - start, connectors, trie)
            waiting.append(keys)
            if sum(map(len, waiting)) >= _SORTED:
                handles.append(store.add(_counted(waiting)))
                waiting = []
        word_list(indexer.codes)  # raises
        if not indexer.tokens:
            raise ValueError(f"no words in {source}: expected text with at least one word")
        if waiting:
            handles.append(store.add(_counted(waiting)))
        distinct, often = 0, [(np.zeros(0, np.int64), np.zeros(0, np.int64))]
        for run in merge(store.load(handles), _INTERVAL, cores()):
            distinct += len(run.keys)
            kept = run.sums >= min_count
            often.append((run.keys[kept], run.sums[kept]))
    key, sums = (np.concatenate(side) for side in zip(*often, strict=True))
    first, second = key >> _FIRST, key & ((1 << _FIRST) - 1)
    words = list(indexer.codes)
    edges = list(trie.nodes)
    tails = [_spelled(edges, low - _NODE) if low >= _NODE else [low] for low in second.tolist()]
    last = np.array([tail[-1] for tail in tails], np.int64)
    return Bigrams(
        [(words[a], *(words[b] for b in tail)) for a, tail in zip(first, tails, strict=True)],
        indexer.counts[first],
        indexer.counts[last],
        sums,
        len(words) - connectors + distinct,
        indexer.tokens,
    )


class _Trie:
    """A trie of sequences of codes. The root is node 0; the others count up as they are made."""

    def __init__(self) -> None:
        self.nodes: dict[int, int] = {}  # edge (parent << 31 | code) to node, in order of nodes

    def children(self, parents: np.ndarray, codes: np.ndarray) -> np.ndarray:
        """The node that each code leads to from its parent, made if there is none: int64[n]."""
        edges, inverse = np.unique((parents << _CODE_BITS) | codes, return_inverse=True)
        number = self.nodes.setdefault
        return np.array([number(edge, len(self.nodes) + 1) for edge in edges.tolist()])[inverse]


def _spelled(edges: list[int], node: int) -> list[int]:
    """The codes on the path from the root to a node; ``edges[i]`` is the edge to node i + 1."""
    codes = []
    while node:
        edge = edges[node - 1]
        codes.append(edge & ((1 << _CODE_BITS) - 1))
        node = edge >> _CODE_BITS
    return codes[::-1]


def _keys(
    codes: np.ndarray, ends: np.ndarray, connectors: int, trie: _Trie
) -> tuple[np.ndarray, np.ndarray]:
    """The keys of the bigrams in a batch.

    Args:
      codes: int32[n], after the open end of the batch before.
      ends: int64, the places where documents end.
      connectors: codes below this are connectors.
      trie: gets the paths from first words to second words across connectors.

    Returns:
      (keys, open_end): int64[P], and the codes from the last word of an unfinished document on,
      with which a bigram of this batch and the next begins.
    """
    places = np.flatnonzero(codes >= connectors)
    documents = np.searchsorted(ends, places, "right")
    unfinished = len(places) and documents[-1] == len(ends)
    open_end = codes[places[-1] :] if unfinished else codes[:0]
    same_document = documents[1:] == documents[:-1]
    left, right = places[:-1][same_document], places[1:][same_document]
    second = codes[right].astype(np.int64)
    apart = np.flatnonzero(right - left > 1)
    if len(apart):
        start = left[apart]
        lengths, nodes = right[apart] - start, np.zeros(len(apart), np.int64)
        for step in range(1, lengths.max() + 1):
            longer = lengths >= step
            nodes[longer] = trie.children(nodes[longer], codes[start[longer] + step])
        second[apart] = _NODE + nodes
    return (codes[left].astype(np.int64) << _FIRST) | second, open_end


def _counted(waiting: list[np.ndarray]) -> Run:
    """The keys that wait, sorted, with how often each occurs."""
    return Run(*np.unique(np.concatenate(waiting), return_counts=True))
