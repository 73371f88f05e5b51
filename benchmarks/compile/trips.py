"""How often a loop of a compiled program turns."""

import re

from benchmarks.compile.instructions import Computation, Instruction, through_copies


def turns(
    computations: dict[str, Computation], outside: Computation, loop: Instruction
) -> int | None:
    """How often a loop runs, if that is in the program: said by the compiler, or from a counter
    that starts at a constant, grows by 1 and is compared with a constant.

    Args:
      computations: of the program, by name.
      outside: the one that the loop stands in.
      loop: an operation `while`.
    """
    said = loop.attribute(r'"known_trip_count":\{"n":"(\d+)"')
    if said:
        return int(said)
    condition = computations[loop.attribute(r"condition=%?([\w.-]+)") or ""]
    root = next(one for one in condition.values() if one.root)
    if root.opcode != "compare" or root.attribute(r"direction=(\w+)") != "LT":
        return None
    start = outside[loop.operands[0]]

    def number(name: str) -> int | None:  # of an operand of the condition
        one = through_copies(condition, name)
        if one.opcode == "constant":
            return _constant(one)
        index = one.attribute(r"index=(\d+)")
        if one.opcode != "get-tuple-element" or index is None or start.opcode != "tuple":
            return None
        if not _kept(computations[loop.called[0]], int(index)):
            return None
        first = through_copies(outside, start.operands[int(index)])
        return _constant(first)

    counter = through_copies(condition, root.operands[0])
    index, last = counter.attribute(r"index=(\d+)"), number(root.operands[1])
    if index is None or last is None or start.opcode != "tuple":
        return None
    first = through_copies(outside, start.operands[int(index)])
    counts = _counts(computations[loop.called[0]], int(index))
    begin = _constant(first)
    return max(0, last - begin) if begin is not None and counts else None


def _constant(one: Instruction) -> int | None:
    whole = one.opcode == "constant" and re.fullmatch(r"-?\d+", one.arguments)
    return int(one.arguments) if whole else None


def _element(body: Computation, index: int) -> Instruction | None:
    """What a loop's body makes of an element of its state."""
    root = next(one for one in body.values() if one.root)
    return through_copies(body, root.operands[index]) if root.opcode == "tuple" else None


def _kept(body: Computation, index: int) -> bool:
    one = _element(body, index)
    return (one is not None and one.opcode == "get-tuple-element"
            and one.attribute(r"index=(\d+)") == str(index))  # fmt: skip


def _counts(body: Computation, index: int) -> bool:
    one = _element(body, index)
    if one is None or one.opcode != "add":
        return False
    parts = [through_copies(body, name) for name in one.operands]
    steps = [part for part in parts if part.opcode == "constant" and part.arguments == "1"]
    olds = [part for part in parts if part.attribute(r"index=(\d+)") == str(index)]
    return bool(steps and olds)
