"""Words to integers while a text is read, before its vocabulary is known."""

import itertools
from collections import defaultdict
from collections.abc import Iterator

import numpy as np

from jaxvec.messages.numbers import check_whole
from jaxvec.text.pieces import Pieces
from jaxvec.text.vocab import Vocab, word_list

_BATCH = 1 << 17  # words whose codes are looked up together
_WORD_BYTES = 300  # of a word of 8 letters, its code and count, until the vocabulary is made
_CODE_BYTES = 12  # of the count and the id of a code, whose word may be forgotten


class WordIndexer:
    """Gives each word a code, 0, 1, 2 … in the order of first occurrence, and counts it.

    Args:
      max_vocab_size: whenever more words are known, forget the rarest; a forgotten word that
        returns gets a new code and counts from 0.
      known: the code of each word, if they are fixed; any other word has code -1.

    Attributes:
      codes: the code of each word that is known.
      counts: int64[C], how often each code has occurred; [0] with `known`.
      tokens: number of words read, unknown ones included.

    Raises:
      TypeError: if `max_vocab_size` is no whole number.
      ValueError: if it is below 1.

    >>> indexer = WordIndexer()
    >>> [(codes.tolist(), ends) for codes, ends in indexer.batches([(["a", "rose", "a"], True)])]
    [([0, 1, 0], [3])]
    >>> indexer.word_counts()
    {'a': 2, 'rose': 1}
    """

    def __init__(self, max_vocab_size: int | None = None, *, known: dict[str, int] | None = None):
        if max_vocab_size is not None:
            max_vocab_size = check_whole("max_vocab_size", max_vocab_size)
        self.codes = defaultdict(itertools.count().__next__) if known is None else known
        self.counts = np.zeros(0, np.int64)
        self.tokens = 0
        self._fixed = known is not None
        self._max_size = max_vocab_size
        self._rare = 1  # words that have occurred up to this often are forgotten next

    def batches(self, pieces: Pieces) -> Iterator[tuple[np.ndarray, list[int]]]:
        """Reads a text in batches.

        Yields:
          (codes, ends): int32[n], and the places where documents end, counted in tokens from
          the beginning of the text.

        Raises:
          TypeError: for a word that is not hashable, or with `known` is no string; words of a
            new vocabulary are checked when it is made.
          ValueError: if the words of a piece are a string.
        """
        batch: list[str] = []
        ends: list[int] = []
        for words, is_end in pieces:
            if isinstance(words, str):
                raise ValueError(f"expected a list of words; got the string {words[:80]!r}")
            batch.extend(words)
            if is_end:
                ends.append(self.tokens + len(batch))
            if len(batch) >= _BATCH or len(ends) >= _BATCH:
                yield self._encoded(batch), ends
                batch, ends = [], []
        yield self._encoded(batch), ends

    def _encoded(self, words: list[str]) -> np.ndarray:
        """The codes of a batch, which is counted."""
        if self._fixed and not all(issubclass(found, str) for found in set(map(type, words))):
            word_list(words)  # raises
        try:
            found = (
                map(self.codes.get, words, itertools.repeat(-1))
                if self._fixed
                else map(self.codes.__getitem__, words)
            )
            codes = np.fromiter(found, np.int32, len(words))
        except TypeError:
            word_list(words)  # raises for a word that is not hashable
            raise
        self.tokens += len(words)
        if not self._fixed and len(words):
            added = np.bincount(codes)
            if len(added) > len(self.counts):
                self.counts = np.concatenate(
                    [self.counts, np.zeros(len(added) - len(self.counts), np.int64)]
                )
            self.counts[: len(added)] += added
            self._forget_rare()
        return codes

    def _forget_rare(self) -> None:
        while self._max_size is not None and len(self.codes) > self._max_size:
            for word, code in list(self.codes.items()):
                if self.counts[code] <= self._rare:
                    del self.codes[word]
            self._rare += 1

    def word_counts(self) -> dict[str, int]:
        """How often each word has occurred, forgotten words left out."""
        return {word: int(self.counts[code]) for word, code in self.codes.items()}

    @property
    def memory(self) -> int:
        """About how many bytes the words take; `known` is the caller's, and counts as none."""
        if self._fixed:
            return 0
        return _WORD_BYTES * len(self.codes) + _CODE_BYTES * len(self.counts)

    def vocab_ids(self, vocab: Vocab) -> np.ndarray:
        """int32[C + 1]: the vocabulary's id for each code; the last entry is that of code -1.

        Words outside the vocabulary have the id of its `unk`, or -1 if it has none.
        """
        other = -1 if vocab.unk is None else vocab.ids[vocab.unk]
        if self._fixed:
            return np.append(np.arange(len(vocab), dtype=np.int32), np.int32(other))
        table = np.full(len(self.counts) + 1, other, np.int32)
        for word, code in self.codes.items():
            table[code] = vocab.ids.get(word, other)
        return table
