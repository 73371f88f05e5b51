"""`jaxvec train`: from text to a file of word vectors."""

import argparse
import re
import time
from pathlib import Path
from typing import Any

import numpy as np

from jaxvec import recipes
from jaxvec.cli import onward, stanford
from jaxvec.cli.common import (
    check_folder,
    check_input,
    check_output,
    neighbors_line,
    number,
    path,
    say,
    whole,
)
from jaxvec.cli.data import COUNTED, add_text_options, count, fingerprint, input_files, read_data
from jaxvec.cli.log import Log
from jaxvec.cli.models import add_model_options, given, make_model, set_defaults
from jaxvec.cli.stopping import Stopping
from jaxvec.cooccurrence import Cooccurrence
from jaxvec.interop.stanford import with_unk
from jaxvec.optim.named import resolve_optimizer
from jaxvec.text.corpus import Corpus
from jaxvec.train import ppmi
from jaxvec.train.checkpoint import Checkpoints, crc
from jaxvec.train.fit import Stopped, fit
from jaxvec.train.start import matched
from jaxvec.train.workers import default_workers, use_cores
from jaxvec.vectors import formats
from jaxvec.vectors.word_vectors import WordVectors

_SHOWN = ["array", "gradient", "matrix", "string", "file", "class"]
_NOT_OF_THE_RUN = ("run", "command", "corpus", "output", "force", "log", "probe", "resume",
                   "analogies", "pairs", "restrict_vocab", "save_run", "recipe_text",
                   "report_every",
                   "checkpoint", "checkpoint_every", *stanford.NOT_OF_THE_RUN)  # fmt: skip

_DESCRIPTION = """\
Trains word vectors on text: files, folders, or - for standard input; plain or compressed
(gzip, bzip2, xz); a line is a document. So will a corpus saved by jaxvec.Corpus.save, what
'jaxvec cooccur' or, as .bin with its --vocab, Stanford's cooccur wrote (for --model glove
or ppmi-svd), and text8, wikitext-2, wikitext-103 or ptb, which are fetched.

Without CORPUS, trains on the documentation that is on this disk already: the docstrings
of jax, numpy, scipy, optax, flax, orbax and of Python's own library. Then the defaults
are --tokenizer text8 --min-count 10 --epochs 10 --optimizer row_adagrad --learning-rate
0.05 --sample 1e-4, and neighbors of a few words are shown."""

_EXAMPLES = """\
examples:
  jaxvec train
  jaxvec train text.txt -o vectors.bin --vector-size 200
  jaxvec train text.txt --recipe fasttext-sgns --vector-size 200
  jaxvec train news/ --tokenizer basic_english --valid 0.05 --probe king paris --log run.jsonl
  zcat dump.gz | jaxvec train - --min-count 20 -o vectors.txt"""


