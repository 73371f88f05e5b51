"""`jaxvec train`: from text to a file of word vectors."""

import argparse
import re
import signal
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from jaxvec import recipes
from jaxvec.cli import processes, stanford, warm_start
from jaxvec.cli.common import Flags, neighbors_line, number, path, say, whole
from jaxvec.cli.data import IDENTITY, add_text_options
from jaxvec.cli.interrupt import Interrupt
from jaxvec.cli.job import Job, check, check_optimizer, check_outputs, prepared
from jaxvec.cli.log import Log
from jaxvec.cli.models import TRAINED, add_model_options, given, set_defaults
from jaxvec.cooccurrence import Cooccurrence
from jaxvec.interop.stanford import with_unk
from jaxvec.optim.probe import slow_scatters
from jaxvec.optim.writeback import STRATEGIES
from jaxvec.storage.pool import give_back
from jaxvec.train import ppmi
from jaxvec.train.by_device import begun, followed
from jaxvec.train.checkpoint import Checkpoints
from jaxvec.train.contracts import Model
from jaxvec.train.devices import here
from jaxvec.train.fit import Stopped, fit
from jaxvec.train.processes import check_alike, is_first
from jaxvec.train.registry import MODELS
from jaxvec.train.result import Result
from jaxvec.train.workers import use_cores
from jaxvec.vectors import formats
from jaxvec.vectors.word_vectors import WordVectors

_SHOWN = ["array", "gradient", "matrix", "string", "file", "class"]

_DESCRIPTION = """\
Trains word vectors on text: files, folders, or - for standard input; plain or compressed
(gzip, bzip2, xz); a line is a document. CORPUS may also be saved by jaxvec.Corpus.save, or
counts for --model glove or ppmi-svd, from 'jaxvec cooccur' or, as .bin with its --vocab, from
Stanford's cooccur; or text8, wikitext-2, wikitext-103 or ptb, which are downloaded.

Without CORPUS, trains on the documentation installed here: the docstrings of jax, numpy,
scipy, optax, flax, orbax and of Python's own library. Then the defaults are --tokenizer
text8 --min-count 10 --epochs 10 --optimizer row_adagrad --learning-rate 0.05 --sample 1e-4,
and neighbors of a few words are shown."""

_EXAMPLES = """\
examples:
  jaxvec train
  jaxvec train text.txt -o vectors.bin --vector-size 200
  jaxvec train text.txt --recipe fasttext-sgns --vector-size 200
  jaxvec train news/ --tokenizer basic_english --valid 0.05 --probe king paris --log run.jsonl
  zcat dump.gz | jaxvec train - --min-count 20 -o vectors.txt"""


def add_train_options(parser: argparse.ArgumentParser) -> None:
    """Adds the flags of `train` to a parser."""
    parser.description = _DESCRIPTION
    rows = (
        f"  {name:18} {recipe.about.replace('``', '')}" for name, recipe in recipes.RECIPES.items()
    )
    parser.epilog = "\n".join(["recipes:", *rows, "", _EXAMPLES])
    add = Flags(parser)
    add("corpus CORPUS", "text files, folders, - or a saved corpus", path, nargs="*")
    add(
        "-o --output FILE",
        ".txt or .vec (word2vec text), .bin (word2vec binary), .glove.txt (GloVe text), "
        ".fasttext.bin (fastText's model), .npz or .safetensors (default: %(default)s)",
        path,
        default="vectors.npz",
    )
    add("--force", "overwrite the outputs, and the log")
    add_text_options(
        parser,
        "while text is read it takes some 8 bytes a word, and 350 a distinct one; what is beyond "
        "SIZE, 1GB or 512MiB, waits in a temporary file beside the output (default: half of what "
        "is free)",
    )
    add_model_options(parser)
    _add_training_options(parser)
    _add_report_options(parser)
    add = Flags(parser, "checkpoints", tags=[TRAINED])
    add("--checkpoint DIR", "save the state of the run there during training", path)
    add(
        "--checkpoint-every N",
        "minutes (10m), seconds (30s) or steps (5000) between states, each saved at the end of a "
        "segment of a million words or cells, 8 million on an accelerator (default: 10m)",
        _interval,
    )
    add("--resume", "continue from the last state in DIR, bit for bit; start anew without one")
    processes.add_options(parser)
    warm_start.add_options(parser)
    stanford.add_options(parser)
    parser.set_defaults(run=run)


