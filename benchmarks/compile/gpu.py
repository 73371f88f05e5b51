"""What XLA's dump says of a program for a GPU: kernels in order, and their assembly."""

import collections
import re
from pathlib import Path
from typing import NamedTuple

_LEAST = {
    "kWhile",
    "kConditional",
    "kSequential",
    "kCommandBuffer",
}  # these launch by themselves none
_DONE = re.compile(r"k\w*Done$|kWaitFor\w*|kPartitionId|kReplicaId")


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
        self.kernels = _kernels(sequences[0].read_text(), names)
        paths = sorted(folder.glob(Path(stem).name + "*ptx"))
        self.assembly = "\n".join(path.read_text() for path in paths)

    def of_loop(self, loop: str) -> list[Kernel]:
        """The launches of a turn of a loop, those of its condition left out; those of loops in it
        once."""
        return [one for one in self.kernels if loop in one.loop
                and not (one.condition and one.loop[-1] == loop)]  # fmt: skip

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


def _kernels(sequence: str, names: dict[int, str]) -> list[Kernel]:
    found: list[Kernel] = []
    open_loops: list[tuple[int, str]] = []
    in_condition = False
    for line in sequence.splitlines():
        head = line.strip()
        if head == "condition:":
            in_condition = True
            continue
        if head == "body:":
            in_condition = False
            continue
        row = re.match(r"(\s*)(\d+): (\w+)\s*(?:\[[^\]]*\])?\s*(.*)", line)
        if not row:
            continue
        depth, number, kind, rest = len(row[1]), int(row[2]), row[3], row[4]
        while open_loops and depth <= open_loops[-1][0]:
            open_loops.pop()
            in_condition = False
        name = names.get(number, rest.split(" ")[0])
        if kind == "kWhile":
            open_loops.append((depth, name))
        elif kind not in _LEAST and not _DONE.match(kind):
            grid = re.search(
                r"grid: \[(\d+), (\d+), (\d+)\] threads: \[(\d+), (\d+), (\d+)\]", rest
            )
            sizes = [int(n) for n in grid.groups()] if grid else [0] * 6
            found.append(Kernel(
                name, kind, rest.split(" ")[0] if grid else "", sizes[0] * sizes[1] * sizes[2],
                sizes[3] * sizes[4] * sizes[5], tuple(loop for _, loop in open_loops), in_condition,
            ))  # fmt: skip
    return found


def _entries(assembly: str) -> list[tuple[str, str]]:
    parts = re.split(r"\.entry\s+([\w$.]+)", assembly)
    return list(zip(parts[1::2], parts[2::2], strict=True))
