"""Optimizers that update only the rows a batch touched.

A `RowOptimizer` does for tables what an optax transformation does for parameters, given
the gradient of the gathered rows alone. `V` rows a table, `R` rows touched, with repeats.
"""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax

from jaxvec.optim import rowwise, writeback
from jaxvec.optim.leaves import Declared
from jaxvec.optim.leaves import StateLeaf as StateLeaf
from jaxvec.optim.writeback import Touched, WriteBack

PyTree = Any


@dataclasses.dataclass(frozen=True)
class RowOptimizer:
    """The contract of an optimizer of rows: pure functions that JAX can trace.

    All trees but the state and the scratch have the structure of ``params``: tables [V, D], or
    vectors [V] such as biases. It is hashable, and compiled code is kept for each: make one
    once, not for each call.

    Example: SGD, by a plain scatter-add.

    >>> def update(params, state, scratch, rows, gradients, rate):
    ...     step = lambda table, ids, gradient: table.at[ids].add(-rate * gradient, mode="drop")
    ...     return jax.tree.map(step, params, rows, gradients), state, scratch
    >>> sgd = RowOptimizer(lambda params: (), lambda params: (), update)
    >>> table, state, _ = sgd.update(
    ...     jnp.zeros(3), (), (), jnp.array([1, 1]), jnp.array([1.0, 2.0]), 0.5)
    >>> table.tolist(), sgd.leaves(table, state)
    ([0.0, -1.5, 0.0], ())
    """

    init: Callable[[PyTree], PyTree]
    """``init(params) -> state``, at the start of a run. What the state has for a row is at the
    row's number, in an array [V, …]; all else is scalars."""

    scratch: Callable[[PyTree], PyTree]
    """``scratch(params) -> scratch``: work buffers for a segment; their contents carry no
    information from step to step, and are never saved."""

    update: Callable[..., tuple[PyTree, PyTree, PyTree]]
    """``update(params, state, scratch, rows, gradients, rate)``: one step, which returns new
    ``params``, ``state`` and ``scratch``, of the same shapes.

    - ``rows``: the ids of the rows touched, int[...]. They may repeat. An id of `V` or more
      is no row (it is held, or the step is beyond the last): its gradient is dropped.
    - ``gradients``: the loss's gradient by each gathered row, [..., D]; [...] for a vector.
    - ``rate``: the learning rate, a scalar.

    And if ``uses_curvature``, a seventh argument: for each id a bound or an estimate of the second
    derivative of the loss along that row, [...]."""

    uses_curvature: bool = False
    """Whether ``update`` takes the curvature."""

    whole_tables: bool = False
    """Whether ``update`` may move rows that it is not given, as `dense` does. Then no row can be
    frozen or `bounded`, and neither a sweep nor `parallel.strata` can train with it."""

    leaves: Callable[[PyTree, PyTree], PyTree] = dataclasses.field(default=None)  # type: ignore
    """``leaves(params, state)``: a tree as the state, of `StateLeaf`: whose rows a leaf has, and
    how workers combine it. By default `Declared`: the tables found by tracing ``init``, and
    "mean" for all that `additive` does not name."""

    def __post_init__(self):
        if self.leaves is None:
            object.__setattr__(self, "leaves", Declared(self.init))


@functools.cache
def dense(transform: optax.GradientTransformation) -> RowOptimizer:
    """Any optax transformation, applied to whole tables: O(V) a step.

    The gradient of the rows is summed into tables of zeros, which is the gradient of the
    loss by the tables. The slow path that row-sparse ones are held to. The same object for the
    same transformation.

    >>> sgd, table = dense(optax.sgd(1.0)), jnp.zeros(3)
    >>> ids, gradients = jnp.array([1, 1]), jnp.array([1.0, 2.0])
    >>> sgd.update(table, sgd.init(table), sgd.scratch(table), ids, gradients, 0.5)[0].tolist()
    [0.0, -1.5, 0.0]
    """

    def update(params, state, scratch, rows, gradients, rate):
        def scatter(table, ids, gradient):
            return jnp.zeros_like(table).at[ids].add(gradient)

        whole = jax.tree.map(scatter, params, rows, gradients)
        updates, state = rowwise.updated(transform, whole, state, params)
        updates = jax.tree.map(lambda u: rate * u, updates)
        return optax.apply_updates(params, updates), state, scratch

    begin = functools.partial(rowwise.begin, transform)
    return RowOptimizer(begin, lambda params: (), update, whole_tables=True)


