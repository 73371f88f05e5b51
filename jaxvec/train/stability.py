"""How large a step of plain SGD may be.

All pairs of a step take their gradient at the same point; word2vec takes them one by one. So a
step that is too large makes vectors grow where word2vec's would not. Two products must be small:

- n · η: a row that n pairs of a step share moves by n · η times its partners, and they by as much
  times it. `largest_step` keeps that of the busiest row below `MOST_PUSH` by the number of tokens.
  Where words share rows of n-grams, n counts the pairs of all words by which a vector is moved.
- (η · `model.step_norm`)²: the weights of a block's pairs are a matrix, `M` by its contexts and
  negatives, by which the two sides move each other. The square of η times its spectral norm is
  the growth of one step where all vectors agree, and no number of blocks changes it.

Where either is too large all the same, `damping` says how much `optim.damped` must hold back.

Letters: η learning rate, `M` tokens and `N` negatives a block, `P` pairs a token, `K` negatives a
pair.
"""

import dataclasses
import math
from collections.abc import Sequence
from typing import Any, cast

import jax
import jax.numpy as jnp
import numpy as np
import optax

from jaxvec.optim import rowwise
from jaxvec.optim.rows import RowOptimizer
from jaxvec.train.contracts import Model, StepSize

# Measured by benchmarks/stability.py, whose tables are in benchmarks/README.md.
MOST_GROWTH = 1.5  # of a block in one step: plain SGD held at 1.65, and diverged at 2.8
MOST_GROWTH_WITH_MEMORY = 8.0  # with momentum, which carries on what damping held back
MOST_PUSH = 2.0  # η · n of the busiest row: gradient descent is stable up to η · curvature = 2
LEAST_STEP = 8  # tokens; vocabularies that ask for fewer keep a block as it is, and are damped
LEAST_DAMPING = 0.1  # of the curvature bound: pairs pull many ways; enough up to 32,768 tokens
DEFAULT_BLOCKS = 2  # more are no faster on a CPU, see benchmarks/README.md
_TRIAL_STEPS = 500  # until the steps of a momentum of 0.99 have added up


def largest_step(
    model: StepSize, counts: np.ndarray, rate: float, words: Sequence[str] = ()
) -> float:
    """The most tokens of a step in which the busiest row has n · η of at most `MOST_PUSH`.

    Args:
      model: whose pairs they are.
      counts: of the vocabulary, int[V].
      rate: η, the highest of the run; for a rule with momentum the sum of its steps.
      words: of the vocabulary, where n-grams are shared by them.
    """
    steepest = model.steepest_share(counts, _kept_share(model, counts), words)
    pairs = model.pairs_a_token * steepest
    return MOST_PUSH / (rate * pairs)


def damping(model: StepSize, counts: np.ndarray, rate: float, words: Sequence[str] = ()) -> float:
    """How much `optim.damped` must hold a model's steps back; 0 for not at all.

    The pairs of a word pull in as many directions as it has different partners, n, and the mean of
    n such pulls is 1 / √n as long as one: a small vocabulary needs more.

    Args:
      model: of a given number of blocks.
      counts, rate, words: as for `largest_step`.
    """
    growth = (rate * model.step_norm) ** 2
    if model.step_tokens <= largest_step(model, counts, rate, words) and growth <= MOST_GROWTH:
        return 0.0
    partners = 1 / float(np.square(_kept_share(model, counts)).sum())  # were all as frequent
    return float(np.clip(round(2 / partners**0.5, 2), LEAST_DAMPING, 1))


def stable(
    model: StepSize, counts: np.ndarray, rate: float, words: Sequence[str] = ()
) -> tuple[Any, float]:
    """A model with `blocks` chosen, if not given, and the damping that it needs.

    Args:
      model: as asked for.
      counts, rate, words: as for `largest_step`.

    Returns:
      The model, with `block_tokens` smaller where one block is too much; and its `damping`.
    """
    tokens = largest_step(model, counts, rate, words)
    if model.blocks is None and tokens < LEAST_STEP:
        model = _resized(model, blocks=1)
    elif model.blocks is None:
        size = int(min(tokens, model.block_tokens))
        blocks = int(np.clip(tokens / size, 1, DEFAULT_BLOCKS))
        model = _resized(model, block_tokens=size, blocks=blocks)
    return model, damping(model, counts, rate, words)


def settled(
    model: Model,
    counts: np.ndarray,
    optimizer: str | optax.GradientTransformation | RowOptimizer,
    rate: float,
    words: Sequence[str] = (),
) -> tuple[Any, float, float]:
    """The model, damping and scale with which `optim.damped` keeps a run's optimizer stable.

    Args:
      model: as asked for.
      counts: of the vocabulary, int[V].
      optimizer: a name, an optax transformation, or a `RowOptimizer`, which is left as it is.
      rate: the highest of the run, which multiplies the transformation's updates.
      words: as for `largest_step`.

    Returns:
      The model, the damping (0 for none) and the scale of the optimizer. A model without
      `StepSize`, and any with an optimizer whose steps are not proportional to the gradient, is
      returned as it is.

    Raises:
      ValueError: if the rule has momentum, and its steps add up to far more than damping mends.
    """
    if not isinstance(model, StepSize) or isinstance(optimizer, RowOptimizer):
        return model, 0.0, 1.0
    scale, has_memory = _response(optimizer, model)
    if scale is None:
        return model, 0.0, 1.0
    steady, held_back = stable(model, counts, scale * rate, words)
    growth = scale * rate * steady.step_norm
    if has_memory and MOST_GROWTH_WITH_MEMORY < growth**2 < math.inf:
        most = MOST_GROWTH**0.5 / growth
        raise ValueError(
            f"the steps of this optimizer add up to {scale * rate:.2g} times a constant gradient, "
            f"which makes {type(model).__name__} diverge: lower its learning rate to "
            f"{most:.2g} of its value, or its momentum"
        )
    return steady, held_back, scale


def resized(found: list[Any]) -> list[Any]:
    """Models, as `settled` returned them, all with the smallest steps that one of them needs."""
    if not isinstance(found[0], StepSize):
        return found
    least = min(found, key=lambda one: one.step_tokens)
    return [_resized(one, blocks=least.blocks, block_tokens=least.block_tokens) for one in found]


def _resized(model: StepSize, **sizes: int) -> Any:
    return dataclasses.replace(cast(Any, model), **sizes)


def _kept_share(model: StepSize, counts: np.ndarray) -> np.ndarray:
    """The share of each word among the tokens that subsampling keeps, float64[V]."""
    kept = counts * model.keep_probability(counts)
    return kept / kept.sum()


def _response(
    optimizer: str | optax.GradientTransformation, model: Model
) -> tuple[float | None, bool]:
    """The largest step of a rule under a constant gradient of 1, None if its steps are not
    proportional to the gradient; and whether that is more than its first step."""
    if isinstance(optimizer, str):
        return (1.0 if optimizer == "sgd" else None), False
    shapes = jax.eval_shape(lambda: model.init(jax.random.key(0), 2))
    tables = jax.tree.map(lambda table: jnp.zeros((2, *table.shape[1:]), table.dtype), shapes)
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
