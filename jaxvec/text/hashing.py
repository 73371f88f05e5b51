"""A hash table of whole arrays of keys: open addressing, probed for all of them at once.

The slot of a key follows from its hash; if another key has it, the next one is tried, and so on
around the table::

    slot    0   1   2   3   4   5   6   7       at most half of them are taken
    key         a   c           b               c hashes to slot 1 too
    code        0   2           1

A hash decides where to look; whether a key is found is decided by all of its bits.
"""

import numpy as np

ABSENT = -2
"""The code of a key that is not in the table."""

_FACTOR = np.uint64(0x9E3779B97F4A7C15)  # 2^64 by the golden ratio: neighbours come far apart
_HALF = np.uint64(32)
_BITS = 64
_FIRST_BITS = 4  # of the slots of an empty table


class HashTable:
    """Codes of keys, each of `width` numbers of 64 bits.

    Attributes:
      width: numbers of a key, which are given as `width` arrays.
      codes: int32[S], the code of each slot, `ABSENT` if it is free.
      size: number of keys.

    >>> table = HashTable(1)
    >>> keys = [np.array([7, 9, 7], np.uint64)]
    >>> slots, first = table.claim(keys)
    >>> table.codes[slots[first]] = [0, 1]
    >>> first.tolist(), table.find(keys).tolist(), table.find([keys[0] + np.uint64(1)]).tolist()
    ([0, 1], [0, 1, 0], [-2, -2, -2])
    """

    def __init__(self, width: int):
        self.width = width
        self.clear()

    def clear(self) -> None:
        """Forgets all keys."""
        self._make(_FIRST_BITS)

    @property
    def nbytes(self) -> int:
        """Bytes of the table."""
        return self.codes.nbytes + sum(column.nbytes for column in self._keys)

    def _make(self, bits: int) -> None:
        self._bits = bits
        self._keys = [np.zeros(1 << bits, np.uint64) for _ in range(self.width)]
        self.codes = np.full(1 << bits, ABSENT, np.int32)
        self.size = 0

    def find(self, keys: list[np.ndarray]) -> np.ndarray:
        """The code of each key.

        Args:
          keys: uint64[n] each. A key of zeros, which stands for none, may get any code.

        Returns:
          int32[n], `ABSENT` where the table lacks the key.
        """
        slots = self._first_slots(keys)
        codes = self.codes.take(slots)
        left = np.flatnonzero(self._differs(keys, slots))
        left = left[(codes[left] != ABSENT) & (keys[0][left] != 0)]
        while len(left):  # another key has the slot
            slots[left] = at = self._next(slots[left])
            codes[left] = self.codes[at]
            differs = self._differs([part[left] for part in keys], at)
            left = left[differs & (codes[left] != ABSENT)]
        return codes

    def claim(self, keys: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """Takes slots for keys that are not in the table; their codes are to be set by the caller.

        Args:
          keys: uint64[n] each; keys may occur several times.

        Returns:
          (slots, first): int64[n], the slot of each key, and int64[m], the places where each of
          the `m` different keys occurs first, in rising order.
        """
        count = len(keys[0])
        self._make_room(count)
        slots = self._first_slots(keys)
        left = np.arange(count)
        owner = np.empty(len(self.codes), np.int32)  # a place, by slot
        while len(left):
            at = slots[left]
            free = self.codes[at] == ABSENT
            owner[at[free]] = left[free]  # one of several; NumPy does not say which
            winners = owner[at[free]]
            for column, part in zip(self._keys, keys, strict=True):
                column[at[free]] = part[winners]
            differs = self._differs([part[left] for part in keys], at)
            self.codes[at[~differs]] = 0  # taken
            left = left[differs]
            slots[left] = self._next(slots[left])
        places = np.arange(count, dtype=np.int32)
        owner[slots] = count
        np.minimum.at(owner, slots, places)
        first = np.flatnonzero(owner[slots] == places)
        self.size += len(first)
        return slots, first

    def _make_room(self, count: int) -> None:
        """Grows, twice as large as needed for `count` more keys to fill no more than half."""
        bits = self._bits
        while 2 * (self.size + count) > 1 << bits:
            bits += 1
        if bits == self._bits:
            return
        taken = np.flatnonzero(self.codes != ABSENT)
        keys, codes = [column[taken] for column in self._keys], self.codes[taken]
        self._make(bits + 1)
        slots, _ = self.claim(keys)
        self.codes[slots] = codes

    def _differs(self, keys: list[np.ndarray], slots: np.ndarray) -> np.ndarray:
        """bool[n], whether another key than each of these has its slot, or none."""
        differs = self._keys[0].take(slots) != keys[0]
        for column, part in zip(self._keys[1:], keys[1:], strict=True):
            differs |= column.take(slots) != part
        return differs

    def _first_slots(self, keys: list[np.ndarray]) -> np.ndarray:
        mixed = keys[0] * _FACTOR
        for part in keys[1:]:
            mixed ^= mixed >> _HALF
            mixed += part
            mixed *= _FACTOR
        mixed >>= np.uint64(_BITS - self._bits)
        return mixed.view(np.int64)

    def _next(self, slots: np.ndarray) -> np.ndarray:
        return (slots + 1) & ((1 << self._bits) - 1)
