"""Words' n-grams in models of text: options, tables, and the n-grams of each batch."""

import dataclasses
import math
import re
from collections.abc import Sequence
from typing import Annotated, Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxvec.messages.kinds import kind
from jaxvec.models import subwords as pure
from jaxvec.models.sgns import Params
from jaxvec.text import ngrams
from jaxvec.text.corpus import Corpus
from jaxvec.text.vocab import Vocab
from jaxvec.train.options import Option
from jaxvec.train.text_model import Constants, Text, TextModel
from jaxvec.vectors.subwords import Subwords

DEFAULT_BUCKETS = 500_000
NGRAMS = "ngrams"
"""The name of the table whose rows are of n-grams, and of no word."""
_ROOM = 1.5  # places a step, in units of what its words' n-grams take on average


def lengths(text: str) -> tuple[int, int]:
    """The lengths of n-grams, written with a hyphen.

    Raises:
      ValueError: if the text is something else.

    >>> lengths("3-6")
    (3, 6)
    """
    match = re.fullmatch(r"(\d+)-(\d+)", text)
    if not match:
        raise ValueError(f"expected the shortest and the longest n-gram, 3-6, not {text!r}")
    return int(match[1]), int(match[2])


@dataclasses.dataclass(frozen=True)
class NgramRows(TextModel):
    """A text model whose input vectors may be made of the rows of words' n-grams, too.

    A word's input vector is then the mean of its own row and the rows of its n-grams, fastText's,
    which many words share: rare words have better vectors, and unknown ones have some. See
    `models.subwords`.

    A step has room for half as many n-grams again as its words have on average. Where they have
    more, the step's last words are left out of it, as by subsampling.

    Attributes:
      subwords: the shortest and the longest n-gram, in characters, such as (3, 6); None for
        vectors of whole words.
      buckets: `B`, how many rows n-grams share; fastText has 2 million.
    """

    subwords: Annotated[
        tuple[int, int] | None,
        Option(
            "make vectors of words' n-grams, too, of MIN to MAX characters, such as 3-6: rare "
            "words have better ones, unknown words have some",
            "MIN-MAX",
            read=lengths,
        ),
    ] = None
    buckets: Annotated[int, Option("rows that all n-grams share", "B", least=1)] = DEFAULT_BUCKETS

    def __post_init__(self):
        super().__post_init__()
        given = (1, 1) if self.subwords is None else self.subwords
        if not isinstance(given, tuple) or len(given) != 2:
            raise TypeError(
                "subwords are the lengths of the shortest and the longest n-gram, subwords=(3, 6); "
                f"got {kind(given)}"
            )
        ngrams.check(*given, self.buckets)

    def init(self, key: jax.Array, vocab_size: int) -> Any:
        """word2vec's start; see `sgns.init` and, with n-grams, `subwords.init`."""
        if self.subwords is None:
            return super().init(key, vocab_size)
        return pure.init(key, vocab_size, self.buckets, self.vector_size)

    def init_rows(self, key: jax.Array, rows: jax.Array) -> Params:
        """Rows of `init`'s tables, by their ids, without n-grams; see `contracts.InitRows`."""
        return super().init_rows(key, rows)

    def constants(self, data: Corpus) -> Constants:
        """See `TextModel.constants`; and the n-grams of the vocabulary."""
        found = super().constants(data)
        if self.subwords is None:
            return found
        return found._replace(ngrams=self.listed(data.vocab))

    def listed(self, vocab: Vocab) -> pure.Lists:
        """The n-grams of a vocabulary, and the room for a step's.

        Strong subsampling draws words by the roots of their counts, which makes long words as
        frequent in a step as they can be: the room is for that.

        Args:
          vocab: the words and their counts.
        """
        assert self.subwords is not None
        found = ngrams.hashed(vocab.words, *self.subwords, self.buckets)
        sizes, shares = np.diff(found.offsets), np.sqrt(vocab.counts)
        mean = float(sizes @ shares) / max(float(shares.sum()), 1.0)
        room = max(math.ceil(_ROOM * mean * self.input_tokens), int(sizes.max(initial=1)))
        return pure.Lists(
            jnp.asarray(found.ids if len(found.ids) else np.zeros(1, np.int32)),
            jnp.asarray(found.offsets, jnp.int32),
            jnp.zeros(room, bool),
        )

    def moved_share(self, share: np.ndarray, words: Sequence[str]) -> np.ndarray:
        """How many tokens' gradients move each word's input vector, per token: float64[V].

        Without n-grams they are the word's own. With them a word is moved by each that shares a
        row: its vector by the mean, over its rows, of how many tokens move the row.

        Args:
          share: of each word among the tokens, float64[V].
          words: the `V` words.
        """
        if self.subwords is None or not len(words):
            return share
        ids, offsets = ngrams.hashed(words, *self.subwords, self.buckets)
        sizes = np.diff(offsets)
        of_rows = np.bincount(ids, np.repeat(share, sizes), minlength=self.buckets)
        of_words = np.bincount(np.repeat(np.arange(len(words)), sizes), of_rows[ids], len(words))
        return (share + of_words) / (1 + sizes)

    @property
    def input_tokens(self) -> int:
        """How many input vectors a step asks for: of its tokens, `B` · `M`."""
        return self.step_tokens

    def input_words(self, text: Text) -> tuple[jax.Array, jax.Array]:
        """The words of a step whose input vectors are asked for, and which of them have a pair:
        all of the blocks, int32[B, M] and bool[B, M].

        Args:
          text: of one step.
        """
        return self.centers(text.ids), self.pairs(text) > 0

    def only(self, text: Text, whole: jax.Array) -> Text:
        """The text of a step without the pairs of the words that found no room.

        Args:
          text: of one step.
          whole: which of `input_words` did, bool[B, M].
        """
        before, after = (jnp.where(whole, side, 0) for side in (text.before, text.after))
        return text._replace(before=before, after=after)

    def with_ngrams(self, constants: Constants, text: Text) -> tuple[Text, Any]:
        """The text of steps, and the n-grams of its input words: `subwords.Ngrams`, or () for none.

        Args:
          constants: from `constants`.
          text: with a first axis of steps.
        """
        if self.subwords is None:
            return text, ()

        def one(text):
            words, used = self.input_words(text)
            found, whole = pure.listed(
                constants.ngrams, words.reshape(-1), used.reshape(-1), self.buckets
            )
            return self.only(text, whole.reshape(words.shape)), found

        return jax.vmap(one)(text)

    def with_ngram_rows(self, rows: Params, found: Any) -> Any:
        """The ids of a batch's rows, of n-grams, too.

        Args:
          rows: of the batch's words.
          found: its `subwords.Ngrams`, or ().
        """
        return rows if self.subwords is None else pure.Params(*rows, found.ids)

    def composed(self, vectors: Any, found: Any) -> Params:
        """The vectors of a batch's words: with n-grams, input vectors are made of their rows.

        Args:
          vectors: the rows at `with_ngram_rows`.
          found: the batch's `subwords.Ngrams`, or ().
        """
        if self.subwords is None:
            return vectors
        own = vectors.input.reshape(-1, self.vector_size)
        made = pure.composed_for_steps(own, vectors.ngrams, found)
        return Params(made.reshape(vectors.input.shape), vectors.output)

    def with_ngram_curvature(self, curvature: Params, found: Any) -> Any:
        """The curvatures along a batch's rows: along an n-gram's that of its word's vector.

        Args:
          curvature: of the batch's words.
          found: its `subwords.Ngrams`, or ().
        """
        if self.subwords is None:
            return curvature
        of_words = curvature.input.reshape(-1)
        return pure.Params(*curvature, of_words.at[found.tokens].get(mode="fill", fill_value=0))


def has_ngrams(model: Any) -> bool:
    """Whether a model has rows that words share: a table of n-grams beside the words'."""
    return isinstance(model, NgramRows) and model.subwords is not None


def ngram_rows(model: Any, params: Any) -> Subwords | None:
    """The rows of n-grams in the host's memory; None if the model has none.

    Args:
      model: a `contracts.Model`.
      params: its tables.
    """
    if not isinstance(model, NgramRows) or model.subwords is None:
        return None
    return Subwords(np.array(params.ngrams), *model.subwords)
