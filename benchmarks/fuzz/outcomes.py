"""Outcomes of reading a damaged file: the good ones and the bad ones."""

import contextlib
import random
import resource
import warnings
from pathlib import Path
from typing import NamedTuple

from benchmarks.fuzz.mutations import damaged
from benchmarks.fuzz.readers import READERS, Reader

GOOD = ("read", "refused")
BAD = ("silently wrong", "wrong exception", "unnamed", "crash", "hang", "memory")
"""`unnamed` is an error that does not name the file; `memory` one that takes over 500 MB."""
GROWTH = 500 << 20
"""Bytes that a process may grow by while it reads a small file."""


class Outcome(NamedTuple):
    """What became of an input."""

    kind: str  # of `GOOD` or `BAD`
    detail: str = ""


class Inputs:
    """The inputs of a reader: input i follows from the seed and i alone.

    Args:
      name: of the reader.
      seed: of all inputs.
      seeds: what the reader's `seeds` returns, if it was called already.
    """

    def __init__(self, name: str, seed: int, seeds: list[bytes] | None = None):
        self.reader: Reader = READERS[name]
        self._name, self._seed = name, seed
        self.seeds = seeds or self.reader.seeds()
        self._contents: dict[int, object] = {}

    def made(self, i: int) -> tuple[bytes, int, bool]:
        """Input i, the number of the file it is made of, and whether only its bytes are damaged."""
        chance = random.Random(f"{self._seed} {self._name} {i}")
        which = chance.randrange(len(self.seeds))
        damages, shares = zip(*self.reader.damages, strict=True)
        damage = chance.choices(damages, shares)[0]
        return damage(self.seeds[which], chance), which, damage is damaged

    def content(self, which: int, path: Path) -> object:
        """What the file that an input is made of holds."""
        if which not in self._contents:
            path.write_bytes(self.seeds[which])
            self._contents[which] = self.reader.content(self.reader.read(path))
        return self._contents[which]


def outcome(inputs: Inputs, i: int, path: Path) -> Outcome:
    """Reads an input, and says what became of it.

    Args:
      inputs: of the reader.
      i: number of the input.
      path: where it is written.
    """
    data, which, bytes_alone = inputs.made(i)
    reader = inputs.reader
    expected = inputs.content(which, path) if reader.checksummed and bytes_alone else None
    return judged(reader, data, path, expected)


def judged(reader: Reader, data: bytes, path: Path, expected: object = None) -> Outcome:
    """Reads some bytes, and says what became of them.

    Args:
      reader: of the file.
      data: its bytes.
      path: where they are written.
      expected: the content, if nothing else may be read; None if that is not known.
    """
    path.unlink(missing_ok=True)  # another file: an earlier one may still be mapped
    path.write_bytes(data)
    before = _peak()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = reader.read(path)
            fault = reader.faults(found)
        if not fault and expected is not None and reader.content(found) != expected:
            fault = "damaged bytes were read as other content"
        result = Outcome("silently wrong", fault) if fault else Outcome("read")
    except ValueError as error:
        kind = "refused" if path.name in str(error) else "unnamed"
        result = Outcome(kind, f"ValueError: {error}"[:400])
    except MemoryError:
        result = Outcome("memory", "MemoryError")
    except Exception as error:
        result = Outcome("wrong exception", f"{type(error).__name__}: {error}"[:400])
    if _peak() - before > GROWTH:
        result = Outcome("memory", f"grew by {(_peak() - before) >> 20} MB")
    return result


def _peak() -> int:
    """The most memory that the process has held, in bytes."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM"):
                return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
