"""`fit`: trains one model."""

import contextlib
import functools
from collections.abc import Callable, Collection, Sequence

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.sharding import NamedSharding

from jaxvec.cooccurrence import Cooccurrence
from jaxvec.messages.gensim import explained
from jaxvec.models.threefry import split_on_host
from jaxvec.optim import writeback
from jaxvec.optim.named import Schedule
from jaxvec.optim.rows import RowOptimizer
from jaxvec.optim.wrappers import bounded
from jaxvec.text.corpus import Corpus
from jaxvec.text.vocab import Vocab
from jaxvec.train import loop, parallel
from jaxvec.train import start as begin
from jaxvec.train.alike import check_states
from jaxvec.train.arguments import checked
from jaxvec.train.by_device import begun, followed
from jaxvec.train.checkpoint import Checkpoints as Checkpoints
from jaxvec.train.contracts import HeadStart, Model, State, Stratified
from jaxvec.train.dealing import dealt_mask
from jaxvec.train.devices import Device, here
from jaxvec.train.documents import ParagraphVectors
from jaxvec.train.epoch import compiled_for
from jaxvec.train.loop import Stopped as Stopped
from jaxvec.train.ngrams import has_ngrams
from jaxvec.train.parallel.contract import Program
from jaxvec.train.placement import OneDevice, Placement, resolved
from jaxvec.train.result import Callback, Result
from jaxvec.train.settle import rules
from jaxvec.train.steps import StepCallback, StepReports
from jaxvec.train.workers import by_itself, default_workers
from jaxvec.train.written import as_before, chosen
from jaxvec.vectors.word_vectors import WordVectors


