"""The epoch loop: of `fit` for one model, of `sweep` for `k` that train together."""

import dataclasses
import itertools
import math
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import jax
import numpy as np

from jaxvec.cooccurrence import Cooccurrence
from jaxvec.optim.named import Schedule, rates
from jaxvec.optim.probe import Choice
from jaxvec.storage.pool import give_back
from jaxvec.text.corpus import Corpus
from jaxvec.train.bar import bar
from jaxvec.train.callbacks import call_all
from jaxvec.train.checkpoint import Checkpoints
from jaxvec.train.contracts import Approximate, Model, Prior, Segments, State, Steps, UntrainedLoss
from jaxvec.train.epoch import compiled_for, evaluate_segment
from jaxvec.train.parallel import compile_ahead
from jaxvec.train.parallel.contract import Parallel
from jaxvec.train.parallel.one import One
from jaxvec.train.parts import Parts, parts, segment_keys
from jaxvec.train.placement import ON_ONE, Placement
from jaxvec.train.processes import fetched, gathered, is_first, mesh_of, put
from jaxvec.train.progress import Progress
from jaxvec.train.result import Callback, Report, Result
from jaxvec.train.steps import StepReports
from jaxvec.train.watch import Watch, check_pairs, mean, sums
from jaxvec.train.workers import by_itself

PyTree = Any


class Stopped(Exception):
    """Training was asked to stop, and did so after a segment, its checkpoint written."""


@dataclasses.dataclass(frozen=True)
class Job:
    """What is trained: `k` models on the same data.

    Attributes:
      data: the text or its counts.
      models, schedules, constants: one of each model, `k`.
      train_keys, valid_keys: keys [k], from which every random number follows.
      segments, held_out: what is trained on, and what is held out, if anything.
      parallel: how.
      epochs: how many.
      write_back: the strategy that rows are written by, for the results.
    """

    data: Corpus | Cooccurrence
    models: Sequence[Model]
    schedules: Sequence[Schedule]
    constants: Sequence[PyTree]
    train_keys: jax.Array
    valid_keys: jax.Array
    segments: Segments
    held_out: Segments | None
    parallel: Parallel
    epochs: int
    write_back: Choice | None = None

    def edges(self) -> np.ndarray:
        """The share of an epoch that is over before each segment, and 1: float64[segments + 1]."""
        return np.concatenate([[0], np.cumsum(self.segments.sizes)]) / self.segments.sizes.sum()

    def rates(self, places: np.ndarray) -> np.ndarray:
        """Each model's learning rates between places of the run, float32[k, R, P].

        Args:
          places: rising, in epochs from the beginning, [R + 1].
        """
        spans = [*itertools.pairwise((places / self.epochs).tolist())]
        return np.stack([[rates(schedule, *span) for span in spans] for schedule in self.schedules])


@dataclasses.dataclass(frozen=True)
class Hooks:
    """What is called as a run of one model goes on; a sweep has none. See `fit`."""

    callbacks: Sequence[Callback] = ()
    steps: StepReports = dataclasses.field(default_factory=lambda: StepReports(1, []))
    checkpoints: Checkpoints | None = None
    should_stop: Callable[[], bool] = lambda: False

    def agreed(self, ended: bool, at: Progress) -> tuple[bool, bool, bool]:
        """What all processes do: whether training ends, as a callback in any of them asks; whether
        it stops, as any is asked to; and whether to save a state, by the first one's clock.

        Args:
          ended: whether a callback in this process has asked.
          at: where the run is.
        """
        due = self.checkpoints is not None and self.checkpoints.due(at)
        every = gathered(np.array([ended, self.should_stop(), due]))
        return bool(every[:, 0].any()), bool(every[:, 1].any()), bool(every[0, 2])

    def save(self, state: State, at: Progress, *, wait: bool) -> None:
        """Saves a state, if there is a place for it.

        Args:
          state: of the run.
          at: where it is.
          wait: until it is on disk.
        """
        if self.checkpoints is not None:
            self.checkpoints.save(state, at, wait=wait)


