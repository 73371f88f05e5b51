"""What all readers make sure of: a floating dtype, finite numbers, each word once."""

import os
from collections.abc import Callable

import numpy as np
from numpy.typing import DTypeLike

from jaxvec.table import FLOATING
from jaxvec.vectors import WordVectors


def floating(dtype: DTypeLike) -> np.dtype:
    """A dtype that a table may have; ValueError for another."""
    try:
        return next(known for known in FLOATING if known == np.dtype(dtype))
    except (TypeError, StopIteration):
        raise ValueError(f"dtype must be float16, float32 or float64; got {dtype}") from None


def fill(table: np.ndarray, start: int, rows: np.ndarray) -> int | None:
    """Puts rows into a table from `start` on; the first that is not finite there, or None."""
    place = table[start : start + len(rows)]
    with np.errstate(over="ignore", invalid="ignore"):
        place[:] = rows
    return not_finite(place, start)


def not_finite(rows: np.ndarray, start: int = 0) -> int | None:
    """The first row that holds NaN or infinity, counted from `start`, or None."""
    finite = np.isfinite(rows)
    return None if finite.all() else start + int(np.flatnonzero(~finite.all(axis=1))[0])


def checked(
    path: str | os.PathLike[str], words: list[str], table: np.ndarray, place: Callable[[int], str]
) -> WordVectors:
    """The vectors of a file; ValueError that names the `place` of a word that comes twice."""
    try:
        return WordVectors(words, table, dtype=table.dtype)
    except ValueError as error:
        seen: set[str] = set()
        for i, word in enumerate(words):
            if word in seen:
                raise ValueError(f"{path}: {place(i)}: the word {word!r} comes twice") from None
            seen.add(word)
        raise ValueError(f"{path}: {error}") from None
