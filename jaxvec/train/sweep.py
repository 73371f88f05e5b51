"""`sweep`: many models in one compiled program, from many keys and with many settings."""

import copy
import dataclasses
import functools
import math
import time
from collections.abc import Sequence
from typing import Any, TypeVar, cast

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

from jaxvec.cooccurrence import Cooccurrence
from jaxvec.messages.gensim import explained
from jaxvec.optim.named import Schedule, rates, resolve_optimizer
from jaxvec.optim.rows import RowOptimizer
from jaxvec.optim.wrappers import damped
from jaxvec.storage.pool import prefetch
from jaxvec.text.corpus import Corpus
from jaxvec.train import spectral
from jaxvec.train.arguments import as_list, check_sweep
from jaxvec.train.bar import bar
from jaxvec.train.epoch import Model, State, Steps, train_segment
from jaxvec.train.fit import evaluated
from jaxvec.train.result import Report, Result
from jaxvec.train.segments import TokenSegments
from jaxvec.train.skipgram import SkipGram
from jaxvec.train.stability import Watch, check_pairs, mean, settled, sums
from jaxvec.train.team import Team, by_itself
from jaxvec.train.text_model import TextModel
from jaxvec.train.workers import mesh

PyTree = Any
Item = TypeVar("Item")

NUMERIC = ("x_max", "alpha", "ns_exponent", "sample")
"""Options of a model that are numbers of the compiled program, not part of it."""


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
    optimizer: str | optax.GradientTransformation | None = None,
    learning_rate: float | Schedule | Sequence[float | Schedule | None] | None = None,
    min_learning_rate: float | None = None,
    valid: float = 0.0,
    workers: int | None = None,
    progress: bool | None = None,
) -> list[Result]:
    """Trains `k` models on the same data in one program: `jax.vmap` of a compiled epoch.

    What is one for all may be given once; what differs as `k` keys, models or rates. Model i
    is that of ``fit(data, model[i], key=key[i], learning_rate=learning_rate[i], workers=1)``
    up to rounding. Models may differ in the options in `NUMERIC`, keys and rates alone.

    The models are shared out over JAX's devices, as many to each; on each they take their
    steps together, which on an accelerator takes hardly longer than one model does, and on a
    CPU (`use_cores` makes each core a device) about as long as they would one after another.

    Args:
      data: as for `fit`.
      model: one, or `k` of them.
      key: one `jax.random.key`, or an array of `k`, as `jax.random.split` makes them.
      learning_rate: one, or `k`; each as for `fit`.
      epochs, optimizer, min_learning_rate, valid, progress: as for `fit`. Of counts the same
        cells are held out from all models, those of the first key.
      workers: devices to use; by default as many as divide `k`.

    Returns:
      A `Result` of each. A model that diverges (for `fit` a `DivergedError`) does not stop the
        others; its losses are NaN from there on.
      The seconds of a report are of all models together, as are the words a second.

    Raises:
      ValueError: if there are not as many models as keys or rates, or the models differ in
        what the program is made of.

    There are no callbacks, and no model ends before the others: see `StopTraining` for `fit`.

    Plain SGD is kept stable as by `fit`: should that ask for smaller steps, or damped ones, for
    some of the models, all take those.

    >>> corpus = Corpus.from_documents(["the cat sat on the mat"] * 20, min_count=1)
    >>> keys = jax.random.split(jax.random.key(0), 3)
    >>> results = sweep(corpus, SkipGram(vector_size=8, sample=0), key=keys)
    >>> [round(result.history[-1].loss, 1) for result in results]
    [2.7, 2.7, 2.7]
    """
    key = check_sweep(locals())
    model = cast(Model, SkipGram()) if model is None else model
    models, keys, learning_rates = _as_many(
        model=as_list(model),
        key=list(key.reshape(-1)),
        learning_rate=as_list(learning_rate),
    )
    optimizer = models[0].default_optimizer if optimizer is None else optimizer
    if optimizer == models[0].default_optimizer:
        default = models[0].default_learning_rate
        learning_rates = [default if rate is None else rate for rate in learning_rates]
    optimize, schedules = zip(
        *(resolve_optimizer(optimizer, False, r, min_learning_rate) for r in learning_rates),
        strict=True,
    )
    program = optimize[0]
    models, program = _settled(models, data.vocab.counts, optimizer, schedules, program)
    _check_alike(models)

    over = mesh(_devices(len(models), workers))
    each, same = NamedSharding(over, P("workers")), NamedSharding(over, P())
    init_keys, train_keys, valid_keys = jax.vmap(lambda k: jax.random.split(k, 3))(
        jnp.stack(keys)
    ).T
    constants = [one.constants(data) for one in models]
    segments, held_out = models[0].segments(data, valid, valid_keys[0])
    since = time.perf_counter()
    head_start = models[0].head_start(segments)
    start_seconds = time.perf_counter() - since if head_start else 0.0
    states = jax.device_put(_stacked([
        _state(spectral.added(one.init(init_key, len(data.vocab)), head_start), rule)
        for one, rule, init_key in zip(models, optimize, init_keys, strict=True)
    ]), each)  # fmt: skip
    shared = isinstance(segments, TokenSegments)  # an epoch's key shuffles counts alone
    readers = [segments] if shared else [copy.copy(segments) for _ in models]
    train = functools.partial(
        _train,
        over,
        models[0],
        program,
        shared,
        constants=jax.device_put(_stacked(constants), each),
    )

    def part(arrays: list[PyTree]) -> PyTree:
        return jax.device_put(*((arrays[0], same) if shared else (_stacked(arrays, np), each)))

    @by_itself()  # in a thread of its own
    def placed(epoch_keys: jax.Array, i: int) -> tuple[PyTree, jax.Array]:
        found = [reader.get(k, i) for reader, k in zip(readers, epoch_keys, strict=False)]
        segment_keys = jax.vmap(jax.random.fold_in, (0, None))(epoch_keys, i)
        return part(found), jax.device_put(segment_keys, each)

    def spans(start: float, stop: float) -> jax.Array:
        return jax.device_put(np.stack([rates(s, start, stop) for s in schedules]), each)

    since = time.perf_counter()
    empty = part([reader.empty() for reader in readers])
    nothing = jax.device_put(train_keys, each)
    states, _ = train(states, segment=empty, keys=nothing, rates=spans(0, 0))
    jax.block_until_ready(states)
    compile_seconds = time.perf_counter() - since

    total = int(segments.sizes.sum())
    edges = np.concatenate([[0], np.cumsum(segments.sizes)]) / total
    histories: list[list[Report]] = [[] for _ in models]
    untrained = models[0].untrained_loss(data)
    watches = [Watch(untrained, _one(states.params, m)) for m in range(len(models))]
    diverged = np.zeros(len(models), bool)
    with bar(total, epochs, 0, segments.unit, progress) as shown:
        for epoch in range(epochs):
            epoch_keys = jax.vmap(jax.random.fold_in, (0, None))(train_keys, epoch)
            losses = pairs = np.zeros(len(models))
            since = time.perf_counter()
            ready = functools.partial(placed, epoch_keys)
            for i, (segment, segment_keys) in prefetch(ready, range(len(segments.sizes))):
                span = spans((epoch + edges[i]) / epochs, (epoch + edges[i + 1]) / epochs)
                states, steps = train(states, segment=segment, keys=segment_keys, rates=span)
                of_each = [Steps(*one) for one in zip(*jax.device_get(steps), strict=True)]
                more = np.array([sums(one) for one in of_each]).T
                losses, pairs = losses + more[0], pairs + more[1]
                diverged |= [w.loss_diverged(one) for w, one in zip(watches, of_each, strict=True)]
                shown.update(int(segments.sizes[i]))
            seconds = time.perf_counter() - since
            for m, history in enumerate(histories):
                params = _one(states.params, m)
                diverged[m] |= watches[m].rows_diverged(params)
                valid_loss = None if held_out is None else math.nan
                if held_out is not None and not diverged[m]:
                    judge = Team(1, models[m], program, constants[m], jax.random.key_impl(key))
                    valid_loss = evaluated(judge, params, held_out, valid_keys[m])
                history.append(Report(
                    epoch=epoch + 1,
                    loss=math.nan if diverged[m] else float(mean(losses[m], pairs[m])),
                    valid_loss=valid_loss,
                    learning_rate=float(schedules[m]((epoch + 1) / epochs)),
                    words=total,
                    pairs=int(pairs[m]),
                    seconds=seconds,
                    words_per_second=total * len(models) / seconds,
                    compile_seconds=0.0 if epoch else compile_seconds,
                    start_seconds=0.0 if epoch else start_seconds,
                    loss_unit=models[m].loss_unit,
                ))  # fmt: skip
    check_pairs([report for history in histories for report in history])
    return [
        Result(_one(states.params, m), _one(states.opt_state, m), history, data, one)
        for m, (one, history) in enumerate(zip(models, histories, strict=True))
    ]


