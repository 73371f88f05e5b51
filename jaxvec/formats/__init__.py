"""Files of word vectors: word2vec text and binary, GloVe text, `.npz` and safetensors.

And, only to be written, what TensorBoard's embedding projector reads.
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from jaxvec.files import ZIP_MAGIC, written_beside
from jaxvec.formats import archive, binary, projector, text
from jaxvec.formats.checks import floating
from jaxvec.text.vocab import Vocab
from jaxvec.vectors import WordVectors

_WRITERS = {
    ".glove.txt": text.write_glove,
    ".txt": text.write,
    ".vec": text.write,
    ".bin": binary.write,
    ".npz": archive.write_npz,
    ".safetensors": archive.write_safetensors,
}
_ANY_WORD = (archive.write_npz, archive.write_safetensors)
_SHOWN = 8  # words that `info` tells


class Info(NamedTuple):
    """What a file of word vectors holds."""

    format: str
    """The name of its format."""

    words: int
    """How many, as `load` would find; of word2vec binary, what the header says."""

    dimension: int
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
    vectors: WordVectors,
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
    A file appears whole or not at all.

    Args:
      vectors: what to write.
      path: where; a file there is replaced.
      header: give GloVe text a header too, which makes it word2vec text.
      format: one of these suffixes, for a name that ends otherwise.

    Raises:
      ValueError: for any other suffix, a word that the format cannot hold (one with a line
        break in any, with a space in text and word2vec binary, those that `projector.write`
        tells), or ``.safetensors`` without that package.

    >>> path = getfixture("tmp_path") / "v.txt"
    >>> save(WordVectors(["a", "b"], [[1, 0], [0, 0.5]]), path)
    >>> path.read_text().splitlines()
    ['2 2', 'a 1.0 0.0', 'b 0.0 0.5']
    """
    for word in vectors.index_to_key:
        if "\n" in word:
            raise ValueError(f"word {word!r} holds a line break, which no file of vectors can")
    name = path if format is None else format
    if _for_projector(name):
        projector.write(vectors, path)
        return
    write = writer(name)
    if header and write is text.write_glove:
        write = text.write
    if write not in _ANY_WORD:
        for word in vectors.index_to_key:
            if " " in word:
                raise ValueError(
                    f"word {word!r} holds white space, which {path} cannot tell from what "
                    "parts words from numbers; save as .npz"
                )
    with written_beside(path) as temporary:
        write(vectors, temporary)


def outputs(path: str | os.PathLike[str]) -> list[Path]:
    """The files that `save` makes for a path; ValueError if its suffix names no format."""
    if _for_projector(path):
        return projector.files(path)
    writer(path)
    return [Path(path)]


def _for_projector(path: str | os.PathLike[str]) -> bool:
    return Path(path).name.lower().endswith(projector.SUFFIX)


def writer(path: str | os.PathLike[str]) -> Callable[[WordVectors, Path], None]:
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
) -> WordVectors:
    """Reads what `save`, word2vec, fastText (``.vec``), GloVe or gensim wrote.

    The format is told from the content, not from the name. Beside the table a few megabytes
    are held at a time, whatever the size of the file. The last line of a text may lack
    its line break, so that a cut within its last number is not noticed.

    Args:
      path: the file.
      limit: read the first so many words only.
      dtype: of the table: float16, float32 or float64; as it is stored, if None, and float32
        from text.
      mmap: leave the vectors of an uncompressed `.npz` on disk, read as they are used. They
        are not checked to be finite then.
      fvocab: a word and its count a line, as word2vec ``-save-vocab`` and GloVe's
        ``vocab_count`` write; the counts of the words, which are put in their order.

    Raises:
      FileNotFoundError: if there is no such file.
      ValueError: if it is none of these, is cut short, has another number of vectors than its
        header says (but for the row of ``<unk>`` that GloVe does not count), or holds a word
        twice or values that are no finite numbers of the dtype; the message names the line
        or byte.

    >>> path = getfixture("tmp_path") / "v.vec"
    >>> _ = path.write_text("2 3\\nthe 1 2 3\\ncat 4 5 6\\n")
    >>> load(path)
    WordVectors of 2 words, 3 numbers each
    >>> load(path, limit=1, dtype="float16").vectors
    array([[1., 2., 3.]], dtype=float16)
    """
    if limit is not None and limit < 1:
        raise ValueError(f"limit must be at least 1 or None; got {limit}")
    dtype = None if dtype is None else floating(dtype)
    kind, file, header = _open(path)
    with file:
        if mmap and kind != "npz":
            raise ValueError(f"{path} is no .npz, the only format that mmap=True can map")
        if kind == "npz":
            vectors = archive.read_npz(path, limit, dtype, mmap)
        elif kind == "safetensors":
            vectors = archive.read_safetensors(path, limit, dtype)
        elif header and kind == "word2vec binary":
            vectors = binary.read(file, path, header, limit, dtype or np.dtype("float32"))
        else:
            vectors = text.read(file, path, header, limit, dtype or np.dtype("float32"))
    return vectors if fvocab is None else _counted(vectors, fvocab)


