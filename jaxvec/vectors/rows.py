"""Vectors for another vocabulary: its words' rows, and a row for words that are unknown.

Letters: `V` words of that vocabulary, `D` dimension.
"""

import numpy as np

from jaxvec.text.vocab import Vocab
from jaxvec.vectors.table import WordTable

_RARE = 100  # words, as in the GloVe program


def matched(vectors: WordTable, vocab: Vocab, vector_size: int) -> tuple[np.ndarray, np.ndarray]:
    """The vectors of a vocabulary's words, float32[V, D], zeros for unknown ones.

    A word that only the n-grams of the vectors know has the vector that they make. A special, such
    as padding, has one only if it is a word of the vectors.

    Args:
      vectors: where the words are looked up.
      vocab: the `V` words.
      vector_size: the `D` that is needed.

    Returns:
      The rows, of the dtype of the vectors, and bool[V]: which words are known.

    Raises:
      ValueError: if the vectors are not of `D` numbers, or no word is known.

    >>> rows, known = matched(WordTable(["a", "b"], [[1, 0], [0, 2]]), Vocab(["b", "c"], [5, 3]), 2)
    >>> rows.tolist(), known.tolist()
    ([[0.0, 2.0], [0.0, 0.0]], [True, False])
    """
    if vectors.vector_size != vector_size:
        raise ValueError(
            f"the vectors to start from have {vectors.vector_size} numbers, the model's "
            f"{vector_size}: train with vector_size={vectors.vector_size}"
        )
    places = np.array([vectors.key_to_index.get(word, -1) for word in vocab.words])
    known = places >= 0
    rows = np.where(known[:, None], vectors.vectors[places], 0)
    if vectors.subwords is not None:
        others = [i for i in np.flatnonzero(~known).tolist()
                  if i >= vocab.specials and vocab.words[i] != vocab.unk]  # fmt: skip
        rows[others], known[others] = vectors.subwords.vectors([vocab.words[i] for i in others])
    if not known.any():
        raise ValueError("no word of the vocabulary is among the vectors to start from")
    return rows, known


def unk_vector(vectors: WordTable) -> np.ndarray:
    """The mean of the vectors of the 100 rarest words, or of all if there are fewer: float32[D].

    The last words are the rarest if the counts are unknown. ``glove`` writes this mean as the last
    line of its text, for words outside the vocabulary.

    >>> unk_vector(WordTable(["a", "b"], [[1, 0], [0, 2]])).tolist()
    [0.5, 1.0]
    """
    rows = vectors.vectors[-_RARE:]
    if vectors.counts is not None:
        rows = vectors.vectors[np.argsort(-vectors.counts, kind="stable")[-_RARE:]]
    return rows.mean(axis=0, dtype=np.float64).astype(np.float32)
