"""Checks that readers and writers share: a floating dtype, finite numbers, words that fit."""

import os
import warnings
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import DTypeLike

from jaxvec.storage.arrays import release
from jaxvec.vectors.ranking import not_finite
from jaxvec.vectors.subwords import Subwords
from jaxvec.vectors.table import FLOATING, WordTable

LENIENT = (
    "read it with WordVectors.load(path, errors='replace'), load_word2vec_format(path, "
    "unicode_errors='replace'), or jaxvec convert --errors replace"
)
_ROWS = 1 << 14  # checked in one step


def floating(dtype: DTypeLike) -> np.dtype:
    """A dtype as NumPy has it.

    Raises:
      ValueError: if a table cannot have it.
    """
    try:
        return next(known for known in FLOATING if known == np.dtype(dtype))
    except (TypeError, StopIteration):
        raise ValueError(f"dtype must be float16, float32 or float64; got {dtype}") from None


def fill(table: np.ndarray, start: int, rows: np.ndarray) -> int | None:
    """Writes rows [n, D] into a table, cast to its dtype, and checks them there.

    Args:
      table: [V, D].
      start: the place of the first row in it.
      rows: the rows.

    Returns:
      The place of the first row that is not finite in the dtype, or None.
    """
    place = table[start : start + len(rows)]
    with np.errstate(over="ignore", invalid="ignore"):
        place[:] = rows
    return not_finite(place, start)


def check_numbers(vectors: WordTable, dtype: np.dtype) -> None:
    """Makes sure that a file that is written can be read again.

    Args:
      vectors: the table.
      dtype: that readers give the numbers.

    Raises:
      ValueError: for a vector that is not finite in the dtype.
    """
    for start in range(0, len(vectors), _ROWS):
        with np.errstate(over="ignore", invalid="ignore"):
            rows = vectors.vectors[start : start + _ROWS].astype(dtype, copy=False)
        bad = not_finite(rows, start)
        release(vectors.vectors)
        if bad is not None:
            raise ValueError(
                f"the vector of {vectors.index_to_key[bad]!r}, at place {bad}, is not finite in "
                f"{dtype}, and could not be read again; nothing is written"
            )
    if vectors.subwords is not None:
        with np.errstate(over="ignore", invalid="ignore"):
            bad = not_finite(vectors.subwords.table.astype(dtype, copy=False))
        if bad is not None:
            raise ValueError(
                f"row {bad} of the n-grams is not finite in {dtype}, and could not be read again; "
                "nothing is written"
            )


def check_lines(words: Sequence[str]) -> None:
    """Refuses line breaks in words.

    Raises:
      ValueError: for the first word that has one.
    """
    for word in words:
        if "\n" in word:
            raise ValueError(f"word {word!r} holds a line break, which no file of vectors can")


def check_blanks(words: Sequence[str]) -> None:
    """Refuses blanks, which end a word in text, and tabs at an end of a word.

    Raises:
      ValueError: for the first word that has one.
    """
    for word in words:
        if " " in word or word.strip("\t") not in ("", word):
            raise ValueError(
                f"word {word!r} holds white space, which in text and word2vec binary ends a "
                "word; save as .npz"
            )


def checked(
    path: str | os.PathLike[str],
    words: list[str],
    table: np.ndarray,
    place: Callable[[int], str],
    *,
    counts: np.ndarray | None = None,
    subwords: Subwords | None = None,
) -> WordTable:
    """The vectors of a file; of a word that comes twice the first, as in gensim.

    Args:
      path: of the file, for messages.
      words: the `n` words.
      table: [n, D].
      place: where in the file the word of a place stands, for the warning.
      counts: of the words, int[n], if they are known.
      subwords: the rows of n-grams, if there are any.

    Raises:
      ValueError: if they make no table.

    Warns:
      UserWarning: that names the `place` of the first word that comes again.
    """
    if len(set(words)) < len(words):
        firsts = {word: i for i, word in reversed(list(enumerate(words)))}
        again = next(i for i, word in enumerate(words) if firsts[word] != i)
        warnings.warn(
            f"{path}: {place(again)}: the word {words[again]!r} comes twice; the first is taken, "
            f"and {len(words) - len(firsts):,} such repetitions are left out",
            stacklevel=2,
        )
        kept = sorted(firsts.values())
        words, table = [words[i] for i in kept], table[kept]
        counts = None if counts is None else counts[kept]
    try:
        return WordTable(words, table, counts=counts, dtype=table.dtype, subwords=subwords)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
