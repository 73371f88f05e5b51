"""Counting the pairs of a stretch of text on the host's cores, by blocks of rows.

Each token of the stretch is a center, and its pairs are the words around it: the cells of its
row. So rows are counted apart, without a sort of all pairs::

    centers   sorted by block of rows: a block is one frequent row, or many rare ones
    windows   the words around a center, W on each side; V, no word, beyond its document
    frequent  bincount of the windows: V + 1 sums, of which those above 0 are the row's cells
    rare      keys ``row | column | weight``, sorted; sums of equal (row, column)

A row is frequent if it has V / 8 pairs or more: then V + 1 sums cost less than a sort. In text of
17M words some 4,000 of 68,000 words are, and have five of six pairs. What remains is sorted in
blocks that fit a core's cache, in 32 bits where they hold a key. Large sorts of 64-bit keys are
avoided: with AVX-512, NumPy's takes 5 times as long on a Zen 4 as on other processors.
"""

import itertools
import threading
from collections.abc import Callable, Iterator
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from jaxvec.cooccurrence.settings import Means, Settings, both_directions, id_bits, itself
from jaxvec.storage.arrays import release, still_whole
from jaxvec.storage.pool import ordered_map
from jaxvec.storage.runs import Run, group_starts, joined_runs
from jaxvec.text.corpus import Corpus

T = TypeVar("T")

_WAITING = 8  # blocks that wait for an earlier one
_PART = 1 << 20  # tokens that are sorted by block at a time
_TAKEN = 1 << 16  # words whose windows are looked up at a time, all of them together
_TASK = 1 << 18  # words of the windows that a thread counts at a time, about
_APART = 2  # documents are parted by V if this makes the text at most three times as long
_MOST_PLACES = 1 << 31  # which are int32
_DENSE = 8  # a row is frequent if it has V over this many pairs
_PAIRS = 1 << 16  # of a block of rare rows, about
_BLOCKS = 1 << 14  # at most, of frequent rows and of others: numbers of blocks have 16 bits


class _Stretch(NamedTuple):
    """Text of which some words are centers, and `W` places or more around each of them."""

    ids: np.ndarray  # int32[N]; V, no word, at both ends and, without `documents`, between them
    documents: np.ndarray | None  # int32[N], numbers of documents; None if V parts them
    centers: np.ndarray  # places of them in `ids`, int32[n], rising

    def around(self, centers: np.ndarray, before: int, width: int) -> np.ndarray:
        """The words around centers, int32[n, width], V for none; the first stands `before` it."""
        words = sliding_window_view(self.ids, width)[centers - before]
        if self.documents is not None:
            documents = sliding_window_view(self.documents, width)[centers - before]
            words[documents != self.documents[centers, None]] = self.ids[0]
        return words


class _Blocks(NamedTuple):
    """Blocks of rows: block `i` has rows first[i] … first[i + 1]."""

    first: np.ndarray  # int64[blocks + 1]
    frequent: np.ndarray  # bool[blocks], whether it is one row to be counted densely
    of_row: np.ndarray  # uint16[V]