def kind(path: str | os.PathLike[str]) -> str:
    """The format of a file: ``"npz"``, ``"safetensors"``, ``"word2vec text"``, ``"word2vec
    binary"`` or, for want of a better, ``"GloVe text"``.

    Raises:
      FileNotFoundError: if there is no such file.
    """
    found, file, _ = _open(path)
    file.close()
    return found


def info(path: str | os.PathLike[str]) -> Info:
    """What a file of word vectors holds, told without reading all of it.

    Lines of text are counted, and compared with the header; their numbers are not read.

    Raises:
      FileNotFoundError, ValueError: as `load`.

    >>> path = getfixture("tmp_path") / "v.npz"
    >>> save(WordVectors(["a", "b"], [[1, 0], [0, 1]], metadata={"by": "hand"}), path)
    >>> found = info(path)
    >>> found.format, found.words, found.dimension, found.dtype, found.metadata, found.first
    ('npz', 2, 2, 'float32', {'by': 'hand'}, ['a', 'b'])
    """
    kind, file, header = _open(path)
    count = header[0] if header else None
    with file:
        if kind == "safetensors":
            count = archive.count_safetensors(path)
        elif kind.endswith("text"):
            count = text.count_rows(file, path, count, None)
    vectors = load(path, mmap=True) if kind == "npz" else load(path, limit=_SHOWN)
    return Info(
        kind,
        len(vectors) if kind == "npz" else count or 0,
        vectors.vector_size,
        "text" if kind.endswith("text") else str(vectors.vectors.dtype),
        Path(path).stat().st_size,
        vectors.metadata,
        vectors.index_to_key[:_SHOWN],
    )


def _open(path: str | os.PathLike[str]) -> tuple[str, BinaryIO, tuple[int, int] | None]:
    """The format, the file at its first vector, and count and size if a header says them."""
    if not Path(path).exists():
        raise FileNotFoundError(f"no such vectors file: {path}")
    if Path(path).is_dir():
        raise ValueError(f"{path} is a folder, not a file of word vectors")
    file = open(path, "rb")  # noqa: SIM115
    start = file.read(9)
    if start.startswith(ZIP_MAGIC):
        return "npz", file, None
    if start[8:] == b"{" and int.from_bytes(start[:8], "little") < Path(path).stat().st_size:
        return "safetensors", file, None
    file.seek(0)
    header = file.readline(1 << 16).split()
    if len(header) == 2 and all(number.isdigit() for number in header):
        kind = "word2vec text" if _text_follows(file) else "word2vec binary"
        return kind, file, (int(header[0]), int(header[1]))
    file.seek(0)
    return "GloVe text", file, None


def _text_follows(file: BinaryIO) -> bool:
    """Whether the next row is text: a line that ends in a number."""
    start = file.tell()
    line = file.readline(1 << 20)
    file.seek(start)
    try:
        float(line.decode().rstrip().rpartition(" ")[2])
    except ValueError:
        return False
    return True


def _counted(vectors: WordVectors, fvocab: str | os.PathLike[str]) -> WordVectors:
    vocab = Vocab.load(fvocab)
    counts = []
    for word in vectors.index_to_key:
        if word in vocab:
            counts.append(vocab.count(word))
        elif word == "<unk>":  # of which GloVe's vocabulary does not know
            counts.append(0)
        else:
            raise ValueError(f"{fvocab} has no count of the word {word!r}")
    return WordVectors(
        vectors.index_to_key,
        vectors.vectors,
        counts=np.array(counts),
        metadata=vectors.metadata,
        dtype=vectors.vectors.dtype,
    )
