"""Skip-gram, GloVe and counting on a planted text: speed, quality in that very run, and how near a
run comes to the ceiling that limits it.

Each model is trained anew in every run, from another seed, through `jaxvec.fit` on one worker. Its
time is of training alone: neither compilation nor the scoring after each epoch is in it. The
scores of all runs are held against the band of reference seeds, see `bands`.
"""

import argparse
import dataclasses
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import jax

import jaxvec
from benchmarks.suite import bands, counting, quality, sizes, traffic
from benchmarks.suite.figures import Figure, duration, rate, score
from benchmarks.suite.limits import Traffic, limited
from benchmarks.suite.planted import plant
from benchmarks.suite.sizes import Size
from benchmarks.suite.timing import Peak, Timer
from jaxvec.train.watch import DivergedError

Ceilings = Mapping[str, Figure]


@dataclasses.dataclass(frozen=True)
class Run:
    """One training.

    Attributes:
      seconds: of each epoch; the first has the start with it.
      scores: after each epoch, in percent.
      compile_seconds: 0 if the program was compiled before.
      model: as it was trained; None if no epoch ended.
      diverged: the message, if it did.
    """

    seconds: tuple[float, ...]
    scores: tuple[dict[str, float], ...]
    compile_seconds: float
    model: Any
    diverged: str = ""

    def seconds_to(self, name: str, goal: float) -> float | None:
        """Seconds of training until a score was first at least the goal; None if it never was.

        Args:
          name: of the score.
          goal: in percent.
        """
        for epoch, found in enumerate(self.scores):
            if found[name] >= goal:
                return sum(self.seconds[: epoch + 1])
        return None


@dataclasses.dataclass(frozen=True)
class Text:
    """What is trained on, and what is asked of it."""

    corpus: jaxvec.Corpus
    scores: quality.Scores
    size: Size


def run(options: argparse.Namespace, ceilings: Ceilings, timer: Timer) -> Iterator[Figure]:
    """The figures of all workloads, as they are measured.

    Args:
      options: those of `options.add_options`, and `quick`.
      ceilings: of the device, by name.
      timer: how often a workload is run.
    """
    from benchmarks.suite import scaling

    text = _text(options)
    seeds = range(options.seed, options.seed + timer.runs)
    yield from skip_gram(text, seeds, ceilings, timer)
    cells = jaxvec.cooccurrence.count(text.corpus, window=sizes.COUNT_WINDOW)
    yield from counting.figures(text.corpus, len(cells), ceilings, timer)
    yield from glove(text, cells, seeds, ceilings, timer)
    del text, cells
    if not options.quick:
        yield from scaling.measure(ceilings, timer, full=options.scaling)


def train(
    data: Any,
    model: Any,
    seed: int,
    epochs: int,
    scores: quality.Scores | None = None,
    workers: int = 1,
) -> Run:
    """Trains once, and scores the vectors after each epoch.

    Args:
      data: corpus or counts.
      model: to train.
      seed: of the run's key.
      epochs: how many.
      scores: of the vectors; None for none.
      workers: devices.
    """
    reports, marks, models = [], [], []

    def after(report, result):
        reports.append(report)
        models.append(result.model)
        if scores is not None:
            marks.append(scores(result.vectors()))

    diverged = ""
    try:
        jaxvec.fit(
            data, model, key=jax.random.key(seed), epochs=epochs, workers=workers,
            callbacks=[after], progress=False,
        )  # fmt: skip
    except DivergedError as error:
        diverged = str(error)
    seconds = [report.seconds for report in reports]
    if reports:
        seconds[0] += reports[0].start_seconds
    return Run(
        seconds=tuple(seconds),
        scores=tuple(marks),
        compile_seconds=reports[0].compile_seconds if reports else 0.0,
        model=models[-1] if models else None,
        diverged=diverged,
    )


def skip_gram(
    text: Text, seeds: Sequence[int], ceilings: Ceilings, timer: Timer
) -> Iterator[Figure]:
    """Raw and kept words a second, scores, and the time to a set recovery.

    Args:
      text: to train on.
      seeds: of the runs.
      ceilings, timer: as for `run`.
    """
    size, corpus = text.size, text.corpus
    with timer.peak() as peak:
        runs = [train(corpus, sizes.skip_gram(), seed, size.epochs, text.scores) for seed in seeds]
    model = next((one.model for one in runs if one.model is not None), sizes.skip_gram())
    moved = traffic.skip_gram(model, corpus, size.epochs)
    kept = traffic.kept_tokens(model, corpus)
    settings = {
        "V": len(corpus.vocab), "D": model.vector_size, "tokens": len(corpus),
        "epochs": size.epochs, "window": model.window, "sample": model.sample,
        "blocks": model.blocks, "block_tokens": model.block_tokens, "negatives": model.negatives,
    }  # fmt: skip
    for column, amount in (("raw words", corpus.raw_words), ("kept words", kept)):
        yield _speed(
            f"skip-gram, {column}", amount * size.epochs, "words/s", runs, peak, moved, ceilings,
            {**settings, "column": f"skip-gram, {column}"},
        )  # fmt: skip
    yield from _qualities("skip-gram", runs, text)


