"""Counting co-occurrences, compared with sorting one random key per pair."""

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.common import peak_memory, report, run_apart, source, target


def add_parser(suites) -> None:
    """Adds the suite to a parser."""
    parser = suites.add_parser("cooccurrence", help=__doc__, description=__doc__)
    add = parser.add_argument
    add("corpus", type=source, help="plain text, words separated by white space")
    add("--window", type=int, default=10)
    add("--min-count", type=int, default=5)
    add("--memory", type=float, metavar="GB", help="memory for counting; uses files")
    add("--on-device", action="store_true")
    add("--rounds", type=int, default=1, help="runs, each in a new process (default: %(default)s)")
    add("--json", type=target, metavar="FILE", help="write all figures as JSON")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Counts and prints a table."""
    settings = {k: v for k, v in vars(options).items() if k != "run"}
    rows = []
    for _ in range(options.rounds):
        rows.append(run_apart("benchmarks.cooccurrence", settings))
        print(json.dumps(rows[-1]), file=sys.stderr)
    report(rows, settings, options.json)


def _count(job: dict) -> dict:
    import numpy as np

    from jaxvec import Corpus, cooccurrence

    base = peak_memory()
    start = time.perf_counter()
    corpus = Corpus.from_files(job["corpus"], min_count=job["min_count"])
    read = time.perf_counter() - start
    with tempfile.TemporaryDirectory() as folder:
        limit = {}
        if job["memory"]:
            limit = {"memory": int(job["memory"] * 1e9), "path": Path(folder) / "cells"}
        seconds = []
        for _ in range(2):
            start = time.perf_counter()
            cells = cooccurrence.count(
                corpus, window=job["window"], on_device=job["on_device"], **limit
            )
            seconds.append(time.perf_counter() - start)
        memory = peak_memory()
        found = len(cells)
        del cells
    pairs = sum(int(np.maximum(np.diff(corpus.offsets) - d, 0).sum())
                for d in range(1, job["window"] + 1))  # fmt: skip
    keys = np.random.default_rng(0).integers(0, 1 << 62, pairs)
    start = time.perf_counter()
    keys.sort()
    sort = time.perf_counter() - start
    return {
        "tokens": len(corpus),
        "pairs": pairs,
        "cells": found,
        "reading, s": round(read, 2),
        "counting, s": round(seconds[0], 2),
        "again, s": round(seconds[1], 2),
        "np.sort, s": round(sort, 2),
        "ratio": round(seconds[0] / sort, 2),
        "ratio again": round(seconds[1] / sort, 2),
        "RSS before, GB": base,
        "RSS, GB": memory,
    }


if __name__ == "__main__":
    print(json.dumps(_count(json.loads(sys.argv[1]))))
