"""`WordVectors`: words and their vectors, to query, compare texts by and score."""

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import DTypeLike

from jaxvec.messages.gensim import ATTRIBUTES, explained
from jaxvec.text.vocab import Vocab
from jaxvec.vectors import formats
from jaxvec.vectors.formats import binary, text
from jaxvec.vectors.keys import Key
from jaxvec.vectors.queries import Limit, WordQueries
from jaxvec.vectors.queries import Neighbors as Neighbors
from jaxvec.vectors.table import WordTable

Path = str | os.PathLike[str]
_GENSIMS_LIMIT = 300_000  # words that its evaluations know


@explained("write WordVectors(words, table), or WordVectors.load(path)")
class WordVectors(WordQueries):
    """`V` words and their `D`-dimensional vectors, in the order given.

    Has the methods of gensim's `KeyedVectors`, their parameters by the same names, and their
    results but for what the methods say. Wherever a word is asked for, its place will do. Words of
    equal score come in the order of their places, and a vector of zeros has the cosine 0 with any
    other.

    Args:
      words: the `V` words; their order stays.
      vectors: [V, D]. An array of the dtype is used as it is, not copied; methods that change
        vectors make a new one, and never write to it.
      counts: how often each word occurs, int[V].
      attributes: other values of the words, an array [V] for each name; see `set_vecattr`.
      metadata: anything about the vectors that JSON can hold.
      dtype: float16, float32 or float64.
      subwords: the rows of n-grams, `subwords.Subwords`, from which unknown words get vectors.

    Attributes:
      index_to_key: the `V` words.
      key_to_index: the place of each.
      vectors: float32[V, D], or of the `dtype`.
      counts: int64[V], or None if unknown.
      attributes: arrays [V] by name, ``"count"`` among them if counts are known.
      metadata: a dict; kept by `.npz` and safetensors only.

    Raises:
      TypeError: if a word is no string.
      ValueError: if the shapes do not fit, a word comes twice, a number of a vector is not finite,
        or for another dtype. Memory-mapped vectors are not read for that.

    >>> wv = WordVectors(["a", "b", "c"], [[1, 0], [1, 1], [0, 1]])
    >>> wv.most_similar("a", topn=1)[0][0], round(wv.similarity("a", "b"), 4)
    ('b', 0.7071)
    """

    if not TYPE_CHECKING:  # which knows all attributes there are

        def __getattr__(self, name: str) -> Any:
            instead = f": {ATTRIBUTES[name]}" if name in ATTRIBUTES else ""
            raise AttributeError(f"WordVectors have no attribute {name!r}{instead}")

    def save(self, path: Path) -> None:
        """Writes the format that the path's suffix names; see `formats.save`."""
        formats.save(self, path)

    @classmethod
    def load(
        cls,
        path: Path,
        *,
        limit: int | None = None,
        dtype: DTypeLike | None = None,
        mmap: bool = False,
        fvocab: Path | None = None,
        encoding: str = "utf8",
        errors: str = "strict",
        force_size: bool = False,
    ) -> Self:
        """Reads any format, recognized by content; see `formats.load`.

        Args:
          path, limit, dtype, mmap, fvocab, encoding, errors, force_size: as for `formats.load`.

        Raises:
          FileNotFoundError, ValueError: as `formats.load`.
        """
        table = formats.load(
            path, limit=limit, dtype=dtype, mmap=mmap, fvocab=fvocab, encoding=encoding,
            errors=errors, force_size=force_size,
        )  # fmt: skip
        return cls._of(table)

    @classmethod
    def load_word2vec_format(
        cls,
        fname: Path,
        fvocab: Path | None = None,
        binary: bool = False,
        encoding: str = "utf8",
        unicode_errors: str = "strict",
        limit: int | None = None,
        datatype: DTypeLike = np.float32,
        no_header: bool = False,
    ) -> Self:
        """Reads word2vec text or binary, or GloVe text, as gensim does; `load` recognizes them.

        Args:
          fname: the file; see `load`.
          fvocab: a word and its count a line. The words keep the order of `fname`, unlike in
            `load`. Without it counts are unknown. (gensim makes some up.)
          binary: whether it is word2vec binary.
          encoding: of the words; one in which ASCII is ASCII.
          unicode_errors: the `errors` of `bytes.decode`.
          limit: read only this many words, from the first on; None for all.
          datatype: float16, float32 or float64.
          no_header: whether it is GloVe text, which does not begin with number and size.

        Raises:
          FileNotFoundError: if there is no such file.
          ValueError: if `binary` or `no_header` does not fit the file, and as `load`.

        >>> path = getfixture("tmp_path") / "glove.txt"
        >>> _ = path.write_text("the 1 2 3\\ncat 4 5 6\\n")
        >>> WordVectors.load_word2vec_format(path, binary=False, no_header=True)
        WordVectors of 2 words, 3 numbers each
        """
        if binary and no_header:
            raise ValueError("no_header=True is for text: word2vec binary begins with a header")
        found = _format(binary, not no_header)
        table = formats.load(
            fname, limit=limit, dtype=datatype, encoding=encoding, errors=unicode_errors,
            kind=found.name,
        )  # fmt: skip
        if fvocab is not None:
            formats.add_counts(table, fvocab, encoding=encoding, errors=unicode_errors)
        return cls._of(table)

    @classmethod
    def _of(cls, table: WordTable) -> Self:
        vectors = cls.__new__(cls)
        vars(vectors).update(vars(table))
        return vectors

    def save_pretrained(self, folder: Path, **options: Any) -> None:
        """Writes a folder that model2vec and sentence-transformers open; see `hub.save`.

        Args:
          folder: a name that is free.
          options: of `hub.save`.
        """
        from jaxvec.vectors import hub

        hub.save(self, folder, **options)

    @classmethod
    def from_pretrained(cls, folder: Path) -> Self:
        """Reads such a folder; see `hub.load`."""
        from jaxvec.vectors import hub

        return cls._of(hub.load(folder))

    def push_to_hub(self, repo_id: str, **options: Any) -> str:
        """Uploads such a folder to the Hugging Face Hub; see `hub.push`.

        Args:
          repo_id: ``"name/of-model"``.
          options: of `hub.push`.
        """
        from jaxvec.vectors import hub

        return hub.push(self, repo_id, **options)

    def save_word2vec_format(
        self,
        fname: Path,
        fvocab: Path | None = None,
        binary: bool = False,
        *,
        write_header: bool = True,
        prefix: str = "",
        sort_attr: str = "count",
    ) -> None:
        """Writes word2vec text or binary, or GloVe text, whatever the suffix, as gensim does.

        Args:
          fname: the file.
          fvocab: a second file, for a word and its count a line.
          binary: whether to write word2vec binary.
          write_header: whether to begin with number and size; without them it is GloVe text.
          prefix: put before each word.
          sort_attr: write the words in falling order of this attribute, whose values `fvocab`
            gets; words without counts keep their order.

        Raises:
          FileNotFoundError: if there is no folder for a file.
          KeyError: if no word has the attribute, or counts, where `fvocab` needs them.
          ValueError: as `formats.save`; for binary without a header.
        """
        if binary and not write_header:
            raise ValueError("write_header=False is for text: word2vec binary needs a header")
        words = [prefix + word for word in self.index_to_key]
        table, values = self.vectors, np.zeros(0)
        if sort_attr in self.attributes or sort_attr != "count" or fvocab is not None:
            values = np.array([self.get_vecattr(i, sort_attr) for i in range(len(self))])
            order = np.argsort(-values, kind="stable")
            words, table, values = [words[i] for i in order], table[order], values[order]
        vocab = None if fvocab is None else Vocab(words, values)
        ordered = WordTable(words, table, dtype=table.dtype, subwords=self.subwords)
        formats.save(ordered, fname, format=_format(binary, write_header).suffixes[0])
        if fvocab is not None and vocab is not None:
            vocab.save(fvocab)

    def intersect_word2vec_format(
        self,
        fname: Path,
        lockf: float = 1.0,
        binary: bool = False,
        encoding: str = "utf8",
        unicode_errors: str = "strict",
    ) -> list[str]:
        """Replaces vectors, in place, by the vectors of a file; words that it lacks keep theirs.

        Args:
          fname: word2vec text or binary.
          lockf: 1, as nothing locks vectors here: freeze words by ``fit(freeze=…)``. (gensim's
            default is 0, which locks.)
          binary: whether it is word2vec binary.
          encoding, unicode_errors: as for `load_word2vec_format`.

        Returns:
          The words that have new vectors, such as for ``fit(init=vectors, freeze=words)``. (gensim
          returns None.)

        Raises:
          FileNotFoundError: if there is no such file.
          ValueError: if its vectors are of another size, for another `lockf`, and as `load`.
        """
        if lockf != 1:
            raise ValueError(
                f"lockf must be 1; got {lockf}: no vectors are locked here, but "
                "fit(corpus, model, init=vectors, freeze=words) trains the other words"
            )
        other = self.load_word2vec_format(
            fname, None, binary, encoding, unicode_errors, datatype=self.vectors.dtype
        )
        if other.vector_size != self.vector_size:
            raise ValueError(
                f"{fname} holds vectors of {other.vector_size} numbers, not {self.vector_size}"
            )
        words = [word for word in self.index_to_key if word in other.key_to_index]
        self.add_vectors(words, other[words], replace=True)
        return words

    def wmdistance(
        self, document1: Sequence[Key], document2: Sequence[Key], norm: bool = True
    ) -> float:
        """The Word Mover's Distance: the least mean distance to move one text's words to another's.

        min Σ_ij F_ij |v_i - v_j| over flows F ≥ 0 between the words of both, which for each
        word add up to its share of its text; solved exactly, as a linear program. Words
        that are unknown are left out.

        Args:
          document1: the words of a text.
          document2: the words of another.
          norm: whether to scale the vectors to length 1 before.

        Returns:
          The distance; infinity if no word of a text is known. It is 0 between different words
          of the same vectors. (gensim has infinity.)

        Raises:
          ValueError: if a text is a string, and not one word that is known.

        >>> wv = WordVectors(["a", "b", "c"], [[1, 0], [0, 1], [-1, 0]])
        >>> wv.wmdistance(["a", "a", "b", "b"], ["a", "c"])  # half of it stays, half goes √2
        0.7071067811865476

        References:
          Kusner et al. 2015, "From Word Embeddings To Document Distances".
        """
        from jaxvec.vectors import transport  # imports scipy

        return transport.word_movers_distance(self, document1, document2, norm)

    def evaluate_word_analogies(
        self,
        analogies: Path,
        restrict_vocab: Limit = _GENSIMS_LIMIT,
        case_insensitive: bool = True,
        dummy4unknown: bool = False,
        similarity_function: str = "most_similar",
    ) -> tuple[float, list[dict[str, Any]]]:
        """The score on a file of analogies, as `evaluate.analogies`, and all answers.

        Args:
          analogies: a file as `questions-words.txt`: ``: section`` lines, four words a line.
          restrict_vocab: know only this many words, from the first on; None for all. The default
            is gensim's; `evaluate.analogies` knows all words.
          case_insensitive: whether words are the same in upper and lower case.
          dummy4unknown: whether questions with unknown words count as wrong, or not at all.
          similarity_function: the method that answers, or ``"most_similar_cosmul"`` (which
            gensim accepts and does not heed).

        Returns:
          The share of right answers, 0 if nothing could be asked; and the sections, each with
          its name as ``section`` and its questions, four words each, as ``correct`` and
          ``incorrect``. The last, ``Total accuracy``, has the questions of all.

        Raises:
          FileNotFoundError: if there is no such file.
          ValueError: if a line has another form, which gensim skips.
        """
        from jaxvec.vectors import evaluate

        answers = evaluate.answers(
            self, analogies, restrict_vocab, similarity_function, case_insensitive
        )
        sections: list[dict[str, Any]] = [
            {
                "section": name,
                "correct": [question for question, right in asked if right],
                "incorrect": [
                    question
                    for question, right in asked
                    if right is False or (right is None and dummy4unknown)
                ],
            }
            for name, asked in answers
        ]
        total: dict[str, Any] = {
            key: [question for section in sections for question in section[key]]
            for key in ("correct", "incorrect")
        }
        right, wrong = len(total["correct"]), len(total["incorrect"])
        return right / max(right + wrong, 1), [*sections, {"section": "Total accuracy", **total}]

    def evaluate_word_pairs(
        self,
        pairs: Path,
        delimiter: str | None = None,
        encoding: str = "utf8",
        restrict_vocab: Limit = _GENSIMS_LIMIT,
        case_insensitive: bool = True,
        dummy4unknown: bool = False,
        *,
        oov: bool = False,
    ) -> tuple[Any, Any, float]:
        """The correlation of word pairs' cosines with people's scores, as `evaluate.pairs`.

        Args:
          pairs: a file of two words and a number a line.
          delimiter: what stands between them; by default tabs or, in lines without, white space.
          encoding: of the file.
          restrict_vocab: know only this many words, from the first on; None for all. The default
            is gensim's; `evaluate.pairs` knows all words.
          case_insensitive: whether words are the same in upper and lower case.
          dummy4unknown: whether pairs with unknown words count with a cosine of 0, or not at
            all.
          oov: whether unknown words have the vectors of their n-grams, as for `evaluate.pairs`.

        Returns:
          scipy's results for Pearson's and for Spearman's correlation, each with statistic and
          p-value, and the percentage of pairs with a word that has no vector.

        Raises:
          FileNotFoundError: if there is no such file.
          ValueError: if a line has another form, which gensim skips; if fewer than two pairs
            are known; with `oov`, if the vectors have no n-grams.
        """
        from scipy import stats  # here, as it takes long to load

        from jaxvec.vectors import evaluate

        people, cosines, *_ = evaluate.judgments(
            self, pairs, restrict_vocab, case_insensitive, delimiter, encoding, oov
        )
        unknown = np.isnan(cosines)
        if dummy4unknown:
            cosines[unknown] = 0
        else:
            people, cosines = people[~unknown], cosines[~unknown]
        if len(people) < 2:
            raise ValueError(f"{pairs}: two pairs of known words are needed; {len(people)} found")
        percentage = 100 * float(1 - (~unknown).mean())
        return stats.pearsonr(people, cosines), stats.spearmanr(people, cosines), percentage


def _format(is_binary: bool, header: bool) -> formats.Format:
    if is_binary:
        return binary.FORMAT
    return text.WORD2VEC if header else text.GLOVE
