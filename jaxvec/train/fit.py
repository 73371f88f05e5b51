"""`fit`: epochs over the data, with a schedule, validation, reports, callbacks and checkpoints."""

import dataclasses
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from functools import partial
from typing import Any, cast

import jax
import numpy as np
import optax

from jaxvec.cooccurrence import Cooccurrence
from jaxvec.messages.gensim import explained
from jaxvec.optim.named import Schedule, rates, resolve_optimizer
from jaxvec.optim.wrappers import bounded, damped, frozen, shortened
from jaxvec.storage.pool import prefetch
from jaxvec.text.corpus import Corpus
from jaxvec.train import spectral
from jaxvec.train.arguments import checked
from jaxvec.train.bar import bar
from jaxvec.train.callbacks import call_all
from jaxvec.train.checkpoint import Checkpoints, Progress
from jaxvec.train.epoch import Model, State, begun, evaluate_segment
from jaxvec.train.result import Callback, Report, Result
from jaxvec.train.segments import Segments
from jaxvec.train.stability import Watch, check_pairs, mean, settled, sums
from jaxvec.train.steps import StepCallback, StepReports
from jaxvec.train.team import Team, by_itself
from jaxvec.train.warm import extended, matched, warm
from jaxvec.train.workers import default_workers
from jaxvec.vectors.word_vectors import WordVectors

PyTree = Any


class Stopped(Exception):
    """Training was asked to stop, and did so after a segment, its checkpoint written."""


