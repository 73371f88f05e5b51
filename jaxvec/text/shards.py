"""Shards: parts of a text that are read apart, each in a process of its own.

A shard is a description, small enough to send to any machine that has the same files: whole text
files, a range of bytes of one, or a range of tokens of a saved corpus. Its pairs of words are those
whose left word is in it; right words may stand beyond its end, in the same document. So all
shards together have the pairs of the text, each once.
"""

import dataclasses
import functools
import itertools
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from jaxvec.messages.kinds import kind
from jaxvec.messages.numbers import check_whole
from jaxvec.storage.arrays import text_array
from jaxvec.storage.work import state
from jaxvec.text.corpus import Corpus
from jaxvec.text.pieces import BlockPieces, Bulk, Pieces, file_pieces, in_bulk
from jaxvec.text.read import check_errors, expand_paths, range_bounds, read_range
from jaxvec.text.tokenize import TOKENIZERS, get_tokenizer
from jaxvec.text.vocab import Vocab

_SHARDS = 64  # of a text, if they come out no smaller and no larger than:
_BYTES = 8 << 20, 128 << 20
_TOKENS = 1 << 21, 1 << 25


class Stretch(NamedTuple):
    """The ids of a shard: pairs are counted whose left word is in tokens start … stop."""

    corpus: Corpus
    start: int
    stop: int


@dataclasses.dataclass(frozen=True)
class TextShard:
    """Text files, or bytes start … stop of one. `text_shards` makes them.

    Attributes:
      paths: the files, as all machines know them; compressed ones too.
      start, stop: the range, where there is a single file that is not compressed; `stop` is None
        for whole files.
      tokenizer: the name of one. Functions are refused, since a run that is resumed could not
        know that one has changed.
      errors: what to do about invalid UTF-8, as in `bytes.decode`.

    Raises:
      ValueError: if there is a range of several files, or no tokenizer or `errors` of that name.
      TypeError: if the tokenizer is a function.
    """

    paths: tuple[str, ...]
    start: int = 0
    stop: int | None = None
    tokenizer: str = "whitespace"
    errors: str = "strict"

    def __post_init__(self):
        if callable(self.tokenizer):
            raise TypeError(
                f"a shard's tokenizer must be the name of one, {', '.join(TOKENIZERS)}; for a "
                "function save the text, Corpus.from_files(…).save(path), and give "
                "corpus_shards(path)"
            )
        get_tokenizer(self.tokenizer)
        check_errors(self.errors)
        if len(self.paths) != 1 and (self.start or self.stop is not None):
            raise ValueError(f"a range of bytes is of one file; got {len(self.paths)} files")

    def description(self) -> list[Any]:
        """What the shard's words follow from; another one if a file changes."""
        files = [state(path) for path in self.paths]
        return [files, self.start, self.stop, self.tokenizer, self.errors]

    def pieces(self) -> BlockPieces:
        """The words of the shard. The last piece ends no document if the shard stops in a line."""
        if self.stop is None:
            return file_pieces(self.paths, self.tokenizer, self.errors)
        return self._range(self.start, self.stop)

    def _range(self, start: int, stop: int | None) -> BlockPieces:
        blocks = read_range(self.paths[0], start, stop, errors=self.errors)
        return BlockPieces(blocks, self.tokenizer, self.errors)

    def open(
        self,
        vocab: Vocab,
        window: int,
        *,
        memory: int | None = None,
        folder: str | os.PathLike[str] | None = None,
    ) -> Stretch:
        """Reads the shard.

        Args:
          vocab: the vocabulary of the whole text.
          window: number of words to read beyond the end, if that is in a line.
          memory, folder: as for `Corpus.from_documents`.

        Raises:
          FileNotFoundError, ValueError: as `read_pieces` and `read_range`.
        """
        right: list[str] = []

        def with_right() -> Bulk:
            ends = True
            for part in in_bulk(self.pieces()):
                yield part
                _, ends = part
            if not ends:
                assert self.stop is not None  # whole files end their last documents
                right.extend(_first(self._range(self.stop, None), window, vocab))
                yield right, True
            yield vocab.words[:1], True  # so that there is a word, if the shard has none

        corpus = Corpus.from_pieces(with_right(), vocab=vocab, memory=memory, folder=folder)
        return Stretch(corpus, 0, len(corpus) - 1 - len(vocab.encode(right)))


def _first(pieces: Pieces, count: int, vocab: Vocab) -> list[str]:
    """The first `count` words of a document that have an id, fewer if it is shorter."""
    words: Iterator[str] = itertools.chain.from_iterable(words for words, _ in _document(pieces))
    return list(itertools.islice((w for w in words if vocab.unk or w in vocab), count))


def _document(pieces: Pieces) -> Pieces:
    """The pieces of the first document."""
    for words, ends in pieces:
        yield words, ends
        if ends:
            return


