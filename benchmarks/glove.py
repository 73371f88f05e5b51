"""GloVe: counting and training, speed and quality of the same run."""

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.common import add_options, peak_memory, report, run_apart, scores


def add_parser(suites) -> None:
    """Adds the suite to a parser."""
    parser = suites.add_parser("glove", help=__doc__, description=__doc__)
    add_options(parser, epochs=15)
    parser.add_argument("--window", type=int, default=10)
    parser.add_argument("--x-max", type=float, default=10.0)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Counts and trains, scores the vectors and prints a table."""
    settings = {k: v for k, v in vars(options).items() if k != "run"}
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for seed in range(1, options.rounds + 1):
            vectors, cells = Path(folder) / f"{seed}.bin", Path(folder) / "cells"
            job = {**settings, "seed": seed, "output": str(vectors), "cells": str(cells)}
            counting = run_apart("benchmarks.glove", {**job, "part": "count"})
            training = run_apart("benchmarks.glove", {**job, "part": "train"})
            costs = training.pop("cost")
            rows.append({"seed": seed, **counting, **training, **scores(vectors, options)})
            print(json.dumps(rows[-1]), file=sys.stderr)
            print("cost after each iteration:", " ".join(f"{cost:.4f}" for cost in costs))
    report(rows, settings, options.json)


def _count(job: dict) -> dict:
    from jaxvec import Corpus, cooccurrence

    corpus = Corpus.from_files(job["corpus"], min_count=job["min_count"])
    start = time.perf_counter()
    cells = cooccurrence.count(corpus, window=job["window"])
    seconds = time.perf_counter() - start
    cells.save(job["cells"])
    return {"cells": len(cells), "count, s": round(seconds, 2), "RSS counting, GB": peak_memory()}


def _train(job: dict) -> dict:
    import jaxvec

    jaxvec.use_cores(1)
    import jax

    cells = jaxvec.cooccurrence.Cooccurrence.load(job["cells"])
    model = jaxvec.GloVe(vector_size=job["vector_size"], x_max=job["x_max"])
    key = jax.random.key(job["seed"])
    result = jaxvec.fit(cells, model, key=key, epochs=job["epochs"], progress=False)
    result.vectors().save(job["output"])
    seconds = sum(epoch.seconds for epoch in result.history) / job["epochs"]
    return {
        "compile, s": round(result.history[0].compile_seconds, 2),
        "iteration, s": round(seconds, 2),
        "cells/s": round(len(cells) / seconds),
        "RSS training, GB": peak_memory(),
        "cost": [epoch.loss for epoch in result.history],
    }


if __name__ == "__main__":
    job = json.loads(sys.argv[1])
    print(json.dumps({"count": _count, "train": _train}[job["part"]](job)))