def on_host(
    corpus: Corpus, window: int, settings: Settings, means: Means
) -> Callable[[int, int, Callable[[Run], T]], Iterator[T]]:
    """Returns ``cells(start, stop, then)``: yields ``then(run)`` for runs of the cells of the pairs
    whose left word is in tokens start … stop.

    Keys are ``row << id_bits | column``; each run's rise, and are above the last of the
    run before. `then` is called on any thread.

    Args:
      corpus: the text.
      window: the largest distance that occurs.
      settings: as for `pairs.cells`.
      means: its threads.
    """
    words = len(corpus.vocab)

    def cells(start: int, stop: int, then: Callable[[Run], T]) -> Iterator[T]:
        if stop - start == len(corpus):
            yield from counted(start, stop, _Windows(window, settings, words), then)
            return
        ahead = _Windows(window, settings._replace(symmetric=False), words)
        run = joined_runs(list(counted(start, stop, ahead, itself)))
        yield then(both_directions(run, id_bits(words)) if settings.symmetric else run)

    def counted(start: int, stop: int, windows: _Windows, then: Callable[[Run], T]) -> Iterator[T]:
        stretch = _stretch(corpus, start, stop, window)
        parts = range(0, len(stretch.centers), _PART)

        def ids(at: int) -> np.ndarray:
            return stretch.ids[stretch.centers[at : at + _PART]]

        counts = sum(
            ordered_map(lambda at: np.bincount(ids(at), minlength=words), parts, means.threads)
        )
        blocks = _blocks(np.asarray(counts), windows.width)

        def by_block(at: int) -> tuple[np.ndarray, np.ndarray]:
            """Centers in the order of blocks, and where each block begins among them."""
            block = blocks.of_row[ids(at)]
            order = np.argsort(block, kind="stable")  # of 16 bits: a radix sort
            ends = np.cumsum(np.bincount(block, minlength=len(blocks.frequent)))
            return stretch.centers[at : at + _PART][order], np.append(0, ends)

        ordered = list(ordered_map(by_block, parts, means.threads))

        def of_block(i: int) -> T:
            centers = np.concatenate([part[at[i] : at[i + 1]] for part, at in ordered])
            first, last = blocks.first[i : i + 2].tolist()
            if blocks.frequent[i]:
                return then(windows.of_row(stretch, centers, first))
            return then(windows.of_rows(stretch, centers, first, last))

        def task(some: np.ndarray) -> list[T]:
            return [of_block(i) for i in some.tolist()]

        centers = np.diff(sum(at for _, at in ordered))  # of each block
        filled = np.flatnonzero(centers)
        share = np.cumsum(centers[filled]) // (_TASK // windows.width + 1)
        tasks = np.split(filled, np.flatnonzero(np.diff(share)) + 1)
        done = ordered_map(task, tasks, means.threads, waiting=_WAITING)
        yield from itertools.chain.from_iterable(done)

    return cells


def _stretch(corpus: Corpus, start: int, stop: int, window: int) -> _Stretch:
    """The text of the centers start … stop, and `window` tokens more."""
    last = min(stop + window, len(corpus))
    documents, none = corpus.document_numbers(start, last), len(corpus.vocab)
    apart = window * int(documents[-1])
    length = len(documents) + 2 * window
    short = apart > min(_APART * len(documents), _MOST_PLACES - length)
    ids = np.full(length + (0 if short else apart), none, np.int32)
    places = np.arange(window, window + len(documents), dtype=np.int32)
    still_whole(corpus.ids)
    if apart and not short:
        places += documents * np.int32(window)
        ids[places] = corpus.ids[start:last]
    else:
        ids[window : window + len(documents)] = corpus.ids[start:last]
    release(corpus.ids)
    numbers = np.pad(documents, window, constant_values=-1) if short else None
    return _Stretch(ids, numbers, places[: stop - start])


