"""Files of word vectors: word2vec text and binary, GloVe text, fastText, `.npz`, safetensors.

And, only to be written, the folders that TensorBoard's embedding projector reads. Each is a
`Format` of a file here, and a line in `FORMATS`, from which all functions and help texts take them.
"""

import os
import re
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import DTypeLike

from jaxvec.storage.arrays import check_encoding
from jaxvec.storage.files import atomic_write, expanded
from jaxvec.text.vocab import Vocab
from jaxvec.vectors.attributes import COUNT, column
from jaxvec.vectors.formats import archive, binary, fasttext, projector, text
from jaxvec.vectors.formats.checks import check_numbers, floating
from jaxvec.vectors.formats.format import Format, Info, Options
from jaxvec.vectors.formats.source import Source, opened
from jaxvec.vectors.keys import limited
from jaxvec.vectors.lines import checked_encoding, decoded_lines
from jaxvec.vectors.table import WordTable

FORMATS: tuple[Format, ...] = (
    text.GLOVE,
    text.WORD2VEC,
    binary.FORMAT,
    archive.NPZ,
    archive.SAFETENSORS,
    fasttext.FORMAT,
    projector.FORMAT,
)
"""All formats. A file is of the last one that recognizes it; GloVe text, the first, accepts any."""

_SHOWN = 8  # words that `info` tells
_PICKLE = rb"\x80[\x02-\x05]"  # how protocols 2 to 5 begin


def described(readable: bool = False) -> str:
    """The formats and their suffixes, for help texts.

    Args:
      readable: leave out formats that are only written.

    >>> print(described(readable=True))
    .glove.txt (GloVe text), .txt or .vec (word2vec text),
    .bin (word2vec binary, always float32), .npz, .safetensors or .fasttext.bin (fastText model,
    always float32)
    """
    told = []
    for format in FORMATS:
        names = " or ".join(format.suffixes)
        about = format.about or format.name
        plain = names.endswith(about)  # whose name says all
        if format.read or not readable:
            told.append(names if plain else f"{names} ({about})")
    return ", ".join(told[:-1]) + f" or {told[-1]}"


def save(
    vectors: WordTable,
    path: str | os.PathLike[str],
    *,
    header: bool = False,
    format: str | None = None,
) -> None:
    """Writes word vectors; the suffix says how.

    ``.glove.txt`` GloVe text (no header); ``.txt`` and ``.vec`` word2vec text, as fastText's;
    ``.bin`` word2vec binary, whose numbers are float32; ``.fasttext.bin`` fastText's model, in
    float32; ``.npz`` NumPy arrays ``vectors``, ``words`` (UTF-8 text, one a line), ``counts`` and
    ``metadata`` (JSON); ``.safetensors`` the same as tensors. Both keep the dtype. ``.projector``
    makes a folder for TensorBoard's projector, which `load` does not read; see `projector.write`.
    A file appears whole or not at all, and nothing is written that `load` would refuse.

    Args:
      vectors: the table.
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
    found = _by_suffix(path if format is None else format, header=header)
    _check_words(found, vectors.index_to_key)
    check_numbers(vectors, vectors.vectors.dtype if found.keeps_all else np.dtype("float32"))
    if vectors.subwords is not None and not found.keeps_ngrams:
        warnings.warn(
            f"{path}: {found.name} holds no n-grams, from which unknown words get vectors: they "
            f"are left out; save as .npz, .safetensors or {fasttext.SUFFIX} to keep them",
            stacklevel=3,
        )
    if not found.keeps_all and not vectors.vectors.size:
        raise ValueError(f"{len(vectors)} vectors of {vectors.vector_size} numbers are no vectors")
    lost = [name for name in vectors.attributes if name != COUNT]
    if lost and not found.keeps_all:
        warnings.warn(
            f"{path}: {found.name} holds no attributes of words: {', '.join(lost)} left out; save "
            "as .npz or .safetensors to keep them",
            stacklevel=3,
        )
    if found.files:
        found.write(vectors, Path(path))
        return
    with atomic_write(path) as temporary:
        found.write(vectors, temporary)


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
    ValueError: word 'new york' holds white space, which in text and word2vec binary \
ends a word; save as .npz
    """
    _check_words(_by_suffix(path, header=header), words)


def _check_words(format: Format, words: Sequence[str]) -> None:
    check_encoding(words)
    format.check_words(words)


def outputs(path: str | os.PathLike[str]) -> list[Path]:
    """The files that `save` makes for a path; ValueError if its suffix names no format."""
    found = _by_suffix(path)
    return found.files(path) if found.files else [expanded(path)]


