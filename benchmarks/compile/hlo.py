"""The text of a compiled program, read: computations, instructions, loops, bytes.

XLA prints an executable as computations of one instruction a line. What a loop does is found by
its place in this text, through the computations that its body calls, however deep.
"""

import dataclasses
import functools
import re
from collections.abc import Iterator

Shape = tuple[str, tuple[int, ...]]
"""A type's name and its dimensions: ``("f32", (67867, 128))``."""


@dataclasses.dataclass(frozen=True)
class Instruction:
    """One operation."""

    name: str
    opcode: str
    shapes: tuple[Shape, ...]  # of its result; several of a tuple
    operands: tuple[str, ...]
    arguments: str  # the text between its parentheses
    attributes: str  # the text behind them
    root: bool

    def attribute(self, pattern: str) -> str | None:
        """The first group of a pattern in the text behind the operands."""
        found = re.search(pattern, self.attributes)
        return found[1] if found else None

    @functools.cached_property
    def source(self) -> str:
        """The path of JAX's operations that it comes from; empty for the compiler's own."""
        return self.attribute(r'op_name="([^"]*)"') or ""

    @functools.cached_property
    def called(self) -> tuple[str, ...]:
        """The computations that it runs, those of a reduction or a sort left out."""
        if self.opcode in _OF_ELEMENTS:
            return ()
        names = re.findall(r"\b(?:calls|body|to_apply)=%?([\w.-]+)", self.attributes)
        branches = self.attribute(r"branch_computations=\{([^}]*)\}") or ""
        return (*names, *re.findall(r"%([\w.-]+)", branches))

    @functools.cached_property
    def cycles(self) -> int | None:
        """The compiler's estimate of its time; None if there is none."""
        found = self.attribute(r'"estimated_cycles":"?(\d+)')
        return int(found) if found else None


_OF_ELEMENTS = {
    "reduce", "reduce-window", "scatter", "sort", "map", "select-and-scatter", "all-reduce",
    "all-reduce-start", "reduce-scatter",
}  # fmt: skip


@dataclasses.dataclass
class Loop:
    """A loop of the program."""

    name: str
    body: str
    source: str
    trips: int | None  # None where the device has to compute the condition anew each time
    parent: "Loop | None"

    def chain(self) -> Iterator["Loop"]:
        """The loop and those around it."""
        loop: Loop | None = self
        while loop:
            yield loop
            loop = loop.parent