@explained("write fit(corpus, SkipGram(), key=jax.random.key(0))")
@by_itself()
def fit(
    data: Corpus | Cooccurrence,
    model: Model | None = None,
    *,
    key: jax.Array,
    epochs: int = 5,
    optimizer: str | optax.GradientTransformation | None = None,
    workers: int | None = None,
    dense: bool = False,
    learning_rate: float | Schedule | None = None,
    min_learning_rate: float | None = None,
    valid: float = 0.0,
    init: WordVectors | None = None,
    start: State | Result | None = None,
    freeze: Collection[str] = (),
    grad_clip: float | None = None,
    max_norm: float | None = None,
    callbacks: Sequence[Callback] = (),
    report_every: int = 100,
    step_callbacks: Sequence[StepCallback] = (),
    checkpoints: Checkpoints | None = None,
    should_stop: Callable[[], bool] = lambda: False,
    progress: bool | None = None,
) -> Result:
    """Trains word vectors.

    Each epoch goes over the data once, in segments of about a million tokens or cells,
    each of which is one call of a compiled program while the next is made ready. The same
    key on the same kind of device gives the same bits, checkpoints or not.

    Args:
      data: the text as ids; for GloVe its counts, `cooccurrence.count`.
      model: `SkipGram()`, `CBOW()`, `Softmax()` or `GloVe()`, with its options.
      key: a `jax.random` key, the source of every random number.
      epochs: how often to go over the data.
      optimizer: a name out of `OPTIMIZERS`, or an optax transformation, which must treat
        rows by themselves (see `optim.row_sparse`). By default the
        model's own: ``"sgd"`` for skip-gram, ``"glove_row_adagrad"`` for GloVe.
      workers: how many devices train at a time, each on a part of its own, their tables
        put together some sixteen times an epoch; see `workers.combine`. By default one
        for every 8 million words of text, if JAX has so many devices: a CPU is one, unless
        `use_cores` was called before. Another number gives other bits.
      dense: update whole tables each step, with any optax transformation; slow.
      learning_rate: the rate at the start, by default the model's own or, with another
        optimizer than its default, the one in `OPTIMIZERS`; or a
        function of progress from 0 to 1, such as an optax schedule over one step. An optax
        transformation's updates are multiplied by it; there it is 1 throughout by default.
      min_learning_rate: the rate at the end, reached in a straight line; by default a
        10,000th of the first. Not with a schedule.
      valid: the fraction held out for `valid_loss`: of a corpus its end, of counts a
        random choice of chunks of cells.
      init: vectors of words to begin with, by name; other words begin at random. Where the
        model's vectors are the sum of two tables, each gets half. With `GloVe(mittens=…)`
        they are what the words are drawn to, too, from there or from `start`.
      start: parameters and optimizer state to begin with in place of the model's and the
        optimizer's own, where they are not None; or the `Result` of an earlier run, whose words
        go on from where it left them, in whatever order the vocabulary has them now, while new
        ones begin at random (see ``extend`` of `Corpus.from_documents`). A checkpoint comes
        before it.
      freeze: words that keep the vectors they begin with, in both tables.
      grad_clip: bound of each number in a gradient; by default none but, with GloVe's
        optimizers, the C program's 100 for vectors.
      max_norm: bound of the length of a vector once it is updated; see `optim.bounded`. By
        default none. Not with `dense`.
      callbacks: called after each epoch with its `Report` and the `Result` so far, whose
        arrays are updated in place later: copy what is to be kept (`vectors` does). One that
        raises `StopTraining` ends the run.
      report_every: how many steps a report to `step_callbacks` is of.
      step_callbacks: called with a `StepReport` for each so many steps, once the segment
        of a million tokens or cells that they end in is done.
      checkpoints: where to save states, and to resume from the last if there is one.
      should_stop: asked after each segment; once true, the state is saved and `Stopped` raised.
      progress: a bar on standard error; by default if that is a terminal, and in a notebook.

    Raises:
      TypeError: if an argument is of another kind; the message says what to write.
      ValueError: if an argument is out of its range, or no pair was seen in the run.
      DivergedError: a ValueError too, if the loss of a segment is above the loss of untrained
        vectors and of the first step, or an epoch ends with a vector that is too long; see
        `stability.Watch`.

    Example:
      >>> from jaxvec import SkipGram
      >>> corpus = Corpus.from_documents(["the cat sat on the mat"] * 20, min_count=1)
      >>> result = fit(corpus, SkipGram(vector_size=8), key=jax.random.key(0), epochs=2)
      >>> result.params.input.shape, len(result.history)
      ((5, 8), 2)
      >>> len(result.vectors().most_similar("cat", topn=3))
      3
    """
    model, key = checked(locals())
    optimizer = model.default_optimizer if optimizer is None else optimizer
    if learning_rate is None and optimizer == model.default_optimizer:
        learning_rate = model.default_learning_rate
    optimize, schedule = resolve_optimizer(
        optimizer, dense, learning_rate, min_learning_rate, grad_clip
    )
    if len(data.vocab) < 2:
        raise ValueError("the vocabulary has one word; two or more are needed to learn from")
    highest = float(rates(schedule, 0, 1).max())
    model, damping, scale = settled(model, data.vocab.counts, optimizer, highest)
    optimize = damped(optimize, damping, scale) if damping else optimize
    init_key, train_key, valid_key = jax.random.split(key, 3)
    mittens = getattr(model, "mittens", 0)
    if workers is None:
        workers = default_workers(data, model, dense=dense, freeze=freeze)
    if dense and model.stratified and workers > 1:
        raise ValueError(f"with dense=True GloVe trains on one worker, not {workers}")
    if init is not None and start is not None and start.params is not None and not mittens:
        raise ValueError("both init and start say which parameters to begin with: give one")
    constants = model.constants(data)
    params = model.init(init_key, len(data.vocab))
    if init is not None:
        table, known = matched(init, data.vocab, params.input.shape[1])
        params = warm(params, table, known, model.default_vectors)
        if mittens:
            constants = cast(Any, model).drawn_to(constants, data, table, known)
    elif mittens:
        raise ValueError("mittens needs init, the vectors that words are drawn to")
    if max_norm is not None:
        if dense:
            raise ValueError("max_norm needs dense=False")
        optimize = bounded(optimize, max_norm)
    if freeze:
        if dense or (model.stratified and workers > 1):
            raise ValueError("freeze needs dense=False, and GloVe one worker")
        mask = np.zeros(len(data.vocab), bool)
        mask[[data.vocab[word] for word in freeze]] = True
        optimize = frozen(optimize, mask)
    team = Team.of(workers, model, optimize, constants, jax.random.key_impl(key))
    segments, held_out = model.segments(data, valid, valid_key, workers)

    start_seconds, since = 0.0, time.perf_counter()
    given = init is not None or (start is not None and start.params is not None)
    head_start = None if given else model.head_start(segments)
    if head_start is not None:
        params = spectral.added(params, head_start)
        if max_norm is not None:
            params = jax.tree.map(partial(shortened, max_norm=max_norm), params)
        start_seconds, since = time.perf_counter() - since, time.perf_counter()
    own = State(params, optimize.init(params))
    if isinstance(start, Result):
        earlier = State(start.params, start.opt_state)
        own, start = extended(own, earlier, data.vocab, start.data.vocab), None
    state = begun(own, start)
    watch = Watch(model.untrained_loss(data), state.params)
    training = team.begin(state)
    # a run over nothing compiles the program, and changes nothing
    nothing = team.share([(segments.empty(), np.asarray(jax.random.key_data(train_key)))] * workers)
    training, _ = team.train(training, nothing, rates(schedule, 0, 0))
    jax.block_until_ready(training)
    compile_seconds = time.perf_counter() - since

    at = Progress()
    if checkpoints is not None:
        state, at = checkpoints.restore(team.state(training))
        training = team.begin(state)
    history = [Report(*report) for report in at.history]
    step_reports = StepReports(report_every, step_callbacks, at.steps // workers)
    total = int(segments.sizes.sum())
    edges = np.concatenate([[0], np.cumsum(segments.sizes)]) / total
    with bar(total, epochs, at.epoch + edges[at.segment], segments.unit, progress) as shown:
        for epoch in range(at.epoch, at.epoch if at.ended else epochs):
            epoch_key = jax.random.fold_in(train_key, epoch)
            since = time.perf_counter()
            for i, part in _ahead(segments, epoch_key, at.segment, team):
                until = min(i + workers, len(segments.sizes))
                training, steps = team.train(
                    training, part,
                    rates(schedule, (epoch + edges[i]) / epochs, (epoch + edges[until]) / epochs),
                )  # fmt: skip
                steps = watch.steps(jax.device_get(steps), epoch, i)
                loss, pairs = sums(steps)
                words, seconds = int(segments.sizes[i:until].sum()), time.perf_counter() - since
                shown.update(words)
                shown.set_postfix(epoch=epoch + 1, loss=f"{mean(loss, pairs):.4f}")
                at = at._replace(
                    epoch=epoch,
                    segment=until,
                    steps=at.steps + int(np.count_nonzero(steps.weight)),
                    loss=at.loss + loss,
                    pairs=at.pairs + pairs,
                    seconds=at.seconds + seconds,
                )
                step_reports.add(epoch + 1, steps, words, seconds)
                if step_reports.stopped:
                    break
                since = time.perf_counter()
                if until < len(segments.sizes):  # after the last, the epoch's report comes first
                    _save_or_stop(checkpoints, partial(team.state, training), at, should_stop)
                    since = time.perf_counter()
            state, read = team.state(training), int(segments.sizes[: at.segment].sum())
            watch.rows(state.params, epoch)
            report = Report(
                epoch=epoch + 1,
                loss=mean(at.loss, at.pairs),
                valid_loss=None
                if held_out is None
                else evaluated(_judge(team), state.params, held_out, valid_key),
                learning_rate=float(schedule((epoch + edges[at.segment]) / epochs)),
                words=read,
                pairs=int(at.pairs),
                seconds=at.seconds,
                words_per_second=read / at.seconds,
                compile_seconds=compile_seconds if epoch == 0 else 0.0,
                start_seconds=start_seconds if epoch == 0 else 0.0,
                loss_unit=model.loss_unit,
            )
            history.append(report)
            result = Result(*state, history, data, model)
            ended = call_all(callbacks, report, result) or step_reports.stopped
            at = Progress(epoch=epoch + 1, steps=at.steps, history=history, ended=ended)
            saved, last = partial(team.state, training), ended or epoch + 1 == epochs
            _save_or_stop(checkpoints, saved, at, should_stop, last=last)
            if ended:
                break
    check_pairs(history)
    return Result(*team.state(training), history, data, model)


def _ahead(
    segments: Segments, key: jax.Array, first: int, team: Team
) -> Iterator[tuple[int, PyTree]]:
    """From the first on, as many segments at a time as the team has workers, each with its
    key; the next are read and sent to the devices meanwhile."""
    count = len(segments.sizes)
    numbers = np.arange(count + team.workers)  # the last ones may be of segments without data
    # made before the devices are at work, which would keep them waiting
    keys = np.asarray(jax.random.key_data(jax.vmap(jax.random.fold_in, (None, 0))(key, numbers)))

    def ready(i: int):
        chosen = range(i, i + team.workers)
        parts = [segments.get(key, j) if j < count else segments.empty() for j in chosen]
        return team.share(list(zip(parts, keys[i : i + team.workers], strict=True)))

    return prefetch(ready, range(first, count, team.workers))


def _save_or_stop(
    checkpoints: Checkpoints | None,
    state: Callable[[], State],
    at: Progress,
    should_stop,
    *,
    last: bool = False,
) -> None:
    stop = should_stop() and not last
    if checkpoints is not None:
        checkpoints.save(state, at, now=stop or last)
    if stop:
        raise Stopped


def evaluated(team: Team, params, segments: Segments, key: jax.Array) -> float:
    """The mean loss on what is held out."""
    reports = [
        sums(jax.device_get(evaluate_segment(team.model, params, team.constants, *part)))
        for _, part in _ahead(segments, key, 0, team)
    ]
    loss, pairs = (sum(column) for column in zip(*reports, strict=True))
    return mean(loss, pairs)


def _judge(team: Team) -> Team:
    """One worker, whose loss has no pull of `mittens`."""
    alone = team.alone()
    if not getattr(alone.model, "mittens", 0):
        return alone
    free = alone.constants._replace(pull=np.zeros_like(alone.constants.pull))
    return dataclasses.replace(alone, constants=free)
