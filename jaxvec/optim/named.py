"""Optimizers by name, learning rates and their schedules."""

import functools
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import optax

from jaxvec.optim import adagrad, rows, writeback
from jaxvec.optim.rows import RowOptimizer
from jaxvec.optim.writeback import WriteBack

_RATE_POINTS = 33  # where a schedule is evaluated within a segment

Schedule = Callable[[float], Any]
"""Learning rate as a function of progress from 0 (start) to 1 (end of the last epoch)."""


class Named(NamedTuple):
    """An optimizer that is known by name."""

    make: Callable[[float], optax.GradientTransformation]
    """Of a learning rate. If `rate_is_fixed`, ``make(rate, clip=…)``, which clips by itself."""

    learning_rate: float
    """By default."""

    write_back: writeback.Name = "slots"
    """The default on a CPU; see `writeback`. Where `grad_clip` is put before a rule of "scatter",
    "slots" is taken: the gradient of a row is summed before it is clipped."""

    accelerator: writeback.Name | None = None
    """The default elsewhere; None for the fastest strategy that makes the same rule."""

    linear: bool = False
    """Whether updates are proportional to the gradient, so that every strategy is the same."""

    decays: bool = False
    """Whether it has state that decays: a row's occurrences cannot be taken apart."""

    rate_is_fixed: bool = False
    """Whether the rate is part of the rule: no schedule, and it does not decay."""

    grad_clip: float | None = None
    """By default."""


def _glove(per_row: bool) -> Named:
    make = functools.partial(adagrad.glove_adagrad, per_row=per_row, accumulate_first=True)
    return Named(make, 0.05, "scatter", rate_is_fixed=True, grad_clip=100.0)


NAMED = {
    "sgd": Named(optax.sgd, 0.03, "scatter", linear=True),
    "adagrad": Named(optax.adagrad, 0.2, accelerator="accumulate"),
    "row_adagrad": Named(adagrad.row_adagrad, 0.4, accelerator="accumulate"),
    "adam": Named(optax.adam, 0.01, decays=True),
    "glove_adagrad": _glove(per_row=False),
    "glove_row_adagrad": _glove(per_row=True),
}
"""The optimizers known by name."""

OPTIMIZERS = {name: named.learning_rate for name, named in NAMED.items()}
"""The names, and their default learning rates."""

_MOST_RATE = 1e30  # of a run; and the least is its inverse: both are float32
_MOST_FIXED = 1e18  # of GloVe's AdaGrad, whose sums begin at 1/η²


def linear_decay(learning_rate: float, min_learning_rate: float) -> Schedule:
    """The schedule of word2vec: a straight line from one rate to the other.

    `optax.linear_schedule` from 0 to 1, computed in float64 on the host; optax's own is in JAX's
    float32.

    Args:
      learning_rate: at a progress of 0.
      min_learning_rate: at a progress of 1.

    >>> linear_decay(0.5, 0.1)(0.5)
    0.3
    """
    return lambda progress: learning_rate + progress * (min_learning_rate - learning_rate)


def rates(schedule: Schedule, start: float, stop: float) -> np.ndarray:
    """A schedule within a segment: float32[33], straight lines between.

    Args:
      schedule: the learning rate by progress.
      start, stop: of the segment, in progress; the first and last rate are at these.
    """
    return np.array(
        [float(schedule(p)) for p in np.linspace(start, stop, _RATE_POINTS)], np.float32
    )


def resolve_optimizer(
    optimizer: str | optax.GradientTransformation | RowOptimizer,
    dense: bool,
    learning_rate: float | Schedule | None,
    min_learning_rate: float | None,
    grad_clip: float | None = None,
    write_back: writeback.Name | WriteBack | None = None,
) -> tuple[RowOptimizer, Schedule]:
    """The optimizer and the schedule that the arguments of `fit` ask for.

    Args:
      optimizer: a name out of `OPTIMIZERS`, an optax transformation, or a `RowOptimizer`, which
        is taken as it is.
      dense: whether whole tables are updated.
      learning_rate: a number or a schedule; by default the name's own, else 1.
      min_learning_rate: at the end; by default 1e-4 of `learning_rate`, or all of it where that
        is not given with an optimizer that has no name.
      grad_clip: bound of each element of a gradient; None for the name's own.
      write_back: a strategy or its name; None for the first of `write_backs`.

    Raises:
      ValueError: if an argument is out of its range, or does not go with the optimizer.
    """
    named = _named(optimizer)
    if grad_clip is not None and not 0 < grad_clip < math.inf:
        raise ValueError(f"grad_clip must be a positive number; got {grad_clip}")
    schedule = _schedule(optimizer, named, learning_rate, min_learning_rate)
    if isinstance(optimizer, RowOptimizer):
        _check_alone(dense, grad_clip, write_back)
        return optimizer, schedule
    strategy = _strategy(optimizer, dense, grad_clip, write_back)
    if named is not None and named.rate_is_fixed:
        clip = named.grad_clip if grad_clip is None else grad_clip
        transform = _made(named.make, float(schedule(0)), clip)
        schedule = linear_decay(1.0, 1.0)
    else:
        transform = optimizer if named is None else _made(named.make, 1.0)
        transform = transform if grad_clip is None else _clipped(transform, grad_clip)
    if dense:
        return rows.dense(transform), schedule
    if named is None:
        return rows.row_sparse(transform, write_back=strategy), schedule
    return rows.of_rows(transform, writeback.resolve(strategy), known=True), schedule


