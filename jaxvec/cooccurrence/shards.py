"""Counting by shards: two pure functions, for any machine that sees the same files.

::

    shard 0 ── count_shard ──▶ run of rows 0 … a, run of rows a … b, …
    shard 1 ── count_shard ──▶ run of rows 0 … a, run of rows a … b, …
                                     │                  │
                                merge_range        merge_range
                                     ▼                  ▼
                               cells of 0 … a     cells of a … b

A run is a file of sorted keys and their sums (see `pairs`), the cells of a row range that one shard
has. Only paths and totals go from task to task. Files are written beside and renamed, under names
that follow from the description of their content: a task that runs again, or twice at once,
makes the same file, and one whose files are there already reads only their totals.
"""

import itertools
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from jaxvec.cooccurrence.pairs import HOST, Some, as_rows, by_range, cells, joined
from jaxvec.cooccurrence.settings import LEAST_MEMORY, Means, Settings, itself
from jaxvec.messages.numbers import check_whole
from jaxvec.storage.arrays import load_arrays, save_arrays
from jaxvec.storage.door import reading
from jaxvec.storage.fields import field
from jaxvec.storage.files import writable
from jaxvec.storage.runs import GrowingArray, Run, RunStore, merge
from jaxvec.storage.work import digest
from jaxvec.text.shard_words import load_vocabulary
from jaxvec.text.shards import CorpusShard, TextShard
from jaxvec.text.vocab import Vocab

TASK_MEMORY = 256 << 20
"""Bytes that a task may take by default, beside the vocabulary."""

_FORMAT = 2  # of the files: part of their names
_RANGES = 32  # of rows, if there are cells enough
_CELLS_OF_A_RANGE = 1 << 20
_MERGED_AT_ONCE = 64  # files, of two open descriptors each


class _About(NamedTuple):
    """What a run tells of itself; runs whose first four are the same can be added up."""

    first: int  # row
    last: int  # row, not included
    words: int  # V
    unit: int  # u
    tokens: int  # of the shard


class ShardRuns(NamedTuple):
    """What `count_shard` made."""

    paths: tuple[str, ...]  # a run for each range of rows
    tokens: int  # words of the shard that are in the vocabulary


class RangeCells(NamedTuple):
    """What `merge_range` made: the cells of a range of rows."""

    path: str
    first: int  # row
    last: int  # row, not included


def row_ranges(vocab: Vocab, window: int, ranges: int | None = None) -> list[int]:
    """Divides the rows of the matrix into ranges of about as many cells.

    Args:
      vocab: of the text. A word with count c has at most min(2 W c, V) cells in its row.
      window: W.
      ranges: at most this number of ranges; by default one for each million of such cells, up to
        32.

    Returns:
      Rising rows, from 0 to V: range `i` is rows[i] … rows[i + 1].

    Raises:
      TypeError, ValueError: if `ranges` is no whole number above 0.

    >>> row_ranges(Vocab(["a", "b", "c", "d"], [9, 1, 1, 1]), 1, 2)
    [0, 2, 4]
    """
    most = np.minimum(vocab.counts.astype(np.float64) * 2 * window, len(vocab)) + 1
    before = np.cumsum(most)
    if ranges is None:
        ranges = min(_RANGES, int(before[-1] / _CELLS_OF_A_RANGE) + 1)
    check_whole("ranges", ranges)
    cuts = np.searchsorted(before, before[-1] * np.arange(1, ranges) / ranges) + 1
    return np.unique([0, *cuts.tolist(), len(vocab)]).tolist()


