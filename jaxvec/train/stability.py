"""How large a step of SGD may be, and how a run that diverges is recognized.

All pairs of a step take their gradient at the same point; word2vec takes them one by one. So a
step that is too large makes vectors grow where word2vec's would not. Letters: η learning rate,
`M` tokens and `N` negatives a block, `P` pairs a token, `K` negatives a pair.
"""

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from jaxvec.optim import rowwise
from jaxvec.train.epoch import Steps
from jaxvec.train.text_model import DEFAULT_BLOCKS, TextModel

MOST_GROWTH = 1.5  # of a block; plain SGD held at 1.65, and diverged at 2.8
_MOST_PUSH = 2.0  # of the most frequent row of a step
_LEAST_STEP = 8  # tokens; fewer, and one block is taken as it is
_MOST_WITH_MEMORY = 8.0  # the same with momentum, which carries on what damping held back
_DAMPING = 0.1  # see `optim.damped`

MOST_LOSS = 1.25  # in units of the loss of untrained vectors, or of the first step
LONGEST_ROW = 100.0  # trained rows have lengths of 3 to 30
_ADVICE = "lower the learning rate; of a text model also blocks, or raise block_negatives"
_TRIAL_STEPS = 500


def stable(model: TextModel, counts: np.ndarray, rate: float) -> tuple[TextModel, float]:
    """A text model with `blocks` chosen, if not given, so that plain SGD is stable.

    Two products must stay small:

    - A row that n pairs of a step share moves by n · η times its partners, and they by as much
      times it. The most frequent row's n · η is kept below 2 by the number of tokens a step.
    - The weights of a block's pairs are a matrix, `M` by its contexts and negatives, by which the
      two sides move each other: (η · its spectral norm)² is the growth of one step where all
      vectors agree, and no number of blocks changes it. ``model.step_norm`` bounds the norm.

    Args:
      model: as asked for.
      counts: of the vocabulary, int[V].
      rate: η, the highest of the run; for a rule with momentum the sum of its steps.

    Returns:
      The model, and the damping that `optim.damped` needs where either product is too large
      all the same; else 0. The pairs of a word pull in as many directions as it has different
      partners, n, whose mean is as long as 1 / √n of theirs: a small vocabulary takes more.
    """
    kept = counts * model.keep_probability(counts)
    share = kept / kept.sum()
    pairs = model.pairs_a_token * model.steepest_share(counts, share)
    tokens = _MOST_PUSH / (rate * pairs)
    if model.blocks is None and tokens < _LEAST_STEP:  # a handful of words
        model = dataclasses.replace(model, blocks=1)
    elif model.blocks is None:
        size = int(min(tokens, model.block_tokens))
        blocks = int(np.clip(tokens / size, 1, DEFAULT_BLOCKS))
        model = dataclasses.replace(model, block_tokens=size, blocks=blocks)
    growth = (rate * model.step_norm) ** 2
    if model.step_tokens <= tokens and growth <= MOST_GROWTH:
        return model, 0.0
    partners = 1 / float(np.square(share).sum())  # if all were as frequent
    return model, float(np.clip(round(2 / partners**0.5, 2), _DAMPING, 1))


def settled(
    model: Any,
    counts: np.ndarray,
    optimizer: str | optax.GradientTransformation,
    rate: float,
) -> tuple[Any, float, float]:
    """The model, damping and scale with which `optim.damped` keeps a run's optimizer stable.

    Args:
      model, counts: as for `stable`.
      optimizer: a name, or an optax transformation.
      rate: the highest of the run, which multiplies the transformation's updates.

    Returns:
      The model, the damping (0 for none) and the scale of the optimizer; models that are not of
      text, and optimizers that are not like SGD, which set their own step, as they are.

    Raises:
      ValueError: if the rule has momentum, and its steps add up to far more than damping mends.
    """
    if not isinstance(model, TextModel):
        return model, 0.0, 1.0
    scale, has_memory = _response(optimizer, model)
    if scale is None:
        return model, 0.0, 1.0
    model, damping = stable(model, counts, scale * rate)
    growth = scale * rate * model.step_norm
    if has_memory and _MOST_WITH_MEMORY < growth**2 < math.inf:
        most = MOST_GROWTH**0.5 / growth
        raise ValueError(
            f"the steps of this optimizer add up to {scale * rate:.2g} times a constant gradient, "
            f"which makes {type(model).__name__} diverge: lower its learning rate to "
            f"{most:.2g} of its value, or its momentum"
        )
    return model, damping, scale


