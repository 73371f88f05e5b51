"""`jaxvec cooccur`: from text to counts of co-occurrences."""

import argparse
from pathlib import Path

from jaxvec.cli.common import Flags, check_output, path, say, whole
from jaxvec.cli.data import add_text_options, count, input_files
from jaxvec.cli.engine import add_engine_options, count_on_engine, text_or_corpus, uses_engine
from jaxvec.cooccurrence import Cooccurrence
from jaxvec.cooccurrence.settings import LEAST_MEMORY
from jaxvec.storage.pool import keep, resident_memory
from jaxvec.storage.work import work_folder


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
        "  jaxvec cooccur dump/ -o dump.cells --memory 4GB\n"
        "  jaxvec cooccur dump/ -o dump.cells --engine dask --scheduler tcp://head:8786"
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
    add_text_options(
        parser,
        "use about this much memory, 1GB or 512MiB, for text and its counts; the rest waits in "
        "temporary files beside the output (default: text takes half of what is free, counts what "
        "they need). With --engine processes or dask it is of each process (default: 256MiB)",
    )
    add = Flags(parser, "counting")
    add("--window W", "farthest word counted (default: 10)", whole(1))
    add("--no-symmetric", "count one way only: the left word's row, the right word's column")
    add("--no-distance-weighting", "add 1 for each pair, not 1/distance")
    add("--on-device", "sort on an accelerator, if JAX has one")
    add_engine_options(add)
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
    counted = count_on_engine if uses_engine(options) else _count_on_threads
    if options.output.endswith(".bin"):
        from jaxvec.interop import stanford  # here, as it brings JAX

        with work_folder(options.output, resumed=uses_engine(options)) as beside:
            cells = counted(options, beside / "cells")
            stanford.save_records(cells, options.output)
        if not options.save_vocab and not options.vocab:
            say("these counts are read with their vocabulary, which --save-vocab FILE writes")
    else:
        cells = counted(options, options.output)
    if options.save_vocab:
        cells.vocab.save(options.save_vocab)
    say(f"the counts are in {options.output}")


def _count_on_threads(options: argparse.Namespace, path: str | Path) -> Cooccurrence:
    """Counts the corpus of the options in this process, and writes the counts.

    Args:
      options: of `cooccur`.
      path: the file to write.
    """
    keep()
    before = resident_memory()
    memory = options.memory
    if memory is not None and memory < LEAST_MEMORY:
        raise ValueError(f"--memory must be at least {LEAST_MEMORY} bytes; got {memory}")
    corpus = text_or_corpus(options, None if memory is None else memory // 2)
    if memory is not None:
        held = max(0, resident_memory() - before)
        if memory - held < LEAST_MEMORY:
            say(
                f"the words and what was read take {held:,} bytes, so that counting takes "
                f"{LEAST_MEMORY + held:,}, more than --memory; --max-vocab-size N bounds them"
            )
        memory = max(memory - held, LEAST_MEMORY)
    return count(
        corpus,
        options.window or 10,
        tell=print,
        path=path,
        symmetric=not options.no_symmetric,
        distance_weighting=not options.no_distance_weighting,
        memory=memory,
        on_device=options.on_device,
    )