@dataclasses.dataclass(frozen=True)
class CorpusShard:
    """Tokens start … stop of a saved corpus, which is memory-mapped. `corpus_shards` makes them.

    Attributes:
      path: the file that `Corpus.save` wrote, as all machines know it.
      start, stop: places in `Corpus.ids`.
    """

    path: str
    start: int
    stop: int

    def description(self) -> list[Any]:
        """What the shard's words follow from; another one if the file changes."""
        return [state(self.path), self.start, self.stop]

    def open(self, vocab: Vocab, window: int, **_: Any) -> Stretch:
        """Maps the corpus.

        Args:
          vocab: its vocabulary.
          window: ignored, as the text beyond the end is there.
          **_: `memory` and `folder`, of which it needs none.

        Raises:
          FileNotFoundError: if there is no such file.
          ValueError: if it is no saved corpus, or one of other words or another size.
        """
        words, ids, offsets, raw_words = _arrays(*state(self.path))
        if not np.array_equal(words, text_array(vocab.words)):
            raise ValueError(f"{self.path} has other words than the vocabulary given: give its own")
        if not 0 <= self.start <= self.stop <= len(ids):
            raise ValueError(f"{self.path} has {len(ids)} tokens, and none from {self.start} to "
                             f"{self.stop}")  # fmt: skip
        corpus = Corpus(vocab, ids, offsets, raw_words=raw_words)
        return Stretch(corpus, self.start, self.stop)


@functools.lru_cache(maxsize=2)
def _arrays(path: str, *changed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, int]:
    """Words, ids, offsets and the number of words of a saved corpus, which a process checks once.

    Args:
      path: the file.
      *changed: what tells that it is the same file still, as `state` does.
    """
    found = Corpus.load(path)
    return text_array(found.vocab.words), found.ids, found.offsets, found.raw_words


Shard = TextShard | CorpusShard


def text_shards(
    paths: Iterable[str | os.PathLike[str]],
    *,
    size: int | None = None,
    tokenizer: str = "whitespace",
    errors: str = "strict",
) -> list[TextShard]:
    """Divides text files into shards.

    Args:
      paths: files and folders, as for `read_pieces`.
      size: about how many bytes a shard has; by default a 64th of all, within 8 and 128 MiB.
        Files are divided at the ends of lines, and at blanks in lines longer than 1 MiB or in the
        last line, if it has no end; compressed files are not divided.
      tokenizer, errors: see `TextShard`.

    Raises:
      FileNotFoundError: if a path does not exist.
      TypeError, ValueError: for standard input or a pipe; otherwise as `read_pieces` and
        `TextShard`.

    >>> path = getfixture("tmp_path") / "text"
    >>> _ = path.write_text("a rose\\n" * 3)
    >>> [(shard.start, shard.stop) for shard in text_shards([path], size=8)]
    [(0, 14), (14, 21)]
    """
    files = [Path(name) for name in expand_paths(paths)]
    for file in files:
        if not file.is_file():
            raise ValueError(
                f"{file} is no plain file, and cannot be divided: save it, or count without engine"
            )
    sizes = [file.stat().st_size for file in files]
    if size is None:
        size = _share(sum(sizes), *_BYTES)
    check_whole("size", size)
    make = functools.partial(TextShard, tokenizer=tokenizer, errors=errors)
    shards: list[TextShard] = []
    small: list[str] = []  # files that make a shard together
    waiting = 0  # their bytes
    for file, length in zip(files, sizes, strict=True):
        bounds = range_bounds(file, size)
        whole = str(file.resolve())
        if len(bounds) > 2:
            shards += [make((whole,), *part) for part in itertools.pairwise(bounds)]
            continue
        small.append(whole)
        waiting += length
        if waiting >= size:
            shards.append(make(tuple(small)))
            small, waiting = [], 0
    if small:
        shards.append(make(tuple(small)))
    return shards


def corpus_shards(path: str | os.PathLike[str], *, tokens: int | None = None) -> list[CorpusShard]:
    """Divides a saved corpus into shards.

    Args:
      path: the file that `Corpus.save` wrote.
      tokens: how many each shard has; by default a 64th, within 2^21 and 2^25.

    Raises:
      FileNotFoundError: if there is no such file.
      TypeError, ValueError: if it is no saved corpus, or `tokens` no whole number above 0.

    >>> path = getfixture("tmp_path") / "corpus"
    >>> Corpus.from_documents(["a b c"], min_count=1).save(path)
    >>> [(shard.start, shard.stop) for shard in corpus_shards(path, tokens=2)]
    [(0, 2), (2, 3)]
    """
    whole, *_ = state(path)
    length = len(Corpus.load(whole))
    tokens = _share(length, *_TOKENS) if tokens is None else check_whole("tokens", tokens)
    return [
        CorpusShard(whole, start, min(start + tokens, length)) for start in range(0, length, tokens)
    ]


def check_shards(shards: Iterable[Shard]) -> list[Shard]:
    """Shards as a list.

    Raises:
      TypeError: if one is something else.
      ValueError: if there is none.
    """
    shards = list(shards)
    for shard in shards:
        if not isinstance(shard, Shard):
            raise TypeError(f"shards are made by text_shards or corpus_shards; got {kind(shard)}")
    if not shards:
        raise ValueError("there is no shard to count")
    return shards


def _share(length: int, least: int, most: int) -> int:
    return min(max(length // _SHARDS, least), most)
