"""Scores of word vectors: analogies by 3CosAdd or 3CosMul, word pairs by rank correlation.

`answers` and `judgments` compute; `analogies` and `pairs` sum them up here, and
`WordVectors.evaluate_word_analogies` and `evaluate_word_pairs` in gensim's form. All of them know
all words unless `restrict_vocab` is given; only gensim's two methods have gensim's default of
300,000.
"""

import math
import os
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from jaxvec.vectors.analogies import solve
from jaxvec.vectors.keys import limited
from jaxvec.vectors.lines import decoded_lines
from jaxvec.vectors.queries import WordQueries
from jaxvec.vectors.ranking import unit, units

Question = tuple[str, ...]  # of four words


class Section(NamedTuple):
    """A section of an analogies file."""

    section: str
    correct: int
    total: int  # questions whose four words are known


class Analogies(NamedTuple):
    """The score on an analogies file."""

    sections: list[Section]
    correct: int
    total: int

    def __repr__(self) -> str:
        share = f"{100 * self.accuracy:.1f} %, {self.correct:,} of {self.total:,} right"
        return f"Analogies: {share}, in {len(self.sections)} sections"

    @property
    def accuracy(self) -> float:
        """The share of correct answers; NaN if no question could be asked."""
        return self.correct / self.total if self.total else float("nan")


class Pairs(NamedTuple):
    """The score on a file of word pairs; NaN if fewer than two pairs are known."""

    file: str
    spearman: float
    pearson: float
    found: int  # pairs whose two words have vectors, which are scored
    total: int
    words: int  # of all pairs, each counted once
    unknown: int  # of these, outside the vocabulary
    composed: int  # of the unknown, with a vector made of n-grams


class Judgments(NamedTuple):
    """The `n` pairs of a file: people's scores and the words' cosines.

    Attributes:
      people: float64[n].
      cosines: float64[n]; NaN where a word has no vector.
      words, unknown, composed: as in `Pairs`.
    """

    people: np.ndarray
    cosines: np.ndarray
    words: int
    unknown: int
    composed: int


def analogies(
    vectors: WordQueries,
    path: str | os.PathLike[str],
    *,
    restrict_vocab: int | None = None,
    similarity_function: str = "most_similar",
) -> Analogies:
    """Answers "a is to b as c is to ?" by the word nearest to b - a + c (3CosAdd), or by 3CosMul.

    Counts as gensim's `evaluate_word_analogies` does: vectors are of unit length, case is
    ignored (the first of two spellings is meant), the three words of the question are no answer,
    and a question with a word outside the (restricted) vocabulary is left out.

    Args:
      vectors: the word vectors.
      path: a file as `questions-words.txt`: ``: section`` lines, four words a line; other
        lines beginning with ``#`` are skipped, unless they have four words.
      restrict_vocab: know only this many words, from the first on; None for all.
      similarity_function: ``"most_similar"``, or ``"most_similar_cosmul"`` for 3CosMul; see
        `analogies.solve` for both formulas.

    Raises:
      FileNotFoundError: if there is no such file.
      ValueError: if a line has another form.

    References:
      Mikolov et al. 2013, "Efficient Estimation of Word Representations in Vector Space".
    """
    sections = []
    for name, answered in answers(vectors, path, restrict_vocab, similarity_function):
        right = [is_right for _, is_right in answered if is_right is not None]
        sections.append(Section(name, sum(right), len(right)))
    return Analogies(sections, sum(s.correct for s in sections), sum(s.total for s in sections))


