"""A corpus: text as one array of token ids, with the ends of its documents."""

import itertools
import os
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np

from jaxvec.messages.gensim import explained
from jaxvec.messages.kinds import kind
from jaxvec.storage.arrays import load_arrays, save_arrays
from jaxvec.text.read import read_pieces
from jaxvec.text.tokenize import Tokenizer, get_tokenizer
from jaxvec.text.vocab import Vocab, word_list

_BATCH = 1 << 17  # words that are turned into ids at a time


Pieces = Iterable[tuple[Sequence[str], bool]]
"""Words of one document, and whether it ends with them."""


@explained("make one by Corpus.from_documents(sentences) or Corpus.from_files(path)")
class Corpus:
    """`T` token ids in `N` documents, and the vocabulary they refer to.

    Words outside the vocabulary are left out and the window closes up over them, as in
    word2vec, unless the vocabulary has an `unk`. Documents left without a word are dropped.

    Attributes:
      vocab: the vocabulary.
      ids: int32[T], the documents one after the other; may be memory-mapped.
      offsets: int64[N + 1], document `i` is ``ids[offsets[i]:offsets[i + 1]]``.
      raw_words: how many words the text had, those outside the vocabulary included.

    >>> corpus = Corpus.from_documents(["a rose is a rose", "is a"], min_count=2)
    >>> corpus.vocab.words, corpus.ids.tolist(), corpus.offsets.tolist()
    (['a', 'is', 'rose'], [0, 2, 1, 0, 2, 1, 0], [0, 5, 7])
    """

    def __init__(self, vocab: Vocab, ids: np.ndarray, offsets: np.ndarray, *, raw_words: int):
        self.vocab = vocab
        self.ids = ids
        self.offsets = offsets
        self.raw_words = raw_words

    @classmethod
    def from_files(
        cls,
        *paths: str | os.PathLike[str],
        tokenizer: str | Tokenizer = "whitespace",
        errors: str = "strict",
        **options,
    ) -> "Corpus":
        """Reads files, folders or standard input (``"-"``) once, a document a line.

        Args:
          *paths: see `read_pieces`; may be compressed.
          tokenizer: ``"whitespace"``, ``"basic_english"``, ``"text8"``, ``"alphanumeric"`` or
            a function.
          errors: what to do about broken UTF-8, as in `bytes.decode`.
          **options: as for `from_documents`.

        Raises:
          FileNotFoundError: if a path does not exist.
          ValueError: if a file is not text, or no text or vocabulary is left.
        """
        split = get_tokenizer(tokenizer)
        pieces = ((split(text), ends) for text, ends in read_pieces(paths, errors=errors))
        return cls._build(pieces, " ".join(map(str, paths)), **options)

    @classmethod
    def from_documents(
        cls,
        documents: Iterable[str | Sequence[str]],
        *,
        tokenizer: str | Tokenizer = "whitespace",
        **options,
    ) -> "Corpus":
        """Reads any iterable once; each item is a document: a string, or a list of words.

        Args:
          documents: the documents. A single string is refused, being an iterable of letters.
          tokenizer: applied to strings.
          vocab: use this vocabulary, instead of making one from the text.
          extend: the vocabulary of earlier text, to which the words of this are added; see
            `Vocab.extended`. For `fit(start=…)` to go on with.
          min_count: leave out words that occur less often.
          max_size: keep at most so many words, the most frequent.
          max_vocab_size: while counting, forget the rarest words whenever more than this
            many are known, so that memory stays bounded; what a word counted before it
            was forgotten is lost, as in word2vec and gensim.
          specials, unk: see `Vocab.from_counts`.

        Raises:
          ValueError: if there is no word, or the vocabulary comes out empty.
          TypeError: for a document that is neither a string nor words, such as bytes or NaN.
        """
        return cls._build(document_words(documents, tokenizer), "documents", **options)

    @classmethod
    @explained("write Corpus.from_documents(sentences, min_count=5)", name="Corpus")
    def _build(
        cls,
        pieces: Pieces,
        source: str,
        *,
        vocab: Vocab | None = None,
        extend: Vocab | None = None,
        min_count: int = 5,
        max_size: int | None = None,
        max_vocab_size: int | None = None,
        specials: Sequence[str] = (),
        unk: str | None = None,
    ) -> "Corpus":
        for name, given in (("vocab", vocab), ("extend", extend)):
            if not isinstance(given, Vocab | None):
                raise TypeError(f"{name} must be a Vocab, such as Vocab.load(path) or "
                                f"earlier.vocab; got {kind(given)}")  # fmt: skip
        coder = Coder(max_vocab_size) if vocab is None else Coder(known=vocab.ids)
        batches = [(codes, np.array(ends, np.int64)) for codes, ends in coder.batches(pieces)]
        if not coder.words:
            raise ValueError(f"no words in {source}: expected text with at least one word")
        if vocab is None and extend is not None:
            if max_size is not None or specials or unk is not None:
                raise ValueError("extend does not go with max_size, specials or unk")
            vocab = extend.extended(coder.counted(), min_count=min_count)
        elif vocab is None:
            counts = coder.counted()
            vocab = Vocab.from_counts(
                counts, min_count=min_count, max_size=max_size, specials=specials, unk=unk
            )
            if unk is not None:  # the tokens of forgotten words too
                vocab.counts[vocab.ids[unk]] += coder.words - sum(counts.values())
            if len(vocab) == vocab.specials:
                raise ValueError(
                    f"no word occurs min_count={min_count} times: the most frequent of "
                    f"{len(counts)} words occurs {max(counts.values())} times; lower min_count"
                )
        ids, offsets = _renumbered(batches, coder.final_ids(vocab))
        if not len(ids):
            raise ValueError(f"no word of {source} is in the vocabulary of {len(vocab)} words")
        return cls(vocab, ids, offsets, raw_words=coder.words)

    def __len__(self) -> int:
        return len(self.ids)

    def __repr__(self) -> str:
        documents = len(self.offsets) - 1
        return (
            f"Corpus of {len(self):,} tokens in {documents:,} documents, {len(self.vocab):,} words"
        )

    def documents(self) -> Iterator[np.ndarray]:
        """The ids of each document in turn."""
        for start, end in itertools.pairwise(self.offsets):
            yield self.ids[start:end]

    def document_numbers(self, start: int, stop: int) -> np.ndarray:
        """Which document each token from one place to another is in, int32; 0 is the first's."""
        inside = self.offsets[
            np.searchsorted(self.offsets, start, "right") : np.searchsorted(self.offsets, stop)
        ]
        begins = np.zeros(stop - start, np.int32)
        begins[inside - start] = 1
        return np.cumsum(begins, out=begins)

    def split(self, fraction: float) -> tuple["Corpus", "Corpus"]:
        """Cuts the last `fraction` off: at the end of a document if one is near, else inside it.

        Raises:
          ValueError: if `fraction` is not between 0 and 1, or a side would be empty.
        """
        if not 0 < fraction < 1:
            raise ValueError(f"the fraction to split off must be between 0 and 1; got {fraction}")
        cut = round(len(self) * (1 - fraction))
        if len(self.offsets) > 2:
            inner = self.offsets[1:-1]
            nearest = int(inner[np.abs(inner - cut).argmin()])
            if abs(nearest - cut) <= len(self) * min(fraction, 1 - fraction) / 2:
                cut = nearest
        if not 0 < cut < len(self):
            raise ValueError(f"a corpus of {len(self)} tokens is too small to split off {fraction}")
        offsets = np.union1d(self.offsets, [cut])
        at = int(np.searchsorted(offsets, cut))

        def part(ids: np.ndarray, offsets: np.ndarray) -> Corpus:
            share = round(self.raw_words * len(ids) / len(self))
            return Corpus(self.vocab, ids, offsets, raw_words=share)

        return (
            part(self.ids[:cut], offsets[: at + 1]),
            part(self.ids[cut:], offsets[at:] - cut),
        )

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes an uncompressed ``.npz`` with ids, offsets and vocabulary."""
        save_arrays(
            path,
            kind=np.array("corpus"),
            ids=self.ids,
            offsets=self.offsets,
            **self.vocab.to_arrays(),
            raw_words=np.array(self.raw_words),
        )

    @classmethod
    def load(cls, path: str | os.PathLike[str], *, mmap: bool = True) -> "Corpus":
        """Reads what `save` wrote; the ids stay on disk until used, unless `mmap` is False.

        Raises:
          FileNotFoundError: if there is no such file.
          ValueError: if it is not a corpus.
        """
        arrays = load_arrays(path, mapped=mmap)
        if str(arrays.get("kind")) != "corpus":
            raise ValueError(f"{path} is not a saved corpus")
        vocab = Vocab.from_arrays(arrays)
        return cls(vocab, arrays["ids"], arrays["offsets"], raw_words=int(arrays["raw_words"]))


def document_words(
    documents: Iterable[str | Sequence[str]], tokenizer: str | Tokenizer = "whitespace"
) -> Pieces:
    """The words of documents, each a string, which is tokenized, or a list of words.

    Raises:
      ValueError: if `documents` is a string.
      TypeError: if they cannot be read one by one; for a document that is neither, once it comes.

    >>> list(document_words(["a rose", ["is", "a rose"]]))
    [(['a', 'rose'], True), (['is', 'a rose'], True)]
    """
    if isinstance(documents, str | bytes):
        raise ValueError(
            "documents must be an iterable of strings or word lists, not a string: write "
            "[text] for one document, or from_files(path) for a file"
        )
    if not isinstance(documents, Iterable):
        is_path = isinstance(documents, os.PathLike)
        raise TypeError(
            f"documents must be an iterable of strings or word lists; got {kind(documents)}"
            + (f": write from_files({os.fspath(documents)!r})" if is_path else "")
        )
    split = get_tokenizer(tokenizer)

    def pieces() -> Pieces:
        for number, text in enumerate(documents):
            if isinstance(text, bytes | Mapping) or not isinstance(text, Iterable):
                raise TypeError(
                    f"document {number} must be a string or a list of words; got {kind(text)}"
                )
            yield split(text) if isinstance(text, str) else text, True

    return pieces()


def count_words(
    documents: Iterable[Sequence[str]], *, max_vocab_size: int | None = None
) -> dict[str, int]:
    """How often each word occurs; see `Corpus.from_documents` for `max_vocab_size`.

    >>> count_words([["a", "rose"], ["a"]])
    {'a': 2, 'rose': 1}
    """
    coder = Coder(max_vocab_size)
    for _ in coder.batches((words, True) for words in documents):
        pass
    return coder.counted()


class Coder:
    """Numbers words in the order of their first coming, in one pass over the text."""

    def __init__(self, max_size: int | None = None, *, known: dict[str, int] | None = None):
        if max_size is not None and max_size < 1:
            raise ValueError(f"max_vocab_size must be at least 1 or None; got {max_size}")
        self.known = known is not None
        self.code = _Known(known) if known is not None else defaultdict(itertools.count().__next__)
        self.counts = np.zeros(0, np.int64)
        self.max_size = max_size
        self.words = 0
        self._least = 1

    def batches(self, pieces: Pieces) -> Iterator[tuple[np.ndarray, list[int]]]:
        """Codes of some words (-1 for none), and the document ends among all words so far."""
        batch: list[str] = []
        ends: list[int] = []
        for words, is_end in pieces:
            if isinstance(words, str):
                raise ValueError(f"expected a list of words; got the string {words[:80]!r}")
            batch.extend(words)
            if is_end:
                ends.append(self.words + len(batch))
            if len(batch) >= _BATCH:
                yield self._codes(batch), ends
                batch, ends = [], []
        yield self._codes(batch), ends

    def _codes(self, words: list[str]) -> np.ndarray:
        if self.known and any(not issubclass(kind, str) for kind in set(map(type, words))):
            word_list(words)  # raises; words of a new vocabulary are looked at when it is made
        try:
            codes = np.fromiter(map(self.code.__getitem__, words), np.int32, len(words))
        except TypeError:  # one cannot be a key
            word_list(words)
            raise
        self.words += len(words)
        if not self.known and len(words):
            seen = np.bincount(codes)
            if len(seen) > len(self.counts):
                self.counts = np.concatenate(
                    [self.counts, np.zeros(len(seen) - len(self.counts), np.int64)]
                )
            self.counts[: len(seen)] += seen
            self._forget_rare()
        return codes

    def _forget_rare(self) -> None:
        while self.max_size is not None and len(self.code) > self.max_size:
            for word, code in list(self.code.items()):
                if self.counts[code] <= self._least:
                    del self.code[word]
            self._least += 1

    def counted(self) -> dict[str, int]:
        return {word: int(self.counts[code]) for word, code in self.code.items()}

    def final_ids(self, vocab: Vocab) -> np.ndarray:
        """The vocabulary's id for each code, and in the last place for code -1."""
        other = -1 if vocab.unk is None else vocab.ids[vocab.unk]
        if self.known:
            return np.append(np.arange(len(vocab), dtype=np.int32), np.int32(other))
        table = np.full(len(self.counts) + 1, other, np.int32)
        for word, code in self.code.items():
            table[code] = vocab.ids.get(word, other)
        return table


class _Known(dict):
    """A fixed numbering; other words are -1."""

    def __missing__(self, word: str) -> int:
        return -1


def _renumbered(
    batches: list[tuple[np.ndarray, np.ndarray]], table: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Final ids without the words left out, and the offsets of what documents remain.

    Args:
      batches: codes, and the document ends among all so far; let go of one by one.
      table: the id of each code, -1 for words left out.
    """
    ids = np.empty(sum(len(codes) for codes, _ in batches), np.int32)
    offsets = [np.zeros(1, np.int64)]
    seen = filled = 0
    batches.reverse()
    while batches:
        codes, ends = batches.pop()
        part = table[codes]
        kept = part >= 0
        before = np.concatenate([[0], np.cumsum(kept)])
        offsets.append(filled + before[ends - seen])
        seen += len(codes)
        ids[filled : filled + before[-1]] = part[kept]
        filled += before[-1]
    return ids[:filled], np.unique(np.concatenate(offsets))
