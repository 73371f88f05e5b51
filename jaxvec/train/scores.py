"""`Scores`: a callback of `fit` that scores the vectors after each epoch."""

import os
from collections.abc import Sequence
from typing import Any, NamedTuple

from jaxvec.train.result import Report, Result
from jaxvec.vectors.evaluate import Analogies, Pairs, analogies, pairs
from jaxvec.vectors.word_vectors import WordVectors


class Score(NamedTuple):
    """What `Scores` found after an epoch."""

    epoch: int
    analogies: Analogies | None
    pairs: list[Pairs]


class Scores:
    """A callback of `fit` that scores the vectors after each epoch.

    Args:
      analogies: a file for `analogies`, if any.
      pairs: files for `pairs`.
      restrict_vocab: how many words, from the first, analogies are answered with.
      similarity_function: as for `analogies`.
      which: which table of the model; see `Result.vectors`.

    Attributes:
      history: a `Score` for each epoch.

    Raises:
      FileNotFoundError, ValueError: as `analogies` and `pairs`, before there is any training.

    >>> import jax, jaxvec
    >>> file = getfixture("tmp_path") / "pairs.txt"
    >>> _ = file.write_text("cat dog 9\\nmat log 8\\ncat log 1\\n")
    >>> corpus = jaxvec.Corpus.from_documents(["cat on mat", "dog on log"] * 9, min_count=1)
    >>> scores = Scores(pairs=[file])
    >>> _ = jaxvec.fit(corpus, key=jax.random.key(0), epochs=2, callbacks=[scores])
    >>> [(score.epoch, score.pairs[0].found) for score in scores.history]
    [(1, 3), (2, 3)]
    """

    def __init__(
        self,
        analogies: str | os.PathLike[str] | None = None,
        pairs: Sequence[str | os.PathLike[str]] = (),
        *,
        restrict_vocab: int | None = None,
        similarity_function: str = "most_similar",
        which: str | None = None,
    ):
        self.history: list[Score] = []
        pairs = [pairs] if isinstance(pairs, str | os.PathLike) else pairs
        self._analogies, self._pairs, self._which = analogies, pairs, which
        self._options: Any = {
            "restrict_vocab": restrict_vocab, "similarity_function": similarity_function
        }  # fmt: skip
        self.score(WordVectors([""], [[0.0]]))

    def __repr__(self) -> str:
        return f"Scores of {len(self.history)} epochs" + (
            f", the last {self.history[-1]}" if self.history else ""
        )

    def __call__(self, report: Report, result: Result) -> None:
        self.history.append(self.score(result.vectors(self._which), report.epoch))

    def score(self, vectors: WordVectors, epoch: int = 0) -> Score:
        """The score of any vectors; the history does not keep it.

        Args:
          vectors: what to score.
          epoch: for the `Score`.
        """
        answers = None
        if self._analogies is not None:
            answers = analogies(vectors, self._analogies, **self._options)
        return Score(epoch, answers, [pairs(vectors, file) for file in self._pairs])
