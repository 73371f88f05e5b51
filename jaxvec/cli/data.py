"""The inputs of `train` and `cooccur`: text, saved corpora and counts."""

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from jaxvec import cooccurrence
from jaxvec.cli.common import Flags, path, say, size, text_paths, whole
from jaxvec.cooccurrence import Cooccurrence
from jaxvec.storage.arrays import ZIP_MAGIC, crc, load_arrays
from jaxvec.storage.pool import free_memory
from jaxvec.text.corpus import Corpus
from jaxvec.text.docstrings import documentation
from jaxvec.text.tokenize import get_tokenizer
from jaxvec.text.vocab import Vocab

IDENTITY = "identity"
"""Tag of the flags that say which run it is: a checkpoint resumes with the same values."""

_WITH_CORPUS = {"tokenizer": "whitespace", "min_count": 5}
_WITHOUT = {"tokenizer": "text8", "min_count": 10}


def add_text_options(parser: argparse.ArgumentParser, memory: str) -> None:
    """Adds the flags that say how text is read.

    Args:
      parser: of a command.
      memory: what --memory bounds in it.
    """
    add = Flags(parser, "text", tags=[IDENTITY])
    add("--tokenizer NAME", "whitespace (default), basic_english, text8 or alphanumeric")
    add(
        "--errors",
        "what to do about bytes that are not UTF-8 (default: strict)",
        choices=["strict", "replace", "ignore"],
    )
    add("--min-count N", "leave out words rarer than N (default: 5)", whole(1))
    add("--max-vocab N", "keep only the N most frequent words", whole(1))
    add(
        "--max-vocab-size N",
        "while words are counted, forget the rarest whenever there are more than N",
        whole(1),
    )
    add("--vocab FILE", "use this vocabulary, a word and its count a line", path)
    add("--memory SIZE", memory, size, tags=[])


def input_files(options: argparse.Namespace) -> list[str]:
    """The files that a command reads, and must not overwrite."""
    return [*options.corpus, *([options.vocab] if options.vocab else [])]


def read_data(
    options: argparse.Namespace, extend: Vocab | None = None, *, memory: int | None
) -> Corpus | Cooccurrence:
    """The corpus or counts that the options name.

    Args:
      options: of the command.
      extend: the vocabulary of an earlier run, to which the words of the text are added.
      memory: bytes that reading may take before text goes to a temporary file beside the output;
        None for half of what is free.

    Raises:
      ValueError, FileNotFoundError: if it cannot be read, or not with these options.
    """
    if len(options.corpus) == 1 and (kind := _kind(options)):
        records = kind == "records"
        for name in ("tokenizer", "errors", "min_count", "max_vocab", "max_vocab_size", "vocab"):
            if getattr(options, name) is not None and not (records and name == "vocab"):
                raise ValueError(
                    f"{options.corpus[0]} is saved with its vocabulary: "
                    f"--{name.replace('_', '-')} does not go with it"
                )
        if kind != "corpus" and getattr(options, "window", None) is not None:
            raise ValueError(
                f"{options.corpus[0]} is counted already: --window does not go with it"
            )
        if records and not options.vocab:
            raise ValueError(
                f"{options.corpus[0]} holds counts without their words: give its vocabulary, "
                "--vocab FILE"
            )
        if records:
            from jaxvec.interop import stanford  # here, as it brings JAX

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
        "max_vocab_size": options.max_vocab_size,
    }
    if memory is None and (free := free_memory()) is not None:
        memory = free // 2
    if memory is not None:
        building |= {"memory": memory, "folder": Path(options.output).resolve().parent}
    get_tokenizer(building["tokenizer"])  # raises before a corpus is downloaded or read
    if options.vocab:
        for name in ("min_count", "max_vocab", "max_vocab_size"):
            if getattr(options, name):
                raise ValueError(f"--{name.replace('_', '-')} does not go with --vocab")
        building["vocab"] = Vocab.load(options.vocab)
    elif extend is not None:
        building["extend"] = extend
    if not options.corpus:
        if options.errors:
            raise ValueError("--errors needs a CORPUS")
        say("no corpus given: reading the installed documentation")
        corpus = Corpus.from_documents(documentation(), **building)
    else:
        paths = [file for name in options.corpus for file in text_paths(name)]
        corpus = Corpus.from_files(*paths, errors=options.errors or "strict", **building)
    say(
        f"{corpus.raw_words:,} words; {len(corpus):,} are in the vocabulary of "
        f"{len(corpus.vocab):,}"
    )
    return corpus


def count(
    corpus: Corpus, window: int, *, tell: Callable[[str], None] = say, **options: Any
) -> Cooccurrence:
    """Counts of co-occurrences, with a message of their number and the time.

    Args:
      corpus: the text.
      window: the farthest context word.
      tell: prints the message.
      options: others of `cooccurrence.count`.
    """
    start = time.perf_counter()
    cells = cooccurrence.count(corpus, window=window, **options)
    tell(f"{len(cells):,} cells, counted in {time.perf_counter() - start:.1f} s")
    return cells


def fingerprint(data: Corpus | Cooccurrence) -> str:
    """The sizes and a CRC-32 of a corpus or of counts."""
    if isinstance(data, Corpus):
        arrays, what = (data.ids, data.offsets, data.vocab.counts), "tokens"
    else:
        arrays, what = (data.indptr, data.indices, data.data), "cells"
    words = np.frombuffer("\n".join(data.vocab.words).encode(), np.uint8)
    return f"{len(data):,} {what}, {len(data.vocab):,} words, crc {crc(*arrays, words):08x}"


def _kind(options: argparse.Namespace) -> str:
    """The kind of the one file that the options name: "corpus" or "cooccurrence" if saved by
    jaxvec, "records" if by Stanford's GloVe; "" for anything else."""
    name = options.corpus[0]
    if not Path(name).is_file():
        return ""
    with open(name, "rb") as file:
        if file.read(len(ZIP_MAGIC)) != ZIP_MAGIC:
            if getattr(options, "model", None) is None or not name.endswith(".bin"):
                return ""
            from jaxvec.train.registry import MODELS  # here, as it brings JAX

            return "records" if MODELS[options.model].counts else ""
    kind = str(load_arrays(name, names={"kind"}).get("kind"))
    if kind not in ("corpus", "cooccurrence"):
        raise ValueError(f"{name} is an archive, but neither a saved corpus nor saved counts")
    return kind
