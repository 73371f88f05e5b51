"""Warm starts: parameters that begin with vectors from elsewhere, matched by word."""

from typing import Any

import jax.numpy as jnp
import numpy as np

from jaxvec.text.vocab import Vocab
from jaxvec.vectors import WordVectors


def matched(vectors: WordVectors, vocab: Vocab, dim: int) -> tuple[np.ndarray, np.ndarray]:
    """The vectors of a vocabulary's words, float32[V, D], and which have one, bool[V].

    Raises:
      ValueError: if they are not of `D` numbers, or no word has one.
    """
    if vectors.vector_size != dim:
        raise ValueError(
            f"the vectors to start from have {vectors.vector_size} numbers, the model's {dim}: "
            f"train with vector_size={vectors.vector_size}"
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
    rows = jnp.asarray(table) / len(names)
    return params._replace(
        **{name: jnp.where(known[:, None], rows, getattr(params, name)) for name in names}
    )
