"""`WordQueries`: what words are near to what, of the words of a table."""

from collections.abc import Callable, Iterable, Sequence
from typing import overload

import numpy as np

from jaxvec.vectors import ranking
from jaxvec.vectors.table import NO_KEY, Key, WordTable, keys

Term = Key | np.ndarray | tuple[Key | np.ndarray, float]  # of a query; a vector; with a weight
Terms = Key | np.ndarray | Iterable[Term] | None
Limit = int | None
Neighbors = list[tuple[str, float]]


class WordQueries(WordTable):
    """The methods of `WordVectors` that tell similarities; see there."""

    def similarity(self, word1: Key, word2: Key) -> float:
        """The cosine between two words' vectors; KeyError, with close matches, if unknown."""
        first, second = ranking.unit(self[[word1, word2]].astype(np.float64))
        return float(first @ second)

    def distance(self, word1: Key, word2: Key) -> float:
        """1 - `similarity`."""
        return 1 - self.similarity(word1, word2)

    def distances(
        self, word_or_vector: Key | np.ndarray, other_words: Iterable[Key] | None = None
    ) -> np.ndarray:
        """1 - the cosines of a word, or a vector [D], with other words: float32[n].

        Args:
          word_or_vector: the word or vector.
          other_words: the `n` words; by default, or if there are none, all in order.

        Raises:
          KeyError: for an unknown word, with close matches.
          ValueError: for a vector of another size.

        >>> WordQueries(["a", "b"], [[1, 0], [0, 2]]).distances("a").tolist()
        [0.0, 1.0]
        """
        vector, _ = self._unit_terms([word_or_vector])
        others = keys(other_words)
        table = self[others] if others else self.vectors
        return (1 - ranking.exact_cosines(table, vector)[0]).astype(np.float32)

    def n_similarity(self, words1: Iterable[Key], words2: Iterable[Key]) -> float:
        """The cosine between the mean vectors of two lists of words.

        Words that are unknown are left out, and a list without a known one has the cosine 0,
        as with gensim.

        Raises:
          ValueError: if a list is empty. (gensim: ZeroDivisionError.)

        >>> wv = WordQueries(["a", "b", "c"], [[1, 0], [1, 1], [0, 1]])
        >>> round(wv.n_similarity(["a", "c"], ["b", "unheard"]), 4)
        1.0
        """
        means = []
        for words in (keys(words1), keys(words2)):
            if not words:
                raise ValueError("n_similarity needs a word or more in each list")
            places = [self.get_index(word) for word in words if word in self]
            means.append(ranking.unit(self.vectors[places].sum(axis=0, dtype=np.float64)))
        return float(means[0] @ means[1])

    @overload
    def most_similar(
        self, positive: Terms = ..., negative: Terms = ..., topn: int = ...,
        restrict_vocab: Limit = ...,
    ) -> Neighbors: ...  # fmt: skip
    @overload
    def most_similar(
        self, positive: Terms = ..., negative: Terms = ..., *, topn: None,
        restrict_vocab: Limit = ...,
    ) -> np.ndarray: ...  # fmt: skip
    def most_similar(self, positive=None, negative=None, topn=10, restrict_vocab=None):
        """The words nearest by cosine to Σ w v / |Σ w v| over the terms of a query.

        v is the unit vector of a word, or a vector as it is given; the weight w is 1 if it is
        positive and -1 if negative. A term may be a pair of word or vector and weight, which
        holds as it is: ``negative=[("a", 0.5)]`` pulls, as with gensim.

        Args:
          positive: a word, a vector [D], or a list of terms, that pull.
          negative: the same, that push away.
          topn: how many to return. The words asked about are never among them. None: the
            cosines of all words, those asked about too.
          restrict_vocab: look among the first so many words only.

        Returns:
          Pairs of word and cosine, the nearest first; for ``topn=None`` float32[V], or as
          many as `restrict_vocab` leaves.

        Raises:
          KeyError: for an unknown word, with close matches.
          ValueError: if no word is given, or a vector of another size.

        >>> words, table = ["man", "king", "woman", "queen"], [[0, 1], [1, 1], [0, 2], [1, 2]]
        >>> wv = WordQueries(words, table)
        >>> wv.most_similar(["king", "woman"], ["man"], topn=1)[0][0]
        'queen'
        """
        terms = [_weighted(term, 1) for term in listed(positive)]
        terms += [_weighted(term, -1) for term in listed(negative)]
        if not terms:
            raise ValueError("most_similar needs at least one word")
        vectors, asked = self._unit_terms(term for term, _ in terms)
        query = np.array([[weight for _, weight in terms]]) @ vectors
        scores = self._cosines(query, restrict_vocab)[0]
        return self._ranked(scores, asked, topn, lambda t: ranking.exact_cosines(t, query)[0])

    @overload
    def most_similar_cosmul(
        self, positive: Terms = ..., negative: Terms = ..., topn: int = ...,
        restrict_vocab: Limit = ...,
    ) -> Neighbors: ...  # fmt: skip
    @overload
    def most_similar_cosmul(
        self, positive: Terms = ..., negative: Terms = ..., *, topn: None,
        restrict_vocab: Limit = ...,
    ) -> np.ndarray: ...  # fmt: skip
    def most_similar_cosmul(self, positive=None, negative=None, topn=10, restrict_vocab=None):
        """The words with the highest 3CosMul score; see `ranking.cosmul` for the formula.

        Vectors are scaled to length 1, and `restrict_vocab` holds. (gensim does neither.)

        Args:
          positive: a word, a vector [D], or a list of them, that pull.
          negative: the same, that push away.
          topn: how many to return, as in `most_similar`.
          restrict_vocab: look among the first so many words only.

        Returns:
          Pairs of word and score, the best first; for ``topn=None`` float32[V], or as
          many as `restrict_vocab` leaves.

        Raises:
          KeyError: for an unknown word, with close matches.
          ValueError: if no positive word is given, or a vector of another size.

        >>> words, table = ["man", "king", "woman", "queen"], [[0, 1], [1, 1], [0, 2], [1, 2]]
        >>> wv = WordQueries(words, table)
        >>> wv.most_similar_cosmul(["king", "woman"], ["man"], topn=1)[0][0]
        'queen'
        """
        pulls, asked = self._unit_terms(listed(positive))
        pushes, asked_too = self._unit_terms(listed(negative))
        if not len(pulls):
            raise ValueError("most_similar_cosmul needs at least one positive word")
        scores = ranking.cosmul(
            self._cosines(pulls, restrict_vocab), self._cosines(pushes, restrict_vocab)
        )
        return self._ranked(
            scores, asked + asked_too, topn,
            lambda t: ranking.cosmul(*(ranking.exact_cosines(t, side) for side in (pulls, pushes))),
        )  # fmt: skip

    def most_similar_dot(
        self, key: Key | np.ndarray, topn: int = 10, restrict_vocab: Limit = None
    ) -> Neighbors:
        """The words with the highest products u·v with a word's vector v, as the models have it.

        Not scaled to length 1: long vectors, often of frequent words, come first.

        Args:
          key: a word, or a vector [D].
          topn: how many to return, the word asked about not among them.
          restrict_vocab: look among the first so many words only.

        Returns:
          Pairs of word and product, the highest first.

        Raises:
          KeyError: for an unknown word, with close matches.

        >>> wv = WordQueries(["a", "b", "c"], [[1, 0], [1, 1], [3, 4]])
        >>> wv.most_similar_dot("a", topn=2), wv.most_similar("a", topn=1)[0][0]
        ([('c', 3.0), ('b', 1.0)], 'b')
        """
        known = self.vectors[: restrict_vocab or None].astype(np.float32, copy=False)
        vector, asked = key, []
        if isinstance(key, Key | NO_KEY):
            vector, asked = self.get_vector(key), [self.get_index(key)]
        return self._ranked(known @ np.asarray(vector, np.float32), asked, topn)

    @overload
    def similar_by_word(
        self, word: Key, topn: int = ..., restrict_vocab: Limit = ...
    ) -> Neighbors: ...
    @overload
    def similar_by_word(self, word: Key, topn: None, restrict_vocab: Limit = ...) -> np.ndarray: ...
    def similar_by_word(self, word, topn=10, restrict_vocab=None):
        """`most_similar` to a word."""
        return self.most_similar([word], topn=topn, restrict_vocab=restrict_vocab)

    @overload
    def similar_by_vector(
        self, vector: np.ndarray, topn: int = ..., restrict_vocab: Limit = ...
    ) -> Neighbors: ...
    @overload
    def similar_by_vector(
        self, vector: np.ndarray, topn: None, restrict_vocab: Limit = ...
    ) -> np.ndarray: ...
    def similar_by_vector(self, vector, topn=10, restrict_vocab=None):
        """`most_similar` to a vector [D]; a word that has this vector is found too."""
        return self.most_similar([vector], topn=topn, restrict_vocab=restrict_vocab)

    def most_similar_many(
        self, words: Sequence[Key], topn: int = 10, restrict_vocab: Limit = None
    ) -> list[Neighbors]:
        """`most_similar` to each of many words, in one compiled call.

        Worth it from some hundred words on; each new number of words, or `topn`, is compiled
        once. For vectors see `neighbors.cosine_top`, which this calls. Where float32 leaves the
        order in doubt, `most_similar` decides.

        Raises:
          KeyError: for an unknown word, with close matches.

        >>> wv = WordQueries(["a", "b", "c"], [[1, 0], [1, 1], [0, 1]])
        >>> [found[0][0] for found in wv.most_similar_many(["a", "c"], topn=1)]
        ['b', 'b']
        """
        from jaxvec.vectors import neighbors  # starts JAX, which no other query needs

        asked = np.array([self.get_index(word) for word in keys(words)], np.int32)
        if not len(asked) or topn < 1:
            return [[] for _ in asked]
        units = ranking.unit(self.vectors[: restrict_vocab or None].astype(np.float32, copy=False))
        top = neighbors.cosine_top(
            units, self.get_normed_vectors(asked), min(topn + 1, len(units)), asked[:, None]
        )
        found = []
        for place, *row in zip(asked, top.indices.tolist(), np.asarray(top.scores), strict=True):
            known = row[1] > -np.inf
            if (-np.diff(row[1][known]) <= ranking.DOUBT).any():
                found.append(self.most_similar(int(place), None, topn, restrict_vocab))
                continue
            pairs = zip(*row, known, strict=True)
            found.append([(self.index_to_key[i], float(s)) for i, s, real in pairs if real][:topn])
        return found

    def doesnt_match(self, words: Iterable[Key]) -> str:
        """The word with the lowest cosine to the mean of all words' unit vectors.

        Unknown words are left out. Of equal ones it is the first of the alphabet, as with
        gensim.

        Raises:
          ValueError: if no word is known.

        >>> WordQueries(["a", "b", "c"], [[1, 0], [1, 0.1], [0, 1]]).doesnt_match(["a", "b", "c"])
        'c'
        """
        places = [self.get_index(word) for word in keys(words) if word in self]
        if not places:
            raise ValueError("doesnt_match needs at least one word that is known")
        units = ranking.unit(self.vectors[places].astype(np.float64))
        scores = (units @ ranking.unit(units.mean(axis=0))).round(12)
        return min(zip(scores.tolist(), (self.index_to_key[i] for i in places), strict=True))[1]

    def closer_than(self, word1: Key, word2: Key) -> list[str]:
        """The words that are nearer to `word1` than `word2` is, in order of place.

        Raises:
          KeyError: for an unknown word, with close matches.

        >>> WordQueries(["a", "b", "c"], [[1, 0], [1, 1], [0, 1]]).closer_than("a", "c")
        ['b']
        """
        distances, asked = self.distances(word1), self.get_index(word1)
        nearer = np.flatnonzero(distances < distances[self.get_index(word2)])
        return [self.index_to_key[i] for i in nearer if i != asked]

    def rank(self, word1: Key, word2: Key) -> int:
        """Which neighbor of `word1` the word `word2` is, from 1: 1 + `closer_than`'s words."""
        return len(self.closer_than(word1, word2)) + 1

    def most_similar_to_given(self, word: Key, words: Sequence[Key]) -> Key:
        """That of some words which is nearest to a word; the first of equal ones.

        Raises:
          KeyError: for an unknown word, with close matches.
          ValueError: if there are no words to choose from.

        >>> WordQueries(["a", "b"], np.eye(2)).most_similar_to_given("a", ["b", "a"])
        'a'
        """
        words = keys(words)
        if not words:
            raise ValueError("most_similar_to_given needs words to choose from")
        return words[int(self.distances(word, words).argmin())]

    def _unit_terms(self, terms: Iterable[Key | np.ndarray]) -> tuple[np.ndarray, list[int]]:
        """Words' unit vectors and vectors as they are, float64[n, D], and the words' places."""
        vectors, places = [], []
        for term in terms:
            if isinstance(term, Key | NO_KEY):
                places.append(self.get_index(term))
                vectors.append(ranking.unit(self.get_vector(term).astype(np.float64)))
                continue
            vectors.append(np.asarray(term, np.float64))
            if vectors[-1].shape != (self.vector_size,):
                raise ValueError(
                    f"a vector must be [{self.vector_size}]; got {list(vectors[-1].shape)}"
                )
            if not np.isfinite(vectors[-1]).all():
                raise ValueError("a vector must hold finite numbers; this one has NaN or infinity")
        return np.array(vectors, np.float64).reshape(-1, self.vector_size), places

    def _cosines(self, vectors: np.ndarray, restrict_vocab: Limit = None) -> np.ndarray:
        """The cosines of vectors [n, D] of any length with those of the (first) words, [n, V]."""
        known = slice(restrict_vocab or None)
        return ranking.cosines(self.vectors[known], self.norms[known], ranking.unit(vectors))

    def _ranked(
        self,
        scores: np.ndarray,
        asked: list[int],
        topn: int | None,
        exact: Callable[[np.ndarray], np.ndarray] | None = None,
    ):
        """The best words but those asked about, or for None all scores.

        Where rounding leaves in doubt which they are, `exact` makes of vectors what decides.
        """
        if topn is None:
            return scores
        if topn <= 0:
            return []
        places = np.arange(len(scores))
        if exact is not None:
            places = ranking.in_doubt(scores, topn + len(asked))
            scores = exact(self.vectors[places])
        best = ranking.highest(scores, topn + len(asked))
        found = [(self.index_to_key[places[i]], float(scores[i])) for i in best
                 if places[i] not in asked]  # fmt: skip
        return found[:topn]


def listed(terms) -> list:
    """One term, or many, as a list."""
    if terms is None:
        return []
    vector = isinstance(terms, np.ndarray) and terms.ndim == 1 and terms.dtype.kind in "iuf"
    return [terms] if vector or isinstance(terms, Key | NO_KEY) else list(terms)


def _weighted(term: Term, weight: float) -> tuple[Key | np.ndarray, float]:
    """A term with its own weight, or else this one."""
    return term if isinstance(term, tuple) else (term, weight)
