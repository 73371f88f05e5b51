"""External sorting: sorted runs of (key, sum), in memory or a temporary file, and their merge."""

import os
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any, NamedTuple, Self

import numpy as np

from jaxvec.storage.arrays import release, still_whole
from jaxvec.storage.pool import ordered_map

_STRIDE = 1 << 14  # one key in this many is a sample; see `merge`
MOST_SUM = 1 << 61
"""The largest sum of a key that is not refused; twice it fits into 63 bits."""


class Run(NamedTuple):
    """`N` keys in rising order, and for each the sum of its weights."""

    keys: np.ndarray  # int64[N], each once
    sums: np.ndarray  # int64[N]


def joined_runs(parts: Sequence[Run]) -> Run:
    """One run of several, in the order of their keys."""
    if len(parts) == 1:
        return parts[0]
    empty = Run(np.zeros(0, np.int64), np.zeros(0, np.int64))
    return Run(*(np.concatenate(side) for side in zip(empty, *parts, strict=True)))


class RunStore:
    """Runs that wait to be merged: in memory, or all in one temporary file.

    One file for all, so that many runs need few open files. Where the system allows it the file
    has no name, so that nothing is left of it however the process ends.

    Args:
      folder: where the temporary file is; None for memory.

    >>> with RunStore(None) as store:
    ...     handle = store.add(Run(np.array([3, 5]), np.array([1, 1])))
    ...     store.load([handle])[0].keys.tolist()
    [3, 5]
    """

    def __init__(self, folder: Path | None):
        self._file = None if folder is None else tempfile.TemporaryFile(dir=folder)  # noqa: SIM115
        self._lock = threading.Lock()
        self._length = 0  # of the file, in numbers of 8 bytes

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        if self._file is not None:
            self._file.close()

    def add(self, *parts: Run) -> Any:
        """Stores a run and returns a handle for `load`. Any thread may call it.

        Args:
          *parts: of the run, in the order of their keys.
        """
        if self._file is None:
            return joined_runs(parts)
        size = sum(len(part.keys) for part in parts)
        with self._lock:
            start, self._length = self._length, self._length + 2 * size
            for side in zip(*parts, strict=True):
                for part in side:
                    _append(self._file, part)
        return start, size

    def load(self, handles: Sequence[Any]) -> list[Run]:
        """The stored runs, memory-mapped if they are in a file. Nothing can be added after it."""
        if self._file is None:
            return list(handles)
        with self._file:
            self._file.flush()
            if not self._length:  # an empty file cannot be mapped
                return []
            numbers = np.memmap(self._file, np.int64, "r", shape=(self._length,))
        return [
            Run(numbers[at : at + size], numbers[at + size : at + 2 * size]) for at, size in handles
        ]


