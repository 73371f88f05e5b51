"""Vectors of documents that were not trained on: `infer`.

Letters: `n` texts, `V` vocabulary, `D` dimension; in a batch `B` texts of up to `L` words.
"""

import itertools
import warnings
from collections.abc import Iterable, Sequence
from typing import NamedTuple, cast

import jax.numpy as jnp
import numpy as np

from jaxvec.messages.gensim import explained
from jaxvec.messages.kinds import kind
from jaxvec.messages.numbers import check_number
from jaxvec.models import documents, sampling
from jaxvec.text.pieces import document_pieces
from jaxvec.text.tokenize import Tokenizer
from jaxvec.train.noise import NegativeSampling
from jaxvec.train.result import Result, row_parts

_NOISE = 1 << 11  # quantiles of the noise distribution
_TEXTS, _PLACES, _LEAST = 32, 1 << 15, 16  # the most of a batch, and the least of a text


class _Text(NamedTuple):
    number: int
    ids: np.ndarray  # int32[l], each word once
    counts: np.ndarray  # float64[l]


@explained("write infer(result, texts)")
def infer(
    result: Result,
    texts: Iterable[str | Sequence[str]],
    *,
    penalty: float = 3.0,
    tokenizer: str | Tokenizer = "whitespace",
) -> np.ndarray:
    """Vectors of texts by a trained model, whose words stay as they are.

    A text's vector is the one that predicts its words best: the least of the expected loss of
    PV-DBOW with a penalty, see `documents.fitted`. That is a convex problem, which is solved, not
    sampled: at the default penalty to about 1e-4 of the vector's largest number, at a tenth of it
    to 1e-3, and below that not as near, for no more than 100 steps are taken. So there is no key:
    a text always has the same vector, whatever the order of its words and whatever texts are
    beside it; on a CPU to the bit.

    A word counts as often as subsampling would keep it. Where the vocabulary has more than 2,048
    words, the noise distribution is taken by as many quantiles of it.

    Args:
      result: of `ParagraphVectors`; or of any model with negative samples, such as `SkipGram`,
        whose words are predicted in the same way.
      texts: `n` strings, which the tokenizer splits, or lists of words. Unknown words are left
        out.
      penalty: λ, above 0. SGD with a rate of 0.03 that falls to 0 over `E` epochs goes about as far
        as 1 / (0.015 E).
      tokenizer: for strings; preferably the one that the model was trained with.

    Returns:
      float32[n, D]. The vector of a text without a known word is 0.

    Raises:
      ValueError: if `texts` is one string, `penalty` is not above 0, or the model has no negative
        samples.
      TypeError: if `result` is no `Result`, or a text is neither a string nor words.

    Warns:
      UserWarning: if texts have no known word, with their number.

    References:
      Le and Mikolov 2014, "Distributed Representations of Sentences and Documents", who take steps
      of SGD.

    >>> import jax
    >>> from jaxvec import Corpus, ParagraphVectors, fit
    >>> corpus = Corpus.from_documents(["the cat sat", "the dog ran"] * 50, min_count=1)
    >>> model = ParagraphVectors(vector_size=8, sample=0)
    >>> result = fit(corpus, model, key=jax.random.key(0), epochs=20)
    >>> found = infer(result, ["a cat sat", "ran"])
    >>> int(result.documents().similar_by_vector(found[1], topn=1)[0][0]) % 2
    1
    """
    if not isinstance(result, Result):
        raise TypeError(f"infer takes the Result of fit, then texts; got {kind(result)}")
    model, vocab = result.model, result.data.vocab
    if not isinstance(model, NegativeSampling):
        raise ValueError(
            f"{type(model).__name__} has no negative samples: train ParagraphVectors(), or "
            "SkipGram()"
        )
    check_number("penalty", penalty)
    if not 0 < penalty < np.inf:
        raise ValueError(f"penalty must be above 0; got {penalty}")
    solver = _Solver(result, penalty)
    empty = 0
    for words, _ in document_pieces(texts, tokenizer):
        empty += not solver.add(vocab.encode([*words]))
    found = solver.vectors()
    if empty:
        warnings.warn(
            f"{empty:,} of {len(found):,} texts have no known word: their vectors are 0",
            stacklevel=3,
        )
    return found


class _Solver:
    """The texts that wait for a batch of as many places, and the vectors of those before.

    A text's batch has a shape that follows from the text alone: batches of other shapes would
    have other bits.

    Args:
      result, penalty: as for `infer`.
    """

    def __init__(self, result: Result, penalty: float):
        vocab, model = result.data.vocab, cast(NegativeSampling, result.model)
        parts = row_parts(result.params.output, len(vocab))
        self._output = jnp.asarray(np.concatenate(list(parts)))
        shares = sampling.noise_distribution(vocab.counts, model.ns_exponent)
        self._noise = documents.quantiles(shares, _NOISE)
        self._keep = model.keep_probability(vocab.counts)
        self._numbers = jnp.float32(model.negative), jnp.float32(penalty)
        self._waiting: dict[int, list[_Text]] = {}
        self._found: list[np.ndarray] = []

    def add(self, ids: np.ndarray) -> bool:
        """Takes a text's words, int32[l], and says whether it has any."""
        number = len(self._found)
        self._found.append(np.zeros(self._output.shape[1], np.float32))
        if len(ids):
            words, counts = np.unique(ids, return_counts=True)
            places = _places(len(words))
            batch = self._waiting.setdefault(places, [])
            batch.append(_Text(number, words, counts * self._keep[words]))
            if len(batch) == _texts(places):
                self._solve(places)
        return len(ids) > 0

    def vectors(self) -> np.ndarray:
        """The vectors of all texts, float32[n, D]."""
        for places in [*self._waiting]:
            self._solve(places)
        return np.stack(self._found) if self._found else np.zeros_like(self._output[:0])

    def _solve(self, places: int) -> None:
        batch = self._waiting.pop(places)
        shape = _texts(places), places
        ids, counts = np.zeros(shape, np.int32), np.zeros(shape, np.float32)
        for row, text in enumerate(batch):
            ids[row, : len(text.ids)], counts[row, : len(text.ids)] = text.ids, text.counts
        found = documents.fitted(self._output, self._noise, ids, counts, *self._numbers)
        for text, vector in zip(batch, np.asarray(found), strict=False):  # the rest is padding
            self._found[text.number] = vector


def _texts(places: int) -> int:
    """How many texts of a number of places a batch has."""
    return max(1, min(_TEXTS, _PLACES // places))


def _places(words: int) -> int:
    """The places of a text, a power of 4 from `_LEAST` on, so that few programs are compiled."""
    return next(size for size in (_LEAST * 4**i for i in itertools.count()) if size >= words)
