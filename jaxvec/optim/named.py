"""Optimizers by name, learning rates and their schedules."""

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import optax

from jaxvec import optim
from jaxvec.optim.rows import RowOptimizer

_RATE_POINTS = 33  # where a schedule is evaluated within a segment

Schedule = Callable[[float], Any]
"""Learning rate as a function of progress from 0 (start) to 1 (end of the last epoch)."""

OPTIMIZERS = {
    "sgd": 0.03,
    "adagrad": 0.2,
    "row_adagrad": 0.4,
    "adam": 0.01,
    "glove_adagrad": 0.05,
    "glove_row_adagrad": 0.05,
}
"""The optimizers known by name, and their default learning rates."""

_TRANSFORMS = {
    "sgd": optax.sgd(1.0),
    "adagrad": optax.adagrad(1.0),
    "row_adagrad": optim.row_adagrad(1.0),
    "adam": optax.adam(1.0),
}


def linear_decay(learning_rate: float, min_learning_rate: float) -> Schedule:
    """The schedule of word2vec: a straight line from one rate to the other."""
    return lambda progress: learning_rate + progress * (min_learning_rate - learning_rate)


def rates(schedule: Schedule, start: float, stop: float) -> np.ndarray:
    """The rates at evenly spaced points of progress, both ends included, as `train_segment`
    takes them."""
    return np.array(
        [float(schedule(p)) for p in np.linspace(start, stop, _RATE_POINTS)], np.float32
    )


def resolve_optimizer(
    optimizer: str | optax.GradientTransformation | RowOptimizer,
    dense: bool,
    learning_rate: float | Schedule | None,
    min_learning_rate: float | None,
    grad_clip: float | None = None,
) -> tuple[RowOptimizer, Schedule]:
    """The arguments of `fit` as what trains; ValueError if they are not right."""
    named = isinstance(optimizer, str)
    if named and optimizer not in OPTIMIZERS:
        raise ValueError(
            f"optimizer must be one of {', '.join(OPTIMIZERS)}, or an optax "
            f"transformation; got {optimizer!r}"
        )
    if grad_clip is not None and not 0 < grad_clip < math.inf:
        raise ValueError(f"grad_clip must be a positive number; got {grad_clip}")
    schedule = _schedule(optimizer, learning_rate, min_learning_rate)
    if isinstance(optimizer, RowOptimizer):
        if dense or grad_clip is not None:
            raise ValueError("dense and grad_clip are for a transformation, not a RowOptimizer")
        return optimizer, schedule
    if named and optimizer not in _TRANSFORMS:  # GloVe's rate is part of its rule, no decay
        transform, combine = _glove(optimizer, float(schedule(0)), grad_clip or 100.0), False
        schedule = linear_decay(1.0, 1.0)
    else:
        transform = _TRANSFORMS[optimizer] if named else optimizer
        transform = transform if grad_clip is None else _clipped(transform, grad_clip)
        combine = grad_clip is not None or optimizer != "sgd"  # sums of a row's copies alone
    rows = optim.dense(transform) if dense else optim.row_sparse(transform, combine=combine)
    return rows, schedule


def _schedule(optimizer, learning_rate, min_learning_rate) -> Schedule:
    glove = isinstance(optimizer, str) and optimizer.startswith("glove")
    if glove and (callable(learning_rate) or min_learning_rate is not None):
        raise ValueError(f"{optimizer} has one learning rate: no schedule, no min_learning_rate")
    if callable(learning_rate):
        if min_learning_rate is not None:
            raise ValueError("min_learning_rate does not go with a learning-rate schedule")
        values = rates(learning_rate, 0, 1)
        if not (np.isfinite(values) & (values >= 0)).all():
            raise ValueError(
                "a learning-rate schedule must give numbers of at least 0; this one gives "
                f"{values.min():g} to {values.max():g}"
            )
        return learning_rate
    rate, least = learning_rate, min_learning_rate
    if rate is None and not isinstance(optimizer, str):
        rate, least = 1.0, 1.0 if least is None else least
    elif rate is None:
        rate = OPTIMIZERS[optimizer]
    least = 1e-4 * rate if least is None else least
    if not (math.isfinite(rate) and rate > 0):
        raise ValueError(f"learning_rate must be a positive number; got {rate}")
    if not 0 <= least <= rate:
        raise ValueError(f"min_learning_rate must be between 0 and {rate:g}; got {least}")
    return linear_decay(rate, least)


@functools.cache  # the same object each time, so that nothing is compiled twice
def _glove(name: str, rate: float, clip: float) -> optax.GradientTransformation:
    per_row = name == "glove_row_adagrad"
    return optim.glove_adagrad(rate, clip=clip, per_row=per_row, accumulate_first=True)


@functools.cache
def _clipped(transform: optax.GradientTransformation, clip: float) -> optax.GradientTransformation:
    return optax.chain(optax.clip(clip), transform)