class GrowingArray:
    """An array to append to: in memory, or in a temporary file such as `RunStore` has.

    Args:
      dtype: of the array.
      capacity: addresses are reserved for this length, and memory is taken as it is filled; a
        longer array grows, which costs another pass over its new part.
      folder: where the temporary file is; None for memory.
      row: the shape of each of its rows.

    >>> growing = GrowingArray(np.int32, 1, None)
    >>> growing.append(np.arange(2))
    >>> growing.array()
    array([0, 1], dtype=int32)
    """

    def __init__(
        self,
        dtype: Any,
        capacity: int,
        folder: str | os.PathLike[str] | None,
        row: tuple[int, ...] = (),
    ):
        self._dtype = dtype
        self._row = row
        self._length = 0
        try:
            self._memory = np.empty((capacity if folder is None else 0, *row), dtype)
        except MemoryError:  # there are no such addresses: it grows
            self._memory = np.empty((0, *row), dtype)
        self._file = None if folder is None else tempfile.TemporaryFile(dir=folder)  # noqa: SIM115

    def append(self, part: np.ndarray) -> None:
        """Appends a part, [n, *row], converted to the array's dtype."""
        if self._file is None:
            needed = self._length + len(part)
            if needed > len(self._memory):  # grows where it is, if the system moves pages
                self._memory.resize((max(needed, needed * 5 // 4), *self._row), refcheck=False)
            self._memory[self._length : needed] = part
        else:
            _append(self._file, part.astype(self._dtype, copy=False))
        self._length += len(part)

    def array(self) -> np.ndarray:
        """The whole array, memory-mapped if it is in a file. Nothing can be appended after it."""
        if self._file is None:
            self._memory.resize((self._length, *self._row), refcheck=False)
            return self._memory
        with self._file:
            self._file.flush()
            if not self._length:  # an empty file cannot be mapped
                return self._memory
            return np.memmap(self._file, self._dtype, "r", shape=(self._length, *self._row))


def _append(file: IO[bytes], part: np.ndarray) -> None:
    """Appends numbers. The errors of `ndarray.tofile` would not say why, such as a full disk."""
    file.write(np.ascontiguousarray(part).reshape(-1).view(np.uint8).data)


def sort_by_key(keys: np.ndarray, sums: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Keys and their sums, both in rising order of the keys.

    Args:
      keys: int64[N], not negative. Overwritten.
      sums: [N].
    """
    bits = len(keys).bit_length()
    if len(keys) and int(keys.max()).bit_length() + bits > 63:
        order = np.argsort(keys)
        return keys[order], sums[order]
    keys <<= bits  # the place goes into the low bits: one sort of integers beats an argsort
    keys |= np.arange(len(keys))
    keys.sort()
    sums = sums[keys & ((1 << bits) - 1)]
    keys >>= bits
    return keys, sums


def merge(
    runs: Sequence[Run], entries: int, threads: int, then: Callable[[Run], Any] = lambda run: run
) -> Iterator[Any]:
    """Adds up runs, key by key, in intervals of rising keys.

    The keys are cut into intervals of about `entries` entries, all runs together, and each
    interval is merged by itself, on any thread::

        samples  every 2^14th key of every run, in order: each stands for 2^14 entries
        cuts     every (entries / 2^14)th sample; here 5 and 10
        bounds   of each run, the places where the cuts divide its keys

        run 0    1 3 4 | 7 9   | 12 15      bounds 0 3 5 7
        run 1    2 3   | 5 8 9 | 11         bounds 0 2 5 6
        merged   1 2 3 4, then 5 7 8 9, then 11 12 15

    Args:
      runs: in memory or memory-mapped; of mapped ones no more than `threads` intervals are read
        into memory.
      entries: about how many entries an interval has, before equal keys are added up.
      threads: number of threads; each merges one interval.
      then: applied to each merged interval, on its thread.

    Returns:
      An iterator over the results of `then`, in the order of the keys; without `then`, over
      runs. Intervals without an entry are left out.

    Raises:
      ValueError: while it is read, if a sum exceeds 2^61.

    >>> runs = [Run(np.array(keys), np.array([1, 1])) for keys in ([1, 3], [3, 4])]
    >>> [(run.keys.tolist(), run.sums.tolist()) for run in merge(runs, 1 << 18, 1)]
    [([1, 3, 4], [1, 2, 1])]
    """
    if not runs:
        return iter(())
    samples = np.sort(np.concatenate([_in_memory(run.keys[::_STRIDE]) for run in runs]))
    cuts = samples[entries // _STRIDE :: max(1, entries // _STRIDE)]
    bounds = [_bounds(run.keys, cuts) for run in runs]

    def merged(i: int) -> Any:
        parts = [
            [_in_memory(side[at[i] : at[i + 1]]) for side in run]
            for run, at in zip(runs, bounds, strict=True)
            if at[i] < at[i + 1]
        ]
        keys, sums = (np.concatenate(side) for side in zip(*parts, strict=True))
        if len(parts) == 1:
            return then(Run(keys, sums))
        keys, sums = sort_by_key(keys, sums)
        first = group_starts(keys)
        if len(first) == len(keys):
            return then(Run(keys, sums))
        return then(Run(keys[first], _added(sums, first, len(parts))))

    filled = [i for i in range(len(cuts) + 1) if any(at[i] < at[i + 1] for at in bounds)]
    return ordered_map(merged, filled, threads)


def _added(sums: np.ndarray, first: np.ndarray, runs: int) -> np.ndarray:
    """The sum of each group, int64, or an error if one exceeds 2^61.

    Args:
      sums: int64[N].
      first: the place of the first of each group.
      runs: the largest length of a group.
    """
    if int(sums.max()) > MOST_SUM // runs and (
        np.add.reduceat(sums.astype(np.float64), first).max() > MOST_SUM
    ):
        raise ValueError(
            f"a sum exceeds {MOST_SUM}, the most that is added exactly: count less text, or "
            "co-occurrences in a smaller window"
        )
    return np.add.reduceat(sums, first)


def _in_memory(part: np.ndarray) -> np.ndarray:
    """A part of an array, copied if it is memory-mapped, whose pages are released."""
    if isinstance(part, np.memmap):
        still_whole(part)
        mapped, part = part, np.array(part)
        release(mapped)
    return part


def _bounds(keys: np.ndarray, cuts: np.ndarray) -> np.ndarray:
    """Where the cuts divide the keys, int64[C + 2]: interval `i` is ``bounds[i]:bounds[i + 1]``."""
    places = np.concatenate([[0], np.searchsorted(keys, cuts), [len(keys)]])
    release(keys)
    return places


def group_starts(keys: np.ndarray) -> np.ndarray:
    """The place of the first of each group of equal keys, in sorted keys."""
    new = np.ones(len(keys), bool)
    np.not_equal(keys[1:], keys[:-1], out=new[1:])
    return np.flatnonzero(new)
