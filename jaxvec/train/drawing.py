"""The first tables of a model, drawn some rows at a time: what that takes beside them is small."""

import functools
from collections.abc import Callable
from typing import Any, TypeGuard

import jax
import jax.numpy as jnp
from jax import lax

from jaxvec.train.contracts import InitRows, Model
from jaxvec.train.ngrams import has_ngrams

PyTree = Any

ROWS = 1 << 13
"""How many a device makes at a time."""


def first_tables(model: Model, key: jax.Array, words: int) -> PyTree:
    """A model's first tables on one device; large ones by one program for all keys.

    Args:
      model: whose tables.
      key: of their random numbers.
      words: `V`.
    """
    return _drawn(model, key, words) if _are_large(model, words) else model.init(key, words)


def compile_ahead(model: Model, key: jax.Array, words: int) -> None:
    """Compiles what `first_tables` runs.

    Args:
      model, key, words: as for `first_tables`.
    """
    if _are_large(model, words):
        _drawn.lower(model, key, words).compile()


def _are_large(model: Model, words: int) -> TypeGuard[InitRows]:
    return words > ROWS and isinstance(model, InitRows) and not has_ngrams(model)


@functools.partial(jax.jit, static_argnames=("model", "words"))
def _drawn(model: InitRows, key: jax.Array, words: int) -> PyTree:
    return in_pieces(model, key, 0, words, words)


def in_pieces(
    model: InitRows,
    key: jax.Array,
    first: int | jax.Array,
    rows: int,
    words: int,
    own: Callable[[jax.Array], jax.Array] = lambda part: part,
) -> PyTree:
    """Rows of a model's first tables, drawn some at a time.

    Args:
      model, key: whose tables, and of their random numbers.
      first: the first row.
      rows: how many.
      words: `V`; rows from there on are zeros.
      own: the columns of a part to keep.
    """
    size = min(rows, ROWS)

    def drawn(at):
        ids = first + at + jnp.arange(size, dtype=jnp.int32)
        parts = jax.tree.map(own, model.init_rows(key, ids))
        return jax.tree.map(lambda part: jnp.where(_along(ids < words, part), part, 0), parts)

    def step(i, tables):
        at = jnp.minimum(i * size, rows - size)  # the last ones overlap
        return jax.tree.map(
            lambda table, part: lax.dynamic_update_slice_in_dim(table, part, at, 0),
            tables, drawn(at),
        )  # fmt: skip

    tables = jax.tree.map(
        lambda part: jnp.zeros((rows, *part.shape[1:]), part.dtype), jax.eval_shape(drawn, 0)
    )
    return lax.fori_loop(0, -(-rows // size), step, tables)


def _along(mask: jax.Array, part: jax.Array) -> jax.Array:
    """A mask [R] for rows [R, …]."""
    return mask.reshape(-1, *[1] * (part.ndim - 1))
