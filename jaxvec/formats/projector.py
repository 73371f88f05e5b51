"""TensorBoard's embedding projector: a folder with the vectors and the words, a line each."""

import contextlib
import os
from pathlib import Path

from jaxvec.files import written_beside
from jaxvec.formats import text
from jaxvec.vectors import WordVectors

SUFFIX = ".projector"

_VECTORS, _METADATA, _CONFIG = "vectors.tsv", "metadata.tsv", "projector_config.pbtxt"


def files(folder: str | os.PathLike[str]) -> list[Path]:
    """The files that `write` makes in a folder."""
    return [Path(folder) / name for name in (_VECTORS, _METADATA, _CONFIG)]


def write(vectors: WordVectors, folder: str | os.PathLike[str]) -> None:
    """Writes numbers and words apart, as the projector reads them.

    ``vectors.tsv`` has the `D` numbers of a word on each line, parted by tabs.
    ``metadata.tsv`` has the words, and nothing else, as gensim's `word2vec2tensor` writes
    them; or if counts are known two columns under the header that the projector then expects.
    ``projector_config.pbtxt`` makes ``tensorboard --logdir FOLDER`` show them.

    Raises:
      ValueError: for a word that the projector would take for two or none: one that is blank,
        or holds a tab or carriage return.
    """
    for word in vectors.index_to_key:
        blank = all(c.isspace() or c == "\ufeff" for c in word)  # lines that are passed over
        if blank or "\t" in word or "\r" in word:
            raise ValueError(
                f"word {word!r} would put the projector out of step: it must not be blank, nor "
                "hold a tab or carriage return"
            )
    with contextlib.ExitStack() as stack:
        opened = [stack.enter_context(written_beside(file)) for file in files(folder)]
        numbers, words, config = (
            stack.enter_context(open(file, "w", encoding="utf-8", newline="\n")) for file in opened
        )
        numbers.writelines("\t".join(row) + "\n" for _, row in text.decimals(vectors))
        if vectors.counts is None:
            words.writelines(f"{word}\n" for word in vectors.index_to_key)
        else:
            words.write("word\tcount\n")
            pairs = zip(vectors.index_to_key, vectors.counts.tolist(), strict=True)
            words.writelines(f"{word}\t{count}\n" for word, count in pairs)
        config.write(
            "embeddings {\n"
            '  tensor_name: "word vectors"\n'
            f'  tensor_path: "{_VECTORS}"\n'
            f'  metadata_path: "{_METADATA}"\n'
            "}\n"
        )