def train(
    job: Job,
    states: list[State],
    at: Progress,
    hooks: Hooks,
    watches: Sequence[Watch],
    *,
    start_seconds: float = 0.0,
    compile_seconds: float = 0.0,
    progress: bool | None = None,
) -> list[Result]:
    """Trains to the last epoch, or to an early end.

    Args:
      job: what.
      states: of the `k` models; donated, and the list is emptied, so that nothing holds them.
      at: where the run is.
      hooks: what is called.
      watches: one of each model.
      start_seconds, compile_seconds: of a warm start and of compilation before, for the first
        report.
      progress: whether to show a bar; see `bar`.

    Returns:
      A result of each model.

    Raises:
      Stopped: if `hooks.should_stop` says so.
      DivergedError, ValueError: see `Watch` and `check_pairs`.
    """
    since = time.perf_counter()
    training = job.parallel.begin(states)
    states.clear()
    training = _compiled(job, training)
    give_back()  # the compiler's memory
    compiled = compile_seconds + time.perf_counter() - since
    histories = [[Report(*report) for report in at.history], *([] for _ in job.models[1:])]
    last = at.epoch if at.ended else job.epochs
    tallies = [at] * len(job.models)
    read = Parts(job.parallel, job.segments, job.train_keys)
    total, done = int(job.segments.sizes.sum()), at.epoch + job.edges()[at.segment]
    with bar(
        total, job.epochs, done, job.segments.unit, progress if is_first() else False
    ) as shown:
        for epoch in range(at.epoch, last):
            training, tallies = _epoch(job, training, tallies, watches, hooks, shown, read)
            states[:], training = job.parallel.end(training), None
            ended = False
            for m, (history, state) in enumerate(zip(histories, states, strict=True)):
                report = _report(job, m, state.params, tallies[m], watches[m])
                if epoch == 0:
                    report = report._replace(compile_seconds=compiled, start_seconds=start_seconds)
                history.append(report)
                result = Result(*state, history, job.data, job.models[m], job.write_back)
                ended |= call_all(hooks.callbacks, report, result) or hooks.steps.stopped
            ended, stop, due = hooks.agreed(ended, tallies[0])
            tallies = [
                Progress(epoch + 1, 0, tally.steps, history=history, ended=ended, chosen=at.chosen)
                for tally, history in zip(tallies, histories, strict=True)
            ]
            over = ended or epoch + 1 == job.epochs
            stop = stop and not over
            if over or stop or due:
                hooks.save(states[0], tallies[0], wait=over or stop)
            if stop:
                raise Stopped
            if over:
                break
            del result, state
            training = job.parallel.begin(states)
            states.clear()
        else:
            states[:] = job.parallel.end(training)
    check_pairs([report for history in histories for report in history])
    return [
        Result(*state, history, job.data, model, job.write_back)
        for state, model, history in zip(states, job.models, histories, strict=True)
    ]


def watched(job: Job, states: Sequence[State], *, raises: bool) -> list[Watch]:
    """A `Watch` of each model.

    Args:
      job: what is trained.
      states: what it begins with.
      raises: whether one that diverges ends the run.
    """
    return [
        Watch(
            model.untrained_loss(job.data) if isinstance(model, UntrainedLoss) else math.inf,
            state.params,
            raises=raises,
        )
        for model, state in zip(job.models, states, strict=True)
    ]


def begun_beside(
    job: Job, like: State, learn: Callable[[], PyTree | None], tables: Callable[[], None]
) -> tuple[PyTree | None, float, float]:
    """What `learn` returns, on a thread, while the program of a segment is compiled; see
    `parallel.compile_ahead`. Before it the thread compiles a small program, which would wait for
    that one. An error, or Ctrl-C, waits for the thread.

    Args:
      job: of one model.
      like: shapes and dtypes of its state.
      learn: a warm start, on the host.
      tables: compiles what draws the first tables.

    Returns:
      The warm start, the seconds it took, and the seconds of compilation.
    """

    def timed(act: Callable[[], Any]) -> tuple[Any, float]:
        since = time.perf_counter()
        found = act()
        return found, time.perf_counter() - since

    with ThreadPoolExecutor(1) as beside:
        drawing = beside.submit(by_itself()(tables))
        learning = beside.submit(timed, learn)
        _, compiled = timed(lambda: compile_ahead(job.parallel, like, *_nothing(job)))
        found, seconds = learning.result()
        drawing.result()
    return found, 0.0 if found is None else seconds, compiled


