"""`Similarities`: numbers that compare words and lists of words that are given."""

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import ArrayLike

from jaxvec.messages.kinds import kind
from jaxvec.vectors import ranking
from jaxvec.vectors.keys import NO_KEY, Key, key_list, term_list
from jaxvec.vectors.table import WordTable


class Similarities(WordTable):
    """The methods of `WordVectors` that compare given words; `WordQueries` search the vocabulary.

    Each of them raises a KeyError, with close matches, for an unknown word, unless it says that
    unknown words are left out.
    """

    def similarity(self, w1: Key, w2: Key) -> float:
        """The cosine of two words' vectors.

        Args:
          w1, w2: the words.

        Raises:
          KeyError: for an unknown word.

        >>> round(Similarities(["a", "b"], [[1, 0], [1, 1]]).similarity("a", "b"), 4)
        0.7071
        """
        first, second = ranking.unit(self[[w1, w2]].astype(np.float64))
        return float(first @ second)

    def distance(self, w1: Key, w2: Key) -> float:
        """1 - `similarity`.

        Args:
          w1, w2: the words.

        Raises:
          KeyError: for an unknown word.
        """
        return 1 - self.similarity(w1, w2)

    def distances(
        self, word_or_vector: Key | np.ndarray, other_words: Iterable[Key] | None = ()
    ) -> np.ndarray:
        """1 - the cosines of a word, or a vector [D], with other words: float32[n].

        Args:
          word_or_vector: the word or vector.
          other_words: the `n` words; if there are none, all in order.

        Raises:
          KeyError: for an unknown word, with close matches.
          ValueError: for a vector of another size.

        >>> Similarities(["a", "b"], [[1, 0], [0, 2]]).distances("a").tolist()
        [0.0, 1.0]
        """
        vector, _ = self._unit_terms([word_or_vector])
        others = key_list(other_words)
        table = self[others] if others else self.vectors
        return (1 - ranking.exact_cosines(table, vector)[0]).astype(np.float32)

    @staticmethod
    def cosine_similarities(vector_1: ArrayLike, vectors_all: ArrayLike) -> np.ndarray:
        """The cosines of a vector with others: float64[n].

        Args:
          vector_1: float[D].
          vectors_all: float[n, D]. A vector of zeros has the cosine 0. (gensim: NaN.)

        >>> Similarities.cosine_similarities([1, 0], [[3, 4], [0, 2]]).tolist()
        [0.6, 0.0]
        """
        return ranking.exact_cosines(np.asarray(vectors_all), np.asarray(vector_1)[None])[0]

    def get_mean_vector(
        self,
        keys: Key | np.ndarray | Iterable[Key | np.ndarray],
        weights: ArrayLike | None = None,
        pre_normalize: bool = True,
        post_normalize: bool = False,
        ignore_missing: bool = True,
    ) -> np.ndarray:
        """Σ w v / Σ |w| over words' vectors v and their weights w: float[D].

        Args:
          keys: the `n` words, or vectors [D], which count as they are.
          weights: float[n]; 1 by default.
          pre_normalize: whether to scale words' vectors to length 1 before.
          post_normalize: whether to scale the mean to length 1.
          ignore_missing: whether to leave unknown words out.

        Returns:
          The mean, float64 for float64 vectors and otherwise float32; zeros if no word is known.

        Raises:
          KeyError: for an unknown word, unless `ignore_missing`.
          ValueError: if there are no words, or not a weight for each; for a vector of another size.

        >>> wv = Similarities(["a", "b"], [[1, 0], [0, 4]])
        >>> wv.get_mean_vector(["a", "b", "unheard"], [1, 3, 5]).tolist()
        [0.25, 0.75]
        """
        terms: list[Key | np.ndarray] = term_list(keys)
        if not terms:
            raise ValueError("get_mean_vector needs at least one word or vector")
        each = np.ones(len(terms)) if weights is None else np.asarray(weights, np.float64)
        if each.shape != (len(terms),):
            raise ValueError(
                f"{len(terms)} words need {len(terms)} weights; got shape {each.shape}"
            )
        known = [
            not (ignore_missing and isinstance(term, Key | NO_KEY)) or self.has_vector_for(term)
            for term in terms
        ]
        found = [term for term, there in zip(terms, known, strict=True) if there]
        vectors, _ = self._unit_terms(found, scaled=pre_normalize)
        mean = each[known] @ vectors / (np.abs(each[known]).sum() or 1)
        mean = ranking.unit(mean) if post_normalize else mean
        return mean.astype(np.promote_types(self.vectors.dtype, np.float32))

    def n_similarity(self, ws1: Iterable[Key], ws2: Iterable[Key]) -> float:
        """The cosine of the mean vectors of two lists of words.

        Words that are unknown are left out, and a list without a known one has the cosine 0,
        as with gensim.

        Args:
          ws1, ws2: the lists.

        Raises:
          ValueError: if a list is empty. (gensim: ZeroDivisionError.)

        >>> wv = Similarities(["a", "b", "c"], [[1, 0], [1, 1], [0, 1]])
        >>> round(wv.n_similarity(["a", "c"], ["b", "unheard"]), 4)
        1.0
        """
        means = []
        for words in (key_list(ws1), key_list(ws2)):
            if not words:
                raise ValueError("n_similarity needs a word or more in each list")
            rows = self[[word for word in words if self.has_vector_for(word)]]
            means.append(ranking.unit(rows.sum(axis=0, dtype=np.float64)))
        return float(means[0] @ means[1])

    def rank_by_centrality(
        self, words: Iterable[Key], use_norm: bool = True
    ) -> list[tuple[float, str]]:
        """Words by their closeness to the mean of all: pairs of score and word, the closest first.

        The score of a vector v is v·m, m the mean of all scaled to length 1. Of equal scores the
        last word of the alphabet comes first. Unknown words are left out.

        Args:
          words: the words.
          use_norm: whether to scale vectors to length 1 before, so that scores are cosines.

        Raises:
          ValueError: if no word is known.

        >>> wv = Similarities(["a", "b", "c"], [[1, 0], [1, 0.1], [0, 1]])
        >>> [word for _, word in wv.rank_by_centrality(["a", "b", "c"])]
        ['b', 'a', 'c']
        """
        known = [word for word in key_list(words) if self.has_vector_for(word)]
        if not known:
            raise ValueError("a rank by centrality needs at least one word that is known")
        rows = self[known].astype(np.float64)
        rows = ranking.unit(rows) if use_norm else rows
        scores = (rows @ ranking.unit(rows.mean(axis=0))).round(12).tolist()
        names = [self.index_to_key[self.get_index(w)] if w in self else str(w) for w in known]
        return sorted(zip(scores, names, strict=True))[::-1]

    def doesnt_match(self, words: Iterable[Key]) -> str:
        """The word with the lowest cosine to the mean of all words' unit vectors.

        Unknown words are left out. Of equal ones it is the first of the alphabet, as with
        gensim.

        Raises:
          ValueError: if no word is known.

        >>> Similarities(["a", "b", "c"], [[1, 0], [1, 0.1], [0, 1]]).doesnt_match(["a", "b", "c"])
        'c'
        """
        return self.rank_by_centrality(words)[-1][1]

    def most_similar_to_given(self, key1: Key, keys_list: Sequence[Key]) -> Key:
        """The word of a list that is nearest to a word; the first of equal ones.

        Args:
          key1: the word.
          keys_list: the list.

        Raises:
          KeyError: for an unknown word, with close matches.
          ValueError: if the list is empty.

        >>> Similarities(["a", "b"], np.eye(2)).most_similar_to_given("a", ["b", "a"])
        'a'
        """
        words = key_list(keys_list)
        if not words:
            raise ValueError("most_similar_to_given needs words to choose from")
        return words[int(self.distances(key1, words).argmin())]

    def _unit_terms(
        self, terms: Iterable[Key | np.ndarray], scaled: bool = True
    ) -> tuple[np.ndarray, list[int]]:
        """Words' vectors, scaled to length 1 or not, and given vectors as they are; words' places.

        The vectors are float64[n, D].
        """
        vectors, places = [], []
        for term in terms:
            if isinstance(term, Key | NO_KEY):
                row = self.get_vector(term).astype(np.float64)
                places.append(self.get_index(term, -1))  # -1: from n-grams
                vectors.append(ranking.unit(row) if scaled else row)
                continue
            try:
                vectors.append(np.asarray(term, np.float64))
            except (TypeError, ValueError):
                raise TypeError(f"a term must be a word or a vector; got {term!r}") from None
            if vectors[-1].shape != (self.vector_size,):
                got = list(vectors[-1].shape) or kind(term)
                raise ValueError(f"a vector must be [{self.vector_size}]; got {got}")
            if not np.isfinite(vectors[-1]).all():
                raise ValueError("a vector must hold finite numbers; this one has NaN or infinity")
        return np.array(vectors, np.float64).reshape(-1, self.vector_size), places
