"""Scores of word vectors: analogies by 3CosAdd, word pairs by rank correlation."""

import os
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from scipy import stats

from jaxvec.vectors import WordVectors

_QUESTIONS = 512  # questions that are answered by one product


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
    vectors: WordVectors, path: str | os.PathLike[str], *, restrict_vocab: int | None = None
) -> Analogies:
    """Answers "a is to b as c is to ?" by the word nearest to b - a + c (3CosAdd).

    Counts as gensim's `evaluate_word_analogies` does: vectors are of unit length, case is
    ignored (the more frequent of two spellings is meant), the three words of the question
    are no answer, and a question with a word outside the (restricted) vocabulary is left out.

    Args:
      vectors: the word vectors.
      path: a file as `questions-words.txt`: ``: section`` lines, four words a line.
      restrict_vocab: know only the first so many words.

    Raises:
      FileNotFoundError: if there is no such file.
      ValueError: if a line has another form.

    Source: Mikolov et al. 2013, "Efficient Estimation of Word Representations in Vector
    Space".
    """
    if restrict_vocab is not None and restrict_vocab < 1:
        raise ValueError(f"restrict_vocab must be at least 1; got {restrict_vocab}")
    units = vectors.unit_vectors[:restrict_vocab]
    spellings: dict[str, list[int]] = {}
    for i, word in enumerate(vectors.index_to_key[:restrict_vocab]):
        spellings.setdefault(word.upper(), []).append(i)
    sections = []
    for name, questions in _read_questions(path):
        known = [q for q in questions if all(word in spellings for word in q)]
        correct = sum(
            _count_correct(units, spellings, known[i : i + _QUESTIONS])
            for i in range(0, len(known), _QUESTIONS)
        )
        sections.append(Section(name, correct, len(known)))
    if not sections:
        raise ValueError(f"{path} holds no questions")
    return Analogies(sections, sum(s.correct for s in sections), sum(s.total for s in sections))


def _count_correct(
    units: np.ndarray, spellings: dict[str, list[int]], questions: list[list[str]]
) -> int:
    a, b, c, expected = np.array([[spellings[word][0] for word in q] for q in questions]).T
    scores = (units[b] - units[a] + units[c]) @ units.T
    for row, question in zip(scores, questions, strict=True):
        for word in question[:3]:
            row[spellings[word]] = -np.inf
    answers = scores.argmax(axis=1)
    same = answers == expected
    for i in np.flatnonzero(~same):
        same[i] = answers[i] in spellings[questions[i][3]]
    return int(same.sum())


def _read_questions(path) -> Iterator[tuple[str, list[list[str]]]]:
    section, questions = "", list[list[str]]()
    for number, line in _lines(path):
        if line.startswith(":"):
            if questions:
                yield section, questions
            section, questions = line[1:].strip(), []
            continue
        words = line.upper().split()
        if len(words) != 4:
            raise ValueError(
                f"{path} is not a file of analogies: line {number} has {len(words)} words; "
                "expected four, or ': section'"
            )
        questions.append(words)
    if questions:
        yield section, questions


def pairs(vectors: WordVectors, path: str | os.PathLike[str]) -> Pairs:
    """Correlates the cosines of word pairs with people's scores.

    Case is ignored, and pairs with an unknown word are left out, as in gensim's
    `evaluate_word_pairs`.

    Args:
      vectors: the word vectors.
      path: two words and a number a line, parted by tabs (or, without tabs, by spaces);
        lines beginning with ``#``, and a heading, are skipped.

    Raises:
      FileNotFoundError: if there is no such file.
      ValueError: if a line has another form.
    """
    places: dict[str, int] = {}
    for i, word in enumerate(vectors.index_to_key):
        places.setdefault(word.upper(), i)
    known: list[tuple[int, int]] = []
    people: list[float] = []
    total = 0
    for i, (number, line) in enumerate(_lines(path)):
        fields = [field.strip() for field in line.split("\t" if "\t" in line else None)]
        try:
            word1, word2, score = fields[0].upper(), fields[1].upper(), float(fields[2])
        except (IndexError, ValueError):
            if i == 0:
                continue  # a heading
            raise ValueError(
                f"{path} is not a file of word pairs: line {number} is {line!r}; expected two "
                "words and a number, parted by tabs"
            ) from None
        total += 1
        if word1 in places and word2 in places:
            known.append((places[word1], places[word2]))
            people.append(score)
    if not total:
        raise ValueError(f"{path} holds no word pairs")
    spearman = pearson = float("nan")
    if len(known) > 1:
        left, right = vectors.unit_vectors[np.array(known).T]
        cosines = np.einsum("nd,nd->n", left, right)
        spearman = float(stats.spearmanr(cosines, people).statistic)
        pearson = float(stats.pearsonr(cosines, people).statistic)
    return Pairs(os.fspath(path), spearman, pearson, len(known), total)


def _lines(path) -> Iterator[tuple[int, str]]:
    """The numbered lines that are neither empty nor comments."""
    with open(path, encoding="utf-8-sig") as file:
        try:
            for number, line in enumerate(file, 1):
                if (line := line.strip()) and not line.startswith("#"):
                    yield number, line
        except UnicodeDecodeError as error:
            raise ValueError(f"{path} is not UTF-8 text: {error}") from None