def add_train_options(parser: argparse.ArgumentParser) -> None:
    """Makes a parser that of `train`."""
    parser.description = _DESCRIPTION
    rows = (f"  {name:18} {recipe.about}" for name, recipe in recipes.RECIPES.items())
    parser.epilog = "\n".join(["recipes:", *rows, "", _EXAMPLES])
    add = parser.add_argument
    add(
        "corpus",
        nargs="*",
        type=path,
        metavar="CORPUS",
        help="text files, folders, - or a saved corpus",
    )
    add("-o", "--output", type=path, default="vectors.npz", metavar="FILE",
        help="where the vectors go; .txt or .vec (word2vec text), .bin (word2vec binary), "
        ".glove.txt (GloVe text), .npz or .safetensors (default: %(default)s)")  # fmt: skip
    add("--force", action="store_true", help="overwrite the outputs, and the log")

    add_text_options(parser)
    add_model_options(parser)

    training = parser.add_argument_group("training")
    add = training.add_argument
    add("--epochs", type=whole(1), metavar="N", help="default: 5; 15 for glove")
    add("--optimizer", metavar="NAME",
        help="sgd (default of sgns and cbow), adam (of softmax), adagrad or row_adagrad; for "
        "glove also glove_row_adagrad (its default) and glove_adagrad")  # fmt: skip
    add("--learning-rate", type=number(0, beyond=True), metavar="R",
        help="at the start (default: 0.03, for cbow 0.1 and its sum 0.0125; 0.2 for adagrad, "
        "0.4 for row_adagrad, 0.01 for adam; 0.05 for glove_adagrad and "
        "glove_row_adagrad)")  # fmt: skip
    add("--min-learning-rate", type=number(0), metavar="R",
        help="at the end (default: a 10,000th of the start)")  # fmt: skip
    add("--grad-clip", type=number(0, beyond=True), metavar="C",
        help="bound of each number in a gradient (default: none; 100 with glove's optimizers)"
        )  # fmt: skip
    add("--max-norm", type=number(0, beyond=True), metavar="R",
        help="bound of the length of a vector (default: none)")  # fmt: skip
    add(
        "--init",
        type=path,
        metavar="FILE",
        help="word vectors to start from, by name; words without begin at random",
    )
    add("--workers", type=whole(1), metavar="N",
        help="cores or devices that train, each on a part of its own (default: one for every "
        "8 million words or 4 million cells, if there are so many); other numbers, other "
        "vectors")  # fmt: skip
    add("--seed", type=whole(0), default=1, metavar="N", help="default: %(default)s")
    add("--valid", type=number(0, 1), metavar="F",
        help="hold out this fraction and report its loss: the end of the text, or for glove "
        "cells at random")  # fmt: skip
    add("--probe", nargs="+", default=[], metavar="WORD",
        help="show the neighbors of these words after each epoch")  # fmt: skip
    add("--analogies", type=path, metavar="F",
        help="score on analogies after each epoch, as 'jaxvec evaluate' does")  # fmt: skip
    add("--pairs", nargs="+", type=path, default=[], metavar="F",
        help="score on word pairs after each epoch")  # fmt: skip
    add("--restrict-vocab", type=whole(1), metavar="N",
        help="know only the N most frequent words in analogies")  # fmt: skip
    add("--report-every", type=whole(1), metavar="N",
        help="show the loss and speed of every N steps, too")  # fmt: skip
    add("--log", type=path, metavar="FILE", help="write a JSON line for each epoch")

    add = parser.add_argument_group("checkpoints").add_argument
    add("--checkpoint", type=path, metavar="DIR",
        help="save the state of the run there as it goes")  # fmt: skip
    add("--checkpoint-every", type=_interval, metavar="N",
        help="so many minutes (10m) or seconds (30s), or steps (5000), at the end of the "
        "segment of a million words or cells under way (default: 10m)")  # fmt: skip
    add("--resume", action="store_true",
        help="go on from the last state in DIR, to the same bits; afresh if there "
        "is none")  # fmt: skip
    onward.add_options(parser)
    stanford.add_options(parser)
    parser.set_defaults(run=run)


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
    use_cores(options.workers)
    import jax

    set_defaults(options)
    if options.model == "ppmi-svd":
        return _factorize(options)
    model = make_model(options)
    resolve_optimizer(
        options.optimizer, False, options.learning_rate, options.min_learning_rate,
        options.grad_clip,
    )  # fmt: skip
    formats.writer(options.output)
    stanford.check(options)
    if options.mittens and not options.init:
        raise ValueError("--mittens needs --init FILE, the vectors that words are drawn to")
    if options.resume and not options.checkpoint:
        raise ValueError("--resume needs --checkpoint DIR to resume from")
    if options.checkpoint_every and not options.checkpoint:
        raise ValueError("--checkpoint-every needs --checkpoint DIR to save to")
    resuming = options.resume and Checkpoints.exist(options.checkpoint)
    if not resuming:
        _check_outputs(options)
    if options.checkpoint:
        _check_checkpoint(options.checkpoint)
    if options.checkpoint and not options.resume and Checkpoints.exist(options.checkpoint):
        raise ValueError(
            f"{options.checkpoint} holds the states of a run: --resume goes on with it, "
            "or give another folder"
        )
    _check_inputs(options)
    log = Log(options, resuming=resuming)
    run = onward.begin(options)
    data = read_data(options, None if run is None else run.data.vocab)
    _check_words(options, data)
    stanford.check_words(options, data.vocab)
    init = None if options.init is None else WordVectors.load(options.init)
    if init is not None:
        known = matched(init, data.vocab, options.vector_size)[1]
        what = "are drawn to" if options.load_parameters else "start from"
        say(f"{known.sum():,} of {len(known):,} words {what} {options.init}")
    start = None if resuming else run or stanford.start(options, data.vocab)
    freeze = onward.frozen(options, data.vocab, run, init)
    settings, data = _prepared(options, data)
    options.workers = options.workers or default_workers(data, model, freeze=freeze)
    settings["workers"] = options.workers
    if init is not None:
        settings["init"] = f"{options.init}, crc {crc(init.vectors):08x}"
    if run is not None:
        settings["start"] = f"{options.start}, crc {crc(run.params.input):08x}"
    checkpoints, finished = None, False
    if options.checkpoint:
        minutes, steps = options.checkpoint_every or (10.0, None)
        checkpoints = Checkpoints(options.checkpoint, settings, minutes=minutes, steps=steps)
        done = checkpoints.progress().epoch
        if options.resume and not resuming:
            say(f"nothing to resume in {options.checkpoint}: starting afresh")
        elif resuming:
            finished = done == options.epochs
            if not finished:
                _check_outputs(options, resuming=True)
            say(f"resuming after {done} of {options.epochs} epochs")
    stopping = Stopping()
    try:
        with stopping.listening():
            result = fit(
                data,
                model,
                key=jax.random.key(options.seed),
                epochs=options.epochs,
                optimizer=options.optimizer,
                workers=options.workers,
                learning_rate=options.learning_rate,
                min_learning_rate=options.min_learning_rate,
                valid=options.valid,
                init=init,
                start=start,
                freeze=freeze,
                grad_clip=options.grad_clip,
                max_norm=options.max_norm,
                callbacks=[log],
                report_every=options.report_every or 1,
                step_callbacks=[log.steps] if options.report_every else [],
                checkpoints=checkpoints,
                should_stop=stopping,
            )
    except Stopped:
        assert stopping.signal is not None
        where = f"; --resume goes on from {options.checkpoint}" if checkpoints else ""
        say(f"jaxvec train: interrupted by {stopping.signal.name}{where}")
        return 128 + stopping.signal
    finally:
        if checkpoints is not None:
            checkpoints.close()
    vectors = result.vectors(options.vectors)
    warn_if_parallel(vectors)
    if options.unk_vector:
        vectors = with_unk(vectors)
    others = stanford.files(options, (*stanford.OUTPUTS, "save_run"))
    if finished and _holds(options.output, vectors) and all(Path(f).exists() for f in others):
        say(f"the run is finished, and its vectors are in {options.output}")
        return 0
    if finished:
        _check_outputs(options, resuming=True)
    _write(options, settings, vectors)
    stanford.save(options, result)
    onward.save(options, result)
    return 0


