"""Codes of words that are bytes, remembered, so that each word is made a string only once."""

from collections.abc import Callable, Iterable, Iterator

import numpy as np

from jaxvec.text.hashing import ABSENT, HashTable
from jaxvec.text.splitting import KEY_BYTES, WIDTHS, Words

_LEARNED = 1 << 14  # occurrences of unknown words that are looked at together


class WordCodes:
    """The codes of words, by their bytes.

    Words of up to 32 bytes are remembered. Longer ones are asked for each time.

    Args:
      code_of: the codes of words that are not remembered, in the order in which they occur. A
        word may come several times.

    >>> from jaxvec.text.read import Block
    >>> from jaxvec.text.splitting import split
    >>> seen = []
    >>> codes = WordCodes(lambda words: [seen.append(word) or len(seen) for word in words])
    >>> codes.of(split(Block(b"a rose is a rose", True))).tolist(), seen
    ([1, 2, 3, 1, 2], ['a', 'rose', 'is'])
    """

    def __init__(self, code_of: Callable[[list[str]], Iterable[int]]):
        self._code_of = code_of
        self._tables = [HashTable(width) for width in WIDTHS]

    def __len__(self) -> int:
        """Number of words that are remembered."""
        return sum(table.size for table in self._tables)

    @property
    def nbytes(self) -> int:
        """Bytes of the tables."""
        return sum(table.nbytes for table in self._tables)

    def clear(self) -> None:
        """Forgets all words."""
        for table in self._tables:
            table.clear()

    def of(self, words: Words) -> np.ndarray:
        """The codes of words: int32[n]."""
        codes = self._tables[0].find([words.alone])
        longer = np.flatnonzero(words.lengths > KEY_BYTES)
        codes[longer] = ABSENT
        self._find(words, longer, codes)
        absent = np.flatnonzero(codes == ABSENT)
        while len(absent):
            some, absent = absent[:_LEARNED], absent[_LEARNED:]
            self._learn(words, some, codes)
            self._find(words, absent, codes)
            absent = absent[codes[absent] == ABSENT]
        return codes

    def _find(self, words: Words, places: np.ndarray, codes: np.ndarray) -> None:
        """Writes the codes of the words at some places, where they are remembered."""
        for table, inside in self._by_length(words, places):
            codes[inside] = table.find(words.key(inside, table.width))

    def _learn(self, words: Words, places: np.ndarray, codes: np.ndarray) -> None:
        """Asks for the codes of words that are not remembered, and writes them."""
        claims = []
        new = [places[words.lengths[places] > KEY_BYTES * WIDTHS[-1]]]
        for table, inside in self._by_length(words, places):
            slots, first = table.claim(words.key(inside, table.width))
            claims.append((table, inside, slots, first))
            new.append(inside[first])
        asked = np.sort(np.concatenate(new))
        codes[asked] = np.fromiter(self._code_of(words.spelled(asked)), np.int32, len(asked))
        for table, inside, slots, first in claims:
            table.codes[slots[first]] = codes[inside[first]]
            codes[inside] = table.codes[slots]

    def _by_length(
        self, words: Words, places: np.ndarray
    ) -> Iterator[tuple[HashTable, np.ndarray]]:
        """Each table, and the places whose words are in it."""
        lengths = words.lengths[places]
        longer_than = 0
        for table in self._tables:
            up_to = KEY_BYTES * table.width
            inside = places[(lengths > longer_than) & (lengths <= up_to)]
            longer_than = up_to
            if len(inside):
                yield table, inside
