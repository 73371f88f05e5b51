"""Sorted runs: sums by key, added up by merging, in memory or in temporary files."""

import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np

from jaxvec.storage.arrays import release
from jaxvec.storage.pool import ordered_map

T = TypeVar("T")
U = TypeVar("U")

_SLICE = 1 << 16  # entries that stay in a core's cache
_STRIDE = 1 << 14  # of a run's keys, one in so many is looked at to divide the work


class Run(NamedTuple):
    """Sums of what was found for each key."""

    keys: np.ndarray  # int64[N], rising, each once
    sums: np.ndarray  # float64[N]


class Shelf:
    """Where runs wait: in memory, or together in one temporary file of a folder; see `Growing`."""

    def __init__(self, folder: Path | None):
        self.file = None if folder is None else tempfile.TemporaryFile(dir=folder)  # noqa: SIM115
        self.lock = threading.Lock()
        self.length = 0

    def put(self, run: Run) -> Any:
        """Puts a run there; `runs` takes what it returns. Any thread may."""
        if self.file is None:
            return run
        with self.lock:
            start, self.length = self.length, self.length + 2 * len(run.keys)
            run.keys.tofile(self.file)
            run.sums.tofile(self.file)
        return start, len(run.keys)

    def runs(self, put: Sequence[Any]) -> list[Run]:
        """The runs, memory-mapped if in a file; the end of putting."""
        if self.file is None:
            return list(put)
        with self.file:
            self.file.flush()
            if not self.length:  # which cannot be mapped
                return []
            numbers = np.memmap(self.file, np.int64, "r", shape=(self.length,))
        return [
            Run(numbers[at : at + size], numbers[at + size : at + 2 * size].view(np.float64))
            for at, size in put
        ]


class Growing:
    """An array to append to, up to a length: in memory, or in a folder's temporary file, which
    has no name (where the system can do that), so that nothing is left of it whatever ends the
    process."""

    def __init__(self, dtype: Any, longest: int, folder: Path | None):
        self.dtype = dtype
        self.length = 0
        self.memory = np.empty(longest if folder is None else 0, dtype)
        self.file = None if folder is None else tempfile.TemporaryFile(dir=folder)  # noqa: SIM115

    def append(self, part: np.ndarray) -> None:
        """Makes it longer."""
        if self.file is None:
            self.memory[self.length : self.length + len(part)] = part
        else:
            part.astype(self.dtype, copy=False).tofile(self.file)
        self.length += len(part)

    def array(self) -> np.ndarray:
        """All of it, memory-mapped if it is a file; the end of appending."""
        if self.file is None:
            return self.memory[: self.length]
        with self.file:
            self.file.flush()
            if not self.length:  # which cannot be mapped
                return self.memory
            return np.memmap(self.file, self.dtype, "r", shape=(self.length,))


def sum_sorted(keys: np.ndarray, bits: int, weights: np.ndarray) -> Run:
    """The sums of weights by key, from sorted (key << bits) | (number of a weight).

    Args:
      keys: int64[N]; overwritten.
      bits: how many of them number the weights.
      weights: float64[up to 2^bits].
    """
    sums: list[np.ndarray] = [np.empty(0)]
    kept = 0
    for start in range(0, len(keys), _SLICE):
        packed = keys[start : start + _SLICE]
        part = packed >> bits
        first = _firsts(part)
        found = np.add.reduceat(weights[packed & ((1 << bits) - 1)], first)
        part = part[first]
        if kept and part[0] == keys[kept - 1]:  # goes on from the slice before
            sums[-1][-1] += found[0]
            part, found = part[1:], found[1:]
        keys[kept : kept + len(part)] = part
        kept += len(part)
        if len(found):
            sums.append(found)
    return Run(keys[:kept].copy(), np.concatenate(sums))


def in_order(keys: np.ndarray, sums: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Keys, which are overwritten, and their sums, sorted by key."""
    bits = len(keys).bit_length()
    if len(keys) and int(keys.max()).bit_length() + bits > 63:
        order = np.argsort(keys)
        return keys[order], sums[order]
    keys <<= bits  # with its place in the low bits a key brings its sum along: quicker
    keys |= np.arange(len(keys))
    keys.sort()
    sums = sums[keys & ((1 << bits) - 1)]
    keys >>= bits
    return keys, sums


def merge(
    runs: Sequence[Run], entries: int, threads: int, then: Callable[[Run], Any] = lambda run: run
) -> Iterator[Any]:
    """The sums of all runs together, as runs of up to about so many entries, keys rising.

    Each is passed through `then`, so many at a time.
    """
    if not runs:
        return iter(())
    samples = np.sort(np.concatenate([_copied(run.keys[::_STRIDE]) for run in runs]))
    cuts = samples[entries // _STRIDE :: max(1, entries // _STRIDE)]
    bounds = [_places(run.keys, cuts) for run in runs]

    def part(i: int) -> Any:
        pieces = [
            [_copied(side[at[i] : at[i + 1]]) for side in run]
            for run, at in zip(runs, bounds, strict=True)
            if at[i] < at[i + 1]
        ]
        keys, sums = (np.concatenate(side) for side in zip(*pieces, strict=True))
        if len(pieces) == 1:
            return then(Run(keys, sums))
        keys, sums = in_order(keys, sums)
        first = _firsts(keys)
        if len(first) == len(keys):
            return then(Run(keys, sums))
        return then(Run(keys[first], np.add.reduceat(sums, first)))

    filled = [i for i in range(len(cuts) + 1) if any(at[i] < at[i + 1] for at in bounds)]
    return ordered_map(part, filled, threads)


def _copied(part: np.ndarray) -> np.ndarray:
    """A part of an array, in memory; of a file no more than that stays in memory."""
    if isinstance(part, np.memmap):
        mapped, part = part, np.array(part)
        release(mapped)
    return part


def _places(keys: np.ndarray, cuts: np.ndarray) -> np.ndarray:
    """Where each of the parts between cuts begins, and the last ends."""
    places = np.concatenate([[0], np.searchsorted(keys, cuts), [len(keys)]])
    release(keys)
    return places


def _firsts(keys: np.ndarray) -> np.ndarray:
    """Where each run of equal keys begins."""
    new = np.ones(len(keys), bool)
    np.not_equal(keys[1:], keys[:-1], out=new[1:])
    return np.flatnonzero(new)
