"""Continuous bag of words as the trainer sees it: from stretches of text to blocks."""

import dataclasses
from typing import Annotated

import jax
import jax.numpy as jnp

from jaxvec.messages.gensim import explained_model
from jaxvec.models import cbow
from jaxvec.models.sgns import Params, take
from jaxvec.train.options import Option
from jaxvec.train.text_model import Constants, NegativeSampling, Plan


@explained_model
@dataclasses.dataclass(frozen=True)
class CBOW(NegativeSampling):
    """Continuous bag of words with negative sampling: what is trained, and on which words.

    A step takes `blocks` stretches of `block_tokens` words, and tells each word from the
    block's negatives by its neighbors. For its other options see `TextModel` and
    `NegativeSampling`.

    Attributes:
      cbow_mean: predict from the mean of the context's vectors, or from their sum.
    """

    cbow_mean: Annotated[
        bool,
        Option("predict from the sum of the context's vectors, not the mean", flag="--cbow-sum"),
    ] = True

    default_optimizer = "sgd"
    default_vectors = "input"
    loss_unit = "word"

    @property
    def default_learning_rate(self) -> float:
        """A word of a mean gets its share of the gradient, of a sum the whole."""
        return 0.1 if self.cbow_mean else 0.0125

    rows = staticmethod(cbow.rows)
    take = staticmethod(take)

    def rows_loss(self, vectors: Params, batch: cbow.Blocks) -> jax.Array:
        """See `cbow.loss`."""
        return cbow.rows_loss(vectors, batch, self.cbow_mean)

    def rows_curvature(self, vectors: Params, batch: cbow.Blocks) -> Params:
        """See `cbow.rows_curvature`."""
        return cbow.rows_curvature(vectors, batch, self.cbow_mean)

    def batch(self, constants: Constants, plan: Plan, bits: jax.Array, step: jax.Array):
        """The blocks of a step."""
        text, negatives = self.sampled(constants, plan, bits, step)
        return cbow.Blocks(
            centers=self.centers(text.ids),
            contexts=text.ids,
            negatives=negatives,
            weights=text.weights,
            negative_weights=jnp.full(
                text.weights.shape[:2], self.negative / negatives.shape[1], jnp.float32
            ),
        )

    def weight(self, batch: cbow.Blocks) -> jax.Array:
        """How many words of a batch have a context."""
        return (batch.weights.sum(-1) > 0).sum().astype(jnp.float32)

    @property
    def pairs_a_token(self) -> float:
        """A word's context is one prediction, its sum as steep as a pair for each of its words."""
        return 1.0 if self.cbow_mean else super().pairs_a_token
