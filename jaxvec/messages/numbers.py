"""Checks of numeric arguments, with one message for each fault everywhere."""

import operator
from typing import Any

import numpy as np

from jaxvec.messages.kinds import kind


def check_whole(name: str, value: Any, *, least: int | None = 1) -> int:
    """A whole number as an int.

    Args:
      name: of the argument, for the message.
      value: an int or a NumPy integer.
      least: the smallest number allowed; None for any.

    Raises:
      TypeError: if it is no whole number, such as 5.0, ``"5"`` or True.
      ValueError: if it is below `least`.

    >>> check_whole("window", np.int64(5))
    5
    >>> check_whole("window", 0)
    Traceback (most recent call last):
    ValueError: window must be at least 1; got 0
    """
    try:
        whole = None if isinstance(value, bool) else operator.index(value)
    except TypeError:
        whole = None
    if whole is None:
        raise TypeError(f"{name} must be a whole number; got {kind(value)}")
    if least is not None and whole < least:
        raise ValueError(f"{name} must be at least {least}; got {whole}")
    return whole


def is_number(value: Any) -> bool:
    """Whether this is a single real number: Python's, or an array of no dimensions; not a bool.

    >>> is_number(1), is_number(np.float32(0.5)), is_number("1"), is_number(True)
    (True, True, False, False)
    """
    if isinstance(value, bool | str | list | tuple):
        return False
    return np.ndim(value) == 0 and np.asarray(value).dtype.kind in "iuf"


def check_number(name: str, value: Any) -> None:
    """Refuses an argument that is no number. Its bounds are the caller's to check.

    Args:
      name: of the argument, for the message.
      value: a number, as `is_number` has it.

    Raises:
      TypeError: if it is no number.

    >>> check_number("threshold", "10")
    Traceback (most recent call last):
    TypeError: threshold must be a number; got the string '10'
    """
    if not is_number(value):
        raise TypeError(f"{name} must be a number; got {kind(value)}")
