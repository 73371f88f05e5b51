"""Phrases: words that follow each other far more often than by chance, joined as new_york."""

import itertools
import math
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from jaxvec.messages.gensim import explained
from jaxvec.messages.kinds import kind
from jaxvec.messages.numbers import check_number
from jaxvec.storage.door import reading
from jaxvec.storage.files import atomic_write
from jaxvec.text import bigrams
from jaxvec.text.bigrams import Scorer
from jaxvec.text.pieces import FromText, Pieces, document_pieces
from jaxvec.text.read import text_lines
from jaxvec.text.tokenize import Tokenizer

ENGLISH_CONNECTOR_WORDS = frozenset({
    "a", "an", "the", "for", "of", "with", "without", "at", "from", "to", "in", "on", "by",
    "and", "or",
})  # fmt: skip
"""gensim's: articles, prepositions and conjunctions that may stand inside a phrase."""

SCORERS: dict[str, Scorer] = {"default": bigrams.original_scorer, "npmi": bigrams.npmi_scorer}
_THRESHOLDS = {"default": 10.0, "npmi": 0.5}


class PhraseStats(NamedTuple):
    """The score and the count of a phrase in the text that it was found in."""

    score: float
    bigram_count: int


_LINE = re.compile(
    r"(?P<words>[^\t ]+(?: [^\t ]+)+)\t(?P<score>-?[0-9]+(?:\.[0-9]*)?(?:[eE][-+]?[0-9]+)?)\t"
    r"(?P<count>[0-9]{1,18})",
    re.ASCII,
)
_INSTEAD = "phrases are found by Phrases.from_documents(sentences, min_count=5, threshold=10)"


