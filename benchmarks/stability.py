"""Stability: a grid of settings, at and beyond sensible edges.

Every run must stay finite, with rows of bounded length, or end with an error that says what to
change. In the rows of one option each setting must come within two points of its row's best
analogies, or reach gensim's own run at that setting, which --gensim makes where it does
not. In the row `steps`, one epoch each, a run whose blocks have no fewer negatives than tokens
must keep half of the best one's.
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks.common import report, run_apart, source, target

LONGEST_ROW = 100.0
_POINTS = 2.0  # of analogies, below the best of a row
_ITERATIONS = 15  # of GloVe, which learns little from a few
_SMALL_TEXT = 1_000_000  # words, and
_SMALL_VOCABULARY = 2_000  # what a full softmax is trained on


class Setting(NamedTuple):
    """A run, of one epoch in the row `steps`."""

    optimizer: str | None = None  # the model's own
    times: float = 1  # the default rate
    model: dict[str, Any] = {}  # noqa: RUF012  options of the model
    words: int | None = None  # of a made-up corpus; None for the one given
    kind: str = "SkipGram"
    workers: int = 1


STEPS = (
    Setting("sgd", 1, {}),
    Setting("sgd", 1 / 4, {}),
    Setting("sgd", 2, {}),
    Setting("sgd", 1, {"blocks": 1}),
    Setting("sgd", 1, {"blocks": 16}),
    Setting("sgd", 2, {"blocks": 64}),
    Setting("sgd", 1, {"block_negatives": 16}),
    Setting("sgd", 2, {"block_negatives": 16, "blocks": 64}),
    Setting("sgd", 2, {"block_negatives": 128, "blocks": 64}),
    Setting("row_adagrad", 1 / 4, {}),
    Setting("row_adagrad", 2, {"blocks": 64}),
    Setting("adagrad", 2, {"blocks": 64}),
    Setting("adam", 1 / 4, {}),
    Setting("adam", 2, {"blocks": 64}),
    Setting("sgd", 2, {"blocks": 64, "sample": 0}, words=2),
    Setting("sgd", 2, {"blocks": 64}, words=1_000_000),
)


def _row(option: str, *values: Any, **others: Any) -> tuple[Setting, ...]:
    """A setting for each value of an option of the model."""
    return tuple(Setting(model={option: value}, **others) for value in values)


ROWS: dict[str, tuple[Setting, ...]] = {
    "steps": STEPS,
    "window": _row("window", 2, 5, 10, 15, 25),
    "window, not shrunk": tuple(
        Setting(model={"window": window, "shrink_windows": False}) for window in (2, 5, 10)
    ),
    "negative": _row("negative", 1, 2, 5, 10, 25),
    "vector_size": _row("vector_size", 50, 100, 200, 300, 500),
    "sample": _row("sample", 0, 1e-3, 1e-4, 1e-5),
    "ns_exponent": _row("ns_exponent", -0.5, 0, 0.5, 0.75, 1),
    "workers": tuple(Setting(workers=workers) for workers in (1, 2, 3, 4)),
    "workers, window 10": tuple(
        Setting(model={"window": 10}, workers=workers) for workers in (1, 2, 4)
    ),
    "cbow, window": _row("window", 2, 5, 10, 25, kind="CBOW"),
    "cbow, negative": _row("negative", 1, 5, 25, kind="CBOW"),
    "cbow by sums, window": tuple(
        Setting(model={"cbow_mean": False, "window": window}, kind="CBOW") for window in (2, 5, 25)
    ),
    "glove, window": _row("window", 5, 10, 25, kind="GloVe"),
    "softmax, window": _row("window", 2, 5, 25, kind="Softmax"),
}
"""Each varies one option, the others at their defaults."""


def add_parser(suites) -> None:
    """Adds the suite to a parser."""
    parser = suites.add_parser("stability", help=__doc__.splitlines()[0], description=__doc__)
    add = parser.add_argument
    add("corpus", type=source, help="plain text, words parted by white space")
    add("--analogies", type=source, metavar="F", help="a file as questions-words.txt")
    add("--restrict-vocab", type=int, default=30_000, help="default: %(default)s")
    add("--sample", type=float, default=1e-4)
    add("--rows", nargs="+", choices=ROWS, default=list(ROWS), metavar="ROW",
        help="which: " + "; ".join(ROWS))  # fmt: skip
    add("--epochs", type=int, default=2,
        help="of all rows but steps and glove (default: %(default)s)")  # fmt: skip
    add("--gensim", action="store_true", help="run gensim where a setting falls behind")
    add("--json", type=target, metavar="FILE", help="write every figure there")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Trains with each setting and prints a table."""
    import jaxvec

    if options.gensim and not options.analogies:
        raise SystemExit("--gensim needs --analogies, by which a setting falls behind")
    jaxvec.use_cores(max(s.workers for name in options.rows for s in ROWS[name]))
    text = jaxvec.Corpus.from_files(options.corpus)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for name in options.rows:
            found = [_figures(name, setting, text, options) for setting in ROWS[name]]
            if options.analogies and name != "steps":
                _judge(found, ROWS[name], options, folder)
            rows += found
    report(rows, {k: v for k, v in vars(options).items() if k != "run"}, options.json)


