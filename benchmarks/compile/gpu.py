"""What XLA's dump says of a program for a GPU: kernels in order, and their assembly."""

import collections
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

_AROUND = {"kWhile", "kConditional", "kSequential", "kCommandBuffer"}  # of others
_DONE = re.compile(r"k\w*Done$|kWaitFor\w*|kPartitionId|kReplicaId")  # no launch


class Kernel(NamedTuple):
    """A launch: a kernel, a copy, or a call of a library."""

    name: str  # the instruction of the program that it runs
    kind: str  # XLA's name of what it is
    entry: str  # the kernel's name in the assembly; empty for copies and calls
    blocks: int  # of threads; 0 where XLA does not say
    threads: int  # a block
    loop: tuple[str, ...]  # the loops around it, the innermost last
    condition: bool  # whether it computes that loop's condition


class Dump:
    """The files that XLA wrote of a training program.

    Args:
      folder: of ``--xla_dump_to``.

    Raises:
      FileNotFoundError: if there are none of a training program.
    """

    def __init__(self, folder: Path):
        sequences = sorted(folder.glob("*.jit_train_*.thunk_sequence.txt"))
        if len(sequences) != 1:
            raise FileNotFoundError(f"{len(sequences)} thunk sequences in {folder}: expected one")
        stem = str(sequences[0]).removesuffix("thunk_sequence.txt")
        names = _names(Path(stem + "thunk_metadata.txt").read_text())
        grouped = Path(stem + "thunk_sequence_after_thunk_passes.txt").read_text()
        self.buffers = _buffers(grouped, names)
        self.kernels = _kernels(sequences[0].read_text(), names)
        paths = sorted(folder.glob(Path(stem).name + "*ptx"))
        self.assembly = "\n".join(path.read_text() for path in paths)

    def of_loop(self, loop: str) -> list[Kernel]:
        """The launches of a turn of a loop, those of its condition left out; those of loops in it
        once."""
        return [one for one in self.kernels if loop in one.loop
                and not (one.condition and one.loop[-1] == loop)]  # fmt: skip

    def buffers_of(self, loop: str | None) -> int:
        """The command buffers that the host sends off in a turn of a loop, or outside of all."""
        return sum(one == loop for one in self.buffers)

    def atomics(self) -> dict[str, int]:
        """How many atomic instructions there are in the assembly, by kind."""
        found = re.findall(r"\b((?:atom|red)\.[\w.:]+)", self.assembly)
        return dict(sorted(collections.Counter(found).items()))

    def swap_loops(self) -> dict[str, int]:
        """The kernels that add or choose by a loop of compare-and-swap, and how many each has."""
        found = {}
        for entry, body in _entries(self.assembly):
            count = len(re.findall(r"\batom\.[\w.:]*cas", body))
            if count:
                found[entry] = count
        return found


def _names(metadata: str) -> dict[int, str]:
    found = {}
    for part in metadata.split("thunk_metadata {")[1:]:
        number = re.search(r"thunk_id: (\d+)", part)
        name = re.search(r'profile_annotation: "([^"]+)"', part)
        if name:
            found[int(number[1]) if number else 0] = name[1]
    return found


class _Row(NamedTuple):
    """A line of a thunk sequence."""

    number: int
    kind: str
    rest: str
    around: tuple[tuple[str, str], ...]  # kind and name of what it stands in, the innermost last
    condition: bool


def _rows(sequence: str, names: dict[int, str]) -> Iterator[_Row]:
    around: list[tuple[int, str, str]] = []
    condition = False
    for line in sequence.splitlines():
        if line.strip() in ("condition:", "body:"):
            condition = line.strip() == "condition:"
            continue
        found = re.match(r"(\s*)(\d+): (\w+)\s*(?:\[[^\]]*\])?\s*(.*)", line)
        if not found:
            continue
        depth, number, kind, rest = len(found[1]), int(found[2]), found[3], found[4]
        while around and depth <= around[-1][0]:
            around.pop()
            condition = False
        yield _Row(number, kind, rest, tuple(pair for _, *pair in around), condition)
        if kind in _AROUND:
            around.append((depth, kind, names.get(number, rest.split(" ")[0])))


def _loops_of(row: _Row) -> tuple[str, ...]:
    return tuple(name for kind, name in row.around if kind == "kWhile")


def _kernels(sequence: str, names: dict[int, str]) -> list[Kernel]:
    found: list[Kernel] = []
    for row in _rows(sequence, names):
        if row.kind in _AROUND or _DONE.match(row.kind):
            continue
        grid = re.search(
            r"grid: \[(\d+), (\d+), (\d+)\] threads: \[(\d+), (\d+), (\d+)\]", row.rest
        )
        sizes = [int(n) for n in grid.groups()] if grid else [0] * 6
        entry = row.rest.split(" ")[0]
        found.append(
            Kernel(
                names.get(row.number, entry),
                row.kind,
                entry if grid else "",
                sizes[0] * sizes[1] * sizes[2],
                sizes[3] * sizes[4] * sizes[5],
                _loops_of(row),
                row.condition,
            )
        )
    return found


def _buffers(sequence: str, names: dict[int, str]) -> list[str | None]:
    """For each command buffer that is in no other the loop around it, None for no loop."""
    return [
        (_loops_of(row) or (None,))[-1]
        for row in _rows(sequence, names)
        if row.kind == "kCommandBuffer" and "kCommandBuffer" not in [kind for kind, _ in row.around]
    ]


def _entries(assembly: str) -> list[tuple[str, str]]:
    parts = re.split(r"\.entry\s+([\w$.]+)", assembly)
    return list(zip(parts[1::2], parts[2::2], strict=True))
