"""`Subwords`: the rows of n-grams, from which unknown words have their vectors."""

import dataclasses
from collections.abc import Iterator, Sequence

import numpy as np

from jaxvec.text import ngrams

_WORDS = 1 << 12  # that are composed together
_NUMBERS = 1 << 26  # of rows that are added up together, about


def _stretches(words: Sequence[str], numbers: int) -> Iterator[tuple[int, int]]:
    """Where the words are cut that are composed together.

    Args:
      words: the words.
      numbers: of the rows of n-grams that begin with a character, at most.
    """
    start = held = 0
    for i, word in enumerate(words):
        held += (len(word) + 2) * numbers
        if i - start >= _WORDS or held > _NUMBERS:
            if i > start:
                yield start, i
            start, held = i, (len(word) + 2) * numbers
    if len(words):
        yield start, len(words)


def _encodes(word: str) -> bool:
    """Whether a word has bytes; one with half a surrogate pair has none."""
    try:
        word.encode(errors="surrogateescape")
    except UnicodeEncodeError:
        return False
    return True


@dataclasses.dataclass(frozen=True)
class Subwords:
    """A table of rows of n-grams, fastText's.

    The vector of a word of the vocabulary is the mean of a row of its own and the rows of its
    n-grams; of any other word, of these alone.

    Attributes:
      table: float[B, D], a row for each of `B` buckets, see `ngrams.hashed`.
      minn, maxn: the lengths of n-grams, in characters.

    Raises:
      TypeError: if a length is no whole number.
      ValueError: if the table has another shape, or lengths cannot be.

    >>> subwords = Subwords(np.eye(3), minn=3, maxn=4)
    >>> subwords.ids("of").tolist()  # <of, <of>, of>
    [1, 1, 2]
    >>> subwords.vector("of").round(2).tolist()
    [0.0, 0.67, 0.33]
    """

    table: np.ndarray  # float[B, D]
    minn: int
    maxn: int

    def __post_init__(self):
        if self.table.ndim != 2:
            raise ValueError(f"rows of n-grams must be [B, D]; got {list(self.table.shape)}")
        ngrams.check(self.minn, self.maxn, len(self.table))

    def __repr__(self) -> str:
        return f"Subwords of {self.minn} to {self.maxn} characters in {len(self.table):,} buckets"

    def ids(self, word: str) -> np.ndarray:
        """The buckets of a word's n-grams, int32[n]; none for a word that is too short."""
        return self.hashed([word]).ids

    def hashed(self, words: Sequence[str]) -> ngrams.Ngrams:
        """The buckets of the n-grams of words; see `ngrams.hashed`."""
        return ngrams.hashed(words, self.minn, self.maxn, len(self.table))

    def vector(self, word: str) -> np.ndarray | None:
        """The mean of the rows of a word's n-grams, [D]; None if it has none."""
        (found,), (some,) = self.vectors([word])
        return found if some else None

    def vectors(self, words: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """The means of the rows of words' n-grams alone, as of words that have no row of their own.

        Args:
          words: `n` words.

        Returns:
          The means, [n, D], zeros for a word without n-grams; and bool[n], which words have some.

        >>> rows, some = Subwords(np.eye(3), 3, 3).vectors(["of", ""])
        >>> rows.tolist(), some.tolist()
        ([[0.0, 0.5, 0.5], [0.0, 0.0, 0.0]], [True, False])
        """
        words = [word if _encodes(word) else ngrams.END_OF_LINE for word in words]
        found = np.zeros((len(words), self.table.shape[1]), self.table.dtype)
        some = np.zeros(len(words), bool)
        for start, stop in _stretches(words, self.maxn * max(1, self.table.shape[1])):
            ids, offsets = self.hashed(words[start:stop])
            sizes = np.diff(offsets)
            some[start:stop] = sizes > 0
            places = np.flatnonzero(sizes)
            if len(places):
                rows = self.table[ids].astype(np.float64)
                sums = np.add.reduceat(rows, offsets[:-1][places], axis=0)
                found[start + places] = sums / sizes[places, None]
        return found, some

    def rotated(self, turn: np.ndarray) -> "Subwords":
        """The rows times a matrix [D, D], so that vectors that are made of them are, too."""
        table = (self.table @ turn).astype(self.table.dtype)
        return dataclasses.replace(self, table=table)

    def composed(
        self, own: np.ndarray, words: Sequence[str], *, in_place: bool = False
    ) -> np.ndarray:
        """The vectors of words, float[V, D]: the means of their own rows and their n-grams'.

        Args:
          own: the words' own rows, float[V, D].
          words: the `V` words.
          in_place: whether to write over the words' own rows.

        >>> Subwords(np.eye(3), 3, 4).composed(np.array([[6.0, 0.0, 0.0]]), ["of"])
        array([[1.5 , 0.5 , 0.25]])
        """
        vectors = own if in_place else np.array(own)
        self._add(vectors, words, 1)
        return vectors

    def own(self, vectors: np.ndarray, words: Sequence[str]) -> np.ndarray:
        """The words' own rows that `composed` made vectors of: its inverse, up to rounding.

        Args:
          vectors: of the words, float[V, D].
          words: the `V` words.
        """
        own = np.array(vectors)
        self._add(own, words, -1)
        return own

    def _add(self, rows: np.ndarray, words: Sequence[str], sign: int) -> None:
        """Turns rows of their own into means, or (sign -1) back, in place."""
        for start, stop in _stretches(words, self.maxn * max(1, rows.shape[1])):
            part = rows[start:stop]
            ids, offsets = self.hashed(words[start:stop])
            sizes = np.diff(offsets)
            some = np.flatnonzero(sizes)
            count = (1 + sizes)[:, None].astype(part.dtype)
            if sign < 0:
                part *= count
            if len(some):
                sums = np.add.reduceat(self.table[ids], offsets[:-1][some], axis=0)
                part[some] += sign * sums
            if sign > 0:
                part /= count
