"""Words to integers while a text is read, before its vocabulary is known."""

import itertools
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from jaxvec.messages.numbers import check_whole
from jaxvec.storage.pool import cores, ordered_map
from jaxvec.text.coding import WordCodes
from jaxvec.text.pieces import Bulk, WordPiece, in_bulk
from jaxvec.text.read import Block
from jaxvec.text.splitting import Words, split
from jaxvec.text.vocab import Vocab, word_list

_BATCH = 1 << 17  # words whose codes are looked up together, and after which rare ones go
_SPLITTERS = 2  # threads: more would wait for the one that looks words up
_STRANGERS = 1 << 17  # words outside a fixed vocabulary that are remembered
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
      fixed: whether codes were given, as `known`.

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
        self._room = np.zeros(0, np.int64)  # for counts of more words
        self.counts = self._room
        self.tokens = 0
        self.fixed = known is not None
        self._max_size = max_vocab_size
        self._rare = 1  # words that have occurred up to this often are forgotten next
        self._remembered = WordCodes(_lookup(self.codes, self.fixed))  # no cycle with `self`
        self._waiting = (0, 0)  # words and ends of blocks since rare words were forgotten

    def batches(self, pieces: Bulk) -> Iterator[tuple[np.ndarray, list[int] | np.ndarray]]:
        """Reads a text in batches.

        Yields:
          (codes, ends): int32[n], and the places where documents end, counted in tokens from
          the beginning of the text.

        Raises:
          TypeError: for a word that is not hashable, or with `known` is no string; words of a
            new vocabulary are checked when it is made.
          ValueError: if the words of a piece are a string.
        """
        for is_block, run in itertools.groupby(in_bulk(pieces), _is_block):
            coded: Callable[[Any], Iterator[Any]] = self._of_blocks if is_block else self._of_pieces
            yield from coded(run)

    def _of_pieces(self, pieces: Iterable[WordPiece]) -> Iterator[tuple[np.ndarray, list[int]]]:
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

    def _of_blocks(self, blocks: Iterable[Block]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """As `_of_pieces`; words are split on threads. Rare ones are forgotten at the same places,
        batches else have the words of a block."""
        threads = min(cores(), _SPLITTERS)
        for words in ordered_map(split, blocks, threads) if threads > 1 else map(split, blocks):
            if self.fixed and len(self._remembered) > len(self.codes) + _STRANGERS:
                self._remembered.clear()
            begun = ended = 0
            for last, last_end, is_batch in self._cuts(words):
                ends = self.tokens - begun + words.ends[ended:last_end]
                codes = self._remembered.of(words.part(begun, last))
                self._count(codes)
                if is_batch:
                    self._forget_rare()
                yield codes, ends
                begun, ended = last, last_end
        self._forget_rare()
        self._waiting = (0, 0)

    def _cuts(self, words: Words) -> Iterator[tuple[int, int, bool]]:
        """Where a block is cut: numbers of words and ends before, and whether a batch ends."""
        count, ended = len(words.starts), len(words.ends)
        if self._max_size is None:
            yield count, ended, False
            return
        before_words, before_ends = self._waiting  # the batch's, less those before its first
        lines = np.append(words.ends, count)
        while True:
            full = int(np.searchsorted(lines[:-1], _BATCH - before_words))
            line = min(full, _BATCH - before_ends - 1)
            if line >= ended:
                break
            last, last_end = int(lines[line]), line + 1
            yield last, last_end, True
            before_words, before_ends = -last, -last_end
        is_batch = before_words + count >= _BATCH
        yield count, ended, is_batch
        self._waiting = (0, 0) if is_batch else (before_words + count, before_ends + ended)

    def _encoded(self, words: list[str]) -> np.ndarray:
        """The codes of a batch, which is counted."""
        if self.fixed and not all(issubclass(found, str) for found in set(map(type, words))):
            word_list(words)  # raises
        try:
            codes = np.fromiter(_lookup(self.codes, self.fixed)(words), np.int32, len(words))
        except TypeError:
            word_list(words)  # raises for a word that is not hashable
            raise
        self._count(codes)
        self._forget_rare()
        return codes

    def _count(self, codes: np.ndarray) -> None:
        self.tokens += len(codes)
        if self.fixed or not len(codes):
            return
        size = int(codes.max()) + 1
        if size > len(self._room):
            self._room = np.concatenate([self._room, np.zeros(size, np.int64)])
        self.counts = self._room[: max(size, len(self.counts))]
        np.add.at(self.counts, codes, 1)

    def _forget_rare(self) -> None:
        while self._max_size is not None and len(self.codes) > self._max_size:
            for word, code in list(self.codes.items()):
                if self.counts[code] <= self._rare:
                    del self.codes[word]
            self._rare += 1
            self._remembered.clear()

    def word_counts(self) -> dict[str, int]:
        """How often each word has occurred, forgotten words left out."""
        counts = self.counts.tolist()
        return {word: counts[code] for word, code in self.codes.items()}

    @property
    def memory(self) -> int:
        """About how many bytes the words take; of `known`, only the tables that remember it."""
        tables = self._remembered.nbytes
        if self.fixed:
            return tables
        return tables + _WORD_BYTES * len(self.codes) + _CODE_BYTES * len(self.counts)

    def vocab_ids(self, vocab: Vocab) -> np.ndarray:
        """int32[C + 1]: the vocabulary's id for each code; the last entry is that of code -1.

        Words outside the vocabulary have the id of its `unk`, or -1 if it has none.
        """
        other = -1 if vocab.unk is None else vocab.ids[vocab.unk]
        if self.fixed:
            return np.append(np.arange(len(vocab), dtype=np.int32), np.int32(other))
        table = np.full(len(self.counts) + 1, other, np.int32)
        found = map(self.codes.get, vocab.words, itertools.repeat(-1))
        codes = np.fromiter(found, np.int64, len(vocab))
        ids = np.flatnonzero(codes >= 0)
        table[codes[ids]] = ids
        return table


def _lookup(codes: dict[str, int], fixed: bool) -> Callable[[list[str]], Iterable[int]]:
    """The codes of words: -1 for one that is not known, if codes are fixed, else a new one."""
    if fixed:
        return lambda words: map(codes.get, words, itertools.repeat(-1))
    return lambda words: map(codes.__getitem__, words)


def _is_block(piece: WordPiece | Block) -> bool:
    return isinstance(piece, Block)
