"""Skip-gram with negative sampling: jaxvec and gensim in turn, speed and quality of the same run.

Each program runs in a process of its own, so that peak memory is its own and neither
finds the other's threads. Vectors are scored by `jaxvec.evaluate` for both.
"""

import argparse
import json
import os
import platform
import re
import resource
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

PROGRAMS = ("jaxvec", "gensim")
_SENTENCE = 1000  # words a line for gensim, as word2vec.c cuts its input


def add_parser(suites) -> None:
    """Adds the suite to a parser."""
    parser = suites.add_parser("sgns", help=__doc__.splitlines()[0], description=__doc__)
    add = parser.add_argument
    add("corpus", help="plain text, words parted by white space")
    add("--analogies", metavar="F", help="a file as questions-words.txt")
    add("--pairs", nargs="*", default=[], metavar="F", help="word pairs and people's scores")
    add("--restrict-vocab", type=int, default=30_000, help="default: %(default)s")
    add("--programs", nargs="+", choices=PROGRAMS, default=PROGRAMS)
    add("--rounds", type=int, default=1, help="runs of each, in turn (default: %(default)s)")
    add("--vector-size", type=int, default=100)
    add("--window", type=int, default=5)
    add("--negative", type=int, default=5)
    add("--sample", type=float, default=1e-4)
    add("--min-count", type=int, default=5)
    add("--epochs", type=int, default=5)
    add("--workers", type=int, default=2, help="gensim's threads (default: %(default)s)")
    add("--json", metavar="FILE", help="write every figure there")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Runs each program in turn, scores its vectors and prints a table."""
    settings = {k: v for k, v in vars(options).items() if k != "run"}
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        if "gensim" in options.programs:
            settings["lines"] = _lines(options.corpus, folder)
        for seed in range(1, options.rounds + 1):
            for program in options.programs:
                vectors = Path(folder) / f"{program}{seed}.bin"
                job = {**settings, "seed": seed, "output": str(vectors)}
                command = [sys.executable, "-m", "benchmarks.sgns", program, json.dumps(job)]
                done = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True)
                figures = json.loads(done.stdout.splitlines()[-1])
                scores = _scores(vectors, options)
                rows.append({"program": program, "seed": seed, **figures, **scores})
                print(json.dumps(rows[-1]), file=sys.stderr)
    print(_table(rows))
    if options.json:
        report = {"settings": settings, "machine": _machine(), "runs": rows}
        Path(options.json).write_text(json.dumps(report, indent=1) + "\n")


def _scores(path: Path, options: argparse.Namespace) -> dict[str, float]:
    from jaxvec import WordVectors, evaluate

    vectors, scores = WordVectors.load(path), {}
    if options.analogies:
        for name, limit in [("analogies", options.restrict_vocab), ("analogies, full", None)]:
            answers = evaluate.analogies(vectors, options.analogies, restrict_vocab=limit)
            scores[name] = round(100 * answers.accuracy, 2)
    for file in options.pairs:
        scores[Path(file).stem] = round(evaluate.pairs(vectors, file).spearman, 4)
    return scores


def _table(rows: list[dict]) -> str:
    lines = ["| " + " | ".join(rows[0]) + " |", "|" + "---|" * len(rows[0])]
    lines += ["| " + " | ".join(str(value) for value in row.values()) + " |" for row in rows]
    return "\n".join(lines)


def _machine() -> dict[str, str]:
    names = ("jax", "jaxlib", "numpy", "gensim", "jaxvec")
    return {
        "python": platform.python_version(),
        "cores": str(len(os.sched_getaffinity(0))),
        "processor": next(
            (
                line.split(":")[1].strip()
                for line in Path("/proc/cpuinfo").read_text().splitlines()
                if line.startswith("model name")
            ),
            platform.processor(),
        ),
        **{name: version(name) for name in names},
    }


def _jaxvec(job: dict) -> dict[str, float]:
    import jaxvec

    jaxvec.single_thread()
    import jax

    start = time.perf_counter()
    corpus = jaxvec.Corpus.from_files(job["corpus"], min_count=job["min_count"])
    read = time.perf_counter() - start
    model = jaxvec.SkipGram(
        vector_size=job["vector_size"],
        window=job["window"],
        negative=job["negative"],
        sample=job["sample"],
    )
    key = jax.random.key(job["seed"])
    result = jaxvec.fit(corpus, model, key=key, epochs=job["epochs"], progress=False)
    jax.block_until_ready(result.params)
    result.vectors().save(job["output"])
    train = sum(report.seconds for report in result.history)
    return _figures(
        read, result.history[0].compile_seconds, train, corpus.raw_words * job["epochs"]
    )


def _gensim(job: dict) -> dict[str, float]:
    from gensim.models import Word2Vec

    model = Word2Vec(
        sg=1,
        vector_size=job["vector_size"],
        window=job["window"],
        negative=job["negative"],
        sample=job["sample"],
        min_count=job["min_count"],
        workers=job["workers"],
        seed=job["seed"],
    )
    start = time.perf_counter()
    model.build_vocab(corpus_file=job["lines"])
    read = time.perf_counter() - start
    words = model.corpus_total_words
    start = time.perf_counter()
    model.train(
        corpus_file=job["lines"],
        total_words=words,
        total_examples=model.corpus_count,
        epochs=job["epochs"],
    )
    train = time.perf_counter() - start
    model.wv.save_word2vec_format(job["output"], binary=True)
    return _figures(read, 0.0, train, words * job["epochs"])


def _lines(corpus: str, folder: str) -> str:
    """The corpus in lines that gensim does not cut off and can share out to its threads."""
    path, words = Path(folder) / "lines.txt", Path(corpus).read_text().split()
    starts = range(0, len(words), _SENTENCE)
    path.write_text("".join(" ".join(words[i : i + _SENTENCE]) + "\n" for i in starts))
    return str(path)


def _figures(read: float, compiling: float, train: float, words: int) -> dict[str, float]:
    return {
        "vocabulary and ids, s": round(read, 2),
        "compile, s": round(compiling, 2),
        "train, s": round(train, 2),
        "words/s": round(words / train),
        "peak RSS, GB": round(_peak_memory() / 2**20, 2),
    }


def _peak_memory() -> int:
    """KiB. The kernel's own count, where it has one: getrusage's includes the parent's, by fork."""
    status = Path("/proc/self/status")
    if status.exists():
        return int(re.search(r"VmHWM:\s+(\d+)", status.read_text())[1])
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


if __name__ == "__main__":
    print(json.dumps({"jaxvec": _jaxvec, "gensim": _gensim}[sys.argv[1]](json.loads(sys.argv[2]))))