@explained(_INSTEAD, {})
class Phrases(FromText):
    """Phrases, each of two words and any connectors between them, to join in text.

    As gensim's `FrozenPhrases`, but counts are exact, as no rare words are forgotten, and the
    phrase ("new", "york") differs from a word "new_york" in the text.

    Attributes:
      found: the `PhraseStats` of each tuple of words, highest score first.
      delimiter: the string between joined words.
      connector_words: the words inside phrases.

    Args:
      found: the score and count of each phrase, by its words.
      delimiter: the string between joined words.

    Raises:
      TypeError: if `found` is no mapping or `delimiter` no string.
      ValueError: if a phrase is no tuple of at least two words, or a word stands inside one
        phrase and at the edge of another; for a score that is not finite, or a count below 0.

    >>> documents = ["he left new york", "new cars", "she likes new york", "he likes cars"]
    >>> phrases = Phrases.from_documents(documents, min_count=1, threshold=1)
    >>> phrases.export_phrases()
    {'new_york': 2.5}
    >>> phrases[["in", "new", "york"]]
    ['in', 'new_york']
    """

    def __init__(self, found: Mapping[tuple[str, ...], PhraseStats], *, delimiter: str = "_"):
        if not isinstance(found, Mapping):
            raise TypeError(f"Phrases takes a dict of phrases, not {kind(found)}: {_INSTEAD}")
        if not isinstance(delimiter, str):
            raise TypeError(f"delimiter must be a string; got {kind(delimiter)}")
        self.found = dict(sorted(found.items(), key=lambda item: (-item[1].score, item[0])))
        self.delimiter = delimiter
        self.connector_words = frozenset(word for words in found for word in words[1:-1])
        self._joined = {words: delimiter.join(words) for words in self.found}
        self._ends = {(words[0], words[-1]) for words in self.found}
        for words in found:
            if not math.isfinite(self.found[words].score) or self.found[words].bigram_count < 0:
                raise ValueError(
                    f"a phrase needs a finite score and a count from 0; {words!r} has "
                    f"{tuple(self.found[words])}"
                )
            if (
                isinstance(words, str)
                or len(words) < 2
                or not self.connector_words.isdisjoint((words[0], words[-1]))
            ):
                raise ValueError(
                    "a phrase must be a tuple of two words or more, and a word inside one may not "
                    f"begin or end another; got {words!r}"
                )

    @classmethod
    def from_documents(
        cls,
        documents: Iterable[str | Sequence[str]],
        *,
        tokenizer: str | Tokenizer = "whitespace",
        **options,
    ) -> "Phrases":
        """Finds the phrases of any iterable, read once; each item is a document.

        Args:
          documents: strings, or lists of words.
          tokenizer: applied to strings.
          min_count: leave out phrases that occur less often.
          threshold: keep phrases with a higher score. By default 10 for the default scoring, as
            gensim, and 0.5 for ``"npmi"``.
          scoring: ``"default"``, ``"npmi"``, or a function such as `original_scorer`.
          delimiter: the string between joined words.
          connector_words: words that may stand inside a phrase but neither begin nor end one,
            such as `ENGLISH_CONNECTOR_WORDS`.
          folder: where counts wait in a temporary file; by default they are in memory, some 16
            bytes for each bigram of the text.

        Raises:
          ValueError: if there is no word, or an option is out of bounds.
          TypeError: if an option is of another type; for a document that is neither a string nor
            words.
        """
        return cls.from_pieces(document_pieces(documents, tokenizer), **options)

    @classmethod
    def from_pieces(
        cls,
        pieces: Pieces,
        *,
        source: str = "documents",
        min_count: int = 5,
        threshold: float | None = None,
        scoring: str | Scorer = "default",
        delimiter: str = "_",
        connector_words: Iterable[str] = (),
        folder: str | os.PathLike[str] | None = None,
    ) -> "Phrases":
        """As `from_documents`, for documents that may come in several pieces each.

        Args:
          pieces: the words, read once.
          source: what messages call the text.
          min_count, threshold, scoring, delimiter, connector_words, folder: as for
            `from_documents`.

        Raises:
          ValueError, TypeError: as `from_documents`.
        """
        scorer, threshold = _checked(threshold, scoring, delimiter)
        often = bigrams.count(
            pieces,
            source=source,
            min_count=min_count,
            connector_words=connector_words,
            folder=folder,
        )
        scores = scorer(
            often.worda_count, often.wordb_count, often.bigram_count,
            often.len_vocab, min_count, often.corpus_word_count,
        )  # fmt: skip
        good = {
            often.phrases[i]: PhraseStats(float(scores[i]), int(often.bigram_count[i]))
            for i in np.flatnonzero(scores > threshold)
        }
        return cls(good, delimiter=delimiter)

    def __len__(self) -> int:
        return len(self.found)

    def __repr__(self) -> str:
        return f"Phrases of {len(self):,} phrases"

    def __getitem__(self, words: Sequence[str]) -> list[str]:
        """The words of one document, phrases joined from left to right, without overlap.

        Raises:
          ValueError: if it is no list of words; `apply` takes many documents.
        """
        if isinstance(words, str) or not all(isinstance(word, str) for word in words):
            raise ValueError("expected the words of one document; for many write apply(documents)")
        return self._join(list(words), True)[0]

    def apply(
        self,
        documents: Iterable[str | Sequence[str]],
        tokenizer: str | Tokenizer = "whitespace",
    ) -> Iterator[list[str]]:
        """Joins phrases in documents, which are read once.

        Args:
          documents: strings, or lists of words.
          tokenizer: applied to strings.

        Returns:
          An iterator over the words of each document.

        Raises:
          ValueError, TypeError: for bad documents, as `document_pieces`.

        >>> phrases = Phrases({("new", "york"): PhraseStats(1.0, 5)})
        >>> list(phrases.apply(["to new york", ["new", "cars"]]))
        [['to', 'new_york'], ['new', 'cars']]
        """
        return (words for words, _ in self.apply_pieces(document_pieces(documents, tokenizer)))

    def apply_pieces(self, pieces: Pieces) -> Iterator[tuple[list[str], bool]]:
        """Joins phrases in pieces of documents, also where a phrase spans two pieces."""
        rest: list[str] = []
        for words, ends in pieces:
            joined, rest = self._join([*rest, *words], ends)
            yield joined, ends

    def _join(self, words: list[str], ends: bool) -> tuple[list[str], list[str]]:
        """Joins phrases in words.

        Returns:
          (joined, open_end): the words with phrases joined, and the last words, if the document
          goes on (not `ends`), with which a phrase may begin.
        """
        places: Sequence[int] = range(len(words))
        plain = words
        if self.connector_words:
            places = [i for i, word in enumerate(words) if word not in self.connector_words]
            plain = [words[i] for i in places]
        joined: list[str] = []
        done = 0
        pairs = itertools.pairwise(plain)
        for k in [k for k, pair in enumerate(pairs) if pair in self._ends]:
            first, last = places[k], places[k + 1]
            phrase = self._joined.get(tuple(words[first : last + 1]))
            if phrase is not None and first >= done:
                joined += words[done:first]
                joined.append(phrase)
                done = last + 1
        unfinished = not ends and len(places) > 0 and places[-1] >= done
        stop = places[-1] if unfinished else len(words)
        joined += words[done:stop]
        return joined, words[stop:]

    def export_phrases(self) -> dict[str, float]:
        """The score of each joined phrase, highest first."""
        return {self._joined[words]: found.score for words, found in self.found.items()}

    def above(self, threshold: float) -> "Phrases":
        """The phrases with a score above `threshold`, to try several with one count.

        Raises:
          TypeError: if `threshold` is no number.
        """
        check_number("threshold", threshold)
        good = {words: found for words, found in self.found.items() if found.score > threshold}
        return Phrases(good, delimiter=self.delimiter)


