"""How a run that diverges is recognized, and how the losses of its steps are added up."""

import math
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxvec.train.contracts import Steps
from jaxvec.train.ngrams import NGRAMS

MOST_LOSS = 1.25  # in units of the loss of untrained vectors, or of the first step
LONGEST_ROW = 100.0  # trained rows have lengths of 3 to 30
LONGEST_PART = 1000.0  # with n-grams, 3 to 200: vectors are means of rows, which cancel out
_ADVICE = "lower the learning rate or, for a text model, lower blocks or raise block_negatives"


class DivergedError(ValueError):
    """The loss rose above that of untrained vectors, or rows grew without bound."""


class NonFiniteError(DivergedError):
    """A loss or a vector became NaN or infinite."""


class Watch:
    """Ends a run that diverges, with a DivergedError that says what to change.

    The bound of a segment's loss is the loss of untrained vectors or, if higher, the loss of the
    run's first step: a warm start may be worse than none.

    Attributes:
      diverged: whether the run has; only with `raises` False.

    Args:
      untrained: the loss per pair or cell of vectors that know nothing; infinite for no bound.
      params: the tables that the run begins with.
      raises: end the run; or only set `diverged`.

    Raises:
      ValueError: if `params` are not finite.
    """

    def __init__(self, untrained: float, params: Any, *, raises: bool = True):
        longest = longest_row(params)
        if not np.isfinite(longest):
            raise ValueError("the vectors to begin with have numbers that are not finite")
        self.diverged = False
        self._raises = raises
        self._bound = untrained
        self._begun = False
        self._usual = LONGEST_PART if NGRAMS in getattr(params, "_fields", ()) else LONGEST_ROW
        self._longest = max(self._usual, 10 * longest)

    def steps(self, steps: Steps, epoch: int, segment: int) -> None:
        """Checks the losses of a segment's steps, [draws], or of `N` workers', [N, draws].

        Args:
          steps: NumPy arrays.
          epoch, segment: where they are, counted from 0; the first worker's segment.

        Raises:
          DivergedError: if `raises`, and a loss is out of bounds.
        """
        if not self._raises:
            self.diverged |= self.loss_diverged(steps)
            return
        where = f"segment {segment + 1}, epoch {epoch + 1}"
        bad = np.argwhere(~np.isfinite(np.atleast_2d(steps.loss)))  # by worker and step
        if len(bad):
            worker, draw = bad[0]
            before = np.atleast_2d(steps.taken)[worker, : draw + 1]
            of = f"segment {segment + 1}"
            if np.ndim(steps.loss) > 1:  # a worker may take several segments in a call
                of = f"worker {worker + 1} from {of} on"
            raise NonFiniteError(
                f"the loss is no longer finite after {before[:-1].sum()} to {before.sum()} steps "
                f"of {of}, epoch {epoch + 1}: training diverged; {_ADVICE}"
            )
        if self.loss_diverged(steps):
            raise DivergedError(
                f"training diverged: the loss of {mean(*_second_half(steps)):.4g} in {where} is "
                f"above {self._bound:.4g}, the loss of untrained vectors or of the first step; "
                f"{_ADVICE}"
            )

    def loss_diverged(self, steps: Steps) -> bool:
        """Whether a loss is not finite, or the mean over the second half of the steps out of
        bounds: the first steps may overshoot."""
        first, pairs = (np.atleast_2d(part)[:, 0] for part in (steps.first, steps.weight))
        if pairs.any() and not self._begun:
            self._begun, self._bound = True, max(self._bound, float(first[pairs > 0].mean()))
        loss, weight = _second_half(steps)
        return not np.isfinite(steps.loss).all() or loss > MOST_LOSS * self._bound * weight

    def rows(self, params: Any, epoch: int) -> None:
        """Checks the tables after an epoch.

        Args:
          params: tables [V, …].
          epoch: counted from 0.

        Raises:
          DivergedError: if `raises`, and a row is not finite or out of bounds.
        """
        longest = longest_row(params)
        if not self._raises:
            self.diverged |= not longest <= self._longest
            return
        if not np.isfinite(longest):
            raise NonFiniteError(
                f"epoch {epoch + 1} made vectors that are not finite: training diverged; {_ADVICE}"
            )
        if longest > self._longest:
            raise DivergedError(
                f"epoch {epoch + 1} made a vector of length {longest:.4g}, where usual ones are "
                f"shorter than {self._usual:g}: training diverged; {_ADVICE}"
            )


def longest_row(params: Any) -> float:
    """The length of the longest row of tables [V, …]; NaN or infinite if a number is."""
    return max(map(float, jax.device_get(_lengths(params))))


@jax.jit
def _lengths(params: Any) -> list[jax.Array]:
    return [jnp.linalg.norm(t.reshape(len(t), -1), axis=1).max() for t in jax.tree.leaves(params)]


def _second_half(steps: Steps) -> tuple[float, float]:
    """The loss and the weight of each worker's steps after the first half."""
    taken = np.atleast_2d(steps.taken)
    end = np.cumsum(taken, axis=1)
    # whole draws after the middle; or the last one, where it is alone
    late = (end - taken >= end[:, -1:] // 2) | (end == end[:, -1:])
    return sums(steps._replace(loss=steps.loss * late, weight=steps.weight * late))


def sums(steps: Steps) -> tuple[float, float]:
    """The loss and the weight of all steps, in float64."""
    return float(np.sum(steps.loss, dtype=np.float64)), float(
        np.sum(steps.weight, dtype=np.float64)
    )


def mean(loss: float, weight: float) -> float:
    """The loss per pair; NaN if there are none.

    Args:
      loss: the sum.
      weight: of the pairs.
    """
    return loss / weight if weight else math.nan


def check_pairs(history: Sequence[Any]) -> None:
    """Makes sure that a run learned something.

    Raises:
      ValueError: if no epoch of its reports saw a pair of words.
    """
    if not any(report.pairs for report in history):
        raise ValueError(
            f"nothing was learned: not one pair of words was seen in {len(history)} epochs; "
            "raise sample, or set it to 0 to keep every word, or give more text"
        )
