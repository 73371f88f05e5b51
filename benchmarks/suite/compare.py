"""Two documents side by side: ratios with their range, from the raw times."""

import argparse
from collections.abc import Sequence
from typing import NamedTuple

from benchmarks.suite import document, table
from benchmarks.suite.document import Document
from benchmarks.suite.figures import Figure


class Ratio(NamedTuple):
    """How many times as good a figure of B is as that of A: above 1, B is better.

    Attributes:
      value: of the medians.
      low: the worst run of B beside the best of A.
      high: the best run of B beside the worst of A.
    """

    value: float
    low: float
    high: float


def add_parser(suites) -> None:
    """Adds the command to a parser."""
    parser = suites.add_parser("compare", help=__doc__, description=__doc__)
    parser.add_argument("documents", nargs=2, type=load, metavar="FILE",
        help="what python -m benchmarks --json wrote: A and B")  # fmt: skip
    parser.set_defaults(run=run)


def load(path: str) -> Document:
    """Reads a document for a command.

    Raises:
      ArgumentTypeError: in one line, if it cannot be read.
    """
    try:
        return document.read(path)
    except (OSError, ValueError) as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def run(options: argparse.Namespace) -> None:
    """Prints the comparison."""
    print(report(*options.documents))


def ratio(a: Figure, b: Figure) -> Ratio | None:
    """How many times as good B's figure is.

    Args:
      a, b: the same figure of two machines.

    Returns:
      None if a value is zero or no number, or their units differ.

    >>> from benchmarks.suite.figures import duration, rate
    >>> ratio(rate("x", 6, "words/s", [2, 1, 3]), rate("x", 6, "words/s", [1, 1, 2]))
    Ratio(value=2.0, low=0.5, high=3.0)
    >>> ratio(duration("x", [2, 1, 3]), duration("x", [1, 1, 2])).value
    2.0
    """
    if a.unit != b.unit or not (a.value > 0 and b.value > 0):
        return None
    (lowest_a, highest_a), (lowest_b, highest_b) = a.range, b.range
    if not (lowest_a > 0 and lowest_b > 0):
        return None
    if a.lower_is_better:
        return Ratio(a.value / b.value, lowest_a / highest_b, highest_a / lowest_b)
    return Ratio(b.value / a.value, lowest_b / highest_a, highest_b / lowest_a)


def report(a: Document, b: Document) -> str:
    """The comparison as text: a line a device, a line a figure, and what cannot be compared.

    Args:
      a, b: two runs.
    """
    ours, theirs = a.figures, b.figures
    rows, notes = [], []
    for name in ours:
        if name in theirs:
            found, about = _row(ours[name], theirs[name])
            rows.append(found)
            notes += about
    parts = [f"A: {table.footnote(a)}\nB: {table.footnote(b)}", table.line_a_device([a, b])]
    if rows:
        head = ["figure", "A", "B", "B / A", "range", "of limit, A", "of limit, B"]
        parts.append(table.markdown(head, rows))
    parts.append(
        "B / A is how many times as good B is, for seconds and bytes too; its range is from B's "
        "worst run beside A's best to B's best beside A's worst. A range with 1 inside it is no "
        "difference."
    )
    for label, mine, other in (("A", ours, theirs), ("B", theirs, ours)):
        if only := [name for name in mine if name not in other]:
            notes.append(f"only in {label}: {'; '.join(only)}")
    return "\n\n".join(parts + (["\n".join(notes)] if notes else []))


def _row(a: Figure, b: Figure) -> tuple[list[str], list[str]]:
    """Cells of a figure, and notes about it.

    Args:
      a, b: the same figure of two machines.
    """
    found, notes = ratio(a, b), []
    for label, figure in (("A", a), ("B", b)):
        notes += [f"(!) {figure.name}, {label}: {mark}" for mark in figure.marks]
    if different := _differences(a, b):
        notes.append(f"{a.name}: other settings, {different}")
    if a.unit != b.unit:
        notes.append(f"{a.name}: not compared, in {a.unit} and in {b.unit}")
    elif found is None:
        notes.append(f"{a.name}: not compared, a value is not above 0")
    cells = [a.name, *(table.quantity(one.value, one.unit) + table.mark(one) for one in (a, b))]
    if found is None:
        cells += ["", ""]
    else:
        low, high = table.number(found.low), table.number(found.high)
        cells += [
            f"{table.number(found.value)}{table.mark(a) or table.mark(b)}",
            f"{low} to {high}",
        ]
    cells += [table.percent(one.fraction) for one in (a, b)]
    return cells, notes


def _differences(a: Figure, b: Figure) -> str:
    """Settings that differ: "blocks 64 and 1024".

    Args:
      a, b: the same figure of two machines.
    """
    names: Sequence[str] = [*a.settings, *(name for name in b.settings if name not in a.settings)]
    absent = "none"
    pairs = [(name, a.settings.get(name, absent), b.settings.get(name, absent)) for name in names]
    return ", ".join(f"{name} {one} and {other}" for name, one, other in pairs if one != other)
