"""Batches and parameters for `jax.export`, and a check that ids are in range."""

from typing import Any, TypeVar

import jax
import jax.numpy as jnp
from jax import export
from jax.experimental import checkify

Kind = TypeVar("Kind", bound=type)


def exportable(kind: Kind) -> Kind:
    """Registers a NamedTuple with `jax.export`, so that functions of it can be serialized.

    For instance ``export.export(jax.jit(sgns.loss))(params, batch).serialize()``, for which JAX
    needs ``flatbuffers``. Returns the class, for use as a decorator.

    >>> from typing import NamedTuple
    >>> class Pair(NamedTuple):
    ...     left: jax.Array
    ...     right: jax.Array
    >>> exportable(Pair) is Pair
    True
    """
    name = f"{kind.__module__}.{kind.__qualname__}".replace(".models.", ".")
    export.register_namedtuple_serialization(kind, serialized_name=name)  # type: ignore[type-var]
    return kind


def check_ids(batch: Any, vocab_size: int) -> None:
    """Checks that every word id of a batch is in 0 … V - 1.

    JAX silently reads the last row for an id past the end. Inside a compiled function this is a
    check of `jax.experimental.checkify`, which costs nothing unless `checkify` is used.

    Args:
      batch: of `sgns`, `cbow`, `softmax` or `glove`, or any tree of arrays; its integers are ids.
      vocab_size: `V`.

    Raises:
      ValueError: outside of `jax.jit`, if an id is out of range; the message names the field and
        the id. Under `checkify.checkify` the returned error has this message.

    >>> from jaxvec import glove
    >>> def loss(params, batch):
    ...     check_ids(batch, len(params.input))
    ...     return glove.loss(params, batch)
    >>> params = glove.init(jax.random.key(0), vocab_size=10, vector_size=4)
    >>> batch = glove.Batch(jnp.array([1, 10]), jnp.array([3, 4]), jnp.ones(2))
    >>> error, _ = checkify.checkify(jax.jit(loss))(params, batch)
    >>> print(error.get())  # doctest: +ELLIPSIS
    .words: id 10 is out of range of 10 words...
    """
    for path, ids in jax.tree_util.tree_leaves_with_path(batch):
        ids = jnp.asarray(ids)
        if not jnp.issubdtype(ids.dtype, jnp.integer) or not ids.size:
            continue
        flat = ids.reshape(-1)
        wrong = (flat < 0) | (flat >= vocab_size)
        checkify.check(
            ~wrong.any(),
            f"{jax.tree_util.keystr(path)}: id {{id}} is out of range of {vocab_size} words",
            id=flat[wrong.argmax()],
        )
