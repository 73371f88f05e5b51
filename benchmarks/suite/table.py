"""The tables to read: one line a device, and one line a figure."""

import math
from collections.abc import Iterable, Mapping, Sequence

from benchmarks.suite.document import Document
from benchmarks.suite.figures import Figure, having, short


def number(value: float | None, digits: int = 3) -> str:
    """A number to read: three digits, thousands apart; empty for None.

    Args:
      value: to show.
      digits: that count.

    >>> [number(x) for x in (3536398.2, 243.21, 0.0123456, None)]
    ['3,540,000', '243', '0.0123', '']
    """
    if value is None:
        return ""
    if not math.isfinite(value):
        return "none"
    if value == 0:
        return "0"
    places = digits - 1 - math.floor(math.log10(abs(value)))
    return f"{round(value, places):,.{max(0, places)}f}"


def percent(fraction: float | None) -> str:
    """A fraction as a percentage of two digits at least; empty for None.

    >>> [percent(x) for x in (1.14, 0.431, 0.0123, 0.0004, None)]
    ['114%', '43%', '1.2%', '0.040%', '']
    """
    if fraction is None:
        return ""
    return f"{fraction:.0%}" if fraction >= 0.1 else f"{number(100 * fraction, 2)}%"


def quantity(value: float, unit: str) -> str:
    """A value with its unit, of a size to read.

    Args:
      value: to show.
      unit: of a figure.

    >>> quantity(2.5e6, "words/s"), quantity(3.1e-6, "s"), quantity(31.25, "%")
    ('2.50M words/s', '3.10 µs', '31.2 %')
    """
    factor, prefix = prefixed(value, unit)
    letter = "" if unit in ("s", "bytes") else prefix
    name = {"s": f"{prefix}s", "bytes": f"{prefix}B"}.get(unit, unit)
    return f"{number(value / factor)}{letter} {name}"


def prefixed(value: float, unit: str) -> tuple[float, str]:
    """What to divide by, and the letter that says so: rates in M or k, seconds in ms, µs or ns.

    Args:
      value: to show.
      unit: of a figure; one with a prefix of its own (GB/s) gets no other.
    """
    if unit == "s":
        steps = [(1, ""), (1e-3, "m"), (1e-6, "µ"), (1e-9, "n")]
    elif unit in ("words/s", "cells/s", "tokens/s", "pairs/s", "bytes"):
        steps = [(1e9, "G"), (1e6, "M"), (1e3, "k"), (1, "")]
    else:
        return 1, ""
    for factor, prefix in steps:
        if math.isfinite(value) and abs(value) >= factor:
            return factor, prefix
    return steps[-1] if unit == "s" and value else (1, "")


def columns(document: Document) -> dict[str, str]:
    """The cells of a device's line, by column.

    Workloads whose settings name a `column` come first, each with the fraction of its limit. Then
    ceilings: a copy in the fastest cache and in memory, products, rows of the largest table,
    sorting, random bits, a kernel in a program; each the best of its kind.

    Args:
      document: of a run on the device.
    """
    cells = {"device": document.device}
    for figure in document.workloads.values():
        if column := figure.settings.get("column"):
            share = "" if figure.fraction is None else f", {percent(figure.fraction)} of limit"
            cells[str(column)] = quantity(figure.value, figure.unit) + share + mark(figure)
    for column, figures in _kinds(document).items():
        if figures:
            best = max(figures, key=lambda one: (not one.marks, one.better(one.value)))
            cells[column] = quantity(best.value, best.unit) + mark(best)
    return cells


def _kinds(document: Document) -> dict[str, list[Figure]]:
    """The ceilings of each column."""

    def of(what: str, largest: str = "", **settings) -> list[Figure]:
        found = having(document.ceilings.values(), what=what, **settings)
        sizes = [one.settings[largest] for one in found] if largest else []
        return [one for one in found if not largest or one.settings[largest] == max(sizes)]

    rows = {
        f"{what}, {ids}{_rows(of(what, 'V', ids=ids))}": of(what, "V", ids=ids)
        for what in ("gather", "scatter-add")
        for ids in ("uniform", "zipf")
    }
    return {
        "copy, cache": of("copy"),
        "copy, memory": of("copy", "working_set"),
        **{f"product, {p}": of("product", precision=p) for p in ("float32", "tf32", "bf16")},
        **rows,
        "sort": of("sort"),
        "random bits": of("random bits"),
        "kernel": of("launch"),
    }


def _rows(figures: Sequence[Figure]) -> str:
    return f", V={short(int(figures[0].settings['V']))}" if figures else ""


