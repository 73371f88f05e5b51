"""From a stretch of text to sorted runs of its cells: an external sort, in memory or beyond it.

For each distance d from 1 to W the pairs of a text are two slices of it, one shifted by d.
Row, column and distance of a pair are packed into one int64::

      63                                                     0
      | 0 … 0 | row id (id_bits) | column id (id_bits) | d - 1 |

The keys of a stretch of text are sorted; equal cells stand together and their weights are added
up, which makes a sorted run. Runs are then merged; if memory is short they wait in a temporary
file.

Weights are whole numbers, int64, of a unit 1/u, so that sums are exact and the same in any order.
u is 1 without distance weighting; else lcm(1 … W) for W up to 22, where 1/d is a multiple of 1/u
(lcm(1 … 10) is 2520, lcm(1 … 22) 232,792,560). It is 2^32 for wider windows, whose weights are
rounded: by at most W · 2^-33 of a weight. A cell holds up to 2^61 units, which are 9 · 10^14 pairs
at distance 1 for W = 10 and 5 · 10^8 for W above 22; beyond that counting stops with an error.
"""

import math
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from jaxvec.storage.arrays import release
from jaxvec.storage.pool import ordered_map
from jaxvec.storage.runs import GrowingArray, Run, RunStore, merge, sort_by_key, sum_sorted
from jaxvec.text.corpus import Corpus

_SLICE = 1 << 15  # tokens whose pairs fit a core's cache
_PAIRS_IN_FLIGHT = 1 << 25  # pairs in flight, if `memory` sets no smaller number
_INTERVAL = 1 << 18  # entries of a merged interval, if `memory` sets no smaller number
_WIDEST_EXACT = 22  # the largest W whose lcm(1 … W) is below 2^32
_BYTES_A_PAIR = 24  # while they are counted
_BYTES_AN_ENTRY = 140  # while they are merged
LEAST_MEMORY = 64 << 20
"""The smallest `memory` of counting, in bytes."""


class Settings(NamedTuple):
    """The options of `count` that cells depend on."""

    window: int  # W, the largest distance
    symmetric: bool
    distance_weighting: bool

    def unit(self) -> int:
        """u: weights are multiples of 1/u.

        >>> Settings(10, True, True).unit(), Settings(10, True, False).unit()
        (2520, 1)
        """
        if not self.distance_weighting:
            return 1
        exact = self.window <= _WIDEST_EXACT
        return math.lcm(*range(1, self.window + 1)) if exact else 1 << 32

    def weights(self, window: int) -> np.ndarray:
        """The weight of each distance up to `window`, in units: int64[window], or [1] if all are 1.

        >>> Settings(4, True, True).weights(4).tolist()
        [12, 6, 4, 3]
        """
        if not self.distance_weighting:
            return np.ones(1, np.int64)
        return np.round(self.unit() / np.arange(1, window + 1)).astype(np.int64)


