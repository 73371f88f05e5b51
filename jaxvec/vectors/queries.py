"""`WordQueries`: searches of the vocabulary for the words that are nearest to others."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, overload

import numpy as np

from jaxvec.messages.numbers import check_number, check_whole
from jaxvec.vectors import ranking
from jaxvec.vectors.forks import check_jax_runs
from jaxvec.vectors.keys import NO_KEY, Key, key_list, limited, term_list
from jaxvec.vectors.similarities import Similarities

Term = Key | np.ndarray | tuple[Key | np.ndarray, float]  # of a query; a vector; with a weight
Terms = Key | np.ndarray | Iterable[Term] | None
Limit = int | None
Neighbors = list[tuple[str, float]]


class WordQueries(Similarities):
    """The methods of `WordVectors` that search the vocabulary.

    Arguments that all of them share:

      topn: the number of words to return, none if it is below 1. None: the scores of all words,
        also of those asked about. TypeError for other than whole numbers.
      restrict_vocab: search only this many words, from the first on; a whole number from 1, or
        None for all.
    """

    @overload
    def most_similar(
        self, positive: Terms = ..., negative: Terms = ..., topn: int = ...,
        clip_start: int = ..., clip_end: Limit = ..., restrict_vocab: Limit = ...,
    ) -> Neighbors: ...  # fmt: skip
    @overload
    def most_similar(
        self, positive: Terms = ..., negative: Terms = ..., *, topn: None,
        clip_start: int = ..., clip_end: Limit = ..., restrict_vocab: Limit = ...,
    ) -> np.ndarray: ...  # fmt: skip
    def most_similar(
        self, positive=None, negative=None, topn=10, clip_start=0, clip_end=None,
        restrict_vocab=None,
    ):  # fmt: skip
        """The words nearest by cosine to Σ w v / |Σ w v| over the terms of a query.

        v is the unit vector of a word, or a vector as it is given; the weight w is 1 if it is
        positive and -1 if negative. The weight of a (term, weight) pair keeps its sign:
        ``negative=[("a", 0.5)]`` attracts, as with gensim.

        Args:
          positive: a word, a vector [D], or a list of terms, that attract.
          negative: the same, that repel.
          topn: the number of words to return; those asked about are left out. None: the cosines
            of all words searched, also of those asked about.
          clip_start, clip_end: the place of the first word to search, and the one after the last.
          restrict_vocab: search only this many words, from the first on; overrides both.

        Returns:
          Pairs of word and cosine, the nearest first; for ``topn=None`` float32[V], V the number
          of words searched.

        Raises:
          KeyError: for an unknown word, with close matches.
          TypeError: if a number is not whole.
          ValueError: if no word is given, for a vector of another size, or for limits below 1.

        >>> words, table = ["man", "king", "woman", "queen"], [[0, 1], [1, 1], [0, 2], [1, 2]]
        >>> wv = WordQueries(words, table)
        >>> wv.most_similar(["king", "woman"], ["man"], topn=1)[0][0]
        'queen'
        """
        terms = [_weighted(term, 1) for term in term_list(positive)]
        terms += [_weighted(term, -1) for term in term_list(negative)]
        if not terms:
            raise ValueError("most_similar needs at least one word")
        vectors, asked = self._unit_terms(term for term, _ in terms)
        query = np.array([[weight for _, weight in terms]]) @ vectors
        known = slice(limited(restrict_vocab))
        if restrict_vocab is None:
            known = slice(
                check_whole("clip_start", clip_start, least=0), limited(clip_end, "clip_end")
            )
        scores = self._cosines(query, known)[0]
        return self._ranked(
            scores, asked, topn, lambda t: ranking.exact_cosines(t, query)[0], known.start or 0
        )

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
          positive: a word, a vector [D], or a list of them, that attract.
          negative: the same, that repel.
          topn: the number of words to return, as in `most_similar`.
          restrict_vocab: search only this many words, from the first on.

        Returns:
          Pairs of word and score, the best first; for ``topn=None`` float32[V], V the number of
          words searched.

        Raises:
          KeyError: for an unknown word, with close matches.
          TypeError: if a number is not whole.
          ValueError: if no positive word is given, for a vector of another size, or for limits
            below 1.

        >>> words, table = ["man", "king", "woman", "queen"], [[0, 1], [1, 1], [0, 2], [1, 2]]
        >>> wv = WordQueries(words, table)
        >>> wv.most_similar_cosmul(["king", "woman"], ["man"], topn=1)[0][0]
        'queen'
        """
        pulls, asked = self._unit_terms(term_list(positive))
        pushes, asked_too = self._unit_terms(term_list(negative))
        if not len(pulls):
            raise ValueError("most_similar_cosmul needs at least one positive word")
        known = slice(limited(restrict_vocab))
        scores = ranking.cosmul(self._cosines(pulls, known), self._cosines(pushes, known))
        return self._ranked(
            scores, asked + asked_too, topn,
            lambda t: ranking.cosmul(*(ranking.exact_cosines(t, side) for side in (pulls, pushes))),
        )  # fmt: skip

    def most_similar_dot(
        self, key: Key | np.ndarray, topn: int = 10, restrict_vocab: Limit = None
    ) -> Neighbors:
        """The words u with the highest products u·v with a word's vector v, as in the losses.

        Not scaled to length 1: long vectors, often of frequent words, come first.

        Args:
          key: a word, or a vector [D].
          topn: the number of words to return; the word asked about is left out.
          restrict_vocab: search only this many words, from the first on.

        Returns:
          Pairs of word and product, the highest first.

        Raises:
          KeyError: for an unknown word, with close matches.
          ValueError: if a product exceeds float64.

        >>> wv = WordQueries(["a", "b", "c"], [[1, 0], [1, 1], [3, 4]])
        >>> wv.most_similar_dot("a", topn=2), wv.most_similar("a", topn=1)[0][0]
        ([('c', 3.0), ('b', 1.0)], 'b')
        """
        known, vector, asked = self.vectors[: limited(restrict_vocab)], key, []
        if isinstance(key, Key | NO_KEY):
            vector, asked = self.get_vector(key), [self.get_index(key, -1)]
        dtype = np.promote_types(known.dtype, np.float32)
        with np.errstate(over="ignore", invalid="ignore"):
            scores = known.astype(dtype, copy=False) @ np.asarray(vector, dtype)
            if not np.isfinite(scores).all():
                scores = known.astype(np.float64) @ np.asarray(vector, np.float64)
        if not np.isfinite(scores).all():
            raise ValueError("products of these vectors are beyond float64: use most_similar")
        return self._ranked(scores, asked, topn)

    @overload
    def similar_by_key(
        self, key: Key, topn: int = ..., restrict_vocab: Limit = ...
    ) -> Neighbors: ...
    @overload
    def similar_by_key(self, key: Key, topn: None, restrict_vocab: Limit = ...) -> np.ndarray: ...
    def similar_by_key(self, key, topn=10, restrict_vocab=None):
        """`most_similar` to one word.

        Args:
          key: the word.
          topn, restrict_vocab: as in `most_similar`.
        """
        return self.most_similar([key], topn=topn, restrict_vocab=restrict_vocab)

    @overload
    def similar_by_word(
        self, word: Key, topn: int = ..., restrict_vocab: Limit = ...
    ) -> Neighbors: ...
    @overload
    def similar_by_word(self, word: Key, topn: None, restrict_vocab: Limit = ...) -> np.ndarray: ...
    def similar_by_word(self, word, topn=10, restrict_vocab=None):
        """`similar_by_key`, by another name of gensim's.

        Args:
          word: the word.
          topn, restrict_vocab: as in `most_similar`.
        """
        return self.similar_by_key(word, topn, restrict_vocab)

    @overload
    def similar_by_vector(
        self, vector: np.ndarray, topn: int = ..., restrict_vocab: Limit = ...
    ) -> Neighbors: ...
    @overload
    def similar_by_vector(
        self, vector: np.ndarray, topn: None, restrict_vocab: Limit = ...
    ) -> np.ndarray: ...
    def similar_by_vector(self, vector, topn=10, restrict_vocab=None):
        """`most_similar` to a vector; a word that has this vector is found too.

        Args:
          vector: float[D].
          topn, restrict_vocab: as in `most_similar`.
        """
        return self.most_similar([vector], topn=topn, restrict_vocab=restrict_vocab)

    def most_similar_many(
        self,
        words: Sequence[Key],
        topn: int = 10,
        restrict_vocab: Limit = None,
        recall: float | None = None,
    ) -> list[Neighbors]:
        """`most_similar` to each of many words, in one compiled call.

        Worth it from some hundred words on; each new number of words, or `topn`, is compiled
        once. For vectors see `neighbors.cosine_top`, which this calls. Where float32 leaves the
        order in doubt, `most_similar` decides.

        Args:
          words: the words.
          topn: the number of neighbors of each.
          restrict_vocab: search only this many words, from the first on.
          recall: the expected share of neighbors found by an approximate search; see `cosine_top`.

        Raises:
          KeyError: for an unknown word, with close matches.
          TypeError: if a number is not whole.
          ValueError: for a limit below 1, or a recall out of bounds.
          RuntimeError: in a process that was forked off one that had imported JAX, which hangs
            there; `most_similar` works.

        >>> wv = WordQueries(["a", "b", "c"], [[1, 0], [1, 1], [0, 1]])
        >>> [found[0][0] for found in wv.most_similar_many(["a", "c"], topn=1)]
        ['b', 'b']
        """
        check_jax_runs("most_similar_many")
        from jaxvec.vectors import neighbors  # starts JAX, which no other query needs

        terms = key_list(words)
        rows = self.get_normed_vectors(terms)
        asked = np.array([self.get_index(word, len(self)) for word in terms], np.int32)
        known = limited(restrict_vocab)
        if check_whole("topn", topn, least=None) < 1 or not len(asked):
            return [[] for _ in asked]
        units = ranking.units(self.vectors[:known])
        top = neighbors.cosine_top(units, rows, min(topn + 1, len(units)), asked[:, None], recall)
        found = []
        for term, *row in zip(terms, top.indices.tolist(), np.asarray(top.scores), strict=True):
            real = row[1] > -np.inf
            if (-np.diff(row[1][real]) <= ranking.DOUBT).any():
                found.append(self.similar_by_key(term, topn, restrict_vocab))
                continue
            pairs = zip(*row, real, strict=True)
            found.append([(self.index_to_key[i], float(s)) for i, s, kept in pairs if kept][:topn])
        return found

    def closer_than(self, key1: Key, key2: Key) -> list[str]:
        """The words whose cosine with `key1` is higher than that of `key2`, in order of place.

        Args:
          key1: the word.
          key2: the other.

        Raises:
          KeyError: for an unknown word, with close matches.

        >>> WordQueries(["a", "b", "c"], [[1, 0], [1, 1], [0, 1]]).closer_than("a", "c")
        ['b']
        """
        distances, asked = self.distances(key1), self.get_index(key1, -1)
        other = self.get_index(key2, -1)
        limit = distances[other] if other >= 0 else self.distances(key1, [key2])
        nearer = np.flatnonzero(distances < limit)
        return [self.index_to_key[i] for i in nearer if i != asked]

    def rank(self, key1: Key, key2: Key) -> int:
        """The rank of `key2` among the neighbors of `key1`: 1 + the number of `closer_than`.

        Args:
          key1: the word.
          key2: the other.

        Raises:
          KeyError: for an unknown word, with close matches.
        """
        return len(self.closer_than(key1, key2)) + 1

    def relative_cosine_similarity(self, wa: Key, wb: Key, topn: int = 10) -> float:
        """cos(a, b) / Σ cos(a, n) over the nearest neighbors n of a; above 1 / topn for synonyms.

        Args:
          wa: the word a.
          wb: the word b.
          topn: the number of neighbors.

        Raises:
          KeyError: for an unknown word, with close matches.
          ValueError: if there is no neighbor, or their cosines add up to 0.

        >>> wv = WordQueries(["a", "b", "c"], [[1, 0], [1, 1], [0, 1]])
        >>> wv.relative_cosine_similarity("a", "b", topn=1)
        1.0

        References:
          Leeuwenberg et al. 2016, "A Minimally Supervised Approach for Synonym Extraction with
          Word Embeddings".
        """
        total = sum(
            score for _, score in self.most_similar(wa, topn=check_whole("topn", topn, least=None))
        )
        if not total:
            raise ValueError(f"the cosines of {topn} neighbors of {wa!r} add up to 0")
        return self.similarity(wa, wb) / total

    def _cosines(self, vectors: np.ndarray, known: slice) -> np.ndarray:
        """The cosines of n vectors [n, D], of any length, with V words: [n, V]."""
        return ranking.cosines(self.vectors[known], self.norms[known], ranking.unit(vectors))

    def _ranked(
        self,
        scores: np.ndarray,
        asked: list[int],
        topn: int | None,
        exact: Callable[[np.ndarray], np.ndarray] | None = None,
        clip_start: int = 0,
    ):
        """The best words, without those asked about; for ``topn=None`` all scores.

        Where rounding leaves in doubt which they are, `exact`, a function of vectors, scores again.
        """
        if topn is None:
            return scores
        if check_whole("topn", topn, least=None) < 1:
            return []
        places = np.arange(len(scores))
        if exact is not None:
            places = ranking.in_doubt(scores, topn + len(asked))
        places += clip_start
        if exact is not None:
            scores = exact(self.vectors[places])
        best = ranking.highest(scores, topn + len(asked))
        found = [(self.index_to_key[places[i]], float(scores[i])) for i in best
                 if places[i] not in asked]  # fmt: skip
        return found[:topn]


def _weighted(term: Any, weight: float) -> tuple[Key | np.ndarray, float]:
    """A term with its own weight, or else this one. A pair may be a list, as with gensim."""
    pair = isinstance(term, tuple | list) and len(term) == 2 and isinstance(term[0], str)
    if not pair and not isinstance(term, tuple):
        return term, weight
    found, own = term
    check_number("the weight of a term", own)
    return found, own