def _factorize(options: argparse.Namespace) -> int:
    """Computes the vectors of a model that is not trained, and writes them."""
    formats.writer(options.output)
    stanford.check(options)
    _check_outputs(options)
    log = Log(options, resuming=False)
    data = read_data(options)
    _check_words(options, data)
    settings, counts = _prepared(options, data)
    assert isinstance(counts, Cooccurrence)
    start = time.perf_counter()
    vectors = ppmi.vectors(counts, **given(options), which=options.vectors or "input")
    cells, explained = (vectors.metadata[name] for name in ("positive_cells", "explained"))
    say(
        f"{cells:,} cells of positive PMI; {options.vector_size} dimensions explain "
        f"{100 * explained:.1f} %, {time.perf_counter() - start:.1f} s"
    )
    log.tell(vectors)
    _write(options, settings, vectors)
    return 0


def _prepared(
    options: argparse.Namespace, data: Corpus | Cooccurrence
) -> tuple[dict[str, Any], Corpus | Cooccurrence]:
    """What the vectors depend on, and the data that the model takes: text counted if need be."""
    if isinstance(data, Corpus):
        window = 10 if options.model in COUNTED else 5
        options.window = options.window or getattr(options, "recipe_text", {}).get("window", window)
    settings = {k: v for k, v in vars(options).items() if k not in _NOT_OF_THE_RUN}
    settings["data"] = fingerprint(data)
    if isinstance(data, Corpus) and options.model in COUNTED:
        data = count(data, options.window)
    return settings, data


