"""Flax embedding layers of `WordVectors`, trainable or frozen.

Letters: `R` rows of the table, specials included; `D` vector size.
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
    """A variable that is not trained.

    It is not an `nnx.Param`: gradients and optimizers with ``wrt=nnx.Param`` ignore it and
    allocate nothing for it. It is part of the module's state like any variable, so compiled
    functions, `nnx.split` and checkpoints include it.
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

    Training updates the padding row like any other: use the mask to exclude it.

    Args:
      vectors: the pretrained vectors.
      vocab: the `R` words in the order of their ids, such as `vocabulary` makes; by default
        the words of the vectors, so that a word's id is its index there.
      trainable: whether `embedding` is an `nnx.Param` or `Frozen`. To unfreeze it later:
        ``embed.embedding = nnx.Param(embed.embedding[...])``, and make a new `nnx.Optimizer`.
      unk_vector: the vector of unknown words, [D]; see `table`.
      dtype: of the table and of the layer's output, such as ``jnp.bfloat16``; by default the
        dtype of the vectors (float32 for float64, unless JAX has 64 bits enabled).

    Returns:
      The layer: int[...] -> [..., D].

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
        rngs=nnx.Rngs(0),  # required, but nothing is drawn from it
    )
    if not trainable:
        embed.embedding = cast(nnx.Param, Frozen(table))  # the layer accepts any variable
    return embed


def linen_embed(
    vectors: WordVectors,
    vocab: Vocab | None = None,
    *,
    unk_vector: ArrayLike | None = None,
    dtype: DTypeLike | None = None,
) -> tuple[linen.Embed, dict[str, dict[str, jax.Array]]]:
    """A linen `Embed` and its variables, with the `table` of these vectors.

    If the layer is a field of a larger model, ``model.init`` initializes it with this table. If
    the model makes its own layer, assign the table:
    ``variables["params"]["embed"] = own["params"]``. To freeze it, see `frozen_labels`.

    Args:
      vectors: the pretrained vectors.
      vocab: the `R` words in the order of their ids; by default the words of the vectors.
      unk_vector: the vector of unknown words, [D]; see `table`.
      dtype: see `nnx_embed`.

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
    """Labels each parameter ``"frozen"`` or ``"trainable"``, for `optax.partition`.

    Args:
      params: a tree of parameters, such as linen's ``variables["params"]``.
      *frozen: paths into it, with ``/`` between keys; each freezes the whole subtree.

    Returns:
      The tree of labels, with the structure of `params`.

    Raises:
      ValueError: if there is no parameter at a path.

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
