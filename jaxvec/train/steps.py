"""Reports within an epoch, each of some consecutive steps."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from jaxvec.train.callbacks import call_all
from jaxvec.train.contracts import Steps


class StepReport(NamedTuple):
    """The loss and speed of consecutive steps; words are cells if the model trains on counts."""

    epoch: int  # from 1, that of the last of the steps
    step: int  # how many steps the run has done with the last of them
    loss: float  # mean per pair or cell
    words_per_second: float


StepCallback = Callable[[StepReport], None]


class StepReports:
    """Makes a report of every `every` steps, from segments of any number of steps.

    Losses come back at the end of a segment; a step's time is an even share of the segment's.

    Attributes:
      stopped: whether a callback has raised `StopTraining`.

    Args:
      every: steps a report. Steps that several workers take together are one.
      callbacks: called with each `StepReport`.
      step: how many steps the run has done before.

    Raises:
      ValueError: if `every` is below 1.

    >>> reports = StepReports(2, [print])
    >>> losses, pairs = np.array([3.0, 1, 8, 0]), np.array([1.0, 1, 4, 0])  # the last is no step
    >>> reports.add(1, Steps(losses, pairs), words=30, seconds=3.0)
    StepReport(epoch=1, step=2, loss=2.0, words_per_second=10.0)
    >>> reports.add(1, Steps(losses, pairs), words=30, seconds=1.0)
    StepReport(epoch=1, step=4, loss=2.2, words_per_second=15.0)
    StepReport(epoch=1, step=6, loss=1.8, words_per_second=30.0)
    """

    def __init__(self, every: int, callbacks: Sequence[StepCallback], step: int = 0):
        if every < 1:
            raise ValueError(f"report_every must be at least 1; got {every}")
        self.stopped = False
        self._every = every
        self._callbacks = callbacks
        self._step = step
        self._waiting = np.zeros((4, 0))  # loss, weight, words and seconds of steps

    def add(self, epoch: int, steps: Steps, words: float, seconds: float) -> None:
        """Adds a segment's steps, and reports.

        Args:
          epoch: from 1.
          steps: float32[max_steps], or [N, max_steps] of `N` workers.
          words: how many the segment has, of all workers.
          seconds: how long it took.
        """
        if not self._callbacks:
            return
        loss, weight = (np.atleast_2d(part).sum(axis=0, dtype=np.float64) for part in steps)
        taken = weight > 0
        count = int(taken.sum())
        even = np.ones(count) / max(count, 1)
        segment = np.stack([loss[taken], weight[taken], words * even, seconds * even])
        self._waiting = np.concatenate([self._waiting, segment], axis=1)
        while self._waiting.shape[1] >= self._every:
            *sums, words, seconds = self._waiting[:, : self._every].sum(axis=1).tolist()
            self._waiting = self._waiting[:, self._every :]
            self._step += self._every
            report = StepReport(epoch, self._step, sums[0] / sums[1], words / seconds)
            self.stopped = call_all(self._callbacks, report) or self.stopped