def row_sparse(
    transform: optax.GradientTransformation, *, write_back: writeback.Name | WriteBack = "slots"
) -> RowOptimizer:
    """An optax transformation, applied to the rows touched alone: O(R) a step.

    A batch touches many rows more than once. By "slots", "sorted" and "head", the gradients of a
    row are summed first, and the transformation sees each touched row once, with that row's part
    of its state. So where a row without gradient does not move, nor its state, as in SGD,
    AdaGrad and clipping, the result is as by `dense`. Where they do (momentum, Adam and its
    kin, RMSProp, Lion, weight decay), untouched rows and their state rest: "lazy" Adam. Step
    counters go on for all rows. By "scatter" and "sorted_scatter", the transformation sees each
    occurrence of a row by itself; see `writeback.apart` for what that is good for. "head_scatter"
    is for SGD.

    Args:
      transform: must treat every row by itself, and keep state that is per element, per
        row, or one scalar for all. `optax.sgd`, `adagrad`, `adam`, `rmsprop`, `clip`, their
        chains and `partition` of them do; `clip_by_global_norm`, `lars`, `lamb`, `adafactor`,
        `add_noise`, `MultiSteps`, `contrib.muon` and `contrib.prodigy` do not.
      write_back: how the gradients of rows that are touched more than once are combined, a name
        out of `writeback.STRATEGIES` or a `WriteBack`.

    Returns:
      The same object for the same arguments.

    Raises:
      ValueError: if the transformation does not treat rows by themselves; the message names the
        state at fault. Here, or from ``init`` if that depends on the parameters (their number
        of dimensions, labels, masks).
    """
    rowwise.check_early(transform)
    return of_rows(transform, writeback.resolve(write_back))


@functools.cache
def of_rows(
    transform: optax.GradientTransformation, write_back: WriteBack, *, known: bool = False
) -> RowOptimizer:
    """`row_sparse`, without a trial of transformations that a test has tried: it takes a tenth of a
    second.

    Args:
      transform: as for `row_sparse`.
      write_back: a strategy.
      known: whether the transformation is one of these.
    """
    begin = functools.partial(rowwise.begin, transform)

    def init(params):
        state = begin(params)
        rowwise.owners(transform, params, state)
        if not known:
            rowwise.check(transform, params)
        if isinstance(write_back, writeback.Accumulate):
            _check_adds_up(begin, params, state)
        return state

    def scratch(params):
        return jax.tree.map(write_back.scratch, params)

    def update(params, state, scratch, rows, gradients, rate):
        touched, scratch = _combined(write_back, params, scratch, rows, gradients)
        places = _places(rowwise.owners(transform, params, state), touched, state)
        touched = jax.tree.unflatten(jax.tree.structure(params), touched)

        def read(leaf, t):
            return leaf if t is None else leaf[t.ids]

        def add(table, t, change):
            return write_back.add(table, t.targets, (rate * change).astype(table.dtype))

        def store(leaf, t, old, new):
            return new if t is None else write_back.store(leaf, t.targets, old, new)

        gradients = jax.tree.map(lambda _, t: t.gradients, params, touched)
        vectors = jax.tree.map(read, params, touched)
        before = jax.tree.map(read, state, places)
        if isinstance(write_back, writeback.Accumulate):
            # what an occurrence adds to a sum does not depend on the sum
            nothing = jax.tree.map(
                lambda leaf, t: leaf if t is None else jnp.zeros_like(leaf), before, places
            )
            _, added = rowwise.updated(transform, gradients, nothing, vectors)
            state = jax.tree.map(store, state, places, nothing, added)
            others = jax.tree.map(
                lambda leaf, t, old, own: old if t is None else leaf[t.ids] - own,
                state, places, before, added,
            )  # fmt: skip
            updates, _ = rowwise.updated(transform, gradients, others, vectors)
        else:
            updates, after = rowwise.updated(transform, gradients, before, vectors)
            state = jax.tree.map(store, state, places, before, after)
        return jax.tree.map(add, params, touched, updates), state, scratch

    return RowOptimizer(init, scratch, update)


def _check_adds_up(init: Callable, params: PyTree, state: PyTree) -> None:
    """Raises a ValueError for state of rows that is no sum over occurrences."""
    leaves = jax.tree.leaves(
        Declared(init)(params, state), is_leaf=lambda leaf: isinstance(leaf, StateLeaf)
    )
    if any(leaf.table is not None and leaf.merge != "sum" for leaf in leaves):
        raise ValueError(
            'write_back="accumulate" is for optimizers whose state of a row is a sum, declared by '
            "optim.additive, as AdaGrad's is: take one of "
            f"{', '.join(writeback.SUM_FIRST)}"
        )


def _combined(write_back, params, scratch, rows, gradients) -> tuple[list[Touched], PyTree]:
    """What a step touches of each table, and the buffers after it."""

    def one(table, buffer, ids, gradient):
        gradient = gradient.reshape(-1, *table.shape[1:])
        return write_back.combine(buffer, ids.reshape(-1), gradient, len(table))

    treedef: Any = jax.tree.structure(params)
    found = treedef.flatten_up_to(jax.tree.map(one, params, scratch, rows, gradients))
    return [touched for _, touched in found], treedef.unflatten(buffer for buffer, _ in found)


def _places(owners: list[int | None], touched: list[Touched], state: PyTree) -> PyTree:
    """For each leaf of the state the `Touched` of its table, None for a scalar."""
    return jax.tree.unflatten(
        jax.tree.structure(state),
        [None if owner is None else touched[owner] for owner in owners],
    )
