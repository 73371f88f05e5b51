"""Text as a stream of words, from documents in memory or from files."""

import abc
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Self

from jaxvec.messages.kinds import kind
from jaxvec.text.read import Block, pieces_of, read_blocks
from jaxvec.text.tokenize import OF_BYTES, Tokenizer, get_tokenizer

WordPiece = tuple[Sequence[str], bool]
"""A pair (words, ends): some words of a document, and whether the document ends with them."""

Pieces = Iterable[WordPiece]
Bulk = Iterable[WordPiece | Block]
"""Pieces, or many at once: blocks with white space between the words."""


def document_pieces(
    documents: Iterable[str | Sequence[str]], tokenizer: str | Tokenizer = "whitespace"
) -> Pieces:
    """The words of documents, one piece a document.

    Args:
      documents: strings, which are tokenized, or lists of words.
      tokenizer: a name in `TOKENIZERS` or a function.

    Raises:
      ValueError: if `documents` is a string, or there is no such tokenizer.
      TypeError: if `documents` is not iterable; while reading, if a document is neither a string
        nor words.

    >>> list(document_pieces(["a rose", ["is", "a rose"]]))
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


class BlockPieces:
    """The words of blocks, a piece a line; `in_bulk` has them without a string for each.

    Args:
      blocks: read once.
      tokenizer: a name in `TOKENIZERS` or a function.
      errors: as the blocks were read.

    Raises:
      ValueError: if there is no such tokenizer.
    """

    def __init__(self, blocks: Iterable[Block], tokenizer: str | Tokenizer, errors: str = "strict"):
        self._blocks = blocks
        self._split = get_tokenizer(tokenizer)
        in_bytes = isinstance(tokenizer, str) and errors in _WITHOUT_ZEROS
        self._spaced = OF_BYTES.get(str(tokenizer)) if in_bytes else None

    def __iter__(self) -> Iterator[WordPiece]:
        return ((self._split(text), ends) for text, ends in pieces_of(self._blocks))

    def in_bulk(self) -> Bulk:
        """Blocks with white space between words, if the tokenizer can do that; else pieces."""
        if self._spaced is None:
            return self
        return (Block(self._spaced(data), ends) for data, ends in self._blocks)


_WITHOUT_ZEROS = ("strict", "replace", "ignore")  # other names may put any character


def in_bulk(pieces: Bulk) -> Bulk:
    """Pieces as they are, and `BlockPieces` by `BlockPieces.in_bulk`."""
    return pieces.in_bulk() if isinstance(pieces, BlockPieces) else pieces


def file_pieces(
    paths: Iterable[str | os.PathLike[str]],
    tokenizer: str | Tokenizer = "whitespace",
    errors: str = "strict",
) -> BlockPieces:
    """The words of files, which are read as a stream, a document a line.

    Args:
      paths: files, folders or ``"-"``; see `read_pieces`.
      tokenizer: a name in `TOKENIZERS` or a function.
      errors: what to do about invalid UTF-8, as in `bytes.decode`.

    Raises:
      ValueError: if there is no such tokenizer; while reading, as `read_pieces`.
      FileNotFoundError: while reading, if a path does not exist.
    """
    return BlockPieces(read_blocks(paths, errors=errors), tokenizer, errors)


class FromText(abc.ABC):
    """Base of the classes that are made in one pass over a text: `Corpus` and `Phrases`."""

    @classmethod
    @abc.abstractmethod
    def from_pieces(cls, *args: Any, **kwargs: Any) -> Self:
        """Reads `Pieces`.

        Args:
          *args: the pieces.
          **kwargs: ``source``, what messages call the text, and the options of each class.
        """

    @classmethod
    def from_files(
        cls,
        *paths: str | os.PathLike[str],
        tokenizer: str | Tokenizer = "whitespace",
        errors: str = "strict",
        **options,
    ) -> Self:
        """Reads files, folders or standard input (``"-"``) once, a document a line.

        Args:
          *paths: plain text, or compressed by gzip, bzip2 or xz; see `read_pieces`.
          tokenizer: ``"whitespace"``, ``"basic_english"``, ``"text8"``, ``"alphanumeric"`` or
            a function.
          errors: what to do about invalid UTF-8, as in `bytes.decode`.
          **options: as for `from_documents`.

        Raises:
          FileNotFoundError: if a path does not exist.
          ValueError: if a file is not text; otherwise as `from_documents`.
        """
        pieces = file_pieces(paths, tokenizer, errors)
        return cls.from_pieces(pieces, source=" ".join(map(str, paths)), **options)
