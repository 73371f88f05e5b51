"""Arrays of a saved file, each checked for dtype, shape, range and order before it is believed."""

from collections.abc import Mapping
from typing import Any

import numpy as np


class Extent:
    """The least and the largest of numbers that are seen part by part.

    Attributes:
      least, most: of all so far; `least` is above `most` if there were none.

    >>> extent = Extent()
    >>> extent(np.array([3, 1])), extent(np.array([2]))
    (None, None)
    >>> extent.least, extent.most
    (1, 3)
    """

    def __init__(self) -> None:
        self.least, self.most = 0, -1

    def __call__(self, part: np.ndarray) -> None:
        """Sees some numbers, [n]; other kinds than integers are left to `field`."""
        if len(part) and part.dtype.kind in "iu":
            least, most = int(part.min()), int(part.max())
            seen = self.least <= self.most
            self.least = min(self.least, least) if seen else least
            self.most = max(self.most, most) if seen else most


class Rising:
    """Makes sure that numbers that are seen part by part never fall.

    >>> rising = Rising("offsets")
    >>> rising(np.array([0, 3])), rising(np.array([3, 9]))
    (None, None)
    >>> rising(np.array([8]))
    Traceback (most recent call last):
    ...
    ValueError: its offsets fall after number 4, which is 9
    """

    def __init__(self, name: str):
        self._name, self._seen = name, 0
        self._last: np.ndarray | None = None

    def __call__(self, part: np.ndarray) -> None:
        """Sees some numbers, [n].

        Raises:
          ValueError: if one is below the one before.
        """
        if not len(part) or part.dtype.kind not in "iu":
            return
        before = part[:1] if self._last is None else self._last
        falls = part[1:] < part[:-1]
        if part[0] < before[0] or falls.any():
            place = 0 if part[0] < before[0] else int(falls.argmax()) + 1
            last = part[place - 1] if place else before[0]
            raise ValueError(
                f"its {self._name} fall after number {self._seen + place}, which is {last}"
            )
        self._seen, self._last = self._seen + len(part), part[-1:].copy()


def field(
    arrays: Mapping[str, np.ndarray], name: str, dtypes: str, dimensions: int = 1
) -> np.ndarray:
    """An array of a file, if it is there and of one of the dtypes.

    Args:
      arrays: by name.
      name: of the array.
      dtypes: the kinds of its numbers, and their bytes, as NumPy writes them: ``"i4 i8"``; or
        ``"i"`` for integers of any size.
      dimensions: of the array.

    Raises:
      ValueError: if it is missing, or of another dtype or number of dimensions.

    >>> field({"ids": np.zeros(3, np.int32)}, "ids", "i4").shape
    (3,)
    >>> field({"ids": np.zeros(3)}, "ids", "i4")
    Traceback (most recent call last):
    ...
    ValueError: its ids are float64[3]; expected i4 in 1 dimension
    """
    if name not in arrays:
        raise ValueError(f"it has no {name}")
    array, known = arrays[name], dtypes.split()
    native = array.dtype.isnative or array.dtype.kind == "U"
    fits = array.dtype.kind in known or array.dtype.str[1:] in known
    if not (fits and native and array.ndim == dimensions):
        plural = "" if dimensions == 1 else "s"
        raise ValueError(
            f"its {name} are {array.dtype}{list(array.shape)}; expected {' or '.join(known)} in "
            f"{dimensions} dimension{plural}"
        )
    return array


def scalar(arrays: Mapping[str, np.ndarray], name: str, dtypes: str) -> Any:
    """A number or text that was saved as an array without dimensions.

    Args:
      arrays, name, dtypes: as for `field`.

    Raises:
      ValueError: as `field`.

    >>> scalar({"kind": np.array("corpus")}, "kind", "U")
    'corpus'
    """
    return field(arrays, name, dtypes, 0).item()


def check_range(name: str, extent: Extent, least: int, most: int) -> None:
    """Makes sure that all numbers of an array were within bounds.

    Args:
      name: of the array.
      extent: of its numbers.
      least, most: the bounds, both allowed.

    Raises:
      ValueError: if one was not.
    """
    if extent.least <= extent.most and not least <= extent.least <= extent.most <= most:
        raise ValueError(
            f"its {name} are from {extent.least} to {extent.most}; expected {least} to {most}"
        )
