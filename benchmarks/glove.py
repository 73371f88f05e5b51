"""GloVe: speed and quality of counting and training; compared with gensim's SGNS."""

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.common import add_options, need, peak_memory, report, run_apart, scores
from benchmarks.sgns import lines


def add_parser(suites) -> None:
    """Adds the suite to a parser."""
    parser = suites.add_parser("glove", help=__doc__, description=__doc__)
    add_options(parser, epochs=15)
    add = parser.add_argument
    add("--window", type=int, default=10)
    add("--x-max", type=float, default=10.0)
    add("--workers", type=int, default=2, help="of each program (default: %(default)s)")
    add("--chunks", type=int, default=16, help="chunks per step (default: %(default)s)")
    add(
        "--no-spectral-start",
        action="store_false",
        dest="spectral_start",
        help="begin from random vectors",
    )
    add("--gensim", action="store_true", help="time an epoch of gensim's SGNS in each round")
    add("--after", type=int, nargs="+", default=[], metavar="N",
        help="also score the vectors after these iterations")  # fmt: skip
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Counts and trains, scores the vectors and prints a table."""
    need(*["gensim"] * options.gensim)
    settings = {k: v for k, v in vars(options).items() if k != "run"}
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for seed in range(1, options.rounds + 1):
            job = {**settings, "seed": seed, "folder": folder}
            counting = run_apart("benchmarks.glove", {**job, "part": "count"})
            training = run_apart("benchmarks.glove", {**job, "part": "train"})
            costs = training.pop("cost")
            beside = _gensim(job) if options.gensim else {}
            for after in sorted({*options.after, options.epochs}):
                rows.append(
                    {"seed": seed, "iterations": after, **counting, **training, **beside,
                     "cost": round(costs[after - 1], 4), **scores(_vectors(job, after), options)}
                )  # fmt: skip
                print(json.dumps(rows[-1]), file=sys.stderr)
            print("cost after each iteration:", " ".join(f"{cost:.4f}" for cost in costs))
    report(rows, settings, options.json)


def _vectors(job: dict, iterations: int) -> Path:
    return Path(job["folder"]) / f"{iterations}.bin"


def _gensim(job: dict) -> dict:
    """Times an epoch of gensim's skip-gram at the usual settings."""
    usual = {"program": "gensim", "epochs": 1, "window": 5, "negative": 5, "sample": 1e-4}
    files = {"lines": lines(job["corpus"], job["folder"]), "output": f"{job['folder']}/gensim.bin"}
    figures = run_apart("benchmarks.sgns", {**job, **usual, **files})
    return {"gensim's epoch, s": figures["train, s"]}


def _count(job: dict) -> dict:
    from jaxvec import Corpus, cooccurrence

    corpus = Corpus.from_files(job["corpus"], min_count=job["min_count"])
    start = time.perf_counter()
    cells = cooccurrence.count(corpus, window=job["window"])
    seconds = time.perf_counter() - start
    cells.save(Path(job["folder"]) / "cells")
    return {"cells": len(cells), "count, s": round(seconds, 2), "RSS counting, GB": peak_memory()}


def _train(job: dict) -> dict:
    import jaxvec

    jaxvec.use_cores(job["workers"])
    import jax

    def save(report, result):
        if report.epoch in {*job["after"], job["epochs"]}:
            result.vectors().save(_vectors(job, report.epoch))

    cells = jaxvec.cooccurrence.Cooccurrence.load(Path(job["folder"]) / "cells")
    names = ("vector_size", "x_max", "chunks", "spectral_start")
    model = jaxvec.GloVe(**{name: job[name] for name in names})
    key = jax.random.key(job["seed"])
    start = time.perf_counter()
    result = jaxvec.fit(
        cells, model, key=key, epochs=job["epochs"], workers=job["workers"], callbacks=[save],
        progress=False,
    )  # fmt: skip
    total = time.perf_counter() - start
    trained = sum(epoch.seconds for epoch in result.history)
    compiling = result.history[0].compile_seconds
    seconds = trained / job["epochs"]
    numbers = (
        4 * 2 * (job["vector_size"] + 2)
    )  # bytes: row, bias and their AdaGrad sums, read and written
    a_cell = numbers * (1 + 1 / model.chunk_cells) + 8
    return {
        "workers": job["workers"],
        "compile, s": round(compiling, 2),
        "laying out, s": round(total - trained - compiling, 2),  # the start, and callbacks
        "iteration, s": round(seconds, 2),
        "cells/s": round(len(cells) / seconds),
        "GB/s": round(len(cells) / seconds * a_cell / 1e9, 1),
        "RSS training, GB": peak_memory(),
        "cost": [epoch.loss for epoch in result.history],
    }


if __name__ == "__main__":
    job = json.loads(sys.argv[1])
    print(json.dumps({"count": _count, "train": _train}[job["part"]](job)))
