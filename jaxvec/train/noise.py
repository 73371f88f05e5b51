"""What models share that contrast the words of running text with noise: negatives of a block."""

import dataclasses
import math
from collections.abc import Sequence
from typing import Annotated, Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxvec.messages.numbers import check_whole
from jaxvec.models import sampling
from jaxvec.models.subwords import Params as SubwordParams
from jaxvec.text.corpus import Corpus
from jaxvec.text.ngrams import hashed
from jaxvec.train import spectral
from jaxvec.train.ngram_start import spread
from jaxvec.train.ngrams import NgramRows
from jaxvec.train.options import NsExponent, Option
from jaxvec.train.segments import TokenSegments
from jaxvec.train.text_model import Constants, Plan, Text


class Sampled(NamedTuple):
    """A batch of a model with negatives."""

    text: Text
    negatives: jax.Array  # int32[B, N]
    met: jax.Array  # float32[B, X + N], the summed weight of each context's and negative's pairs
    ngrams: Any = ()  # `subwords.Ngrams` of the words whose input vectors are asked for


@dataclasses.dataclass(frozen=True)
class NegativeSampling(NgramRows):
    """A text model whose predictions are contrasted with noise; see `TextModel` and, for words'
    n-grams, `NgramRows`.

    Attributes:
      negative: `K`, negatives a prediction.
      ns_exponent: noise is drawn from counts to this power.
      block_negatives: `N`, negatives drawn a block. None for M · ⌈max(K / 5, K · P / 32)⌉, where
        `P` is the mean number of pairs a token, so that a negative stands for about one negative
        of a token at most. Fewer make steps too large.
      spectral_words: how many words of the text, spread over it, are counted for a warm start;
        see `spectral`. 0 for word2vec's start, random vectors.
    """

    negative: Annotated[int, Option("negative samples of a prediction", "K", least=1)] = 5
    ns_exponent: NsExponent = 0.75
    block_negatives: int | None = None
    spectral_words: Annotated[
        int, Option("words counted for the spectral start; 0 for a random start", least=0)
    ] = 1 << 22

    traced: ClassVar[tuple[str, ...]] = (*NgramRows.traced, "ns_exponent")
    ranked: ClassVar[tuple[str, ...]] = ("input", "output")
    start_options: ClassVar[tuple[str, ...]] = ("spectral_words",)

    def __post_init__(self):
        super().__post_init__()
        check_whole("spectral_words", self.spectral_words, least=0)
        check_whole("negative", self.negative)
        check_whole("block_negatives", self.negatives)
        if not np.isfinite(self.ns_exponent):
            raise ValueError(f"ns_exponent must be a finite number; got {self.ns_exponent}")

    @property
    def negatives(self) -> int:
        """`N`."""
        if self.block_negatives is not None:
            return self.block_negatives
        stands_for = max(self.negative / 5, self.negative * self.pairs_a_token / 32)
        return self.block_tokens * math.ceil(stands_for)

    def head_start(self, segments: TokenSegments) -> Any:
        """`spectral.tables` of the text, with n-grams `spread` over their rows, too; None if
        `spectral_words` is 0."""
        if not self.spectral_words:
            return None
        found = spectral.tables(
            segments.corpus,
            self.vector_size,
            words=self.spectral_words,
            window=self.window,
            symmetric=self.symmetric,
        )
        if found is None or self.subwords is None:
            return found
        words = segments.corpus.vocab.words[: len(found.input)]
        own, rows = spread(
            np.asarray(found.input), hashed(words, *self.subwords, self.buckets), self.buckets
        )
        return SubwordParams(jnp.asarray(own), found.output, jnp.asarray(rows))

    def untrained_loss(self, data: Corpus) -> float:
        """(1 + K) log 2."""
        del data
        return (1 + self.negative) * math.log(2)

    def choices(self, counts: np.ndarray) -> sampling.AliasTable:
        """The noise distribution's alias table."""
        return sampling.alias_table(sampling.noise_distribution(counts, self.ns_exponent))

    def bits(self) -> tuple[int, int]:
        """Shape of the uint32 random bits of one step, [B, 2N + M]: two per negative (a draw from
        the alias table), one per token (its window)."""
        return self.step_tokens // self.block_tokens, 2 * self.negatives + self.block_tokens

    def batches(
        self, constants: Constants, plan: Plan, bits: jax.Array, first: jax.Array
    ) -> Sampled:
        """The text of steps, and negatives for each block; see `contracts.Draws.batches`.

        Args:
          constants, plan: from `constants` and `plan`.
          bits: random, uint32[T, B, 2N + M]; see `bits`.
          first: the first step, int32[].
        """
        noise, windows = jnp.split(bits, [2 * self.negatives], axis=-1)
        draws = noise.reshape(*noise.shape[:2], self.negatives, 2)
        text, ngrams = self.with_ngrams(constants, self.texts(plan, windows, first))
        of_contexts = jax.vmap(self.weights)(text).sum(-2)
        of_noise = jax.vmap(self.pairs)(text).sum(-1, keepdims=True)
        of_noise = jnp.broadcast_to(of_noise * (self.negative / self.negatives), draws.shape[:-1])
        met = jnp.concatenate([of_contexts, of_noise], axis=-1)
        return Sampled(text, sampling.draw(constants.words, draws), met, ngrams)

    def steepest_share(self, counts: np.ndarray, share: np.ndarray, words: Sequence[str]) -> float:
        """See `contracts.StepSize`: a row as input, or as output, its negatives included."""
        noise = sampling.noise_distribution(counts, self.ns_exponent)
        as_input = self.moved_share(share, words) * (1 + self.negative)
        as_output = share + noise * self.negative
        return float(max(as_input.max(), as_output.max()))

    @property
    def step_norm(self) -> float:
        """P · sqrt(1 + K² M / N): a band of positive pairs, beside a constant for negatives."""
        ratio = self.block_tokens / self.negatives
        return self.pairs_a_token * float(np.sqrt(1 + self.negative**2 * ratio))
