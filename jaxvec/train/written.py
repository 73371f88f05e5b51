"""Which strategy of write-back a run takes: given, as before, or the fastest by a probe."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp

from jaxvec.optim.probe import Choice, fastest
from jaxvec.optim.writeback import STRATEGIES, Name, WriteBack, name_of, resolve
from jaxvec.train.checkpoint import Checkpoints
from jaxvec.train.contracts import Model, Stratified
from jaxvec.train.settle import Rules

PyTree = Any


def as_before(
    checkpoints: Checkpoints | None, write_back: Name | WriteBack | None
) -> Name | WriteBack | None:
    """The strategy asked for; of a run that is resumed the one that it was begun with.

    Args:
      checkpoints: where the run has left states, if anywhere.
      write_back: what is asked for; None for any.

    Raises:
      ValueError: if the states are of another strategy, or of one that must be given again.
    """
    before = "" if checkpoints is None else checkpoints.write_back
    if checkpoints is None or not before:
        return write_back
    if write_back is None and before in STRATEGIES:
        return before  # type: ignore[return-value]
    if write_back is None or name_of(resolve(write_back)) != before:
        asked = "None" if write_back is None else repr(name_of(resolve(write_back)))
        raise ValueError(
            f"the states in {checkpoints.folder} are of a run with write_back {before!r}, and "
            f"write_back is {asked}: give the same, or another folder"
        )
    return write_back


def choice(
    rule: Rules, models: Sequence[Model], words: int, constants: PyTree, segment: PyTree
) -> Choice | None:
    """The strategy of a run: the one of its rule, or the fastest where that leaves it open.

    Args:
      rule: how it is trained.
      models: what is trained; the first is what a probe looks at.
      words: `V`.
      constants: of the first model.
      segment: one without data.

    Returns:
      None if the optimizer writes by itself.
    """
    if len(rule.free) < 2:
        return rule.write_back
    params, rows = touched(models[0], words, constants, segment)
    return fastest({name: rule.writing(name) for name in rule.free}, params, rows)


def touched(model: Model, words: int, constants: PyTree, segment: PyTree) -> tuple[PyTree, PyTree]:
    """The shapes of a model's tables, and of the ids of the rows that a step touches.

    Args:
      model: what is trained.
      words: `V`.
      constants: from ``model.constants``.
      segment: one without data; of a `Stratified` model on `N` workers its arrays are [N, …].
    """

    def rows(constants, segment):
        plan = model.plan(constants, jax.random.key(0), segment)
        bits = jnp.zeros(model.bits(), jnp.uint32)
        return model.rows(model.batch(constants, plan, bits, jnp.int32(0)))

    params = jax.eval_shape(lambda: model.init(jax.random.key(0), words))
    return params, jax.eval_shape(rows, constants, segment)
