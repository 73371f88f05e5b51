"""The benchmark of a device: its ceilings, then training on a synthetic text beside them.

Runs on whatever device JAX finds, in minutes (--quick: in seconds, too short to quote), with the
packages that jaxvec needs and without a download.
"""

import argparse
import sys
import time
from datetime import UTC, datetime

from benchmarks.common import target
from benchmarks.suite.figures import Figure
from benchmarks.suite.options import add_options, refused


def add_parser(suites) -> None:
    """Adds the suite to a parser: `python -m benchmarks`, or `python -m benchmarks device`."""
    parser = suites.add_parser("device", help=__doc__.splitlines()[0], description=__doc__)
    add = parser.add_argument
    add("--quick", action="store_true", help="small sizes, in seconds: to see that all works")
    add("--runs", type=_runs, default=5, metavar="N",
        help="warm runs of each figure, at least 5 (default: %(default)s)")  # fmt: skip
    add("--ceilings-only", action="store_true", help="no training")
    add("--json", type=target, metavar="FILE",
        help="write machine, options, all figures and raw times as JSON")  # fmt: skip
    add_options(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Measures, prints the tables, and writes the document.

    Raises:
      SystemExit: with status 2 for options that do not go together; with 1 at the end if a
        ceiling computes wrong values, or a workload is marked for its quality (`bands.FAILS`).
    """
    if fault := refused(options):
        tell(f"python -m benchmarks: {fault}")
        raise SystemExit(2)
    import jaxvec

    # a CPU is one core: with more devices a product, and so its ceiling, has the threads of all
    jaxvec.use_cores(None if options.scaling else 1)
    from benchmarks.suite import bands, ceilings, kernels, machine, table, workloads
    from benchmarks.suite.document import Document, by_name, write
    from benchmarks.suite.timing import Timer

    started, since = datetime.now(UTC).isoformat(timespec="seconds"), time.perf_counter()
    described = machine.describe()
    notes = machine.busy(described)
    for note in notes:
        tell(note)
    timer = Timer(options.runs, least=0.002 if options.quick else 0.05)
    found, left_out = ceilings.run(ceilings.sizes(options.quick), timer, tell)
    trained: list[Figure] = []
    failure = None
    try:
        for figure in () if options.ceilings_only else workloads.run(options, found, timer):
            trained.append(figure)
            tell(table.one_line(figure))
    except (Exception, KeyboardInterrupt) as error:  # what was measured is kept
        failure = error
        notes.append(f"ended early: {type(error).__name__}: {' '.join(str(error).split())}")
    document = Document(
        started=started,
        seconds=time.perf_counter() - since,
        options={k: v for k, v in vars(options).items() if k not in ("run", "json")},
        machine=described | {"after": machine.state()},
        notes=(*notes, *left_out),
        ceilings=found,
        workloads=by_name(trained),
    )
    if options.json:
        write(document, options.json)
    figures = document.figures.values()
    print(table.details(figures), table.summary(document), sep="\n\n")
    if marked := table.marks(figures):
        print("", *marked, sep="\n")
    if failure is not None:
        raise failure
    if bands.failed(trained) or any(kernels.WRONG in one.marks for one in found.values()):
        raise SystemExit(1)


def tell(line: str) -> None:
    """Prints a line of progress, on standard error."""
    print(line, file=sys.stderr, flush=True)


def _runs(text: str) -> int:
    if not text.isdecimal() or int(text) < 5:
        raise argparse.ArgumentTypeError(f"expected a whole number of 5 or more, got {text}")
    return int(text)
