"""`fit`: epochs over a corpus, with a schedule, a validation split, reports and callbacks."""

import contextlib
import math
import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
import optax
from tqdm import tqdm

from jaxvec import optim
from jaxvec.optim import RowOptimizer
from jaxvec.text.corpus import Corpus
from jaxvec.train.epoch import Model, State, Steps, evaluate_segment, train_segment
from jaxvec.train.segments import Segments
from jaxvec.train.skipgram import SkipGram
from jaxvec.vectors import WordVectors

Schedule = Callable[[float], Any]
"""Learning rate as a function of progress from 0 (start) to 1 (end of the last epoch)."""

OPTIMIZERS: dict[str, tuple[optax.GradientTransformation | None, float]] = {
    "sgd": (None, 0.035),
    "adagrad": (optax.adagrad(1.0), 0.2),
    "row_adagrad": (optim.row_adagrad(1.0), 0.2),
    "adam": (optax.adam(1.0), 0.01),
}
"""The optimisers known by name, at a rate of 1, and their default learning rates."""

_RATE_POINTS = 33  # where a schedule is evaluated within a segment


class Report(NamedTuple):
    """What one epoch did."""

    epoch: int  # from 1
    loss: float  # mean per pair over the epoch, as it was being trained
    valid_loss: float | None  # mean per pair on the held-out tokens, after the epoch
    learning_rate: float  # at the end of the epoch
    words: int  # tokens read, before subsampling
    pairs: int  # pairs trained on
    seconds: float  # training alone: neither compilation, validation nor callbacks
    words_per_second: float
    compile_seconds: float  # before the first epoch


Callback = Callable[[Report, "Result"], None]


class Result(NamedTuple):
    """A model in training, or trained."""

    params: Any  # the model's `Params`
    opt_state: Any
    history: list[Report]
    corpus: Corpus

    def vectors(self, which: str = "input") -> WordVectors:
        """The word vectors, the most frequent word first.

        Args:
          which: ``"input"``, ``"output"``, or ``"sum"`` of the two tables.
        """
        vocab = self.corpus.vocab
        tables = jax.tree.map(np.array, self.params)  # copies: training updates in place
        if which not in ("input", "output", "sum"):
            raise ValueError(f"vectors must be 'input', 'output' or 'sum'; got {which!r}")
        table = tables.input + tables.output if which == "sum" else getattr(tables, which)
        return WordVectors(vocab.words, table, counts=vocab.counts)


class NonFiniteError(ValueError):
    """Training came upon NaN or infinity."""


def linear_decay(learning_rate: float, min_learning_rate: float) -> Schedule:
    """The schedule of word2vec: a straight line from one rate to the other."""
    return lambda progress: learning_rate + progress * (min_learning_rate - learning_rate)


def fit(
    corpus: Corpus,
    model: Model | None = None,
    *,
    key: jax.Array,
    epochs: int = 5,
    optimizer: str | optax.GradientTransformation = "sgd",
    dense: bool = False,
    learning_rate: float | Schedule | None = None,
    min_learning_rate: float | None = None,
    valid: float = 0.0,
    callbacks: Sequence[Callback] = (),
    progress: bool | None = None,
) -> Result:
    """Trains word vectors.

    Each epoch goes over the corpus once, in segments of about a million tokens, each of
    which is one call of a compiled program. The same key on the same kind of device gives
    the same bits.

    Args:
      corpus: the text, as ids.
      model: `SkipGram()`, with its options.
      key: a `jax.random` key, the source of every random number.
      epochs: how often to go over the corpus.
      optimizer: ``"sgd"``, ``"adagrad"``, ``"row_adagrad"``, ``"adam"``, or an optax
        transformation, which must treat rows by themselves (see `optim.row_sparse`).
      dense: update whole tables each step, with any optax transformation; slow.
      learning_rate: the rate at the start (by default 0.035 for SGD, 0.2 for AdaGrad,
        0.01 for Adam), or a function of progress from 0 to 1, such as an optax schedule
        over one step. An optax transformation's updates are multiplied by it; there it is
        1 throughout by default.
      min_learning_rate: the rate at the end, reached in a straight line; by default a
        10,000th of the first. Not with a schedule.
      valid: the fraction of the tokens, from the corpus's end, held out for `valid_loss`.
      callbacks: called after each epoch with its `Report` and the `Result` so far, whose
        arrays are updated in place later: copy what is to be kept (`vectors` does).
      progress: a bar on standard error; by default if that is a terminal.

    Raises:
      ValueError: if an argument is out of its range, or `NonFiniteError` if training
        diverges; the message names the step.

    Example:
      >>> corpus = Corpus.from_documents(["the cat sat on the mat"] * 20, min_count=1)
      >>> result = fit(corpus, SkipGram(vector_size=8), key=jax.random.key(0), epochs=2)
      >>> result.params.input.shape, len(result.history)
      ((5, 8), 2)
      >>> len(result.vectors().most_similar("cat", topn=3))
      3
    """
    if epochs < 1:
        raise ValueError(f"epochs must be at least 1; got {epochs}")
    optimize, schedule = resolve_optimizer(optimizer, dense, learning_rate, min_learning_rate)
    if len(corpus.vocab) < 2:
        raise ValueError("the vocabulary has one word; two or more are needed to learn from")
    if model is None:
        model = SkipGram()
    if isinstance(model, SkipGram) and optimizer == "sgd":
        model = model.stable(corpus.vocab.counts, _highest(schedule))
    train, held_out = corpus.split(valid) if valid else (corpus, None)
    segments = Segments(train)

    start = time.perf_counter()
    init_key, train_key, valid_key = jax.random.split(key, 3)
    params = model.init(init_key, len(corpus.vocab))
    state = State(params, optimize.init(params))
    constants = model.constants(corpus.vocab.counts)
    # a run over nothing compiles the program, and changes nothing
    state, _ = train_segment(
        model, optimize, state, constants, segments.empty(), train_key, _rates(schedule, 0, 0)
    )
    jax.block_until_ready(state)
    compile_seconds = time.perf_counter() - start

    history: list[Report] = []
    result = Result(state.params, state.opt_state, history, corpus)
    with _bar(epochs * len(train), progress) as bar:
        for epoch in range(epochs):
            start = time.perf_counter()
            reports = []
            for i, segment in enumerate(segments):
                begin, end = (epoch + segments.bounds[i : i + 2] / len(train)) / epochs
                segment_key = jax.random.fold_in(train_key, epoch * len(segments) + i)
                rates = _rates(schedule, begin, end)
                state, steps = train_segment(
                    model, optimize, state, constants, segment, segment_key, rates
                )
                reports.append(_finite(jax.device_get(steps), epoch, i))
                bar.update(int(segments.bounds[i + 1] - segments.bounds[i]))
                bar.set_postfix(epoch=epoch + 1, loss=f"{_mean_loss(reports[-1:]):.4f}")
            seconds = time.perf_counter() - start
            report = Report(
                epoch=epoch + 1,
                loss=_mean_loss(reports),
                valid_loss=None
                if held_out is None
                else _evaluate(model, state.params, constants, held_out, valid_key),
                learning_rate=float(schedule((epoch + 1) / epochs)),
                words=len(train),
                pairs=int(_total(steps.weight for steps in reports)),
                seconds=seconds,
                words_per_second=len(train) / seconds,
                compile_seconds=compile_seconds if epoch == 0 else 0.0,
            )
            history.append(report)
            result = Result(state.params, state.opt_state, history, corpus)
            for callback in callbacks:
                callback(report, result)
    return result