def _add_training_options(parser: argparse.ArgumentParser) -> None:
    add = Flags(parser, "training", tags=[IDENTITY, TRAINED])
    others = (f"{e.epochs} for {name}" for name, e in MODELS.items() if e.epochs != 5)
    add("--epochs N", f"default: {', '.join(['5', *others])}", whole(1))
    add(
        "--optimizer NAME",
        "sgd (default of sgns and cbow), adam (of softmax), adagrad or row_adagrad; for glove also "
        "glove_row_adagrad (its default) and glove_adagrad",
    )
    add(
        "--learning-rate R",
        "at the start (default: 0.03; 0.1 for cbow, 0.0125 for its sum; 0.2 for adagrad, 0.4 for "
        "row_adagrad, 0.01 for adam, 0.05 for glove_adagrad and glove_row_adagrad)",
        number(0, beyond=True),
    )
    add("--min-learning-rate R", "at the end (default: 1/10,000 of the start)", number(0))
    add(
        "--grad-clip C",
        "bound of each number in a gradient (default: none; 100 with glove's optimizers)",
        number(0, beyond=True),
    )
    add(
        "--write-back NAME",
        f"how rows that repeat in a step are written: {', '.join(STRATEGIES)} (default: the "
        "optimizer's own on a CPU, the fastest by a probe on an accelerator)",
    )
    add("--max-norm R", "bound of a vector's length (default: none)", number(0, beyond=True))
    add("--init FILE", "word vectors to start from, by name; other words start at random", path)
    add(
        "--workers N",
        "cores or devices, each trains on its own share (default: one for 8 million words, two "
        "from 4 million, or one for 4 million cells, at most the cores there are; 1 accelerator); "
        "another number gives other vectors",
        whole(1),
    )
    add(
        "--shard",
        "split the tables over all devices, by rows or by dimensions: for tables larger than a "
        "device, see fit's sharding; with --workers over the devices of each",
        choices=["rows", "dim"],
        tags=[TRAINED],
    )
    add("--seed N", "default: %(default)s", whole(0), default=1, tags=[IDENTITY])
    add(
        "--valid F",
        "hold out this fraction and report its loss: the end of the text; for glove, random cells",
        number(0, 1),
    )


def _add_report_options(parser: argparse.ArgumentParser) -> None:
    add = Flags(parser, "reports")
    add("--probe WORD", "show the neighbors of these words after each epoch", nargs="+", default=[])
    add("--analogies F", "score on analogies after each epoch, as 'jaxvec evaluate' does", path)
    add("--pairs F", "score on word pairs after each epoch", path, nargs="+", default=[])
    add("--restrict-vocab N", "use only the N most frequent words in analogies", whole(1))
    add(
        "--report-every N",
        "show loss and speed every N steps, too, rounded up to 64",
        whole(1),
        tags=[TRAINED],
    )
    add("--log FILE", "write a JSON line for each epoch", path, tags=[TRAINED])


def _interval(text: str) -> tuple[float, int | None]:
    """Minutes, or steps."""
    if match := re.fullmatch(r"(\d+(?:\.\d*)?)([ms])", text):
        return float(match[1]) / {"m": 1, "s": 60}[match[2]], None
    if re.fullmatch(r"[1-9]\d*", text):
        return 0.0, int(text)
    raise argparse.ArgumentTypeError(
        f"expected minutes or seconds, 10m or 30s, or steps, not {text!r}"
    )


def run(options: argparse.Namespace) -> int:
    """Trains and writes the vectors; returns the exit status.

    Raises:
      ValueError, KeyError, OSError: for bad input, before anything is written.
    """
    set_defaults(options)
    processes.check(options)
    use_cores(processes.own_workers(options))
    check(options)
    with processes.joined(options):
        return _run(options)


def _run(options: argparse.Namespace) -> int:
    """What `run` does, once this process has joined the others."""
    check_optimizer(options)
    resuming = bool(options.resume) and Checkpoints.exist(options.checkpoint)
    check_alike({f"the states in {options.checkpoint}": int(resuming)})
    log = Log(options, resuming=resuming)
    job = prepared(options, resuming=resuming)
    if job.model is None:
        vectors = _factorized(options, job)
        log.tell(vectors)
        _write(options, job.settings, vectors)
        return 0
    return _train(options, job, log, resuming=resuming)


def _factorized(options: argparse.Namespace, job: Job) -> WordVectors:
    """The vectors of PPMI-SVD, which is not trained."""
    assert isinstance(job.data, Cooccurrence)
    start = time.perf_counter()
    vectors = ppmi.vectors(job.data, **given(options), which=options.vectors or "input")
    cells, explained = (vectors.metadata[name] for name in ("positive_cells", "explained"))
    say(
        f"{cells:,} cells of positive PMI; {options.vector_size} dimensions explain "
        f"{100 * explained:.1f} %, {time.perf_counter() - start:.1f} s"
    )
    return vectors


