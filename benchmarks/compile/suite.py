"""Compile the training program for a device that need not be here, and read the result.

Kernels a step, loops that wait for their condition, compare-and-swap loops, collectives, memory,
and what a step must move and compute at least. Every row is defined in benchmarks/README.md.
"""

import argparse
import json
from pathlib import Path

from benchmarks.common import report, target
from benchmarks.compile.apart import CompilationError, MissingCompilerError, compiled
from benchmarks.compile.targets import TARGETS


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
    add("--model", default="sgns", choices=["sgns", "cbow", "glove"])
    add("--optimizer", metavar="NAME", help="sgd, damped, … (default: the model's own)")
    add(
        "--write-back",
        metavar="NAME",
        help="how rows that a step meets twice are written (default: the optimizer's own)",
    )
    add("--products", metavar="KIND", help="float32, tf32, bfloat16 (default: the device's own)")
    add("--chips", type=_whole, default=1, metavar="N", help="default: %(default)s")
    add(
        "--shard",
        choices=["rows", "dim"],
        help="one copy of the tables over all chips; by default as fit trains on N workers",
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
    """Compiles and prints a table."""
    settings = {name: value for name, value in vars(options).items()
                if name not in ("run", "json", "keep", "target")}  # fmt: skip
    try:
        found = compiled(options.target, folder=options.keep, **settings)
    except (ValueError, MissingCompilerError) as error:
        parser.exit(2, f"{parser.prog}: {error}\n")
    except CompilationError as error:
        parser.exit(1, f"{parser.prog}: the compiler failed\n{error}\n")
    report(found.rows(), {}, None)
    if options.json:
        Path(options.json).write_text(json.dumps(found.as_json(), indent=1) + "\n")


def _whole(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number of at least 1; got {text}")
    return int(text)
