"""The options of counting, exact weights, and limits of memory and threads.

Weights are whole numbers, int64, of a unit 1/u, so that sums are exact and the same in any order.
u is 1 without distance weighting; else lcm(1 … W) for W up to 22, where 1/d is a multiple of 1/u
(lcm(1 … 10) is 2520, lcm(1 … 22) 232,792,560). It is 2^32 for wider windows, whose weights are
rounded: by at most W · 2^-33 of a weight. A cell holds up to 2^61 units, which are 9 · 10^14 pairs
at distance 1 for W = 10 and 5 · 10^8 for W above 22; beyond that counting stops with an error.
"""

import math
from pathlib import Path
from typing import NamedTuple

import numpy as np

from jaxvec.storage.runs import Run, group_starts, sort_by_key

LEAST_MEMORY = 64 << 20
"""The smallest `memory` of counting, in bytes."""
_TOKENS = 1 << 30  # counted at once, if `memory` sets no smaller number
_INTERVAL = 1 << 18  # entries of a merged interval, if `memory` sets no smaller number
_WIDEST_EXACT = 22  # the largest W whose lcm(1 … W) is below 2^32
_BYTES_A_TOKEN = 32  # of the text while it is counted
_BYTES_A_PAIR = 64  # of one that was counted, while it is mirrored
_BYTES_AN_ENTRY = 140  # while they are merged


class Settings(NamedTuple):
    """The options of `count` that cells depend on."""

    window: int  # W, the largest distance
    symmetric: bool
    distance_weighting: bool

    def unit(self) -> int:
        """u: weights are multiples of 1/u.

        >>> Settings(10, True, True).unit(), Settings(10, True, False).unit()
        (2520, 1)
        """
        if not self.distance_weighting:
            return 1
        exact = self.window <= _WIDEST_EXACT
        return math.lcm(*range(1, self.window + 1)) if exact else 1 << 32

    def weights(self, window: int) -> np.ndarray:
        """The weight of each distance up to `window`, in units: int64[window], or [1] if all are 1.

        >>> Settings(4, True, True).weights(4).tolist()
        [12, 6, 4, 3]
        """
        if not self.distance_weighting:
            return np.ones(1, np.int64)
        return np.round(self.unit() / np.arange(1, window + 1)).astype(np.int64)


class Means(NamedTuple):
    """What counting may use: it changes no cell."""

    memory: int | None  # bytes beyond what the process holds; None is unlimited
    folder: Path | None  # where runs wait that do not fit; None is memory
    threads: int

    def interval(self) -> int:
        """About how many entries are merged at a time by a thread."""
        if self.memory is None:
            return _INTERVAL
        return min(_INTERVAL, self.memory // _BYTES_AN_ENTRY // (2 * self.threads + 1))

    def tokens(self, pairs: int) -> int:
        """How many tokens are counted at once.

        Args:
          pairs: of a token, at most.
        """
        if self.memory is None:
            return _TOKENS
        return max(1, min(_TOKENS, self.memory // (_BYTES_A_TOKEN + _BYTES_A_PAIR * pairs)))


def id_bits(words: int) -> int:
    """The width of a word id in a key; `words` itself fits too, for no word."""
    return words.bit_length()


def itself(run: Run) -> Run:
    """The run: for `pairs.cells`, where runs are asked for."""
    return run


def both_directions(run: Run, bits: int) -> Run:
    """The cells of a run, and their mirrored cells added: (column, row) for each (row, column).

    Args:
      run: keys are ``row << bits | column``.
      bits: width of the column in a key.

    >>> run = both_directions(Run(np.array([0b0000, 0b0001]), np.array([3, 5])), 2)
    >>> run.keys.tolist(), run.sums.tolist()
    ([0, 1, 4], [6, 5, 5])
    """
    row, column = run.keys >> bits, run.keys & ((1 << bits) - 1)
    keys = np.concatenate([run.keys, (column << bits) | row])
    keys, sums = sort_by_key(keys, np.concatenate([run.sums, run.sums]))
    first = group_starts(keys)
    return Run(keys[first], np.add.reduceat(sums, first) if len(first) else sums)
