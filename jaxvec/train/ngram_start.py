"""Where tables of n-grams begin: rows whose means are vectors that are given by word.

Letters: `T` words that are given, `B` buckets of n-grams, `D` dimension.
"""

from typing import Any

import jax.numpy as jnp
import numpy as np
import scipy.sparse

from jaxvec.models.subwords import Params
from jaxvec.text.ngrams import Ngrams
from jaxvec.text.vocab import Vocab
from jaxvec.train.ngrams import NgramRows, has_ngrams
from jaxvec.vectors.subwords import Subwords

_ITERATIONS = 20


def spread(vectors: np.ndarray, ngrams: Ngrams, buckets: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows of words and of their n-grams, whose means are given vectors.

    Of all such rows Z, means A Z = S, these have nearly the least |Z|², as gradient descent from
    zeros would find them: Z = Aᵀ Y with A Aᵀ Y = S, by some steps of conjugate gradients. So what
    words with an n-gram have in common is in its row. What is left of S is in the words' own rows.

    Args:
      vectors: S, float32[T, D].
      ngrams: of the `T` words.
      buckets: `B`.

    Returns:
      The words' own rows, float32[T, D], and the n-grams', float32[B, D].

    References:
      Hestenes and Stiefel 1952, "Methods of Conjugate Gradients for Solving Linear Systems".

    >>> s = np.array([[3.0], [3.0]], np.float32)
    >>> own, rows = spread(s, Ngrams(np.array([0, 0]), np.array([0, 1, 2])), buckets=1)
    >>> own.round(3).tolist(), rows.round(3).tolist()  # means of 2 and 4: the n-gram is in both
    ([[2.0], [2.0]], [[4.0]])
    """
    counts = 1 + np.diff(ngrams.offsets)
    ones = np.ones(len(ngrams.ids), np.float32)
    shape = (len(vectors), buckets)
    shares = scipy.sparse.csr_array((ones, ngrams.ids, ngrams.offsets), shape=shape)
    shares.sum_duplicates()
    inverse = (1 / counts).astype(np.float32)[:, None]
    back = shares.T.tocsr()

    def means(own: np.ndarray, rows: np.ndarray) -> np.ndarray:
        return inverse * (own + shares @ rows)

    def rows_of(y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return inverse * y, back @ (inverse * y)

    y, rest = np.zeros_like(vectors), vectors.copy()
    direction, size = rest, np.square(rest).sum(0)
    for _ in range(_ITERATIONS):  # each column by itself
        image = means(*rows_of(direction))
        along = np.einsum("td,td->d", direction, image)
        step = np.divide(size, along, out=np.zeros_like(size), where=along > 0)
        y, rest = y + step * direction, rest - step * image
        before, size = size, np.square(rest).sum(0)
        direction = rest + np.divide(size, before, out=np.zeros_like(size), where=before > 0) * (
            direction
        )
    own, rows = rows_of(y)
    left = vectors - means(own, rows)
    return own + left / inverse, rows


def warm(
    model: NgramRows,
    params: Params,
    table: np.ndarray,
    known: np.ndarray,
    vocab: Vocab,
    given: Subwords | None,
) -> Params:
    """Tables by which known words have given vectors.

    Args:
      model: what is trained.
      params: its first tables.
      table: the vectors, float32[V, D].
      known: which words have one, bool[V].
      vocab: the words.
      given: the rows of n-grams of the vectors, which are taken if they are of the same lengths
        and buckets; else the vectors are `spread` over the rows.
    """
    assert model.subwords is not None
    own = np.array(params.input)
    places = np.flatnonzero(known)
    words = [vocab.words[i] for i in places]
    if given is not None and (given.minn, given.maxn, len(given.table)) == (
        *model.subwords, model.buckets,
    ):  # fmt: skip
        own[places] = given.own(table[places], words)
        ngrams = jnp.asarray(given.table, params.ngrams.dtype)
        return params._replace(input=jnp.asarray(own), ngrams=ngrams)
    first = Subwords(np.asarray(params.ngrams), *model.subwords)
    missing = table[places] - first.composed(own[places], words)
    added, rows = spread(missing, first.hashed(words), model.buckets)
    own[places] += added
    return params._replace(input=jnp.asarray(own), ngrams=params.ngrams + rows)


def check_alike(model: Any, earlier: Any) -> None:
    """Makes sure that an earlier run has the n-grams of the model that goes on from it.

    Args:
      model, earlier: the models.

    Raises:
      ValueError: if it has others, or one of the two has none.
    """

    def told(model: Any) -> str:
        if not has_ngrams(model):
            return "no n-grams"
        least, most = model.subwords
        return f"n-grams of {least} to {most} characters in {model.buckets:,} buckets"

    if told(model) != told(earlier):
        same = (
            f"subwords={earlier.subwords}, buckets={earlier.buckets}"
            if has_ngrams(earlier) else "no subwords"
        )  # fmt: skip
        raise ValueError(
            f"the run to start from has {told(earlier)}, and this model {told(model)}: give {same}"
        )
