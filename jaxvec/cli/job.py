"""What `jaxvec train` is to do: checked before any text is read, then read into a `Job`."""

import argparse
import dataclasses
from pathlib import Path
from typing import Any

import jax
import numpy as np

from jaxvec.cli import stanford, warm_start
from jaxvec.cli.common import check_folder, check_input, check_output, say
from jaxvec.cli.data import count, fingerprint, input_files, read_data
from jaxvec.cli.models import check_documents, flags_of, make_model
from jaxvec.cooccurrence import Cooccurrence
from jaxvec.optim.named import resolve_optimizer
from jaxvec.storage.arrays import crc
from jaxvec.text.corpus import Corpus
from jaxvec.train.checkpoint import Checkpoints
from jaxvec.train.contracts import Model
from jaxvec.train.documents import ParagraphVectors
from jaxvec.train.placement import resolved
from jaxvec.train.registry import MODELS
from jaxvec.train.workers import default_workers, shared_out
from jaxvec.vectors import formats
from jaxvec.vectors.rows import matched
from jaxvec.vectors.word_vectors import WordVectors


@dataclasses.dataclass(frozen=True)
class Job:
    """The inputs of a run."""

    data: Corpus | Cooccurrence
    settings: dict[str, Any]
    """What the vectors depend on: checkpoints of other settings are not resumed."""
    model: Model | None = None
    """None for PPMI-SVD, which is not trained."""
    arguments: dict[str, Any] = dataclasses.field(default_factory=dict)
    """The other arguments of `fit`, except callbacks and checkpoints."""


def check(options: argparse.Namespace) -> None:
    """Checks all that can be known before the text is read, in `options` with their defaults. JAX
    does not start here; see `check_optimizer`.

    Raises:
      ValueError, FileNotFoundError: for the first option that is out of range, does not go with
        another, or names a file that is missing or would be overwritten.
    """
    if MODELS[options.model].trained:
        check_documents(options)
    elif options.vectors in ("joined", "documents"):
        raise ValueError(
            f"--vectors {options.vectors} is for models that are trained, not {options.model}"
        )
    formats.writer(options.output)
    stanford.check(options)
    if options.mittens and not options.init:
        raise ValueError("--mittens needs --init FILE, the vectors that words are pulled to")
    if options.resume and not options.checkpoint:
        raise ValueError("--resume needs --checkpoint DIR to resume from")
    if options.checkpoint_every and not options.checkpoint:
        raise ValueError("--checkpoint-every needs --checkpoint DIR to save to")
    saved = bool(options.checkpoint) and Checkpoints.exist(options.checkpoint)
    if not (options.resume and saved):
        check_outputs(options)
    if options.checkpoint:
        _check_checkpoint(options.checkpoint)
    if saved and not options.resume:
        raise ValueError(
            f"{options.checkpoint} holds the states of a run: --resume goes on with it, or give "
            "another folder"
        )
    check_input(options.init, "vectors file")
    check_input(options.freeze, "file of words")
    for name in stanford.files(options):
        check_input(name)


def check_optimizer(options: argparse.Namespace) -> None:
    """Checks the optimizer and its rates, and how tables are split, as `fit` does once the text is
    read. This starts JAX.

    Raises:
      ValueError: if there is no such optimizer, or an option does not go with it; or the tables
        cannot be split over the devices.
    """
    if MODELS[options.model].trained:
        resolve_optimizer(
            options.optimizer,
            False,
            options.learning_rate,
            options.min_learning_rate,
            options.grad_clip,
            options.write_back,
        )
    if options.shard:
        tables = shared_out(options.shard, options.workers or 1)
        where, _ = resolved(tables, options.workers or 1, make_model(options))
        where.check([jax.ShapeDtypeStruct((1, options.vector_size), np.float32)])


def check_outputs(options: argparse.Namespace, *, resuming: bool = False) -> None:
    """Checks that the outputs can be written and overwrite nothing.

    Args:
      options: with their defaults.
      resuming: whether the log may exist.

    Raises:
      ValueError: for the first output that cannot be written.
    """
    if options.process_id:  # the first writes
        return
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


def _is_of_documentation(path: str) -> bool:
    """Whether a file is the output of an earlier run without CORPUS."""
    try:
        metadata = formats.info(path).metadata
    except ValueError:
        return False
    return metadata.get("corpus") == []


def prepared(options: argparse.Namespace, *, resuming: bool) -> Job:
    """Reads the text or counts, and the words, vectors and runs to start from.

    Args:
      options: checked.
      resuming: whether a checkpoint is there, from which `fit` starts instead.

    Raises:
      ValueError, KeyError, OSError: for input that cannot be read or does not fit.
    """
    run = warm_start.begin(options)
    data = read_data(options, None if run is None else run.data.vocab, memory=options.memory)
    formats.check_words(data.vocab.words, options.output, header=options.header)
    for word in options.probe:
        data.vocab[word]  # raises a KeyError that names close matches
    stanford.check_words(options, data.vocab)
    init = None if options.init is None else WordVectors.load(options.init)
    if init is not None:
        known = matched(init, data.vocab, options.vector_size)[1]
        what = "are pulled to" if options.load_parameters else "start from"
        say(f"{known.sum():,} of {len(known):,} words {what} {options.init}")
    start = None if resuming else run or stanford.start(options, data.vocab)
    freeze = warm_start.frozen(options, data.vocab, run, init)
    settings, data = _settings(options, data)
    if not MODELS[options.model].trained:
        return Job(data, settings)
    if init is not None:
        settings["init"] = f"{options.init}, crc {crc(init.vectors):08x}"
    if run is not None:
        settings["start"] = f"{options.start}, crc {crc(run.params[0]):08x}"
    model = make_model(options)
    if isinstance(model, ParagraphVectors):
        model = model.of(data)
        say(
            f"{model.documents:,} documents, numbered from 0; a line without a word of the "
            "vocabulary is left out, and has no number"
        )
    before = Checkpoints.settings_of(options.checkpoint) if resuming else {}
    begun_with = options.workers or before.get("workers")
    settings["workers"] = begun_with or (
        1 if options.shard else default_workers(data, model, freeze=freeze)
    )
    names = (
        "epochs", "optimizer", "learning_rate", "min_learning_rate", "valid", "grad_clip",
        "max_norm", "write_back",
    )  # fmt: skip
    arguments = {name: getattr(options, name) for name in names} | {
        "key": jax.random.key(options.seed),
        "workers": settings["workers"],
        "sharding": shared_out(options.shard, settings["workers"]) if options.shard else None,
        "init": init,
        "start": start,
        "freeze": freeze,
        "report_every": options.report_every or 1,
    }
    return Job(data, settings, model, arguments)


def _settings(
    options: argparse.Namespace, data: Corpus | Cooccurrence
) -> tuple[dict[str, Any], Corpus | Cooccurrence]:
    """What the vectors depend on, and the data that the model takes, counted if it takes counts."""
    counts = MODELS[options.model].counts
    declared = flags_of(options.model).get("window")  # documents have none
    if isinstance(data, Corpus) and options.window is None and declared is not None:
        options.window = declared.default
        if counts and options.recipe is not None:
            options.window = options.recipe_text.get("window", options.window)
    settings = {name: getattr(options, name) for name in options.identity}
    settings["data"] = fingerprint(data)
    if isinstance(data, Corpus) and counts:
        data = count(data, options.window)
    return settings, data
