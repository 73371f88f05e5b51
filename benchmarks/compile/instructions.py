"""An operation of a compiled program, read from its line of text."""

import dataclasses
import functools
import re

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


Computation = dict[str, Instruction]
"""Operations by name, in their order."""

_OF_ELEMENTS = {
    "reduce", "reduce-window", "scatter", "sort", "map", "select-and-scatter", "all-reduce",
    "all-reduce-start", "reduce-scatter",
}  # fmt: skip


def parsed(line: str) -> Instruction:
    """An operation from its line.

    >>> one = parsed("  ROOT %sum = f32[2,3]{1,0} add(%a, %b)")
    >>> one.name, one.opcode, one.shapes, one.operands
    ('sum', 'add', (('f32', (2, 3)),), ('a', 'b'))
    """
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


def through(within: Computation, name: str, opcodes: tuple[str, ...]) -> Instruction:
    """The operation of that name, or what it got its value from through some others.

    Args:
      within: a computation.
      name: of the operation.
      opcodes: of those others.
    """
    one = within[name]
    while one.opcode in opcodes and one.operands and one.operands[0] in within:
        one = within[one.operands[0]]
    return one


def through_copies(within: Computation, name: str) -> Instruction:
    """`through` operations that change no value.

    Args:
      within: a computation.
      name: of the operation.
    """
    return through(within, name, ("copy", "bitcast"))
