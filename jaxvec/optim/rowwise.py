"""Whether an optax transformation can update the rows of tables by themselves.

`V` rows a table, of which a step may touch a few.
"""

from functools import cache, partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from jaxvec.optim.leaves import tables_of

PyTree = Any

_REFUSED = "this optimizer cannot update rows alone"
_SCALES = (1.0, 1e-6, 1e15)  # of trial gradients: small for noise, large for clipping
_STEPS = 3
_CHOSEN = np.array([3, 1])  # of four rows
_WIDTH = 3  # of trial rows: JAX compiles each operation once for all transformations


def begin(transform: Any, params: PyTree) -> PyTree:
    """The state of a transformation, no leaf of which is another's array or a table's.

    Some states hold the parameters that they began with; an array that is there twice
    cannot be donated.

    Args:
      transform: an optax transformation.
      params: tables, which may be traced.

    Raises:
      ValueError: if its update asks for more than gradients, state and parameters, or makes
        no updates of them.
    """
    state = transform.init(params)
    try:
        updates, _ = jax.eval_shape(partial(updated, transform), params, state, params)
    except Exception as error:
        raise ValueError(
            "an optimizer gets gradients, state and parameters alone, and "
            f"{_name(transform)} cannot work with these: {error}"
        ) from error
    expected, got = (jax.tree.map(jnp.shape, tree) for tree in (params, updates))
    if got != expected:
        raise ValueError(f"{_name(transform)} makes updates of shapes {got} for {expected}")
    seen = {id(table) for table in jax.tree.leaves(params)}

    def own(leaf):
        if id(leaf) in seen:
            return jnp.copy(leaf)
        seen.add(id(leaf))
        return leaf

    return jax.tree.map(own, state)


def updated(
    transform: Any, gradients: PyTree, state: PyTree, params: PyTree
) -> tuple[PyTree, PyTree]:
    """A transformation's updates and next state.

    Under JAX's standard promotion of dtypes: some transformations mix them.

    Args:
      transform: an optax transformation.
      gradients, params: the same tree of arrays.
      state: of the transformation.
    """
    with jax.numpy_dtype_promotion("standard"):
        return transform.update(gradients, state, params)


def owners(transform: Any, params: PyTree, state: PyTree) -> list[int | None]:
    """For each leaf of the state, the number of the table whose rows it has; None if a scalar.

    Args:
      transform, params: as for `begin`.
      state: of the transformation.

    Raises:
      ValueError: for a leaf that is neither per element, per row nor a scalar.
    """
    found = tables_of(transform.init, params, state)
    for number, (path, leaf) in zip(found, jax.tree_util.tree_leaves_with_path(state), strict=True):
        if number is None and jnp.ndim(leaf):
            raise ValueError(
                f"{_REFUSED}: its state {type(state).__name__}{jax.tree_util.keystr(path)} has "
                f"shape {jnp.shape(leaf)}, which is neither per element, per row nor a scalar; "
                "use it with dense=True"
            )
    return found


class _Trial(NamedTuple):
    """Tables such as most models have."""

    input: jax.ShapeDtypeStruct
    output: jax.ShapeDtypeStruct


_TRIAL = _Trial(*[jax.ShapeDtypeStruct((4, _WIDTH), np.float32)] * 2)


def check_early(transform: Any) -> None:
    """`check` on two small tables, before the parameters are known.

    Nothing if the transformation cannot begin on these: it may be made for parameters of
    another structure, as with labels or a mask. Then `check` on those has to tell.

    Raises:
      ValueError: as `check` does.
    """
    if _begins(transform, _TRIAL):
        check(transform, _TRIAL)


def _begins(transform: Any, params: PyTree) -> bool:
    """Whether a transformation can begin with parameters of these shapes."""
    try:
        jax.eval_shape(partial(begin, transform), params)
    except Exception:
        return False
    return True


def check(transform: Any, params: PyTree) -> None:
    """Tries a transformation on two short rows, alone and in other places among four.

    Parameters that differ only in their number of rows are tried once. It may be called while
    JAX traces: it asks for shapes and dtypes alone.

    Args:
      transform: an optax transformation that can begin with the parameters.
      params: tables [V, …], or their shapes.

    Raises:
      ValueError: if the updates of those rows, or the scalars of the state, are not the
        same; or if a row at rest misses what it is due, see `_waits`.
    """
    leaves, treedef = jax.tree.flatten(params)
    _check(transform, treedef, tuple((leaf.shape[1:], np.dtype(leaf.dtype)) for leaf in leaves))


