"""Reports within an epoch, each of some consecutive steps."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from jaxvec.train.callbacks import call_all
from jaxvec.train.contracts import Steps
from jaxvec.train.watch import mean


class StepReport(NamedTuple):
    """The loss and speed of consecutive steps; words are cells if the model trains on counts."""

    epoch: int  # from 1, that of the last of the steps
    step: int  # how many steps the run has done with the last of them
    loss: float  # mean per pair or cell
    words_per_second: float


StepCallback = Callable[[StepReport], None]


class StepReports:
    """Makes a report of every `every` steps, from segments of any number of steps.

    Losses come back at the end of a segment, a sum for each draw of `contracts.STEPS_A_DRAW`
    steps: a report ends with a draw. A step's time is an even share of the segment's.

    Attributes:
      stopped: whether a callback has raised `StopTraining`.

    Args:
      every: the least steps of a report. Steps that several workers take together are one.
      callbacks: called with each `StepReport`.
      step: how many steps the run has done before.

    Raises:
      ValueError: if `every` is below 1.

    >>> reports = StepReports(64, [print])
    >>> losses, pairs, first = np.array([[3.0, 6, 0], [2, 3, 0], [2, 2, 0]])
    >>> steps = Steps(losses, pairs, taken=np.array([64, 32, 0]), first=first)
    >>> reports.add(1, steps, words=96, seconds=3.0)
    StepReport(epoch=1, step=64, loss=1.5, words_per_second=32.0)
    >>> reports.add(1, steps, words=96, seconds=1.5)
    StepReport(epoch=1, step=160, loss=1.8, words_per_second=48.0)
    """

    def __init__(self, every: int, callbacks: Sequence[StepCallback], step: int = 0):
        if every < 1:
            raise ValueError(f"report_every must be at least 1; got {every}")
        self.stopped = False
        self._every = every
        self._callbacks = callbacks
        self._step = step
        self._waiting = np.zeros(5)  # loss, weight, steps, words and seconds since the last report

    def add(self, epoch: int, steps: Steps, words: float, seconds: float) -> None:
        """Adds a segment's steps, and reports.

        Args:
          epoch: from 1.
          steps: [draws], or [N, draws] of `N` workers.
          words: how many the segment has, of all workers.
          seconds: how long it took.
        """
        if not self._callbacks:
            return
        loss, weight = (
            np.atleast_2d(part).sum(axis=0, dtype=np.float64) for part in (steps.loss, steps.weight)
        )
        count = np.atleast_2d(steps.taken).max(axis=0)
        share = count / max(count.sum(), 1)
        draws = np.stack([loss, weight, count, words * share, seconds * share], axis=1)
        for draw in draws[count > 0]:
            self._waiting += draw
            if self._waiting[2] < self._every:
                continue
            loss, weight, taken, read, took = self._waiting.tolist()
            self._waiting[:] = 0
            self._step += int(taken)
            report = StepReport(epoch, self._step, mean(loss, weight), read / took)
            self.stopped = call_all(self._callbacks, report) or self.stopped
