"""The optimizer, schedule and stable step of a run, settled from its arguments."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import optax

from jaxvec.optim import writeback
from jaxvec.optim.named import Schedule, accelerators_own, rates, resolve_optimizer, write_backs
from jaxvec.optim.probe import Choice
from jaxvec.optim.rows import RowOptimizer
from jaxvec.optim.wrappers import damped
from jaxvec.text.vocab import Vocab
from jaxvec.train.contracts import Model
from jaxvec.train.devices import Device, here
from jaxvec.train.stability import resized, settled


class Rules(NamedTuple):
    """How `k` models are trained."""

    models: list[Model]  # with the steps that are stable for all
    optimizer: RowOptimizer  # which is compiled, one for all
    inits: list[RowOptimizer]  # whose `init` makes the state of each: it may hold the rate
    schedules: list[Schedule]
    writing: Callable[[str], RowOptimizer]  # `optimizer` by another strategy
    write_back: Choice | None  # of `optimizer`; None if that is a `RowOptimizer`, or dense
    free: tuple[writeback.Name, ...]  # strategies that a probe may choose from; none if it is given


def rules(
    models: Sequence[Model],
    vocab: Vocab,
    optimizer: str | optax.GradientTransformation | RowOptimizer | None,
    learning_rates: Sequence[float | Schedule | None],
    min_learning_rate: float | None,
    device: Device,
    *,
    dense: bool = False,
    grad_clip: float | None = None,
    write_back: writeback.Name | writeback.WriteBack | None = None,
) -> Rules:
    """The optimizer and schedules of `k` models, which are kept stable together.

    Args:
      models: as asked for.
      vocab: the words and their counts.
      optimizer: as for `fit`; None for the models' own.
      learning_rates: as for `fit`, one of each model.
      device: that trains, or whose defaults are taken.
      min_learning_rate, dense, grad_clip, write_back: as for `fit`; of None a CPU takes the
        optimizer's own, and an accelerator may choose, if it is here.

    Raises:
      ValueError: if an argument is out of its range.
    """
    first = models[0]
    optimizer = first.default_optimizer if optimizer is None else optimizer
    if write_back is None and not dense and device.is_accelerator:
        write_back = accelerators_own(optimizer, grad_clip)
    if optimizer == first.default_optimizer:
        own = first.default_learning_rate
        learning_rates = [own if rate is None else rate for rate in learning_rates]
    inits, schedules = zip(
        *(
            resolve_optimizer(optimizer, dense, rate, min_learning_rate, grad_clip, write_back)
            for rate in learning_rates
        ),
        strict=True,
    )
    found, dampings, scales = zip(
        *(
            settled(model, vocab.counts, optimizer, float(rates(schedule, 0, 1).max()), vocab.words)
            for model, schedule in zip(models, schedules, strict=True)
        ),
        strict=True,
    )

    def writing(how: Any) -> RowOptimizer:
        rate = learning_rates[0]
        made, _ = resolve_optimizer(optimizer, dense, rate, min_learning_rate, grad_clip, how)
        return damped(made, max(dampings), scales[0]) if max(dampings) else made

    names = () if dense else write_backs(optimizer, grad_clip)
    taken = names[0] if names and write_back is None else write_back
    choice = None if taken is None else Choice(writeback.name_of(writeback.resolve(taken)))
    choosing = write_back is None and device.is_accelerator and here().is_accelerator
    return Rules(
        resized(list(found)), writing(write_back), list(inits), list(schedules), writing, choice,
        names if choosing else (),
    )  # fmt: skip
