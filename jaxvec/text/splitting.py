"""Bytes of text to words, without a string for each: where they begin, and numbers to tell them by.

A word of up to 8 bytes is one number, its bytes followed by zeros; longer ones are 2 or 4::

    text      t h e   f e l i c i t o u s
    starts    0       4                      length 3 and 10
    key       t h e 0 0 0 0 0                the whole word: no word has a zero in it
              f e l i c i t o   u s 0 0 …    two numbers
"""

from typing import NamedTuple

import numpy as np

from jaxvec.text.read import Block

KEY_BYTES = 8  # of a number
WIDTHS = (1, 2, 4)  # numbers of a key; longer words have none
LONGEST = KEY_BYTES * WIDTHS[-1]

_BLANK, _LINE_END = b" \n"
_SLICE = 1 << 20  # bytes that are searched for white space at a time
_IS_SPACE = np.array([chr(byte).isspace() for byte in range(_BLANK + 1)])
_KEPT = np.array([b"\xff" * i for i in range(KEY_BYTES + 1)], "S8").view(np.uint64)
_KEPT_ALONE = np.append(_KEPT, np.uint64(0))  # a longer word is no single number

_SPACES = [s.encode() for s in map(chr, range(0x80, 1 << 16)) if s.isspace()]  # beyond ASCII
_LEADS = sorted({s[0] for s in _SPACES})
_TWO_BYTES = 0xE0  # characters that begin with less have two bytes, the others here three
_IS_PAIR = np.zeros(1 << 16, bool)
_IS_PAIR[[s[0] << 8 | s[1] for s in _SPACES]] = True
_LOW = 3  # bits that tell the first of three bytes, 0xE1 to 0xE3
_IS_TRIPLE = np.zeros((_LOW + 1) << 16, bool)
_IS_TRIPLE[[(s[0] & _LOW) << 16 | s[1] << 8 | s[2] for s in _SPACES if len(s) == 3]] = True


class Words(NamedTuple):
    """The `n` words of a block."""

    text: bytes | bytearray  # the block; bytes of a key may be read beyond its end
    starts: np.ndarray  # int64[n], where they begin in it
    lengths: np.ndarray  # int64[n], their bytes
    alone: np.ndarray  # uint64[n], keys of one number; 0 for longer words
    ends: np.ndarray  # int64[N], numbers of words before the ends of lines

    def part(self, first: int, last: int) -> "Words":
        """The words first … last, without ends of lines.

        Args:
          first, last: numbers of words.
        """
        inside = slice(first, last)
        return self._replace(
            starts=self.starts[inside],
            lengths=self.lengths[inside],
            alone=self.alone[inside],
            ends=self.ends[:0],
        )

    def key(self, places: np.ndarray, width: int) -> list[np.ndarray]:
        """The keys of some words, as `width` arrays uint64[m].

        Args:
          places: int64[m], words of at most 8 · `width` bytes.
          width: one of `WIDTHS`.
        """
        starts, lengths = self.starts[places], self.lengths[places]
        numbers = _numbers(self.text)
        return [
            numbers[starts + skipped] & _KEPT[np.clip(lengths - skipped, 0, KEY_BYTES)]
            for skipped in range(0, KEY_BYTES * width, KEY_BYTES)
        ]

    def spelled(self, places: np.ndarray) -> list[str]:
        """Some words, int64[m], as strings; m > 0."""
        starts = self.starts[places]
        stops = (starts + self.lengths[places]).tolist()
        return [
            self.text[start:stop].decode("utf-8", "surrogatepass")
            for start, stop in zip(starts.tolist(), stops, strict=True)
        ]


def split(block: Block) -> Words:
    """The words of a block, where `str.split` finds them.

    Args:
      block: without a zero byte.

    >>> words = split(Block(b"the felicitous\\nthe end", True))
    >>> words.spelled(np.arange(4)), words.ends.tolist(), bool(words.alone[0] == words.alone[2])
    (['the', 'felicitous', 'the', 'end'], [2, 4], True)
    """
    after = bytes(LONGEST) if block.data[-1:].isspace() else b" " + bytes(LONGEST)
    padded = b" %b%b" % (block.data, after)
    text = padded if block.data.isascii() else _with_blanks(padded)
    data = np.frombuffer(text, np.uint8)[:-LONGEST]
    spaces = np.flatnonzero(data <= _BLANK)
    found = data[spaces]
    is_end = found == _LINE_END
    if not ((found == _BLANK) | is_end).all():
        is_space = _IS_SPACE[found]  # other control characters are letters
        spaces, is_end = spaces[is_space], is_end[is_space]
    ends: np.ndarray = np.flatnonzero(is_end)
    lengths = np.diff(spaces)
    lengths -= 1
    starts = spaces[:-1]
    starts += 1
    is_word = lengths > 0
    if not is_word.all():
        ends = np.cumsum(is_word)[ends - 1]
        kept = np.flatnonzero(is_word)
        starts, lengths = starts[kept], lengths[kept]
    if block.ends:
        ends = np.append(ends, len(starts))
    alone = _numbers(text)[starts]
    alone &= _KEPT_ALONE.take(lengths, mode="clip")
    return Words(text, starts, lengths, alone, ends)


def _numbers(text: bytes | bytearray) -> np.ndarray:
    """The 8 bytes from each place on."""
    return np.ndarray(len(text) - KEY_BYTES + 1, np.uint64, text, 0, (1,))


def _with_blanks(text: bytes) -> bytearray:
    """UTF-8 with blanks instead of white space beyond ASCII, as many as it has bytes."""
    changed = bytearray(text)
    data = np.frombuffer(changed, np.uint8)
    for start in range(0, len(data), _SLICE):
        part = data[start : start + _SLICE]
        is_lead = part == _LEADS[0]
        for lead in _LEADS[1:]:
            is_lead |= part == lead
        places = np.flatnonzero(is_lead) + start
        first, second, third = (data[places + i].astype(np.int64) for i in range(3))
        is_space = _IS_PAIR[first << 8 | second]
        is_long = first >= _TWO_BYTES
        is_space &= ~is_long | _IS_TRIPLE[(first & _LOW) << 16 | second << 8 | third]
        for i in range(2):
            data[places[is_space] + i] = _BLANK
        data[places[is_space & is_long] + 2] = _BLANK
    return changed
