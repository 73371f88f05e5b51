"""Files of word vectors: word2vec text and binary, GloVe text, `.npz` and safetensors.

And, only to be written, what TensorBoard's embedding projector reads.
"""

import codecs
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from jaxvec.storage.arrays import check_encoding
from jaxvec.storage.files import expanded, written_beside
from jaxvec.text.vocab import Vocab
from jaxvec.vectors.formats import archive, binary, projector, text
from jaxvec.vectors.formats.checks import check_lines, check_numbers, floating
from jaxvec.vectors.formats.source import opened
from jaxvec.vectors.table import WordTable

_WRITERS = {
    ".glove.txt": text.write_glove,
    ".txt": text.write,
    ".vec": text.write,
    ".bin": binary.write,
    ".npz": archive.write_npz,
    ".safetensors": archive.write_safetensors,
}
# what checks the words for each, if not that none has a line break
_WORDS: dict[Callable[..., None], Callable[[Sequence[str]], None]] = {
    text.write_glove: text.check_glove,
    text.write: text.check,
    binary.write: binary.check,
}
_KEEPING = (archive.write_npz, archive.write_safetensors)  # the dtype; others are read as float32
_SHOWN = 8  # words that `info` tells


class Info(NamedTuple):
    """What a file of word vectors holds."""

    format: str
    """The name of its format."""

    words: int
    """How many, repeated ones too; of word2vec binary, what the header says."""

    vector_size: int
    """Numbers of a vector."""

    dtype: str
    """``float32`` and its like, or ``text``."""

    bytes: int
    """Size on disk."""

    metadata: dict[str, Any]
    """What the file tells of its making."""

    first: list[str]
    """The first few words."""


def save(
    vectors: WordTable,
    path: str | os.PathLike[str],
    *,
    header: bool = False,
    format: str | None = None,
) -> None:
    """Writes word vectors; the suffix says how.

    ``.glove.txt`` GloVe text (no header); ``.txt`` and ``.vec`` word2vec text, as fastText's;
    ``.bin`` word2vec binary, whose numbers are float32; ``.npz`` NumPy arrays ``vectors``,
    ``words`` (UTF-8 text, one a line), ``counts`` and ``metadata`` (JSON); ``.safetensors``
    the same as tensors. `.npz` and safetensors keep the dtype. ``.projector`` makes a folder
    for TensorBoard's embedding projector, which `load` does not read; see `projector.write`.
    A file appears whole or not at all, and what `load` would refuse is not written.

    Args:
      vectors: what to write.
      path: where, in a folder that is there; a file there is replaced.
      header: give GloVe text a header too, which makes it word2vec text.
      format: one of these suffixes, for a name that ends otherwise.

    Raises:
      FileNotFoundError: if there is no such folder.
      ValueError: for any other suffix; for a word that the format cannot hold, see
        `check_words`; for vectors that are not finite as they would be read, as float32 but
        for `.npz` and safetensors; if there are none; or for ``.safetensors`` without that
        package.

    >>> path = getfixture("tmp_path") / "v.txt"
    >>> save(WordTable(["a", "b"], [[1, 0], [0, 0.5]]), path)
    >>> path.read_text().splitlines()
    ['2 2', 'a 1.0 0.0', 'b 0.0 0.5']
    """
    name = path if format is None else format
    check_words(vectors.index_to_key, name, header=header)
    write = projector.write if _for_projector(name) else _writer(name, header)
    keeping = write in _KEEPING
    check_numbers(vectors, vectors.vectors.dtype if keeping else np.dtype("float32"))
    if not keeping and not vectors.vectors.size:
        raise ValueError(f"{len(vectors)} vectors of {vectors.vector_size} numbers are no vectors")
    if write is projector.write:
        projector.write(vectors, path)
        return
    with written_beside(path) as temporary:
        write(vectors, temporary)


def check_words(
    words: Sequence[str], path: str | os.PathLike[str], *, header: bool = False
) -> None:
    """Makes sure that a format can hold words, as one may want to know before training.

    No format holds half a surrogate pair, and none but ``.projector`` a line break. Text and
    word2vec binary hold no blank; text no tab at an end of a word; and GloVe text no byte
    order mark at the start of the first word, but as a word of its own.

    Args:
      words: of a vocabulary.
      path: a name whose suffix says the format.
      header: as for `save`.

    Raises:
      ValueError: for the first word that does not fit, or a suffix that names no format.

    >>> check_words(["new york"], "v.npz")
    >>> check_words(["new york"], "v.txt")
    Traceback (most recent call last):
    ...
    ValueError: word 'new york' holds white space, which text and word2vec binary cannot tell \
from what parts words from numbers; save as .npz
    """
    check_encoding(words)
    if not _for_projector(path):
        _WORDS.get(_writer(path, header), check_lines)(words)


def outputs(path: str | os.PathLike[str]) -> list[Path]:
    """The files that `save` makes for a path; ValueError if its suffix names no format."""
    if _for_projector(path):
        return projector.files(path)
    writer(path)
    return [expanded(path)]


def _for_projector(path: str | os.PathLike[str]) -> bool:
    return Path(path).name.lower().endswith(projector.SUFFIX)


def _writer(path: str | os.PathLike[str], header: bool) -> Callable[[WordTable, Path], None]:
    write = writer(path)
    return text.write if header and write is text.write_glove else write


def writer(path: str | os.PathLike[str]) -> Callable[[WordTable, Path], None]:
    """The function that writes the format of a path's suffix; ValueError if there is none."""
    name = Path(path).name.lower()
    for suffix, write in _WRITERS.items():
        if name.endswith(suffix):
            if write is archive.write_safetensors:
                archive.import_safetensors(path)
            return write
    raise ValueError(
        f"cannot tell a format from the name {path}: it must end in {', '.join(_WRITERS)}"
    )


