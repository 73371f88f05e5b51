"""What the leaves of an optimizer's state are: whose rows they have, and how workers combine them.

Both are needed where several workers train: copies of the tables are combined with their state,
and shards of the tables travel with theirs.
"""

import dataclasses
from collections.abc import Callable
from typing import Any, Literal

import jax
import jax.numpy as jnp
import optax

PyTree = Any
Merge = Literal["sum", "mean"]

_ADDITIVE: dict[type, frozenset[str]] = {}


@dataclasses.dataclass(frozen=True)
class StateLeaf:
    """What a leaf of an optimizer's state is; itself a leaf of a tree."""

    table: int | None
    """The table whose rows it has, by its number in ``jax.tree.leaves(params)``: the leaf is
    [V, …] for a table [V, …]. None if it has no table's rows, as a count of steps, a scalar."""

    merge: Merge
    """How the leaf of `N` workers becomes one, from the change that each made to it.

    - "sum": the changes are added. For sums over gradients, as AdaGrad's of squares: the
      result is the sum that one worker would have had.
    - "mean": the changes are averaged over the workers that made any. For moments and counts.
    """


def additive(state: type, *fields: str) -> None:
    """Declares that fields of a kind of state are combined by a sum, "sum" in `StateLeaf`.

    Declared already: the accumulators of `optax.adagrad`, `row_adagrad` and `glove_adagrad`.
    All that is not declared is "mean". Call it where the state is defined, before training.

    Args:
      state: the class, a NamedTuple or a dataclass that JAX knows as a pytree.
      fields: names of fields, each with all its leaves.

    Raises:
      ValueError: if the class has no such field.

    >>> from typing import NamedTuple
    >>> class Seen(NamedTuple):
    ...     gradients: PyTree  # their sum
    ...     last: PyTree
    >>> additive(Seen, "gradients")
    >>> merges((Seen(jnp.zeros(3), jnp.zeros(3)), jnp.zeros(())))
    (Seen(gradients='sum', last='mean'), 'mean')
    """
    known = tuple(getattr(state, "_fields", getattr(state, "__dataclass_fields__", ())))
    for name in fields:
        if name not in known:
            raise ValueError(
                f"{state.__name__} has no field {name!r}; it has {', '.join(known) or 'none'}"
            )
    _ADDITIVE[state] = _ADDITIVE.get(state, frozenset()) | frozenset(fields)


additive(optax.ScaleByRssState, "sum_of_squares")


def merges(state: PyTree) -> PyTree:
    """A tree as the state, of "sum" and "mean": what `additive` declares."""

    def of(node):
        fields = _ADDITIVE.get(type(node))
        if fields is None:
            return "mean"
        children, treedef = jax.tree_util.tree_flatten_with_path(
            node, is_leaf=lambda part: part is not node
        )
        return treedef.unflatten(
            jax.tree.map(lambda _: "sum", child)
            if jax.tree_util.keystr(path, simple=True) in fields
            else merges(child)
            for path, child in children
        )

    return jax.tree.map(of, state, is_leaf=lambda node: type(node) in _ADDITIVE)


def tables_of(init: Callable[[PyTree], PyTree], params: PyTree, state: PyTree) -> list[int | None]:
    """For each leaf of the state, the number of the table whose rows it has, or None.

    A leaf has the rows of the table with whose length its own changes: ``init`` is traced for
    tables of other, different lengths.

    Args:
      init: makes a state of parameters; it must be traceable, as by `jax.eval_shape`.
      params: tables [V, …], of any lengths.
      state: what ``init`` made of them, or of shards of them.
    """
    treedef: Any
    leaves, treedef = jax.tree.flatten(params)
    longest = max((size for table in leaves for size in table.shape), default=0)
    lengths = [longest + 1 + i for i in range(len(leaves))]

    def longer(length, table):
        shape = (length, *table.shape[1:]) if table.ndim else ()
        return jax.ShapeDtypeStruct(shape, table.dtype)

    other = jax.eval_shape(init, treedef.unflatten(map(longer, lengths, leaves)))

    def owner(leaf, like):
        if not like.ndim or like.shape[0] not in lengths:
            return None
        number = lengths.index(like.shape[0])
        return number if jnp.shape(leaf)[:1] == leaves[number].shape[:1] else None

    pairs = zip(jax.tree.leaves(state), jax.tree.leaves(other), strict=True)
    return [owner(leaf, like) for leaf, like in pairs]


@dataclasses.dataclass(frozen=True)
class Declared:
    """The usual `RowOptimizer.leaves`: tables by tracing ``init``, merges by `additive`."""

    init: Callable[[PyTree], PyTree]

    def __call__(self, params: PyTree, state: PyTree) -> PyTree:
        """See `RowOptimizer`."""
        found = tables_of(self.init, params, state)
        return jax.tree.unflatten(
            jax.tree.structure(state), map(StateLeaf, found, jax.tree.leaves(merges(state)))
        )