class Program:
    """A compiled program.

    Args:
      text: as ``compiled.as_text()`` gives it.
    """

    def __init__(self, text: str):
        self.computations: dict[str, dict[str, Instruction]] = {}
        self.entry = ""
        current: dict[str, Instruction] = {}
        for line in text.splitlines():
            head = re.match(r"(ENTRY )?%?([\w.-]+) \(.*\{\s*$", line)
            if head:
                current = self.computations[head[2]] = {}
                self.entry = head[2] if head[1] else self.entry
            elif " = " in line and line[:1] == " ":
                instruction = _parsed(line)
                current[instruction.name] = instruction
        if not self.entry:
            raise ValueError("this is no program of XLA: it has no ENTRY")
        self.loops = list(self._loops(self.entry, None))

    def _loops(self, computation: str, parent: Loop | None) -> Iterator[Loop]:
        for one in self.computations[computation].values():
            if one.opcode == "while":
                loop = Loop(one.name, one.called[0], one.source,
                            self._trips(computation, one), parent)  # fmt: skip
                yield loop
                yield from self._loops(loop.body, loop)
            else:
                for called in one.called:
                    yield from self._loops(called, parent)

    def own(self, loop: Loop | None) -> Iterator[Instruction]:
        """The operations that a turn of a loop runs outside of inner loops, fusions as one; of the
        program outside of all loops for None."""
        yield from self._flat(loop.body if loop else self.entry)

    def _flat(self, computation: str) -> Iterator[Instruction]:
        for one in self.computations[computation].values():
            if one.opcode in ("call", "conditional") or one.opcode.startswith("async"):
                for called in one.called:
                    yield from self._flat(called)
            yield one

    def inside(self, loop: Loop | None, inner: bool = True) -> Iterator[Instruction]:
        """All operations of a loop, those in fusions too.

        Args:
          loop: None for the whole program.
          inner: with the loops in it.
        """
        yield from self._deep(loop.body if loop else self.entry, inner)

    def _deep(self, computation: str, inner: bool) -> Iterator[Instruction]:
        for one in self.computations[computation].values():
            yield one
            if inner or one.opcode != "while":
                for called in one.called:
                    yield from self._deep(called, inner)

    def step_loop(self, tables: set[tuple[int, ...]]) -> Loop:
        """The loop whose turn is a training step: the innermost that gathers rows of a table.

        Args:
          tables: dimensions of the tables.

        Raises:
          ValueError: if no loop does.
        """
        found = [
            loop for loop in self.loops
            if any(self._gathers(one, tables) for one in self.inside(loop))
        ]  # fmt: skip
        if not found:
            raise ValueError("no loop of this program gathers rows of a table: there is no step")
        return max(found, key=lambda loop: len(list(loop.chain())))

    def _gathers(self, one: Instruction, tables: set[tuple[int, ...]]) -> bool:
        if one.opcode != "gather":
            return False
        dtype, dims = self._owner(one)[one.operands[0]].shapes[0]
        return dims in tables and dtype[0] in "bf"

    @functools.cached_property
    def _places(self) -> dict[int, str]:
        return {
            id(one): name
            for name, instructions in self.computations.items()
            for one in instructions.values()
        }

    def _owner(self, one: Instruction) -> dict[str, Instruction]:
        """The computation that an instruction is in."""
        return self.computations[self._places[id(one)]]

    def _trips(self, computation: str, loop: Instruction) -> int | None:
        """How often a loop runs, if that is in the program: said by the compiler, or from a counter
        that starts at a constant, grows by 1 and is compared with a constant."""
        said = loop.attribute(r'"known_trip_count":\{"n":"(\d+)"')
        if said:
            return int(said)
        condition = self.computations[loop.attribute(r"condition=%?([\w.-]+)") or ""]
        root = next(one for one in condition.values() if one.root)
        if root.opcode != "compare" or root.attribute(r"direction=(\w+)") != "LT":
            return None
        outside = self.computations[computation]
        start = outside[loop.operands[0]]

        def number(name: str) -> int | None:  # of an operand of the condition
            one = _through_copies(condition, name)
            if one.opcode == "constant":
                return _constant(one)
            index = one.attribute(r"index=(\d+)")
            if one.opcode != "get-tuple-element" or index is None or start.opcode != "tuple":
                return None
            if not _kept(self.computations[loop.called[0]], int(index)):
                return None
            first = _through_copies(outside, start.operands[int(index)])
            return _constant(first) if first.opcode == "constant" else None

        counter = _through_copies(condition, root.operands[0])
        index, last = counter.attribute(r"index=(\d+)"), number(root.operands[1])
        if index is None or last is None or start.opcode != "tuple":
            return None
        first = _through_copies(outside, start.operands[int(index)])
        counts = _counts(self.computations[loop.called[0]], int(index))
        if first.opcode != "constant" or not counts:
            return None
        return max(0, last - _constant(first))

    def payload(self, one: Instruction) -> int:
        """The bytes that a collective operation sends or receives, whichever is more."""
        owner = self._owner(one)
        sent = sum(size(owner[name].shapes) for name in one.operands)
        made = size(one.shapes)  # a start's result names its operands too
        return max(sent, made - sent if one.opcode.endswith("-start") else made)

    def bytes(self, one: Instruction) -> int:
        """What an operation reads and writes, by the shapes of the text.

        Of an array that is gathered or sliced from, the part that is read; of an array that is
        written into in place, the part that is written, read before a sum.

        Args:
          one: an operation of `own`.
        """
        if one.opcode in FREE:
            return 0
        owner = self._owner(one)
        if one.opcode != "fusion":
            return sum(_moved(one, owner)) if one.opcode in _PARTS else (
                size(one.shapes) + sum(size(owner[name].shapes) for name in one.operands
                                       if name in owner)
            )  # fmt: skip
        fused = self.computations[one.called[0]]
        return _fused_bytes(fused)


_PARTS = {"gather", "dynamic-slice", "slice", "dynamic-update-slice", "scatter"}
FREE = {
    "parameter", "constant", "tuple", "get-tuple-element", "bitcast", "while", "call",
    "conditional", "after-all", "copy-done", "slice-done", "async-done", "async-update",
    "opt-barrier", "partition-id", "replica-id",
}  # fmt: skip


