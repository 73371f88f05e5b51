"""Bands of scores that reference seeds reach, and the judgment of a run by them.

A run of a standard size is held against the band of that size, on any device and with whatever
steps the device takes by default: one that learned too little has lost its quality to its speed,
or computes something else; one that learned too well has seen what it was not to see. Both are
marked, and the command ends with a status above 0.

A band is the mean of reference seeds and `WIDTH` standard deviations to either side, `LEAST` points
at least. A seed draws corpus, truth, questions and training alike. `python -m benchmarks bands`
measures them anew, and prints the lines of `BANDS`.
"""

import argparse
import dataclasses
import json
import statistics
import sys
from collections.abc import Iterable
from typing import Any, NamedTuple

from benchmarks.suite.figures import Figure
from benchmarks.suite.sizes import SIZES

WIDTH = 3.0  # standard deviations
LEAST = 2.0  # points
TOO_LITTLE, TOO_WELL = "learned too little", "learned too well"
NEVER, DIVERGED, UNSCORED = "never reached", "diverged", "no score"
FAILS = (TOO_LITTLE, TOO_WELL, NEVER, DIVERGED, UNSCORED)
"""How marks begin that end the command with a status above 0."""


class Band(NamedTuple):
    """The scores of reference seeds, in percent.

    Attributes:
      mean: of the seeds.
      deviation: their standard deviation.
      seeds: how many.
    """

    mean: float
    deviation: float
    seeds: int

    @property
    def half(self) -> float:
        """How far from the mean a score may be."""
        return max(WIDTH * self.deviation, LEAST)

    @property
    def low(self) -> float:
        """The lowest score that is not too little."""
        return self.mean - self.half

    @property
    def high(self) -> float:
        """The highest score that is not too much."""
        return self.mean + self.half


BANDS = {
    ("quick", "skip-gram", "recovery"): Band(52.35, 0.67, 10),
    ("quick", "skip-gram", "analogies"): Band(39.08, 2.15, 10),
    ("quick", "glove", "recovery"): Band(32.14, 0.73, 10),
    ("quick", "glove", "analogies"): Band(9.29, 1.26, 10),
    ("cpu", "skip-gram", "recovery"): Band(60.03, 0.53, 8),
    ("cpu", "skip-gram", "analogies"): Band(52.96, 1.38, 8),
    ("cpu", "glove", "recovery"): Band(41.02, 0.28, 8),
    ("cpu", "glove", "analogies"): Band(22.35, 0.91, 8),
    ("accelerator", "skip-gram", "recovery"): Band(76.95, 0.31, 4),
    ("accelerator", "glove", "recovery"): Band(56.09, 0.30, 2),
}
"""By size, model and score."""


def judged(figure: Figure, size: str, model: str, score: str) -> Figure:
    """A figure of scores, marked if a run is outside the band; its settings say which band.

    Args:
      figure: with a sample for each run, in percent.
      size: name of a standard size; "" for another, of which nothing is known.
      model: "skip-gram" or "glove".
      score: "recovery" or "analogies".
    """
    band = BANDS.get((size, model, score))
    text = "none: no reference seeds had these settings"
    if band is not None:
        text = f"{band.low:.1f} to {band.high:.1f}"
    figure = dataclasses.replace(figure, settings={**figure.settings, "band": text})
    if band is None or not figure.samples:
        return figure
    low, high = min(figure.samples), max(figure.samples)
    seen = f"where reference seeds have {text} %"
    if low < band.low:
        figure = figure.marked(f"{TOO_LITTLE}: {low:.1f} %, {seen}")
    if high > band.high:
        figure = figure.marked(f"{TOO_WELL}: {high:.1f} %, {seen}")
    return figure


def failed(figures: Iterable[Figure]) -> list[Figure]:
    """The figures whose marks end the command with a status above 0."""
    return [one for one in figures if any(mark.startswith(FAILS) for mark in one.marks)]


def add_parser(suites: Any) -> None:
    """Adds the suite to a parser: `python -m benchmarks bands`."""
    parser = suites.add_parser(
        "bands", help="measure the bands of reference seeds", description=__doc__
    )
    add = parser.add_argument
    add("--size", nargs="+", choices=SIZES, default=list(SIZES), help="default: all")
    add("--model", nargs="+", choices=["skip-gram", "glove"], default=["skip-gram", "glove"])
    add("--seeds", type=int, default=10, help="how many (default: %(default)s)")
    add("--first", type=int, default=0, metavar="SEED", help="default: %(default)s")
    add("--blocks", type=int, metavar="B", help="blocks a step of skip-gram, other than default")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Trains with each seed, and prints the bands."""
    import jaxvec

    jaxvec.use_cores(1)
    from benchmarks.suite.workloads import reference

    for name in options.size:
        found: dict[tuple[str, str, str], list[float]] = {}
        for seed in range(options.first, options.first + options.seeds):
            scores = reference(SIZES[name], seed, options.model, options.blocks)
            print(json.dumps({"size": name, "seed": seed, **scores}), file=sys.stderr, flush=True)
            for model, of_model in scores.items():
                for score, value in of_model.items():
                    found.setdefault((name, model, score), []).append(value)
        for (size, model, score), values in found.items():
            spread = statistics.stdev(values) if len(values) > 1 else 0.0
            band = f"Band({statistics.mean(values):.2f}, {spread:.2f}, {len(values)})"
            print(f'    ("{size}", "{model}", "{score}"): {band},', flush=True)
