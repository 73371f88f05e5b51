"""Stability of neighbors across seeds, and the time of S seeds in one program or in S runs."""

import argparse
import json
import sys
import time
from itertools import combinations, pairwise
from pathlib import Path

import numpy as np

from benchmarks.common import need, report, run_apart, source, target


def add_parser(suites) -> None:
    """Adds the suite to a parser."""
    parser = suites.add_parser("seeds", help=__doc__, description=__doc__)
    add = parser.add_argument
    add("corpus", type=source, help="plain text, words separated by white space")
    add("--seeds", type=int, default=8)
    add(
        "--words",
        type=int,
        default=2_000_000,
        help="words of the corpus to use (default: %(default)s)",
    )
    add("--model", choices=["sgns", "glove"], default="sgns")
    add("--epochs", type=int, default=5)
    add("--topn", type=int, default=10, help="neighbors compared (default: %(default)s)")
    add("--rounds", type=int, default=1, help="runs of each, alternating (default: %(default)s)")
    add(
        "-o", "--output", type=target, metavar="FILE", help="plot overlap by frequency to this file"
    )
    add("--json", type=target, metavar="FILE", help="write all figures as JSON")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Trains all seeds both ways; prints the times and the overlap of neighbors."""
    need(*["matplotlib"] * bool(options.output))
    settings = {k: v for k, v in vars(options).items() if k != "run"}
    results = [
        run_apart("benchmarks.seeds", {**settings, "way": way})
        for _ in range(options.rounds)
        for way in ("one program", "one after another")
    ]
    report([result["times"] for result in results], settings, options.json)
    bands = results[0]["overlap"]
    print(f"\nwords by rank | overlap of the {options.topn} nearest")
    for low, high, mean, deviation in bands:
        print(f"{low:,} to {high:,} | {100 * mean:.0f} % ± {100 * deviation:.0f}")
    if options.output:
        _draw(bands, options)


def _train(job: dict) -> dict:
    import jaxvec

    jaxvec.use_cores()
    import jax

    words = Path(job["corpus"]).read_text(encoding="utf-8").split(None, job["words"])
    data = jaxvec.Corpus.from_documents([words[: job["words"]]])
    model = jaxvec.SkipGram(sample=1e-4)
    if job["model"] == "glove":
        data, model = jaxvec.cooccurrence.count(data, window=10), jaxvec.GloVe(x_max=10.0)
    keys = jax.random.split(jax.random.key(1), job["seeds"])
    start = time.perf_counter()
    if job["way"] == "one program":
        results = jaxvec.sweep(data, model, key=keys, epochs=job["epochs"], progress=False)
    else:  # each on all cores
        workers = len(jax.devices())
        results = [
            jaxvec.fit(data, model, key=key, epochs=job["epochs"], workers=workers, progress=False)
            for key in keys
        ]
    for result in results:
        jax.block_until_ready(result.params)
    seconds = time.perf_counter() - start
    compiled = results[0].history[0].compile_seconds
    return {
        "times": {
            "way": job["way"],
            "models": len(results),
            "all, s": round(seconds, 1),
            "of it compiling, s": round(compiled, 1),
            "last loss": round(float(np.mean([r.history[-1].loss for r in results])), 4),
        },
        "overlap": _overlap([result.vectors() for result in results], job["topn"]),
    }


def _overlap(models: list, topn: int) -> list[tuple[int, int, float, float]]:
    """The overlap of the `topn` nearest neighbors of two models, by frequency rank.

    Args:
      models: word vectors of each seed.
      topn: the number of neighbors.

    Returns:
      For each band of ranks its first and last rank, and mean and deviation of the overlap.
    """
    size = len(models[0])
    edges = [r for r in (0, 100, 300, 1_000, 3_000, 10_000, 30_000, 100_000) if r < size] + [size]
    asked = np.unique(np.concatenate([
        np.linspace(low, high - 1, min(200, high - low)).astype(int)
        for low, high in pairwise(edges)
    ]))  # fmt: skip
    words = [models[0].index_to_key[i] for i in asked]
    near = [
        [{word for word, _ in row} for row in model.most_similar_many(words, topn=topn)]
        for model in models
    ]
    shared = np.array([
        [len(a[w] & b[w]) / topn for a, b in combinations(near, 2)] for w in range(len(words))
    ]).mean(axis=1)  # fmt: skip
    rows = []
    for low, high in pairwise(edges):
        band = shared[(asked >= low) & (asked < high)]
        rows.append((low + 1, high, round(float(band.mean()), 4), round(float(band.std()), 4)))
    return rows


def _draw(bands: list, options: argparse.Namespace) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 3.6), layout="constrained")
    axes = figure.subplots()
    middles = [np.sqrt(low * high) for low, high, *_ in bands]
    means, deviations = (100 * np.array([band[i] for band in bands]) for i in (2, 3))
    axes.errorbar(middles, means, deviations, fmt="o-", capsize=3)
    axes.set(
        xscale="log", ylim=(0, 100), xlabel="rank of the word by frequency",
        ylabel=f"overlap of the {options.topn} nearest, %",
        title=f"Neighbors with two of {options.seeds} seeds ({options.model}, "
        f"{options.words / 1e6:g}M words)",
    )  # fmt: skip
    axes.grid(alpha=0.3)
    figure.savefig(options.output, dpi=150)


if __name__ == "__main__":
    print(json.dumps(_train(json.loads(sys.argv[1]))))
