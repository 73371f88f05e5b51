"""Counting: from a corpus to co-occurrence counts, in memory or beyond it.

Counting is a sort. For each distance the pairs of a text are two shifted slices of it;
pair and distance are packed into one integer, the integers are sorted, and each run of
equal pairs is a cell. A stretch of text at a time, that makes sorted runs of sums, which
are merged; if memory is short they wait in temporary files.
"""

import operator
import os
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

from jaxvec.cooccurrence import device
from jaxvec.cooccurrence.matrix import Cooccurrence
from jaxvec.messages.kinds import corpus_instead
from jaxvec.storage.arrays import release
from jaxvec.storage.files import writable
from jaxvec.storage.pool import cores, ordered_map
from jaxvec.storage.runs import GrowingArray, Run, RunStore, merge, sort_by_key, sum_sorted
from jaxvec.text.corpus import Corpus

_SLICE = 1 << 15  # tokens whose pairs stay in a core's cache
_CHUNK_PAIRS = 1 << 25  # counted at a time, if memory is not said to be short
_BLOCK = 1 << 18  # entries merged at a time, likewise
_UNIT = 2.0**32  # weights are multiples of 1 / this: sums are exact up to 2 million, in any order
_BYTES_A_PAIR = 24  # while they are counted
_BYTES_AN_ENTRY = 140  # while they are merged
LEAST_MEMORY = 64 << 20


