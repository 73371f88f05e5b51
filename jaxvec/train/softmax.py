"""Skip-gram with a full softmax as a `contracts.Model`."""

import dataclasses
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxvec.messages.gensim import explained_model
from jaxvec.models import softmax
from jaxvec.models.sgns import Params
from jaxvec.text.corpus import Corpus
from jaxvec.train.devices import Device
from jaxvec.train.stability import DEFAULT_BLOCKS
from jaxvec.train.text_model import Constants, Plan, Text, TextModel

_MOST_LOGITS = 1 << 28  # of a step: a gibibyte


class Step(NamedTuple):
    """A batch, and the vocabulary over which the softmax is taken."""

    text: Text
    words: jax.Array  # int32[V], all of them


@explained_model
@dataclasses.dataclass(frozen=True)
class Softmax(TextModel):
    """Skip-gram with a full softmax, for small vocabularies: each pair costs `V` products.

    A step takes `blocks` blocks of `block_tokens` tokens, each of which predicts its
    neighbors. For its options see `TextModel`.
    """

    default_optimizer = "adam"
    default_learning_rate = 0.01
    default_vectors = "input"

    def untrained_loss(self, data: Corpus) -> float:
        """log V."""
        return math.log(len(data.vocab))

    def choices(self, counts: np.ndarray) -> jax.Array:
        """All words; ValueError if they are too many for the size of a step."""
        if self.step_tokens * len(counts) > _MOST_LOGITS:
            raise ValueError(
                f"a full softmax of {self.step_tokens} words a step over a vocabulary of "
                f"{len(counts):,} does not fit: leave out rare words, or use negative sampling"
            )
        return jnp.arange(len(counts), dtype=jnp.int32)

    def for_device(self, device: Device, data: Any, workers: int = 1) -> dict[str, int | None]:
        """As for all models of text, and no more logits a step than fit.

        Args:
          device: that trains.
          data: the text.
          workers: `N`, who share it out.
        """
        found = super().for_device(device, data, workers)
        most = _MOST_LOGITS // (self.block_tokens * len(data.vocab))
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
        """Shape of the uint32 random bits of one step, [B, M]: one per token (its window)."""
        return self.step_tokens // self.block_tokens, self.block_tokens

    def batches(self, constants: Constants, plan: Plan, bits: jax.Array, first: jax.Array) -> Step:
        """The text of steps; see `contracts.Draws.batches`."""
        words = jnp.broadcast_to(constants.words, (len(bits), *constants.words.shape))
        return Step(self.texts(plan, bits, first), words)

    def expanded(self, batch: Step) -> softmax.Blocks:
        """A batch with its pairs' weights written out."""
        ids = batch.text.ids
        return softmax.Blocks(self.centers(ids), ids, self.weights(batch.text))

    def rows(self, batch: Step) -> Params:
        """The rows of `input` that a batch touches, and all of `output`."""
        return Params(self.centers(batch.text.ids), batch.words)

    def rows_loss(self, vectors: Params, batch: Step) -> jax.Array:
        """See `softmax.loss`."""
        return softmax.rows_loss(vectors, self.expanded(batch), products=self.products)

    def rows_curvature(self, vectors: Params, batch: Step) -> Params:
        """See `softmax.rows_curvature`."""
        return softmax.rows_curvature(vectors, self.expanded(batch), products=self.products)
