"""Figures: what the benchmark measures, ceilings and workloads alike.

A `Figure` holds one value and all that it came from: the raw times, the logical traffic of a run,
the ceiling that limits it, and marks that say what is wrong with it. Median and range follow from
the raw times and are stored nowhere.
"""

import dataclasses
import math
import statistics
from collections.abc import Iterable, Mapping

Setting = str | int | float | bool | None

LOWER_IS_BETTER = frozenset({"s", "bytes"})
"""Units of which less is better; of every other unit more is."""


@dataclasses.dataclass(frozen=True)
class Figure:
    """One measured value.

    A rate has `times`: the value is that of the median time, and a run that took twice as long
    had half of it. A figure of unit "s" has `times`, and its value is their median. A figure
    that is not a matter of time (a score) has `samples`, one a run, and its value is their
    median; of a single one, or of none, it is just the value.

    Attributes:
      name: unique in a document, and the same on every machine: ``sgns, D=128, V=68k``. Two
        documents are compared name by name.
      value: in `unit`; NaN only with a mark that says why.
      unit: words/s, cells/s, GB/s, GFLOP/s, rows/s, keys/s, bits/s, s, bytes, %, …
      times: seconds of each warm run, as they were taken; of a call that was repeated in a run
        to last long enough, seconds a call.
      samples: the value of each run, for figures that are not rates; empty if there are times.
      settings: what the value depends on, flat, JSON scalars: V, D, blocks, ids, precision, …
        A workload with a `column` stands in the one line of the device, under that name.
      bytes: logical bytes of a run (of one of `times`): what the algorithm reads and writes,
        whatever the caches make of it.
      flops: floating-point operations of a run.
      limit: the name of the ceiling that takes longest for this traffic.
      fraction: seconds that this ceiling needs / seconds taken (median).
      compile_seconds: of tracing and compiling, which no time includes.
      peak_bytes: peak of device memory (of the process, on a CPU) in the run.
      marks: what is wrong with it, a phrase each; empty if it is sound.
    """

    name: str
    value: float
    unit: str
    times: tuple[float, ...] = ()
    samples: tuple[float, ...] = ()
    settings: Mapping[str, Setting] = dataclasses.field(default_factory=dict)
    bytes: float | None = None
    flops: float | None = None
    limit: str | None = None
    fraction: float | None = None
    compile_seconds: float | None = None
    peak_bytes: int | None = None
    marks: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.times and self.samples:
            raise ValueError(f"{self.name}: a figure has times or samples, not both")
        if any(not math.isfinite(t) or t <= 0 for t in self.times):
            raise ValueError(f"{self.name}: times must be above 0 and finite, got {self.times}")
        if not math.isfinite(self.value) and not self.marks:
            raise ValueError(f"{self.name}: the value is {self.value}, and no mark says why")
        several = self.samples or (self.times if self.unit == "s" else ())
        if several and not math.isclose(self.value, statistics.median(several), rel_tol=1e-9):
            raise ValueError(f"{self.name}: the value {self.value} is not the median of {several}")

    @property
    def seconds(self) -> float | None:
        """The median of the times; None without times."""
        return statistics.median(self.times) if self.times else None

    @property
    def lower_is_better(self) -> bool:
        """Whether less of it is better: of seconds and bytes."""
        return self.unit in LOWER_IS_BETTER

    def better(self, value: float) -> float:
        """A value, with its sign changed if less of it is better."""
        return -value if self.lower_is_better else value

    @property
    def range(self) -> tuple[float, float]:
        """The lowest and the highest value of any run, in `unit`.

        >>> rate("copy", 8e9, "GB/s", [2.0, 1.0, 4.0], scale=1e9).range
        (2.0, 8.0)
        """
        if self.samples:
            return min(self.samples), max(self.samples)
        if not self.times:
            return self.value, self.value
        if self.unit == "s":
            return min(self.times), max(self.times)
        amount = self.value * statistics.median(self.times)
        return amount / max(self.times), amount / min(self.times)

    @property
    def gigabytes_per_second(self) -> float | None:
        """Logical GB/s at the median time; None where bytes or times are not known."""
        return self.bytes / self.seconds / 1e9 if self.bytes and self.seconds else None

    @property
    def gigaflops_per_second(self) -> float | None:
        """GFLOP/s at the median time; None where operations or times are not known."""
        return self.flops / self.seconds / 1e9 if self.flops and self.seconds else None

    def marked(self, *marks: str) -> "Figure":
        """The same figure with more marks; those that it has are not repeated."""
        new = tuple(mark for mark in marks if mark not in self.marks)
        return dataclasses.replace(self, marks=self.marks + new)


def rate(name: str, amount: float, unit: str, times, *, scale: float = 1.0, **fields) -> Figure:
    """A figure of so much work a second, from the times of its runs.

    Args:
      name: of the figure.
      amount: work of a run: words, rows, bytes, operations.
      unit: of the value, ``…/s``.
      times: seconds of each run.
      scale: what the unit counts in: 1e9 for GB/s.
      fields: of `Figure`.

    >>> rate("copy", 8e9, "GB/s", [2.0, 1.0, 4.0], scale=1e9).value
    4.0
    """
    times = tuple(float(t) for t in times)
    value = amount / statistics.median(times) / scale
    return Figure(name, value, unit, times=times, **fields)


def score(name: str, samples, unit: str, **fields) -> Figure:
    """A figure that is no matter of time, from its values in each run.

    Args:
      name: of the figure.
      samples: the value of each run.
      unit: of the value: ``%``.
      fields: of `Figure`.

    >>> score("recovery", [31.0, 35.0, 30.0], "%").value
    31.0
    """
    samples = tuple(float(one) for one in samples)
    return Figure(name, statistics.median(samples), unit, samples=samples, **fields)


def duration(name: str, times, **fields) -> Figure:
    """A figure of seconds: the median of its times.

    Args:
      name: of the figure.
      times: seconds of each run.
      fields: of `Figure`.

    >>> duration("time to 30 %", [2.0, 1.0, 4.0]).value
    2.0
    """
    times = tuple(float(t) for t in times)
    return Figure(name, statistics.median(times), "s", times=times, **fields)


def having(figures: Iterable[Figure], **settings: Setting) -> list[Figure]:
    """The figures with these settings.

    Args:
      figures: any.
      settings: that they have, beside others.

    >>> having([score("x", [1], "%", settings={"V": 5, "D": 2})], D=2)[0].name
    'x'
    """
    return [one for one in figures if settings.items() <= dict(one.settings).items()]


def short(number: int) -> str:
    """A count for names: 68k, 4M. Powers of 2 count in steps of 1,024.

    >>> [short(n) for n in (500, 67_867, 1_000_000, 65_536, 1 << 20)]
    ['500', '68k', '1M', '64k', '1M']
    """
    step = 1000 if number & (number - 1) else 1024
    for size, letter in ((step**2, "M"), (step, "k")):
        if number >= size:
            return f"{round(number / size)}{letter}"
    return str(number)
