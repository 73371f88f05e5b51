"""What operations of a compiled program move and multiply, by the shapes in its text."""

import math
import re

from benchmarks.compile.hlo import Program
from benchmarks.compile.instructions import Computation, Instruction, size, through

_PARTS = {"gather", "dynamic-slice", "slice", "dynamic-update-slice", "scatter"}
FREE = {
    "parameter", "constant", "tuple", "get-tuple-element", "bitcast", "while", "call",
    "conditional", "after-all", "copy-done", "slice-done", "async-done", "async-update",
    "opt-barrier", "partition-id", "replica-id",
}  # fmt: skip


def moved(program: Program, one: Instruction) -> int:
    """What an operation reads and writes, by the shapes of the text.

    Of an array that is gathered or sliced from, the part that is read; of an array that is
    written into in place, the part that is written, read before a sum.

    Args:
      program: the whole.
      one: an operation of `own`.
    """
    if one.opcode in FREE:
        return 0
    owner = program.owner(one)
    if one.opcode != "fusion":
        return sum(_part(one, owner)) if one.opcode in _PARTS else (
            size(one.shapes) + sum(size(owner[name].shapes) for name in one.operands
                                   if name in owner)
        )  # fmt: skip
    fused = program.computations[one.called[0]]
    return _fused_bytes(fused)


def payload(program: Program, one: Instruction) -> int:
    """The bytes that a collective operation sends or receives, whichever is more.

    Args:
      program: the whole.
      one: the operation.
    """
    owner = program.owner(one)
    sent = sum(size(owner[name].shapes) for name in one.operands)
    made = size(one.shapes)  # a start's result names its operands too
    return max(sent, made - sent if one.opcode.endswith("-start") else made)


def products(program: Program, one: Instruction) -> int:
    """FLOPs of an operation that is a product of matrices; 0 of any other.

    Of `b` products of [m, k] with [k, n], the sizes of the operands and of the result multiply to
    b (b m k n)². A TPU's compiler makes of the `b` a dilated window.

    Args:
      program: the whole.
      one: the operation.
    """
    if one.opcode not in ("dot", "convolution"):
        return 0
    owner = program.owner(one)
    sizes = [owner[name].shapes[0][1] for name in one.operands]
    if one.opcode == "dot":
        axes = re.findall(r"\d+", one.attribute(r"lhs_batch_dims=\{([\d,]*)\}") or "")
        batch = math.prod(sizes[0][int(axis)] for axis in axes)
    else:
        batch = int(one.attribute(r"window=\{size=(\d+)[^}]* lhs_dilate=") or 1)
    volume = math.prod(map(math.prod, [*sizes, one.shapes[0][1]]))
    return 2 * math.isqrt(volume // batch)


def gathered(program: Program, one: Instruction, tables: set[tuple[int, ...]]) -> int:
    """How many rows of tables [V, D] an operation gathers.

    Args:
      program: the whole.
      one: the operation.
      tables: dimensions of the tables, on a chip.
    """
    if one.opcode != "gather":
        return 0
    dims = program.owner(one)[one.operands[0]].shapes[0][1]
    if dims not in tables or len(dims) == 1:
        return 0
    return math.prod(one.shapes[0][1]) // math.prod(dims[1:])


def _part(one: Instruction, owner: Computation) -> tuple[int, int]:
    """The bytes of its large operand that an operation on a part of it reads, and writes."""
    if one.opcode in ("gather", "dynamic-slice", "slice"):
        return size(one.shapes), size(one.shapes)
    update = owner[one.operands[1 if one.opcode == "dynamic-update-slice" else -1]]
    return (0 if one.opcode == "dynamic-update-slice" else size(update.shapes)), size(update.shapes)


def _fused_bytes(fused: Computation) -> int:
    users: dict[str, list[Instruction]] = {name: [] for name in fused}
    for one in fused.values():
        for name in one.operands:
            users.setdefault(name, []).append(one)
    total = 0
    for one in fused.values():
        if one.opcode == "parameter":
            total += _read(one, users, fused)
    root = next(one for one in fused.values() if one.root)
    ends = [fused[name] for name in root.operands] if root.opcode == "tuple" else [root]
    for end in ends:
        end = through(fused, end.name, ("bitcast", "copy", "convert"))
        in_place = end.opcode in ("scatter", "dynamic-update-slice")
        total += _part(end, fused)[1] if in_place else size(end.shapes)
    return total


def _read(one: Instruction, users: dict[str, list[Instruction]], fused: Computation) -> int:
    """How many bytes of a parameter a fusion reads."""
    read = 0
    for user in users[one.name]:
        if user.opcode == "bitcast":
            read += _read(user, users, fused)
        elif user.opcode in _PARTS and user.operands[0] == one.name:
            read += _part(user, fused)[0]
        else:
            return size(one.shapes)
    return min(read, size(one.shapes))
