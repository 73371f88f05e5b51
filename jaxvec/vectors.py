"""`WordVectors`: words and their vectors, to query."""

import os
from collections.abc import Sequence
from typing import Any, overload

import numpy as np
from numpy.typing import DTypeLike

from jaxvec.text.vocab import unknown_word

FLOATING = tuple(np.dtype(name) for name in ("float16", "float32", "float64"))
"""What the numbers of vectors may be."""


class WordVectors:
    """`V` words and their `D`-dimensional vectors, in falling order of count.

    Named after gensim's `KeyedVectors`.

    Attributes:
      index_to_key: the `V` words.
      key_to_index: the place of each.
      vectors: float32[V, D], or of the `dtype` asked for: float16 or float64.
      counts: int64[V], how often each occurs in the text, or None if unknown.
      metadata: what is known of their making, as JSON can hold it; kept by `.npz` and
        safetensors only.

    >>> wv = WordVectors(["a", "b", "c"], [[1, 0], [1, 1], [0, 1]])
    >>> wv.most_similar("a", topn=1)[0][0], round(wv.similarity("a", "b"), 4)
    ('b', 0.7071)
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
        self.index_to_key = list(words)
        self.vectors = np.asarray(vectors, dtype)
        if self.vectors.dtype not in FLOATING:
            raise ValueError(f"vectors must be float16, float32 or float64; got {dtype}")
        self.counts = None if counts is None else np.asarray(counts, np.int64)
        self.metadata = dict(metadata or {})
        if self.vectors.ndim != 2 or len(self.vectors) != len(self.index_to_key):
            raise ValueError(
                f"{len(self.index_to_key)} words need vectors [{len(self.index_to_key)}, D]; "
                f"got {self.vectors.shape}"
            )
        if self.counts is not None:
            if self.counts.shape != (len(self.index_to_key),):
                raise ValueError(f"{len(self)} words need as many counts, not {self.counts.shape}")
            order = np.argsort(-self.counts, kind="stable")
            if (order[1:] < order[:-1]).any():
                self.index_to_key = [self.index_to_key[i] for i in order]
                self.vectors, self.counts = self.vectors[order], self.counts[order]
        self.key_to_index = {word: i for i, word in enumerate(self.index_to_key)}
        if len(self.key_to_index) != len(self.index_to_key):
            twice = next(w for i, w in enumerate(self.index_to_key) if self.key_to_index[w] != i)
            raise ValueError(f"the word {twice!r} comes twice")
        self._unit: np.ndarray | None = None

    @property
    def vector_size(self) -> int:
        """`D`."""
        return self.vectors.shape[1]

    @property
    def unit_vectors(self) -> np.ndarray:
        """The vectors scaled to length 1 (zero vectors stay), float32[V, D]; made once."""
        if self._unit is None:
            table = self.vectors.astype(np.float32, copy=False)
            norms = np.linalg.norm(table, axis=1, keepdims=True)
            self._unit = table / np.where(norms > 0, norms, 1)
        return self._unit

    def __len__(self) -> int:
        return len(self.index_to_key)

    def __repr__(self) -> str:
        return f"WordVectors of {len(self):,} words, {self.vector_size} numbers each"

    def __contains__(self, word: object) -> bool:
        return word in self.key_to_index

    def get_index(self, word: str) -> int:
        """The place of a word; KeyError, with close matches, if it is unknown."""
        if word in self.key_to_index:
            return self.key_to_index[word]
        raise unknown_word(word, self.index_to_key)

    def __getitem__(self, words: str | Sequence[str]) -> np.ndarray:
        """The vector of a word [D], or those of many [n, D]."""
        if isinstance(words, str):
            return self.vectors[self.get_index(words)]
        return self.vectors[[self.get_index(word) for word in words]]

    def similarity(self, word1: str, word2: str) -> float:
        """The cosine between two words' vectors."""
        units = self.unit_vectors
        return float(units[self.get_index(word1)] @ units[self.get_index(word2)])

    @overload
    def most_similar(
        self, positive: str, negative: Sequence[str] = ..., topn: int = ...,
        restrict_vocab: int | None = ...,
    ) -> list[tuple[str, float]]: ...  # fmt: skip
    @overload
    def most_similar(
        self, positive: Sequence[str] = ..., negative: Sequence[str] = ..., topn: int = ...,
        restrict_vocab: int | None = ...,
    ) -> list[tuple[str, float]]: ...  # fmt: skip
    def most_similar(self, positive=(), negative=(), topn=10, restrict_vocab=None):
        """The words nearest to the mean of the unit vectors of some words, less those of others.

        Args:
          positive: a word, or words that pull.
          negative: a word, or words that push away.
          topn: how many to return. The words asked about are never among them.
          restrict_vocab: look among the first so many words only.

        Returns:
          Pairs of word and cosine, the nearest first.

        Raises:
          KeyError: for an unknown word, with close matches.
          ValueError: if no word is given.
        """
        positive = [positive] if isinstance(positive, str) else list(positive)
        negative = [negative] if isinstance(negative, str) else list(negative)
        if not positive + negative:
            raise ValueError("most_similar needs at least one word")
        asked = [self.get_index(word) for word in positive + negative]
        signs = np.repeat([1.0, -1.0], [len(positive), len(negative)])
        units = self.unit_vectors
        query = signs @ units[asked]
        query /= np.linalg.norm(query) or 1
        scores = units[:restrict_vocab] @ query.astype(np.float32)
        scores[[i for i in asked if i < len(scores)]] = -np.inf
        best = np.argsort(-scores, kind="stable")[:topn]
        return [(self.index_to_key[i], float(scores[i])) for i in best if scores[i] > -np.inf]

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes the format that the path's suffix names; see `formats.save`."""
        from jaxvec import formats

        formats.save(self, path)

    @classmethod
    def load(
        cls,
        path: str | os.PathLike[str],
        *,
        limit: int | None = None,
        dtype: DTypeLike | None = None,
        mmap: bool = False,
        fvocab: str | os.PathLike[str] | None = None,
    ) -> "WordVectors":
        """Reads any of those formats, told by content; see `formats.load`."""
        from jaxvec import formats

        return formats.load(path, limit=limit, dtype=dtype, mmap=mmap, fvocab=fvocab)

    @classmethod
    def load_word2vec_format(
        cls,
        path: str | os.PathLike[str],
        fvocab: str | os.PathLike[str] | None = None,
        binary: bool = False,
        *,
        limit: int | None = None,
    ) -> "WordVectors":
        """gensim's name of `load`; the content, not `binary`, says which format it is."""
        return cls.load(path, limit=limit, fvocab=fvocab)

    def save_word2vec_format(self, path: str | os.PathLike[str], *, binary: bool = False) -> None:
        """gensim's name of `save`, as word2vec text or `binary`, whatever the suffix."""
        from jaxvec import formats

        formats.save(self, path, format=".bin" if binary else ".txt")