def _train(options: argparse.Namespace, job: Job, log: Log, *, resuming: bool) -> int:
    """Trains, with checkpoints if `--checkpoint` names a folder, and writes the outputs."""
    checkpoints, finished = None, False
    if options.checkpoint:
        minutes, steps = options.checkpoint_every or (10.0, None)
        checkpoints = Checkpoints(options.checkpoint, job.settings, minutes=minutes, steps=steps)
        done = checkpoints.progress().epoch
        if options.resume and not resuming:
            say(f"nothing to resume in {options.checkpoint}: starting afresh")
        elif resuming:
            finished = done == options.epochs
            if not finished:
                check_outputs(options, resuming=True)
            say(f"resuming after {done} of {options.epochs} epochs")
    model = _begun(job, checkpoints)
    if told := slow_scatters():
        say(told)
    interrupt = Interrupt()
    try:
        with interrupt.listening():
            result = fit(
                job.data,
                model,
                **job.arguments,
                callbacks=[log],
                step_callbacks=[log.steps] if options.report_every else [],
                checkpoints=checkpoints,
                should_stop=interrupt,
            )
    except Stopped:
        by = interrupt.signal or signal.SIGTERM  # of another process
        saved = checkpoints and checkpoints.exist(options.checkpoint)
        where = f"; --resume goes on from {options.checkpoint}" if saved else ""
        say(f"jaxvec train: interrupted by {by.name}{where}")
        return 128 + by
    finally:
        if checkpoints is not None:
            checkpoints.close()
    _save(options, job, result, finished=finished)
    return 0


def _begun(job: Job, checkpoints: Checkpoints | None) -> Model:
    """The model as it is trained on this device, told on standard error if that adds to what was
    asked for: another device may take other steps."""
    device, workers = here(), job.arguments["workers"]
    model, workers = begun(job.model, workers, device, job.data, checkpoints)
    if model != job.model:
        found = followed(model, job.arguments["workers"]).items()
        told = ", ".join(f"{name} {'as on a CPU' if n is None else n}" for name, n in found)
        say(f"on {device}: {told}")
    return model


def _save(options: argparse.Namespace, job: Job, result: Result, *, finished: bool) -> None:
    """Writes the outputs, in the first process; nothing if the run was `finished` and they are
    there. Tables in shards of several processes are fetched in all of them."""
    give_back()  # compilation's, before vectors are copied
    others = stanford.files(options, (*stanford.OUTPUTS, "save_run"))
    if not is_first():
        if options.shard:
            result.sent(options.vectors, whole=bool(others))
        return
    beside = Path(options.output).resolve().parent if options.shard else None
    vectors = result.vectors(options.vectors, folder=beside)
    if others:
        result = result.whole()
    warn_if_collapsed(vectors)
    if options.unk_vector:
        vectors = with_unk(vectors)
    if finished and _holds(options.output, vectors) and all(Path(f).exists() for f in others):
        say(f"the run is finished, and its vectors are in {options.output}")
        return
    if finished:
        check_outputs(options, resuming=True)
    taken = []
    for write in (
        lambda: _write(options, job.settings, vectors),
        lambda: stanford.save(options, result),
        lambda: warm_start.save(options, result),
    ):
        try:
            write()
        except FileExistsError as error:  # the content is in another file, which the error names
            taken.append(str(error))
    if taken:
        raise FileExistsError("; ".join(taken))


def warn_if_collapsed(vectors: WordVectors) -> None:
    """Warns if the mean cosine of the `n` = 2,000 most frequent words is above 0.9.

    Of unit vectors x it is (|Σ x|² - n) / (n (n - 1)), over all pairs.
    """
    table = vectors.vectors[:2000].astype(np.float64)
    units = table / np.maximum(np.linalg.norm(table, axis=1, keepdims=True), 1e-30)
    n = len(units)
    cosine = (np.square(units.sum(0)).sum() - n) / (n * (n - 1))
    if cosine > 0.9:
        warnings.warn(
            f"the vectors have collapsed, with a mean cosine of {cosine:.2f} between words: for "
            "these settings the text is too small; give more text or --epochs",
            stacklevel=2,
        )


def _holds(path: str, vectors: WordVectors) -> bool:
    """Whether a file holds exactly these vectors. A `.fasttext.bin` has them as rows that they are
    made of, up to rounding, and exact rows of n-grams."""
    try:
        found = WordVectors.load(path)
    except (ValueError, FileNotFoundError):
        return False
    if found.index_to_key != vectors.index_to_key:
        return False
    rows, expected = found.subwords, vectors.subwords
    if rows is None or expected is None:
        return np.array_equal(found.vectors, vectors.vectors)
    return np.array_equal(rows.table, expected.table) and np.allclose(
        found.vectors, vectors.vectors, rtol=1e-5, atol=1e-5
    )


def _write(options: argparse.Namespace, settings: dict[str, Any], vectors: WordVectors) -> None:
    vectors.metadata |= {"corpus": options.corpus, "run": settings}
    formats.save(vectors, options.output, header=options.header)
    say(f"{len(vectors):,} vectors of {vectors.vector_size} numbers are in {options.output}")
    if not options.corpus:
        for word in _SHOWN:
            if word in vectors:
                print(neighbors_line(vectors, word))
