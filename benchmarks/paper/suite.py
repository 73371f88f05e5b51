"""What skip-gram costs on many chips, by formulas; and the formulas beside what was measured.

Without options: how long a text takes on 64 H100 and on a TPU v5e-256, by term. The letters and
formulas are in benchmarks/README.md.
"""

import argparse
import json
from pathlib import Path
from typing import Any

from benchmarks.common import report, source
from benchmarks.paper.formulas import (
    NUMBER,
    Layout,
    Split,
    Step,
    memory,
    merged,
    segment_tokens,
    work,
)
from benchmarks.paper.sites import SITES, Plan, Site, Text, layouts, plan

_MILLION = 1e6


def add_parser(suites) -> None:
    """Adds the suite to a parser."""
    parser = suites.add_parser("paper", help=__doc__.splitlines()[0], description=__doc__)
    add = parser.add_argument
    add("--compiled", nargs="+", type=source, metavar="FILE",
        help="formulas beside what python -m benchmarks compile --json wrote")  # fmt: skip
    add("--here", action="store_true", help="formulas beside steps measured on this machine")
    add("--all", action="store_true", help="every layout that fits, not the best of each kind")
    add("--tokens", type=float, default=1e12, help="of the text (default: %(default)g)")
    add("--sample", type=float, default=1e-4, metavar="T", help="default: %(default)g")
    add("--words", type=int, default=10_000_000, metavar="V", help="default: %(default)s")
    add("--vector-size", type=int, default=512, metavar="D", help="default: %(default)s")
    add("--blocks", type=int, default=256, metavar="B", help="default: %(default)s")
    add("--words-a-second", type=float, default=Text().words_a_second, metavar="N",
        help="that a process turns to ids (default: %(default)g)")  # fmt: skip
    add("--readers", type=int, default=1, metavar="N",
        help="processes of a host that read text (default: %(default)s)")  # fmt: skip
    parser.set_defaults(run=lambda options: run(parser, options))


def run(parser: argparse.ArgumentParser, options: argparse.Namespace) -> None:
    """Prints the tables asked for."""
    try:
        if options.compiled:
            lines = [line for path in options.compiled for line in compared(Path(path))]
            report(lines, {}, None)
        elif options.here:
            report(here(), {}, None)
        else:
            step = Step(options.words, options.vector_size, options.blocks)
            text = Text(options.tokens, options.sample, words_a_second=options.words_a_second,
                        readers=options.readers)  # fmt: skip
            plans = [
                one for site in SITES.values() for one in chosen(site, step, text, options.all)
            ]
            report([line(one) for one in plans], {}, None)
    except ValueError as error:
        parser.exit(2, f"{parser.prog}: {error}\n")


def chosen(site: Site, step: Step, text: Text, every: bool = False) -> list[Plan]:
    """The quickest layout of each kind that fits, whatever reading the text takes.

    Args:
      site: where.
      step: its size.
      text: to train on.
      every: all layouts that fit, instead.

    Raises:
      ValueError: if none fits.
    """
    kinds: tuple[Split, ...] = ("rows", "dim", "exchange")
    plans = [plan(site, step, one, text) for one in layouts(site, step, kinds)]
    if not plans:
        raise ValueError(f"{step.words} words of {step.dim} numbers fit no layout of {site.about}")
    if every:
        return plans
    best: dict[Split | None, Plan] = {}
    for one in sorted(plans, key=lambda one: (round(one.training, 2), one.layout.chips)):
        best.setdefault(one.layout.split, one)
    return list(best.values())


def line(one: Plan) -> dict[str, str]:
    """A plan as a row of a table: hours of each term.

    Args:
      one: the plan.
    """
    layout = one.layout
    return {
        "where": one.site.about,
        "workers · chips": f"{layout.workers} · {layout.chips}",
        "split": layout.split or "",
        "GB a chip": f"{one.memory / 1e9:.1f}",
        **{term: _hours(hours) for term, hours in one.hours.items()},
        "training, h": _hours(one.training),
        "limit": one.limit,
    }