def _check_inputs(options: argparse.Namespace) -> None:
    """Makes sure that the files are there that are read after the text, which takes long."""
    check_input(options.init, "vectors file")
    check_input(options.freeze, "file of words")
    for name in stanford.files(options):
        check_input(name)


def _check_words(options: argparse.Namespace, data: Corpus | Cooccurrence) -> None:
    """Makes sure that the output can hold the words, and that those to be shown are known."""
    formats.check_words(data.vocab.words, options.output, header=options.header)
    for word in options.probe:
        data.vocab[word]  # raises a KeyError that names close matches


def _check_outputs(options: argparse.Namespace, *, resuming: bool = False) -> None:
    """Refuses what would lose a file, before the work is done."""
    force = options.force
    if not options.corpus and not force and Path(options.output).is_file():
        force = _is_of_documentation(options.output)
    taken = input_files(options) + stanford.files(options)
    taken += [file for file in (options.init, options.start, options.freeze) if file]
    for file in (options.output, *stanford.files(options, (*stanford.OUTPUTS, "save_run"))):
        check_output(file, force=force, inputs=taken)
        force = options.force
        taken.append(file)
    if options.log:
        check_output(options.log, force=force or resuming, inputs=taken)


def _check_checkpoint(folder: str) -> None:
    if Path(folder).exists() and not Path(folder).is_dir():
        raise ValueError(f"--checkpoint {folder} is no folder")
    target = Path(folder).resolve()
    check_folder(target if target.exists() else target.parent, folder)


def warn_if_parallel(vectors: WordVectors) -> None:
    """Says so if the 2,000 most frequent words have a mean cosine above 0.9: they have collapsed.

    Of n unit vectors x it is (|Σ x|² - n) / (n (n - 1)), over all pairs.
    """
    table = vectors.vectors[:2000].astype(np.float64)
    units = table / np.maximum(np.linalg.norm(table, axis=1, keepdims=True), 1e-30)
    n = len(units)
    cosine = (np.square(units.sum(0)).sum() - n) / (n * (n - 1))
    if cosine > 0.9:
        say(
            "jaxvec train: warning: the vectors have collapsed, with a mean cosine of "
            f"{cosine:.2f} between words: for these settings the text is too small; give more "
            "text or --epochs"
        )


def _holds(path: str, vectors: WordVectors) -> bool:
    """Whether a file has just these vectors."""
    try:
        found = WordVectors.load(path)
    except (ValueError, FileNotFoundError):
        return False
    return found.index_to_key == vectors.index_to_key and np.array_equal(
        found.vectors, vectors.vectors
    )


def _is_of_documentation(path: str) -> bool:
    """Whether a file is what an earlier run without CORPUS wrote."""
    try:
        metadata = WordVectors.load(path).metadata
    except ValueError:
        return False
    return metadata.get("corpus") == []


def _write(options: argparse.Namespace, settings: dict[str, Any], vectors: WordVectors) -> None:
    vectors.metadata |= {"corpus": options.corpus, "run": settings}
    formats.save(vectors, options.output, header=options.header)
    say(f"{len(vectors):,} vectors of {vectors.vector_size} numbers are in {options.output}")
    if not options.corpus:
        for word in _SHOWN:
            if word in vectors:
                print(neighbors_line(vectors, word))
