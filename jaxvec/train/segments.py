"""What is trained on, as a sequence of segments, each one call of a compiled program.

A segment is read when it is asked for, so the data may be memory-mapped and need fit
neither in memory nor on the device.
"""

from typing import NamedTuple, Protocol, TypeVar

import jax
import numpy as np

from jaxvec.storage.arrays import release
from jaxvec.text.corpus import Corpus

Part = TypeVar("Part")

SEGMENT_TOKENS = 1 << 20
_LEAST_TOKENS = 1 << 14


class Segments(Protocol):
    """A sequence of segments, all of the same shapes, in an order that an epoch may choose.

    - ``sizes``: how much of the data each holds, int[number of segments], in ``unit``s.
    - ``get(key, i)``: the arrays of segment ``i`` of the epoch whose key that is.
    - ``empty()``: a segment without data.
    """

    sizes: np.ndarray
    unit: str

    def get(self, key: jax.Array, i: int) -> tuple[np.ndarray, ...]: ...
    def empty(self) -> tuple[np.ndarray, ...]: ...


class Tokens(NamedTuple):
    """Up to `S` consecutive tokens."""

    ids: np.ndarray  # int32[S], 0 for padding
    docs: np.ndarray  # int32[S], which document of the segment each token is in; -1 for padding


class TokenSegments:
    """The segments of a corpus, in its order, as equal in length as can be.

    Windows do not cross from one segment into the next. Their number is a multiple of
    `multiple`.

    Attributes:
      bounds: int[number of segments + 1], the tokens each begins and ends with.
      sizes: int[number of segments], how many tokens each has.
    """

    unit = "word"

    def __init__(self, corpus: Corpus, tokens: int | None = None, multiple: int = 1):
        self.corpus = corpus
        count = -(-len(corpus) // ((tokens or SEGMENT_TOKENS) * multiple)) * multiple
        self.bounds = np.linspace(0, len(corpus), count + 1).round().astype(int)
        self.sizes = np.diff(self.bounds)

    @classmethod
    def for_workers(cls, corpus: Corpus, workers: int) -> "TokenSegments":
        """Segments for so many workers at a time, who put their tables together after each.

        That takes a time that grows with the vocabulary; done too seldom it costs quality.
        So it comes every million tokens, less often with more than 100,000 words a worker,
        and at least sixteen times an epoch.
        """
        if workers == 1:
            return cls(corpus)
        tokens = max(SEGMENT_TOKENS // workers, 5 * len(corpus.vocab))
        tokens = min(tokens, -(-len(corpus) // (16 * workers)))
        return cls(corpus, max(tokens, _LEAST_TOKENS), workers)

    def get(self, key: jax.Array, i: int) -> Tokens:
        """Segment `i`, whatever the key."""
        del key
        start, stop = self.bounds[i : i + 2]
        ids, docs = self.empty()
        ids[: stop - start] = self.corpus.ids[start:stop]
        release(self.corpus.ids)
        docs[: stop - start] = self.corpus.document_numbers(start, stop)
        return Tokens(ids, docs)

    def empty(self) -> Tokens:
        """A segment without tokens."""
        length = self.sizes.max()
        return Tokens(np.zeros(length, np.int32), np.full(length, -1, np.int32))