@cache
def _check(
    transform: Any, treedef: Any, kinds: tuple[tuple[tuple[int, ...], np.dtype], ...]
) -> None:
    def four(width: float) -> PyTree:
        return treedef.unflatten(
            jax.ShapeDtypeStruct((4, *(int(min(size, width)) for size in shape)), dtype)
            for shape, dtype in kinds
        )

    shapes = four(_WIDTH)
    if not _begins(transform, shapes):  # it is made for rows of one length
        shapes = four(np.inf)
    leaves = jax.tree.leaves(shapes)
    _check_tables(transform, treedef, tuple((leaf.shape, leaf.dtype) for leaf in leaves))


@cache  # tables that are cut to the same width are the same here
def _check_tables(
    transform: Any, treedef: Any, kinds: tuple[tuple[tuple[int, ...], np.dtype], ...]
) -> None:
    rng = np.random.default_rng(0)
    step = partial(updated, transform)
    trial = jax.jit(partial(_trial, transform, step))  # compiled whole, not op by op

    def random(scale: float) -> PyTree:
        return treedef.unflatten(
            (scale * rng.normal(size=shape)).astype(dtype) for shape, dtype in kinds
        )

    with jax.ensure_compile_time_eval():
        for scale in _SCALES:
            start, gradients = random(1.0), [random(scale) for _ in range(_STEPS)]
            among, states = trial(start, gradients)
            among = jax.device_get(among)
            alone, lone_states = trial(*_chosen((start, gradients)))
            ours = owners(transform, start, states[-1])
            found = _chosen(among), _scalars(states[-1], ours)
            if not _same(found, (alone, _scalars(lone_states[-1], ours))):
                raise ValueError(
                    f"{_REFUSED}: {_name(transform)} makes a row's update depend on other rows or "
                    "its place (a global norm, a trust ratio, noise); use it with dense=True"
                )
            if scale == 1 and _waits(step, start, gradients, among, states, ours):
                raise ValueError(
                    f"{_REFUSED}: {_name(transform)} moves rows at some steps, or a second "
                    "copy of the tables, when a row may be at rest; use it with dense=True"
                )


def _trial(transform, step, tables, gradients) -> tuple[list[PyTree], list[PyTree]]:
    """The updates of some steps, and the states before the first and after each."""
    updates, states = [], [transform.init(tables)]
    for gradient in gradients:
        update, state = step(gradient, states[-1], tables)
        tables = optax.apply_updates(tables, update)
        updates.append(update)
        states.append(state)
    return updates, states


def _waits(step, tables, gradients, updates, states, numbers) -> bool:
    """Whether a row at rest misses what it is due: whether the state has a second copy of the
    tables that moves by itself, or rows wait for a step that the state's scalars choose.

    These then have a part in what becomes of the rows' state, and there are steps that do not
    move a table.
    """
    histories = zip(*map(jax.tree.leaves, states), strict=True)
    for number, (first, *_, last) in zip(numbers, histories, strict=True):
        copied = number is not None and _same(first, jax.tree.leaves(tables)[number])
        if copied and not _same(first, last):
            return True
    if all(np.any(update != 0) for update in jax.tree.leaves(updates)):
        return False

    def after(clock: PyTree) -> list[jax.Array]:
        """The state after a step at another time."""
        treedef: Any
        leaves, treedef = jax.tree.flatten(states[1])
        mixed = treedef.unflatten(
            at if number is None else leaf
            for leaf, at, number in zip(leaves, jax.tree.leaves(clock), numbers, strict=True)
        )
        after = jax.tree.leaves(step(gradients[1], mixed, tables)[1])
        return [leaf for leaf, number in zip(after, numbers, strict=True) if number is not None]

    one, *others = map(after, states)
    return not all(_same(other, one) for other in others)


def _chosen(tree: PyTree) -> PyTree:
    return jax.tree.map(lambda table: table[_CHOSEN], tree)


def _scalars(state: PyTree, numbers: list[int | None]) -> list[jax.Array]:
    leaves = zip(jax.tree.leaves(state), numbers, strict=True)
    return [leaf for leaf, number in leaves if number is None]


def _same(ours: PyTree, theirs: PyTree) -> bool:
    def close(a, b):
        if jax.dtypes.issubdtype(jnp.asarray(a).dtype, jax.dtypes.prng_key):
            a, b = jax.random.key_data(a), jax.random.key_data(b)
        a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
        if a.shape != b.shape:
            return False
        size = np.abs(b).max(initial=0, where=np.isfinite(b))
        return np.allclose(a, b, 1e-4, 1e-6 * size, equal_nan=True)

    return all(map(close, jax.tree.leaves(ours), jax.tree.leaves(theirs)))


def _name(transform: Any) -> str:
    return getattr(transform.update, "__qualname__", repr(transform.update))
