"""Stability: training over a grid of settings, extreme ones included.

Every run must stay finite, with rows of bounded length, or end with an error that says what to
change. In a row that varies one option, each setting must come within two points of the row's
best accuracy on analogies, or reach the accuracy of gensim with that setting (--gensim runs it
where needed). In the row `steps`, of one epoch each, a run with at least as many negatives as
tokens per block must reach half of the best accuracy.
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
_POINTS = 2.0  # tolerated loss of accuracy on analogies, in % of the questions
_ITERATIONS = 15  # epochs of GloVe, which learns little in a few
_SMALL_TEXT = 1_000_000  # words that a full softmax is trained on
_SMALL_VOCABULARY = 2_000  # its vocabulary


class Setting(NamedTuple):
    """The settings of a run.

    Attributes:
      optimizer: its name; None for the model's default.
      times: the factor of its default learning rate.
      model: options of the model.
      words: the vocabulary of a synthetic corpus; None for the corpus given.
      kind: the class of the model.
      workers: the number of workers.
    """

    optimizer: str | None = None
    times: float = 1
    model: dict[str, Any] = {}  # noqa: RUF012
    words: int | None = None
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
"""Settings by row; a row varies one option, with the others at their defaults."""


def add_parser(suites) -> None:
    """Adds the suite to a parser."""
    parser = suites.add_parser("stability", help=__doc__.splitlines()[0], description=__doc__)
    add = parser.add_argument
    add("corpus", type=source, help="plain text, words separated by white space")
    add(
        "--analogies",
        type=source,
        metavar="F",
        help="analogies in the format of questions-words.txt",
    )
    add("--restrict-vocab", type=int, default=30_000, help="default: %(default)s")
    add("--sample", type=float, default=1e-4)
    add("--rows", nargs="+", choices=ROWS, default=list(ROWS), metavar="ROW",
        help="rows to run, of: " + "; ".join(ROWS))  # fmt: skip
    add("--epochs", type=int, default=2,
        help="epochs of all rows but steps and glove (default: %(default)s)")  # fmt: skip
    add("--gensim", action="store_true", help="run gensim for settings that fall behind")
    add("--json", type=target, metavar="FILE", help="write all figures as JSON")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Trains with each setting and prints a table."""
    import jaxvec

    if options.gensim and not options.analogies:
        raise SystemExit("--gensim needs --analogies, which tell the settings that fall behind")
    jaxvec.use_cores(max(s.workers for name in options.rows for s in ROWS[name]))
    text = jaxvec.Corpus.from_files(options.corpus)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for name in options.rows:
            found = [_figures(name, setting, text, options) for setting in ROWS[name]]
            if options.analogies and name != "steps":
                _compare(found, ROWS[name], options, folder)
            rows += found
    report(rows, {k: v for k, v in vars(options).items() if k != "run"}, options.json)


def train(data, setting: Setting, sample: float, epochs: int = 1):
    """Trains with one setting; returns the result.

    Args:
      data: a corpus.
      setting: the setting.
      sample: the default of the option.
      epochs: the number of epochs.
    """
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
    """The largest norm of a row of either table."""
    tables = (result.params.input, result.params.output)
    return max(float(np.linalg.norm(table, axis=1).max()) for table in tables)


def zipf_corpus(words: int, tokens: int):
    """Draws a corpus from a Zipf distribution; every word occurs.

    Args:
      words: the size of the vocabulary.
      tokens: the length of the corpus, at least `words`.
    """
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
    """Trains with a setting; returns its line of the table."""
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
    except ValueError as error:  # diverged, with a message
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


def _compare(
    lines: list[dict[str, Any]],
    settings: tuple[Setting, ...],
    options: argparse.Namespace,
    folder: str,
) -> None:
    """Adds to each line of a row its distance from the best, and gensim's accuracy if too far."""
    scores = [line["analogies"] or 0.0 for line in lines]
    if not any(scores):
        return
    for line, score, setting in zip(lines, scores, settings, strict=True):
        line["behind"] = round(max(scores) - score, 1)
        in_gensim = setting.kind in ("SkipGram", "CBOW")
        if options.gensim and in_gensim and line["behind"] > _POINTS:
            line["gensim"] = _of_gensim(setting, options, folder)
            print(json.dumps(line), file=sys.stderr)


def _of_gensim(setting: Setting, options: argparse.Namespace, folder: str) -> float:
    """The accuracy of gensim on analogies, with a setting."""
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
    """The corpus for a full softmax: a part of the text, with its most frequent words."""
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
