"""TensorBoard's embedding projector: a folder with the vectors and the words, a line each."""

import contextlib
import os
import warnings
from pathlib import Path

from jaxvec.storage.files import atomic_write, expanded, writable
from jaxvec.vectors.formats import text
from jaxvec.vectors.formats.format import Format
from jaxvec.vectors.table import WordTable

_BOM = "\ufeff"
_NAMED = 5  # words that the warning names
_VECTORS, _METADATA, _CONFIG = "vectors.tsv", "metadata.tsv", "projector_config.pbtxt"


def files(folder: str | os.PathLike[str]) -> list[Path]:
    """The files that `write` makes in a folder."""
    return [expanded(folder) / name for name in (_VECTORS, _METADATA, _CONFIG)]


def write(vectors: WordTable, folder: str | os.PathLike[str]) -> None:
    """Writes numbers and words into separate files, as the projector reads them.

    ``vectors.tsv`` has the `D` numbers of a word on each line, separated by tabs.
    ``metadata.tsv`` has the words, and nothing else, as gensim's `word2vec2tensor` writes
    them; or if counts are known two columns under the header that the projector then expects.
    ``projector_config.pbtxt`` makes ``tensorboard --logdir FOLDER`` show them.

    A word that the projector would take for two or for none, one that is blank or holds a tab
    or line end, is written as Python's `repr` has it, ``'\\t'``.

    Args:
      vectors: words and numbers.
      folder: a folder that is there, or the name of one to make.

    Raises:
      FileNotFoundError: if there is no folder to make it in.
      ValueError: if it is a file.

    Warns:
      UserWarning: once, with the words that are written so.
    """
    shown = [_legible(word) for word in vectors.index_to_key]
    other = [new for word, new in zip(vectors.index_to_key, shown, strict=True) if new != word]
    if other:
        some = ", ".join(other[:_NAMED]) + (", …" if len(other) > _NAMED else "")
        warnings.warn(
            f"{folder}: the projector cannot read {len(other):,} of {len(shown):,} words, blank "
            f"or with a tab or line end in them; they are written as {some}",
            stacklevel=3,
        )
    if expanded(folder).is_file():
        raise ValueError(f"cannot write {folder}: it is a file, not a folder")
    writable(folder).mkdir(exist_ok=True)
    with contextlib.ExitStack() as stack:
        opened = [stack.enter_context(atomic_write(file)) for file in files(folder)]
        numbers, words, config = (
            stack.enter_context(open(file, "w", encoding="utf-8", newline="\n")) for file in opened
        )
        numbers.writelines("\t".join(row) + "\n" for _, row in text.decimals(vectors))
        if vectors.counts is None:
            words.writelines(f"{word}\n" for word in shown)
        else:
            words.write("word\tcount\n")
            pairs = zip(shown, vectors.counts.tolist(), strict=True)
            words.writelines(f"{word}\t{count}\n" for word, count in pairs)
        config.write(
            "embeddings {\n"
            '  tensor_name: "word vectors"\n'
            f'  tensor_path: "{_VECTORS}"\n'
            f'  metadata_path: "{_METADATA}"\n'
            "}\n"
        )


def _legible(word: str) -> str:
    """A word that takes a line of its own, and a column."""
    blank = all(c.isspace() or c == _BOM for c in word)  # the projector passes over such lines
    if not blank and not set(word) & set("\t\r\n"):
        return word
    return repr(word)


FORMAT = Format(
    "projector",
    (".projector",),
    write,
    check_words=lambda words: None,  # of which it can hold every one
    files=files,
    about="a folder for TensorBoard's embedding projector: tensorboard --logdir OUT",
)