def single_thread() -> None:
    """Lets JAX's CPU backend start with one thread, unless `NPROC` is set already.

    Training steps are too small to be shared out: a second thread costs a quarter of the
    speed. Takes effect only before JAX's first computation, `jax.random.key` included,
    and then for the whole process; other backends do not mind.
    """
    os.environ.setdefault("NPROC", "1")


def resolve_optimizer(
    optimizer: str | optax.GradientTransformation,
    dense: bool,
    learning_rate: float | Schedule | None,
    min_learning_rate: float | None,
) -> tuple[RowOptimizer, Schedule]:
    """The arguments of `fit` as what trains; ValueError if they are not right."""
    if isinstance(optimizer, str):
        if optimizer not in OPTIMIZERS:
            raise ValueError(
                f"optimizer must be one of {', '.join(OPTIMIZERS)}, or an optax "
                f"transformation; got {optimizer!r}"
            )
        transform, rate = OPTIMIZERS[optimizer]
        lowest = 1e-4
    else:
        transform, rate, lowest = optimizer, 1.0, 1.0
    if transform is None:
        rows = optim.dense(optax.sgd(1.0)) if dense else optim.sgd()
    else:
        rows = optim.dense(transform) if dense else optim.row_sparse(transform)
    if callable(learning_rate):
        if min_learning_rate is not None:
            raise ValueError("min_learning_rate does not go with a learning-rate schedule")
        return rows, learning_rate
    if learning_rate is not None:
        rate, lowest = learning_rate, 1e-4
    least = rate * lowest if min_learning_rate is None else min_learning_rate
    if not (math.isfinite(rate) and rate > 0):
        raise ValueError(f"learning_rate must be a positive number; got {rate}")
    if not 0 <= least <= rate:
        raise ValueError(f"min_learning_rate must be between 0 and {rate:g}; got {least}")
    return rows, linear_decay(rate, least)


def _highest(schedule: Schedule) -> float:
    return float(_rates(schedule, 0, 1).max())


def _rates(schedule: Schedule, start: float, stop: float) -> np.ndarray:
    return np.array(
        [float(schedule(p)) for p in np.linspace(start, stop, _RATE_POINTS)], np.float32
    )


def _evaluate(model: Model, params, constants, corpus: Corpus, key: jax.Array) -> float:
    return _mean_loss(
        [
            jax.device_get(
                evaluate_segment(model, params, constants, segment, jax.random.fold_in(key, i))
            )
            for i, segment in enumerate(Segments(corpus))
        ]
    )


def _mean_loss(reports: Sequence[Steps]) -> float:
    pairs = _total(steps.weight for steps in reports)
    return _total(steps.loss for steps in reports) / pairs if pairs else 0.0


def _total(arrays: Iterable[jax.Array]) -> float:
    return float(sum(np.sum(array, dtype=np.float64) for array in arrays))


def _finite(steps: Steps, epoch: int, segment: int) -> Steps:
    bad = np.flatnonzero(~np.isfinite(steps.loss))
    if len(bad):
        raise NonFiniteError(
            f"the loss is no longer finite at step {bad[0]} of segment {segment + 1}, epoch "
            f"{epoch + 1}: training diverged; lower the learning rate or take fewer blocks a step"
        )
    return steps


@contextlib.contextmanager
def _bar(words: int, show: bool | None) -> Iterator[tqdm]:
    disable = None if show is None else not show  # None: unless standard error is a terminal
    with tqdm(total=words, unit="word", unit_scale=True, disable=disable) as bar:
        yield bar