class Means(NamedTuple):
    """What counting may use: it changes no cell."""

    memory: int | None  # bytes beyond what the process holds; None is unlimited
    folder: Path | None  # where runs wait that do not fit; None is memory
    threads: int

    def interval(self) -> int:
        """About how many entries are merged at a time by a thread."""
        if self.memory is None:
            return _INTERVAL
        return min(_INTERVAL, self.memory // _BYTES_AN_ENTRY // (2 * self.threads + 1))

    def pairs(self, counters: int) -> int:
        """How many pairs each of `counters` threads has in memory."""
        most = _PAIRS_IN_FLIGHT // counters
        if self.memory is None:
            return most
        return min(most, self.memory // _BYTES_A_PAIR // counters)


class Counter(NamedTuple):
    """How the pairs of stretches of text are counted: on the host's cores or on a device."""

    make: Callable[..., Callable[[int, int], Run]]  # with the arguments of `on_host`
    one_at_a_time: bool


def id_bits(words: int) -> int:
    """The width of a word id in a key."""
    return (words - 1).bit_length()


def cell_runs(
    corpus: Corpus, start: int, stop: int, settings: Settings, means: Means, counter: Counter
) -> list[Run]:
    """Runs that add up to the cells of the pairs whose left word is in tokens start … stop.

    Args:
      corpus: the text; a right word may stand beyond `stop`.
      start, stop: places in it.
      settings: the options of `count`.
      means: memory, folder and threads.
      counter: of pairs.

    Returns:
      Runs whose keys are ``row << id_bits | column``, and whose sums are in units.

    Raises:
      ValueError: if two word ids and a distance need more than 63 bits, or a sum exceeds 2^61.

    >>> corpus = Corpus.from_documents(["a b a"], min_count=1)
    >>> settings, means = Settings(2, True, True), Means(None, None, 1)
    >>> runs = cell_runs(corpus, 0, 3, settings, means, HOST)
    >>> [(run.keys.tolist(), run.sums.tolist()) for run in merge(runs, 1 << 18, 1)]
    [([0, 1, 2], [2, 4, 4])]
    """
    if start >= stop:
        return []
    first, last = np.searchsorted(corpus.offsets, [start, stop - 1], "right")
    longest = corpus.longest_document(first - 1, last)
    window = max(1, min(settings.window, longest - 1))  # no pair is farther
    bits = id_bits(len(corpus.vocab))
    if 2 * bits + (window - 1).bit_length() > 63:
        raise ValueError(
            f"{len(corpus.vocab)} words and a window of {window} do not fit into 63 bits: "
            "raise min_count or lower the window"
        )
    counters = 1 if counter.one_at_a_time else means.threads
    tokens = max(1, min(means.pairs(counters) // window, stop - start))
    pairs = counter.make(corpus, tokens, window, settings)
    with RunStore(means.folder) as store:
        handles = ordered_map(
            lambda at: store.add(pairs(at, min(at + tokens, stop))),
            range(start, stop, tokens),
            counters,
        )
        runs = store.load(list(handles))
    if settings.symmetric:
        with RunStore(means.folder) as store:
            mirrored = merge(runs, means.interval(), means.threads, _mirror(bits, store))
            runs = store.load([handle for both in mirrored for handle in both])
    return runs


def on_host(
    corpus: Corpus, tokens: int, window: int, settings: Settings
) -> Callable[[int, int], Run]:
    """Returns ``pairs(start, stop)``: the summed pairs whose left word is in tokens start … stop.

    Args:
      corpus: the text.
      tokens: the largest stop - start.
      window: the largest distance that occurs.
      settings: as for `cell_runs`; but with `symmetric` the lower id is the row, and
        (column, row) is left to `_mirror`.
    """
    weights = settings.weights(window)
    bits = (len(weights) - 1).bit_length()
    buffers = threading.local()  # one per thread, reused: the first use of memory is slow

    def pairs(start: int, stop: int) -> Run:
        if not hasattr(buffers, "keys"):
            buffers.keys = np.empty(tokens * window, np.int64)
        keys = _packed(corpus, start, stop, window, settings.symmetric, bits, buffers.keys)
        keys.sort()
        return sum_sorted(keys, bits, weights)

    return pairs


HOST = Counter(on_host, one_at_a_time=False)
"""Counts on threads of the host."""


def _packed(
    corpus: Corpus,
    start: int,
    stop: int,
    window: int,
    symmetric: bool,
    bits: int,
    keys: np.ndarray,
) -> np.ndarray:
    """The key of each pair whose left word is in tokens start … stop, as drawn above.

    Args:
      corpus: the text.
      start, stop: places in it.
      window: the largest distance.
      symmetric: make the lower id the row.
      bits: width of d - 1; 0 leaves it out.
      keys: int64[at least (stop - start) · window], overwritten.

    Returns:
      int64[P], the used part of `keys`, not sorted.
    """
    column_bits = id_bits(len(corpus.vocab))
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
            out <<= column_bits
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


def _mirror(bits: int, store: RunStore) -> Callable[[Run], tuple[Any, Any]]:
    """Returns a function of a run of cells, row ≤ column, that stores two runs: it and its mirror.

    The mirror has cell (column, row) for each (row, column). Cells of the diagonal are their own
    mirror and are doubled instead.

    Args:
      bits: width of the column in a key.
      store: where the runs go.
    """

    def both(run: Run) -> tuple[Any, Any]:
        row, column = run.keys >> bits, run.keys & ((1 << bits) - 1)
        off = row != column
        run.sums[~off] *= 2
        keys, sums = sort_by_key((column[off] << bits) | row[off], run.sums[off])
        return store.add(run), store.add(Run(keys, sums))

    return both


class Rows(NamedTuple):
    """The cells of rows first … last of the matrix, as `Cooccurrence` has them."""

    cells: np.ndarray  # int64[last - first], number of cells of each row
    indices: np.ndarray  # int32[N]
    data: np.ndarray  # float32[N]


def rows_of(
    runs: Iterable[Run],
    longest: int,
    rows: tuple[int, int],
    words: int,
    unit: int,
    folder: Path | None,
) -> Rows:
    """The cells of merged runs, their sums divided by the unit and rounded to float32.

    Args:
      runs: in rising order of their keys.
      longest: at least the number of their entries in all.
      rows: (first, last), the rows that the keys are of.
      words: V.
      unit: sums are multiples of 1 / this.
      folder: where the arrays are kept in temporary files; None for memory.
    """
    first, last = rows
    bits = id_bits(words)
    columns, sums = (GrowingArray(dtype, longest, folder) for dtype in (np.int32, np.float32))
    cells = np.zeros(last - first, np.int64)
    for run in runs:
        cells += np.bincount((run.keys >> bits) - first, minlength=last - first)
        columns.append(run.keys & ((1 << bits) - 1))
        sums.append(run.sums / unit)
    return Rows(cells, columns.array(), sums.array())


def by_range(runs: Iterable[Run], rows: list[int], words: int) -> Iterator[tuple[int, Run]]:
    """Divides merged runs at rows.

    Args:
      runs: in rising order of their keys.
      rows: rising, from 0 to V: range `i` is rows[i] … rows[i + 1].
      words: V.

    Yields:
      (i, run): parts of the runs, and the range that each is in; `i` never falls.
    """
    cuts = np.array(rows, np.int64) << id_bits(words)
    for run in runs:
        at = np.searchsorted(run.keys, cuts)
        for i in np.flatnonzero(np.diff(at)).tolist():
            inside = slice(at[i], at[i + 1])
            yield i, Run(run.keys[inside], run.sums[inside])