def glove(
    text: Text,
    cells: jaxvec.cooccurrence.Cooccurrence,
    seeds: Sequence[int],
    ceilings: Ceilings,
    timer: Timer,
) -> Iterator[Figure]:
    """Cells a second, seconds an iteration, scores, and the time to a set recovery.

    Args:
      text: that was counted.
      cells: its counts.
      seeds: of the runs.
      ceilings, timer: as for `run`.
    """
    size = text.size
    with timer.peak() as peak:
        runs = [train(cells, sizes.glove(), seed, size.iterations, text.scores) for seed in seeds]
    model = next((one.model for one in runs if one.model is not None), sizes.glove())
    chunks = traffic.glove_chunks(model, cells.indptr)
    moved = traffic.glove(model, len(cells), chunks, len(cells.vocab), size.iterations)
    settings = {
        "V": len(cells.vocab), "D": model.vector_size, "cells": len(cells),
        "chunks": model.step_chunks,
        "chunk_cells": model.chunk_cells, "iterations": size.iterations, "x_max": model.x_max,
    }  # fmt: skip
    yield _speed(
        "glove, cells", len(cells) * size.iterations, "cells/s", runs, peak, moved, ceilings,
        {**settings, "column": "GloVe"},
    )  # fmt: skip
    each = [sum(one.seconds) / size.iterations for one in runs if not one.diverged]
    if each:
        yield duration("glove, an iteration", each, settings=settings)
    yield from _qualities("glove", runs, text)


def reference(
    size: Size, seed: int, models: Sequence[str], blocks: int | None = None
) -> dict[str, dict[str, float]]:
    """The scores of one seed, by model.

    Args:
      size: a standard size.
      seed: of the text, the truth and training.
      models: "skip-gram", "glove".
      blocks: of skip-gram; None for its default.
    """
    planted = plant(jax.random.key(seed), size.tokens, size.words, strength=size.strength)
    scores, found = quality.exam(planted, seed), {}
    if "skip-gram" in models:
        model = sizes.skip_gram(blocks=blocks)
        found["skip-gram"] = train(planted.corpus, model, seed, size.epochs, scores).scores[-1]
    if "glove" in models:
        cells = jaxvec.cooccurrence.count(planted.corpus, window=sizes.COUNT_WINDOW)
        found["glove"] = train(cells, sizes.glove(), seed, size.iterations, scores).scores[-1]
    return found


def _text(options: argparse.Namespace) -> Text:
    """The planted text, or the user's."""
    size = sizes.chosen(options.quick, jax.default_backend(), options.tokens)
    if options.corpus is None:
        planted = plant(
            jax.random.key(options.seed), size.tokens, size.words, strength=size.strength
        )
        return Text(planted.corpus, quality.exam(planted, options.seed), size)
    corpus = jaxvec.Corpus.from_files(options.corpus)
    scores = quality.files(options.analogies, options.pairs, restrict_vocab=30_000)
    given = dataclasses.replace(
        size, name="", tokens=len(corpus), words=len(corpus.vocab), goals=()
    )
    return Text(corpus, scores, given)


def _speed(
    name: str,
    amount: float,
    unit: str,
    runs: Sequence[Run],
    peak: Peak,
    moved: Traffic,
    ceilings: Ceilings,
    settings: dict,
) -> Figure:
    """A figure of so much work a second, with its ceiling; marked if a run diverged.

    Args:
      name, amount, unit: of the figure.
      runs: those that ended are timed.
      peak: memory.
      moved: in a run.
      ceilings: of the device.
      settings: of the figure.
    """
    times = [sum(one.seconds) for one in runs if not one.diverged]
    marks = _diverged(runs)
    if not times:
        return Figure(name, math.nan, unit, settings=settings, marks=marks)
    compiling = max(one.compile_seconds for one in runs)
    figure = rate(
        name, amount, unit, times, settings=settings, compile_seconds=compiling,
        peak_bytes=peak.bytes, marks=marks,
    )  # fmt: skip
    return limited(figure, moved, ceilings)


def _qualities(model: str, runs: Sequence[Run], text: Text) -> Iterator[Figure]:
    """The scores of the runs, and the time to the goal of the first."""
    ended = [one for one in runs if one.scores and not one.diverged]
    marks = _diverged(runs)
    names = list(ended[0].scores[-1]) if ended else []
    for name in names:
        samples, title = [one.scores[-1][name] for one in ended], f"{model}, {name}"
        if all(map(math.isfinite, samples)):
            figure = score(title, samples, "%", marks=marks)
            yield bands.judged(figure, text.size.name, model, name)
        else:
            unscored = f"{bands.UNSCORED}: vectors are not finite, or too few words are known"
            yield Figure(title, math.nan, "%", marks=(*marks, unscored))
    if text.size.goals:
        yield time_to(text.size.goal(model), model, runs)


def time_to(goal: float, model: str, runs: Sequence[Run]) -> Figure:
    """The time to a recovery; no number, and a mark, unless every run reached it."""
    name = f"{model}, time to {goal:g} % recovery"
    taken = [one.seconds_to("recovery", goal) for one in runs]
    reached = [seconds for seconds in taken if seconds is not None]
    if len(reached) == len(taken):
        return duration(name, reached)
    mark = f"{bands.NEVER} in {len(taken) - len(reached)} of {len(taken)} runs"
    return Figure(name, math.nan, "s", marks=(mark,))


def _diverged(runs: Sequence[Run]) -> tuple[str, ...]:
    messages = list(dict.fromkeys(one.diverged for one in runs if one.diverged))
    return tuple(f"{bands.DIVERGED}: {message}" for message in messages)