def writer(path: str | os.PathLike[str]) -> Callable[[WordTable, Path], None]:
    """The function that writes the format of a path's suffix, a format that `load` reads.

    Raises:
      ValueError: if there is none, or it needs a package that is not installed.
    """
    return _by_suffix(path, readable=True).write


def _by_suffix(
    path: str | os.PathLike[str], *, header: bool = False, readable: bool = False
) -> Format:
    name = Path(path).name.lower()
    readers = [format for format in FORMATS if format.read]
    known = {s: format for format in (readers if readable else FORMATS) for s in format.suffixes}
    fitting = [suffix for suffix in known if name.endswith(suffix)]
    if not fitting:
        shown = [s for format in readers for s in format.suffixes]
        raise ValueError(
            f"cannot tell a format from the name {path}: it must end in {', '.join(shown)}"
        )
    found = known[max(fitting, key=len)]
    if found.check_ready:
        found.check_ready(path)
    return text.WORD2VEC if header and found is text.GLOVE else found


def load(
    path: str | os.PathLike[str],
    *,
    limit: int | None = None,
    dtype: DTypeLike | None = None,
    mmap: bool = False,
    fvocab: str | os.PathLike[str] | None = None,
    encoding: str = "utf8",
    errors: str = "strict",
    kind: str | None = None,
    force_size: bool = False,
) -> WordTable:
    """Reads what `save`, word2vec, fastText (``.vec``, ``.bin``), GloVe or gensim wrote.

    The content says which format it is, not the name. Text may have several blanks or tabs between
    numbers, a byte order mark before it, and empty lines after it. Beside the table a few
    megabytes are held, whatever the size of the file. The last line of a text may lack its line
    break, so that a cut within its last number is not noticed.

    Args:
      path: the file, which gzip, bzip2 or xz may have compressed if it is text or word2vec
        binary; a pipe, or ``"-"`` for standard input, is copied to a temporary file first.
      limit: read only this many words, from the first on; None for all.
      dtype: of the table: float16, float32 or float64; as it is stored, if None, and float32
        from text.
      mmap: leave the vectors of an uncompressed `.npz` on disk, read as they are used, after one
        pass that checks them; see `arrays.load_arrays` for a file that changes meanwhile.
      fvocab: a word and its count a line, as word2vec ``-save-vocab`` and GloVe's
        ``vocab_count`` write; the counts of the words, which are put in their order.
      encoding: of the words of text and word2vec binary, and of `fvocab`; one in which ASCII is
        ASCII, such as latin-1.
      errors: what to do about words that are not of the encoding, such as words that word2vec cuts
        inside a character: ``"strict"``, ``"replace"``, ``"ignore"`` or another name that
        `bytes.decode` takes.
      kind: the name of the only format to accept, as `kind` returns it; by default any.
      force_size: read a compressed file even if it holds over 64 times its size, which is more
        likely to be meant to fill the memory.

    Raises:
      FileNotFoundError: if there is no such file.
      ValueError: if it is none of these, or not of the `kind`, is cut short, has another number
        of vectors than its header says (but for the row of ``<unk>`` that GloVe does not
        count), or holds a word that is not of the encoding or values that are no finite numbers of
        the dtype; the message names the line or byte.

    Warns:
      UserWarning: if a file holds a word twice, as by `errors`, but for `.npz` and safetensors;
        the first is taken, as in gensim.

    >>> path = getfixture("tmp_path") / "v.vec"
    >>> _ = path.write_text("2 3\\nthe 1 2 3\\ncat 4 5 6\\n")
    >>> load(path)
    WordTable of 2 words, 3 numbers each
    >>> load(path, limit=1, dtype="float16").vectors
    array([[1., 2., 3.]], dtype=float16)
    """
    options = Options(
        limited(limit, "limit"), None if dtype is None else floating(dtype), mmap, encoding, errors,
        force_size,
    )  # fmt: skip
    checked_encoding(encoding, errors)
    with opened(path, force_size=force_size) as source:
        found = _recognized(source, kind)
        if mmap and not found.maps:
            raise ValueError(f"{path} is no .npz, the only format that mmap=True can map")
        if found.keeps_all and not checked_encoding(encoding):
            raise ValueError(f"{path} is {found.name}, whose words are UTF-8, not {encoding}")
        assert found.read is not None
        vectors = found.read(source.rewound(), options)
    if fvocab is not None:
        add_counts(vectors, fvocab, encoding=encoding, errors=errors)
        vectors.sort_by_descending_frequency()
    return vectors