def compared(path: Path) -> list[dict[str, str]]:
    """Formulas beside the figures of compiled programs, with compiled / formula.

    Args:
      path: of the JSON that the suite `compile` wrote, of one program or several.

    Raises:
      ValueError: if it is none, or of a model that has no formulas.
    """
    try:
        found = json.loads(path.read_text())
        reports = found if isinstance(found, list) else [found]
        return [_compared(one) for one in reports]
    except (json.JSONDecodeError, KeyError, TypeError) as error:
        raise ValueError(
            f"{path} is not what python -m benchmarks compile --json writes: {error!r}"
        ) from None


def _compared(one: dict[str, Any]) -> dict[str, str]:
    settings = one["settings"]
    if settings["model"] != "sgns" or settings["optimizer"] != "damped":
        raise ValueError(
            f"the formulas are of sgns with the optimizer damped; this program is of "
            f"{settings['model']} with {settings['optimizer']}"
        )
    from jaxvec.train.segments import SEGMENT_TOKENS

    step = Step(settings["words"], settings["vector_size"], settings["blocks"])
    layout = Layout(
        settings["workers"], settings["chips"] // settings["workers"], settings["shard"]
    )
    done = work(step, layout)
    sums = {place: sum(each["bytes"] for each in one["collectives"] if each["where"] == place)
            for place in ("step", "phase", "segment")}  # fmt: skip
    counted = one["step"]["bytes"] + one["draw"]["bytes"] / one["steps_a_draw"]
    alone = work(step, Layout())
    segment = segment_tokens(step.words, layout.workers, SEGMENT_TOKENS)
    weights = 2 * NUMBER * step.words  # of the damping: no argument
    pairs = {
        "rows gathered": (one["gathered"], done.gathered, 1),
        "products, MFLOP": (one["products"], done.products, _MILLION),
        "least bytes, MB, all chips": (counted, alone.least, _MILLION),
        "bytes moved, MB": (one["moved"], done.moved, _MILLION),
        "network a step, MB": (sums["step"], done.payload, _MILLION),
        "a round, MB": (sums["phase"], merged(step, layout, head=True), _MILLION),
        "a merge, MB": (sums["segment"], merged(step, layout), _MILLION),
        "arguments, GB": (one["memory"]["arguments"], memory(step, layout, segment) - weights, 1e9),
    }
    return {
        "device": one["target"],
        "workers · chips": f"{layout.workers} · {layout.chips}",
        "split": layout.split or "",
        "V": f"{step.words:,}",
        "D": str(step.dim),
        **{name: _beside(*values) for name, values in pairs.items()},
    }


def here() -> list[dict[str, str]]:
    """Steps measured on this machine beside the formulas, a row each."""
    import jaxvec

    jaxvec.use_cores(1)
    from benchmarks.paper.here import measured, words_a_second

    rows = [
        {
            "V": f"{one.step.words:,}",
            "D": str(one.step.dim),
            "B": str(one.step.blocks),
            **{part: f"{_MILLION * seconds:.0f}" for part, seconds in one.parts.items()},
            "in turn, µs": f"{_MILLION * one.formula:.0f}",
            "measured, µs": f"{_MILLION * one.seconds:.0f}",
            "measured / formula": f"{one.seconds / one.formula:.2f}",
        }
        for one in measured()
    ]
    print(f"text to ids: {words_a_second():,.0f} words a second of a core\n")
    return rows


def _beside(found: float | None, formula: float, unit: float) -> str:
    if found is None:
        return ""
    if not found and not formula:
        return "0"
    ratio = f" ({found / formula:.2f})" if formula else ""
    return f"{found / unit:,.4g} : {formula / unit:,.4g}{ratio}"


def _hours(hours: float) -> str:
    return "0" if not hours else f"{hours:.2g}" if hours < 10 else f"{hours:,.0f}"
