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
from jaxvec.vectors.ranking import units

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
    found: int  # pairs whose two words are known
    total: int


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
    vectors: WordQueries, path: str | os.PathLike[str], *, restrict_vocab: int | None = None
) -> Pairs:
    """Correlates the cosines of word pairs with people's scores.

    Case is ignored, and pairs with an unknown word are left out, as in gensim's
    `evaluate_word_pairs`.

    Args:
      vectors: the word vectors.
      path: two words and a number a line, separated by tabs (or, without tabs, by spaces);
        lines beginning with ``#``, and a heading, are skipped.
      restrict_vocab: know only this many words, from the first on; None for all.

    Raises:
      FileNotFoundError: if there is no such file.
      ValueError: if a line has another form.
    """
    from scipy import stats  # here, as it takes long to load

    people, cosines = judgments(vectors, path, restrict_vocab)
    known = ~np.isnan(cosines)
    spearman = pearson = float("nan")
    if known.sum() > 1:
        spearman = float(stats.spearmanr(cosines[known], people[known]).statistic)
        pearson = float(stats.pearsonr(cosines[known], people[known]).statistic)
    return Pairs(os.fspath(path), spearman, pearson, int(known.sum()), len(people))


def judgments(
    vectors: WordQueries,
    path: str | os.PathLike[str],
    restrict_vocab: int | None = None,
    case_insensitive: bool = True,
    delimiter: str | None = None,
    encoding: str = "utf8",
) -> tuple[np.ndarray, np.ndarray]:
    """People's scores of the `n` pairs of a file, and the words' cosines: float64[n] each.

    Args:
      vectors, path, restrict_vocab: as for `pairs`.
      case_insensitive: whether words are the same in upper and lower case.
      delimiter: what stands between words and score; by default tabs or, in lines without, white
        space.
      encoding: of the file.

    Returns:
      Both arrays; the cosine of a pair with an unknown word is NaN.

    Raises:
      FileNotFoundError, ValueError: as `pairs`.
    """
    fold = _folding(case_insensitive)
    spellings = _spellings(vectors, restrict_vocab, fold)
    people: list[float] = []
    cosines: list[float] = []
    for word1, word2, score in _read_pairs(path, delimiter, encoding):
        word1, word2 = fold(word1), fold(word2)
        known = word1 in spellings and word2 in spellings
        people.append(score)
        cosines.append(
            vectors.similarity(spellings[word1][0], spellings[word2][0]) if known else float("nan")
        )
    if not people:
        raise ValueError(f"{path} holds no word pairs")
    return np.array(people), np.array(cosines)


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