def count_shard(
    shard: TextShard | CorpusShard,
    vocabulary: str | os.PathLike[str],
    *,
    folder: str | os.PathLike[str],
    rows: Sequence[int],
    window: int = 10,
    symmetric: bool = True,
    distance_weighting: bool = True,
    memory: int = TASK_MEMORY,
    threads: int = 1,
) -> ShardRuns:
    """Counts the pairs of a shard.

    Args:
      shard: of `text_shards` or `corpus_shards`.
      vocabulary: the file that `save_vocabulary` wrote.
      folder: where the runs go.
      rows: as `row_ranges` gives them, the same for all shards.
      window, symmetric, distance_weighting: as for `count`.
      memory: bytes that it may take, beside the vocabulary, some 260 bytes a word of it, which the
        process keeps for its next shard.
      threads: number of threads.

    Raises:
      FileNotFoundError: if a file or the folder is missing.
      TypeError: if a number is not whole.
      ValueError: if `rows` do not rise from 0 to V, `memory` is below 64 MiB, or as `count` and
        `read_pieces`.
    """
    settings = Settings(check_whole("window", window), bool(symmetric), bool(distance_weighting))
    folder = writable(Path(folder) / "run").parent
    means = _means(memory, folder, threads)
    for_text = min(memory // 2, memory - LEAST_MEMORY)
    means = means._replace(memory=memory - for_text)
    vocab, words = load_vocabulary(vocabulary)
    rows = [int(row) for row in rows]
    if (
        len(rows) < 2
        or rows[0] != 0
        or rows[-1] != len(vocab)
        or any(a >= b for a, b in itertools.pairwise(rows))
    ):
        raise ValueError(f"rows must rise from 0 to the number of words, {len(vocab)}; got {rows}")
    content = [_FORMAT, shard.description(), words, list(settings), rows]
    name = digest("run", content)
    paths = tuple(str(folder / f"run-{name}-{i:04}.npz") for i in range(len(rows) - 1))
    if all(Path(path).exists() for path in paths):
        return _shard_runs(paths)
    stretch = shard.open(vocab, settings.window, memory=for_text, folder=folder)
    runs = cells(stretch.corpus, stretch.start, stretch.stop, settings, means, HOST, itself)
    ranges = by_range(runs, rows, len(vocab))
    groups = itertools.groupby(ranges, lambda part: part[0])
    i_found, found = next(groups, (None, iter(())))
    for i, path in enumerate(paths):
        keys, sums = (GrowingArray(np.int64, 0, means.folder) for _ in range(2))
        if i == i_found:
            for _, run in found:
                keys.append(run.keys)
                sums.append(run.sums)
            i_found, found = next(groups, (None, iter(())))
        about = _About(
            rows[i],
            rows[i + 1],
            len(vocab),
            settings.unit(),
            stretch.stop - stretch.start,
        )
        save_arrays(path, run=np.array(about), keys=keys.array(), sums=sums.array())
    return _shard_runs(paths)


def _means(memory: int, folder: Path, threads: int) -> Means:
    """The means of a task, whose temporary files are in its folder."""
    check_whole("memory", memory, least=LEAST_MEMORY)
    return Means(memory, folder, check_whole("threads", threads))


def _shard_runs(paths: tuple[str, ...]) -> ShardRuns:
    """The totals of a shard, from its files."""
    return ShardRuns(paths, _about(paths[0]).tokens)


def _load_run(path: str) -> tuple[_About, Run]:
    """A run that `count_shard` wrote, memory-mapped."""
    arrays = load_arrays(path, mapped=True)
    with reading(path, "a run that count_shard wrote"):
        keys, sums = field(arrays, "keys", "i8"), field(arrays, "sums", "i8")
        return _About(*field(arrays, "run", "i8").tolist()), Run(keys, sums)


def _about(path: str) -> _About:
    """What a run is of; its keys are not read."""
    arrays = load_arrays(path, names={"run"})
    with reading(path, "a run that count_shard wrote"):
        return _About(*field(arrays, "run", "i8").tolist())


def merge_range(
    runs: Sequence[str],
    *,
    folder: str | os.PathLike[str],
    memory: int = TASK_MEMORY,
    threads: int = 1,
) -> RangeCells:
    """Adds up the runs of a range of rows.

    Args:
      runs: paths of the runs, one a shard, in any order; a shard that the text has twice is there
        twice.
      folder: where the cells go: an ``.npz`` of the arrays of `pairs.Rows`.
      memory: bytes that it may take.
      threads: number of threads.

    Raises:
      FileNotFoundError: if a file or the folder is missing.
      TypeError: if a number is not whole.
      ValueError: if there is no run, the runs are of several ranges, vocabularies or units,
        `memory` is below 64 MiB, or a cell exceeds 2^61 units.
    """
    folder = writable(Path(folder) / "cells").parent
    means = _means(memory, folder, threads)
    runs = sorted(runs)
    path = folder / f"cells-{digest('cells', [Path(run).name for run in runs])}.npz"
    if not path.exists():
        first, last, words, unit = _common(runs)
        merged = _merged(runs, means, as_rows(words, unit))
        found = joined(merged, (first, last), means.folder)
        save_arrays(path, rows=np.array([first, last]), **found._asdict())
    first, last = load_arrays(path, names={"rows"})["rows"].tolist()
    return RangeCells(str(path), first, last)


def _common(runs: list[str]) -> tuple[int, int, int, int]:
    """(first, last, words, unit) of all runs.

    Raises:
      ValueError: if there is no run, or these differ.
    """
    if not runs:
        raise ValueError("there is no run to merge")
    found = [_about(path)[:4] for path in runs]
    for path, numbers in zip(runs, found, strict=True):
        if numbers != found[0]:
            raise ValueError(
                f"{path} has cells of other rows, words or weights than {runs[0]}: "
                f"{', '.join(_About._fields[:4])} are {numbers}, and not {found[0]}"
            )
    return found[0]


def _merged(paths: list[str], means: Means, then: Callable[[Run], Some]) -> Iterator[Some]:
    """The runs of files, merged, and `then` applied; few files are open at a time."""

    def load(some: list[str]) -> list[Run]:
        return [run for _, run in map(_load_run, some)]

    def merged(runs: list[Run], then: Callable[[Run], Any]) -> Iterator[Any]:
        return merge(runs, means.interval(), means.threads, then)

    runs = load(paths[:_MERGED_AT_ONCE])
    if len(paths) > _MERGED_AT_ONCE:
        with RunStore(means.folder) as store:
            handles = list(merged(runs, store.add))
            for i in range(_MERGED_AT_ONCE, len(paths), _MERGED_AT_ONCE):
                handles += merged(load(paths[i : i + _MERGED_AT_ONCE]), store.add)
            runs = store.load(handles)
    return merged(runs, then)
