"""Stability: settings at and beyond the edges of what is sensible, one epoch each.

Every one must stay finite, with rows of bounded length; and where a block has no fewer
negatives than tokens, keep at least half of the best one's analogies.
"""

import argparse
from typing import Any, NamedTuple

import numpy as np

from benchmarks.common import report, source, target

LONGEST_ROW = 100.0


class Setting(NamedTuple):
    """A run of one epoch."""

    optimizer: str
    times: float  # the optimiser's default rate
    model: dict[str, Any]  # options of `SkipGram`
    words: int | None = None  # of a made-up corpus; None for the one given


SETTINGS = (
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


def add_parser(suites) -> None:
    """Adds the suite to a parser."""
    parser = suites.add_parser("stability", help=__doc__.splitlines()[0], description=__doc__)
    add = parser.add_argument
    add("corpus", type=source, help="plain text, words parted by white space")
    add("--analogies", type=source, metavar="F", help="a file as questions-words.txt")
    add("--restrict-vocab", type=int, default=30_000, help="default: %(default)s")
    add("--sample", type=float, default=1e-4)
    add("--json", type=target, metavar="FILE", help="write every figure there")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Trains with each setting and prints a table."""
    import jaxvec

    jaxvec.use_cores(1)
    text = jaxvec.Corpus.from_files(options.corpus)
    rows = []
    for setting in SETTINGS:
        corpus = text if setting.words is None else zipf_corpus(setting.words, 4_000_000)
        result = train(corpus, setting, options.sample)
        row: dict[str, Any] = {
            "optimizer": setting.optimizer,
            "rate": f"{setting.times:g} x",
            "options": " ".join(f"{k}={v}" for k, v in setting.model.items()),
            "words": len(corpus.vocab),
            "loss": round(result.history[-1].loss, 4),
            "longest row": round(longest_row(result), 1),
            "words/s": round(result.history[-1].words_per_second),
        }
        if options.analogies:
            known = setting.words is None
            row["analogies"] = _accuracy(result, options) if known else ""
        rows.append(row)
    report(rows, {k: v for k, v in vars(options).items() if k != "run"}, options.json)


def train(corpus, setting: Setting, sample: float):
    """The result of one setting on a corpus."""
    import jax

    import jaxvec

    return jaxvec.fit(
        corpus,
        jaxvec.SkipGram(**{"sample": sample, **setting.model}),
        key=jax.random.key(1),
        epochs=1,
        optimizer=setting.optimizer,
        learning_rate=setting.times * jaxvec.OPTIMIZERS[setting.optimizer],
        progress=False,
    )


def longest_row(result) -> float:
    """The greatest length of a row of either table."""
    return max(float(np.linalg.norm(table, axis=1).max()) for table in result.params)


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


def _accuracy(result, options: argparse.Namespace) -> float:
    from jaxvec import evaluate

    answers = evaluate.analogies(
        result.vectors(), options.analogies, restrict_vocab=options.restrict_vocab
    )
    return round(100 * answers.accuracy, 1)