def mark(figure: Figure) -> str:
    """An exclamation mark on a value that something is wrong with.

    Args:
      figure: shown.
    """
    return " (!)" if figure.marks else ""


def summary(document: Document) -> str:
    """The device's line, settings below."""
    return f"{line_a_device([document])}\n\n{footnote(document)}"


def line_a_device(documents: Sequence[Document]) -> str:
    """A table with a line for each document."""
    lines = [columns(document) for document in documents]
    names = list(dict.fromkeys(name for line in lines for name in line))
    return markdown(names, [[line.get(name, "") for name in names] for line in lines])


def details(figures: Iterable[Figure]) -> str:
    """One line a figure.

    Args:
      figures: of a document.
    """
    names = [
        "figure", "value", "lowest", "highest", "runs", "GB/s", "GFLOP/s", "of limit", "limit",
        "compile, s", "peak, MB",
    ]  # fmt: skip
    rows = [_detail(figure) for figure in figures]
    return markdown(names, rows)


def _detail(figure: Figure) -> list[str]:
    low, high = figure.range
    factor, _ = prefixed(figure.value, figure.unit)
    peak = None if figure.peak_bytes is None else figure.peak_bytes / 1e6
    return [
        figure.name,
        quantity(figure.value, figure.unit) + mark(figure),
        number(low / factor),
        number(high / factor),
        str(len(figure.times or figure.samples) or ""),
        number(figure.gigabytes_per_second),
        number(figure.gigaflops_per_second),
        percent(figure.fraction),
        figure.limit or "",
        number(figure.compile_seconds),
        number(peak),
    ]


def one_line(figure: Figure) -> str:
    """A figure in a line: name, value, range, limit and marks.

    Args:
      figure: of a ceiling or a workload.
    """
    factor, _ = prefixed(figure.value, figure.unit)
    low, high = (number(end / factor) for end in figure.range)
    spread = f" ({low} to {high})" if figure.times or figure.samples else ""
    text = f"{figure.name}: {quantity(figure.value, figure.unit)}{spread}"
    if figure.fraction is not None:
        text += f", {percent(figure.fraction)} of {figure.limit}"
    return text + "".join(f"; MARKED: {mark}" for mark in figure.marks)


def marks(figures: Iterable[Figure]) -> list[str]:
    """A line for each figure that something is wrong with.

    Args:
      figures: of a document.
    """
    return [f"(!) {one.name}: {'; '.join(one.marks)}" for one in figures if one.marks]


def footnote(document: Document) -> str:
    """Settings of a run in a line or two.

    Args:
      document: of the run.
    """
    machine = document.machine
    versions = ", ".join(f"{name} {version}" for name, version in machine["packages"].items())
    parts = [
        f"{document.device}: {document.started}, {document.seconds:.0f} s",
        f"{machine['cores']} cores of {machine['processor']}",
        f"driver {machine['driver']}" if machine.get("driver") else "",
        versions,
        f"commit {machine['commit']}" if machine.get("commit") else "",
        _pairs("flags", machine.get("flags") or {}),
        _pairs("options", {k: v for k, v in document.options.items() if v is not None}),
        *(_state(when, machine[when]) for when in ("before", "after") if machine.get(when)),
        *document.notes,
    ]
    return "; ".join(part for part in parts if part)


def _pairs(title: str, values: Mapping) -> str:
    return f"{title} " + " ".join(f"{k}={v}" for k, v in values.items()) if values else ""


def _state(when: str, state: Mapping) -> str:
    """Load and clocks, before or after the run.

    Args:
      when: "before" or "after".
      state: of `machine.state`.
    """
    told = [f"load {state['load']:.1f}"] if state.get("load") is not None else []
    told += [
        f"{card['clocks.sm']} of {card['clocks.max.sm']}, {card['power.draw']}"
        for card in state.get("gpus") or []
    ]
    return f"{when}: {', '.join(told)}" if told else ""


def markdown(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table whose columns stand below each other.

    Args:
      head: names of the columns.
      rows: cells.

    >>> print(markdown(["a", "b"], [["1", "200"]]))
    | a | b   |
    |---|-----|
    | 1 | 200 |
    """
    every = [list(head), *(list(row) for row in rows)]
    widths = [max(len(row[i]) for row in every) for i in range(len(head))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |"
        for row in every
    ]
    rule = "|" + "|".join("-" * (width + 2) for width in widths) + "|"
    return "\n".join([lines[0], rule, *lines[1:]])
