"""Prefetching: segments and their keys, read and sent to the devices while these train."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxvec.storage.pool import prefetch
from jaxvec.train.contracts import Segments
from jaxvec.train.parallel.contract import Parallel

PyTree = Any
Numbered = tuple[int, PyTree]
"""A pair (i, part): what `Parallel.share` made of the segments from i on."""


class _Keys(NamedTuple):
    """Of an epoch. Computed while the devices are idle: else it would wait for them."""

    of_epoch: Sequence[jax.Array]  # a key of each model
    of_segments: np.ndarray  # uint32[k, number of segments, …], the data of their keys


class Parts:
    """The parts of a run, epoch by epoch.

    Args:
      parallel: how it trains.
      segments: what on.
      keys: of the run, of each model, [k].
    """

    def __init__(self, parallel: Parallel, segments: Segments, keys: jax.Array):
        self._parallel, self._segments, self._run = parallel, segments, keys
        self._keys: dict[int, _Keys] = {}
        self._begun: dict[int, Iterator[Numbered]] = {}

    def of(self, epoch: int, first: int) -> Iterator[Numbered]:
        """The parts of an epoch; the next one is read meanwhile.

        Args:
          epoch: its number.
          first: its segment to begin with.
        """
        begun = self._begun.pop(epoch, None)
        keys = self._keys.pop(epoch, None) or self._of_epoch(epoch)
        self._keys = {epoch + 1: self._of_epoch(epoch + 1)}
        return begun or parts(self._parallel, self._segments, *keys, first)

    def begin(self, epoch: int) -> None:
        """Has the first part of the next epoch read, while this one's last is trained on.

        Args:
          epoch: its number, one more than that of the last `of`.
        """
        self._begun = {epoch: parts(self._parallel, self._segments, *self._keys[epoch], 0)}

    def _of_epoch(self, epoch: int) -> _Keys:
        return segment_keys(_epoch_keys(self._run, epoch), self._parallel, self._segments)


def segment_keys(keys: jax.Array, parallel: Parallel, segments: Segments) -> _Keys:
    """The keys of an epoch's segments; a few more, as its last call may go beyond the data.

    Args:
      keys: of the epoch, of each model, [k].
      parallel, segments: as for `Parts`.
    """
    numbers = np.arange(len(segments.sizes) + parallel.workers * parallel.rounds)
    return _Keys(list(keys), np.asarray(_segment_keys(keys, numbers)))


def compile_keys(keys: jax.Array, parallel: Parallel, segments: Segments) -> None:
    """Compiles what makes the keys of epochs and segments.

    Args:
      keys, parallel, segments: as for `Parts`.
    """
    segment_keys(_epoch_keys(keys, 1), parallel, segments)


def parts(
    parallel: Parallel,
    segments: Segments,
    of_epoch: Sequence[jax.Array],
    of_segments: np.ndarray,
    first: int,
) -> Iterator[Numbered]:
    """From segment `first` on, as many as a call takes, for each model with their keys. The first
    is read at once, the next while one is used. A process reads its own workers'.

    Args:
      parallel, segments: as for `Parts`.
      of_epoch, of_segments: from `segment_keys`.
      first: the segment to begin with.
    """
    count, workers = len(segments.sizes), parallel.workers
    taken = workers * parallel.rounds
    readers: list[Any] = []

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


@jax.jit
def _epoch_keys(keys: jax.Array, epoch: int) -> jax.Array:
    """The key of an epoch, of each model: keys [k]."""
    return jax.vmap(jax.random.fold_in, (0, None))(keys, epoch)


@jax.jit
def _segment_keys(keys: jax.Array, numbers: np.ndarray) -> jax.Array:
    """The data of the key of each segment, of each model: uint32[k, number of segments, …]."""
    of_each = jax.vmap(jax.vmap(jax.random.fold_in, (None, 0)), (0, None))
    return jax.random.key_data(of_each(keys, numbers))