def _blocks(counts: np.ndarray, width: int) -> _Blocks:
    """Divides the rows into blocks.

    Args:
      counts: how many centers each row has, int64[V].
      width: how many words a window has.
    """
    pairs = counts * width
    least = max(len(counts) // _DENSE, int(pairs.sum()) // _BLOCKS)
    frequent = pairs >= least
    full = np.cumsum(np.where(frequent, 0, pairs)) // max(_PAIRS, int(pairs.sum()) // _BLOCKS)
    new = np.ones(len(counts), bool)
    new[1:] = frequent[1:] | frequent[:-1] | (full[1:] != full[:-1])
    first = np.flatnonzero(new)
    return _Blocks(
        np.append(first, len(counts)), frequent[first], (np.cumsum(new) - 1).astype(np.uint16)
    )


class _Windows:
    """Sums the windows of centers: the words from `W` before a center to `W` after it."""

    def __init__(self, window: int, settings: Settings, words: int):
        weights = settings.weights(window)
        index = np.arange(window) if len(weights) > 1 else np.zeros(window, np.int64)
        if settings.symmetric:  # the center itself has the weight 0
            index = np.concatenate([index[::-1], [len(weights)], index])
            weights = np.append(weights, 0)
        self._before = window if settings.symmetric else -1  # words of a window before its center
        self._index = index  # of the weight of each word of a window, int64[S]
        self._weights = weights
        self.width = len(index)
        self._bits = (len(weights) - 1).bit_length()  # of such an index
        self._words = words
        self._id_bits = id_bits(words)
        self._centers = max(1, _TAKEN // self.width)  # whose windows are taken at a time
        # for a dense sum more of them, as each chunk costs V; a sum is below 2^20 weights, so that
        # it is exact in float64, which has 53 bits
        self._of_sum = max(1, max(_TAKEN, min(words // 4, 1 << 20)) // self.width)
        self._tiled = np.tile(weights[index].astype(np.float64), self._of_sum)
        self._buffers = threading.local()  # reused: the first use of memory is slow

    def of_row(self, text: _Stretch, centers: np.ndarray, row: int) -> Run:
        """The cells of a row, whose every token is among the centers."""
        sums: np.ndarray = np.zeros(0)
        for at in range(0, len(centers), self._of_sum):
            some = centers[at : at + self._of_sum]
            words = text.around(some, self._before, self.width).reshape(-1)
            found = np.bincount(words, self._tiled[: len(words)], self._words + 1)
            if len(centers) > self._of_sum:
                found = found.astype(np.int64)
            sums = np.add(sums, found, out=sums) if at else found
        columns = np.flatnonzero(sums[:-1] != 0)
        return Run((row << self._id_bits) | columns, sums[columns].astype(np.int64, copy=False))

    def of_rows(self, text: _Stretch, centers: np.ndarray, first: int, last: int) -> Run:
        """The cells of rows first … last, whose every token is among the centers."""
        needed = max(last - first - 1, 0).bit_length() + self._id_bits + self._bits
        dtype = np.dtype(np.uint32 if needed <= 32 else np.int64)
        keys = self._keys(len(centers), dtype)
        for at in range(0, len(centers), self._centers):
            some, out = (array[at : at + self._centers] for array in (centers, keys))
            out[:] = text.around(some, self._before, self.width)
            rows = (text.ids[some] - np.int32(first)).astype(dtype)
            out |= (rows << dtype.type(self._id_bits))[:, None]
        keys <<= dtype.type(self._bits)
        keys |= self._index.astype(dtype)
        keys = keys.reshape(-1)
        if text.documents is not None:  # short ones: many are of no word
            words = (keys >> dtype.type(self._bits)) & dtype.type((1 << self._id_bits) - 1)
            keys = keys[words != self._words]
        keys.sort()
        weights = self._weights.take(keys & dtype.type((1 << self._bits) - 1))
        keys >>= dtype.type(self._bits)
        starts = group_starts(keys)
        np.cumsum(weights, out=weights)
        sums = weights[np.append(starts[1:], len(keys))[: len(starts)] - 1]
        sums[1:] -= sums[:-1].copy()
        cells = keys[starts].astype(np.int64)
        found = ((cells & ((1 << self._id_bits) - 1)) != self._words) & (sums > 0)
        cells, sums = cells[found], sums[found]
        cells += first << self._id_bits
        return Run(cells, sums)

    def _keys(self, centers: int, dtype: np.dtype) -> np.ndarray:
        """A buffer of a key for each word of the windows, reused by this thread."""
        size = centers * self.width
        held = getattr(self._buffers, "keys", None)
        if held is None or len(held) < size:
            held = self._buffers.keys = np.empty(size, np.int64)
        return held.view(dtype)[:size].reshape(centers, -1)
