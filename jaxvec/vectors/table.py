"""`WordTable`: words and their vectors, to look up, add to and sort."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from jaxvec.text.vocab import UnknownWord, word_list
from jaxvec.vectors import ranking
from jaxvec.vectors.attributes import COUNT, blank, column, put, taken
from jaxvec.vectors.keys import NO_KEY, Key, is_key, key_list, no_key
from jaxvec.vectors.subwords import Subwords

FLOATING = tuple(np.dtype(name) for name in ("float16", "float32", "float64"))
"""The dtypes that vectors may have."""


class WordTable:
    """`V` words and their `D`-dimensional vectors, in the order given.

    It has the attributes of `WordVectors`. Wherever a word is asked for, its place will do, as
    with gensim.

    Args:
      words: the `V` words.
      vectors: [V, D]. An array of the dtype is used as it is, not copied; methods that change
        vectors make a new one, and never write to it.
      counts: how often each word occurs, int[V]; the same as an attribute ``"count"``.
      attributes: other values of the words, an array [V] for each name; see `set_vecattr`. Copied.
      metadata: anything about the vectors that JSON can hold.
      dtype: float16, float32 or float64.
      subwords: the rows of n-grams, from which other words get vectors; by default none.

    Raises:
      TypeError: if a word is no string.
      ValueError: if the shapes do not fit, a word comes twice, a number of a vector is not finite,
        or for another dtype. Memory-mapped vectors are not read for that.
    """

    def __init__(
        self,
        words: Sequence[str],
        vectors: np.ndarray | Sequence[Sequence[float]],
        *,
        counts: np.ndarray | Sequence[int] | None = None,
        attributes: Mapping[str, ArrayLike] | None = None,
        metadata: dict[str, Any] | None = None,
        dtype: DTypeLike = np.float32,
        subwords: Subwords | None = None,
    ):
        self.index_to_key = word_list(words)
        self.vectors = np.asarray(vectors, dtype)
        if self.vectors.dtype not in FLOATING:
            raise ValueError(f"vectors must be float16, float32 or float64; got {dtype}")
        self.metadata = dict(metadata or {})
        self.subwords = subwords
        self._norms: np.ndarray | None = None
        if self.vectors.ndim != 2 or len(self.vectors) != len(self.index_to_key):
            raise ValueError(
                f"{len(self.index_to_key)} words need vectors [{len(self.index_to_key)}, D]; "
                f"got {self.vectors.shape}"
            )
        if not isinstance(vectors, np.memmap):  # which `formats.load` has checked
            ranking.check_finite(self.index_to_key, self.vectors)
        if subwords is not None and subwords.table.shape[1] != self.vector_size:
            raise ValueError(
                f"vectors of {self.vector_size} numbers need rows of n-grams of as many; got "
                f"{subwords.table.shape[1]}"
            )
        given = {**(attributes or {}), **({} if counts is None else {COUNT: counts})}
        self.attributes = {name: column(name, given[name], len(self)) for name in given}
        self.key_to_index = {word: i for i, word in enumerate(self.index_to_key)}
        _check_unique(self.index_to_key, self.key_to_index)

    @property
    def vector_size(self) -> int:
        """`D`."""
        return self.vectors.shape[1]

    @property
    def counts(self) -> np.ndarray | None:
        """How often each word occurs, int64[V], or None if unknown."""
        return self.attributes.get(COUNT)

    @counts.setter
    def counts(self, counts: ArrayLike) -> None:
        self.attributes[COUNT] = column(COUNT, counts, len(self))

    @property
    def norms(self) -> np.ndarray:
        """The lengths of the vectors, 1 for zero vectors: float32[V], or float64[V] of float64.

        Computed once: after writing into `vectors` call `fill_norms(force=True)`.
        """
        if self._norms is None:
            self._norms = ranking.norms(self.vectors)
        return self._norms

    def fill_norms(self, force: bool = False) -> None:
        """Computes `norms` now, again if `force`."""
        if force:
            self._norms = None
        _ = self.norms

    def get_normed_vectors(self, keys: Iterable[Key] | None = None) -> np.ndarray:
        """Vectors scaled to length 1 (zero vectors stay), a copy: float32[n, D].

        Args:
          keys: the `n` words; by default all.

        Raises:
          KeyError: for an unknown word, with close matches.

        >>> WordTable(["a", "b"], [[3, 4], [0, 2]]).get_normed_vectors(["b"]).tolist()
        [[0.0, 1.0]]
        """
        rows = self.vectors if keys is None else self[keys]
        return ranking.units(rows)

    def __len__(self) -> int:
        return len(self.index_to_key)

    def __repr__(self) -> str:
        return f"{type(self).__name__} of {len(self):,} words, {self.vector_size} numbers each"

    def __contains__(self, word: object) -> bool:
        return is_key(word) and self.has_index_for(word)

    def has_index_for(self, key: Key) -> bool:
        """Whether there is such a word or place; TypeError for bytes or a bool."""
        return self.get_index(key, -1) >= 0

    def has_vector_for(self, key: Key) -> bool:
        """Whether there is such a word or place, or n-grams of a word that is not here."""
        made = self.subwords is not None and isinstance(key, str) and self.subwords.vector(key)
        return self.has_index_for(key) or isinstance(made, np.ndarray)

    def get_index(self, key: Key, default: int | None = None) -> int:
        """The place of a word, or a place itself if there is one of that number.

        Args:
          key: the word or place.
          default: returned for unknown words, if it is not None.

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
            raise no_key(key)
        elif isinstance(key, Key) and key < len(self):
            place = int(key)
        if place >= 0:
            return place
        if default is not None:
            return default
        raise UnknownWord(str(key), self.index_to_key)

    def __getitem__(self, words: Key | Iterable[Key]) -> np.ndarray:
        """The vector of a word [D], or the vectors of many [n, D]; see `get_vector`."""
        if isinstance(words, Key):
            return self.get_vector(words)
        asked = key_list(words)
        if self.subwords is None:
            return self.vectors[[self.get_index(word) for word in asked]]
        return np.array([self._row(word) for word in asked]).reshape(-1, self.vector_size)

    def _row(self, key: Key) -> np.ndarray:
        """The vector of a word; of an unknown one, from its n-grams, if there are any."""
        place = self.get_index(key, -1)
        if place < 0 and self.subwords is not None and isinstance(key, str):
            found = self.subwords.vector(key)
            if found is not None:
                return found.astype(self.vectors.dtype, copy=False)
        return self.vectors[place if place >= 0 else self.get_index(key)]

    def get_vector(self, key: Key, norm: bool = False) -> np.ndarray:
        """The vector of a word, [D], which cannot be written to.

        Of a word that is not among them, it is the mean of the rows of its n-grams, if these
        vectors have `subwords`.

        Args:
          key: the word.
          norm: whether to scale it to length 1.

        Raises:
          KeyError: for an unknown word, with close matches, if it has no n-grams either.

        >>> print(WordTable(["a"], [[3, 4]]).get_vector("a", norm=True))
        [0.6 0.8]
        """
        vector = self.get_normed_vectors([key])[0] if norm else self._row(key)
        vector.setflags(write=False)
        return vector

    def get_vecattr(self, key: Key, attr: str) -> Any:
        """The value of an attribute, such as ``"count"``, of a word.

        Args:
          key: the word.
          attr: the name of the attribute.

        Raises:
          KeyError: for an unknown word, or an attribute that no word has.

        >>> WordTable(["a", "b"], np.eye(2), counts=[7, 3]).get_vecattr("b", "count")
        3
        """
        place = self.get_index(key)
        if attr not in self.attributes:
            raise KeyError(f"these vectors have no attribute {attr!r} of words")
        return self.attributes[attr].item(place)

    def set_vecattr(self, key: Key, attr: str, val: Any) -> None:
        """Gives a word a value of an attribute.

        The first value sets the attribute's dtype, and words without a value have 0, False, or
        None among strings. `.npz` and safetensors keep attributes; other formats warn.

        Args:
          key: the word.
          attr: the name of the attribute; ``"count"`` takes whole numbers from 0.
          val: a number, a bool or a string.

        Raises:
          KeyError: for an unknown word, with close matches.
          TypeError: for a value that the attribute's dtype cannot hold.

        >>> wv = WordTable(["a", "b"], np.eye(2))
        >>> wv.set_vecattr("b", "hue", "red")
        >>> wv.get_vecattr("b", "hue"), wv.get_vecattr("a", "hue")
        ('red', None)
        """
        place, value = self.get_index(key), column(attr, [val], 1)
        values = self.attributes.get(attr, blank(value, len(self)))
        put(attr, values, [place], value)
        self.attributes[attr] = values

    def add_vector(self, key: str, vector: ArrayLike) -> int:
        """Adds a word at the end, in place, and returns its place; `add_vectors` adds many faster.

        Args:
          key: the word.
          vector: float[D].

        Raises:
          ValueError: for a vector of another size, or a word that has one. (gensim keeps the old
            vector then, and returns a place that does not exist.)

        >>> WordTable(["a"], [[1, 0]]).add_vector("b", [0, 1])
        1
        """
        if key in self.key_to_index:
            raise ValueError(f"the word {key!r} has a vector; give it another by wv[{key!r}] = …")
        self.add_vectors([key], np.asarray(vector)[None])
        return len(self) - 1

    def __setitem__(self, keys: str | Sequence[str], weights: ArrayLike) -> None:
        self.add_vectors(keys, weights, replace=True)

    def add_vectors(
        self,
        keys: str | Sequence[str],
        weights: ArrayLike,
        extras: Mapping[str, ArrayLike] | None = None,
        replace: bool = False,
    ) -> None:
        """Adds words at the end, in place, whatever their counts.

        Args:
          keys: a word, or `n` words.
          weights: its vector [D], or theirs [n, D].
          extras: values of attributes, an array [n] for each name, ``{"count": int[n]}``. For
            attributes that are not given, words have 0, False or None. (gensim's fail.)
          replace: whether words that are there take the new vectors and values, or keep theirs.

        Raises:
          TypeError: if a word is no string, or a value of another kind than the attribute's.
          ValueError: if the shapes do not fit, a word comes twice, or a number is not finite; then
            nothing is added.

        >>> wv = WordTable(["a"], [[1, 0]])
        >>> wv.add_vectors(["b", "a"], [[0, 1], [0, 2]])
        >>> wv.index_to_key, wv["a"].tolist()
        (['a', 'b'], [1.0, 0.0])
        """
        keys = word_list([keys] if isinstance(keys, Key | NO_KEY) else keys)
        rows = np.atleast_2d(np.asarray(weights, self.vectors.dtype))
        if rows.shape != (len(keys), self.vector_size):
            raise ValueError(
                f"{len(keys)} words need vectors [{len(keys)}, {self.vector_size}]; "
                f"got {rows.shape}"
            )
        given = {name: column(name, values, len(keys)) for name, values in (extras or {}).items()}
        _check_unique(keys, set(keys))
        ranking.check_finite(keys, rows)
        new = np.array([key not in self.key_to_index for key in keys], bool)
        known = [self.key_to_index[key] for key in keys if key in self.key_to_index]
        grown = {}
        for name in {**self.attributes, **given}:
            old = self.attributes[name] if name in self.attributes else given[name]
            values = blank(old, len(self) + int(new.sum()))
            values[: len(self)] = self.attributes.get(name, blank(old, len(self)))
            if name in given:
                put(name, values, np.arange(len(self), len(values)), given[name][new])
            if name in given and replace:
                put(name, values, known, given[name][~new])
            grown[name] = values
        self.attributes = grown
        self.vectors = np.concatenate([self.vectors, rows[new]])
        if replace:
            self.vectors[known] = rows[~new]
        # a new list, as a shallow copy of this table has the old one
        added = [key for key in keys if key not in self.key_to_index]
        self.index_to_key = self.index_to_key + added
        self.key_to_index = {word: i for i, word in enumerate(self.index_to_key)}
        self._norms = None

    def vectors_for_all(
        self, keys: Iterable[Key], allow_inference: bool = True, copy_vecattrs: bool = False
    ) -> Self:
        """A copy of the vectors of some words, in the order asked for, each once.

        Args:
          keys: words, of which unknown ones are left out. The n-grams stay.
          allow_inference: whether a number stands for the word at that place, and n-grams make
            vectors of words that these vectors lack, or both are unknown.
          copy_vecattrs: whether to keep their counts and other attributes.

        Raises:
          TypeError: for bytes or a bool among the words.

        >>> wv = WordTable(["a", "b", "c"], np.eye(3), counts=[9, 5, 1])
        >>> some = wv.vectors_for_all(["c", "a", "unheard", "c"], copy_vecattrs=True)
        >>> some.index_to_key, some.counts.tolist()
        (['c', 'a'], [1, 9])
        """
        found: dict[str, int] = {}
        for key in key_list(keys):
            place = self.get_index(key, -1) if allow_inference or isinstance(key, str) else -1
            if place >= 0 or (allow_inference and self.has_vector_for(key)):
                found[self.index_to_key[place] if place >= 0 else str(key)] = place
        places = np.array([*found.values()], int)
        kept = {name: taken(values, places) for name, values in self.attributes.items()}
        return type(self)(
            list(found), self[list(found)], attributes=kept if copy_vecattrs else None,
            dtype=self.vectors.dtype, subwords=self.subwords,
        )  # fmt: skip

    def sort_by_descending_frequency(self) -> None:
        """Puts the words into falling order of count, in place.

        Equal counts keep their order. (gensim turns it round.)

        Raises:
          KeyError: if the counts are unknown.

        >>> wv = WordTable(["a", "b"], [[1, 0], [0, 1]], counts=[3, 5])
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
            self.vectors = self.vectors[order]
            self.attributes = {name: values[order] for name, values in self.attributes.items()}
            self._norms = None

    def unit_normalize_all(self) -> None:
        """Scales all vectors to length 1, in place; zero vectors stay.

        Raises:
          ValueError: with `subwords`: vectors made of n-grams would keep their lengths.
        """
        if self.subwords is not None:
            raise ValueError("unknown words' vectors cannot be scaled: set subwords = None first")
        self.vectors = ranking.unit(self.vectors.astype(np.float64)).astype(self.vectors.dtype)
        self._norms = None


def _check_unique(words: list[str], different: Collection[str]) -> None:
    if len(different) != len(words):
        twice = Counter(words).most_common(1)[0][0]
        raise ValueError(f"the word {twice!r} comes twice")
