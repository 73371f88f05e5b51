"""`WordVectors`: words and their vectors, to query, compare texts by and score."""

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Self

from numpy.typing import DTypeLike

from jaxvec.messages.gensim import ATTRIBUTES, explained
from jaxvec.vectors import formats
from jaxvec.vectors.queries import Limit, WordQueries
from jaxvec.vectors.queries import Neighbors as Neighbors
from jaxvec.vectors.table import Key


@explained("write WordVectors(words, table), or WordVectors.load(path)")
class WordVectors(WordQueries):
    """`V` words and their `D`-dimensional vectors, in falling order of count.

    Has the interface of gensim's `KeyedVectors`, and its results but for what the methods
    say. Wherever a word is asked for, its place will do. Words of equal score come in the
    order of their places, and a vector of zeros has the cosine 0 with any other.

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

    if not TYPE_CHECKING:  # which knows all attributes there are

        def __getattr__(self, name: str) -> Any:
            instead = f": {ATTRIBUTES[name]}" if name in ATTRIBUTES else ""
            raise AttributeError(f"WordVectors have no attribute {name!r}{instead}")

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes the format that the path's suffix names; see `formats.save`."""
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
        errors: str = "strict",
    ) -> Self:
        """Reads any of those formats, told by content; see `formats.load`."""
        table = formats.load(
            path, limit=limit, dtype=dtype, mmap=mmap, fvocab=fvocab, errors=errors
        )
        vectors = cls.__new__(cls)
        vars(vectors).update(vars(table))
        return vectors

    @classmethod
    def load_word2vec_format(
        cls,
        path: str | os.PathLike[str],
        fvocab: str | os.PathLike[str] | None = None,
        binary: bool = False,
        *,
        limit: int | None = None,
        unicode_errors: str = "strict",
    ) -> Self:
        """gensim's name of `load`; the content, not `binary`, says which format it is."""
        return cls.load(path, limit=limit, fvocab=fvocab, errors=unicode_errors)

    def save_word2vec_format(self, path: str | os.PathLike[str], *, binary: bool = False) -> None:
        """gensim's name of `save`, as word2vec text or `binary`, whatever the suffix."""
        formats.save(self, path, format=".bin" if binary else ".txt")

    def wmdistance(
        self, document1: Sequence[Key], document2: Sequence[Key], norm: bool = True
    ) -> float:
        """The Word Mover's Distance: the least mean way from one text's words to the other's.

        min Σ_ij F_ij |v_i - v_j| over flows F ≥ 0 between the words of both, which for each
        word add up to its share of its text; solved exactly, as a linear program. Words
        that are unknown are left out.

        Args:
          document1: the words of a text.
          document2: those of another.
          norm: whether to scale the vectors to length 1 before.

        Returns:
          The distance; infinity if no word of a text is known. It is 0 between different words
          of the same vectors. (gensim has infinity.)

        Raises:
          ValueError: if a text is a string, and not one word that is known.

        >>> wv = WordVectors(["a", "b", "c"], [[1, 0], [0, 1], [-1, 0]])
        >>> wv.wmdistance(["a", "a", "b", "b"], ["a", "c"])  # half of it stays, half goes √2
        0.7071067811865476

        Source: Kusner et al. 2015, "From Word Embeddings To Document Distances".
        """
        from jaxvec.vectors import transport  # starts scipy

        return transport.word_movers_distance(self, document1, document2, norm)

    def evaluate_word_analogies(
        self,
        analogies: str | os.PathLike[str],
        *,
        restrict_vocab: Limit = 300_000,
        case_insensitive: bool = True,
        dummy4unknown: bool = False,
        similarity_function: str = "most_similar",
    ) -> tuple[float, list[dict[str, Any]]]:
        """The score on a file of analogies, as `evaluate.analogies`, and all answers.

        Args:
          analogies: a file as `questions-words.txt`: ``: section`` lines, four words a line.
          restrict_vocab: know only the first so many words.
          case_insensitive: whether words are the same in upper and lower case.
          dummy4unknown: whether questions with unknown words count as wrong, or not at all.
          similarity_function: the method that answers, or ``"most_similar_cosmul"`` (which
            gensim accepts and does not heed).

        Returns:
          The share of right answers, 0 if nothing could be asked; and the sections, each with
          its name as ``section`` and its questions, four words each, as ``correct`` and
          ``incorrect``. The last has those of all, and the name ``Total accuracy``.

        Raises:
          FileNotFoundError: if there is no such file.
          ValueError: if a line has another form, which gensim skips.
        """
        from jaxvec.vectors import evaluate

        return evaluate.word_analogies(
            self,
            analogies,
            restrict_vocab=restrict_vocab,
            case_insensitive=case_insensitive,
            dummy4unknown=dummy4unknown,
            similarity_function=similarity_function,
        )

    def evaluate_word_pairs(
        self,
        pairs: str | os.PathLike[str],
        *,
        delimiter: str | None = None,
        restrict_vocab: Limit = 300_000,
        case_insensitive: bool = True,
        dummy4unknown: bool = False,
    ) -> tuple[Any, Any, float]:
        """How the cosines of word pairs correlate with people's scores, as `evaluate.pairs`.

        Args:
          pairs: a file of two words and a number a line.
          delimiter: what parts them; by default tabs or, in lines without, white space.
          restrict_vocab: know only the first so many words.
          case_insensitive: whether words are the same in upper and lower case.
          dummy4unknown: whether pairs with unknown words count with a cosine of 0, or not at
            all.

        Returns:
          scipy's results for Pearson's and for Spearman's correlation, each with statistic and
          p-value, and the percentage of pairs with unknown words.

        Raises:
          FileNotFoundError: if there is no such file.
          ValueError: if a line has another form, which gensim skips; or if fewer than two
            pairs are known.
        """
        from jaxvec.vectors import evaluate

        return evaluate.word_pairs(
            self,
            pairs,
            delimiter=delimiter,
            restrict_vocab=restrict_vocab,
            case_insensitive=case_insensitive,
            dummy4unknown=dummy4unknown,
        )
