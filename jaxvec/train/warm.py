"""Warm starts: what a run begins with from elsewhere, matched by word."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxvec.text.vocab import Vocab
from jaxvec.train.epoch import State, converted
from jaxvec.vectors.rows import matched as matched


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