@functools.partial(
    jax.jit, static_argnames=("over", "model", "optimizer", "shared"), donate_argnames="states"
)
def _train(
    over: Mesh,
    model: Model,
    optimizer: RowOptimizer,
    shared: bool,
    states: State,
    *,
    constants: PyTree,
    segment: PyTree,
    keys: jax.Array,
    rates: jax.Array,
) -> tuple[State, Steps]:
    """`train_segment` of `k` models, all but a segment that they share along a first axis."""

    def work(states, constants, segment, keys, rates):
        one = functools.partial(train_segment.__wrapped__, model, optimizer, together="models")
        axes = (0, 0, None if shared else 0, 0, 0)
        return jax.vmap(one, axes, axis_name="models")(states, constants, segment, keys, rates)

    each, same = P("workers"), P()
    return jax.shard_map(
        work, mesh=over, in_specs=(each, each, same if shared else each, each, each),
        out_specs=each, check_vma=False,
    )(states, constants, segment, keys, rates)  # fmt: skip


def _as_many(**parts: list) -> list[list]:
    """Lists of the same length, those of one item repeated; ValueError if they do not fit."""
    lengths = {name: len(items) for name, items in parts.items() if len(items) != 1}
    if len(set(lengths.values())) > 1 or 0 in lengths.values():
        told = ", ".join(f"{count} of {name}" for name, count in lengths.items())
        raise ValueError(f"a sweep needs one of each, or as many of all; got {told}")
    count = max(lengths.values(), default=1)
    return [items * count if len(items) == 1 else items for items in parts.values()]