def _moved(one: Instruction, owner: dict[str, Instruction]) -> tuple[int, int]:
    """The bytes of its large operand that an operation on a part of it reads, and writes."""
    if one.opcode in ("gather", "dynamic-slice", "slice"):
        return size(one.shapes), size(one.shapes)
    update = owner[one.operands[1 if one.opcode == "dynamic-update-slice" else -1]]
    return (0 if one.opcode == "dynamic-update-slice" else size(update.shapes)), size(update.shapes)


def _fused_bytes(fused: dict[str, Instruction]) -> int:
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
        end = _through(fused, end.name, ("bitcast", "copy", "convert"))
        in_place = end.opcode in ("scatter", "dynamic-update-slice")
        total += _moved(end, fused)[1] if in_place else size(end.shapes)
    return total


def _read(one: Instruction, users: dict[str, list[Instruction]], fused) -> int:
    """How many bytes of a parameter a fusion reads."""
    read = 0
    for user in users[one.name]:
        if user.opcode == "bitcast":
            read += _read(user, users, fused)
        elif user.opcode in _PARTS and user.operands[0] == one.name:
            read += _moved(user, fused)[0]
        else:
            return size(one.shapes)
    return min(read, size(one.shapes))


def size(shapes: tuple[Shape, ...]) -> int:
    """Bytes of arrays.

    >>> size((("f32", (2, 3)), ("pred", (8,))))
    32
    """
    total = 0
    for dtype, dims in shapes:
        bits = re.search(r"\d+", dtype)
        count = int(bits[0]) if bits else 8 if dtype == "pred" else 0
        for dim in dims:
            count *= dim
        total += -(-count // 8)
    return total


def _parsed(line: str) -> Instruction:
    left, right = line.split(" = ", 1)
    end = _closed(right, 0) if right[0] == "(" else right.index(" ")
    kind, rest = right[:end], right[end:].lstrip()
    start = rest.index("(")
    stop = _closed(rest, start)
    arguments = rest[start + 1 : stop - 1]
    shapes = tuple(
        (dtype, tuple(int(n) for n in dims.split(",") if n))
        for dtype, dims in re.findall(r"\b([a-z]\w*)\[([\d,]*)\]", kind)
    )
    return Instruction(
        name=left.split()[-1].lstrip("%"), opcode=rest[:start], shapes=shapes,
        operands=tuple(re.findall(r"%([\w.-]+)", arguments)), arguments=arguments,
        attributes=rest[stop:], root=left.lstrip().startswith("ROOT "),
    )  # fmt: skip


def _closed(text: str, start: int) -> int:
    """The place behind the parenthesis that closes the one at `start`."""
    depth = 0
    for found in re.finditer(r"[()]", text[start:]):
        depth += 1 if found[0] == "(" else -1
        if not depth:
            return start + found.end()
    raise ValueError(f"unbalanced parentheses: {text[:80]}")


def _through(within: dict[str, Instruction], name: str, opcodes: tuple[str, ...]) -> Instruction:
    one = within[name]
    while one.opcode in opcodes and one.operands and one.operands[0] in within:
        one = within[one.operands[0]]
    return one


def _through_copies(within: dict[str, Instruction], name: str) -> Instruction:
    return _through(within, name, ("copy", "bitcast"))


def _constant(one: Instruction) -> int:
    return int(one.arguments) if re.fullmatch(r"-?\d+", one.arguments) else 0


def _element(body: dict[str, Instruction], index: int) -> Instruction | None:
    """What a loop's body makes of an element of its state."""
    root = next(one for one in body.values() if one.root)
    return _through_copies(body, root.operands[index]) if root.opcode == "tuple" else None


def _kept(body: dict[str, Instruction], index: int) -> bool:
    one = _element(body, index)
    return (one is not None and one.opcode == "get-tuple-element"
            and one.attribute(r"index=(\d+)") == str(index))  # fmt: skip


def _counts(body: dict[str, Instruction], index: int) -> bool:
    one = _element(body, index)
    if one is None or one.opcode != "add":
        return False
    parts = [_through_copies(body, name) for name in one.operands]
    steps = [part for part in parts if part.opcode == "constant" and part.arguments == "1"]
    olds = [part for part in parts if part.attribute(r"index=(\d+)") == str(index)]
    return bool(steps and olds)
