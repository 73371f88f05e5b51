"""Phrases: words that follow each other so often that they are written as one, new_york."""

import itertools
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from jaxvec.messages.gensim import explained
from jaxvec.messages.kinds import kind
from jaxvec.storage.files import written_beside
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


class Found(NamedTuple):
    """What is known of a phrase."""

    score: float
    bigram_count: int  # how often it occurs in the text that it was found in


_INSTEAD = "phrases are found by Phrases.from_documents(sentences, min_count=5, threshold=10)"


@explained(_INSTEAD, {})
class Phrases(FromText):
    """Phrases, each of two words and what connectors are between them, to join in text.

    As gensim's `FrozenPhrases`, but counts are exact, no rare words forgotten, and a phrase is
    told from a word that is spelt like it.

    Attributes:
      found: the score and count of each, by its words, the best first.
      delimiter: what is put between words when they are joined.
      connector_words: those that phrases have inside.

    >>> documents = ["he left new york", "new cars", "she likes new york", "he likes cars"]
    >>> phrases = Phrases.from_documents(documents, min_count=1, threshold=1)
    >>> phrases.export_phrases()
    {'new_york': 2.5}
    >>> phrases[["in", "new", "york"]]
    ['in', 'new_york']
    """

    def __init__(self, found: Mapping[tuple[str, ...], Found], *, delimiter: str = "_"):
        if not isinstance(found, Mapping):
            raise TypeError(f"Phrases takes what was found, not {kind(found)}: {_INSTEAD}")
        self.found = dict(sorted(found.items(), key=lambda item: (-item[1].score, item[0])))
        self.delimiter = delimiter
        self.connector_words = frozenset(word for words in found for word in words[1:-1])
        self._joined = {words: delimiter.join(words) for words in self.found}
        self._ends = {(words[0], words[-1]) for words in self.found}
        for words in found:
            if (
                isinstance(words, str)
                or len(words) < 2
                or not self.connector_words.isdisjoint((words[0], words[-1]))
            ):
                raise ValueError(
                    "a phrase must be a tuple of two words or more, and those inside one may not "
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
          threshold: take those with a score above. By default 10 for the default scoring, as
            gensim, and 0.5 for ``"npmi"``.
          scoring: ``"default"``, ``"npmi"``, or a function as `original_scorer`.
          delimiter: what is put between words when they are joined.
          connector_words: words that no phrase begins or ends with, but may have inside, such
            as `ENGLISH_CONNECTOR_WORDS`.
          folder: where counts wait in a temporary file; by default they are in memory, some 16
            bytes for each pair of words that the text has.

        Raises:
          ValueError: if there is no word, or an option is out of bounds.
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
        """As `from_documents`, of documents that may each come in several pieces."""
        if isinstance(connector_words, str):
            raise ValueError("connector_words must be several words, not a string")
        scorer, threshold = _checked(min_count, threshold, scoring, delimiter)
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
            often.phrases[i]: Found(float(scores[i]), int(often.bigram_count[i]))
            for i in np.flatnonzero(scores > threshold)
        }
        return cls(good, delimiter=delimiter)

    def __len__(self) -> int:
        return len(self.found)

    def __repr__(self) -> str:
        return f"Phrases of {len(self):,} phrases"

    def __getitem__(self, words: Sequence[str]) -> list[str]:
        """The words of a document, phrases joined: from left to right, the first that comes.

        Raises:
          ValueError: for anything but words; `apply` takes many documents.
        """
        if isinstance(words, str) or not all(isinstance(word, str) for word in words):
            raise ValueError("expected the words of one document; for others see apply")
        return self._join(list(words), True)[0]

    def apply(
        self,
        documents: Iterable[str | Sequence[str]],
        tokenizer: str | Tokenizer = "whitespace",
    ) -> Iterator[list[str]]:
        """The words of each document, phrases joined; to be read once, as by `Corpus`.

        >>> phrases = Phrases({("new", "york"): Found(1.0, 5)})
        >>> list(phrases.apply(["to new york", ["new", "cars"]]))
        [['to', 'new_york'], ['new', 'cars']]
        """
        return (words for words, _ in self.apply_pieces(document_pieces(documents, tokenizer)))

    def apply_pieces(self, pieces: Pieces) -> Iterator[tuple[list[str], bool]]:
        """The pieces of documents, phrases joined, those across pieces too."""
        rest: list[str] = []
        for words, ends in pieces:
            joined, rest = self._join([*rest, *words], ends)
            yield joined, ends

    def _join(self, words: list[str], ends: bool) -> tuple[list[str], list[str]]:
        """The words joined, and those that have to wait for more if the document goes on."""
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
        waits = not ends and len(places) > 0 and places[-1] >= done
        stop = places[-1] if waits else len(words)
        joined += words[done:stop]
        return joined, words[stop:]

    def export_phrases(self) -> dict[str, float]:
        """The score of each phrase, by its words joined, the best first."""
        return {self._joined[words]: found.score for words, found in self.found.items()}

    def above(self, threshold: float) -> "Phrases":
        """The phrases with a score above, so that to try thresholds needs one count only."""
        good = {words: found for words, found in self.found.items() if found.score > threshold}
        return Phrases(good, delimiter=self.delimiter)


def save_phrases(passes: Iterable[Phrases], path: str | os.PathLike[str]) -> None:
    """Writes UTF-8 text: words parted by spaces, tab, score, tab, count; see `load_phrases`.

    Args:
      passes: phrases, those that are found in text joined by others after them; an empty line
        is between.
      path: the file.

    Raises:
      ValueError: if a word has white space in it.
    """
    with (
        written_beside(path) as temporary,
        open(temporary, "w", encoding="utf-8", newline="\n") as file,
    ):
        file.writelines(phrase_lines(passes))


def phrase_lines(passes: Iterable[Phrases]) -> Iterator[str]:
    """The lines of `save_phrases`, with their ends."""
    for i, phrases in enumerate(passes):
        if i:
            yield "\n"
        for words, (score, count) in phrases.found.items():
            if any(len(word.split()) != 1 for word in words):
                raise ValueError(f"a phrase of words with white space cannot be saved: {words}")
            yield f"{' '.join(words)}\t{score!r}\t{count}\n"


def load_phrases(path: str | os.PathLike[str], *, delimiter: str = "_") -> list[Phrases]:
    """Reads what `save_phrases` wrote: the phrases to join first, then those after them.

    Args:
      path: the file.
      delimiter: that with which they were found.

    Raises:
      FileNotFoundError: if there is no such file.
      ValueError: if a line has another form; the message names it.
    """
    passes: list[dict[tuple[str, ...], Found]] = [{}]
    for number, line in text_lines(path, "file of phrases"):
        if not line:
            passes.append({})
            continue
        try:
            words, score, count = line.split("\t")
            passes[-1][tuple(words.split(" "))] = Found(float(score), int(count))
        except ValueError as error:
            raise ValueError(
                f"{path}, line {number}: {error}; expected words parted by spaces, a tab, a "
                "score, a tab and a count"
            ) from None
    return [Phrases(found, delimiter=delimiter) for found in passes]


def _checked(
    min_count: int, threshold: float | None, scoring: str | Scorer, delimiter: str
) -> tuple[Scorer, float]:
    """The scorer and threshold of these options; ValueError for what is out of bounds."""
    if min_count < 1:
        raise ValueError(f"min_count must be at least 1; got {min_count}")
    if not delimiter:
        raise ValueError("delimiter must not be empty: words would run together")
    if not callable(scoring) and scoring not in SCORERS:
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