def evaluated(job: Job, m: int, params: PyTree) -> float:
    """The mean loss of a model on what is held out.

    Args:
      job: what is trained.
      m: the number of the model.
      params: its tables.
    """
    assert job.held_out is not None
    model, constants = job.models[m], job.constants[m]
    if isinstance(model, Approximate) and (exact := model.exact()) != model:
        model, constants = exact, exact.constants(job.data)
    if isinstance(model, Prior) and model.has_prior:
        constants = model.free(constants)
    over = mesh_of(params)
    alone = One(job.parallel.program, Placement(over) if over else ON_ONE)  # sends one segment
    constants = put(constants, alone.where.everywhere) if over else constants
    data = np.asarray(jax.random.key_data(job.valid_keys))[m : m + 1]
    keys = segment_keys(data, jax.random.key_impl(job.valid_keys), alone, job.held_out)
    reports = [
        sums(fetched(evaluate_segment(compiled_for(model), params, constants, *part)))
        for _, part in parts(alone, job.held_out, keys, 0)
    ]
    loss, pairs = (sum(column) for column in zip(*reports, strict=True))
    return mean(loss, pairs)


def _compiled(job: Job, training: Any) -> Any:
    """The state after a call on segments without data: the program is compiled, nothing changes."""
    training, _ = job.parallel.train(training, *_nothing(job))
    return jax.block_until_ready(training)


def _nothing(job: Job) -> tuple[PyTree, np.ndarray]:
    """Segments without data, as `share` sends them, and the rates of the run's start."""
    key_data = np.asarray(jax.random.key_data(job.train_keys))
    empty = job.segments.empty()
    how = job.parallel
    part = how.share([[(empty, data)] * (len(how.own) * how.rounds) for data in key_data])
    return part, job.rates(np.zeros(how.rounds + 1))


def _epoch(
    job: Job,
    training: Any,
    tallies: list[Progress],
    watches: Sequence[Watch],
    hooks: Hooks,
    shown: Any,
    read: Parts,
) -> tuple[Any, list[Progress]]:
    """Trains on the segments that are left of an epoch."""
    sizes, edges, epoch, how = job.segments.sizes, job.edges(), tallies[0].epoch, job.parallel
    since = time.perf_counter()
    for i, part in read.of(epoch, tallies[0].segment):
        ends = np.minimum(i + how.workers * np.arange(how.rounds + 1), len(sizes))
        until = int(ends[-1])
        training, steps = how.train(training, part, job.rates(epoch + edges[ends]))
        if until == len(sizes) and epoch + 1 < job.epochs:
            read.begin(epoch + 1)
        steps = fetched(steps)
        of_each = [steps]
        if job.parallel.models > 1:
            of_each = [Steps(*one) for one in zip(*steps, strict=True)]
        for watch, one in zip(watches, of_each, strict=True):
            watch.steps(one, epoch, i)
        words, seconds = int(sizes[i:until].sum()), time.perf_counter() - since
        tallies = [
            _added(tally, one, until, seconds) for tally, one in zip(tallies, of_each, strict=True)
        ]
        shown.update(words)
        if job.parallel.models == 1:
            shown.set_postfix(epoch=epoch + 1, loss=f"{mean(*sums(steps)):.4f}")
        hooks.steps.add(epoch + 1, steps, words, seconds)
        if until == len(sizes):
            break  # the epoch's report comes before a checkpoint
        ended, stop, due = hooks.agreed(hooks.steps.stopped, tallies[0])
        if ended:
            break
        if stop or due:
            states, training = job.parallel.end(training), None
            hooks.save(states[0], tallies[0], wait=stop)
            if stop:
                raise Stopped
            training = job.parallel.begin(states)
            states.clear()
        since = time.perf_counter()
    return training, tallies


def _added(tally: Progress, steps: Steps, until: int, seconds: float) -> Progress:
    loss, pairs = sums(steps)
    return tally._replace(
        segment=until,
        steps=tally.steps + int(np.sum(steps.taken)),
        loss=tally.loss + loss,
        pairs=tally.pairs + pairs,
        seconds=tally.seconds + seconds,
    )


def _report(job: Job, m: int, params: PyTree, tally: Progress, watch: Watch) -> Report:
    """Of the epoch of which a tally has the sums."""
    watch.rows(params, tally.epoch)
    valid_loss = None
    if job.held_out is not None:
        valid_loss = math.nan if watch.diverged else evaluated(job, m, params)
    read = int(job.segments.sizes[: tally.segment].sum())
    progress = (tally.epoch + job.edges()[tally.segment]) / job.epochs
    return Report(
        epoch=tally.epoch + 1,
        loss=math.nan if watch.diverged else mean(tally.loss, tally.pairs),
        valid_loss=valid_loss,
        learning_rate=float(job.schedules[m](progress)),
        words=read,
        pairs=int(tally.pairs),
        seconds=tally.seconds,
        words_per_second=read * len(job.models) / tally.seconds,
        compile_seconds=0.0,
        loss_unit=job.models[m].loss_unit,
    )
