"""`sweep`: many models in one compiled program, from many keys and with many settings."""

import dataclasses
import time
from collections.abc import Sequence
from typing import Any, cast

import jax
import jax.numpy as jnp
import optax

from jaxvec.cooccurrence import Cooccurrence
from jaxvec.messages.gensim import explained
from jaxvec.optim import writeback
from jaxvec.optim.named import Schedule
from jaxvec.optim.rows import RowOptimizer
from jaxvec.text.corpus import Corpus
from jaxvec.train import loop, start
from jaxvec.train.arguments import as_list, check_sweep
from jaxvec.train.by_device import filled
from jaxvec.train.contracts import Model, Prior, Tunable
from jaxvec.train.devices import here
from jaxvec.train.epoch import compiled_for
from jaxvec.train.parallel.contract import Program
from jaxvec.train.parallel.many import Many, stacked
from jaxvec.train.processes import check_alone
from jaxvec.train.progress import Progress
from jaxvec.train.result import Result
from jaxvec.train.settle import rules
from jaxvec.train.skipgram import SkipGram
from jaxvec.train.workers import by_itself, mesh
from jaxvec.train.written import chosen


@explained(
    "write sweep(corpus, SkipGram(), key=jax.random.split(jax.random.key(0), 3)), and fit for what "
    "sweep lacks, such as callbacks and checkpoints"
)
@by_itself()
def sweep(
    data: Corpus | Cooccurrence,
    model: Model | Sequence[Model] | None = None,
    *,
    key: jax.Array,
    epochs: int = 5,
    optimizer: str | optax.GradientTransformation | RowOptimizer | None = None,
    learning_rate: float | Schedule | Sequence[float | Schedule | None] | None = None,
    min_learning_rate: float | None = None,
    valid: float = 0.0,
    write_back: writeback.Name | writeback.WriteBack | None = None,
    workers: int | None = None,
    progress: bool | None = None,
) -> list[Result]:
    """Trains `k` models on the same data in one program: `jax.vmap` of a compiled segment.

    Model, key and rate are each given once, for all models, or `k` times. Result i is that of
    ``fit(data, model[i], key=key[i], learning_rate=learning_rate[i], workers=1)`` up to
    rounding, where all models need the same steps and damping. Models may differ in options that
    are numbers of the program, the `traced` of their class: `sample` and `ns_exponent` of a text
    model, `x_max` and `alpha` of GloVe.

    Each of JAX's devices has equally many models, which take their steps together: on an
    accelerator hardly slower than one model, on a CPU (`use_cores` makes each core a device)
    about as slow as one after another.

    Args:
      data: as for `fit`.
      model: one, or `k` of them.
      key: one `jax.random.key`, or an array of `k`, as `jax.random.split` makes them.
      learning_rate: one, or `k`; each as for `fit`.
      epochs, optimizer, min_learning_rate, valid, write_back, progress: as for `fit`. Of counts
        the same cells, chosen by the first key, are held out from all models.
      workers: how many devices to use; by default the most that divide `k`.

    Returns:
      A `Result` of each. A model that diverges (for `fit` a `DivergedError`) does not stop the
        others; its losses are NaN from there on.
      The seconds of a report are of all models together, as are the words a second.

    Raises:
      ValueError: if the numbers of models, keys and rates differ, or the models differ in other
        options; or there are several processes.

    There are no callbacks, and no model ends before the others: see `StopTraining` for `fit`.

    Plain SGD is kept stable as by `fit`: all models take the smallest steps, and the most
    damping, that one of them needs. What follows from the device is as for `fit`, with the
    smallest steps that one of them asks for.

    >>> corpus = Corpus.from_documents(["the cat sat on the mat"] * 20, min_count=1)
    >>> keys = jax.random.split(jax.random.key(0), 3)
    >>> results = sweep(corpus, SkipGram(vector_size=8, sample=0), key=keys)
    >>> [round(result.history[-1].loss, 1) for result in results]
    [2.7, 2.7, 2.7]
    """
    key = check_sweep(locals())
    check_alone("sweep")
    model = cast(Model, SkipGram()) if model is None else model
    models, keys, learning_rates = _as_many(
        model=as_list(model),
        key=list(key.reshape(-1)),
        learning_rate=as_list(learning_rate),
    )
    _check_alike(models)
    models = filled(models, here(), data)
    rule = rules(
        models, data.vocab, optimizer, learning_rates, min_learning_rate, here(),
        write_back=write_back,
    )  # fmt: skip
    models = rule.models
    if rule.optimizer.whole_tables:
        raise ValueError(
            "a sweep needs an optimizer of rows, not optim.dense, which would move all rows in "
            "steps beyond a model's last"
        )
    over = mesh(_devices(len(models), workers))
    init_keys, train_keys, valid_keys = jax.vmap(lambda k: jax.random.split(k, 3))(
        jnp.stack(keys)
    ).T
    constants = [one.constants(data) for one in models]
    segments, held_out = start.segments(models[0], data, valid, valid_keys[0])
    written = chosen(rule, len(data.vocab), constants[0], segments)
    optimize = rule.optimizer
    if rule.free and written is not None:
        optimize = rule.writing(written.name)
    began = time.perf_counter()
    head_start = start.head_start(models[0], segments)
    start_seconds = 0.0 if head_start is None else time.perf_counter() - began
    states = start.states(models, data, init_keys, rule.inits, head_start)
    program = Program(
        compiled_for(models[0]), optimize, stacked(constants, over), None,
        jax.random.key_impl(key),
    )  # fmt: skip
    how = Many(program, over, len(models), shared=not segments.shuffled)
    job = loop.Job(
        data, models, rule.schedules, constants, train_keys, valid_keys, segments, held_out, how,
        epochs, written,
    )  # fmt: skip
    watches = loop.watched(job, states, raises=False)
    return loop.train(
        job, states, Progress(), loop.Hooks(), watches,
        start_seconds=start_seconds, progress=progress,
    )  # fmt: skip


def _as_many(**parts: list) -> list[list]:
    """Lists of the same length, a single item repeated; ValueError if they do not fit."""
    lengths = {name: len(items) for name, items in parts.items() if len(items) != 1}
    if len(set(lengths.values())) > 1 or 0 in lengths.values():
        told = ", ".join(f"{count} of {name}" for name, count in lengths.items())
        raise ValueError(f"a sweep needs one of each, or the same number of all; got {told}")
    count = max(lengths.values(), default=1)
    return [items * count if len(items) == 1 else items for items in parts.values()]


def _check_alike(models: Sequence[Any]) -> None:
    first = models[0]
    names = first.traced if isinstance(first, Tunable) else ()
    numbers = {name: getattr(first, name) for name in names}
    for one in models:
        differs = type(one) is not type(first)
        if differs or (dataclasses.replace(one, **numbers) if names else one) != first:
            raise ValueError(
                f"the models of a sweep may differ in {', '.join(names) or 'nothing'} alone; "
                f"got {first} and {one}"
            )
        if isinstance(one, Prior) and one.has_prior:
            raise ValueError("a sweep has no vectors that mittens could draw words to: use fit")


def _devices(models: int, workers: int | None) -> int:
    if workers is None:
        return max(n for n in range(1, len(jax.devices()) + 1) if models % n == 0)
    if models % workers:
        raise ValueError(f"{models} models cannot be shared out evenly over workers={workers}")
    return workers
