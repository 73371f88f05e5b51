"""Bytes and FLOPs of a training step, counted from the shapes of its operations in JAX.

Before any compiler has seen it, whatever the device. Letters: `R` rows that a step touches, `D`
vector size.

- Bytes are what a step cannot do without if all its own intermediate results stay on the chip:
  it gathers rows or slices of arrays that outlive it (tables, the optimizer's state, text, noise,
  random bits), and writes rows into them; a row that is added to is read and written. SGD moves
  3 · R · D numbers: gathered once, and read and written by the sum.
- FLOPs are of products (2 for a multiplication with its sum) and of all other float operations
  (1 for each element of a result; moves and choices count none).
"""

import math
from typing import Any, NamedTuple


class Step(NamedTuple):
    """What a step does at least."""

    bytes: int
    products: int  # FLOPs of matrix products
    others: int  # FLOPs of all other float operations

    def __add__(self, other):
        return Step(*(a + b for a, b in zip(self, other, strict=True)))

    def times(self, turns: int) -> "Step":
        """Of as many steps."""
        return Step(*(number * turns for number in self))


_NONE = Step(0, 0, 0)
_MOVES = {
    "broadcast_in_dim", "reshape", "transpose", "squeeze", "expand_dims", "concatenate", "pad",
    "slice", "dynamic_slice", "dynamic_update_slice", "gather", "scatter", "select_n", "copy",
    "convert_element_type", "iota", "rev", "optimization_barrier", "stop_gradient", "split",
    "bitcast_convert_type", "device_put", "sort", "sharding_constraint", "copy_p",
}  # fmt: skip


def of(jaxpr: Any, tables: set[tuple[int, ...]]) -> tuple[Step, Step]:
    """Counts a step of a traced training program, and what is done beside the steps once a draw.

    Args:
      jaxpr: of the program, a `jax.extend.core.Jaxpr`.
      tables: dimensions of the tables.

    Returns:
      A step, and a turn of the loop around that of steps, these left out.

    Raises:
      ValueError: if no loop of the program gathers rows of a table.
    """
    bodies = _around_step(jaxpr, tables)
    if not bodies:
        raise ValueError("no loop of this program gathers rows of a table: there is no step")
    return _turn(bodies[0], None), _turn(bodies[1], bodies[0]) if len(bodies) > 1 else _NONE


def _turn(body: Any, without: Any | None) -> Step:
    """A turn of a loop, but for a loop in it."""
    lasting = {var for var in (*body.constvars, *body.invars) if var.aval.ndim}
    return _count(body, lasting, set(map(id, body.outvars)), without)


def _inner(equation: Any) -> list[tuple[Any, list[Any], list[Any]]]:
    """The programs within an operation, each with its inputs and its outputs in the outer one."""
    params, ins, outs = equation.params, list(equation.invars), list(equation.outvars)
    name = equation.primitive.name
    if name == "while":
        return [(_open(params["body_jaxpr"]), ins[params["cond_nconsts"] :], outs)]
    if name == "scan":
        return [(_open(params["jaxpr"]), ins, outs)]
    if name == "cond":
        branches = params["branches"]
        if params.get("branches_platforms"):  # the last is not of a CPU alone
            branches = branches[-1:]
        return [(_open(branch), ins[1:], outs) for branch in branches]
    if name == "reduce" or name.startswith(("scatter", "reduce_", "custom_vjp")):
        return []
    for field in ("jaxpr", "call_jaxpr", "fun_jaxpr"):
        if field in params and hasattr(_open(params[field]), "eqns"):
            return [(_open(params[field]), ins, outs)]
    return []


def _open(jaxpr: Any) -> Any:
    return getattr(jaxpr, "jaxpr", jaxpr)


def _around_step(jaxpr: Any, tables: set[tuple[int, ...]]) -> list[Any]:
    """The bodies of the innermost loop that gathers rows of a table, and of those around it."""
    for equation in jaxpr.eqns:
        for inner, _, _ in _inner(equation):
            found = _around_step(inner, tables)
            loops = equation.primitive.name in ("while", "scan")
            if loops and (found or _gathers(inner, tables)):
                found.append(inner)
            if found:
                return found
    return []


