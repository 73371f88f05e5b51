"""Loading, querying and scoring word vectors: jaxvec and gensim, each run in its own process."""

import argparse
import json
import sys
import time
from pathlib import Path

from benchmarks.common import need, peak_memory, report, run_apart, source, target

_PROGRAMS = ("jaxvec", "gensim")
_MANY = 10_000  # words of a batched query


def add_parser(suites) -> None:
    """Adds the suite to a parser."""
    parser = suites.add_parser("queries", help=__doc__, description=__doc__)
    add = parser.add_argument
    add("vectors", nargs="+", type=source, help="files in word2vec text or binary")
    add(
        "--analogies",
        type=source,
        metavar="F",
        help="analogies in the format of questions-words.txt",
    )
    add("--many", type=int, default=1000, help="single queries to gensim (default: %(default)s); "
        f"jaxvec gets one query of {_MANY:,} words")  # fmt: skip
    add("--rounds", type=int, default=1, help="runs of each, alternating (default: %(default)s)")
    add("--json", type=target, metavar="FILE", help="write all figures as JSON")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Measures each file with each program and prints a table."""
    need("gensim")
    settings = {k: v for k, v in vars(options).items() if k != "run"}
    rows = [
        run_apart("benchmarks.queries", {**settings, "file": file, "program": program})
        for _ in range(options.rounds)
        for file in options.vectors
        for program in _PROGRAMS
    ]
    report(rows, settings, options.json)


def _measure(job: dict) -> dict:
    file, ours = job["file"], job["program"] == "jaxvec"
    if ours:
        from jaxvec import WordVectors as Vectors
    else:
        from gensim.models import KeyedVectors as Vectors

    idle = peak_memory()
    start = time.perf_counter()
    vectors = Vectors.load_word2vec_format(file, binary=file.endswith(".bin"))
    row = {
        "file": Path(file).name,
        "program": job["program"],
        "load, s": round(time.perf_counter() - start, 2),
        "file, GB": round(Path(file).stat().st_size / 2**30, 2),
        "table, GB": round(vectors.vectors.nbytes / 2**30, 2),
        "peak while loading, GB": round(peak_memory() - idle, 2),
    }
    start = time.perf_counter()
    vectors.most_similar(vectors.index_to_key[0])
    first = time.perf_counter() - start
    words = vectors.index_to_key[:_MANY] if ours else vectors.index_to_key[: job["many"]]
    if ours:
        start = time.perf_counter()
        vectors.most_similar_many(words)  # compiles
        row["compile and neighbors, s"] = round(time.perf_counter() - start, 2)
        start = time.perf_counter()
        vectors.most_similar_many(words)
    else:
        row["compile and neighbors, s"] = "-"
        start = time.perf_counter()
        for word in words:
            vectors.most_similar(word)
    row["neighbors of a word, ms"] = round(1000 * (time.perf_counter() - start) / len(words), 3)
    row["first query, s"] = round(first, 3)
    if job["analogies"]:
        start = time.perf_counter()
        _, sections = vectors.evaluate_word_analogies(job["analogies"], restrict_vocab=len(vectors))
        row["analogies, s"] = round(time.perf_counter() - start, 2)
        last = sections[-1]
        row["right"] = f"{len(last['correct'])} of {len(last['correct']) + len(last['incorrect'])}"
    return row


if __name__ == "__main__":
    print(json.dumps(_measure(json.loads(sys.argv[1]))))
