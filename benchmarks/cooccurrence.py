"""Counting co-occurrences: jaxvec, and on request Stanford's programs, as whole commands.

Where the processor has AVX-512, rounds go in turn with NumPy's use of it and without: on some
processors its sorts are slower than by AVX2.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.common import peak_memory, report, run_apart, source, target

_FEATURES = "NPY_DISABLE_CPU_FEATURES"
_WITHOUT = {"AVX-512": "AVX512_SPR", "AVX2": "X86_V4 AVX512_ICL AVX512_SPR"}  # to disable, if any


def add_parser(suites) -> None:
    """Adds the suite to a parser."""
    parser = suites.add_parser("cooccurrence", help=__doc__.splitlines()[0], description=__doc__)
    add = parser.add_argument
    add("corpus", type=source, help="plain text, words separated by white space")
    add("--window", type=int, default=10)
    add("--min-count", type=int, default=5)
    add("--memory", type=float, metavar="GB", help="memory for counting; uses files")
    add("--on-device", action="store_true")
    add("--stanford", type=Path, metavar="FOLDER", help="GloVe's build folder, to compare with")
    add("--rounds", type=int, default=1, help="runs, each in a new process (default: %(default)s)")
    add("--json", type=target, metavar="FILE", help="write all figures as JSON")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Counts and prints a table."""
    settings = {k: v for k, v in vars(options).items() if k not in ("run", "stanford")}
    rows = []
    for _ in range(options.rounds):
        for sorts in _WITHOUT if _has_avx512() else [None]:
            if sorts:
                os.environ[_FEATURES] = _WITHOUT[sorts]  # of the processes that are started
            row = {"sorts": sorts} if sorts else {}
            row |= run_apart("benchmarks.cooccurrence", settings)
            row["command, s"] = _seconds(_command, options)
            if options.stanford:
                row["vocab_count and cooccur, s"] = _seconds(_stanford, options)
                row["ratio"] = round(row["vocab_count and cooccur, s"] / row["command, s"], 1)
            rows.append(row)
            print(json.dumps(row), file=sys.stderr)
    report(rows, settings, options.json)


def _has_avx512() -> bool:
    cpuinfo = Path("/proc/cpuinfo")
    return cpuinfo.exists() and "avx512f" in cpuinfo.read_text()


def _seconds(run, options: argparse.Namespace) -> float:
    """What a command takes, in a folder that is removed after it."""
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        run(options, Path(folder))
        return round(time.perf_counter() - start, 1)


def _command(options: argparse.Namespace, folder: Path) -> None:
    """`jaxvec cooccur`, from its start to the file of counts."""
    settings = [f"--window={options.window}", f"--min-count={options.min_count}"]
    command = [sys.executable, "-m", "jaxvec", "cooccur", options.corpus, *settings]
    subprocess.run([*command, "-o", folder / "cells"], check=True, capture_output=True)


def _stanford(options: argparse.Namespace, folder: Path) -> None:
    """Stanford's vocab_count and cooccur, which has one thread, in memory."""
    vocab, cells = folder / "vocab", folder / "cells"
    for command, output in (
        (["vocab_count", "-min-count", str(options.min_count)], vocab),
        (
            ["cooccur", "-memory", "8", "-vocab-file", vocab, "-window-size", str(options.window),
             "-overflow-file", folder / "overflow"],
            cells,
        ),
    ):  # fmt: skip
        program = Path(options.stanford) / command[0]
        with open(options.corpus, "rb") as text, open(output, "wb") as out:
            subprocess.run(
                [program, *command[1:], "-verbose", "0"], stdin=text, stdout=out, check=True
            )


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
    return {
        "tokens": len(corpus),
        "pairs": pairs,
        "cells": found,
        "reading, s": round(read, 2),
        "counting, s": round(seconds[0], 2),
        "again, s": round(seconds[1], 2),
        "RSS before, GB": base,
        "RSS, GB": memory,
    }


if __name__ == "__main__":
    print(json.dumps(_count(json.loads(sys.argv[1]))))