def _gathers(jaxpr: Any, tables: set[tuple[int, ...]]) -> bool:
    for equation in jaxpr.eqns:
        if equation.primitive.name == "gather" and equation.invars[0].aval.shape in tables:
            return True
        if any(_gathers(inner, tables) for inner, _, _ in _inner(equation)):
            return True
    return False


def _count(jaxpr: Any, lasting: set[Any], wanted: set[int], without: Any = None) -> Step:
    """Counts a program, less what nothing needs.

    Args:
      jaxpr: of the program.
      lasting: its arrays that outlive a step; what is made of these in place is added.
      wanted: the ids of the results that are needed.
      without: a loop's body that is not counted.
    """
    wanted, live = set(wanted), []
    for equation in reversed(jaxpr.eqns):
        if any(id(var) in wanted for var in equation.outvars):
            live.append(equation)
            wanted |= set(map(id, equation.invars))
    total = _NONE
    for equation in reversed(live):
        parts = _inner(equation)
        if parts:
            known = lasting, wanted, without
            total += max((_within(equation, *part, *known) for part in parts), key=sum)
        else:
            total += _operation(equation, lasting)
    return total


def _within(
    equation: Any, inner: Any, ins: list[Any], outs: list[Any],
    lasting: set[Any], wanted: set[int], without: Any,
) -> Step:  # fmt: skip
    if inner is without:
        return _NONE
    known = {
        own for own, outer in zip(inner.invars, ins, strict=False)
        if _is(outer, lasting) and own.aval.ndim
    }  # fmt: skip
    known |= set(inner.constvars)
    needed = {
        id(own) for own, outer in zip(inner.outvars, outs, strict=False)
        if id(outer) in wanted or equation.primitive.name in ("while", "scan")
    }  # fmt: skip
    found = _count(inner, known, needed, without)
    lasting |= {outer for own, outer in zip(inner.outvars, outs, strict=False) if _is(own, known)}
    turns = equation.params.get("length", 1) if equation.primitive.name == "scan" else 1
    return found.times(turns)


def _operation(equation: Any, lasting: set[Any]) -> Step:
    name, out = equation.primitive.name, equation.outvars[0].aval
    first = equation.invars[0] if equation.invars else None
    held = _is(first, lasting)
    if name in ("gather", "dynamic_slice", "slice"):
        return Step(_size(out) if held else 0, 0, 0)
    if name.startswith("scatter") or name == "dynamic_update_slice":
        update = equation.invars[1 if name == "dynamic_update_slice" else 2].aval
        sums = name in ("scatter-add", "scatter_add")
        if held:
            lasting.add(equation.outvars[0])
        moved = _size(update) * (2 if sums else 1) if held else 0
        return Step(moved, 0, math.prod(update.shape) if sums and _float(update) else 0)
    if name in ("optimization_barrier", "reshape", "squeeze", "copy") and held:
        pairs = zip(equation.invars, equation.outvars, strict=True)
        lasting |= {made for of, made in pairs if _is(of, lasting)}
        return _NONE
    whole = sum(_size(var.aval) for var in equation.invars if _is(var, lasting))
    if name == "dot_general":
        (contracted, _), _ = equation.params["dimension_numbers"]
        length = math.prod(first.aval.shape[axis] for axis in contracted)  # type: ignore
        return Step(whole, 2 * math.prod(out.shape) * length, 0)
    if name in _MOVES or not _float(out):
        return Step(whole, 0, 0)
    reduces = name.startswith(("reduce", "cum", "arg"))
    over = first.aval if reduces and first is not None else out
    return Step(whole, 0, math.prod(over.shape))


def _is(var: Any, among: set[Any]) -> bool:
    return hasattr(var, "aval") and not hasattr(var, "val") and var in among


def _float(aval: Any) -> bool:
    import jax.numpy as jnp

    return jnp.issubdtype(aval.dtype, jnp.floating)


def _size(aval: Any) -> int:
    size = getattr(aval.dtype, "itemsize", 4)
    return math.prod(aval.shape) * size
