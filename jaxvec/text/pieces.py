"""Text as a stream of words, from documents in memory or from files."""

import abc
import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Self

from jaxvec.messages.kinds import kind
from jaxvec.text.read import read_pieces
from jaxvec.text.tokenize import Tokenizer, get_tokenizer

Pieces = Iterable[tuple[Sequence[str], bool]]
"""Pairs (words, ends): some words of a document, and whether the document ends with them."""


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


def file_pieces(
    paths: Iterable[str | os.PathLike[str]],
    tokenizer: str | Tokenizer = "whitespace",
    errors: str = "strict",
) -> Pieces:
    """The words of files, which are read as a stream, a document a line.

    Args:
      paths: files, folders or ``"-"``; see `read_pieces`.
      tokenizer: a name in `TOKENIZERS` or a function.
      errors: what to do about invalid UTF-8, as in `bytes.decode`.

    Raises:
      ValueError: if there is no such tokenizer; while reading, as `read_pieces`.
      FileNotFoundError: while reading, if a path does not exist.
    """
    split = get_tokenizer(tokenizer)
    return ((split(text), ends) for text, ends in read_pieces(paths, errors=errors))


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
