"""Orthogonal Procrustes, to rotate one space of word vectors to another, and semantic drift.

Letters: `V` vocabulary, `D` dimension, `n` words that both have.
"""

from collections.abc import Sequence

import numpy as np

from jaxvec.vectors.keys import key_list, limited
from jaxvec.vectors.ranking import unit
from jaxvec.vectors.word_vectors import WordVectors


def rotation(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """The orthogonal matrix that rotates rows closest to others: argmin_Q ‖A Q - B‖, [D, D].

    Q = U Vᵀ, from the singular value decomposition Aᵀ B = U Σ Vᵀ.

    Args:
      source: A, float[n, D].
      target: B, of the same shape.

    >>> turn = np.array([[0.0, 1.0], [-1.0, 0.0]])
    >>> np.allclose(rotation(np.eye(2), turn), turn)
    True

    References:
      Schönemann 1966, "A Generalized Solution of the Orthogonal Procrustes Problem".
    """
    from scipy.linalg import orthogonal_procrustes

    return orthogonal_procrustes(source, target)[0]


def shared_words(
    first: WordVectors,
    second: WordVectors,
    *,
    min_count: int | None = None,
    restrict_vocab: int | None = None,
) -> list[str]:
    """The words that both have, in the order of the first.

    Args:
      first, second: the word vectors.
      min_count: leave out words that are rarer than this in either.
      restrict_vocab: keep words among the first `restrict_vocab` of both; None for all.

    Raises:
      ValueError: if no word is left, or `min_count` is given for vectors without counts.

    >>> a = WordVectors(["x", "y", "z"], np.eye(3), counts=[9, 5, 1])
    >>> b = WordVectors(["z", "x"], np.eye(2), counts=[8, 4])
    >>> shared_words(a, b), shared_words(a, b, min_count=4), shared_words(b, a, restrict_vocab=2)
    (['x', 'z'], ['x'], ['x'])
    """
    known = limited(restrict_vocab)
    words = [
        word
        for word in first.index_to_key[:known]
        if second.key_to_index.get(word, len(second)) < (known or len(second))
    ]
    if min_count is not None:
        if first.counts is None or second.counts is None:
            raise ValueError(
                "min_count needs vectors with counts, which .npz and .safetensors keep: limit the "
                "vocabulary instead"
            )
        for vectors in (first, second):
            words = [word for word in words if vectors.get_vecattr(word, "count") >= min_count]
    if not words:
        raise ValueError("the two have no word in common, or none that is frequent enough")
    return words


def align(
    vectors: WordVectors,
    to: WordVectors,
    *,
    words: Sequence[str] | None = None,
    unit_length: bool = True,
    center: bool = False,
) -> WordVectors:
    """Vectors rotated into the space of others, by the `rotation` of shared words.

    Lengths, and cosines of rotated vectors with each other, stay. Rows of n-grams are rotated, too.

    Args:
      vectors: the vectors to rotate, also of words that `to` lacks.
      to: vectors of the target space, of the same `D`.
      words: the `n` anchors that the rotation is fitted to; by default all shared words.
      unit_length: fit it to vectors scaled to length 1, so that each word weighs the same.
      center: fit it to vectors from which the mean of their side is subtracted.

    Raises:
      KeyError: for an unknown word, with close matches.
      ValueError: if the dimensions differ, or there is no word in common.

    >>> rng = np.random.default_rng(0)
    >>> before = WordVectors(list("abcde"), rng.normal(size=(5, 3)))
    >>> turn = np.linalg.qr(rng.normal(size=(3, 3))).Q
    >>> after = align(WordVectors(list("abcde"), before.vectors @ turn), before)
    >>> np.allclose(after.vectors, before.vectors, atol=1e-5)
    True

    References:
      Hamilton, Leskovec and Jurafsky 2016, "Diachronic Word Embeddings Reveal Statistical Laws of
      Semantic Change".
    """
    if vectors.vector_size != to.vector_size:
        raise ValueError(
            f"vectors of {vectors.vector_size} numbers cannot be turned into a space of "
            f"{to.vector_size}: train both with the same vector_size"
        )
    anchors = key_list(shared_words(vectors, to) if words is None else words)
    if not anchors:
        raise ValueError("align needs words that both have; got none")
    sides = [side[anchors].astype(np.float64) for side in (vectors, to)]
    if unit_length:
        sides = [unit(side) for side in sides]
    if center:
        sides = [side - side.mean(axis=0) for side in sides]
    turn = rotation(*sides)
    return WordVectors(
        vectors.index_to_key,
        vectors.vectors @ turn,
        attributes=vectors.attributes,
        metadata=vectors.metadata,
        dtype=vectors.vectors.dtype,
        subwords=None if vectors.subwords is None else vectors.subwords.rotated(turn),
    )


def drift(
    before: WordVectors,
    after: WordVectors,
    *,
    min_count: int | None = None,
    restrict_vocab: int | None = None,
    unit_length: bool = True,
    center: bool = False,
) -> list[tuple[str, float]]:
    """The distance that each word has moved: 1 - cos(v, v′ Q), v′ Q its later vector, aligned.

    The later vectors are aligned to the earlier ones by the words that are compared. Vectors of
    rare words move most, also between two runs on the same text: leave them out.

    Args:
      before, after: word vectors of two texts, of the same `D`.
      min_count: leave out words that are rarer than this in either.
      restrict_vocab: keep words among the first `restrict_vocab` of both; None for all.
      unit_length, center: see `align`.

    Returns:
      Pairs of word and distance, the farthest first; equal ones in the order of `before`.

    Raises:
      ValueError: as `shared_words` and `align`.

    >>> rng = np.random.default_rng(0)
    >>> table = rng.normal(size=(50, 3))
    >>> before = WordVectors([f"w{i}" for i in range(50)], table)
    >>> table[7] *= -1
    >>> drift(before, WordVectors(before.index_to_key, table))[0][0]
    'w7'

    References:
      Hamilton, Leskovec and Jurafsky 2016, as `align`.
    """
    words = shared_words(before, after, min_count=min_count, restrict_vocab=restrict_vocab)
    turned = align(after, before, words=words, unit_length=unit_length, center=center)
    sides = [unit(side[words].astype(np.float64)) for side in (before, turned)]
    distances = 1 - np.einsum("nd,nd->n", *sides)
    order = np.argsort(-distances, kind="stable")
    return [(words[i], float(distances[i])) for i in order]
