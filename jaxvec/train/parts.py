"""Prefetching: segments and their keys, read and sent to the devices while these train."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxvec.models.threefry import folded
from jaxvec.storage.pool import prefetch
from jaxvec.train.contracts import Segments
from jaxvec.train.parallel.contract import Parallel

PyTree = Any
Numbered = tuple[int, PyTree]
"""A pair (i, part): what `Parallel.share` made of the segments from i on."""


class Keys(NamedTuple):
    """The keys of an epoch, of each of `k` models."""

    of_epoch: Sequence[jax.Array]  # [k]
    of_segments: np.ndarray  # uint32[k, number of segments, …], the data of their keys


class Parts:
    """The parts of a run, epoch by epoch.

    Args:
      parallel: how it trains.
      segments: what on.
      keys: of the run, of each model, [k].
    """

    def __init__(self, parallel: Parallel, segments: Segments, keys: jax.Array):
        self._parallel, self._segments = parallel, segments
        self._impl = jax.random.key_impl(keys)
        self._run = np.asarray(jax.random.key_data(keys))
        self._begun: dict[int, Iterator[Numbered]] = {}

    def of(self, epoch: int, first: int) -> Iterator[Numbered]:
        """The parts of an epoch.

        Args:
          epoch: its number.
          first: its segment to begin with.
        """
        return self._begun.pop(epoch, None) or self._of_epoch(epoch, first)

    def begin(self, epoch: int) -> None:
        """Has the first part of the next epoch read, while this one's last is trained on.

        Args:
          epoch: its number, one more than that of the last `of`.
        """
        self._begun = {epoch: self._of_epoch(epoch, 0)}

    def _of_epoch(self, epoch: int, first: int) -> Iterator[Numbered]:
        (data,) = folded(self._run, np.array([epoch]), self._impl).swapaxes(0, 1)
        keys = segment_keys(data, self._impl, self._parallel, self._segments)
        return parts(self._parallel, self._segments, keys, first)


def segment_keys(data: np.ndarray, impl: Any, parallel: Parallel, segments: Segments) -> Keys:
    """The keys of an epoch's segments; a few more, as its last call may go beyond the data.

    Args:
      data: of the keys of the epoch, of each model, uint32[k, …].
      impl: their kind, as `jax.random.key_impl` tells it.
      parallel, segments: as for `Parts`.
    """
    numbers = np.arange(len(segments.sizes) + parallel.workers * parallel.rounds)
    of_epoch = [jax.random.wrap_key_data(one, impl=impl) for one in data]
    return Keys(of_epoch, folded(data, numbers, impl))


def parts(parallel: Parallel, segments: Segments, keys: Keys, first: int) -> Iterator[Numbered]:
    """From segment `first` on, as many as a call takes, for each model with their keys. The first
    is read at once, the next while one is used. A process reads its own workers'.

    Args:
      parallel, segments: as for `Parts`.
      keys: from `segment_keys`.
      first: the segment to begin with.
    """
    count, workers = len(segments.sizes), parallel.workers
    taken = workers * parallel.rounds
    readers: list[Any] = []
    of_epoch, of_segments = keys

    def ready(i: int) -> PyTree:
        if not readers:  # which may have to shuffle: on the thread that reads
            readers.extend(map(segments.epoch, of_epoch if segments.shuffled else of_epoch[:1]))
        chosen = [j + worker for j in range(i, i + taken, workers) for worker in parallel.own]
        found = [[read(j) if j < count else segments.empty() for j in chosen] for read in readers]
        by_model = found if segments.shuffled else found * len(of_epoch)
        return parallel.share([
            list(zip(own, data[chosen], strict=True))
            for own, data in zip(by_model, of_segments, strict=True)
        ])  # fmt: skip

    return prefetch(ready, range(first, count, taken))