def count(
    corpus: Corpus,
    *,
    window: int = 10,
    symmetric: bool = True,
    distance_weighting: bool = True,
    memory: int | None = None,
    path: str | os.PathLike[str] | None = None,
    on_device: bool = False,
) -> Cooccurrence:
    """Counts which words stand within `window` words of each other in the same document.

    Two words d apart add 1/d to the cell whose row is the left word and whose column is
    the right one; if `symmetric`, to its mirror image too, so that a word that follows
    itself counts twice. The cells are those of GloVe's ``cooccur``.

    Args:
      corpus: the text.
      window: the farthest distance.
      symmetric: count each pair both ways.
      distance_weighting: add 1/d; or 1 for each pair.
      memory: bytes that counting may take, beside what the process holds already; what
        does not fit waits in temporary files beside `path`. By default as much as it
        takes, some 50 bytes a cell.
      path: write the counts there, as `Cooccurrence.save` does, and return them
        memory-mapped. `memory` needs it.
      on_device: sort on JAX's default device in place of the host's cores; sums differ from
        the host's by rounding to float32.

    Raises:
      FileNotFoundError: if there is no folder for `path`.
      ValueError: if `window` is below 1, so many words and distances do not fit 63 bits,
        or `memory` is below 64 MiB or has no `path`.

    >>> corpus = Corpus.from_documents(["a b a"], min_count=1)
    >>> count(corpus, window=2).matrix().toarray().tolist()
    [[1.0, 2.0], [2.0, 0.0]]
    """
    if not isinstance(corpus, Corpus):
        raise TypeError(corpus_instead(corpus))
    window = operator.index(window)  # of a NumPy integer too, which shifts as it can hold
    if window < 1:
        raise ValueError(f"window must be at least 1; got {window}")
    if memory is not None and (path is None or memory < LEAST_MEMORY):
        raise ValueError(
            f"memory must be at least {LEAST_MEMORY} bytes, and needs a path to write the counts "
            f"to; got memory={memory}, path={path}"
        )
    settings = {
        "window": window,
        "symmetric": symmetric,
        "distance_weighting": distance_weighting,
    }
    window = max(1, min(window, int(np.diff(corpus.offsets).max()) - 1))  # none is farther
    id_bits = (len(corpus.vocab) - 1).bit_length()
    if 2 * id_bits + (window - 1).bit_length() > 63:
        raise ValueError(
            f"{len(corpus.vocab)} words and a window of {window} do not fit into 63 bits: "
            "raise min_count or lower the window"
        )
    beside = None if path is None else writable(path).parent
    folder = None if memory is None else beside
    threads = cores()
    counters = 1 if on_device else threads
    chunk, block = _CHUNK_PAIRS // counters, _BLOCK
    if memory is not None:
        chunk = min(chunk, memory // _BYTES_A_PAIR // counters)
        block = min(block, memory // _BYTES_AN_ENTRY // (2 * threads + 1))
    tokens = max(1, min(chunk // window, len(corpus)))
    counter = device.counter if on_device else _counter
    pairs = counter(corpus, tokens, id_bits, window, symmetric, distance_weighting)
    store = RunStore(folder)
    starts = range(0, len(corpus), tokens)
    handles = list(
        ordered_map(lambda start: store.add(pairs(start, start + tokens)), starts, counters)
    )
    runs = store.load(handles)
    if symmetric:
        store = RunStore(folder)
        both = merge(runs, block, threads, _both_ways(id_bits, store))
        runs = store.load([handle for pair in both for handle in pair])
    longest = sum(len(run.keys) for run in runs)
    cells = _rows(merge(runs, block, threads), longest, id_bits, corpus, settings, folder)
    if path is None:
        return cells
    del runs
    cells.save(path)
    return Cooccurrence.load(path)


def _counter(
    corpus: Corpus,
    tokens: int,
    id_bits: int,
    window: int,
    symmetric: bool,
    distance_weighting: bool,
) -> Callable[[int, int], Run]:
    """A function that counts the pairs whose left word is one of up to so many tokens, from one
    place to another."""
    weights = 1 / np.arange(1, window + 1) if distance_weighting else np.ones(1)
    weights = np.round(weights * _UNIT) / _UNIT
    bits = (len(weights) - 1).bit_length()
    rooms = threading.local()  # memory is slow the first time that it is used

    def pairs(start: int, stop: int) -> Run:
        if not hasattr(rooms, "keys"):
            rooms.keys = np.empty(tokens * window, np.int64)
        stop = min(stop, len(corpus))
        keys = _keys(corpus, start, stop, window, symmetric, id_bits, bits, rooms.keys)
        keys.sort()
        return sum_sorted(keys, bits, weights)

    return pairs


def _keys(
    corpus: Corpus,
    start: int,
    stop: int,
    window: int,
    symmetric: bool,
    id_bits: int,
    bits: int,
    keys: np.ndarray,
) -> np.ndarray:
    """(left, right, d - 1) of each pair, d - 1 left out if `bits` is 0; the lower id first if
    `symmetric`. The beginning of `keys`, int64, which it is written to."""
    pair = np.empty(min(_SLICE, stop - start), np.int64)
    filled = 0
    for first in range(start, stop, _SLICE):
        last = min(first + _SLICE, stop)
        ids = corpus.ids[first : last + window].astype(np.int64)
        documents = corpus.document_numbers(first, first + len(ids))
        one_document = not documents[-1]
        for d in range(1, min(window, len(ids) - 1) + 1):
            length = min(last - first, len(ids) - d)
            left, right, out = ids[:length], ids[d : d + length], pair[:length]
            if symmetric:
                np.minimum(left, right, out=out)
                right = np.maximum(left, right)
            else:
                out[:] = left
            out <<= id_bits
            out |= right
            if bits:
                out <<= bits
                out |= d - 1
            if not one_document:
                out = out[documents[:length] == documents[d : d + length]]
            keys[filled : filled + len(out)] = out
            filled += len(out)
    release(corpus.ids)
    return keys[:filled]


def _both_ways(id_bits: int, store: RunStore) -> Callable[[Run], tuple[Any, Any]]:
    """From sums of pairs whose lower ids come first to those of the pairs and their images."""

    def both(run: Run) -> tuple[Any, Any]:
        row, column = run.keys >> id_bits, run.keys & ((1 << id_bits) - 1)
        off = row != column
        run.sums[~off] *= 2
        keys, sums = sort_by_key((column[off] << id_bits) | row[off], run.sums[off])
        return store.add(run), store.add(Run(keys, sums))

    return both


def _rows(
    runs: Iterable[Run],
    longest: int,
    id_bits: int,
    corpus: Corpus,
    settings: dict[str, int | bool],
    folder: Path | None,
) -> Cooccurrence:
    """Rising runs, of so many entries at most, as the cells of a matrix."""
    columns, sums = (GrowingArray(dtype, longest, folder) for dtype in (np.int32, np.float32))
    cells = np.zeros(len(corpus.vocab) + 1, np.int64)
    for run in runs:
        cells[1:] += np.bincount(run.keys >> id_bits, minlength=len(corpus.vocab))
        columns.append(run.keys & ((1 << id_bits) - 1))
        sums.append(run.sums)
    return Cooccurrence(
        corpus.vocab, np.cumsum(cells), columns.array(), sums.array(), settings=settings
    )
