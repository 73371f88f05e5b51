"""Counting the co-occurrences of a corpus in one process."""

import os

import numpy as np

from jaxvec.cooccurrence.matrix import Cooccurrence, written
from jaxvec.cooccurrence.pairs import HOST, Counter, as_rows, cells, joined
from jaxvec.cooccurrence.settings import LEAST_MEMORY, Means, Settings
from jaxvec.messages.kinds import corpus_instead
from jaxvec.messages.numbers import check_whole
from jaxvec.storage.files import writable
from jaxvec.storage.pool import cores
from jaxvec.text.corpus import Corpus


def count(
    corpus: Corpus,
    *,
    window: int = 10,
    symmetric: bool = True,
    distance_weighting: bool = True,
    memory: int | None = None,
    path: str | os.PathLike[str] | None = None,
    on_device: bool = False,
) -> Cooccurrence:
    """Counts the pairs of words up to `window` words apart in the same document.

    A pair at distance d adds 1/d to cell (left word, right word), and with `symmetric` to cell
    (right word, left word) too, so that a word next to itself counts twice. GloVe's ``cooccur``
    makes the same cells.

    Args:
      corpus: the text.
      window: `W`, the largest distance.
      symmetric: count each pair in both directions.
      distance_weighting: add 1/d for a pair; else 1.
      memory: bytes that counting may take in addition to what the process holds already; runs
        that do not fit wait in temporary files beside `path`. By default unlimited: some 50
        bytes a cell.
      path: the file to write the counts to, as `Cooccurrence.save` does; the result is then
        memory-mapped. Required by `memory`.
      on_device: sort on JAX's default device instead of the host's cores; sums differ from
        the host's by rounding to float32.

    Returns:
      The counts, `V` × `V`.

    Raises:
      TypeError: if `corpus` is no Corpus, or `window` or `memory` is no whole number.
      FileNotFoundError: if there is no folder for `path`.
      ValueError: if `window` is below 1, two word ids and a distance need more than 63 bits, a cell
        exceeds what is added exactly (see `settings`), or `memory` is below 64 MiB, or no `path`.

    >>> corpus = Corpus.from_documents(["a b a"], min_count=1)
    >>> count(corpus, window=2).matrix().toarray().tolist()
    [[1.0, 2.0], [2.0, 0.0]]
    """
    if not isinstance(corpus, Corpus):
        raise TypeError(corpus_instead(corpus))
    settings = Settings(check_whole("window", window), symmetric, distance_weighting)
    if memory is not None:
        check_whole("memory", memory, least=LEAST_MEMORY)
        if path is None:
            raise ValueError("memory needs a path: give path=, the file to write the counts to")
    beside = None if path is None else writable(path).parent
    means = Means(memory, None if memory is None else beside, cores())
    words = len(corpus.vocab)
    counter = _device() if on_device else HOST
    then = as_rows(words, settings.unit())
    parts = cells(corpus, 0, len(corpus), settings, means, counter, then)
    most = np.minimum(corpus.vocab.counts.astype(np.float64) * 2 * settings.window, words)
    rows = joined(parts, (0, words), means.folder, int(most.sum()))
    matrix = np.append(0, np.cumsum(rows.cells)), rows.indices, rows.data
    if path is None:
        return Cooccurrence(corpus.vocab, *matrix, settings=settings._asdict())
    return written(path, corpus.vocab, *matrix, settings=settings._asdict())


def _device() -> Counter:
    """Counts on JAX's default device; workers that count on the host never import JAX."""
    from jaxvec.cooccurrence import device

    return Counter(device.counter, most=device.MOST_PAIRS)
