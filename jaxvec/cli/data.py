"""What the commands read: text, saved corpora and counts."""

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from jaxvec import cooccurrence
from jaxvec.cli.common import path, say, text_paths, whole
from jaxvec.cooccurrence import Cooccurrence
from jaxvec.interop import stanford
from jaxvec.storage.arrays import ZIP_MAGIC, load_arrays
from jaxvec.text.corpus import Corpus
from jaxvec.text.docstrings import documentation
from jaxvec.text.vocab import Vocab
from jaxvec.train.checkpoint import crc

COUNTED = ("glove", "ppmi-svd")
"""Models that are made from counts of co-occurrences."""

_WITH_CORPUS = {"tokenizer": "whitespace", "min_count": 5}
_WITHOUT = {"tokenizer": "text8", "min_count": 10}


def add_text_options(parser) -> None:
    """Adds how text is read to a parser."""
    add = parser.add_argument_group("text").add_argument
    add(
        "--tokenizer",
        metavar="NAME",
        help="whitespace (default), basic_english, text8 or alphanumeric",
    )
    add("--errors", choices=["strict", "replace", "ignore"],
        help="what to do about bytes that are not UTF-8 (default: strict)")  # fmt: skip
    add("--min-count", type=whole(1), metavar="N",
        help="leave out words rarer than this (default: 5)")  # fmt: skip
    add("--max-vocab", type=whole(1), metavar="N", help="keep the N most frequent words only")
    add("--vocab", type=path, metavar="FILE",
        help="use this vocabulary, a word and its count a line")  # fmt: skip


def input_files(options: argparse.Namespace) -> list[str]:
    """All that a command reads, which it must not overwrite."""
    return [*options.corpus, *([options.vocab] if options.vocab else [])]


def read_data(options: argparse.Namespace, extend: Vocab | None = None) -> Corpus | Cooccurrence:
    """The corpus that the options name, or the counts.

    Args:
      options: the command's.
      extend: the vocabulary of an earlier run, to which that of text is added.

    Raises:
      ValueError, FileNotFoundError: if it cannot be read so.
    """
    if len(options.corpus) == 1 and (kind := _kind(options)):
        records = kind == "records"
        for name in ("tokenizer", "errors", "min_count", "max_vocab", "vocab"):
            if getattr(options, name) is not None and not (records and name == "vocab"):
                raise ValueError(
                    f"{options.corpus[0]} is saved and has its vocabulary: "
                    f"--{name.replace('_', '-')} does not go with it"
                )
        if kind != "corpus" and getattr(options, "window", None) is not None:
            raise ValueError(f"{options.corpus[0]} is counted: --window does not go with it")
        if records and not options.vocab:
            raise ValueError(
                f"{options.corpus[0]} holds counts without their words: give its vocabulary, "
                "--vocab FILE"
            )
        if records:
            return stanford.load_records(options.corpus[0], Vocab.load(options.vocab))
        load = Cooccurrence.load if kind == "cooccurrence" else Corpus.load
        return load(options.corpus[0])
    defaults: dict[str, Any] = {"max_size": None}
    defaults |= _WITH_CORPUS if options.corpus else _WITHOUT
    defaults |= getattr(options, "recipe_text", {})
    building = {
        "tokenizer": options.tokenizer or defaults["tokenizer"],
        "min_count": options.min_count or defaults["min_count"],
        "max_size": options.max_vocab or defaults["max_size"],
    }
    if options.vocab:
        for name in ("min_count", "max_vocab"):
            if getattr(options, name):
                raise ValueError(f"--{name.replace('_', '-')} does not go with --vocab")
        building["vocab"] = Vocab.load(options.vocab)
    elif extend is not None:
        building["extend"] = extend
    if not options.corpus:
        if options.errors:
            raise ValueError("--errors needs a CORPUS: the documentation is read as it is")
        say("no corpus given: reading the documentation that is installed here")
        corpus = Corpus.from_documents(documentation(), **building)
    else:
        paths = [file for name in options.corpus for file in text_paths(name)]
        corpus = Corpus.from_files(*paths, errors=options.errors or "strict", **building)
    say(
        f"{corpus.raw_words:,} words; {len(corpus):,} are of the vocabulary of "
        f"{len(corpus.vocab):,}"
    )
    return corpus


def count(
    corpus: Corpus, window: int, *, tell: Callable[[str], None] = say, **options: Any
) -> Cooccurrence:
    """Counts, and tells how many cells there are and how long it took."""
    start = time.perf_counter()
    cells = cooccurrence.count(corpus, window=window, **options)
    tell(f"{len(cells):,} cells, counted in {time.perf_counter() - start:.1f} s")
    return cells


def fingerprint(data: Corpus | Cooccurrence) -> str:
    """What tells one corpus or count from another."""
    if isinstance(data, Corpus):
        arrays, what = (data.ids, data.offsets, data.vocab.counts), "tokens"
    else:
        arrays, what = (data.indptr, data.indices, data.data), "cells"
    words = np.frombuffer("\n".join(data.vocab.words).encode(), np.uint8)
    return f"{len(data):,} {what}, {len(data.vocab):,} words, crc {crc(*arrays, words):08x}"


def _kind(options: argparse.Namespace) -> str:
    """What the one file that the options name holds: a saved "corpus" or "cooccurrence", the
    "records" of Stanford's GloVe; "" for anything else."""
    name = options.corpus[0]
    if not Path(name).is_file():
        return ""
    with open(name, "rb") as file:
        if file.read(len(ZIP_MAGIC)) != ZIP_MAGIC:
            counted = getattr(options, "model", None) in COUNTED
            return "records" if counted and name.endswith(".bin") else ""
    kind = str(load_arrays(name, mapped=True).get("kind"))
    if kind not in ("corpus", "cooccurrence"):
        raise ValueError(f"{name} is an archive, but neither a saved corpus nor saved counts")
    return kind