def _response(
    optimizer: str | optax.GradientTransformation, model: TextModel
) -> tuple[float | None, bool]:
    """The largest step of a rule under a constant gradient of 1, None if its steps are not
    proportional to the gradient; and whether that is more than its first step."""
    if isinstance(optimizer, str):
        return (1.0 if optimizer == "sgd" else None), False
    tables = jax.tree.map(jnp.zeros_like, model.init(jax.random.key(0), 2))
    begun = rowwise.begin(optimizer, tables)

    @jax.jit
    def steps(gradient):
        gradients = jax.tree.map(lambda table: jnp.full_like(table, gradient), tables)

        def step(state, _):
            updates, state = rowwise.updated(optimizer, gradients, state, tables)
            most = [jnp.abs(update).max() for update in jax.tree.leaves(updates)]
            return state, jnp.stack(most).max() / gradient

        return jax.lax.scan(step, begun, length=_TRIAL_STEPS)[1]

    small, large = (np.asarray(steps(jnp.float32(gradient))) for gradient in (1e-3, 1e-1))
    if not large.max() > 0 or not np.allclose(small, large, rtol=1e-3):
        return None, False
    return float(large.max()), bool(large.max() > 1.01 * large[0])


class DivergedError(ValueError):
    """Training made vectors worse than none, or rows that grow without bound."""


class NonFiniteError(DivergedError):
    """Training came upon NaN or infinity."""


class Watch:
    """Ends a run that diverges, with a DivergedError that says what to change.

    The loss of a segment has as its bound the loss of untrained vectors or, if higher, the loss
    of the run's first step: vectors to begin with may be worse than none.

    Args:
      untrained: the loss per pair or cell of vectors that know nothing.
      params: the tables that the run begins with.

    Raises:
      ValueError: if these are not finite.
    """

    def __init__(self, untrained: float, params: Any):
        longest = longest_row(params)
        if not np.isfinite(longest):
            raise ValueError("the vectors to begin with have numbers that are not finite")
        self._bound = untrained
        self._begun = False
        self._longest = max(LONGEST_ROW, 10 * longest)

    def steps(self, steps: Steps, epoch: int, segment: int) -> Steps:
        """The steps of a segment, or of one for each worker, if their losses are in bounds."""
        where = f"segment {segment + 1}, epoch {epoch + 1}"
        bad = np.argwhere(~np.isfinite(np.atleast_2d(steps.loss)))  # by worker and step
        if len(bad):
            worker, step = bad[0]
            raise NonFiniteError(
                f"the loss is no longer finite at step {step} of segment {segment + worker + 1}, "
                f"epoch {epoch + 1}: training diverged; {_ADVICE}"
            )
        if self.loss_diverged(steps):
            raise DivergedError(
                f"training diverged: the loss of {mean(*_second_half(steps)):.4g} in {where} is "
                f"above {self._bound:.4g}, the loss of untrained vectors or of the first step; "
                f"{_ADVICE}"
            )
        return steps

    def loss_diverged(self, steps: Steps) -> bool:
        """Whether a loss is not finite, or the mean of the last half of the steps out of bounds.

        The first steps may overshoot.
        """
        first, pairs = (float(np.atleast_2d(part)[:, 0].sum()) for part in steps)
        if pairs and not self._begun:
            self._begun, self._bound = True, max(self._bound, mean(first, pairs))
        loss, weight = _second_half(steps)
        return not np.isfinite(steps.loss).all() or loss > MOST_LOSS * self._bound * weight

    def rows_diverged(self, params: Any) -> bool:
        """Whether a row of the tables is out of bounds, or not finite."""
        return not longest_row(params) <= self._longest

    def rows(self, params: Any, epoch: int) -> None:
        """Checks the tables after an epoch, counted from 0."""
        longest = longest_row(params)
        if not np.isfinite(longest):
            raise NonFiniteError(
                f"epoch {epoch + 1} made vectors that are not finite: training diverged; {_ADVICE}"
            )
        if longest > self._longest:
            raise DivergedError(
                f"epoch {epoch + 1} made a vector of length {longest:.4g}, where usual ones are "
                f"shorter than {LONGEST_ROW:g}: training diverged; {_ADVICE}"
            )


def longest_row(params: Any) -> float:
    """The length of the longest row of tables [V, …]; NaN or infinite if a number is."""
    return max(map(float, jax.device_get(_lengths(params))))


@jax.jit
def _lengths(params: Any) -> list[jax.Array]:
    return [jnp.linalg.norm(t.reshape(len(t), -1), axis=1).max() for t in jax.tree.leaves(params)]


def _second_half(steps: Steps) -> tuple[float, float]:
    """The loss and the weight of each worker's steps after the first half."""
    loss, weight = (np.atleast_2d(part) for part in steps)
    taken = np.cumsum(weight > 0, axis=1)
    late: Any = [np.where(taken > taken[:, -1:] // 2, part, 0) for part in (loss, weight)]
    return sums(Steps(*late))


def sums(steps: Steps) -> tuple[float, float]:
    """The loss and the weight of all steps, in float64."""
    return float(np.sum(steps.loss, dtype=np.float64)), float(
        np.sum(steps.weight, dtype=np.float64)
    )


def mean(loss: float, weight: float) -> float:
    """The loss per pair; NaN of no pairs."""
    return loss / weight if weight else math.nan


def check_pairs(history: Sequence[Any]) -> None:
    """Raises a ValueError if no epoch of a run's reports saw a pair of words."""
    if not any(report.pairs for report in history):
        raise ValueError(
            f"nothing was learned: not one pair of words was seen in {len(history)} epochs; "
            "raise sample, or set it to 0 to keep every word, or give more text"
        )
