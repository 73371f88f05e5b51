"""Counting which words follow each other, and scoring those that do so often.

Counts are exact: nothing is pruned. Text passes by a batch at a time; pairs of word numbers
are packed into one integer and sorted, and the sorted runs of sums are merged. With a
`folder` they wait in a temporary file, and memory has the words alone to hold.
"""

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from jaxvec.storage.pool import cores
from jaxvec.storage.runs import RunStore, merge, sum_sorted
from jaxvec.text.indexing import WordIndexer
from jaxvec.text.pieces import Pieces
from jaxvec.text.vocab import word_list

_CHUNK = 1 << 22  # pairs that are sorted at a time
_BLOCK = 1 << 18  # entries merged at a time
_HALF = 32  # bits of a key that tell how a bigram goes on after its first word
_TAIL = 1 << 31  # from here on they number a path of connectors and a word, below a word


class Bigrams(NamedTuple):
    """`N` bigrams of a text, and what their scores are made from; gensim's names.

    A bigram is two words that follow each other in a document, but for connectors between.
    """

    phrases: list[tuple[str, ...]]  # [N], the words, with the connectors between them
    worda_count: np.ndarray  # int64[N], how often the first word occurs
    wordb_count: np.ndarray  # int64[N], and the last one
    bigram_count: np.ndarray  # int64[N], and all of it
    len_vocab: int  # how many words, but for connectors, and bigrams the text has, each once
    corpus_word_count: int  # words of the text, connectors too


Scorer = Callable[[np.ndarray, np.ndarray, np.ndarray, int, int, int], np.ndarray]
"""From the fields of `Bigrams` but the first, with ``min_count`` before the last, to scores."""


def original_scorer(
    worda_count, wordb_count, bigram_count, len_vocab, min_count, corpus_word_count
):
    """(count(ab) - min_count) · len_vocab / (count(a) · count(b)).

    >>> original_scorer(10, 20, 15, 1000, 5, 10_000)
    50.0

    Source: Mikolov et al. 2013, "Distributed Representations of Words and Phrases and their
    Compositionality". `len_vocab` is gensim's; word2phrase has the number of words of the text
    in its place, so that its thresholds are higher.
    """
    # by floats: the product of two counts may not fit 64 bits
    return (1.0 * bigram_count - min_count) / (1.0 * worda_count * wordb_count) * len_vocab


def npmi_scorer(worda_count, wordb_count, bigram_count, len_vocab, min_count, corpus_word_count):
    """Normalized pointwise mutual information, ln(p(ab) / (p(a) p(b))) / -ln p(ab): -1 to 1.

    A p is a count divided by that of all words of the text.

    >>> float(npmi_scorer(10, 10, 10, 0, 5, 100))  # neither occurs without the other
    1.0

    Source: Bouma 2009, "Normalized (Pointwise) Mutual Information in Collocation Extraction".
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
    """Counts the bigrams of a text, read once; gives those that occur `min_count` times.

    Args:
      pieces: the words; a document may come in several pieces.
      source: what messages call the text.
      min_count: leave out bigrams that are rarer; they count in `len_vocab`.
      connector_words: words that may stand inside a bigram, any number of them.
      folder: where counts wait in a temporary file; by default in memory, some 16 bytes for
        each bigram of the text.

    Raises:
      TypeError: for a word that is no string.
      ValueError: if there is no word.

    >>> found = count([(["bank", "of", "china", "of"], True)], min_count=1, connector_words=["of"])
    >>> found.phrases, found.bigram_count.tolist(), found.len_vocab, found.corpus_word_count
    ([('bank', 'of', 'china')], [1], 3, 4)
    """
    indexer, paths = WordIndexer(), _Paths()
    connectors = len([indexer.codes[word] for word in dict.fromkeys(connector_words)])
    store = RunStore(None if folder is None else Path(folder))
    handles: list[Any] = []
    waiting: list[np.ndarray] = []
    rest = np.zeros(0, np.int32)
    with store:
        for codes, ends in indexer.batches(pieces):
            begin = indexer.tokens - len(codes) - len(rest)
            codes = np.concatenate([rest, codes])
            keys, rest = _keys(codes, np.array(ends, np.int64) - begin, connectors, paths)
            waiting.append(keys)
            if sum(map(len, waiting)) >= _CHUNK:
                handles.append(store.add(_summed(waiting)))
                waiting = []
        word_list(indexer.codes)  # raises
        if not indexer.tokens:
            raise ValueError(f"no words in {source}: expected text with at least one word")
        if waiting:
            handles.append(store.add(_summed(waiting)))
        distinct, often = 0, [(np.zeros(0, np.int64), np.zeros(0))]
        for run in merge(store.load(handles), _BLOCK, cores()):
            distinct += len(run.keys)
            kept = run.sums >= min_count
            often.append((run.keys[kept], run.sums[kept]))
    key, sums = (np.concatenate(side) for side in zip(*often, strict=True))
    first, second = key >> _HALF, key & ((1 << _HALF) - 1)
    words = list(indexer.codes)
    edges = list(paths.nodes)
    tails = [_path(edges, tail - _TAIL) if tail >= _TAIL else [tail] for tail in second.tolist()]
    last = np.array([tail[-1] for tail in tails], np.int64)
    return Bigrams(
        [(words[a], *(words[b] for b in tail)) for a, tail in zip(first, tails, strict=True)],
        indexer.counts[first],
        indexer.counts[last],
        sums.astype(np.int64),
        len(words) - connectors + distinct,
        indexer.tokens,
    )


class _Paths:
    """Numbers sequences of codes: a tree, each node numbered as it first comes, the root 0."""

    def __init__(self) -> None:
        self.nodes: dict[int, int] = {}  # (parent << 31 | code) to node

    def step(self, parents: np.ndarray, codes: np.ndarray) -> np.ndarray:
        """The nodes that codes lead to."""
        edges, inverse = np.unique((parents << 31) | codes, return_inverse=True)
        number = self.nodes.setdefault
        return np.array([number(edge, len(self.nodes) + 1) for edge in edges.tolist()])[inverse]


def _path(edges: list[int], node: int) -> list[int]:
    """The codes that lead to a node."""
    codes = []
    while node:
        edge = edges[node - 1]
        codes.append(edge & (1 << 31) - 1)
        node = edge >> 31
    return codes[::-1]


def _keys(
    codes: np.ndarray, ends: np.ndarray, connectors: int, paths: _Paths
) -> tuple[np.ndarray, np.ndarray]:
    """The key of each bigram, and the end of the text that one across batches would begin with.

    Args:
      codes: int32; those below `connectors` are connectors.
      ends: where documents end.
    """
    places = np.flatnonzero(codes >= connectors)
    documents = np.searchsorted(ends, places, "right")
    open_end = len(places) and documents[-1] == len(ends)
    rest = codes[places[-1] :] if open_end else codes[:0]
    together = documents[1:] == documents[:-1]
    left, right = places[:-1][together], places[1:][together]
    second = codes[right].astype(np.int64)
    apart = np.flatnonzero(right - left > 1)
    if len(apart):
        left_apart = left[apart]
        lengths, nodes = right[apart] - left_apart, np.zeros(len(apart), np.int64)
        for step in range(1, lengths.max() + 1):
            going = lengths >= step
            nodes[going] = paths.step(nodes[going], codes[left_apart[going] + step])
        second[apart] = _TAIL + nodes
    return (codes[left].astype(np.int64) << _HALF) | second, rest


def _summed(waiting: list[np.ndarray]):
    keys = np.concatenate(waiting)
    keys.sort()
    return sum_sorted(keys, 0, np.ones(1))
