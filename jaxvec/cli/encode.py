"""`jaxvec encode`: vectors of texts, a line each."""

import argparse
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from jaxvec.cli.common import (
    Flags,
    check_input,
    check_output,
    load_mapped,
    number,
    path,
    say,
    whole,
)
from jaxvec.storage.arrays import load_arrays, save_arrays
from jaxvec.text.read import text_lines
from jaxvec.text.tokenize import get_tokenizer


def add_encode_options(parser: argparse.ArgumentParser) -> None:
    """Adds the flags of `encode` to a parser."""
    parser.description = (
        "Writes a vector for each line of a text, as the array 'vectors' of a NumPy file: the mean "
        "of its words' vectors; or, by a run that 'jaxvec train --save-run' wrote, of pv-dbow or "
        "sgns, the one that predicts its words best. Unknown words are left out, unless FILE has "
        "n-grams that make vectors of them; a line without a known word has the vector 0."
    )
    parser.epilog = (
        "examples:\n  jaxvec encode vectors.npz --lines texts.txt -o texts.npz\n"
        "  jaxvec encode wiki.npz --lines texts.txt -o texts.npz --weighting sif "
        "--remove-components 1\n"
        "  jaxvec encode documents.run --lines texts.txt -o texts.npz"
    )
    add = Flags(parser)
    add("file FILE", "word vectors in any format, or a saved run", path)
    add("--lines TEXTS", "a text a line, UTF-8, plain or compressed", path, required=True)
    add("-o --output OUT", "where they go, .npz", path, required=True)
    add(
        "--weighting",
        "of words: smooth inverse frequency, or inverse document frequency (default: all alike)",
        choices=["sif", "idf"],
    )
    add(
        "--remove-components K", "take out the first K directions of the texts", whole(0), default=0
    )
    add(
        "--penalty L",
        "of vectors by a run, half of L times their squared length (default: 3)",
        number(0, beyond=True),
    )
    add(
        "--tokenizer NAME",
        "whitespace (default), basic_english, text8 or alphanumeric",
        default="whitespace",
    )
    add("--no-ngrams", "leave out unknown words, though FILE has n-grams")
    add("--force", "overwrite the output")
    parser.set_defaults(run=encode)


def encode(options: argparse.Namespace) -> None:
    """Reads vectors and texts, and writes the vectors of the texts.

    Raises:
      ValueError, OSError: if a file cannot be read or written, or not with these options.
    """
    if not options.output.endswith(".npz"):
        raise ValueError(f"output {options.output} must end in .npz, a file of NumPy's")
    get_tokenizer(options.tokenizer)  # raises before anything is read
    check_input(options.lines, "file of texts")
    check_output(options.output, force=options.force, inputs=[options.file, options.lines])
    lines = (line for _, line in text_lines(options.lines, "file of texts"))
    found = (_inferred if _is_run(options.file) else _averaged)(options, lines)
    if not len(found):
        raise ValueError(f"{options.lines} has no line")
    save_arrays(options.output, vectors=found)
    say(f"{len(found):,} vectors of {found.shape[1]} numbers are in {options.output}")


def _is_run(path: str) -> bool:
    """Whether a file is one that ``--save-run`` wrote."""
    if not Path(path).is_file():  # a pipe is read only once
        return False
    try:
        return str(load_arrays(path, names={"kind"}).get("kind")) == "run"
    except ValueError:  # no archive
        return False


def _averaged(options: argparse.Namespace, lines: Iterable[str]) -> np.ndarray:
    if options.penalty is not None:
        raise ValueError(f"--penalty is for a run, and {options.file} holds word vectors")
    vectors = load_mapped(options.file)
    from jaxvec.vectors import texts  # here, as it brings JAX

    return texts.encode(
        vectors,
        lines,
        weighting=options.weighting,
        remove_components=options.remove_components,
        tokenizer=options.tokenizer,
        ngrams=not options.no_ngrams,
    )


def _inferred(options: argparse.Namespace, lines: Iterable[str]) -> np.ndarray:
    for flag, given in (("weighting", options.weighting),
                        ("remove-components", options.remove_components),
                        ("no-ngrams", options.no_ngrams)):  # fmt: skip
        if given:
            raise ValueError(f"--{flag} is for word vectors, and {options.file} is a run")
    from jaxvec.train.infer import infer  # here, as they bring JAX
    from jaxvec.train.store import load_run

    given = {} if options.penalty is None else {"penalty": options.penalty}
    return infer(load_run(options.file), lines, tokenizer=options.tokenizer, **given)
