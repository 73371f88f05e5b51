"""Two tables as one: what a word's input and output vector say together.

A model with negative sampling learns two vectors of each word, and most programs throw one away.
The cosines of either table have errors of their own, and a large part of all vectors in common:
the mean of the table, which says nothing of a word. So each table is taken without its mean, its
vectors at length 1, and the two side by side; of the 2D directions the D stay in which words
differ most.

Letters: `V` vocabulary, `D` dimension.

References:
  Mu and Viswanath 2018, "All-but-the-Top: Simple and Effective Postprocessing for Word
  Representations", for the mean; Pennington, Socher and Manning 2014, "GloVe: Global Vectors for
  Word Representation", for the use of both tables.
"""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from threadpoolctl import threadpool_limits

_ROWS = 1 << 11  # that are joined together, in float64

Parts = Callable[[], Iterator[Sequence[np.ndarray]]]
"""Called for each pass over the tables: yields rows of both, [n, D] each, in order."""

PASSES = 3


def joined(parts: Parts, words: int) -> Iterator[np.ndarray]:
    """Joins two tables, three times over their rows.

    With w and c the vectors of a word, their means over the vocabulary w̄ and c̄, and u(x) = x / |x|,

        j = [u(w - w̄), u(c - c̄)] Q

    where the columns of Q [2D, D] are the leading right singular vectors of the table of all
    [u(w - w̄), u(c - c̄)]. The sign of each makes its entry of largest magnitude positive. The bits
    do not depend on the number of cores, nor on how rows are parted, if in multiples of 2,048.

    Args:
      parts: the two tables.
      words: `V`.

    Yields:
      Rows of the joined table in order, float64[n, D].

    >>> tables = np.array([[2.0, 0], [-1, 1], [-1, -1]]), np.array([[0.0, 1], [0, 1], [0, -2]])
    >>> table = np.concatenate(list(joined(lambda: iter([tables]), 3)))
    >>> print((table @ table.T).round(2).tolist())  # twice the mean of the two cosines, nearly
    [[1.95, 0.27, -1.77], [0.27, 1.99, -1.03], [-1.77, -1.03, 1.93]]
    """
    means = [0.0, 0.0]
    for pair in _blocks(parts):
        means = [mean + table.sum(axis=0) / words for mean, table in zip(means, pair, strict=True)]

    def side_by_side() -> Iterator[np.ndarray]:
        for pair in _blocks(parts):
            yield np.hstack([_unit(t - mean) for t, mean in zip(pair, means, strict=True)])

    with threadpool_limits(1):  # of BLAS, whose bits depend on their number
        gram = sum(both.T @ both for both in side_by_side())
        directions = np.linalg.eigh(gram)[1][:, ::-1]
        directions = directions[:, : len(directions) // 2]
    largest = np.abs(directions).argmax(axis=0)[None]
    directions = directions * np.sign(np.take_along_axis(directions, largest, axis=0))
    for both in side_by_side():
        with threadpool_limits(1):
            rows = both @ directions
        yield rows


def _blocks(parts: Parts) -> Iterator[list[np.ndarray]]:
    """The rows of both tables, `_ROWS` at a time, float64."""
    for pair in parts():
        for start in range(0, len(pair[0]), _ROWS):
            yield [np.asarray(table[start : start + _ROWS], np.float64) for table in pair]


def _unit(rows: np.ndarray) -> np.ndarray:
    """Rows at length 1; zeros stay."""
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return rows / np.where(lengths > 0, lengths, 1)
