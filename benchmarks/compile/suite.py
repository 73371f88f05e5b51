"""Compile the training program for a device that need not be here, and read the result.

Kernels a step, loops that wait for their condition, compare-and-swap loops, collectives, memory,
and what a step must move and compute at least. Several chips, models or ways to split the tables
make a table of a line each. Every row is defined in benchmarks/README.md.
"""

import argparse
import itertools
import json
from collections.abc import Sequence
from pathlib import Path

from benchmarks.common import report, target
from benchmarks.compile.apart import CompilationError, MissingCompilerError, compiled
from benchmarks.compile.report import Report
from benchmarks.compile.targets import TARGETS

_LISTS = ("model", "chips", "shard")  # options of which each combination is compiled


def add_parser(suites) -> None:
    """Adds the suite to a parser."""
    parser = suites.add_parser("compile", help=__doc__.splitlines()[0], description=__doc__)
    add = parser.add_argument
    add(
        "--for",
        dest="target",
        required=True,
        choices=[*TARGETS],
        metavar="DEVICE",
        help=", ".join(f"{name} ({one.about})" for name, one in TARGETS.items()),
    )
    add("--model", nargs="+", default=["sgns"], choices=["sgns", "cbow", "glove"])
    add("--optimizer", metavar="NAME", help="sgd, damped, … (default: the model's own)")
    add(
        "--write-back",
        metavar="NAME",
        help="how rows that a step meets twice are written (default: the optimizer's own)",
    )
    add("--products", metavar="KIND", help="float32, tf32, bfloat16 (default: the device's own)")
    add("--chips", type=_whole, nargs="+", default=[1], metavar="N", help="default: 1")
    add(
        "--shard",
        nargs="+",
        default=[None],
        choices=["rows", "dim"],
        help="split a worker's tables over its chips; by default each chip is a worker",
    )
    add(
        "--workers",
        type=_whole,
        metavar="W",
        help="that share the chips (default: 1 with --shard, else N)",
    )
    add(
        "--blocks",
        type=_whole,
        default=256,
        metavar="B",
        help="blocks of 32 tokens a step, or chunks of 32 cells (default: %(default)s)",
    )
    add("--vector-size", type=_whole, default=128, metavar="D", help="default: %(default)s")
    add("--words", type=_whole, default=67_867, metavar="V", help="default: %(default)s")
    add("--flags", metavar="F", help="more of XLA's flags; XLA_FLAGS is not read")
    add("--keep", metavar="DIR", help="keep the compiled program's text there")
    add("--json", type=target, metavar="FILE", help="write all figures as JSON")
    parser.set_defaults(run=lambda options: run(parser, options))


def run(parser: argparse.ArgumentParser, options: argparse.Namespace) -> None:
    """Compiles and prints a table: of one program all figures, of several a line each."""
    settings = {name: value for name, value in vars(options).items()
                if name not in ("run", "json", "keep", "target", *_LISTS)}  # fmt: skip
    found: list[Report] = []
    choices = itertools.product(*(getattr(options, name) for name in _LISTS))
    asked = [dict(zip(_LISTS, values, strict=True)) for values in choices]
    try:
        for one in asked:
            folder = options.keep and Path(options.keep, *_named(one) if len(asked) > 1 else ())
            found.append(compiled(options.target, folder=folder, **settings, **one))
    except (ValueError, MissingCompilerError) as error:
        parser.exit(2, f"{parser.prog}: {error}\n")
    except CompilationError as error:
        parser.exit(1, f"{parser.prog}: the compiler failed\n{error}\n")
    finally:
        _print(found, options.json, len(asked))


def _print(found: Sequence[Report], path: str | None, asked: int) -> None:
    """Prints what was compiled, and writes it; some of several, if the compiler failed then."""
    if not found:
        return
    report(found[0].rows() if asked == 1 else [one.line() for one in found], {}, None)
    if path:
        figures = [one.as_json() for one in found]
        Path(path).write_text(json.dumps(figures if asked > 1 else figures[0], indent=1) + "\n")


def _named(settings: dict) -> list[str]:
    """A folder for a program: sgns-16-rows."""
    return ["-".join(str(value) for value in settings.values() if value is not None)]


def _whole(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number of at least 1; got {text}")
    return int(text)
