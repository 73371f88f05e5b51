"""`WordTable`: words and their vectors, to look up, add to, sort, save and load."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeGuard

import numpy as np
from numpy.typing import DTypeLike

from jaxvec.text.vocab import UnknownWord, whole_counts, word_list
from jaxvec.vectors import ranking

FLOATING = tuple(np.dtype(name) for name in ("float16", "float32", "float64"))
"""What the numbers of vectors may be."""

Key = str | int | np.integer  # a word, or its place
NO_KEY = bytes | bytearray | memoryview | bool  # though they are numbers to Python


class WordTable:
    """`V` words and their `D`-dimensional vectors, with the attributes of `WordVectors`.

    Wherever a word is asked for, its place will do, as with gensim.
    """

    def __init__(
        self,
        words: Sequence[str],
        vectors: np.ndarray | Sequence[Sequence[float]],
        *,
        counts: np.ndarray | Sequence[int] | None = None,
        metadata: dict[str, Any] | None = None,
        dtype: DTypeLike = np.float32,
    ):
        self.index_to_key = word_list(words)
        self.vectors = np.asarray(vectors, dtype)
        if self.vectors.dtype not in FLOATING:
            raise ValueError(f"vectors must be float16, float32 or float64; got {dtype}")
        self.counts = None if counts is None else whole_counts(counts)
        self.metadata = dict(metadata or {})
        self._norms: np.ndarray | None = None
        if self.vectors.ndim != 2 or len(self.vectors) != len(self.index_to_key):
            raise ValueError(
                f"{len(self.index_to_key)} words need vectors [{len(self.index_to_key)}, D]; "
                f"got {self.vectors.shape}"
            )
        if self.counts is not None and self.counts.shape != (len(self),):
            raise ValueError(f"{len(self)} words need as many counts, not {self.counts.shape}")
        _check_unique(self.index_to_key)
        self.key_to_index = {word: i for i, word in enumerate(self.index_to_key)}
        if self.counts is not None:
            self.sort_by_descending_frequency()

    @property
    def vector_size(self) -> int:
        """`D`."""
        return self.vectors.shape[1]

    @property
    def norms(self) -> np.ndarray:
        """The lengths of the vectors, 1 for those of zeros: float32[V]; made once.

        What is written into `vectors` later is not noticed; `add_vectors` is.
        """
        if self._norms is None:
            self._norms = ranking.norms(self.vectors)
        return self._norms

    def get_normed_vectors(self, keys: Iterable[Key] | None = None) -> np.ndarray:
        """Vectors scaled to length 1 (zero vectors stay), float32[n, D]; a copy.

        Args:
          keys: the `n` words; by default all.

        Raises:
          KeyError: for an unknown word, with close matches.

        >>> WordTable(["a", "b"], [[3, 4], [0, 2]]).get_normed_vectors(["b"]).tolist()
        [[0.0, 1.0]]
        """
        rows = self.vectors if keys is None else self[keys]
        return ranking.unit(rows.astype(np.float32, copy=False))

    def __len__(self) -> int:
        return len(self.index_to_key)

    def __repr__(self) -> str:
        return f"{type(self).__name__} of {len(self):,} words, {self.vector_size} numbers each"

    def __contains__(self, word: object) -> bool:
        return is_key(word) and self.get_index(word, -1) >= 0

    def get_index(self, key: Key, default: int | None = None) -> int:
        """The place of a word, or a place itself if there is one of that number.

        Raises:
          KeyError: with close matches, if the word is unknown and `default` is None.
          TypeError: for bytes or a bool, which Python takes for numbers.

        >>> WordTable(["a", "b"], np.eye(2)).get_index("x", -1)
        -1
        """
        place = -1
        if isinstance(key, str):
            place = self.key_to_index.get(key, -1)
        elif isinstance(key, NO_KEY):
            raise _no_key(key)
        elif isinstance(key, Key) and key < len(self):
            place = int(key)
        if place >= 0:
            return place
        if default is not None:
            return default
        raise UnknownWord(str(key), self.index_to_key)

    def __getitem__(self, words: Key | Iterable[Key]) -> np.ndarray:
        """The vector of a word [D], or those of many [n, D]; see `get_vector`."""
        if isinstance(words, Key):
            return self.get_vector(words)
        return self.vectors[[self.get_index(word) for word in keys(words)]]

    def get_vector(self, key: Key, norm: bool = False) -> np.ndarray:
        """The vector of a word, [D], which cannot be written to.

        Args:
          key: the word.
          norm: whether to scale it to length 1.

        Raises:
          KeyError: for an unknown word, with close matches.

        >>> print(WordTable(["a"], [[3, 4]]).get_vector("a", norm=True))
        [0.6 0.8]
        """
        vector = self.get_normed_vectors([key])[0] if norm else self.vectors[self.get_index(key)]
        vector.setflags(write=False)
        return vector

    def get_vecattr(self, key: Key, attr: str) -> int:
        """The count of a word; ``"count"`` is the only attribute.

        Raises:
          KeyError: for an unknown word, another attribute, or if counts are unknown.

        >>> WordTable(["a", "b"], np.eye(2), counts=[7, 3]).get_vecattr("b", "count")
        3
        """
        place = self.get_index(key)
        if attr != "count" or self.counts is None:
            raise KeyError(f"these vectors have no attribute {attr!r} of words")
        return int(self.counts[place])

    def add_vectors(
        self,
        keys: str | Sequence[str],
        weights: np.ndarray | Sequence[Sequence[float]],
        extras: Mapping[str, np.ndarray | Sequence[int]] | None = None,
        replace: bool = False,
    ) -> None:
        """Adds words at the end, in place, whatever their counts.

        Args:
          keys: a word, or `n` words.
          weights: its vector [D], or theirs [n, D].
          extras: ``{"count": int[n]}``, or nothing; counts that are not given are 0. (gensim's
            own extras fail.)
          replace: whether words that are there take the new vectors and counts, or keep theirs.

        Raises:
          ValueError: if the shapes do not fit, or a word comes twice; nothing is added then.

        >>> wv = WordTable(["a"], [[1, 0]])
        >>> wv.add_vectors(["b", "a"], [[0, 1], [0, 2]])
        >>> wv.index_to_key, wv["a"].tolist()
        (['a', 'b'], [1.0, 0.0])
        """
        keys = [keys] if isinstance(keys, str) else word_list(keys)
        rows = np.atleast_2d(np.asarray(weights, self.vectors.dtype))
        if rows.shape != (len(keys), self.vector_size):
            raise ValueError(
                f"{len(keys)} words need vectors [{len(keys)}, {self.vector_size}]; "
                f"got {rows.shape}"
            )
        if extras and set(extras) != {"count"}:
            raise ValueError(f"words have no extras but 'count'; got {', '.join(extras)}")
        counts = whole_counts(extras["count"]) if extras else None
        if counts is not None and counts.shape != (len(keys),):
            raise ValueError(f"{len(keys)} words need as many counts, not {counts.shape}")
        _check_unique(keys)

        new = np.array([key not in self.key_to_index for key in keys], bool)
        known = [self.key_to_index[key] for key in keys if key in self.key_to_index]
        if counts is not None or self.counts is not None:
            before = np.zeros(len(self), np.int64) if self.counts is None else self.counts
            added = np.zeros(len(keys), np.int64) if counts is None else counts
            self.counts = np.concatenate([before, added[new]])
            if replace and counts is not None:
                self.counts[known] = counts[~new]
        self.vectors = np.concatenate([self.vectors, rows[new]])
        if replace:
            self.vectors[known] = rows[~new]
        self.index_to_key += [key for key in keys if key not in self.key_to_index]
        self.key_to_index = {word: i for i, word in enumerate(self.index_to_key)}
        self._norms = None

    def sort_by_descending_frequency(self) -> None:
        """Puts the words into falling order of count, in place.

        Equal counts keep their order. (gensim turns it round.)

        Raises:
          KeyError: if the counts are unknown.

        >>> wv = WordTable(["a"], [[1, 0]], counts=[3])
        >>> wv.add_vectors("b", [0, 1], {"count": [5]})
        >>> wv.sort_by_descending_frequency()
        >>> wv.index_to_key
        ['b', 'a']
        """
        if self.counts is None:
            raise KeyError("these vectors have no attribute 'count' of words")
        order = np.argsort(-self.counts, kind="stable")
        if (order[1:] < order[:-1]).any():
            self.index_to_key = [self.index_to_key[i] for i in order]
            self.key_to_index = {word: i for i, word in enumerate(self.index_to_key)}
            self.vectors, self.counts = self.vectors[order], self.counts[order]
            self._norms = None


def is_key(word: object) -> TypeGuard[Key]:
    """Whether something is a word or a place."""
    return isinstance(word, Key) and not isinstance(word, NO_KEY)


def keys(words: Key | Iterable[Key] | None) -> list[Key]:
    """One word, or many, as a list.

    Raises:
      TypeError: for anything else, such as bytes, of which Python makes a list of numbers.
    """
    if words is None:
        return []
    found: list[Any] = [words] if isinstance(words, Key | NO_KEY) else list(words)
    for word in found:
        if not is_key(word):
            raise _no_key(word)
    return found


def _no_key(word: object) -> TypeError:
    return TypeError(f"a word must be a string, or its place; got {word!r}, {type(word)}")


def _check_unique(words: list[str]) -> None:
    if len(set(words)) != len(words):
        twice = Counter(words).most_common(1)[0][0]
        raise ValueError(f"the word {twice!r} comes twice")
