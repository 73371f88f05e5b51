"""Text larger than memory: a made-up stream, read to disk and trained on, tenth by tenth."""

import argparse
import itertools
import json
import sys
import tempfile
import time

import numpy as np

from benchmarks.common import peak_memory, report, run_apart, target

_PIECE = 20_000  # words of a document
_DRAWN = 4_000_000  # words that are drawn; the stream takes documents out of them at random


def add_parser(suites) -> None:
    """Adds the suite to a parser."""
    parser = suites.add_parser("stream", help=__doc__, description=__doc__)
    add = parser.add_argument
    add("--tokens", type=int, default=100_000_000)
    add("--words", type=int, default=50_000, help="of the vocabulary (default: %(default)s)")
    add("--memory", type=int, default=64 << 20, help="bytes, as of Corpus (default: %(default)s)")
    add("--folder", default=tempfile.gettempdir(), help="of the temporary files")
    add("--json", type=target, metavar="FILE", help="write all figures as JSON")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Reads and trains, and prints a table of each."""
    settings = {k: v for k, v in vars(options).items() if k != "run"}
    rows = run_apart("benchmarks.stream", settings)["rows"]
    report(rows, settings, options.json)


def pieces(words: int, tokens: int):
    """Documents of `_PIECE` words, of a Zipf distribution.

    Args:
      words: of the vocabulary.
      tokens: of all documents.
    """
    rng = np.random.default_rng(0)
    weights = 1 / np.arange(1, words + 1)
    names = np.array([f"w{i}" for i in range(words)], object)
    drawn = names[rng.choice(words, _DRAWN, p=weights / weights.sum())].tolist()
    for _ in range(0, tokens, _PIECE):
        start = int(rng.integers(0, _DRAWN - _PIECE))
        yield drawn[start : start + _PIECE], True


class Meter:
    """Time, CPU time and memory whenever a part of the work is done; all parts are alike."""

    def __init__(self):
        self.seen: list[tuple[float, float, int]] = []

    def __call__(self) -> bool:
        """Notes a part; False, so that it can be the `should_stop` of `fit`."""
        from jaxvec.storage.pool import resident_memory

        self.seen.append((time.perf_counter(), time.process_time(), resident_memory()))
        return False

    def rows(self, what: str, tokens: int) -> list[dict]:
        """A row for each tenth: speed, also by CPU time, where other work runs beside; and the
        most memory."""
        marks = np.linspace(0, len(self.seen) - 1, min(11, len(self.seen))).round().astype(int)
        rows = []
        for tenth, (first, last) in enumerate(itertools.pairwise(marks), 1):
            seconds, busy = (self.seen[last][i] - self.seen[first][i] for i in (0, 1))
            words = tokens * (last - first) / len(self.seen)
            held = max(memory for *_, memory in self.seen[first : last + 1])
            rows.append(
                {
                    "": what,
                    "tenth": tenth,
                    "words/s": round(words / seconds),
                    "words/s of CPU time": round(words / busy),
                    "RSS, GB": round(held / 2**30, 3),
                }
            )
        return rows


def _measure(job: dict) -> dict:
    import jaxvec

    jaxvec.use_cores(1)
    import jax

    reading = Meter()

    def metered():
        for piece in pieces(job["words"], job["tokens"]):
            reading()
            yield piece

    corpus = jaxvec.Corpus.from_pieces(metered(), memory=job["memory"], folder=job["folder"])
    rows = reading.rows("read", len(corpus))
    training = Meter()
    jaxvec.fit(
        corpus, jaxvec.SkipGram(sample=1e-4), key=jax.random.key(1), epochs=1, workers=1,
        progress=False, should_stop=training,
    )  # fmt: skip
    rows += training.rows("train", len(corpus))
    peak = dict.fromkeys(rows[0], "") | {"": "peak", "RSS, GB": peak_memory()}
    return {"rows": [*rows, peak]}


if __name__ == "__main__":
    print(json.dumps(_measure(json.loads(sys.argv[1]))))
