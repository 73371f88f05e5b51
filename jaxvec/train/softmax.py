"""Skip-gram with a full softmax as a `contracts.Model`."""

import dataclasses
import math
from collections.abc import Sequence
from typing import Annotated, Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxvec.messages.gensim import explained_model
from jaxvec.messages.numbers import check_number, check_whole
from jaxvec.models import sampling, softmax
from jaxvec.models.sgns import Params
from jaxvec.text.corpus import Corpus
from jaxvec.train.devices import Device
from jaxvec.train.options import NsExponent, Option
from jaxvec.train.stability import DEFAULT_BLOCKS
from jaxvec.train.text_model import Constants, Plan, Text, TextModel

_MOST_LOGITS = 1 << 28  # of a step: a gibibyte


class Noise(NamedTuple):
    """The distribution that words are drawn from to stand for the vocabulary."""

    table: sampling.AliasTable
    log_expected: jax.Array  # float32[V], see `softmax.log_expected`


class Step(NamedTuple):
    """A batch, and the words over which the softmax is taken."""

    text: Text
    words: jax.Array  # int32[V], all of them; int32[B, K] if they are drawn
    log_expected: Any = ()  # float32[B, K], if they are drawn


@explained_model
@dataclasses.dataclass(frozen=True)
class Softmax(TextModel):
    """Skip-gram with a full softmax, for small vocabularies: each center costs `V` products.

    A step takes `blocks` blocks of `block_tokens` tokens, each of which predicts its
    neighbors. For its other options see `TextModel`.

    Attributes:
      sampled: `K`, words drawn a block, with replacement, to stand for the vocabulary: a center
        costs `K` products, and a step touches the rows of its own words alone. The loss is then
        `softmax.sampled_loss`, but of held-out text that of the full softmax. None for all words.
      ns_exponent: they are drawn from counts to this power.
    """

    sampled: Annotated[
        int | None,
        Option("words drawn a block to stand for the vocabulary; by default all", "K", least=1),
    ] = None
    ns_exponent: NsExponent = 0.75

    traced: ClassVar[tuple[str, ...]] = (*TextModel.traced, "ns_exponent")

    default_optimizer = "adam"
    default_learning_rate = 0.01
    default_vectors = "input"

    def __post_init__(self):
        super().__post_init__()
        check_whole("sampled", 1 if self.sampled is None else self.sampled)
        check_number("ns_exponent", self.ns_exponent)
        if not math.isfinite(self.ns_exponent):
            raise ValueError(f"ns_exponent must be a finite number; got {self.ns_exponent}")

    def exact(self) -> "Softmax":
        """The full softmax; see `contracts.Approximate`."""
        if self.sampled is None:
            return self
        return dataclasses.replace(self, sampled=None, blocks=None)  # as few logits as it may be

    def untrained_loss(self, data: Corpus) -> float:
        """log V."""
        return math.log(len(data.vocab))

    def choices(self, counts: np.ndarray) -> jax.Array | Noise:
        """All words, or what some are drawn from; ValueError if a step of them does not fit."""
        words = len(counts) if self.sampled is None else self.sampled
        if words > len(counts):
            raise ValueError(
                f"sampled must be at most the {len(counts):,} words of the vocabulary, all of "
                f"which cost no more (leave it out); got {words:,}"
            )
        if self.step_tokens * words > _MOST_LOGITS:
            kind, less = (
                ("full", "leave out rare words, or give `sampled`")
                if self.sampled is None
                else ("sampled", "give a smaller `sampled`, or fewer `blocks`")
            )
            raise ValueError(
                f"a {kind} softmax of {self.step_tokens} words a step over {words:,} "
                f"words does not fit: {less}"
            )
        if self.sampled is None:
            return jnp.arange(len(counts), dtype=jnp.int32)
        distribution = sampling.noise_distribution(counts, self.ns_exponent)
        return Noise(
            sampling.alias_table(distribution), softmax.log_expected(distribution, self.sampled)
        )

    def for_device(self, device: Device, data: Any, workers: int = 1) -> dict[str, int | None]:
        """As for all models of text, and no more logits a step than fit.

        Args:
          device: that trains.
          data: the text.
          workers: `N`, who share it out.
        """
        found = super().for_device(device, data, workers)
        most = _MOST_LOGITS // (self.block_tokens * (self.sampled or len(data.vocab)))
        if found["blocks"] is not None and found["blocks"] > most:
            found["blocks"] = most if most > DEFAULT_BLOCKS else None
        return found

    def steepest_share(self, counts: np.ndarray, share: np.ndarray, words: Sequence[str]) -> float:
        """Twice the busiest word's share: its own pairs, and the softmax's contrast with others;
        see `contracts.StepSize`."""
        del counts, words
        return float(2 * share.max())

    @property
    def step_norm(self) -> float:
        """Infinite: each pair moves all words."""
        return float("inf")

    def bits(self) -> tuple[int, int]:
        """Shape of the uint32 random bits of one step, [B, M]: one per token (its window); and
        before them 2K if words are drawn, [B, 2K + M]."""
        drawn = 2 * (self.sampled or 0)
        return self.step_tokens // self.block_tokens, drawn + self.block_tokens

    def batches(self, constants: Constants, plan: Plan, bits: jax.Array, first: jax.Array) -> Step:
        """The text of steps, and words for each block; see `contracts.Draws.batches`.

        Args:
          constants, plan: from `constants` and `plan`.
          bits: random, uint32[T, *bits()].
          first: the first step, int32[].
        """
        if self.sampled is None:
            words = jnp.broadcast_to(constants.words, (len(bits), *constants.words.shape))
            return Step(self.texts(plan, bits, first), words)
        noise, windows = jnp.split(bits, [2 * self.sampled], axis=-1)
        draws = noise.reshape(*noise.shape[:2], self.sampled, 2)
        words = sampling.draw(constants.words.table, draws)
        return Step(self.texts(plan, windows, first), words, constants.words.log_expected[words])

    def expanded(self, batch: Step) -> softmax.Blocks | softmax.SampledBlocks:
        """A batch with its pairs' weights written out."""
        text, words, log_expected = batch
        centers, weights = self.centers(text.ids), self.weights(text)
        if self.sampled is None:
            return softmax.Blocks(centers, text.ids, weights)
        return softmax.SampledBlocks(centers, text.ids, words, log_expected, weights)

    def rows(self, batch: Step) -> Params:
        """The rows of `input` that a batch touches; of `output` all, or its words."""
        blocks = self.expanded(batch)
        if isinstance(blocks, softmax.SampledBlocks):
            return softmax.sampled_rows(blocks)
        return Params(blocks.centers, batch.words)

    def rows_loss(self, vectors: Params, batch: Step) -> jax.Array:
        """See `softmax.loss` and `softmax.sampled_loss`."""
        blocks = self.expanded(batch)
        if isinstance(blocks, softmax.SampledBlocks):
            return softmax.sampled_rows_loss(vectors, blocks, products=self.products)
        return softmax.rows_loss(vectors, blocks, products=self.products)

    def rows_curvature(self, vectors: Params, batch: Step) -> Params:
        """See `softmax.rows_curvature` and `softmax.sampled_rows_curvature`."""
        blocks = self.expanded(batch)
        if isinstance(blocks, softmax.SampledBlocks):
            return softmax.sampled_rows_curvature(vectors, blocks, products=self.products)
        return softmax.rows_curvature(vectors, blocks, products=self.products)