@explained("write fit(corpus, SkipGram(), key=jax.random.key(0))")
@by_itself()
def fit(
    data: Corpus | Cooccurrence,
    model: Model | None = None,
    *,
    key: jax.Array,
    epochs: int = 5,
    optimizer: str | optax.GradientTransformation | RowOptimizer | None = None,
    workers: int | None = None,
    sharding: NamedSharding | None = None,
    write_back: writeback.Name | writeback.WriteBack | None = None,
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
    defaults_for: Device | None = None,
) -> Result:
    """Trains word vectors.

    Each epoch goes over the data once, in segments of a million tokens or cells, or more. A
    segment is one call of a compiled program, while the next is prefetched. The same
    key on the same kind of device gives the same bits, with checkpoints or without; on a GPU by
    the `write_back` "sorted".

    What is left open follows from the device that trains (`devices` has the reasons; an option
    that is given always counts):

    ============================  ============================  ============================
    default                       CPU                           accelerator
    ============================  ============================  ============================
    `blocks` of 32 words a step   2, fewer for small texts      up to 256, see `step_blocks`
    `chunks` of 32 cells a step   16                            up to 256, see `step_chunks`
    words or cells of a segment   1 million                     8 million
    `workers`                     see below                     1
    ============================  ============================  ============================

    After `jax.distributed.initialize`, all processes make the same call, on the same data, and
    train one model together: each reads the segments of its own devices. Process 0 writes
    checkpoints, and has the bar; callbacks are called in all. See `processes`.

    Args:
      data: the text as ids; for GloVe its counts, `cooccurrence.count`.
      model: `SkipGram()`, `CBOW()`, `Softmax()` or `GloVe()`, with its options, or a
        `contracts.Model` of your own. `result.model` is the one that was trained, with
        `blocks` and `block_tokens` as they were chosen if `blocks` is None.
      key: a `jax.random` key, the source of every random number.
      epochs: how often to go over the data.
      optimizer: a name out of `OPTIMIZERS`; an optax transformation, which must treat
        rows by themselves (see `optim.row_sparse`); or a `RowOptimizer`, used as it is. By
        default the model's own: ``"sgd"`` for skip-gram, ``"glove_row_adagrad"`` for GloVe.
      workers: the number of devices; each trains on its own share of the data. On text their
        tables are merged at least 16 times an epoch, rows of rare words half as often
        (`parallel.copies`); for GloVe each has a part of them (`parallel.strata`). By default one
        for every 8 million words, two from 4 million on, or one for every 4 million cells, if JAX
        has the devices: a CPU is one, unless `use_cores` was called before; and one accelerator;
        in several processes all devices of all. Another number gives other bits.
      sharding: how tables [V, D] are split over devices:
        ``NamedSharding(mesh, PartitionSpec("rows", None))`` by rows, ``PartitionSpec(None, "dim")``
        by columns, or both. Along an axis "workers" of the mesh, if it has one, there are workers,
        each a group of devices. No device has a table whole, nor the host (but for `Softmax`, a
        step of which takes all of a table); the tables of the
        result, and its state, have this sharding, and rows of zeros after the vocabulary's if
        these cannot be split evenly (see `placement`). Split by rows, the same bits as unsplit
        on the same kind of device; by columns, and for `Softmax`, the same up to the order of sums.
      write_back: how the gradients of rows that a step touches more than once reach the tables, a
        name out of `optim.writeback.STRATEGIES` or a `WriteBack`. By default a CPU takes the
        optimizer's own, and an accelerator the fastest that is the same rule, by a probe of some
        milliseconds, compilation apart. `result.write_back` says which; a run
        that is resumed keeps it. On GPUs all but "sorted" and "head" add in any order.
      dense: update whole tables each step, with any optax transformation; slow.
      learning_rate: the rate at the start, by default the model's own or, with another
        optimizer than its default, the one in `OPTIMIZERS`; or a
        function of progress from 0 to 1, such as an optax schedule over one step. With an
        optimizer that is given as an object it multiplies the updates, and is 1 throughout by
        default.
      min_learning_rate: the rate at the end, reached in a straight line; by default a
        10,000th of the first. Not with a schedule.
      valid: the fraction held out for `valid_loss`: of a corpus its end, of counts a
        random choice of chunks of cells.
      init: vectors to begin with, matched by word, or made of its n-grams if they have some;
        other words begin at random. Where the model's vectors are the sum of two tables, each
        gets half. With `GloVe(mittens=…)` words are drawn to these vectors, whether they begin
        there or at `start`.
      start: a `State` whose parts that are not None replace the model's parameters and the
        optimizer's state; or the `Result` of an earlier run, whose words go on from where it
        left them, matched by word, while new ones begin at random (see ``extend`` of
        `Corpus.from_documents`). A checkpoint takes precedence.
      freeze: words that keep the vectors they begin with, in both tables.
      grad_clip: bound of each number in a gradient; by default none but, with GloVe's
        optimizers, the C program's 100 for vectors.
      max_norm: bound of the length of a vector after its update; see `optim.bounded`. By
        default none. Not with `dense`.
      callbacks: called after each epoch with its `Report` and the `Result` so far. Its arrays are
        donated to the next epoch, after which they are deleted or overwritten: copy what is to
        be kept (`vectors` does). One that raises `StopTraining` ends the run.
      report_every: the least steps that a `StepReport` covers. Losses are added up by draws of 64
        steps (`contracts.STEPS_A_DRAW`), and a report ends with a draw.
      step_callbacks: called with each `StepReport`, at the end of the segment that its steps end
        in, of a million tokens or cells on a CPU; on text with several workers, of two of each.
      checkpoints: where to save states, and to resume from the last if there is one.
      should_stop: called after each segment or, on text with several workers, two of each; if
        true, the state is saved and `Stopped` raised; in several processes, in all if in one.
      progress: a bar on standard error; by default if that is a terminal, and in a notebook. The
        first process alone has it.
      defaults_for: the device whose defaults to take, by default the one that trains. The same
        run on another device: ``Device("gpu")`` takes large steps on a CPU, too.

    Raises:
      TypeError: if an argument is of another kind; the message says what to write.
      ValueError: if an argument is out of its range, or no pair was seen in the run.
      DivergedError: a ValueError too, if the loss of a segment is above the loss of untrained
        vectors and of the first step, or an epoch ends with a vector that is too long; see
        `watch.Watch`.

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
    given = begin.Given(init, start, max_norm)
    device = defaults_for or here()
    model, workers = begun(model, workers, device, data, checkpoints)
    asked = model
    where, workers = resolved(sharding, workers, model)
    rule = rules(
        [model], data.vocab, optimizer, [learning_rate], min_learning_rate, device,
        dense=dense, grad_clip=grad_clip, write_back=as_before(checkpoints, write_back),
    )  # fmt: skip
    (model,), optimize = rule.models, rule.optimizer
    if workers is None:
        workers = default_workers(
            data, model, dense=optimize.whole_tables, freeze=freeze, device=device
        )
    _check(model, workers, given, dense=optimize.whole_tables, freeze=freeze, max_norm=max_norm)
    where.check(params := jax.eval_shape(lambda: model.init(key, len(data.vocab))))
    init_key, train_key, valid_key = split_on_host(key, 3)
    constants = begin.constants(model, data, given)
    segments, held_out = begin.segments(model, data, valid, valid_key, workers)
    written = chosen(rule, len(data.vocab), constants, segments, workers)
    if rule.free and written is not None:
        optimize = rule.writing(written.name)
    if checkpoints is not None:
        checkpoints.write_back = "" if written is None else written.name
    if max_norm is not None:
        optimize = bounded(optimize, max_norm)
    frozen = _mask(data.vocab, freeze, where)
    program = Program(compiled_for(model), optimize, constants, frozen, jax.random.key_impl(key))
    how = parallel.on(workers, program, len(data.vocab), where)
    job = loop.Job(
        data, [model], rule.schedules, [constants], train_key[None], valid_key[None],
        segments, held_out, how, epochs, written,
    )  # fmt: skip
    head_start, start_seconds, compile_seconds = None, 0.0, 0.0
    if isinstance(model, HeadStart) and not given.tables:
        head_start, start_seconds, compile_seconds = loop.begun_beside(
            job, State(params, jax.eval_shape(optimize.init, params)),
            functools.partial(begin.head_start, model, segments),
            functools.partial(where.compile_born, model, init_key, len(data.vocab)),
        )  # fmt: skip
    states = begin.states([model], data, init_key[None], [optimize], head_start, given, where)
    watches = loop.watched(job, states, raises=True)
    with contextlib.nullcontext() if checkpoints is None else checkpoints.held():
        at = begin.resumed(checkpoints, states, len(data.vocab), len(segments.sizes))
        at = check_states(states, at._replace(chosen=followed(asked, workers)))
        reports = StepReports(report_every, step_callbacks, at.steps // workers)
        hooks = loop.Hooks(callbacks, reports, checkpoints, should_stop)
        (result,) = loop.train(
            job, states, at, hooks, watches, start_seconds=start_seconds,
            compile_seconds=compile_seconds, progress=progress,
        )  # fmt: skip
    return result


def _mask(vocab: Vocab, words: Collection[str], where: Placement | OneDevice) -> jax.Array | None:
    """Which rows of a table in training are of `words`, bool[V']; None if there are no words."""
    if not words:
        return None
    mask = np.zeros(len(vocab), bool)
    mask[[vocab[word] for word in words]] = True
    return jnp.asarray(dealt_mask(mask, where.length(len(vocab)), where.shards))


def _check(
    model: Model,
    workers: int,
    given: begin.Given,
    *,
    dense: bool,
    freeze: Collection[str],
    max_norm: float | None,
) -> None:
    """Raises a ValueError for arguments that do not go together."""
    if isinstance(model, ParagraphVectors) and (freeze or given.init is not None):
        name = "freeze" if freeze else "init"
        raise ValueError(
            f"{name} goes without documents: infer(result, texts) finds their vectors while words, "
            "of whatever run by negative sampling, stay as they are"
        )
    if freeze and has_ngrams(model):
        raise ValueError(
            "freeze goes without subwords: the rows of n-grams, which words share, make every "
            "word's vector"
        )
    shared_out = isinstance(model, Stratified) and workers > 1
    name = type(model).__name__
    if dense and shared_out:
        raise ValueError(f"with dense=True {name} trains on one worker, not {workers}")
    if max_norm is not None and dense:
        raise ValueError("max_norm needs dense=False, and an optimizer of rows")
    if freeze and (dense or shared_out):
        alone = f"; {name} needs one worker, too" if shared_out else ""
        raise ValueError(f"freeze needs dense=False, and an optimizer of rows{alone}")
