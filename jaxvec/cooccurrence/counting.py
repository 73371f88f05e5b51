"""Counting co-occurrences: an external sort, in memory or beyond it.

For each distance d from 1 to W the pairs of a text are two slices of it, one shifted by d.
Row, column and distance of a pair are packed into one int64::

      63                                                     0
      | 0 … 0 | row id (id_bits) | column id (id_bits) | d - 1 |

The keys of a stretch of text are sorted; equal cells stand together and their weights are added
up, which makes a sorted run. Runs are then merged; if memory is short they wait in a temporary
file.
"""

import os
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

from jaxvec.cooccurrence import device
from jaxvec.cooccurrence.matrix import Cooccurrence
from jaxvec.messages.kinds import corpus_instead
from jaxvec.messages.numbers import check_whole
from jaxvec.storage.arrays import release
from jaxvec.storage.files import writable
from jaxvec.storage.pool import cores, ordered_map
from jaxvec.storage.runs import GrowingArray, Run, RunStore, merge, sort_by_key, sum_sorted
from jaxvec.text.corpus import Corpus

_SLICE = 1 << 15  # tokens whose pairs fit a core's cache
_PAIRS_IN_FLIGHT = 1 << 25  # pairs in flight, if `memory` sets no smaller number
_INTERVAL = 1 << 18  # entries of a merged interval, if `memory` sets no smaller number
_UNIT = 2.0**32  # weights are multiples of 1 / this: sums are exact up to 2 million, in any order
_BYTES_A_PAIR = 24  # while they are counted
_BYTES_AN_ENTRY = 140  # while they are merged
LEAST_MEMORY = 64 << 20
"""The smallest `memory` that `count` takes, in bytes."""


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
    """Counts the pairs of words up to `window` words apart in the same document.

    A pair at distance d adds 1/d to cell (left word, right word), and with `symmetric` to cell
    (right word, left word) too, so that a word next to itself counts twice. GloVe's ``cooccur``
    makes the same cells.

    Args:
      corpus: the text.
      window: `W`, the largest distance.
      symmetric: count each pair in both directions.
      distance_weighting: add 1/d for a pair; else 1.
      memory: bytes that counting may take in addition to what the process holds already; runs
        that do not fit wait in temporary files beside `path`. By default unlimited: some 50
        bytes a cell.
      path: the file to write the counts to, as `Cooccurrence.save` does; the result is then
        memory-mapped. Required by `memory`.
      on_device: sort on JAX's default device instead of the host's cores; sums differ from
        the host's by rounding to float32.

    Returns:
      The counts, `V` × `V`.

    Raises:
      TypeError: if `corpus` is no Corpus, or `window` or `memory` is no whole number.
      FileNotFoundError: if there is no folder for `path`.
      ValueError: if `window` is below 1, two word ids and a distance need more than 63 bits, or
        `memory` is below 64 MiB or lacks a `path`.

    >>> corpus = Corpus.from_documents(["a b a"], min_count=1)
    >>> count(corpus, window=2).matrix().toarray().tolist()
    [[1.0, 2.0], [2.0, 0.0]]
    """
    if not isinstance(corpus, Corpus):
        raise TypeError(corpus_instead(corpus))
    window = check_whole("window", window)
    if memory is not None:
        check_whole("memory", memory, least=LEAST_MEMORY)
        if path is None:
            raise ValueError("memory needs a path: give path=, the file to write the counts to")
    settings = {
        "window": window,
        "symmetric": symmetric,
        "distance_weighting": distance_weighting,
    }
    window = max(1, min(window, int(np.diff(corpus.offsets).max()) - 1))  # no pair is farther
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
    flight, interval = _PAIRS_IN_FLIGHT // counters, _INTERVAL
    if memory is not None:
        flight = min(flight, memory // _BYTES_A_PAIR // counters)
        interval = min(interval, memory // _BYTES_AN_ENTRY // (2 * threads + 1))
    tokens = max(1, min(flight // window, len(corpus)))
    counter = device.counter if on_device else _counter
    pairs = counter(corpus, tokens, id_bits, window, symmetric, distance_weighting)
    starts = range(0, len(corpus), tokens)
    with RunStore(folder) as store:
        handles = ordered_map(
            lambda start: store.add(pairs(start, start + tokens)), starts, counters
        )
        runs = store.load(list(handles))
    if symmetric:
        with RunStore(folder) as store:
            mirrored = merge(runs, interval, threads, _mirror(id_bits, store))
            runs = store.load([handle for both in mirrored for handle in both])
    longest = sum(len(run.keys) for run in runs)
    cells = _matrix(merge(runs, interval, threads), longest, id_bits, corpus, settings, folder)
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
    """Returns ``pairs(start, stop)``: the summed pairs whose left word is in tokens start … stop.

    Args:
      corpus: the text.
      tokens: the largest stop - start.
      id_bits: width of a word id.
      window, symmetric, distance_weighting: as for `count`; but with `symmetric` the lower id is
        the row, and (column, row) is left to `_mirror`.
    """
    weights = 1 / np.arange(1, window + 1) if distance_weighting else np.ones(1)
    weights = np.round(weights * _UNIT) / _UNIT
    bits = (len(weights) - 1).bit_length()
    buffers = threading.local()  # one per thread, reused: the first use of memory is slow

    def pairs(start: int, stop: int) -> Run:
        if not hasattr(buffers, "keys"):
            buffers.keys = np.empty(tokens * window, np.int64)
        stop = min(stop, len(corpus))
        keys = _packed(corpus, start, stop, window, symmetric, id_bits, bits, buffers.keys)
        keys.sort()
        return sum_sorted(keys, bits, weights)

    return pairs


def _packed(
    corpus: Corpus,
    start: int,
    stop: int,
    window: int,
    symmetric: bool,
    id_bits: int,
    bits: int,
    keys: np.ndarray,
) -> np.ndarray:
    """The key of each pair whose left word is in tokens start … stop, as drawn above.

    Args:
      corpus: the text.
      start, stop: places in it.
      window: the largest distance.
      symmetric: make the lower id the row.
      id_bits: width of a word id.
      bits: width of d - 1; 0 leaves it out.
      keys: int64[at least (stop - start) · window], overwritten.

    Returns:
      int64[P], the used part of `keys`, not sorted.
    """
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


def _mirror(id_bits: int, store: RunStore) -> Callable[[Run], tuple[Any, Any]]:
    """Returns a function of a run of cells, row ≤ column, that stores two runs: it and its mirror.

    The mirror has cell (column, row) for each (row, column). Cells of the diagonal are their own
    mirror and are doubled instead.
    """

    def both(run: Run) -> tuple[Any, Any]:
        row, column = run.keys >> id_bits, run.keys & ((1 << id_bits) - 1)
        off = row != column
        run.sums[~off] *= 2
        keys, sums = sort_by_key((column[off] << id_bits) | row[off], run.sums[off])
        return store.add(run), store.add(Run(keys, sums))

    return both


def _matrix(
    runs: Iterable[Run],
    longest: int,
    id_bits: int,
    corpus: Corpus,
    settings: dict[str, int | bool],
    folder: Path | None,
) -> Cooccurrence:
    """The matrix of merged runs, which have at most `longest` entries in all."""
    columns, sums = (GrowingArray(dtype, longest, folder) for dtype in (np.int32, np.float32))
    cells = np.zeros(len(corpus.vocab) + 1, np.int64)  # of each row, after a 0
    for run in runs:
        cells[1:] += np.bincount(run.keys >> id_bits, minlength=len(corpus.vocab))
        columns.append(run.keys & ((1 << id_bits) - 1))
        sums.append(run.sums)
    return Cooccurrence(
        corpus.vocab, np.cumsum(cells), columns.array(), sums.array(), settings=settings
    )
