"""How much of a planted structure vectors recover, in percent; or scores on files of a user.

Recovery is Spearman's rank correlation of the cosines of word vectors with the cosines of latent
vectors, over random pairs of words: 0 for vectors that know nothing, 100 for the latent vectors.
Analogies are "a is to b as c is to ?", right if the nearest word to b - a + c (3CosAdd) is one of
the planted class, b's attribute and c's topic; chance is one in 512.

Asked are all words that the text is expected to have `LEAST` times, except the neutral ones.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmarks.suite.planted import NEUTRAL, Planted
from jaxvec import WordVectors, analogies, evaluate

LEAST = 20  # occurrences, expected, of a word that is asked for
MOST_WORDS = 10_000  # that are asked for
PAIRS, QUESTIONS = 200_000, 2000
_SLICE = 1 << 15  # pairs at a time

Scores = Callable[[WordVectors], dict[str, float]]
"""From vectors to named scores in percent, the first of which is the one to hold."""


class Exam(NamedTuple):
    """What vectors are asked about a planted text: a `Scores`.

    Attributes:
      words: the `R` words that are asked for.
      pairs: int[P, 2], places in `words`.
      cosines: float32[P], of their latent vectors.
      questions: int[Q, 3], places of a, b and c in `words`.
      wanted: int[Q], the class of the answer.
      classes: int[R], of each word.
    """

    words: list[str]
    pairs: np.ndarray  # int[P, 2]
    cosines: np.ndarray  # float32[P]
    questions: np.ndarray  # int[Q, 3]
    wanted: np.ndarray  # int[Q]
    classes: np.ndarray  # int[R]

    def __call__(self, vectors: WordVectors) -> dict[str, float]:
        """Recovery and analogies, in percent; NaN for vectors that are not finite.

        Args:
          vectors: of all `words`.
        """
        from scipy import stats

        rows = vectors.vectors[[vectors.key_to_index[word] for word in self.words]]
        if not np.isfinite(rows).all():
            return {"recovery": float("nan"), "analogies": float("nan")}
        units = _unit(rows)
        found = _cosines(units, self.pairs)
        same = found.std() == 0  # a correlation with a constant is none
        recovery = 0.0 if same else float(stats.spearmanr(found, self.cosines).statistic)
        answers = analogies.solve(units, self.questions, self.questions.tolist())
        right = self.classes[answers] == self.wanted
        return {"recovery": 100 * recovery, "analogies": 100 * float(right.mean())}


def exam(planted: Planted, seed: int = 0) -> Exam:
    """The questions about a planted text.

    Args:
      planted: from `planted.plant`.
      seed: of the choice of pairs and questions.

    Raises:
      ValueError: if the text is too short, or has too few words, to ask about.

    >>> import jax
    >>> from benchmarks.suite.planted import plant
    >>> text = plant(jax.random.key(0), 30_000, 600, topics=8, attributes=4)
    >>> latent = WordVectors(text.corpus.vocab.words, text.truth.latent)
    >>> round(exam(text)(latent)["recovery"])
    100
    """
    topic, attribute = planted.truth.topic, planted.truth.attribute
    often = np.flatnonzero((planted.unigram * len(planted.corpus) >= LEAST) & (topic >= 0))
    ids = often[:MOST_WORDS]
    attributes = int(attribute.max()) + 1
    classes = topic[ids].astype(np.int64) * attributes + attribute[ids]
    random = np.random.default_rng(seed)
    drawn = _questions(random, classes, int(topic.max()) + 1, attributes)
    if not len(drawn):
        raise ValueError(
            f"{len(planted.corpus)} tokens have {len(ids)} words, the first {NEUTRAL} aside, that "
            f"occur {LEAST} times: too few for an analogy; draw more tokens"
        )
    pairs = random.integers(0, len(ids), (PAIRS, 2))
    pairs = pairs[pairs[:, 0] != pairs[:, 1]]
    return Exam(
        words=[planted.corpus.vocab.words[i] for i in ids],
        pairs=pairs,
        cosines=_cosines(_unit(planted.truth.latent[ids]), pairs),
        questions=drawn[:, :3],
        wanted=classes[drawn[:, 3]],
        classes=classes,
    )


def files(
    analogy_file: str | None, pair_files: Sequence[str], restrict_vocab: int | None
) -> Scores:
    """Scores on a user's files, by `jaxvec.evaluate`.

    Args:
      analogy_file: of `evaluate.analogies`; None for none.
      pair_files: of `evaluate.pairs`, each scored by 100 times Spearman's correlation.
      restrict_vocab: how many words analogies are answered with; None for all.
    """

    def scores(vectors: WordVectors) -> dict[str, float]:
        found = {}
        if analogy_file is not None:
            answers = evaluate.analogies(vectors, analogy_file, restrict_vocab=restrict_vocab)
            found["analogies"] = 100 * answers.accuracy
        for file in pair_files:
            name = Path(file).stem if Path(file).stem not in found else file
            found[name] = 100 * evaluate.pairs(vectors, file).spearman
        return found

    return scores


def _questions(
    random: np.random.Generator, classes: np.ndarray, topics: int, attributes: int
) -> np.ndarray:
    """Words a, b, c and a right d of each question, int[at most QUESTIONS, 4].

    Args:
      random: of the choice.
      classes: topic · A + attribute of each word, int[R].
      topics, attributes: `H` and `A`.
    """
    order = np.argsort(classes, kind="stable")
    sizes = np.bincount(classes, minlength=topics * attributes)
    starts = np.cumsum(sizes) - sizes
    topic, attribute = (_two(random, count, 4 * QUESTIONS) for count in (topics, attributes))
    of_each = np.stack(
        [topic[0] * attributes + attribute[0], topic[0] * attributes + attribute[1],
         topic[1] * attributes + attribute[0], topic[1] * attributes + attribute[1]], axis=1
    )  # fmt: skip
    fit = (sizes[of_each] > 0).all(axis=1) & (topic[0] != topic[1]) & (attribute[0] != attribute[1])
    of_each = of_each[fit][:QUESTIONS]
    places = (random.random(of_each.shape) * sizes[of_each]).astype(np.int64)
    return order[starts[of_each] + places]


def _two(random: np.random.Generator, count: int, many: int) -> np.ndarray:
    """Pairs of numbers below `count`, unequal if there are two: int[2, many]."""
    first = random.integers(0, count, many)
    return np.stack([first, (first + random.integers(1, max(count, 2), many)) % count])


def _cosines(units: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """The products of pairs of rows, float32[P]."""
    parts = (pairs[i : i + _SLICE] for i in range(0, len(pairs), _SLICE))
    products = [np.einsum("pd,pd->p", units[part[:, 0]], units[part[:, 1]]) for part in parts]
    return np.concatenate(products)


def _unit(rows: np.ndarray) -> np.ndarray:
    """Rows of length 1, and those of length 0 as they are: float32."""
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return (rows / np.where(lengths > 0, lengths, 1)).astype(np.float32)
