"""Answers to thousands of analogies in one call, as functions on arrays.

Letters: `V` vocabulary, `D` dimension, `Q` questions.
"""

from collections.abc import Callable, Sequence

import numpy as np

from jaxvec.vectors.ranking import EPSILON

_SCORES = 1 << 24  # cosines in memory: 64 MiB

Operation = Callable[..., np.ndarray]


def solve(
    units: np.ndarray,
    questions: np.ndarray,
    exclude: Sequence[Sequence[int]],
    similarity_function: str = "most_similar",
) -> np.ndarray:
    """The words d for which "a is to b as c is to d" scores highest: int[Q], -1 without any.

    The score of d is for ``"most_similar"`` (3CosAdd) and ``"most_similar_cosmul"`` (3CosMul),
    with cosines s, and s' = (1 + s) / 2,

        s(d, b) - s(d, a) + s(d, c)          s'(d, b) s'(d, c) / (s'(d, a) + 10⁻⁶)

    Questions share their words: of the 19,544 that Mikolov et al. ask 905 are distinct. So the
    cosines of each word with the vocabulary are found once, in one product, and a question
    takes a sum of three rows; the first two terms once for neighboring questions with the same
    a and b. Of equal scores the first word wins.

    Args:
      units: vectors of length 1, float32[V, D].
      questions: the places of a, b and c, int[Q, 3].
      exclude: for each question the places of the words that cannot be its answer.
      similarity_function: which score, by the name of gensim's method.

    Raises:
      ValueError: for another name.

    >>> units = np.array([[0, 1], [0.7, 0.7], [0, 1], [0.8, 0.6]], np.float32)
    >>> solve(units, np.array([[0, 1, 2]]), exclude=[[0, 1, 2]]).tolist()
    [3]

    References:
      Levy and Goldberg 2014, "Linguistic Regularities in Sparse and Explicit Word
      Representations".
    """
    operations: dict[str, tuple[Operation, Operation]] = {
        "most_similar": (np.subtract, np.add),
        "most_similar_cosmul": (np.divide, np.multiply),
    }
    if similarity_function not in operations:
        raise ValueError(
            f"similarity_function must be {' or '.join(operations)}; got {similarity_function!r}"
        )
    first, second = operations[similarity_function]
    words, rows = np.unique(questions, return_inverse=True)
    asked = rows.reshape(-1, 3).tolist()
    best = np.full(len(asked), -np.inf, np.float32)
    answers = np.full(len(asked), -1)
    width = max(1, _SCORES // max(1, len(words)))
    for start in range(0, len(units), width):
        scores = units[words] @ units[start : start + width].T
        if similarity_function == "most_similar_cosmul":
            scores = (1 + scores) / 2
        relation, total = np.empty((2, scores.shape[1]), np.float32)
        related = None
        for i, (a, b, c) in enumerate(asked):
            if (a, b) != related:
                divisor = scores[a] + EPSILON if first is np.divide else scores[a]
                first(scores[b], divisor, out=relation)
                related = a, b
            second(relation, scores[c], out=total)
            for place in exclude[i]:
                if 0 <= place - start < len(total):
                    total[place - start] = -np.inf
            top = total.argmax()
            if total[top] > best[i]:
                best[i], answers[i] = total[top], start + top
    return answers
