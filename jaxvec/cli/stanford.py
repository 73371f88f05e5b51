"""Flags of `jaxvec train` for the files of Stanford's GloVe."""

import argparse
from pathlib import Path

from jaxvec.cli.common import Flags, path, say
from jaxvec.cli.data import IDENTITY
from jaxvec.interop import stanford
from jaxvec.optim.named import OPTIMIZERS
from jaxvec.text.vocab import Vocab
from jaxvec.train.contracts import State
from jaxvec.train.result import Result

OUTPUTS = ("save_parameters", "save_gradsq")
_INPUTS = ("load_parameters", "load_gradsq")


def add_options(parser: argparse.ArgumentParser) -> None:
    """Adds them to a parser."""
    add = Flags(parser, "Stanford GloVe's files, for --model glove")
    add("--header", "start .glove.txt with the number of vectors and their size")
    add("--unk-vector", "add <unk>, the mean of the 100 rarest words' vectors")
    add("--save-parameters FILE", "write tables and biases, as its -binary 1 does", path)
    add("--save-gradsq FILE", "write AdaGrad's sums, as its -save-gradsq 1 does", path)
    add("--load-parameters FILE", "start from these parameters", path, tags=[IDENTITY])
    add("--load-gradsq FILE", "start from these sums, not from .txt", path, tags=[IDENTITY])


def check(options: argparse.Namespace) -> None:
    """Checks that they go with the other options.

    Raises:
      ValueError: for the first that does not.
    """
    for name in ("header", "unk_vector", *OUTPUTS, *_INPUTS):
        flag = f"--{name.replace('_', '-')}"
        if getattr(options, name) and options.model != "glove":
            raise ValueError(f"{flag} is for --model glove, not {options.model}")
        if getattr(options, name) and "gradsq" in name and "glove" not in options.optimizer:
            raise ValueError(
                f"{flag} is for --optimizer glove_row_adagrad or glove_adagrad, not "
                f"{options.optimizer}"
            )
    if options.load_parameters and options.init and not options.mittens:
        raise ValueError("--init and --load-parameters both say where to start from: give one")
    if options.header and not options.output.lower().endswith(".glove.txt"):
        raise ValueError(f"--header is for an output .glove.txt, not {options.output}")


def check_words(options: argparse.Namespace, vocab: Vocab) -> None:
    """Checks that `--unk-vector` can add <unk>.

    Args:
      options: of the command.
      vocab: the words.

    Raises:
      ValueError: if <unk> is a word already.
    """
    if options.unk_vector and stanford.UNK in vocab:
        raise ValueError(f"--unk-vector: the vocabulary has a word {stanford.UNK} already")


def files(options: argparse.Namespace, names: tuple[str, ...] = _INPUTS) -> list[str]:
    """The files that the options name.

    Args:
      options: of the command.
      names: of the options; by default the files to start from.
    """
    return [getattr(options, name) for name in names if getattr(options, name)]


def start(options: argparse.Namespace, vocab: Vocab) -> State | None:
    """The state to start from, None for a part without a file; None if there is no file.

    Args:
      options: of the command.
      vocab: the words of the rows.

    Raises:
      ValueError, FileNotFoundError: if a file does not fit.
    """
    if not (options.load_parameters or options.load_gradsq):
        return None
    sizes = len(vocab), options.vector_size
    return State(
        stanford.load_parameters(options.load_parameters, *sizes)
        if options.load_parameters
        else None,
        stanford.load_gradsq(
            options.load_gradsq,
            *sizes,
            learning_rate=_rate(options),
            per_row=options.optimizer == "glove_row_adagrad",
        )
        if options.load_gradsq
        else None,
    )


def save(options: argparse.Namespace, result: Result) -> None:
    """Writes the files that the options name.

    Args:
      options: of the command.
      result: of the run.
    """
    if options.save_parameters:
        stanford.save_parameters(result.params, options.save_parameters)
        say(f"the parameters are in {options.save_parameters}")
    if options.save_gradsq:
        stanford.save_gradsq(
            result.opt_state,
            options.save_gradsq,
            options.vector_size,
            learning_rate=_rate(options),
            vocab=result.data.vocab if Path(options.save_gradsq).suffix == ".txt" else None,
        )
        say(f"the sums of squares are in {options.save_gradsq}")


def _rate(options: argparse.Namespace) -> float:
    return options.learning_rate or OPTIMIZERS[options.optimizer]
