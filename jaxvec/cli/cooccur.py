"""`jaxvec cooccur`: from text to counts of co-occurrences."""

import argparse
import tempfile
from pathlib import Path

from jaxvec.cli.common import Flags, check_output, path, say, size, whole
from jaxvec.cli.data import add_text_options, count, input_files, read_data
from jaxvec.cooccurrence.counting import LEAST_MEMORY
from jaxvec.interop import stanford
from jaxvec.storage.pool import resident_memory
from jaxvec.text.corpus import Corpus


def add_cooccur_options(parser: argparse.ArgumentParser) -> None:
    """Adds the flags of `cooccur` to a parser."""
    parser.description = (
        "Counts how often words stand within a window of each other, weighted by "
        "1/distance. The result is a corpus for 'jaxvec train --model glove' or ppmi-svd."
    )
    parser.epilog = (
        "examples:\n  jaxvec cooccur text.txt -o text.cells --window 10\n"
        "  jaxvec train --model glove text.cells -o vectors.txt\n"
        "  jaxvec cooccur text.txt -o cells.bin --save-vocab vocab.txt\n"
        "  jaxvec train --model glove cells.bin --vocab vocab.txt -o vectors.txt\n"
        "  jaxvec cooccur dump/ -o dump.cells --memory 4GB"
    )
    add = Flags(parser)
    add("corpus CORPUS", "text files, folders, -, a named or a saved corpus", path, nargs="+")
    add(
        "-o --output FILE",
        "where the counts go; .bin for the records of Stanford's GloVe",
        path,
        required=True,
    )
    add("--save-vocab FILE", "write the vocabulary, a word and its count a line", path)
    add("--force", "overwrite the outputs")
    add_text_options(parser)
    add = Flags(parser, "counting")
    add("--window W", "farthest word counted (default: 10)", whole(1))
    add("--no-symmetric", "count one way only: the left word's row, the right word's column")
    add("--no-distance-weighting", "add 1 for each pair, not 1/distance")
    add(
        "--memory SIZE",
        "use about this much memory, 1GB or 512MiB; the rest waits in temporary files beside the "
        "output. Text takes 8 bytes a word of it, a saved corpus none",
        size,
    )
    add("--on-device", "sort on an accelerator, if JAX has one")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Counts and writes the counts.

    Raises:
      ValueError, OSError: for bad input, before anything is written.
    """
    inputs = input_files(options)
    check_output(options.output, force=options.force, inputs=inputs)
    if options.save_vocab:
        check_output(options.save_vocab, force=options.force, inputs=[*inputs, options.output])
    before = resident_memory()
    corpus = read_data(options)
    if not isinstance(corpus, Corpus):
        raise ValueError(f"{options.corpus[0]} holds counts already; give text or a saved corpus")
    memory = options.memory
    if memory is not None:
        held = resident_memory() - before
        memory -= held
        if memory < LEAST_MEMORY:
            raise ValueError(
                f"--memory must be at least {LEAST_MEMORY + held} bytes, {held} of them for the "
                "corpus; one saved by Corpus.save stays on disk"
            )
    counting = {
        "tell": print,
        "symmetric": not options.no_symmetric,
        "distance_weighting": not options.no_distance_weighting,
        "memory": memory,
        "on_device": options.on_device,
    }
    window = options.window or 10
    if options.output.endswith(".bin"):
        folder = Path(options.output).resolve().parent
        with tempfile.TemporaryDirectory(dir=folder) as beside:
            cells = count(corpus, window, path=Path(beside) / "cells", **counting)
            stanford.save_records(cells, options.output)
        if not options.save_vocab and not options.vocab:
            say("these counts are read with their vocabulary, which --save-vocab FILE writes")
    else:
        count(corpus, window, path=options.output, **counting)
    if options.save_vocab:
        corpus.vocab.save(options.save_vocab)
    say(f"the counts are in {options.output}")
