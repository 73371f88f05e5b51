"""How skip-gram's speed moves with blocks a step, vector size, vocabulary and devices.

One option differs from the default at a time. The text is a plain Zipf text, on which speed alone
is measured: quality at the default is measured by `workloads`. One fit serves all runs of a point,
an epoch each, as they take the same time and the program is compiled once.
"""

import dataclasses
import functools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import jax

from benchmarks.suite import sizes, traffic
from benchmarks.suite.figures import Figure, rate, short
from benchmarks.suite.limits import limited
from benchmarks.suite.machine import memory_available
from benchmarks.suite.planted import plant
from benchmarks.suite.timing import Timer
from benchmarks.suite.workloads import train

WORDS, VECTOR = 68_000, 100
TOKENS = {"cpu": 500_000}
TOKENS_ON_ACCELERATORS = 16_000_000
_COPIES = 3.0  # of the tables at a time: theirs, the start's, and those of a result that is read


class Point(NamedTuple):
    """What differs from the default.

    Attributes:
      axis: "blocks", "D", "V" or "devices".
      value: of it.
    """

    axis: str
    value: int


GRID = (
    Point("blocks", 16), Point("blocks", 256),
    Point("D", 64), Point("D", 256),
    Point("V", 1_000_000),
)  # fmt: skip
FULL = (
    *(Point("blocks", value) for value in (1, 2, 4, 16, 64, 256, 1024, 4096)),
    *(Point("D", value) for value in (64, 128, 256, 512)),
    *(Point("V", value) for value in (10_000, 1_000_000, 4_000_000)),
)


def measure(
    ceilings: Mapping[str, Figure],
    timer: Timer,
    *,
    full: bool,
    tokens: int | None = None,
    points: Sequence[Point] | None = None,
) -> Iterator[Figure]:
    """The rates of the default and of each point, with their ratio to the default's.

    Args:
      ceilings: of the device, by name.
      timer: its `runs` are the epochs of a point.
      full: whether all points, or a few.
      tokens: of the text, by default what suits the device.
      points: to measure instead.
    """
    platform = jax.default_backend()
    tokens = tokens or TOKENS.get(platform, TOKENS_ON_ACCELERATORS)
    base: Figure | None = None
    for point in (None, *(points if points is not None else grid(full, jax.device_count()))):
        found = _measured(point, tokens, ceilings, timer)
        if base is None:
            base = found
        ratio = found.value / base.value if base.value else float("nan")
        settings: dict[str, Any] = {**found.settings, "of_default": round(ratio, 4)}
        yield dataclasses.replace(found, settings=settings)


def grid(full: bool, devices: int) -> list[Point]:
    """The points beside the default, devices last: 2, 4, 8, … and all of them.

    Args:
      full: whether all points, or a few.
      devices: that there are.

    >>> [point.value for point in grid(False, 6) if point.axis == "devices"]
    [2, 4, 6]
    """
    counts = [2**i for i in range(1, devices.bit_length()) if 2**i < devices]
    counts += [devices] if devices > 1 else []
    return [*(FULL if full else GRID), *(Point("devices", count) for count in counts)]


def table_bytes(words: int, vector_size: int) -> float:
    """What a run needs at least, bytes: its two tables, in as many copies as there are at a time.

    Args:
      words: `V`.
      vector_size: `D`.
    """
    return _COPIES * 2 * words * vector_size * traffic.NUMBER


def _measured(
    point: Point | None, tokens: int, ceilings: Mapping[str, Figure], timer: Timer
) -> Figure:
    words = point.value if point and point.axis == "V" else WORDS
    size = point.value if point and point.axis == "D" else VECTOR
    blocks = point.value if point and point.axis == "blocks" else None
    workers = point.value if point and point.axis == "devices" else 1
    name = "scaling, default"
    if point:
        value = short(point.value) if point.axis == "V" else point.value
        name = f"scaling, {point.axis}={value}"
    settings = {"V": words, "D": size, "devices": workers, "tokens": tokens}
    available, needed = memory_available(), table_bytes(words, size)
    if available is not None and needed > available:
        mark = f"left out: needs {needed / 1e9:.1f} GB of memory, {available / 1e9:.1f} are free"
        return Figure(name, float("nan"), "words/s", settings=settings, marks=(mark,))
    corpus = _corpus(words, tokens)
    model = sizes.skip_gram(vector_size=size, blocks=blocks)
    with timer.peak() as peak:
        done = train(corpus, model, 0, timer.runs, workers=workers)
    if done.diverged or done.model is None:
        mark = f"diverged: {done.diverged}"
        return Figure(name, float("nan"), "words/s", settings=settings, marks=(mark,))
    settings |= {"blocks": done.model.blocks, "block_tokens": done.model.block_tokens}
    figure = rate(
        name, tokens, "words/s", done.seconds, settings=settings,
        compile_seconds=done.compile_seconds, peak_bytes=peak.bytes,
    )  # fmt: skip
    if workers > 1:  # the ceilings are of one device
        return figure
    return limited(figure, traffic.skip_gram(done.model, corpus, 1), ceilings)


@functools.lru_cache(maxsize=1)
def _corpus(words: int, tokens: int):
    """Plain Zipf text: one topic and one attribute are none."""
    return plant(jax.random.key(0), tokens, words, topics=1, attributes=1).corpus