def answers(
    vectors: WordQueries,
    path: str | os.PathLike[str],
    restrict_vocab: int | None = None,
    similarity_function: str = "most_similar",
    case_insensitive: bool = True,
) -> list[tuple[str, list[tuple[Question, bool | None]]]]:
    """Each section of a file of analogies: its questions, and whether they are answered right.

    Args:
      vectors, path, restrict_vocab, similarity_function: as for `analogies`.
      case_insensitive: whether words are the same in upper and lower case.

    Returns:
      For each section its name and a list of pairs: the four words, in upper case if case is
      ignored, and True, False, or None if one of them is unknown.

    Raises:
      FileNotFoundError, ValueError: as `analogies`.
    """
    fold = _folding(case_insensitive)
    spellings = _spellings(vectors, restrict_vocab, fold)
    sections = list(_read_questions(path, fold))
    if not sections:
        raise ValueError(f"{path} holds no questions")
    known = [q for _, asked in sections for q in asked if all(word in spellings for word in q)]
    found = solve(
        units(vectors.vectors[:restrict_vocab]),
        np.array([[spellings[word][0] for word in q[:3]] for q in known], int).reshape(-1, 3),
        [[place for word in q[:3] for place in spellings[word]] for q in known],
        similarity_function,
    )
    right = {q: answer in spellings[q[3]] for q, answer in zip(known, found.tolist(), strict=True)}
    return [(name, [(q, right.get(q)) for q in asked]) for name, asked in sections]


def pairs(
    vectors: WordQueries,
    path: str | os.PathLike[str],
    *,
    restrict_vocab: int | None = None,
    oov: bool = False,
) -> Pairs:
    """Correlates the cosines of word pairs with people's scores.

    Case is ignored, and pairs with an unknown word are left out, as in gensim's
    `evaluate_word_pairs`; with `oov` only those whose unknown word has no n-grams. Of a
    file of rare words few pairs may be left: compare scores of the same number of pairs.

    Args:
      vectors: the word vectors.
      path: two words and a number a line, separated by tabs (or, without tabs, by spaces);
        lines beginning with ``#``, and a heading, are skipped.
      restrict_vocab: know only this many words, from the first on; None for all.
      oov: whether unknown words have the vectors of their n-grams, see `Subwords.vector`; in lower
        case, if all words of the vocabulary are.

    Raises:
      FileNotFoundError: if there is no such file.
      ValueError: if a line has another form; with `oov`, if the vectors have no n-grams.

    >>> from jaxvec.vectors.subwords import Subwords
    >>> file = getfixture("tmp_path") / "rare.txt"
    >>> _ = file.write_text("cat dog 7\\ncat cats 9\\n")
    >>> rows = Subwords(np.eye(3), minn=3, maxn=4)
    >>> vectors = WordQueries(["cat", "dog"], [[0, 1, 2], [1, 1, 1]], subwords=rows)
    >>> found = pairs(vectors, file, oov=True)
    >>> found.found, found.words, found.unknown, found.composed
    (2, 3, 1, 1)
    >>> pairs(vectors, file).found
    1
    """
    from scipy import stats  # here, as it takes long to load

    people, cosines, *words = judgments(vectors, path, restrict_vocab, oov=oov)
    known = ~np.isnan(cosines)
    spearman = pearson = float("nan")
    if known.sum() > 1:
        spearman = float(stats.spearmanr(cosines[known], people[known]).statistic)
        pearson = float(stats.pearsonr(cosines[known], people[known]).statistic)
    return Pairs(os.fspath(path), spearman, pearson, int(known.sum()), len(people), *words)


