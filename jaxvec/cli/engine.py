"""`jaxvec cooccur --engine`: counting on several processes or machines."""

import argparse
import time
from collections.abc import Sequence
from pathlib import Path

from jaxvec.cli.common import Flags, say, text_paths, whole
from jaxvec.cli.data import read_data
from jaxvec.cooccurrence import Cooccurrence, count_shards, engine
from jaxvec.cooccurrence.engines import ENGINES
from jaxvec.cooccurrence.settings import LEAST_MEMORY
from jaxvec.cooccurrence.shards import TASK_MEMORY
from jaxvec.storage.arrays import ZIP_MAGIC
from jaxvec.storage.work import work_folder
from jaxvec.text.corpus import Corpus
from jaxvec.text.shard_words import count_vocabulary
from jaxvec.text.shards import Shard, corpus_shards, text_shards
from jaxvec.text.tokenize import get_tokenizer
from jaxvec.text.vocab import Vocab

_THREADS = "threads"


def add_engine_options(add: Flags) -> None:
    """Adds the flags that say what counts."""
    add(
        "--engine NAME",
        "threads of this process (default), processes, or dask. The last two read text shard by "
        "shard, and --memory is of each process, beside its vocabulary. All must see the text and "
        "the output's folder",
        choices=[_THREADS, *ENGINES],
        default=_THREADS,
    )
    add("--workers N", "processes of the engine (default: one a core)", whole(1))
    add("--scheduler ADDRESS", "of a running Dask cluster: its workers count", str)


def uses_engine(options: argparse.Namespace) -> bool:
    """Whether other processes count.

    Raises:
      ValueError: for flags that do not go together.
    """
    if options.scheduler and (options.engine != "dask" or options.workers):
        raise ValueError("--scheduler goes with --engine dask, and without --workers")
    if options.workers and options.engine == _THREADS:
        raise ValueError("--workers goes with --engine processes or dask; threads are one a core")
    if options.on_device and options.engine != _THREADS:
        raise ValueError(f"--on-device does not go with --engine {options.engine}")
    if options.max_vocab_size and options.engine != _THREADS:
        raise ValueError(f"--max-vocab-size does not go with --engine {options.engine}")
    others = options.engine != _THREADS
    if others and options.memory is not None and options.memory < LEAST_MEMORY:
        raise ValueError(f"--memory must be at least {LEAST_MEMORY} bytes for each process")
    return others


def count_on_engine(options: argparse.Namespace, path: str | Path) -> Cooccurrence:
    """Counts the corpus of the options, and writes the counts.

    Args:
      options: of `cooccur`.
      path: the file to write.

    Raises:
      ValueError, OSError: for bad input, or if a process was killed.
    """
    start = time.perf_counter()
    shards, vocab = _shards(options)
    memory = TASK_MEMORY if options.memory is None else options.memory
    with (
        engine(options.engine, workers=options.workers, scheduler=options.scheduler) as run,
        work_folder(path) as folder,
    ):
        if vocab is None:
            limits = {"min_count": options.min_count or 5, "max_size": options.max_vocab}
            vocab = count_vocabulary(shards, folder=folder, map=run, **limits)
        say(f"text in {len(shards):,} shards, a vocabulary of {len(vocab):,} words")
        cells = count_shards(
            shards,
            vocab,
            path=path,
            map=run,
            window=options.window or 10,
            symmetric=not options.no_symmetric,
            distance_weighting=not options.no_distance_weighting,
            memory=memory,
        )
    print(f"{len(cells):,} cells, read and counted in {time.perf_counter() - start:.1f} s")
    return cells


def _shards(options: argparse.Namespace) -> tuple[Sequence[Shard], Vocab | None]:
    """The shards of the corpus, and its vocabulary unless it has to be counted."""
    if _is_archive(options.corpus):
        corpus = text_or_corpus(options, None)
        return corpus_shards(options.corpus[0]), corpus.vocab
    for name in ("min_count", "max_vocab"):
        if options.vocab and getattr(options, name):
            raise ValueError(f"--{name.replace('_', '-')} does not go with --vocab")
    tokenizer = options.tokenizer or "whitespace"
    get_tokenizer(tokenizer)  # raises before a corpus is downloaded
    vocab = Vocab.load(options.vocab) if options.vocab else None
    paths = [file for name in options.corpus for file in text_paths(name)]
    return text_shards(paths, tokenizer=tokenizer, errors=options.errors or "strict"), vocab


def _is_archive(corpus: list[str]) -> bool:
    """Whether the corpus is one file that jaxvec saved."""
    if len(corpus) != 1 or not Path(corpus[0]).is_file():
        return False
    with open(corpus[0], "rb") as file:
        return file.read(len(ZIP_MAGIC)) == ZIP_MAGIC


def text_or_corpus(options: argparse.Namespace, memory: int | None) -> Corpus:
    """The corpus of the options, which may not be counts.

    Args:
      options: of `cooccur`.
      memory: as for `read_data`.

    Raises:
      ValueError, OSError: if it cannot be read, or holds counts.
    """
    corpus = read_data(options, memory=memory)
    if not isinstance(corpus, Corpus):
        raise ValueError(f"{options.corpus[0]} holds counts already; give text or a saved corpus")
    return corpus
