"""Which strategy of write-back a run takes: given, as before, or the fastest by a probe."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxvec.optim.probe import Choice, fastest
from jaxvec.optim.writeback import STRATEGIES, Name, WriteBack, name_of, resolve
from jaxvec.train.checkpoint import Checkpoints
from jaxvec.train.contracts import Model, Segments, Stratified
from jaxvec.train.processes import of_first
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
    if checkpoints is None or not checkpoints.exist(checkpoints.folder):
        return write_back
    before = checkpoints.write_back
    if not before:
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


def chosen(
    rule: Rules, words: int, constants: PyTree, segments: Segments, workers: int = 1
) -> Choice | None:
    """The strategy of a run: the one of its rule, or the fastest where that leaves it open.

    Args:
      rule: how its models are trained; a probe looks at the first.
      words: `V`.
      constants: of the first model.
      segments: what is trained on.
      workers: `N`.

    Returns:
      None if the optimizer writes by itself.
    """
    if len(rule.free) < 2:
        return rule.write_back
    model, segment = rule.models[0], segments.empty()
    if isinstance(model, Stratified) and workers > 1:  # each has shards, and a part of the segment
        segment, words = jax.tree.map(lambda array: array[0], segment), -(-words // workers)
    params, rows = touched(model, words, constants, segment)
    found = fastest({name: rule.writing(name) for name in rule.free}, params, rows)
    names: list[str] = list(rule.free)
    number = int(of_first(np.int32(names.index(found.name))))  # one program in all processes
    return found._replace(name=names[number])


def touched(model: Model, words: int, constants: PyTree, segment: PyTree) -> tuple[PyTree, PyTree]:
    """The shapes of a model's tables, and of the ids of the rows that a step touches.

    Args:
      model: what is trained.
      words: `V`.
      constants: from ``model.constants``.
      segment: arrays of the shapes of its segments.
    """

    def rows(constants, segment):
        plan = model.plan(constants, jax.random.key(0), segment)
        bits = jnp.zeros(model.bits(), jnp.uint32)
        return model.rows(model.batch(constants, plan, bits, jnp.int32(0)))

    params = jax.eval_shape(lambda: model.init(jax.random.key(0), words))
    return params, jax.eval_shape(rows, constants, segment)
