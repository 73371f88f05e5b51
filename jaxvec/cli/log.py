"""The reports of `jaxvec train` on an epoch: a line on standard error, and JSON in `--log`."""

import argparse
import json
import math
from pathlib import Path

from jaxvec.cli.common import neighbors_line, say
from jaxvec.cli.models import word_table
from jaxvec.cli.query import pairs_line
from jaxvec.cooccurrence import Cooccurrence
from jaxvec.storage.files import atomic_write
from jaxvec.text.read import text_lines
from jaxvec.train.processes import is_first
from jaxvec.train.registry import MODELS
from jaxvec.train.result import Report, Result
from jaxvec.train.scores import Score, Scores
from jaxvec.train.steps import StepReport
from jaxvec.vectors.word_vectors import WordVectors


class Log:
    """A callback of `fit` that reports on each epoch.

    Args:
      options: of the command.
      resuming: whether to keep the lines of an existing log.

    Raises:
      FileNotFoundError, ValueError: if a file to score by is missing or malformed.
    """

    def __init__(self, options: argparse.Namespace, *, resuming: bool):
        self._options = options
        self._scores = Scores(
            options.analogies,
            options.pairs,
            restrict_vocab=options.restrict_vocab,
            which=word_table(options),
        )
        self._told: dict[int, dict] = {}  # the log's lines, by epoch
        self._begun = False
        if resuming and options.log and Path(options.log).exists():
            for number, line in text_lines(options.log, "log"):
                try:
                    told = json.loads(line)
                    self._told[int(told["epoch"])] = told
                except Exception:  # deep JSON is a RecursionError
                    raise ValueError(
                        f"{options.log}, line {number} is not of a log of 'jaxvec train'; "
                        "give another --log"
                    ) from None

    def __call__(self, report: Report, result: Result) -> None:
        write_back = result.write_back
        if write_back and not self._begun and (write_back.seconds or self._options.write_back):
            say(f"write-back: {write_back}")
        self._begun = True
        say(_line(report, "cells" if isinstance(result.data, Cooccurrence) else "words"))
        options = self._options
        score = Score(report.epoch, None, [])
        if options.analogies or options.pairs or options.probe:
            vectors = result.vectors(word_table(options))  # in each process
            score = self.tell(vectors, report.epoch) if is_first() else score
        if options.log and is_first():
            self._told[report.epoch] = _finite(report._asdict() | _numbers(score))
            self._write(result.history)

    def tell(self, vectors: WordVectors, epoch: int = 0) -> Score:
        """Prints the scores of vectors, and neighbors.

        Args:
          vectors: the vectors.
          epoch: of the returned score.
        """
        options = self._options
        score = self._scores.score(vectors, epoch)
        if score.analogies:
            right, asked = score.analogies.correct, score.analogies.total
            say(
                f"  {options.analogies}: {100 * score.analogies.accuracy:.1f} %, {right} of {asked}"
            )
        for pairs in score.pairs:
            say(f"  {pairs_line(pairs)}")
        for word in options.probe:
            say("  " + neighbors_line(vectors, word))
        return score

    def steps(self, report: StepReport) -> None:
        """A step callback: prints loss and speed."""
        unit = "cells" if MODELS[self._options.model].counts else "words"
        say(
            f"  step {report.step}: loss {report.loss:.4f}, {report.words_per_second:,.0f} {unit}/s"
        )

    def _write(self, history: list[Report]) -> None:
        """Rewrites the whole log: a killed run may have logged an epoch twice."""
        with atomic_write(self._options.log) as temporary, open(temporary, "w") as log:
            for past in history:
                log.write(json.dumps(self._told.get(past.epoch, _finite(past._asdict()))) + "\n")


def _line(report: Report, unit: str) -> str:
    seen = f"loss {report.loss:.4f}" if report.pairs else "no pairs seen, so no loss"
    valid = ""
    if report.valid_loss is not None:
        held_out = f"{report.valid_loss:.4f}"
        valid = f", held out {'no pairs' if math.isnan(report.valid_loss) else held_out}"
    found = f", start found in {report.start_seconds:.1f} s" if report.start_seconds else ""
    compiled = f", compiled in {report.compile_seconds:.1f} s" if report.compile_seconds else ""
    return (
        f"epoch {report.epoch}: {seen}{valid}, {report.seconds:.1f} s, "
        f"{report.words_per_second:,.0f} {unit}/s{found}{compiled}"
    )


def _numbers(score: Score) -> dict:
    """The scores, as JSON names them."""
    found: dict = {}
    if score.analogies:
        found["analogies"] = score.analogies.accuracy
    if score.pairs:
        found["word_pairs"] = {pairs.file: pairs.spearman for pairs in score.pairs}
    return found


def _finite(numbers: dict) -> dict:
    """Numbers as JSON holds them, null for NaN."""
    return json.loads(json.dumps(numbers), parse_constant=lambda _: None)
