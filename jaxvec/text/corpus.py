"""A corpus: text as one array of token ids, with the offsets of its documents."""

import itertools
import os
import warnings
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from jaxvec.messages.gensim import explained
from jaxvec.messages.kinds import kind
from jaxvec.messages.numbers import check_number, check_whole
from jaxvec.storage.arrays import load_arrays, release, save_arrays, still_whole
from jaxvec.storage.door import reading
from jaxvec.storage.fields import Extent, Rising, check_range, field, scalar
from jaxvec.storage.pool import give_back
from jaxvec.text.codes import Codes
from jaxvec.text.indexing import WordIndexer
from jaxvec.text.numbered import check_decimal, numbered
from jaxvec.text.pieces import Bulk, FromText, document_pieces
from jaxvec.text.tokenize import Tokenizer
from jaxvec.text.vocab import Vocab

_PART = 1 << 16  # documents


@explained("make one by Corpus.from_documents(sentences) or Corpus.from_files(path)")
class Corpus(FromText):
    """`T` token ids in `N` documents, and the vocabulary they refer to.

    Words outside the vocabulary are left out and the window closes up over them, as in
    word2vec, unless the vocabulary has an `unk`. Documents left without a word are dropped.

    Attributes:
      vocab: the vocabulary.
      ids: int32[T], the documents one after the other; may be memory-mapped.
      offsets: int64[N + 1], document `i` is ``ids[offsets[i]:offsets[i + 1]]``.
      raw_words: number of words in the text, those outside the vocabulary included.

    >>> corpus = Corpus.from_documents(["a rose is a rose", "is a"], min_count=2)
    >>> corpus.vocab.words, corpus.ids.tolist(), corpus.offsets.tolist()
    (['a', 'is', 'rose'], [0, 2, 1, 0, 2, 1, 0], [0, 5, 7])
    """

    def __init__(self, vocab: Vocab, ids: np.ndarray, offsets: np.ndarray, *, raw_words: int):
        self.vocab = vocab
        self.ids = np.asanyarray(ids)
        self.offsets = np.asanyarray(offsets)
        self.raw_words = raw_words

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
          extend: the vocabulary of earlier text, to which the words of this text are added; see
            `Vocab.extended`. For `fit(start=…)`.
          min_count: leave out words that occur less often.
          max_size: keep at most this many words, the most frequent.
          max_vocab_size: while counting, forget the rarest words whenever more than this
            many are known, so that memory stays bounded; what a word counted before it
            was forgotten is lost, as in word2vec and gensim.
          specials, unk: see `Vocab.from_counts`.
          memory: bytes that reading may take, some 8 a token, 24 a document and 350 a distinct
            word. If it takes more, ids and offsets go to a temporary file as they are read and
            are memory-mapped from there, the same to the bit. Words stay in memory: if they
            alone outgrow it, a warning says so, and `max_vocab_size` bounds them. By default
            unlimited.
          folder: where the temporary file is, 4 bytes a token and 8 a document, which is gone
            with the corpus or the process; by default that of `tempfile`, which ``TMPDIR`` sets.

        Raises:
          ValueError: if there is no word, the vocabulary comes out empty, or an option is out of
            bounds.
          TypeError: for a document that is neither a string nor words, such as bytes or NaN; for
            an option of another type.
          FileNotFoundError: if there is no such folder.
          OSError: if the disk is full.
        """
        return cls.from_pieces(document_pieces(documents, tokenizer), **options)

    @classmethod
    @explained("write Corpus.from_ids(ids, breaks)", name="Corpus.from_ids")
    def from_ids(
        cls,
        ids: Any,
        breaks: Any = None,
        *,
        words: Sequence[str] | None = None,
        vocab: Vocab | None = None,
        extend: Vocab | None = None,
        min_count: int = 1,
        max_size: int | None = None,
        specials: Sequence[str] = (),
        unk: str | None = None,
    ) -> "Corpus":
        """Makes a corpus of whole numbers: nodes of walks, items of sessions, k-mers.

        It is the corpus of documents of the numbers' words, to the bit, without strings for
        tokens. The vocabulary orders words by their counts, and so the ids of the corpus are
        others: the vector of the number 17 is ``wv["17"]``, and ``wv[17]`` that of place 17.

        Args:
          ids: whole numbers from 0. int[T], with `breaks`; int[N, L], a document a row, filled up
            by -1, as random walks are; or a list of arrays or lists, a document each.
          breaks: where documents end, rising, int[N]; the last is T: ``np.cumsum(lengths)``. A
            first 0 is allowed. By default `T` ids are one document.
          words: the word of each number from 0 on; by default its decimal digits.
          vocab, extend, max_size, specials, unk: as for `from_documents`. The words of a `vocab`
            must be numbers, unless `words` are given: ``words=vocab.words`` for its ids.
          min_count: leave out numbers that occur less often; by default none.

        Raises:
          TypeError: if `ids` or `breaks` are not whole numbers; as `from_documents`.
          ValueError: if a number is negative or without a word, there is none, or `breaks` do not
            fit; as `from_documents`.

        >>> corpus = Corpus.from_ids([[17, 4, 17], [17, 4, 90]])
        >>> corpus.vocab.words, corpus.ids.tolist(), corpus.offsets.tolist()
        (['17', '4', '90'], [0, 1, 0, 0, 1, 2], [0, 3, 6])
        >>> Corpus.from_ids([1, 0, 1], breaks=[2, 3], words=["tea", "milk"]).vocab.words
        ['milk', 'tea']
        """
        _check_vocabs(vocab, extend)
        check_whole("min_count", min_count)
        found = numbered(ids, breaks)
        given = found.words(words)
        if words is None:
            check_decimal(vocab or extend)
        options: dict[str, Any] = {"max_size": max_size, "specials": specials, "unk": unk}
        if vocab is None:
            counts = dict(zip(given, found.counts.tolist(), strict=True))
            vocab = _vocabulary(counts, len(found.codes), extend, min_count, **options)
        other = -1 if vocab.unk is None else vocab.ids[vocab.unk]
        with Codes(None, None) as codes:
            codes.add(found.codes, found.ends, words=0)
            table = np.array([vocab.ids.get(word, other) for word in given], np.int32)
            return cls._of(vocab, *codes.renumbered(table), len(found.codes), "the ids")

    @classmethod
    @explained("write Corpus.from_documents(sentences, min_count=5)", name="Corpus")
    def from_pieces(
        cls,
        pieces: Bulk,
        *,
        source: str = "documents",
        vocab: Vocab | None = None,
        extend: Vocab | None = None,
        min_count: int = 5,
        max_size: int | None = None,
        max_vocab_size: int | None = None,
        specials: Sequence[str] = (),
        unk: str | None = None,
        memory: int | None = None,
        folder: str | os.PathLike[str] | None = None,
    ) -> "Corpus":
        """As `from_documents`, for documents that may come in several pieces each.

        Args:
          pieces: the words, read once.
          source: what messages call the text.
          vocab, extend, min_count, max_size, max_vocab_size, specials, unk, memory, folder: as
            for `from_documents`.

        Raises:
          ValueError, TypeError, OSError: as `from_documents`.
        """
        _check_vocabs(vocab, extend)
        check_whole("min_count", min_count)
        made = vocab is None
        with Codes(memory, folder) as codes:
            indexer = WordIndexer(max_vocab_size, known=None if vocab is None else vocab.ids)
            _read(pieces, indexer, codes)
            if not indexer.tokens:
                raise ValueError(f"no words in {source}: expected text with at least one word")
            if vocab is None:
                options: dict[str, Any] = {"max_size": max_size, "specials": specials, "unk": unk}
                words = indexer.word_counts()
                vocab = _vocabulary(words, indexer.tokens, extend, min_count, **options)
                del words
            raw_words, table = indexer.tokens, indexer.vocab_ids(vocab)
            del indexer
            ids, offsets = codes.renumbered(table)
            if codes.on_disk:
                if made:  # its words anew, side by side: left-out words stood between them
                    arrays = vocab.to_arrays()
                    del vocab
                    vocab = Vocab.from_arrays(arrays)
                give_back()
        return cls._of(vocab, ids, offsets, raw_words, source)

    @classmethod
    def _of(
        cls, vocab: Vocab, ids: np.ndarray, offsets: np.ndarray, raw_words: int, source: str
    ) -> "Corpus":
        if not len(ids):
            raise ValueError(f"no word of {source} is in the vocabulary of {len(vocab)} words")
        return cls(vocab, ids, offsets, raw_words=raw_words)

    def __len__(self) -> int:
        return len(self.ids)

    def __repr__(self) -> str:
        documents = len(self.offsets) - 1
        return (
            f"Corpus of {len(self):,} tokens in {documents:,} documents, {len(self.vocab):,} words"
        )

    def documents(self) -> Iterator[np.ndarray]:
        """The ids of each document in turn: int32[n]."""
        for ends in self._ends():
            for start, end in itertools.pairwise(ends):
                yield self.ids[start:end]
            release(self.ids)

    def longest_document(self, first: int = 0, last: int | None = None) -> int:
        """The number of tokens of the longest document.

        Args:
          first, last: among the documents first … last, by default all.

        >>> Corpus.from_documents(["a b", "a", "b a b"], min_count=1).longest_document()
        3
        """
        return max(int(np.diff(ends).max()) for ends in self._ends(first, last))

    def _ends(self, first: int = 0, last: int | None = None) -> Iterator[np.ndarray]:
        """The offsets in parts, each of which begins with the last of the part before."""
        last = len(self.offsets) - 1 if last is None else last
        for i in range(first, last, _PART):
            still_whole(self.ids, self.offsets)
            ends = np.array(self.offsets[i : min(i + _PART, last) + 1])
            release(self.offsets)
            yield ends

    def document_numbers(self, start: int, stop: int) -> np.ndarray:
        """Numbers the documents of the tokens start … stop from 0, the document of `start`.

        Args:
          start, stop: places in `ids`, 0 ≤ start < stop ≤ T.

        Returns:
          int32[stop - start].

        >>> corpus = Corpus.from_documents(["a b", "a", "b a"], min_count=1)
        >>> corpus.document_numbers(1, 4).tolist()
        [0, 1, 2]
        """
        still_whole(self.offsets)
        inside = self.offsets[
            np.searchsorted(self.offsets, start, "right") : np.searchsorted(self.offsets, stop)
        ]
        begins = np.zeros(stop - start, np.int32)
        begins[inside - start] = 1
        release(self.offsets)
        return np.cumsum(begins, out=begins) if len(inside) else begins

    def split(self, fraction: float) -> tuple["Corpus", "Corpus"]:
        """Splits off the last `fraction`: at the end of a document if one is near, else inside.

        Args:
          fraction: of the tokens, between 0 and 1.

        Returns:
          The first part and the last, with views of the ids; offsets are copied for the last,
          and for the first if it ends inside a document.

        Raises:
          TypeError: if `fraction` is no number.
          ValueError: if it is not between 0 and 1, or a part would be empty.
        """
        check_number("fraction", fraction)
        if not 0 < fraction < 1:
            raise ValueError(f"the fraction to split off must be between 0 and 1; got {fraction}")
        cut = round(len(self) * (1 - fraction))
        at = int(np.searchsorted(self.offsets, cut))  # the first offset from `cut` on
        near = [int(self.offsets[i]) for i in (at - 1, at) if 0 < i < len(self.offsets) - 1]
        if near:
            nearest = min(near, key=lambda offset: abs(offset - cut))
            if abs(nearest - cut) <= len(self) * min(fraction, 1 - fraction) / 2:
                cut = nearest
        if not 0 < cut < len(self):
            raise ValueError(f"a corpus of {len(self)} tokens is too small to split off {fraction}")
        at = int(np.searchsorted(self.offsets, cut))
        before = self.offsets[: at + 1]
        if self.offsets[at] != cut:
            before = np.append(self.offsets[:at], cut)
        after = self.offsets[at:] - cut
        if after[0]:
            after = np.insert(after, 0, 0)

        def part(ids: np.ndarray, offsets: np.ndarray) -> Corpus:
            share = round(self.raw_words * len(ids) / len(self))
            return Corpus(self.vocab, ids, offsets, raw_words=share)

        return part(self.ids[:cut], before), part(self.ids[cut:], after)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes an uncompressed ``.npz`` with ids, offsets and vocabulary."""
        save_arrays(
            path,
            kind=np.array("corpus"),
            ids=self.ids.astype(np.int32, copy=False),
            offsets=self.offsets.astype(np.int64, copy=False),
            **self.vocab.to_arrays(),
            raw_words=np.array(self.raw_words),
        )

    @classmethod
    def load(cls, path: str | os.PathLike[str], *, mmap: bool = True) -> "Corpus":
        """Reads a file that `save` wrote, and checks every number of it in one pass.

        Args:
          path: the file.
          mmap: memory-map the ids, so that they are read from disk as they are used. What the file
            may do meanwhile is told at `load_arrays`.

        Raises:
          FileNotFoundError: if there is no such file.
          ValueError: if it is no saved corpus, or is damaged: an array of another dtype or shape,
            an id that is no word's, documents that end before they begin.
        """
        extent = Extent()
        arrays = load_arrays(
            path, mapped=mmap, checks={"ids": extent, "offsets": Rising("offsets")}
        )
        with reading(path, "a saved corpus"):
            if scalar(arrays, "kind", "U") != "corpus":
                raise ValueError(f"it is a saved {arrays['kind']}")
            vocab = Vocab.from_arrays(arrays)
            ids, offsets = field(arrays, "ids", "i4"), field(arrays, "offsets", "i8")
            check_range("ids", extent, 0, len(vocab) - 1)
            if not len(offsets) or offsets[0] or offsets[-1] != len(ids):
                raise ValueError(f"its offsets are not from 0 to {len(ids)}, the number of tokens")
            raw_words = scalar(arrays, "raw_words", "i8")
            if raw_words < 0:
                raise ValueError(f"its text has {raw_words} words")
            return cls(vocab, ids, offsets, raw_words=raw_words)


