"""Speed by size of the vocabulary, on synthetic Zipf corpora."""

import argparse
import json
import sys

from benchmarks.common import peak_memory, report, run_apart, target
from benchmarks.stability import zipf_corpus


def add_parser(suites) -> None:
    """Adds the suite to a parser."""
    parser = suites.add_parser("vocabulary", help=__doc__, description=__doc__)
    add = parser.add_argument
    add("--words", type=int, nargs="+", default=[50_000, 1_000_000])
    add("--tokens", type=int, default=20_000_000)
    add("--workers", type=int, default=1)
    add("--model", choices=["sgns", "glove"], default="sgns")
    add("--rounds", type=int, default=1, help="runs of each, alternating (default: %(default)s)")
    add("--json", type=target, metavar="FILE", help="write all figures as JSON")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Trains an epoch of each and prints a table."""
    settings = {k: v for k, v in vars(options).items() if k != "run"}
    rows = [
        run_apart("benchmarks.vocabulary", {**settings, "vocabulary": words})
        for _ in range(options.rounds)
        for words in options.words
    ]
    report(rows, settings, options.json)


def _train(job: dict) -> dict:
    import jaxvec

    jaxvec.use_cores(job["workers"])
    import jax

    data = zipf_corpus(job["vocabulary"], job["tokens"])
    model = jaxvec.SkipGram(sample=1e-4)
    if job["model"] == "glove":
        data, model = jaxvec.cooccurrence.count(data, window=5), jaxvec.GloVe()
    result = jaxvec.fit(
        data, model, key=jax.random.key(1), epochs=1, workers=job["workers"], progress=False
    )
    tables = sum(table.nbytes for table in result.params) / 2**30
    return {
        "vocabulary": job["vocabulary"],
        "words or cells": len(data),
        "a second": round(result.history[0].words_per_second),
        "tables, GB": round(tables, 2),
        "peak RSS, GB": peak_memory(),
    }


if __name__ == "__main__":
    print(json.dumps(_train(json.loads(sys.argv[1]))))
