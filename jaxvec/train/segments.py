"""A corpus as segments, each trained on by one call of a compiled program."""

from typing import NamedTuple

import jax
import numpy as np

from jaxvec.storage.arrays import release, still_whole
from jaxvec.text.corpus import Corpus
from jaxvec.train.contracts import Reader

SEGMENT_TOKENS = 1 << 20
_LEAST_TOKENS = 1 << 14


class Tokens(NamedTuple):
    """Up to `S` consecutive tokens."""

    ids: np.ndarray  # int32[S], 0 for padding
    docs: np.ndarray  # int32[S], which document of the segment each token is in; -1 for padding


class TokenSegments:
    """A corpus in segments of nearly equal length, in its order: a `contracts.Segments`.

    Windows do not cross from one segment into the next.

    Args:
      corpus: the text, in memory or memory-mapped.
      tokens: the most that a segment holds, by default `SEGMENT_TOKENS`.
      multiple: the number of segments is a multiple of this.

    Attributes:
      bounds: int[number of segments + 1], the tokens each begins and ends with.
      sizes: int[number of segments], how many tokens each has.
    """

    unit = "word"
    shuffled = False

    def __init__(self, corpus: Corpus, tokens: int | None = None, multiple: int = 1):
        self.corpus = corpus
        count = -(-len(corpus) // ((tokens or SEGMENT_TOKENS) * multiple)) * multiple
        self.bounds = np.linspace(0, len(corpus), count + 1).round().astype(int)
        self.sizes = np.diff(self.bounds)

    @classmethod
    def for_workers(
        cls, corpus: Corpus, workers: int, tokens: int | None = None
    ) -> "TokenSegments":
        """Segments for `workers` workers, whose tables are merged after each; see `copies`.

        A merge takes time that grows with the vocabulary; too few merges cost quality. So there
        is one every million tokens, fewer with more than 100,000 words a worker, and at least
        16 an epoch.

        Args:
          corpus: the text.
          workers: `N`.
          tokens: the most that a segment of one worker holds, by default `SEGMENT_TOKENS`.
            Several have the segments that their merges need.
        """
        if workers == 1:
            return cls(corpus, tokens)
        tokens = max(SEGMENT_TOKENS // workers, 5 * len(corpus.vocab))
        tokens = min(tokens, -(-len(corpus) // (16 * workers)))
        return cls(corpus, max(tokens, _LEAST_TOKENS), workers)

    def epoch(self, key: jax.Array) -> Reader:
        """A reader of segments in the order of the text, whatever the key."""
        del key
        return self._read

    def _read(self, i: int) -> Tokens:
        start, stop = self.bounds[i : i + 2]
        ids, docs = self.empty()
        still_whole(self.corpus.ids)
        ids[: stop - start] = self.corpus.ids[start:stop]
        release(self.corpus.ids)
        docs[: stop - start] = self.corpus.document_numbers(start, stop)
        return Tokens(ids, docs)

    def empty(self) -> Tokens:
        """A segment without tokens."""
        length = self.sizes.max()
        return Tokens(np.zeros(length, np.int32), np.full(length, -1, np.int32))