def save_phrases(passes: Iterable[Phrases], path: str | os.PathLike[str]) -> None:
    """Writes UTF-8 text, a phrase a line: its words with spaces between, tab, score, tab, count.

    Args:
      passes: `Phrases` in the order in which they are applied to a text; an empty line separates
        them.
      path: the file.

    Raises:
      ValueError: if a word has white space in it.
      FileNotFoundError: if there is no folder for it.
    """
    with (
        atomic_write(path) as temporary,
        open(temporary, "w", encoding="utf-8", newline="\n") as file,
    ):
        file.writelines(phrase_lines(passes))


def phrase_lines(passes: Iterable[Phrases]) -> Iterator[str]:
    """The lines that `save_phrases` writes, line ends included.

    Raises:
      ValueError: if a word has white space in it.
    """
    for i, phrases in enumerate(passes):
        if i:
            yield "\n"
        for words, (score, count) in phrases.found.items():
            if any(len(word.split()) != 1 for word in words):
                raise ValueError(f"a phrase of words with white space cannot be saved: {words}")
            yield f"{' '.join(words)}\t{score!r}\t{count}\n"


def load_phrases(path: str | os.PathLike[str], *, delimiter: str = "_") -> list[Phrases]:
    """Reads what `save_phrases` wrote: `Phrases` in the order in which they are applied.

    Args:
      path: the file.
      delimiter: the one that they were found with.

    Raises:
      FileNotFoundError: if there is no such file.
      ValueError: if a line has another form; the message names it.
    """
    passes: list[dict[tuple[str, ...], PhraseStats]] = [{}]
    for number, line in text_lines(path, "file of phrases"):
        if not line:
            passes.append({})
            continue
        match = _LINE.fullmatch(line)
        if match is None or not math.isfinite(float(match["score"])):
            raise ValueError(
                f"{path}, line {number}: {line[:80]!r}; expected words with spaces "
                "between, two words or more, then a tab, a finite score, a tab and a count from 0"
            )
        words = tuple(match["words"].split(" "))
        if words in passes[-1]:
            raise ValueError(f"{path}, line {number}: the phrase {words} comes twice")
        passes[-1][words] = PhraseStats(float(match["score"]), int(match["count"]))
    with reading(path, "a file of phrases"):
        return [Phrases(found, delimiter=delimiter) for found in passes]


def _checked(
    threshold: float | None, scoring: str | Scorer, delimiter: str
) -> tuple[Scorer, float]:
    """The scorer and the threshold of checked options."""
    if threshold is not None:
        check_number("threshold", threshold)
    if not isinstance(delimiter, str):
        raise TypeError(f"delimiter must be a string; got {kind(delimiter)}")
    if not delimiter:
        raise ValueError("delimiter must not be empty: words would run together")
    if not callable(scoring) and scoring not in list(SCORERS):
        names = ", ".join(SCORERS)
        raise ValueError(f"scoring must be a callable or one of {names}; got {scoring!r}")
    if callable(scoring):
        return scoring, 0.0 if threshold is None else threshold
    if threshold is None:
        threshold = _THRESHOLDS[scoring]
    if scoring == "default" and not threshold > 0:
        raise ValueError(f"threshold must be above 0 for the default scoring; got {threshold}")
    if scoring == "npmi" and not -1 <= threshold <= 1:
        raise ValueError(f"threshold must be from -1 to 1 for npmi scoring; got {threshold}")
    return SCORERS[scoring], threshold
