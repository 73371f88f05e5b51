"""`Format`, the contract of a file format of word vectors; `Options`, how it is read; `Info`."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from jaxvec.vectors.formats.checks import check_lines
from jaxvec.vectors.formats.source import Source
from jaxvec.vectors.table import WordTable


class Info(NamedTuple):
    """The contents of a file of word vectors."""

    format: str
    """The name of its format."""

    words: int
    """Their number, repeated ones too; of word2vec binary, that of the header."""

    vector_size: int
    """Numbers of a vector."""

    dtype: str
    """``float32`` and its like, or ``text``."""

    bytes: int
    """Size on disk."""

    metadata: dict[str, Any]
    """What `.npz` and safetensors hold about the vectors."""

    first: list[str]
    """The first few words."""

    ngrams: dict[str, Any]
    """Of n-grams, if it has any: the ``"lengths"`` of the shortest and the longest, and how many
    ``"buckets"``."""


class Options(NamedTuple):
    """How a file is read; see `formats.load`."""

    limit: int | None = None
    """Read only this many words, from the first on."""

    dtype: np.dtype | None = None
    """Of the table; None for the dtype that the file has, or float32 if it has none."""

    mmap: bool = False
    """Whether to leave the vectors on disk, if the format can."""

    encoding: str = "utf8"
    """Of the words."""

    errors: str = "strict"
    """What `bytes.decode` does about bytes that are not of the encoding."""

    force_size: bool = False
    """Whether a packed file may unpack to any size."""

    ngrams: bool = True
    """Whether to read the rows of n-grams; if not, the vectors of fastText are words' own rows."""


@dataclass(frozen=True)
class Format:
    """A format. A new one is a file that makes one of these, and a line in `formats.FORMATS`."""

    name: str
    """As `kind` and `info` tell it, ``"word2vec text"``."""

    suffixes: tuple[str, ...]
    """Ends of names that stand for it, in lower case; if several fit, the longest decides."""

    write: Callable[[WordTable, Path], None]
    """Writes a table. The path is a temporary file, later renamed, unless there are `files`."""

    recognizes: Callable[[Source], bool] | None = None
    """Whether a file, at its start, is of this format; None if it is only written. The last format
    of the list is asked first."""

    read: Callable[[Source, Options], WordTable] | None = None
    """Reads a table from a file, at its start; its ValueErrors name the line or byte."""

    count: Callable[[Source], int] | None = None
    """The number of words of a file, at its start, repeated ones too. None if it is only written,
    or if `read` tells it at once."""

    check_words: Callable[[Sequence[str]], None] = check_lines
    """ValueError for the first word that the format cannot hold."""

    keeps_all: bool = False
    """Whether it keeps dtype, counts, attributes and metadata. If not, it holds words, in any
    encoding, and one vector at least, read as float32."""

    keeps_ngrams: bool = False
    """Whether it keeps the rows of n-grams, from which unknown words get vectors."""

    ngrams: Callable[[Source], tuple[int, int, int] | None] | None = None
    """The shortest and the longest n-gram of a file, at its start, and how many rows these share;
    None if it has none, or if the format keeps none."""

    maps: bool = False
    """Whether vectors can be left on disk."""

    files: Callable[[str | os.PathLike[str]], list[Path]] | None = None
    """The files that `write` makes in a folder of that path; None for one file."""

    check_ready: Callable[[str | os.PathLike[str]], object] | None = None
    """ValueError if a package that it needs is not installed."""

    is_text: bool = False
    """Whether its numbers are text, and so of no dtype."""

    about: str = ""
    """More than the name, for help texts."""
