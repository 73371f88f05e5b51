"""From `WordVectors` to the table of an embedding layer, and back.

Letters: `R` rows of the table, specials included; `D` vector size.
"""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from jaxvec.text.vocab import Vocab
from jaxvec.vectors.rows import matched
from jaxvec.vectors.rows import unk_vector as mean_of_rarest
from jaxvec.vectors.table import FLOATING
from jaxvec.vectors.word_vectors import WordVectors


def vocabulary(
    vectors: WordVectors, *, pad: str | None = "<pad>", unk: str | None = "<unk>"
) -> Vocab:
    """The vocabulary of an embedding layer: specials first, then the words of the vectors.

    A special that is a word of the vectors, such as ``<unk>`` in many GloVe files, moves to the
    front and keeps its count.

    Args:
      vectors: the vectors, with counts if they are known.
      pad: the special for padding, id 0; None for none.
      unk: the special for unknown words, the next id; None for none, then `encode` drops
        unknown words.

    Returns:
      A vocabulary of `R` words.

    >>> wv = WordVectors(["a", "b"], [[1, 0], [0, 2]], counts=[5, 3])
    >>> vocab = vocabulary(wv)
    >>> vocab.words, vocab.encode(["b", "unheard"]).tolist()
    (['<pad>', '<unk>', 'a', 'b'], [3, 1])
    >>> vocabulary(wv, pad=None, unk=None).words
    ['a', 'b']
    """
    specials = [name for name in (pad, unk) if name is not None]
    words = specials + [word for word in vectors.index_to_key if word not in specials]
    counts = np.zeros(len(words), np.int64)
    if vectors.counts is not None:
        places = np.array([vectors.get_index(word, -1) for word in words])
        counts = np.where(places >= 0, vectors.counts[places], 0)
    return Vocab(words, counts, specials=len(specials), unk=unk)


def table(
    vectors: WordVectors,
    vocab: Vocab | None = None,
    *,
    unk_vector: ArrayLike | None = None,
    dtype: DTypeLike | None = None,
) -> np.ndarray:
    """The table of an embedding layer: a row for each word of a vocabulary.

    A word of the vectors, special or not, gets its vector, and so does a word of their n-grams.
    Other words, and `vocab.unk`, get `unk_vector`. Other specials, such as padding, get zeros.

    Args:
      vectors: the pretrained vectors.
      vocab: the `R` words, such as `vocabulary` makes, or the vocabulary of a corpus; by
        default the words of the vectors in their order.
      unk_vector: the vector of unknown words, [D]; by default `jaxvec.stanford.unk_vector`, the
        mean vector of the 100 rarest words.
      dtype: of the table; by default the dtype of the vectors.

    Returns:
      The table, [R, D].

    Raises:
      ValueError: if `unk_vector` is not [D], or the vectors have no word of the vocabulary.

    >>> wv = WordVectors(["a", "b"], [[1, 0], [0, 2]])
    >>> table(wv, vocabulary(wv)).tolist()
    [[0.0, 0.0], [0.5, 1.0], [1.0, 0.0], [0.0, 2.0]]
    """
    if vocab is None:
        vocab = vocabulary(vectors, pad=None, unk=None)
    unknown = np.asarray(mean_of_rarest(vectors) if unk_vector is None else unk_vector)
    if unknown.shape != (vectors.vector_size,):
        raise ValueError(f"unk_vector must be [{vectors.vector_size}]; got {list(unknown.shape)}")
    rows, known = matched(vectors, vocab, vectors.vector_size)
    stands_for_others = np.arange(len(vocab)) >= vocab.specials
    if vocab.unk is not None:
        stands_for_others[vocab.ids[vocab.unk]] = True
    rows[stands_for_others & ~known] = unknown
    return rows.astype(dtype or vectors.vectors.dtype, copy=False)


def word_vectors(
    table: Any,
    vocab: Vocab,
    *,
    specials: bool = False,
    metadata: dict[str, Any] | None = None,
) -> WordVectors:
    """Word vectors from a trained table.

    Args:
      table: [R, D], such as ``model.embed.embedding`` (nnx) or
        ``params["embed"]["embedding"]`` (linen).
      vocab: its `R` words. Their counts are kept, unless all are 0, as in the `vocabulary` of
        vectors without counts.
      specials: whether specials, such as padding, are words of the result.
      metadata: of the result, see `WordVectors.metadata`.

    Returns:
      Vectors of the table's dtype; float32 for bfloat16.

    Raises:
      ValueError: if the table is not [R, D].

    >>> wv = WordVectors(["a", "b"], [[1, 0], [0, 2]])
    >>> vocab = vocabulary(wv)
    >>> word_vectors(2 * table(wv, vocab), vocab)["b"].tolist()
    [0.0, 4.0]
    """
    rows = np.array(table)  # a copy: training may donate the table
    if rows.ndim != 2 or len(rows) != len(vocab):
        raise ValueError(f"the table must be [{len(vocab)}, D]; got {list(rows.shape)}")
    first = 0 if specials else vocab.specials
    vectors = WordVectors(
        vocab.words[first:],
        rows[first:],
        counts=vocab.counts[first:] if vocab.counts.any() else None,
        metadata=metadata,
        dtype=rows.dtype if rows.dtype in FLOATING else np.float32,
    )
    if vectors.counts is not None:
        vectors.sort_by_descending_frequency()
    return vectors