def load(
    path: str | os.PathLike[str],
    *,
    limit: int | None = None,
    dtype: DTypeLike | None = None,
    mmap: bool = False,
    fvocab: str | os.PathLike[str] | None = None,
    errors: str = "strict",
) -> WordTable:
    """Reads what `save`, word2vec, fastText (``.vec``), GloVe or gensim wrote.

    The format is told from the content, not from the name: text is what decodes and parses as
    text, also if blanks or tabs come in numbers, a byte order mark before it, or empty lines
    after it. Beside the table a few megabytes are held at a time, whatever the size of the
    file. The last line of a text may lack its line break, so that a cut within its last number
    is not noticed.

    Args:
      path: the file, which gzip, bzip2 or xz may have compressed if it is text or word2vec
        binary; a pipe, or ``"-"`` for standard input, is copied to a temporary file first.
      limit: read the first so many words only.
      dtype: of the table: float16, float32 or float64; as it is stored, if None, and float32
        from text.
      mmap: leave the vectors of an uncompressed `.npz` on disk, read as they are used. They
        are not checked to be finite then.
      fvocab: a word and its count a line, as word2vec ``-save-vocab`` and GloVe's
        ``vocab_count`` write; the counts of the words, which are put in their order.
      errors: what to do about words that are not UTF-8, such as those that word2vec cuts
        inside a character: ``"strict"``, ``"replace"``, ``"ignore"`` or what else `bytes.decode`
        takes.

    Raises:
      FileNotFoundError: if there is no such file.
      ValueError: if it is none of these, is cut short, has another number of vectors than its
        header says (but for the row of ``<unk>`` that GloVe does not count), or holds a word
        that is not UTF-8 or values that are no finite numbers of the dtype; the message names
        the line or byte.

    Warns:
      UserWarning: if text or word2vec binary holds a word twice; the first is taken, as in
        gensim.

    >>> path = getfixture("tmp_path") / "v.vec"
    >>> _ = path.write_text("2 3\\nthe 1 2 3\\ncat 4 5 6\\n")
    >>> load(path)
    WordTable of 2 words, 3 numbers each
    >>> load(path, limit=1, dtype="float16").vectors
    array([[1., 2., 3.]], dtype=float16)
    """
    if limit is not None and limit < 1:
        raise ValueError(f"limit must be at least 1 or None; got {limit}")
    dtype = None if dtype is None else floating(dtype)
    try:
        codecs.lookup_error(errors)
    except LookupError:
        raise ValueError(f"errors must be strict, replace or ignore; got {errors!r}") from None
    with opened(path) as source:
        kind, file, header, _ = source
        if mmap and kind != "npz":
            raise ValueError(f"{path} is no .npz, the only format that mmap=True can map")
        how = limit, dtype or np.dtype("float32"), errors
        if kind == "npz":
            vectors = archive.read_npz(source.path, limit, dtype, mmap)
        elif kind == "safetensors":
            vectors = archive.read_safetensors(source.path, limit, dtype)
        elif header and kind == "word2vec binary":
            vectors = binary.read(file, path, header, *how, source.length())
        else:
            vectors = text.read(file, path, header, *how)
    return vectors if fvocab is None else _counted(vectors, fvocab)


def kind(path: str | os.PathLike[str]) -> str:
    """The format of a file: ``"npz"``, ``"safetensors"``, ``"word2vec text"``, ``"word2vec
    binary"`` or, if none of these, ``"GloVe text"``.

    Raises:
      FileNotFoundError: if there is no such file.
    """
    with opened(path) as source:
        return source.kind


def info(path: str | os.PathLike[str]) -> Info:
    """What a file of word vectors holds, told without reading all of it.

    Lines of text are counted, and compared with the header; their numbers are not read.

    Raises:
      FileNotFoundError, ValueError: as `load`.

    >>> path = getfixture("tmp_path") / "v.npz"
    >>> save(WordTable(["a", "b"], [[1, 0], [0, 1]], metadata={"by": "hand"}), path)
    >>> found = info(path)
    >>> found.format, found.words, found.vector_size, found.dtype, found.metadata, found.first
    ('npz', 2, 2, 'float32', {'by': 'hand'}, ['a', 'b'])
    """
    with opened(path) as source:
        kind, file, header, found = source
        count = header[0] if header else None
        if kind == "safetensors":
            count = archive.count_safetensors(found)
        elif kind.endswith("text"):
            count = text.count_rows(file, path, count, None)
        if kind == "npz":
            vectors = load(found, mmap=True)
        else:
            vectors = load(found, limit=_SHOWN, errors="replace")
        return Info(
            kind,
            len(vectors) if kind == "npz" else count or 0,
            vectors.vector_size,
            "text" if kind.endswith("text") else str(vectors.vectors.dtype),
            found.stat().st_size,
            vectors.metadata,
            vectors.index_to_key[:_SHOWN],
        )


def _counted(vectors: WordTable, fvocab: str | os.PathLike[str]) -> WordTable:
    vocab = Vocab.load(fvocab)
    counts = []
    for word in vectors.index_to_key:
        if word in vocab:
            counts.append(vocab.count(word))
        elif word == "<unk>":  # of which GloVe's vocabulary does not know
            counts.append(0)
        else:
            raise ValueError(f"{fvocab} has no count of the word {word!r}")
    return WordTable(
        vectors.index_to_key,
        vectors.vectors,
        counts=np.array(counts),
        metadata=vectors.metadata,
        dtype=vectors.vectors.dtype,
    )
