"""Attributes of words beside their vectors: an array [V] for each name, ``"count"`` one of them."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from jaxvec.messages.kinds import kind
from jaxvec.text.vocab import whole_counts

COUNT = "count"


def column(name: str, values: Any, size: int) -> np.ndarray:
    """The values of an attribute as an array: int64 counts, numbers, bools, or strings and None.

    Args:
      name: of the attribute; ``"count"`` takes whole numbers from 0.
      values: one for each word.
      size: the number of words.

    Raises:
      TypeError: for values of another kind.
      ValueError: if they are not `size` values, or no counts.

    >>> column("hue", ["red", None], 2).tolist(), column("count", [3, 1], 2).tolist()
    (['red', None], [3, 1])
    """
    found = whole_counts(values) if name == COUNT else np.array(values)
    if found.dtype.kind == "U":
        found = found.astype(object)
    if found.shape != (size,):
        what = "counts" if name == COUNT else f"values of {name!r}"
        raise ValueError(f"{size} words need {size} {what}; got shape {found.shape}")
    texts = found.dtype == object and all(isinstance(v, str | None) for v in found)
    if found.dtype.kind not in "biuf" and not texts:
        raise TypeError(f"attribute {name!r} takes numbers, bools or strings; got {found.dtype}")
    return found


def blank(like: np.ndarray, size: int) -> np.ndarray:
    """The values of words that were given none: 0, False, or None among strings.

    Args:
      like: an array of the attribute's dtype.
      size: the number of words.
    """
    return np.full(size, None) if like.dtype == object else np.zeros(size, like.dtype)


def taken(values: np.ndarray, places: np.ndarray) -> np.ndarray:
    """The values of an attribute at places, and what `blank` has at place -1.

    Args:
      values: the array [V].
      places: int[n].
    """
    found = blank(values, len(places))
    found[places >= 0] = values[places[places >= 0]]
    return found


def put(name: str, old: np.ndarray, places: Sequence[int] | np.ndarray, new: np.ndarray) -> None:
    """Writes values [n] at places of an attribute's array, in place.

    Args:
      name: of the attribute, for the message.
      old: the array [V].
      places: `n` of them.
      new: the values.

    Raises:
      TypeError: for values that its dtype cannot hold, such as 0.5 among whole numbers.
    """
    text = old.dtype == object
    if (new.dtype == object) != text or not (text or np.can_cast(new.dtype, old.dtype, "safe")):
        held = "strings" if text else str(old.dtype)
        value = kind(new.item(0)) if len(new) else str(new.dtype)
        raise TypeError(f"attribute {name!r} holds {held}; got {value}")
    old[places] = new
