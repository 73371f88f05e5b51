"""Which ceiling limits a workload.

A workload's logical traffic is counted from shapes: rows gathered, rows added, numbers streamed,
products, random bits, sorted keys, launches. Each part alone would take the device's measured
ceiling a certain time. The part that takes longest is the limit: no schedule of the same work is
faster, if all else hides behind it. The fraction is that time over the time that was taken. A
ceiling counts at its best run, which says what the device can do; a workload at its median.

The ceilings say in `settings["what"]` what they measure, and in `settings["amount"]` how much of
it a run did, in the units of `Traffic`; see `benchmarks.suite.ceilings`.
"""

import dataclasses
import functools
from collections.abc import Iterable, Mapping
from typing import Literal

from benchmarks.suite.figures import Figure, having

ABOVE = 1.1
"""A fraction above this is marked: the traffic is counted wrong, or the ceiling is too low."""


@dataclasses.dataclass(frozen=True)
class Traffic:
    """The logical work of one run (of one of a figure's `times`).

    Attributes:
      gather_bytes: rows gathered from tables × bytes of a row; reading alone.
      scatter_bytes: rows added to tables, each occurrence × bytes of a row; counted once, though
        the device reads and writes the table's row and reads the change.
      stream_bytes: bytes read and bytes written in order, beside rows.
      working_set: bytes that are streamed over and over; the whole memory if not given.
      table_rows: V of the tables.
      ids: how the rows' ids are distributed.
      flops: floating-point operations in matrix products.
      precision: of the products.
      random_bits: number of random bits drawn.
      sorted_keys: int32 keys sorted, all sorts together.
      launches: kernels in a row that each wait for the one before.
    """

    gather_bytes: float = 0
    scatter_bytes: float = 0
    stream_bytes: float = 0
    working_set: float | None = None
    table_rows: int = 0
    ids: Literal["zipf", "uniform"] = "zipf"
    flops: float = 0
    precision: Literal["float32", "tf32", "bf16"] = "float32"
    random_bits: float = 0
    sorted_keys: float = 0
    launches: float = 0

    @property
    def bytes(self) -> float:
        """Logical bytes: rows read to gather; rows read, changed and written to add; streams."""
        return self.gather_bytes + 3 * self.scatter_bytes + self.stream_bytes


@dataclasses.dataclass(frozen=True)
class Bound:
    """What the ceilings say about a traffic.

    Attributes:
      times: seconds that each ceiling needs for its part, by the ceiling's name.
    """

    times: Mapping[str, float]

    @property
    def limit(self) -> str:
        """The ceiling that needs longest."""
        return max(self.times, key=self.times.__getitem__)

    @property
    def seconds(self) -> float:
        """The time that it needs: no run can be shorter."""
        return self.times[self.limit]

    @property
    def in_turn(self) -> float:
        """The time of all parts one after the other, if none hides behind another."""
        return sum(self.times.values())


def bound(traffic: Traffic, ceilings: Mapping[str, Figure]) -> Bound | None:
    """The time that each ceiling needs for a traffic.

    Of several ceilings of a kind the nearest is taken: the smallest table with at least as many
    rows (or a tenth fewer), the smallest copy of at least the working set; and then the fastest,
    whatever its rows a call or its strategy. Ceilings with marks do not count.

    Args:
      traffic: of a run.
      ceilings: of the same device, by name.

    Returns:
      None if no ceiling fits any part.

    >>> from benchmarks.suite.figures import rate
    >>> product = rate("product", 4e9, "GFLOP/s", [2.0], scale=1e9, settings={
    ...     "what": "product", "precision": "float32", "amount": 4e9})
    >>> bound(Traffic(flops=1e9), {"product": product})
    Bound(times={'product': 0.5})
    """
    sound = [one for one in ceilings.values() if one.times and not one.marks]

    of = functools.partial(having, sound)
    rows, size, ids = traffic.table_rows, traffic.working_set, traffic.ids
    parts = [
        (traffic.gather_bytes, _nearest(of(what="gather", ids=ids), "V", rows)),
        (traffic.scatter_bytes, _nearest(of(what="scatter-add", ids=ids), "V", rows)),
        (traffic.stream_bytes, _nearest(of(what="copy"), "working_set", size)),
        (traffic.flops, of(what="product", precision=traffic.precision)),
        (traffic.random_bits, of(what="random bits")),
        (traffic.sorted_keys, of(what="sort")),
        (traffic.launches, of(what="launch")),
    ]
    times = {}
    for amount, figures in parts:
        if amount and figures:
            best = max(figures, key=_speed)
            times[best.name] = amount / _speed(best)
    return Bound(times) if times else None


def limited(figure: Figure, traffic: Traffic, ceilings: Mapping[str, Figure]) -> Figure:
    """A figure with its traffic, the ceiling that limits it, and the fraction it reaches.

    Args:
      figure: with times.
      traffic: of one of its times.
      ceilings: of the same device, by name.

    Returns:
      The figure with `bytes`, `flops`, `limit` and `fraction`; with a mark if it is faster than
      its ceiling by more than noise.

    Raises:
      ValueError: if the figure has no times.
    """
    if figure.seconds is None:
        raise ValueError(f"{figure.name}: only a figure with times has a limit")
    figure = dataclasses.replace(figure, bytes=traffic.bytes or None, flops=traffic.flops or None)
    found = bound(traffic, ceilings)
    if found is None:
        return figure
    fraction = found.seconds / figure.seconds
    figure = dataclasses.replace(figure, limit=found.limit, fraction=fraction)
    if fraction > ABOVE:
        figure = figure.marked("above its ceiling: traffic or ceiling is wrong")
    return figure


def _nearest(figures: Iterable[Figure], setting: str, least: float | None) -> list[Figure]:
    """Those of the smallest setting that is at least `least`, or short of it by a tenth; of the
    largest if none is.

    Args:
      figures: of a kind.
      setting: by which they differ, a number.
      least: None for the largest.
    """
    figures = list(figures)
    sizes = sorted({one.settings[setting] for one in figures})
    if not sizes:
        return []
    above = [size for size in sizes if least is not None and size >= 0.9 * least]
    chosen = above[0] if above else sizes[-1]
    return [one for one in figures if one.settings[setting] == chosen]


def _speed(figure: Figure) -> float:
    """What a ceiling does a second in its best run: bytes, operations, bits, keys, launches."""
    return figure.settings["amount"] / min(figure.times)