def _settled(
    models: list[Any],
    counts: np.ndarray,
    optimizer: str | optax.GradientTransformation,
    schedules: Sequence[Schedule],
    program: RowOptimizer,
) -> tuple[list[Model], RowOptimizer]:
    """The models with the smallest steps, and the most damping, that any of them needs."""
    found, dampings, scales = zip(*(
        settled(one, counts, optimizer, float(rates(schedule, 0, 1).max()))
        for one, schedule in zip(models, schedules, strict=True)
    ), strict=True)  # fmt: skip
    if isinstance(models[0], TextModel):
        least = min(found, key=lambda one: one.step_tokens)
        sizes = {"blocks": least.blocks, "block_tokens": least.block_tokens}
        models = [dataclasses.replace(one, **sizes) for one in found]
    program = damped(program, max(dampings), scales[0]) if max(dampings) else program
    return models, program


def _check_alike(models: Sequence[Any]) -> None:
    first = models[0]
    numbers = {name: getattr(first, name) for name in NUMERIC if hasattr(first, name)}
    for one in models:
        if type(one) is not type(first) or dataclasses.replace(one, **numbers) != first:
            raise ValueError(
                f"the models of a sweep may differ in {', '.join(NUMERIC)} alone; "
                f"got {first} and {one}"
            )
        if getattr(one, "mittens", 0):
            raise ValueError("a sweep has no vectors that mittens could draw words to: use fit")


def _devices(models: int, workers: int | None) -> int:
    if workers is None:
        return max(n for n in range(1, len(jax.devices()) + 1) if models % n == 0)
    if models % workers:
        raise ValueError(f"{models} models cannot be shared out evenly over workers={workers}")
    return workers


def _state(params: PyTree, optimizer: RowOptimizer) -> State:
    return State(params, optimizer.init(params))


def _stacked(trees: Sequence[PyTree], module: Any = jnp) -> PyTree:
    return jax.tree.map(lambda *leaves: module.stack(leaves), *trees)


def _one(trees: PyTree, i: int) -> PyTree:
    return jax.device_put(jax.tree.map(lambda leaves: leaves[i], trees), jax.devices()[0])
