"""Mutated files for every reader: which it reads, refuses, or fails at."""

import argparse
import tempfile
from pathlib import Path

from benchmarks.common import report, target

_SHOWN = 5  # failures of a kind that are printed


def add_parser(suites) -> None:
    """Adds the suite to a parser."""
    parser = suites.add_parser("fuzz", help=__doc__, description=__doc__)
    add = parser.add_argument
    add("--reader", nargs="+", default=[], metavar="R", help="by default all; 'list' lists them")
    add("--inputs", type=int, default=1000, metavar="N", help="of each (default: %(default)s)")
    add("--seed", type=int, default=0, help="that they follow from (default: %(default)s)")
    add("--show", type=int, metavar="I", help="write input I of the reader to --to, and read it")
    add("--to", type=target, metavar="FILE", default="fuzzed")
    add("--json", type=target, metavar="FILE", help="write all figures as JSON")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Reads the inputs and prints a row of outcomes a reader; exits with 1 if one is bad."""
    from benchmarks.fuzz.outcomes import BAD, GOOD, Inputs, outcome
    from benchmarks.fuzz.readers import READERS
    from benchmarks.fuzz.workers import tried

    if options.reader == ["list"]:
        print("\n".join(READERS))
        return
    if odd := set(options.reader) - set(READERS):
        raise SystemExit(f"no such reader: {', '.join(odd)}; there are {', '.join(READERS)}")
    if options.show is not None:
        for name in options.reader:
            print(outcome(Inputs(name, options.seed), options.show, Path(options.to)))
        return
    rows = []
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
        for name in options.reader or READERS:
            found = tried(name, options.inputs, options.seed, Path(folder))
            kinds = {kind: f"{found.kinds[kind]:,}" for kind in (*GOOD, *BAD)}
            rows.append({
                "reader": name, **kinds, "grown, MB": round(found.grown / 2**20),
                "a second": f"{options.inputs / found.seconds:,.0f}",
            })  # fmt: skip
            for kind in BAD:
                some = [(i, result) for i, result in found.bad if result.kind == kind]
                for i, result in some[:_SHOWN]:
                    print(f"{name}, input {i}: {kind}: {result.detail}", flush=True)
    settings = {"inputs": options.inputs, "seed": options.seed}
    report(rows, settings, options.json)
    if any(row[kind] != "0" for row in rows for kind in BAD):
        raise SystemExit(1)
