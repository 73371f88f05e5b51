"""The text of a compiled program, read: its computations and loops.

XLA prints an executable as computations of one operation a line. What a loop does is found by
its place in this text, through the computations that its body calls, however deep.
"""

import dataclasses
import functools
import re
from collections.abc import Iterator

from benchmarks.compile.instructions import Computation, Instruction, parsed
from benchmarks.compile.trips import turns


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
        self.computations: dict[str, Computation] = {}
        self.entry = ""
        current: Computation = {}
        for line in text.splitlines():
            head = re.match(r"(ENTRY )?%?([\w.-]+) \(.*\{\s*$", line)
            if head:
                current = self.computations[head[2]] = {}
                self.entry = head[2] if head[1] else self.entry
            elif " = " in line and line[:1] == " ":
                instruction = parsed(line)
                current[instruction.name] = instruction
        if not self.entry:
            raise ValueError("this is no program of XLA: it has no ENTRY")
        self.loops = list(self._loops(self.entry, None))

    def _loops(self, computation: str, parent: Loop | None) -> Iterator[Loop]:
        for one in self.computations[computation].values():
            if one.opcode == "while":
                trips = turns(self.computations, self.computations[computation], one)
                loop = Loop(one.name, one.called[0], one.source, trips, parent)
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
        dtype, dims = self.owner(one)[one.operands[0]].shapes[0]
        return dims in tables and dtype[0] in "bf"

    @functools.cached_property
    def _places(self) -> dict[int, str]:
        return {
            id(one): name
            for name, instructions in self.computations.items()
            for one in instructions.values()
        }

    def owner(self, one: Instruction) -> Computation:
        """The computation that an instruction is in."""
        return self.computations[self._places[id(one)]]
