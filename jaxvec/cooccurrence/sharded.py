"""Counting a text by shards, with any `map`: the cells are the same to the bit as by `count`."""

import functools
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from jaxvec.cooccurrence.matrix import Cooccurrence
from jaxvec.cooccurrence.settings import LEAST_MEMORY, Settings
from jaxvec.cooccurrence.shards import (
    TASK_MEMORY,
    RangeCells,
    ShardRuns,
    count_shard,
    merge_range,
    row_ranges,
)
from jaxvec.messages.kinds import kind
from jaxvec.messages.numbers import check_whole
from jaxvec.storage.arrays import load_arrays
from jaxvec.storage.runs import GrowingArray
from jaxvec.storage.work import Map, complete, work_folder
from jaxvec.text.shard_words import save_vocabulary
from jaxvec.text.shards import CorpusShard, TextShard, check_shards
from jaxvec.text.vocab import Vocab


def count_shards(
    shards: Iterable[TextShard | CorpusShard],
    vocab: Vocab,
    *,
    path: str | os.PathLike[str],
    map: Map = map,
    window: int = 10,
    symmetric: bool = True,
    distance_weighting: bool = True,
    memory: int = TASK_MEMORY,
    ranges: int | None = None,
) -> Cooccurrence:
    """Counts a text by shards and writes the file that ``count(corpus, path=path)`` writes.

    The files of shards go to a folder beside `path`, which all processes must see by the same name.
    It is removed at the end, and after bad input. After any other error, or if this process is
    killed, the next call with the same arguments goes on with the shards that are finished.

    Args:
      shards: of `text_shards` or `corpus_shards`, in any order.
      vocab: of the text: `count_vocabulary`, or ``Corpus.load(path).vocab``.
      path: the file to write the counts to.
      map: `map`, or one that works on several processes or machines: ``executor.map`` of
        `concurrent.futures`, or ``dask_map(client)``. Results may come in any order.
      window, symmetric, distance_weighting: as for `count`.
      memory: bytes that a task may take, beside the vocabulary: some 260 bytes a word of it.
      ranges: number of parts of the matrix, each merged by a task of its own; by default up to 32.

    Returns:
      The counts, memory-mapped.

    Raises:
      FileNotFoundError: if a file of the text, or the folder for `path`, is missing.
      TypeError: if `vocab` is no Vocab, a shard or a number is none, or `map` returns something
        else than results.
      ValueError: if there is no shard or no word of the vocabulary; otherwise as `count_shard` and
        `merge_range`.

    >>> from jaxvec import Corpus
    >>> from jaxvec.text.shards import corpus_shards
    >>> text, path = (getfixture("tmp_path") / name for name in ("text.corpus", "text.cells"))
    >>> corpus = Corpus.from_documents(["a b a"], min_count=1)
    >>> corpus.save(text)
    >>> shards = corpus_shards(text, tokens=2)
    >>> count_shards(shards, corpus.vocab, path=path, window=2).matrix().toarray().tolist()
    [[1.0, 2.0], [2.0, 0.0]]
    """
    if not isinstance(vocab, Vocab):
        raise TypeError(f"vocab must be a Vocab, such as corpus.vocab; got {kind(vocab)}")
    shards = check_shards(shards)
    settings = Settings(check_whole("window", window), symmetric, distance_weighting)
    rows = row_ranges(vocab, settings.window, ranges)
    check_whole("memory", memory, least=LEAST_MEMORY)
    with work_folder(path) as folder:
        count = functools.partial(
            count_shard,
            vocabulary=save_vocabulary(folder, vocab),
            folder=folder,
            rows=rows,
            memory=memory,
            **settings._asdict(),
        )
        counted = complete(map(count, shards), shards, ShardRuns)
        if not sum(shard.tokens for shard in counted):
            raise ValueError(f"no word of the shards is in the vocabulary of {len(vocab)} words")
        runs = list(zip(*(shard.paths for shard in counted), strict=True))
        merge = functools.partial(merge_range, folder=folder, memory=memory)
        merged = complete(map(merge, runs), runs, RangeCells)
        return assembled(merged, vocab, settings, folder).moved_to(path)


def assembled(
    ranges: Sequence[RangeCells], vocab: Vocab, settings: Settings, folder: Path
) -> Cooccurrence:
    """The matrix of all ranges of rows.

    Args:
      ranges: of `merge_range`, in any order.
      vocab: the vocabulary.
      settings: the options of `count`.
      folder: where the arrays are kept in temporary files.

    Raises:
      ValueError: if they have not all rows, each once.
    """
    ranges = sorted(ranges, key=lambda part: part.first)
    ends = [0, *(part.last for part in ranges)]
    if [part.first for part in ranges] != ends[:-1] or ends[-1] != len(vocab):
        raise ValueError(f"ranges of rows must be 0 … {len(vocab)}, each row once; got {ranges}")
    columns, sums = (GrowingArray(dtype, 0, folder) for dtype in (np.int32, np.float32))
    indptr = [np.zeros(1, np.int64)]
    for part in ranges:
        arrays = load_arrays(part.path, mapped=True)
        indptr.append(indptr[-1][-1] + np.cumsum(arrays["cells"]))
        columns.append(arrays["indices"])
        sums.append(arrays["data"])
    return Cooccurrence(
        vocab, np.concatenate(indptr), columns.array(), sums.array(), settings=settings._asdict()
    )
