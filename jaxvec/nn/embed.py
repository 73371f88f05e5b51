"""`WordVectors` as flax's embedding layers, trainable or frozen.

Letters: `R` rows, those of the words and of specials; `D` dimension.
"""

from typing import Any, cast

import jax
import jax.numpy as jnp
from flax import linen, nnx
from numpy.typing import ArrayLike, DTypeLike

from jaxvec.nn import rows
from jaxvec.text.vocab import Vocab
from jaxvec.vectors.word_vectors import WordVectors


class Frozen(nnx.Variable):
    """A table that is not to be trained.

    It is no `nnx.Param`, so gradients and optimizers with respect to those leave it alone,
    and take no memory for it. It is part of the state like any variable: compiled
    functions, `nnx.split` and checkpoints carry it.
    """


def nnx_embed(
    vectors: WordVectors,
    vocab: Vocab | None = None,
    *,
    trainable: bool = True,
    unk_vector: ArrayLike | None = None,
    dtype: DTypeLike | None = None,
) -> nnx.Embed:
    """An `nnx.Embed` whose `embedding` [R, D] is the `table` of these vectors.

    Trained, the row of padding moves like any other: the mask is to keep it out.

    Args:
      vectors: of `D` numbers.
      vocab: the `R` words in the order of their ids, such as `vocabulary` makes; by default
        those of the vectors, so that a word's id is its place.
      trainable: whether `embedding` is an `nnx.Param`, or else `Frozen`. To train it from
        some epoch on: ``embed.embedding = nnx.Param(embed.embedding[...])``, and a new
        `nnx.Optimizer`.
      unk_vector: of unknown words, [D]; see `table`.
      dtype: of the table and of what the layer returns: such as ``jnp.bfloat16``; by
        default that of the vectors (of float64 float32, unless JAX has 64 bits enabled).

    Raises:
      ValueError: as `table`.

    >>> wv = WordVectors(["a", "b"], [[1, 0], [0, 2]])
    >>> embed = nnx_embed(wv, rows.vocabulary(wv), trainable=False)
    >>> embed(jnp.array([[3, 0]])).tolist()
    [[[0.0, 2.0], [0.0, 0.0]]]
    >>> nnx.state(embed, nnx.Param)
    State({})
    """
    table = jnp.asarray(rows.table(vectors, vocab, unk_vector=unk_vector, dtype=dtype))
    embed = nnx.Embed(
        num_embeddings=table.shape[0],
        features=table.shape[1],
        param_dtype=table.dtype,
        embedding_init=lambda key, shape, dtype: table,
        rngs=nnx.Rngs(0),  # asked for, though nothing is drawn
    )
    if not trainable:
        embed.embedding = cast(nnx.Param, Frozen(table))  # the layer takes any variable
    return embed


def linen_embed(
    vectors: WordVectors,
    vocab: Vocab | None = None,
    *,
    unk_vector: ArrayLike | None = None,
    dtype: DTypeLike | None = None,
) -> tuple[linen.Embed, dict[str, dict[str, jax.Array]]]:
    """A linen `Embed` and its variables, of the `table` of these vectors.

    In a larger model, of which the layer is a field, ``model.init`` starts it with the same
    table. A layer that the model makes itself gets it by hand:
    ``variables["params"]["embed"] = own["params"]``. `frozen_labels` helps to keep it as it is.

    Args:
      vectors: of `D` numbers.
      vocab: the `R` words in the order of their ids; by default those of the vectors.
      unk_vector: of unknown words, [D]; see `table`.
      dtype: as for `nnx_embed`.

    Returns:
      ``(layer, own)``, where ``own`` is ``{"params": {"embedding": [R, D]}}``.

    Raises:
      ValueError: as `table`.

    >>> layer, own = linen_embed(WordVectors(["a", "b"], [[1, 0], [0, 2]]))
    >>> layer.apply(own, jnp.array([1])).tolist()
    [[0.0, 2.0]]
    """
    table = jnp.asarray(rows.table(vectors, vocab, unk_vector=unk_vector, dtype=dtype))
    layer = linen.Embed(
        num_embeddings=table.shape[0],
        features=table.shape[1],
        param_dtype=table.dtype,
        embedding_init=lambda key, shape, dtype: table,
    )
    return layer, {"params": {"embedding": table}}


def frozen_labels(params: Any, *frozen: str) -> Any:
    """A label for each parameter, ``"frozen"`` or ``"trainable"``, as `optax.partition` takes.

    Args:
      params: a tree of parameters, such as linen's ``variables["params"]``.
      frozen: paths into it, their parts joined by ``/``, of what is frozen, with all beneath.

    Raises:
      ValueError: if a path leads nowhere.

    >>> import optax
    >>> params = {"embed": {"embedding": jnp.ones((4, 2))}, "head": {"kernel": jnp.ones((2, 3))}}
    >>> labels = frozen_labels(params, "embed")
    >>> labels
    {'embed': {'embedding': 'frozen'}, 'head': {'kernel': 'trainable'}}
    >>> transforms = {"trainable": optax.adam(0.01), "frozen": optax.set_to_zero()}
    >>> state = optax.partition(transforms, labels).init(params)
    """
    leaves, structure = jax.tree_util.tree_flatten_with_path(params)
    paths = [jax.tree_util.keystr(path, simple=True, separator="/") for path, _ in leaves]
    found = [[f"{path}/".startswith(f"{name}/") for path in paths] for name in frozen]
    for name, hits in zip(frozen, found, strict=True):
        if not any(hits):
            raise ValueError(f"no parameter is at {name!r}; there are {', '.join(paths)}")
    return jax.tree.unflatten(
        structure,
        ["frozen" if any(hits[i] for hits in found) else "trainable" for i in range(len(paths))],
    )