def _read(pieces: Bulk, indexer: WordIndexer, codes: Codes) -> None:
    """Reads a text; a warning says if its words alone outgrow memory."""
    told = False
    for batch, ends in indexer.batches(pieces):
        codes.add(batch, np.array(ends, np.int64), words=indexer.memory)
        if told or indexer.fixed or codes.memory is None:
            continue
        if indexer.memory > codes.memory:
            told = True
            warnings.warn(
                f"the {len(indexer.codes):,} distinct words read so far take about "
                f"{indexer.memory:,} bytes, more than memory={codes.memory:,}: max_vocab_size "
                "bounds them",
                stacklevel=3,
            )


def _check_vocabs(vocab: Vocab | None, extend: Vocab | None) -> None:
    for name, given in (("vocab", vocab), ("extend", extend)):
        if not isinstance(given, Vocab | None):
            raise TypeError(f"{name} must be a Vocab, such as Vocab.load(path) or "
                            f"earlier.vocab; got {kind(given)}")  # fmt: skip


def _vocabulary(
    counts: dict[str, int],
    tokens: int,
    extend: Vocab | None,
    min_count: int,
    *,
    max_size: int | None,
    specials: Sequence[str],
    unk: str | None,
) -> Vocab:
    """A vocabulary of `counts` words of a text of `tokens`; options as for `from_documents`."""
    if extend is not None:
        if max_size is not None or specials or unk is not None:
            raise ValueError("extend does not go with max_size, specials or unk")
        return extend.extended(counts, min_count=min_count)
    vocab = Vocab.from_counts(
        counts, min_count=min_count, max_size=max_size, specials=specials, unk=unk
    )
    if unk is not None:  # it stands for the tokens of forgotten words too
        vocab.counts[vocab.ids[unk]] += tokens - sum(counts.values())
    if len(vocab) == vocab.specials:
        raise ValueError(
            f"no word occurs min_count={min_count} times: the most frequent of "
            f"{len(counts)} words occurs {max(counts.values())} times; lower min_count"
        )
    return vocab
