"""Flags of `jaxvec train` to continue a finished run with more text, and to freeze words."""

import argparse
from collections.abc import Collection

from jaxvec.cli.common import Flags, path, say
from jaxvec.cli.data import IDENTITY
from jaxvec.cli.models import TRAINED
from jaxvec.text.read import text_lines
from jaxvec.text.vocab import Vocab
from jaxvec.train.result import Result
from jaxvec.train.store import load_run, save_run
from jaxvec.vectors.word_vectors import WordVectors


def add_options(parser: argparse.ArgumentParser) -> None:
    """Adds them to a parser."""
    add = Flags(parser, "continuing with more text", tags=[IDENTITY, TRAINED])
    add(
        "--save-run FILE",
        "write all tables and the optimizer's state; as .fasttext.bin, a fastText model of the "
        "tables",
        path,
        tags=[TRAINED],
    )
    add(
        "--start FILE",
        "continue what --save-run wrote, or a fastText model; new words join its vocabulary",
        path,
    )
    add("--freeze FILE", "words, one a line, that keep their initial vectors", path)
    add("--freeze-known", "freeze all words of --start or --init")


def begin(options: argparse.Namespace) -> Result | None:
    """The run to continue; None without `--start`.

    Raises:
      ValueError, FileNotFoundError: if it cannot be read, or the options do not go with it.
    """
    if options.freeze_known and not (options.start or options.init):
        raise ValueError("--freeze-known needs --start or --init, whose words are frozen")
    if not options.start:
        return None
    for flag in ("load_parameters", "load_gradsq"):
        if getattr(options, flag):
            raise ValueError(f"--start and --{flag.replace('_', '-')} both say where to start from")
    run = load_run(options.start)
    size = run.params[0].shape[1]
    if size != options.vector_size:
        raise ValueError(
            f"{options.start} has vectors of {size} numbers: give --vector-size {size}"
        )
    return run


def frozen(
    options: argparse.Namespace, vocab: Vocab, run: Result | None, init: WordVectors | None
) -> Collection[str]:
    """The words to freeze.

    Args:
      options: of the command.
      vocab: all words.
      run: the run to continue.
      init: the vectors to start from.

    Raises:
      KeyError: for a word that the vocabulary lacks.
    """
    words: set[str] = set()
    if options.freeze:
        words |= {line for _, line in text_lines(options.freeze, "word list") if line}
        for word in words:
            vocab[word]
    if options.freeze_known:
        for known in (run.data.vocab.words if run else (), init.index_to_key if init else ()):
            words |= {word for word in known if word in vocab}
    if words:
        say(f"{len(words):,} of {len(vocab):,} words are frozen")
    return words


def save(options: argparse.Namespace, result: Result) -> None:
    """Writes the run, if the options ask for it.

    Args:
      options: of the command.
      result: of the run.
    """
    if options.save_run:
        save_run(result, options.save_run)
        say(f"the run is in {options.save_run}")