def write_backs(
    optimizer: str | optax.GradientTransformation | RowOptimizer, grad_clip: float | None = None
) -> tuple[writeback.Name, ...]:
    """The strategies of write-back by which an optimizer is the same rule, its own first.

    Args:
      optimizer, grad_clip: as for `resolve_optimizer`.

    Returns:
      Their names; none for a `RowOptimizer`, which writes by itself.

    >>> write_backs("adam")
    ('slots', 'sorted', 'head')
    >>> write_backs("glove_adagrad")
    ('scatter', 'sorted_scatter')
    """
    named = _named(optimizer)
    if isinstance(optimizer, RowOptimizer):
        return ()
    clipped = grad_clip is not None and not (named is not None and named.rate_is_fixed)
    own: writeback.Name = "slots" if named is None or clipped else named.write_back
    linear = named is not None and named.linear and not clipped
    others = writeback.alike(own, linear=linear)
    return (own, *(name for name in others if name != own))


def accelerators_own(optimizer: Any, grad_clip: float | None = None) -> writeback.Name | None:
    """The strategy that an optimizer known by name has on an accelerator, though it makes another
    rule of it; None where one of `write_backs` is to be chosen.

    Args:
      optimizer, grad_clip: as for `resolve_optimizer`.

    >>> accelerators_own("row_adagrad"), accelerators_own("sgd")
    ('accumulate', None)
    """
    named = _named(optimizer)
    return None if named is None or grad_clip is not None else named.accelerator


def _strategy(optimizer, dense, grad_clip, write_back) -> writeback.Name | WriteBack:
    """The strategy asked for, or the optimizer's own."""
    if write_back is None:
        return write_backs(optimizer, grad_clip)[0]
    if dense:
        raise ValueError(
            "write_back is for an optimizer of rows, and dense=True updates whole tables: leave "
            "one of the two out"
        )
    writeback.resolve(write_back)  # raises for an unknown name
    named = _named(optimizer)
    apart = isinstance(write_back, str) and write_back not in writeback.SUM_FIRST
    if named is not None and named.decays and apart:
        raise ValueError(
            f"{optimizer} has state that decays, once for each row and step: write_back must be "
            f"one of {', '.join(writeback.SUM_FIRST)}; got {write_back!r}"
        )
    return write_back


def _named(optimizer: Any) -> Named | None:
    if not isinstance(optimizer, str):
        return None
    if optimizer not in NAMED:
        raise ValueError(
            f"optimizer must be one of {', '.join(NAMED)}, an optax transformation or a "
            f"RowOptimizer; got {optimizer!r}"
        )
    return NAMED[optimizer]


def _check_alone(dense: bool, grad_clip: float | None, write_back: Any) -> None:
    """Raises a ValueError for what cannot be changed in a RowOptimizer that is made."""
    if write_back is not None:
        raise ValueError(
            "write_back is for an optax transformation, not a RowOptimizer: make this of one that "
            f"writes so, optim.row_sparse(transform, write_back={write_back!r})"
        )
    if grad_clip is not None:
        raise ValueError(
            "grad_clip is for an optax transformation, not a RowOptimizer: make this of one that "
            f"clips, optim.row_sparse(optax.chain(optax.clip({grad_clip:g}), transform))"
        )
    if dense:
        raise ValueError(
            "dense=True is for an optax transformation, not a RowOptimizer: give the "
            "transformation itself, or optim.dense(transform) without dense=True"
        )


def _schedule(optimizer, named: Named | None, learning_rate, min_learning_rate) -> Schedule:
    fixed = named is not None and named.rate_is_fixed
    if fixed and (callable(learning_rate) or min_learning_rate is not None):
        raise ValueError(f"{optimizer} has one learning rate: no schedule, no min_learning_rate")
    if callable(learning_rate):
        if min_learning_rate is not None:
            raise ValueError("min_learning_rate does not go with a learning-rate schedule")
        values = np.array([float(learning_rate(p)) for p in np.linspace(0, 1, _RATE_POINTS)])
        if not (values >= 0).all():
            raise ValueError(
                "a learning-rate schedule must give numbers of at least 0; this one gives "
                f"{values.min():g} to {values.max():g}"
            )
        _check_rate("the highest rate of a schedule", values.max(), _MOST_RATE)
        return learning_rate
    rate, least = learning_rate, min_learning_rate
    if rate is None:
        rate = 1.0 if named is None else named.learning_rate
        least = rate if named is None and least is None else least
    least = 1e-4 * rate if least is None else least
    if not (math.isfinite(rate) and rate > 0):
        raise ValueError(f"learning_rate must be a positive number; got {rate}")
    _check_rate("learning_rate", rate, _MOST_FIXED if fixed else _MOST_RATE)
    if not 0 <= least <= rate:
        raise ValueError(f"min_learning_rate must be between 0 and {rate:g}; got {least}")
    return linear_decay(rate, least)


def _check_rate(name: str, rate: float, most: float) -> None:
    if not 1 / most <= rate <= most:
        raise ValueError(
            f"{name} must be from {1 / most:g} to {most:g}, so that it can be computed with in "
            f"float32; got {rate:g}"
        )


@functools.cache  # the same object each time, so that nothing is compiled twice
def _made(make: Callable, rate: float, clip: float | None = None) -> optax.GradientTransformation:
    return make(rate) if clip is None else make(rate, clip=clip)


@functools.cache
def _clipped(transform: optax.GradientTransformation, clip: float) -> optax.GradientTransformation:
    return optax.chain(optax.clip(clip), transform)
