"""Documents as a picture: the measured roofs of each device, and the workloads below them.

Across is the arithmetic intensity, operations a logical byte; up is the speed. A slope is a
bandwidth, a level line the peak of products. Needs the extra `plot`.
"""

import argparse
import dataclasses
import itertools
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from benchmarks.suite import table
from benchmarks.suite.compare import load
from benchmarks.suite.document import Document
from benchmarks.suite.figures import Figure, having, short

if TYPE_CHECKING:
    import matplotlib.axes
    import matplotlib.figure


@dataclasses.dataclass(frozen=True)
class Roofs:
    """The measured roofs of a device.

    Attributes:
      slopes: bandwidths in GB/s, by name.
      levels: peaks in GFLOP/s, by name.
    """

    slopes: dict[str, float]
    levels: dict[str, float]


def add_parser(suites) -> None:
    """Adds the command to a parser."""
    parser = suites.add_parser("roofline", help=__doc__.splitlines()[0], description=__doc__)
    add = parser.add_argument
    add("documents", nargs="+", type=load, metavar="FILE",
        help="what python -m benchmarks --json wrote")  # fmt: skip
    add("-o", "--output", type=_picture, required=True, metavar="FILE", help=".png, .svg or .pdf")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Draws the picture, and says which workloads have no place in it."""
    from jaxvec.plot.figure import save

    try:
        figure = draw(options.documents)
    except ValueError as error:
        raise SystemExit(f"python -m benchmarks roofline: {error}") from None
    save(figure, options.output)
    for document in options.documents:
        absent = [f.name for f in document.workloads.values() if intensity(f) is None]
        if absent:
            print(f"{document.device}: no operations or bytes, so not drawn: {'; '.join(absent)}")


def intensity(figure: Figure) -> float | None:
    """Operations a logical byte; None if one of them is not known."""
    return figure.flops / figure.bytes if figure.flops and figure.bytes and figure.times else None


def roofs(document: Document) -> Roofs:
    """The roofs of a document: copies in the fastest cache and in memory, rows gathered from the
    smallest and the largest table, products of each precision, all at their best runs. Figures
    with marks do not count."""
    sound = [one for one in document.ceilings.values() if not one.marks]

    slopes, levels = {}, {}
    if copies := having(sound, what="copy"):
        slopes["copy, cache"] = max(one.range[1] for one in copies)
        slopes["copy, memory"] = max(copies, key=lambda one: one.settings["working_set"]).range[1]
    if gathers := having(sound, what="gather", ids="zipf"):
        tables = [one.settings["V"] for one in gathers]
        for words in dict.fromkeys((min(tables), max(tables))):
            best = max(one.range[1] for one in having(gathers, V=words))
            slopes[f"gather, V={short(int(words))}"] = best
    for precision in ("float32", "tf32", "bf16"):
        if products := having(sound, what="product", precision=precision):
            levels[f"product, {precision}"] = max(one.range[1] for one in products)
    return Roofs(slopes, levels)


def draw(documents: Sequence[Document]) -> "matplotlib.figure.Figure":
    """The picture.

    Args:
      documents: of one device each.

    Raises:
      ValueError: if a document has no sound copy or product, or without matplotlib.
    """
    from jaxvec.plot.figure import DARK, PALETTE, import_matplotlib, new_figure

    import_matplotlib()
    every = [roofs(document) for document in documents]
    for document, found in zip(documents, every, strict=True):
        if not (found.slopes and found.levels):
            raise ValueError(f"the document of {document.device} has no copy or product to draw")
    points = [f for document in documents for f in document.workloads.values() if intensity(f)]
    markers = _markers(documents)
    left, right = _limits(every, [intensity(one) for one in points])
    figure = new_figure(10.5, 7)
    figure.set_layout_engine("constrained")
    ax = figure.add_subplot()
    ax.set(xscale="log", yscale="log", xlim=(left, right))
    for number, (document, found) in enumerate(zip(documents, every, strict=True)):
        color = PALETTE[number % len(PALETTE)]
        _draw_roofs(ax, found, left, right, color)
        _draw_points(ax, document, markers, color)
    ax.set_xlabel("operations a logical byte", color=DARK)
    ax.set_ylabel("GFLOP/s", color=DARK)
    ax.grid(color="#E5E5E5", linewidth=0.6)
    ax.tick_params(colors=DARK)
    for side, spine in ax.spines.items():
        spine.set_visible(side in ("left", "bottom"))
    _legend(figure, documents, markers)
    return figure


def _limits(every: Sequence[Roofs], intensities: Sequence[float | None]) -> tuple[float, float]:
    """The ends of the axis across: all points, and all corners of the roofs."""
    known = [one for one in intensities if one is not None]
    corners = [
        level / slope
        for one in every
        for level in one.levels.values()
        for slope in one.slopes.values()
    ]
    left = min([*known, *corners]) / 8
    return left, max([*known, *corners]) * 4


def _draw_roofs(
    ax: "matplotlib.axes.Axes", found: Roofs, left: float, right: float, color: str
) -> None:
    """Slopes up to the highest level, and levels from the steepest slope on.

    Args:
      ax: logarithmic both ways.
      found: of a device.
      left, right: ends of the axis across.
      color: of the device.
    """
    top, steepest = max(found.levels.values()), max(found.slopes.values())
    for place, (name, slope) in enumerate(found.slopes.items()):
        ends = (left, top / slope)
        dashes = "--" if name.startswith("gather") else "-"
        ax.plot(ends, [slope * end for end in ends], color=color, lw=1.3, ls=dashes)
        start = left * 1.08 * 3.5**place  # equal slopes have their names one after the other
        ax.text(
            start, slope * start * 1.07, f"{name}: {table.number(slope)} GB/s", fontsize=8,
            color=color, rotation=math.degrees(math.atan(slope)), rotation_mode="anchor",
            transform_rotates_text=True,
        )  # fmt: skip
    for name, level in found.levels.items():
        ax.plot((level / steepest, right), (level, level), color=color, lw=1.3)
        text = f"{name}: {table.number(level)} GFLOP/s"
        ax.text(right, level * 1.04, text, fontsize=8, color=color, ha="right")


def _draw_points(
    ax: "matplotlib.axes.Axes", document: Document, markers: Mapping[str, str], color: str
) -> None:
    """A marker for each workload, from its worst to its best run; hollow if it has marks.

    Args:
      ax: to draw on.
      document: of a device.
      markers: by the workload's name.
      color: of the device.
    """
    for name, marker in markers.items():
        one = document.workloads.get(name)
        if one is None or intensity(one) is None:
            continue
        low, middle, high = (
            one.flops / seconds / 1e9 for seconds in (max(one.times), one.seconds, min(one.times))
        )
        ax.errorbar(
            [intensity(one)], [middle], yerr=[[middle - low], [high - middle]], color=color, lw=1,
            capsize=2, markersize=6, marker=marker, markerfacecolor="white" if one.marks else color,
        )  # fmt: skip


def _legend(
    figure: "matplotlib.figure.Figure", documents: Sequence[Document], markers: Mapping[str, str]
) -> None:
    """Devices by color, workloads by marker, below the picture.

    Args:
      figure: to draw on.
      documents: in the order of their colors.
      markers: by the workload's name.
    """
    from matplotlib.lines import Line2D

    from jaxvec.plot.figure import DARK, PALETTE, lettering, literally

    entries = [
        *(
            (f"{one.device}, {one.started[:10]}", {"color": PALETTE[i % len(PALETTE)], "lw": 2})
            for i, one in enumerate(documents)
        ),
        *((n, {"color": DARK, "marker": m, "ls": "", "ms": 6}) for n, m in markers.items()),
    ]
    letters = lettering([text for text, _ in entries])
    legend = figure.legend(
        [Line2D([], [], **look) for _, look in entries], letters.shown, frameon=False, fontsize=8,
        loc="outside lower center", ncols=2,
    )  # fmt: skip
    for text in legend.get_texts():
        text.set(**literally(letters.families))


def _markers(documents: Sequence[Document]) -> dict[str, str]:
    """A marker for each workload that is drawn, by name; two names of the same runs (raw words,
    kept words) are one."""
    names = {}
    for document in documents:
        seen = set()
        for name, one in document.workloads.items():
            point = (one.flops, one.bytes, one.times)
            if intensity(one) and point not in seen:
                names[name] = None
            seen.add(point)
    return dict(zip(names, itertools.cycle("os^DvP*X<>ph8d"), strict=False))


def _picture(path: str) -> str:
    """Parses the path of the picture; fails before anything is read."""
    from benchmarks.common import target
    from jaxvec.plot.figure import check_suffix

    try:
        check_suffix(path)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return target(path)
