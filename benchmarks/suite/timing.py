"""Timing: cold apart from warm, several runs, all raw times kept, memory at its peak.

Arrays are arguments of the compiled program, never constants in it, which the compiler would fold.
A program that adds to tables gives its argument up (donates it) and gets its own result back, as
in training: no run copies a table. A run repeats a short call until it lasts long enough for the
clock, and waits once, at its end.
"""

import contextlib
import dataclasses
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax

PyTree = Any


class Timed(NamedTuple):
    """How long a call took.

    Attributes:
      cold: seconds of the first call, which may compile, allocate and fill caches.
      times: seconds a call, of each warm run.
      result: of the last call.
    """

    cold: float
    times: tuple[float, ...]
    result: PyTree


@dataclasses.dataclass
class Peak:
    """Peak memory of a block; bytes, or None where the device does not tell."""

    bytes: int | None = None


@dataclasses.dataclass(frozen=True)
class Timer:
    """Times calls the same way for all figures.

    Attributes:
      runs: warm runs a figure.
      least: seconds that a run lasts at least, by repeating the call.
      clock: seconds now; `time.process_time` leaves out what other processes take of a busy CPU.
    """

    runs: int = 5
    least: float = 0.05
    clock: Callable[[], float] = time.perf_counter

    def __post_init__(self) -> None:
        if self.runs < 1:
            raise ValueError(f"runs must be 1 or more, got {self.runs}")
        if not self.least >= 0:
            raise ValueError(f"least must be 0 or more seconds, got {self.least}")

    def compiled(
        self, function: Callable, *arguments, donate: Sequence[int] = (), **options
    ) -> tuple[Any, float]:
        """A program for these arguments, compiled ahead, and the seconds that took.

        Args:
          function: pure.
          arguments: arrays, or their `jax.ShapeDtypeStruct`.
          donate: positions of the arguments that it may overwrite.
          options: of `jax.jit`.
        """
        start = time.perf_counter()
        program = jax.jit(function, donate_argnums=tuple(donate), **options)
        program = program.lower(*arguments).compile()
        return program, time.perf_counter() - start

    def repeated(self, call: Callable[[], PyTree]) -> Timed:
        """Times a call that can be made again and again.

        Args:
          call: returns arrays, which are waited for; prepares nothing in the time it takes.
        """
        return self.chained(lambda _: call(), None)

    def chained(self, call: Callable[[PyTree], PyTree], state: PyTree) -> Timed:
        """Times a call that takes what the call before returned, for donated arguments.

        Args:
          call: from a state to the next, of the same shapes.
          state: for the first call; given up.
        """
        cold, state = self._waited(call, state, 1)
        seconds, state = self._waited(call, state, 1)
        count = max(1, int(self.least / max(seconds, 1e-9)))
        if count > 1:  # the first warm call may be slower than all others
            seconds, state = self._waited(call, state, min(count, 16))
            count = max(1, round(self.least / max(seconds, 1e-9)))
        times = []
        for _ in range(self.runs):
            seconds, state = self._waited(call, state, count)
            times.append(seconds)
        return Timed(cold, tuple(times), state)

    def runs_of(self, run: Callable[[int], PyTree]) -> tuple[tuple[float, ...], list]:
        """Times whole runs, each made once: training from another seed, a count of a text.

        Args:
          run: of the number of the run, from 0; returns what the run gave. It compiles before,
            or is called once before by the caller, whose time is the cold one.

        Returns:
          Seconds and results of `runs` runs.
        """
        times, results = [], []
        for number in range(self.runs):
            start = time.perf_counter()
            results.append(jax.block_until_ready(run(number)))
            times.append(time.perf_counter() - start)
        return tuple(times), results

    def _waited(
        self, call: Callable[[PyTree], PyTree], state: PyTree, count: int
    ) -> tuple[float, PyTree]:
        """Seconds a call, of `count` calls in a row that are waited for once, and the last result.

        Args:
          call, state: as for `chained`.
          count: how many.
        """
        start = self.clock()
        for _ in range(count):
            state = call(state)
        jax.block_until_ready(state)
        return (self.clock() - start) / count, state

    @contextlib.contextmanager
    def peak(self) -> Iterator[Peak]:
        """The peak of memory in a block, in the object that `with` gives, once it ends.

        Of the default device where it counts its bytes: what it says itself if the block set a
        new record, else the highest of a reading every millisecond. On a CPU of the process.
        """
        found, reading = Peak(), _Reading()
        with reading:
            yield found
        found.bytes = reading.highest()


class _Reading:
    """Memory read every millisecond by a thread of its own."""

    def __init__(self):
        self._device = jax.devices()[0]
        self._most: int | None = None
        self._record = self._stats().get("peak_bytes_in_use")
        self._resets = _reset_peak_of_process()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._read, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join()

    def highest(self) -> int | None:
        """Bytes: exact where device or system tell, else the highest reading."""
        record = self._stats().get("peak_bytes_in_use")
        if record is not None and self._record is not None and record > self._record:
            return record
        if self._record is None and self._resets:
            return _status("VmHWM") or self._most
        return self._most

    def _stats(self) -> dict:
        return self._device.memory_stats() or {}

    def _read(self) -> None:
        while True:
            now = self._stats().get("bytes_in_use")
            if now is None and self._device.platform == "cpu":
                now = _status("VmRSS")
            if now is not None:
                self._most = max(now, self._most or 0)
            if self._stop.wait(0.001 if self._record is not None else 0.02):
                return


def _status(name: str) -> int | None:
    """A size of this process that the kernel tells, bytes; None where it does not."""
    status = Path("/proc/self/status")
    if not status.exists():
        return None
    lines = [line for line in status.read_text().splitlines() if line.startswith(f"{name}:")]
    return int(lines[0].split()[1]) * 1024 if lines else None


def _reset_peak_of_process() -> bool:
    """Sets VmHWM to what is resident now, where the kernel lets a process do so."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return False
    return True
