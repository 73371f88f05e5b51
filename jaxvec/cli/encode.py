"""`jaxvec encode`: vectors of texts, a line each."""

import argparse

from jaxvec.cli.common import Flags, check_input, check_output, load_mapped, path, say, whole
from jaxvec.storage.arrays import save_arrays
from jaxvec.text.read import text_lines
from jaxvec.text.tokenize import get_tokenizer


def add_encode_options(parser: argparse.ArgumentParser) -> None:
    """Adds the flags of `encode` to a parser."""
    parser.description = (
        "Writes a vector for each line of a text, the mean of its words' vectors, as the array "
        "'vectors' of a NumPy file. Unknown words are left out, unless FILE has n-grams that make "
        "vectors of them; a line without a known word has the vector 0."
    )
    parser.epilog = (
        "examples:\n  jaxvec encode vectors.npz --lines texts.txt -o texts.npz\n"
        "  jaxvec encode wiki.npz --lines texts.txt -o texts.npz --weighting sif "
        "--remove-components 1"
    )
    add = Flags(parser)
    add("file FILE", "word vectors in any format", path)
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
    vectors = load_mapped(options.file)
    from jaxvec.vectors import texts  # here, as it brings JAX

    found = texts.encode(
        vectors,
        (line for _, line in text_lines(options.lines, "file of texts")),
        weighting=options.weighting,
        remove_components=options.remove_components,
        tokenizer=options.tokenizer,
        ngrams=not options.no_ngrams,
    )
    if not len(found):
        raise ValueError(f"{options.lines} has no line")
    save_arrays(options.output, vectors=found)
    say(f"{len(found):,} vectors of {vectors.vector_size} numbers are in {options.output}")
