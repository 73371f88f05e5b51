"""Documents of whole numbers, such as nodes or items, as codes that become ids of a vocabulary."""

from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from jaxvec.text.vocab import Vocab, word_list

_PADDING = -1
_SPARSE = 8  # numbers up to this many times the tokens are counted in an array, others sorted


class Numbered(NamedTuple):
    """`T` tokens in `N` documents, whose words are `C` different numbers.

    Attributes:
      numbers: the numbers that occur, rising, int[C].
      codes: the place in `numbers` of each token's number, int32[T].
      ends: where documents end, rising, int64[N]; the last is T.
    """

    numbers: np.ndarray  # int[C]
    codes: np.ndarray  # int32[T]
    ends: np.ndarray  # int64[N]

    @property
    def counts(self) -> np.ndarray:
        """How often each number occurs, int64[C]."""
        return np.bincount(self.codes, minlength=len(self.numbers))

    def words(self, words: Sequence[str] | None = None) -> list[str]:
        """The word of each number that occurs, `C` words.

        Args:
          words: the word of each number from 0 on; by default its decimal digits.

        Raises:
          ValueError: if a number has no word, or two numbers that occur have the same.
          TypeError: if a word is no string.
        """
        if words is None:
            return [str(number) for number in self.numbers.tolist()]
        words = word_list(words)
        if int(self.numbers[-1]) >= len(words):
            raise ValueError(
                f"ids go up to {self.numbers[-1]}, and there are words up to {len(words) - 1}: "
                "give the word of each id from 0 on"
            )
        found = [words[number] for number in self.numbers.tolist()]
        if len(set(found)) < len(found):
            twice = Counter(found).most_common(1)[0][0]
            raise ValueError(f"two ids have the same word {twice!r}")
        return found


def numbered(ids: Any, breaks: Any = None) -> Numbered:
    """Checks arrays of whole numbers and gives each number a code.

    Args:
      ids: int[T], with `breaks`; int[N, L], a document a row, filled up by -1; or a list of
        arrays or lists, a document each.
      breaks: where documents end, rising, int[N]; the last is T. A first 0 is allowed. By default
        there is one document. Documents may be empty.

    Raises:
      TypeError: if `ids` or `breaks` are not whole numbers.
      ValueError: if a number is negative, there is none, or `breaks` do not fit.

    >>> numbered([[7, 5, 7], [5]])
    Numbered(numbers=array([5, 7]), codes=array([1, 0, 1, 0], dtype=int32), ends=array([3, 4]))
    """
    if isinstance(ids, list | tuple) and any(np.ndim(one) for one in ids):
        if breaks is not None:
            raise ValueError("breaks do not go with a list of documents")
        rows = [_whole(one, "ids") for one in ids]
        odd = next((row for row in rows if row.ndim != 1), None)
        if odd is not None:
            raise ValueError(f"a document must be a list of ids, [L]; got {list(odd.shape)}: join "
                             "arrays [N, L] by np.concatenate")  # fmt: skip
        return _coded(_whole(np.concatenate(rows), "ids"), np.cumsum([len(row) for row in rows]))
    tokens = _whole(ids, "ids")
    if tokens.ndim == 2 and breaks is None:
        real = tokens != _PADDING
        if (real[:, 1:] & ~real[:, :-1]).any():
            raise ValueError(
                "a row of ids may end in -1, which fills it up, and not go on after it"
            )
        return _coded(tokens[real], np.cumsum(real.sum(axis=1)))
    if tokens.ndim != 1:
        raise ValueError(f"ids must be [T], or [N, L] without breaks; got {list(tokens.shape)}")
    if breaks is None:
        return _coded(tokens, np.array([len(tokens)]))
    ends = _whole(breaks, "breaks").astype(np.int64, copy=False)
    fitting = ends.ndim == 1 and len(ends) and ends[0] >= 0 and ends[-1] == len(tokens)
    if not fitting or (ends[1:] < ends[:-1]).any():
        raise ValueError(
            f"breaks must be where documents end, rising to the {len(tokens)} of all ids, such as "
            f"np.cumsum(lengths); got {ends[:3].tolist()} … {ends[-1:].tolist()}"
        )
    return _coded(tokens, ends)


def check_decimal(vocab: Vocab | None) -> None:
    """Checks that the words of a vocabulary are numbers.

    Args:
      vocab: the vocabulary; its special words may be others. None is none to check.

    Raises:
      ValueError: if one is not.
    """
    if vocab is None:
        return
    named = [word for word in vocab.words[vocab.specials :] if not word.isdecimal()]
    if named:
        raise ValueError(
            f"the vocabulary has words that are no numbers, such as {named[0]!r}: give the word of "
            "each id too, words=vocab.words for its own ids"
        )


def _whole(given: Any, name: str) -> np.ndarray:
    """An array of whole numbers; TypeError for anything else."""
    array = np.asanyarray(given)
    if array.dtype.kind not in "iu" and array.size:
        raise TypeError(f"{name} must be whole numbers; got {array.dtype}")
    return array if array.size else array.astype(np.int64)


def _coded(tokens: np.ndarray, ends: np.ndarray) -> Numbered:
    if not tokens.size:
        raise ValueError("there are no ids: expected one at least")
    least, most = int(tokens.min()), int(tokens.max())
    if least < 0:
        raise ValueError(f"ids must be whole numbers from 0; got {least}")
    if most < _SPARSE * len(tokens):
        occurs = np.zeros(most + 1, bool)
        occurs[tokens] = True
        numbers = np.flatnonzero(occurs)
        places = np.cumsum(occurs, dtype=np.int32) - 1
        return Numbered(numbers, places[tokens], ends)
    numbers, codes = np.unique(tokens, return_inverse=True)
    return Numbered(numbers, codes.astype(np.int32), ends)
