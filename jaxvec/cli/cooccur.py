"""`jaxvec cooccur`: from text to counts of which words stand near each other."""

import argparse
import tempfile
from pathlib import Path

from jaxvec.cli.common import check_output, path, say, size, whole
from jaxvec.cli.data import add_text_options, count, input_files, read_data
from jaxvec.cooccurrence.counting import LEAST_MEMORY
from jaxvec.interop import stanford
from jaxvec.storage.pool import resident_memory
from jaxvec.text.corpus import Corpus


def add_cooccur_options(parser: argparse.ArgumentParser) -> None:
    """Makes a parser that of `cooccur`."""
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
    add = parser.add_argument
    add("corpus", nargs="+", type=path, metavar="CORPUS",
        help="text files, folders, -, a named or a saved corpus")  # fmt: skip
    add("-o", "--output", type=path, required=True, metavar="FILE",
        help="where the counts go; .bin for the records of Stanford's GloVe")  # fmt: skip
    add("--save-vocab", type=path, metavar="FILE",
        help="write the vocabulary, a word and its count a line")  # fmt: skip
    add("--force", action="store_true", help="overwrite the outputs")
    add_text_options(parser)
    add = parser.add_argument_group("counting").add_argument
    add("--window", type=whole(1), metavar="W",
        help="farthest word counted (default: 10)")  # fmt: skip
    add("--no-symmetric", action="store_true",
        help="count pairs one way only: the left word's row, the right word's column")  # fmt: skip
    add("--no-distance-weighting", action="store_true", help="add 1 for each pair, not 1/distance")
    add("--memory", type=size, metavar="SIZE",
        help="hold no more than about so much at a time, 1GB or 512MiB: what does not fit waits "
        "in temporary files beside the output; text is read into memory first, 8 bytes a word, a "
        "saved corpus is not")  # fmt: skip
    add("--on-device", action="store_true", help="sort on an accelerator, if JAX has one")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Counts and writes the counts."""
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
                f"--memory must be at least {LEAST_MEMORY + held} bytes, as the corpus takes "
                f"{held}; one saved by Corpus.save stays on disk"
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
            say("to read these counts takes their vocabulary too, which --save-vocab FILE writes")
    else:
        count(corpus, window, path=options.output, **counting)
    if options.save_vocab:
        corpus.vocab.save(options.save_vocab)
    say(f"the counts are in {options.output}")
