"""A corpus cut into segments of one shape, each of which is one call of a compiled program."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from jaxvec.text.corpus import Corpus

SEGMENT_TOKENS = 1 << 20


class Segment(NamedTuple):
    """Up to `S` consecutive tokens."""

    ids: np.ndarray  # int32[S], 0 for padding
    docs: np.ndarray  # int32[S], which document of the segment each token is in; -1 for padding


class Segments:
    """The segments of a corpus, as equal in length as can be.

    Windows do not cross from one segment into the next. The corpus may be memory-mapped:
    a segment is read when it is asked for.

    Attributes:
      bounds: int[number of segments + 1], the tokens each begins and ends with.
      length: `S`, the longest segment.
    """

    def __init__(self, corpus: Corpus, tokens: int = SEGMENT_TOKENS):
        self.corpus = corpus
        count = -(-len(corpus) // tokens)
        self.bounds = np.linspace(0, len(corpus), count + 1).round().astype(int)
        self.length = int(np.diff(self.bounds).max())

    def __len__(self) -> int:
        return len(self.bounds) - 1

    def __iter__(self) -> Iterator[Segment]:
        for i in range(len(self)):
            yield self[i]

    def __getitem__(self, i: int) -> Segment:
        start, stop = self.bounds[i : i + 2]
        ids = np.zeros(self.length, np.int32)
        ids[: stop - start] = self.corpus.ids[start:stop]
        docs = np.full(self.length, -1, np.int32)
        offsets = self.corpus.offsets
        inside = offsets[np.searchsorted(offsets, start, "right") : np.searchsorted(offsets, stop)]
        begins = np.zeros(stop - start, np.int32)
        begins[inside - start] = 1
        np.cumsum(begins, out=docs[: stop - start])
        return Segment(ids, docs)

    def empty(self) -> Segment:
        """A segment without tokens."""
        return Segment(np.zeros(self.length, np.int32), np.full(self.length, -1, np.int32))
