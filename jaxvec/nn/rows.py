"""Which row of an embedding's table is which word's: from `WordVectors` and back.

Letters: `R` rows, those of the words and of specials; `D` dimension.
"""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from jaxvec.interop.stanford import unk_vector as mean_of_rarest
from jaxvec.text.vocab import Vocab
from jaxvec.train.start import matched
from jaxvec.vectors.table import FLOATING
from jaxvec.vectors.word_vectors import WordVectors


def vocabulary(
    vectors: WordVectors, *, pad: str | None = "<pad>", unk: str | None = "<unk>"
) -> Vocab:
    """The ids of an embedding of these vectors: specials first, then their words in order.

    Args:
      vectors: whose words, and counts if they are known.
      pad: the special for padding, id 0; None for no such row.
      unk: the special that stands for every word the vectors lack, the next id; None for no
        such row: unknown words are then left out. A special that is a word of the vectors
        (as ``<unk>`` is in many GloVe files) moves to the front with its count.

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
    """The table of an embedding, [R, D]: the vector of each word of a vocabulary.

    A word that the vectors hold has its vector, whether it is a special or not. Of the
    others `vocab.unk`, and all that are not specials, have that of unknown words, and the
    remaining specials, such as padding, zeros.

    Args:
      vectors: of `D` numbers.
      vocab: the `R` words, such as `vocabulary` makes, or that of a corpus; by default
        those of the vectors in their order.
      unk_vector: of unknown words, [D]; by default `stanford.unk_vector`, the mean of the
        rarest hundred.
      dtype: by default that of the vectors.

    Raises:
      ValueError: if `unk_vector` is not [D], or the vectors hold no word of the vocabulary.

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
    """The words of a vocabulary with the rows of a trained table.

    Args:
      table: [R, D], such as ``model.embed.embedding`` of nnx, or of linen
        ``params["embed"]["embedding"]``.
      vocab: its `R` words; their counts are kept, unless all are 0, as they are in a
        `vocabulary` of vectors without counts.
      specials: whether padding, unknown words and the like are words of the result too.
      metadata: what there is to know of the vectors' making.

    Returns:
      The vectors, of the table's dtype, or float32 of bfloat16.

    Raises:
      ValueError: if the table is not [R, D].

    >>> wv = WordVectors(["a", "b"], [[1, 0], [0, 2]])
    >>> vocab = vocabulary(wv)
    >>> word_vectors(2 * table(wv, vocab), vocab)["b"].tolist()
    [0.0, 4.0]
    """
    rows = np.array(table)  # a copy: training updates in place
    if rows.ndim != 2 or len(rows) != len(vocab):
        raise ValueError(f"the table must be [{len(vocab)}, D]; got {list(rows.shape)}")
    first = 0 if specials else vocab.specials
    return WordVectors(
        vocab.words[first:],
        rows[first:],
        counts=vocab.counts[first:] if vocab.counts.any() else None,
        metadata=metadata,
        dtype=rows.dtype if rows.dtype in FLOATING else np.float32,
    )
