"""Functions that are called as a run goes on, and may end it."""

from collections.abc import Callable, Sequence
from typing import Any


class StopTraining(Exception):
    """Raised by a callback of `fit`: ends the run, which keeps its result.

    A callback ends it after its epoch. A step callback ends it after the segment of a million
    tokens or cells that its step is in; the epoch has its report, of what was read of it. The
    other callbacks are still called, and the checkpoint says that the run is done: the same
    call gives the same result once more, and trains no further. The rate falls as if all epochs
    were to come: an early end is an end at a higher rate.

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
    """Calls each; returns whether one raised `StopTraining`."""
    stopped = False
    for callback in callbacks:
        try:
            callback(*arguments)
        except StopTraining:
            stopped = True
    return stopped