def train(data, setting: Setting, sample: float, epochs: int = 1):
    """The result of one setting on a corpus, or on counts."""
    import jax

    import jaxvec

    given = dict(setting.model)
    if setting.kind == "GloVe":
        data = jaxvec.cooccurrence.count(data, window=given.pop("window"))
    else:
        given = {"sample": sample, **given}
    model = getattr(jaxvec, setting.kind)(**given)
    rate = None
    if setting.optimizer:
        rate = setting.times * jaxvec.OPTIMIZERS[setting.optimizer]
    return jaxvec.fit(
        data,
        model,
        key=jax.random.key(1),
        epochs=epochs,
        optimizer=setting.optimizer,
        learning_rate=rate,
        workers=setting.workers,
        progress=False,
    )


def longest_row(result) -> float:
    """The greatest length of a row of either table."""
    tables = (result.params.input, result.params.output)
    return max(float(np.linalg.norm(table, axis=1).max()) for table in tables)


def zipf_corpus(words: int, tokens: int):
    """A corpus drawn from a Zipf distribution over so many words, each there at least once."""
    import jaxvec

    rng = np.random.default_rng(0)
    weights = 1 / np.arange(1, words + 1)
    drawn = rng.choice(words, tokens - words, p=weights / weights.sum())
    ids = np.concatenate([np.arange(words), drawn]).astype(np.int32)
    rng.shuffle(ids)
    counts = np.bincount(ids, minlength=words)
    vocab = jaxvec.Vocab([f"w{i}" for i in range(words)], counts)
    return jaxvec.Corpus(vocab, ids, np.array([0, tokens]), raw_words=tokens)


def _figures(name: str, setting: Setting, text, options: argparse.Namespace) -> dict[str, Any]:
    """Trains with a setting: a line of the table."""
    corpus = text
    if setting.words is not None:
        corpus = zipf_corpus(setting.words, 4_000_000)
    elif setting.kind == "Softmax":
        corpus = _small(text)
    given = setting.model | ({"workers": setting.workers} if setting.workers > 1 else {})
    line: dict[str, Any] = {
        "row": name,
        "optimizer": setting.optimizer or "",
        "rate": f"{setting.times:g} x",
        "options": " ".join(f"{k}={v}" for k, v in given.items()),
        "words": len(corpus.vocab),
    }
    figures: dict[str, Any] = {"loss": "", "longest row": "", "words/s": "", "analogies": ""}
    compared: dict[str, Any] = {"behind": "", "gensim": ""} if options.analogies else {}
    try:
        epochs = 1 if name == "steps" else options.epochs
        epochs = _ITERATIONS if setting.kind == "GloVe" else epochs
        result = train(corpus, setting, options.sample, epochs)
    except ValueError as error:  # it diverged, and says so
        print(f"{name}, {line['options']}: {error}", file=sys.stderr)
        figures["loss"] = "diverged"
    else:
        figures["loss"] = round(result.history[-1].loss, 4)
        figures["longest row"] = round(longest_row(result), 1)
        figures["words/s"] = round(result.history[-1].words_per_second)
        if options.analogies and corpus is text:
            figures["analogies"] = _accuracy(result.vectors(), options)
    line |= figures | compared
    print(json.dumps(line), file=sys.stderr)
    return line


def _judge(
    lines: list[dict[str, Any]],
    settings: tuple[Setting, ...],
    options: argparse.Namespace,
    folder: str,
) -> None:
    """Adds to each line of a row how far it is behind the best, and gensim's analogies there."""
    scores = [line["analogies"] or 0.0 for line in lines]
    if not any(scores):
        return
    for line, score, setting in zip(lines, scores, settings, strict=True):
        line["behind"] = round(max(scores) - score, 1)
        peer = setting.kind in ("SkipGram", "CBOW")
        if options.gensim and peer and line["behind"] > _POINTS:
            line["gensim"] = _peer(setting, options, folder)
            print(json.dumps(line), file=sys.stderr)


def _peer(setting: Setting, options: argparse.Namespace, folder: str) -> float:
    """gensim's analogies at a setting."""
    from benchmarks.sgns import lines
    from jaxvec import WordVectors

    output = Path(folder) / "gensim.bin"
    defaults = {"vector_size": 100, "window": 5, "negative": 5, "sample": options.sample}
    job = {
        **defaults,
        **setting.model,
        "program": "gensim",
        "cbow": setting.kind == "CBOW",
        "workers": setting.workers,
        "epochs": options.epochs,
        "min_count": 5,
        "seed": 1,
        "lines": str(Path(folder) / "lines.txt"),
        "output": str(output),
    }
    if not Path(job["lines"]).exists():
        lines(options.corpus, folder)
    run_apart("benchmarks.sgns", job)
    return _accuracy(WordVectors.load(output), options)


def _small(text):
    """The corpus that a full softmax is trained on: the most frequent words of some text."""
    import jaxvec

    ids = text.ids[:_SMALL_TEXT]
    ids = ids[ids < _SMALL_VOCABULARY]
    counts = np.bincount(ids, minlength=_SMALL_VOCABULARY)
    order = np.argsort(-counts, kind="stable")
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    vocab = jaxvec.Vocab([text.vocab.words[i] for i in order], counts[order])
    ids = place[ids].astype(np.int32)
    return jaxvec.Corpus(vocab, ids, np.array([0, len(ids)]), raw_words=len(ids))


def _accuracy(vectors, options: argparse.Namespace) -> float:
    from jaxvec import evaluate

    answers = evaluate.analogies(vectors, options.analogies, restrict_vocab=options.restrict_vocab)
    return round(100 * answers.accuracy, 1)
