"""Options of `jaxvec train` to go on from a finished run, and to hold words fast."""

import argparse
from collections.abc import Collection

from jaxvec.cli.common import path, say
from jaxvec.text.read import text_lines
from jaxvec.text.vocab import Vocab
from jaxvec.train.result import Result
from jaxvec.train.store import load_run, save_run
from jaxvec.vectors.word_vectors import WordVectors


def add_options(parser: argparse.ArgumentParser) -> None:
    """Adds them to a parser."""
    add = parser.add_argument_group("going on with more text").add_argument
    add("--save-run", type=path, metavar="FILE",
        help="write all of the run, both tables and the optimizer's state")  # fmt: skip
    add("--start", type=path, metavar="FILE",
        help="go on from what --save-run wrote: its words from where they were, in one vocabulary "
        "with those of the text")  # fmt: skip
    add("--freeze", type=path, metavar="FILE",
        help="words, one a line, that keep the vectors they begin with")  # fmt: skip
    add("--freeze-known", action="store_true",
        help="likewise all words that --start or --init has")  # fmt: skip


def begin(options: argparse.Namespace) -> Result | None:
    """The run to go on from, if there is one.

    Raises:
      ValueError, FileNotFoundError: if it cannot be read, or the options do not go with it.
    """
    if options.freeze_known and not (options.start or options.init):
        raise ValueError("--freeze-known needs --start or --init, which say what is known")
    if not options.start:
        return None
    for flag in ("load_parameters", "load_gradsq"):
        if getattr(options, flag):
            raise ValueError(f"--start and --{flag.replace('_', '-')} both say where to start from")
    run = load_run(options.start)
    size = run.params.input.shape[1]
    if size != options.vector_size:
        raise ValueError(
            f"{options.start} has vectors of {size} numbers: give --vector-size {size}"
        )
    return run


def frozen(
    options: argparse.Namespace, vocab: Vocab, run: Result | None, init: WordVectors | None
) -> Collection[str]:
    """The words to hold fast; KeyError for one that the vocabulary lacks."""
    words: set[str] = set()
    if options.freeze:
        words |= {line for _, line in text_lines(options.freeze, "word list") if line}
        for word in words:
            vocab[word]
    if options.freeze_known:
        for known in (run.data.vocab.words if run else (), init.index_to_key if init else ()):
            words |= {word for word in known if word in vocab}
    if words:
        say(f"{len(words):,} of {len(vocab):,} words are held fast")
    return words


def save(options: argparse.Namespace, result: Result) -> None:
    """Writes the run, if the options ask for it."""
    if options.save_run:
        save_run(result, options.save_run)
        say(f"the run is in {options.save_run}")