def kind(path: str | os.PathLike[str]) -> str:
    """The name of a file's format; ``"GloVe text"`` for anything that has no mark of another.

    Raises:
      FileNotFoundError: if there is no such file.
    """
    with opened(path) as source:
        return _recognized(source).name


def _recognized(source: Source, kind: str | None = None) -> Format:
    """The format of a file; ValueError if it is not of the kind, if one is given."""
    if re.match(_PICKLE, source.rewound().file.read(2)):
        raise ValueError(
            f"{source.name} is a pickle, as gensim's KeyedVectors.save writes, and not read, as "
            "unpickling runs code: in gensim, write save_word2vec_format(path, binary=True)"
        )
    found = next(
        format
        for format in reversed(FORMATS)
        if format.recognizes and format.recognizes(source.rewound())
    )
    if found is text.WORD2VEC and kind == text.GLOVE.name and text.is_glove_with(source):
        found = text.GLOVE
    if kind not in (None, found.name):
        what = f"is {found.name}, not {kind}"
        if found is text.GLOVE:  # or anything
            what = f"does not begin with the number and size of its vectors, as {kind} does"
        raise ValueError(
            f"{source.name} {what}: write binary=True for word2vec binary, "
            "no_header=True for GloVe text, neither for word2vec text, or WordVectors.load(path), "
            "which recognizes the format"
        )
    return found


def info(path: str | os.PathLike[str], *, force_size: bool = False) -> Info:
    """The contents of a file of word vectors, without reading all of it.

    Lines of text are counted, and compared with the header; their numbers are not read, nor are
    rows of n-grams.

    Args:
      path: the file.
      force_size: as for `load`.

    Raises:
      FileNotFoundError, ValueError: as `load`.

    >>> path = getfixture("tmp_path") / "v.npz"
    >>> save(WordTable(["a", "b"], [[1, 0], [0, 1]], metadata={"by": "hand"}), path)
    >>> found = info(path)
    >>> found.format, found.words, found.vector_size, found.dtype, found.metadata, found.first
    ('npz', 2, 2, 'float32', {'by': 'hand'}, ['a', 'b'])
    """
    with opened(path, force_size=force_size) as source:
        found = _recognized(source)
        assert found.read is not None
        count = found.count(source.rewound()) if found.count else None
        shown = Options(limit=_SHOWN, errors="replace", force_size=force_size, ngrams=False)
        vectors = found.read(source.rewound(), shown)
        ngrams = found.ngrams(source.rewound()) if found.ngrams else None
        return Info(
            found.name,
            len(vectors) if count is None else count,
            vectors.vector_size,
            "text" if found.is_text else str(vectors.vectors.dtype),
            source.path.stat().st_size,
            vectors.metadata,
            vectors.index_to_key[:_SHOWN],
            {} if ngrams is None else {"lengths": list(ngrams[:2]), "buckets": ngrams[2]},
        )


def add_counts(
    vectors: WordTable,
    fvocab: str | os.PathLike[str],
    *,
    encoding: str = "utf8",
    errors: str = "strict",
) -> None:
    """Gives words the counts of a file, in place; their order stays.

    Args:
      vectors: the words, all of which must be in the file, but for ``<unk>``, whose count is 0.
      fvocab: a word and its count a line.
      encoding, errors: of the words in it; see `load`.

    Raises:
      FileNotFoundError: if there is no such file.
      ValueError: if it has another form, or lacks a word.

    >>> table, path = WordTable(["a", "b"], np.eye(2)), getfixture("tmp_path") / "counts"
    >>> _ = path.write_text("b 5\\na 3\\n")
    >>> add_counts(table, path)
    >>> table.counts.tolist()
    [3, 5]
    """
    if checked_encoding(encoding, errors):
        vocab = Vocab.load(fvocab)
        counts = dict(zip(vocab.words, vocab.counts.tolist(), strict=True))
    else:
        counts = {}
        for number, line in decoded_lines(fvocab, "vocabulary file", encoding, errors):
            word, _, count = line.rpartition(" ")
            if not count.isdecimal():
                raise ValueError(f"{fvocab} is not a vocabulary file: line {number} is {line!r}")
            counts.setdefault(word, int(count))
    counts.setdefault("<unk>", 0)  # of which GloVe's vocabulary does not know
    for word in vectors.index_to_key:
        if word not in counts:
            raise ValueError(f"{fvocab} has no count of the word {word!r}")
    found = [counts[word] for word in vectors.index_to_key]
    vectors.attributes[COUNT] = column(COUNT, found, len(vectors))
