"""The n-grams of words, as fastText has them: a word to the ids of buckets of a table.

Letters: `V` words, `S` n-grams of all of them, `B` buckets.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from jaxvec.messages.numbers import check_whole

END_OF_LINE = "</s>"
"""fastText's word at the end of a line, which has no n-grams."""

LONGEST = 64
"""Characters of the longest n-gram: a file that asks for more is damaged, or fills the memory."""

_BASIS, _PRIME = np.uint32(2166136261), np.uint32(16777619)  # of FNV-1a in 32 bits
_WORDS = 1 << 14  # hashed together


class Ngrams(NamedTuple):
    """The buckets of the n-grams of `V` words; an n-gram that comes twice in a word is there twice.

    Attributes:
      ids: int32[S], first of the first word, then of the second, …, each 0 … B - 1.
      offsets: int64[V + 1]; word i has ``ids[offsets[i]:offsets[i + 1]]``.
    """

    ids: np.ndarray  # int32[S]
    offsets: np.ndarray  # int64[V + 1]

    def of(self, word: int) -> np.ndarray:
        """The buckets of the word at a place."""
        return self.ids[self.offsets[word] : self.offsets[word + 1]]


def check(minn: int, maxn: int, buckets: int) -> None:
    """Makes sure that lengths and buckets can be.

    Args:
      minn, maxn, buckets: as for `hashed`.

    Raises:
      TypeError: if one is no whole number.
      ValueError: if one is out of its range.
    """
    check_whole("the shortest n-gram", minn)
    check_whole("the longest n-gram", maxn)
    check_whole("buckets", buckets)
    if minn > maxn:
        raise ValueError(
            f"the shortest n-gram is of {minn} characters, the longest of {maxn}: give the shorter "
            f"length first, ({maxn}, {minn})"
        )
    if maxn > LONGEST:
        raise ValueError(f"n-grams have {LONGEST} characters at most; got {maxn}")
    if buckets >= 1 << 31:
        raise ValueError(f"buckets must be fewer than {1 << 31}; got {buckets}")


def hashed(words: Sequence[str], minn: int, maxn: int, buckets: int) -> Ngrams:
    """The buckets of the n-grams of words.

    A word is put between ``<`` and ``>``. Its n-grams are all substrings of `minn` to `maxn`
    characters, but for one character at an end, which is a mark alone; in the order of their first
    character, the shorter first. Their bucket is the FNV-1a hash, in 32 bits, of their UTF-8
    bytes, modulo `B`. As in fastText, a byte above 127 is taken for a negative number, whose 32
    bits are all mixed in. ``</s>`` has none. A byte that is no UTF-8 may stand in a word as
    Python's ``surrogateescape`` writes it.

    Args:
      words: the `V` words.
      minn, maxn: the lengths of the n-grams, in characters, marks included.
      buckets: `B`.

    Raises:
      TypeError: if a number is not whole.
      ValueError: if one is out of its range.

    References:
      Bojanowski et al. 2017, "Enriching Word Vectors with Subword Information";
      https://github.com/facebookresearch/fastText, ``src/dictionary.cc``, which gives the same ids.

    >>> found = hashed(["where", "the"], 3, 6, 2_000_000)
    >>> found.of(1).tolist()  # <th, <the, <the>, the, the>, he>
    [1151151, 409726, 1648960, 861980, 60934, 816280]
    """
    check(minn, maxn, buckets)
    parts = [_hashed(part, minn, maxn, buckets) for part in _parts(words)]
    counts = np.concatenate([np.zeros(1, np.int64), *(counts for _, counts in parts)])
    return Ngrams(np.concatenate([np.zeros(0, np.int32), *(ids for ids, _ in parts)]),
                  np.cumsum(counts))  # fmt: skip


def _parts(words: Sequence[str]) -> Iterator[Sequence[str]]:
    return (words[start : start + _WORDS] for start in range(0, len(words), _WORDS))


def _hashed(
    words: Sequence[str], minn: int, maxn: int, buckets: int
) -> tuple[np.ndarray, np.ndarray]:
    """The buckets of some words, and how many each word has."""
    marked = ["" if word == END_OF_LINE else f"<{word}>" for word in words]
    encoded = [word.encode(errors="surrogateescape") for word in marked]
    bounds = np.cumsum([0, *map(len, encoded)])
    text = np.frombuffer(b"".join(encoded), np.uint8)
    starts = np.flatnonzero((text & 0xC0) != 0x80)  # of characters
    widths = np.diff(starts, append=len(text))
    word = np.searchsorted(bounds, starts, side="right") - 1
    lengths = np.bincount(word, minlength=len(words))
    ends = np.cumsum(lengths)[word]  # of the word of each character, in characters
    text = np.pad(text, (0, widths.max(initial=0)))
    signed = text.view(np.int8).astype(np.int32).view(np.uint32)

    places = np.arange(len(starts))
    first = places == ends - lengths[word]
    values = np.full(len(starts), _BASIS)
    found = np.zeros((len(starts), maxn), np.int32)
    is_one = np.zeros((len(starts), maxn), bool)
    for n in range(1, maxn + 1):
        last = places + n - 1  # the character to mix in
        inside = last < ends
        last = np.minimum(last, max(len(starts) - 1, 0))
        for byte in range(widths.max(initial=0)):
            mixed = (values ^ signed[starts[last] + byte]) * _PRIME
            values = np.where(byte < widths[last], mixed, values)
        mark = (first | (last + 1 == ends)) if n == 1 else False
        found[:, n - 1] = values % np.uint32(buckets)
        is_one[:, n - 1] = inside & ~np.asarray(mark) & (n >= minn)
    return found[is_one], np.bincount(word, is_one.sum(1), len(words)).astype(np.int64)
