"""`jaxvec cooccur` by each engine: seconds, the processors' seconds, memory of all processes."""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.common import report, source, target

_SAMPLED = 0.1  # seconds between samples of memory


def add_parser(suites) -> None:
    """Adds the suite to a parser."""
    parser = suites.add_parser("engines", help=__doc__, description=__doc__)
    add = parser.add_argument
    add("corpus", type=source, help="plain text, words separated by white space")
    add("--engine", nargs="+", default=["threads", "processes"], help="in this order, each round")
    add("--workers", type=int, help="processes (default: one a core)")
    add("--rounds", type=int, default=1, help="of all engines in turn (default: %(default)s)")
    add("--json", type=target, metavar="FILE", help="write all figures as JSON")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Counts by each engine and prints a table.

    Raises:
      SystemExit: if a command fails, or its counts differ from the first's.
    """
    settings = {k: v for k, v in vars(options).items() if k != "run"}
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        first = Path(folder) / "first"
        for _ in range(options.rounds):
            for engine in options.engine:
                path = Path(folder) / "cells"
                rows.append(_measured(options, engine, path))
                print(json.dumps(rows[-1]), file=sys.stderr)
                if not first.exists():
                    path.rename(first)
                elif subprocess.run(["cmp", str(first), str(path)]).returncode:
                    raise SystemExit(f"{engine} has other counts than {options.engine[0]}")
                path.unlink(missing_ok=True)
    report(rows, settings, options.json)


def _measured(options: argparse.Namespace, engine: str, path: Path) -> dict:
    """Figures of one command, which writes `path`."""
    command = [sys.executable, "-m", "jaxvec", "cooccur", options.corpus, "-o", str(path)]
    command += ["--engine", engine]
    if options.workers and engine != "threads":
        command += ["--workers", str(options.workers)]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start, most = time.perf_counter(), 0.0
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        while process.poll() is None:
            most = max(most, _memory(process.pid))
            time.sleep(_SAMPLED)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} ended with status {process.returncode}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {
        "engine": engine,
        "seconds": round(time.perf_counter() - start, 1),
        "processors' seconds": round(used, 1),
        "memory, GiB": round(most, 2),
        "load": round(os.getloadavg()[0], 1),
    }


def _memory(process: int) -> float:
    """GiB of a process and its children, pages that they share counted once (PSS)."""
    kib, waiting = 0, [str(process)]
    while waiting:
        folder = Path("/proc") / waiting.pop()
        try:
            rollup = (folder / "smaps_rollup").read_text().split()
            kib += int(rollup[rollup.index("Pss:") + 1])
            for thread in (folder / "task").iterdir():
                waiting += (thread / "children").read_text().split()
        except (OSError, ValueError):  # it has ended meanwhile
            continue
    return kib / 2**20