def judgments(
    vectors: WordQueries,
    path: str | os.PathLike[str],
    restrict_vocab: int | None = None,
    case_insensitive: bool = True,
    delimiter: str | None = None,
    encoding: str = "utf8",
    oov: bool = False,
) -> Judgments:
    """People's scores of the pairs of a file, and the words' cosines.

    Args:
      vectors, path, restrict_vocab, oov: as for `pairs`.
      case_insensitive: whether words are the same in upper and lower case.
      delimiter: what stands between words and score; by default tabs or, in lines without, white
        space.
      encoding: of the file.

    Raises:
      FileNotFoundError, ValueError: as `pairs`.
    """
    if oov and vectors.subwords is None:
        raise ValueError(
            "oov=True makes unknown words' vectors of n-grams, and these vectors have none: train "
            "with subwords=(3, 6), and save as .npz, .safetensors or .fasttext.bin"
        )
    fold = _folding(case_insensitive)
    spellings = _spellings(vectors, restrict_vocab, fold)
    lower = oov and case_insensitive and all(word == word.lower() for word in vectors.index_to_key)

    def vector(word: str) -> np.ndarray | None:
        if places := spellings.get(fold(word)):
            row = vectors.vectors[places[0]]
        elif oov and vectors.subwords is not None:
            row = vectors.subwords.vector(word.lower() if lower else word)
        else:
            return None
        return None if row is None else unit(row.astype(np.float64))

    found: dict[str, np.ndarray | None] = {}  # by folded word
    people: list[float] = []
    cosines: list[float] = []
    for word1, word2, score in _read_pairs(path, delimiter, encoding):
        for word in (word1, word2):
            if fold(word) not in found:
                found[fold(word)] = vector(word)
        first, second = found[fold(word1)], found[fold(word2)]
        people.append(score)
        cosines.append(float("nan") if first is None or second is None else float(first @ second))
    if not people:
        raise ValueError(f"{path} holds no word pairs")
    unknown = [row is not None for word, row in found.items() if word not in spellings]
    return Judgments(np.array(people), np.array(cosines), len(found), len(unknown), sum(unknown))


def _folding(case_insensitive: bool) -> Callable[[str], str]:
    return str.upper if case_insensitive else str


def _spellings(
    vectors: WordQueries, restrict_vocab: int | None, fold: Callable[[str], str]
) -> dict[str, list[int]]:
    """For each word, once folded, the places of its spellings, the first place first."""
    spellings: dict[str, list[int]] = {}
    for i, word in enumerate(vectors.index_to_key[: limited(restrict_vocab)]):
        spellings.setdefault(fold(word), []).append(i)
    return spellings


def _read_questions(path, fold: Callable[[str], str]) -> Iterator[tuple[str, list[Question]]]:
    section, questions = "", list[Question]()
    for number, line in _lines(path, "file of analogies"):
        if line.startswith(":"):
            if questions:
                yield section, questions
            section, questions = line[1:].strip(), []
            continue
        words = tuple(fold(line).split())
        if len(words) != 4:
            if line.startswith("#"):
                continue
            raise ValueError(
                f"{path} is not a file of analogies: line {number} has {len(words)} words; "
                "expected four, or ': section'"
            )
        questions.append(words)
    if questions:
        yield section, questions


def _read_pairs(path, delimiter: str | None, encoding: str) -> Iterator[tuple[str, str, float]]:
    read = _lines(path, "file of word pairs", encoding)
    lines = ((n, line) for n, line in read if line[0] != "#")
    for i, (number, line) in enumerate(lines):
        apart = delimiter or ("\t" if "\t" in line else None)
        fields = [field.strip() for field in line.split(apart)]
        third = fields[2] if len(fields) > 2 else ""
        score = _number(third)
        if score is not None and math.isfinite(score):
            yield fields[0], fields[1], score
        elif i or score is not None or _number(third.replace(",", ".")) is not None:
            raise ValueError(
                f"{path} is not a file of word pairs: line {number} is {line!r}; expected two "
                "words and a finite number with a decimal point, separated by "
                f"{delimiter or 'tabs'}"
            )  # but for the first line, which may be a heading


def _number(text: str) -> float | None:
    try:
        return None if "_" in text else float(text)  # Python lets it stand between digits
    except ValueError:
        return None


def _lines(path, what: str, encoding: str = "utf8") -> Iterator[tuple[int, str]]:
    """The numbered lines that are not empty."""
    for number, line in decoded_lines(path, what, encoding):
        if line := line.strip():
            yield number, line
