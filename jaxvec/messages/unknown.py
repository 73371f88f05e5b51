"""The error for a word that a vocabulary or a table of vectors lacks."""

import difflib
from collections.abc import Sequence
from typing import Any

_SEARCHED = 200_000  # words that are searched for close matches


class UnknownWord(KeyError):
    """A KeyError for an unknown word, whose message has the known words closest to it.

    The search takes a second among 200,000 words, so it waits until the message is read.

    Args:
      word: the unknown word.
      words: the known words.

    >>> str(UnknownWord("cta", ["cat", "dog"]))
    "'cta' is not in the vocabulary; close matches: cat"
    """

    def __init__(self, word: str, words: Sequence[str] = ()):
        super().__init__(word)
        self._words = words
        self._message: str | None = None

    def __str__(self) -> str:
        if self._message is None:
            close = difflib.get_close_matches(str(self.args[0]), self._words[:_SEARCHED], n=3)
            hint = f"; close matches: {', '.join(close)}" if close else ""
            self._message = f"{self.args[0]!r} is not in the vocabulary{hint}"
        return self._message

    def __reduce__(self) -> tuple[Any, ...]:
        return _unknown_word, (self.args[0], str(self))  # pickles the message, not all words


def _unknown_word(word: str, message: str) -> UnknownWord:
    error = UnknownWord(word)
    error._message = message
    return error
