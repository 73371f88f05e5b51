"""Arguments of look-ups and queries: words and their places, and the numbers that limit answers."""

from collections.abc import Iterable
from typing import Any, TypeGuard

import numpy as np

from jaxvec.messages.numbers import check_whole

Key = str | int | np.integer  # a word, or its place
NO_KEY = bytes | bytearray | memoryview | bool  # though they are numbers to Python


def is_key(word: object) -> TypeGuard[Key]:
    """Whether something is a word or a place."""
    return isinstance(word, Key) and not isinstance(word, NO_KEY)


def key_list(words: Key | Iterable[Key] | None) -> list[Key]:
    """One word, or many, as a list.

    Raises:
      TypeError: for anything else, such as bytes, of which Python makes a list of numbers.

    >>> key_list("ab"), key_list(["a", 3]), key_list(None)
    (['ab'], ['a', 3], [])
    """
    if words is None:
        return []
    found: list[Any] = [words] if isinstance(words, Key | NO_KEY) else list(words)
    for word in found:
        if not is_key(word):
            raise no_key(word)
    return found


def term_list(terms: Any) -> list:
    """One term of a query (a word or a vector [D]), or many, as a list.

    >>> term_list("ab"), term_list(["a", ("b", 0.5)]), len(term_list(np.ones(3)))
    (['ab'], ['a', ('b', 0.5)], 1)
    """
    if terms is None:
        return []
    vector = isinstance(terms, np.ndarray) and terms.ndim == 1 and terms.dtype.kind in "iuf"
    return [terms] if vector or isinstance(terms, Key | NO_KEY) else list(terms)


def no_key(word: object) -> TypeError:
    """The error for a word that is neither a string nor a place."""
    return TypeError(f"a word must be a string, or its place; got {word!r}, {type(word)}")


def limited(limit: Any, name: str = "restrict_vocab") -> int | None:
    """The number of words, from the first on, that are looked at; None for all.

    The one rule of `restrict_vocab` and `limit`, in queries, scores and readers.

    Args:
      limit: a whole number from 1, or None.
      name: of the argument, for the message.

    Raises:
      TypeError: for another kind of number.
      ValueError: for a number below 1. (gensim takes 0 for all words in queries and for none in
        evaluations, and -1 for all but the last.)

    >>> limited(5), limited(None)
    (5, None)
    """
    if limit is None:
        return None
    if check_whole(name, limit, least=None) < 1:
        raise ValueError(f"{name} must be at least 1 or None; got {limit}")
    return int(limit)
