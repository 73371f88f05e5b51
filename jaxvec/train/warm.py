"""Warm starts: what a run begins with from elsewhere, matched by word."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxvec.text.vocab import Vocab
from jaxvec.train.epoch import State, converted
from jaxvec.vectors.word_vectors import WordVectors


def matched(vectors: WordVectors, vocab: Vocab, vector_size: int) -> tuple[np.ndarray, np.ndarray]:
    """The vectors of a vocabulary's words, float32[V, D], and which have one, bool[V].

    Raises:
      ValueError: if they are not of `D` numbers, or no word has one.
    """
    if vectors.vector_size != vector_size:
        raise ValueError(
            f"the vectors to start from have {vectors.vector_size} numbers, the model's "
            f"{vector_size}: train with vector_size={vectors.vector_size}"
        )
    places = np.array([vectors.key_to_index.get(word, -1) for word in vocab.words])
    known = places >= 0
    if not known.any():
        raise ValueError("no word of the vocabulary is among the vectors to start from")
    return np.where(known[:, None], vectors.vectors[places], 0), known


def warm(params: Any, table: np.ndarray, known: np.ndarray, which: str) -> Any:
    """Parameters in which the known words have the vectors of a table.

    Args:
      params: the model's, with tables ``input`` and ``output``.
      table: float32[V, D].
      known: bool[V].
      which: what the model's vectors are, ``"input"`` or the ``"sum"`` of both tables, each
        of which then gets half.
    """
    names = ("input", "output") if which == "sum" else (which,)
    rows = jnp.asarray(table, params.input.dtype) / len(names)
    return params._replace(
        **{name: jnp.where(known[:, None], rows, getattr(params, name)) for name in names}
    )


def extended(own: State, earlier: State, vocab: Vocab, before: Vocab) -> State:
    """A state in which the words of an earlier run go on from where that left them.

    Args:
      own: the state to begin with, of `vocab`: other words keep theirs.
      earlier: that of the earlier run, of the vocabulary `before`.

    Raises:
      ValueError: if the states are not of the same model and optimizer, or no word is of both
        vocabularies.
    """
    places = np.array([before.ids.get(word, -1) for word in vocab.words])
    known = np.flatnonzero(places >= 0)
    if not len(known):
        raise ValueError("no word of the vocabulary is among those of the run to start from")

    def rows(mine: jax.Array, theirs: jax.Array) -> jax.Array:
        sizes = (len(before), *mine.shape[1:]) if mine.ndim else ()
        if theirs.shape != sizes:
            raise ValueError(f"expected an array {list(sizes)}; got {list(theirs.shape)}")
        if not mine.ndim:
            return converted(mine, theirs)
        return mine.at[known].set(converted(mine, theirs)[places[known]])

    pairs = zip(jax.tree.leaves(own), jax.tree.leaves(earlier), strict=True)
    try:
        leaves = [rows(mine, theirs) for mine, theirs in pairs]
        return jax.tree.unflatten(jax.tree.structure(own), leaves)
    except ValueError as error:
        raise ValueError(
            f"the run to start from is of another model or optimizer: {error}"
        ) from None
