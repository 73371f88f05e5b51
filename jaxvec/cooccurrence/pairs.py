"""From a stretch of text to its cells in the order of rows: at once, or by an external sort.

Text that fits into memory is counted at once, row by row (see `host`). Else it is cut into
stretches; the cells of each make a sorted run, which waits in a temporary file, and runs are then
merged. A stretch has the pairs whose left word is in it.

A cell is a key, row and column in one int64, and a sum of weights (see `settings`)::

      63                                                     0
      | 0 … 0 | row id (id_bits) | column id (id_bits) |
"""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np

from jaxvec.cooccurrence.host import on_host
from jaxvec.cooccurrence.settings import Means, Settings, id_bits, itself
from jaxvec.storage.runs import MOST_SUM, GrowingArray, Run, RunStore, merge
from jaxvec.text.corpus import Corpus

T = TypeVar("T")


class Counter(NamedTuple):
    """How the cells of stretches of text are counted: on the host's cores or on a device."""

    make: Callable[..., Callable[..., Iterator[Any]]]  # as `on_host`
    most: int | None = None  # pairs counted at once


HOST = Counter(on_host)
"""Counts on threads of the host."""


def cells(
    corpus: Corpus,
    start: int,
    stop: int,
    settings: Settings,
    means: Means,
    counter: Counter,
    then: Callable[[Run], T],
) -> Iterator[T]:
    """The cells of the pairs whose left word is in tokens start … stop.

    Args:
      corpus: the text; a right word may stand beyond `stop`.
      start, stop: places in it.
      settings: the options of `count`.
      means: memory, folder and threads.
      counter: of pairs.
      then: applied to each run, on any thread.

    Yields:
      The results of `then` for runs in rising order of their keys, ``row << id_bits | column``;
      sums are in units. A run may be empty.

    Raises:
      ValueError: if two word ids need more than 63 bits, or a sum exceeds 2^61.

    >>> corpus = Corpus.from_documents(["a b a"], min_count=1)
    >>> settings, means = Settings(2, True, True), Means(None, None, 1)
    >>> list(cells(corpus, 0, 3, settings, means, HOST, lambda run: run.sums.tolist()))
    [[2, 4, 4]]
    """
    if start >= stop:
        return
    first, last = np.searchsorted(corpus.offsets, [start, stop - 1], "right")
    longest = corpus.longest_document(first - 1, last)
    window = max(1, min(settings.window, longest - 1))  # no pair is farther
    if 2 * id_bits(len(corpus.vocab)) + window.bit_length() > 63:
        raise ValueError(
            f"{len(corpus.vocab)} words and a window of {window} do not fit into 63 bits: "
            "raise min_count or lower the window"
        )
    heaviest = 2 * int(settings.weights(window).max()) * window
    tokens = min(means.tokens(window), max(1, MOST_SUM // heaviest), stop - start)
    if counter.most is not None:
        tokens = max(1, min(tokens, counter.most // window))
    count = counter.make(corpus, window, settings, means)
    if tokens == len(corpus):
        yield from count(start, stop, then)
        return
    with RunStore(means.folder) as store:
        starts = range(start, stop, tokens)
        handles = [store.add(*count(at, min(at + tokens, stop), itself)) for at in starts]
        runs = store.load(handles)
    yield from merge(runs, means.interval(), means.threads, then)


class Rows(NamedTuple):
    """The cells of rows first … last of the matrix, as `Cooccurrence` has them."""

    cells: np.ndarray  # int64[last - first], number of cells of each row
    indices: np.ndarray  # int32[N]
    data: np.ndarray  # float32[N]


class Some(NamedTuple):
    """Cells of a run, from a row on, of which others may follow."""

    first: int  # row
    rows: Rows


def as_rows(words: int, unit: int) -> Callable[[Run], Some]:
    """Returns a function of a run: its cells, their sums divided by the unit, rounded to float32.

    Args:
      words: V.
      unit: sums are multiples of 1 / this.
    """
    bits = id_bits(words)

    def rows(run: Run) -> Some:
        if not len(run.keys):
            return Some(
                0, Rows(*(np.empty(0, dtype) for dtype in (np.int64, np.int32, np.float32)))
            )
        first, last = (int(key) >> bits for key in run.keys[[0, -1]])
        ends = np.searchsorted(run.keys, np.arange(first, last + 2) << bits)
        columns = (run.keys & ((1 << bits) - 1)).astype(np.int32)
        return Some(first, Rows(np.diff(ends), columns, (run.sums / unit).astype(np.float32)))

    return rows


def joined(
    parts: Iterable[Some], rows: tuple[int, int], folder: Path | None, capacity: int = 0
) -> Rows:
    """The cells of rows first … last, from parts of them in rising order.

    Args:
      parts: of `as_rows`.
      rows: (first, last).
      folder: where the arrays are kept in temporary files; None for memory.
      capacity: at most about the number of cells.
    """
    first, last = rows
    columns, sums = (GrowingArray(dtype, capacity, folder) for dtype in (np.int32, np.float32))
    cells = np.zeros(last - first, np.int64)
    for start, part in parts:
        cells[start - first : start - first + len(part.cells)] += part.cells
        columns.append(part.indices)
        sums.append(part.data)
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
