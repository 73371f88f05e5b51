"""Callbacks: functions that are called during a run, and may end it."""

from collections.abc import Callable, Sequence
from typing import Any


class StopTraining(Exception):
    """Raised by a callback of `fit`: ends the run, which keeps its result.

    A callback ends it after its epoch, a step callback after the segment of a million tokens or
    cells that its step is in; the report of that epoch is of what was read. The other callbacks
    are still called. The checkpoint says that the run is done: the same call returns the same
    result and trains no further. The learning rate follows the schedule of all epochs, so that
    an early end is at a higher rate.

    >>> from jaxvec import Corpus, SkipGram, fit
    >>> import jax
    >>> def no_better(report, result):
    ...     losses = [past.loss for past in result.history]
    ...     if len(losses) > 1 and losses[-1] > 0.99 * losses[-2]:
    ...         raise StopTraining
    >>> corpus = Corpus.from_documents(["the cat sat on the mat"] * 20, min_count=1)
    >>> model = SkipGram(vector_size=8)
    >>> result = fit(corpus, model, key=jax.random.key(0), epochs=50, callbacks=[no_better])
    >>> len(result.history) < 50
    True
    """


def call_all(callbacks: Sequence[Callable[..., Any]], *arguments: Any) -> bool:
    """Calls each; returns whether one raised `StopTraining`.

    Args:
      callbacks: functions.
      arguments: what they are called with.
    """
    stopped = False
    for callback in callbacks:
        try:
            callback(*arguments)
        except StopTraining:
            stopped = True
    return stopped
