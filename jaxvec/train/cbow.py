"""Continuous bag of words as a `contracts.Model`."""

import dataclasses
from typing import Annotated

import jax
import jax.numpy as jnp
import numpy as np

from jaxvec.messages.gensim import explained_model
from jaxvec.models import cbow
from jaxvec.models.sgns import Params
from jaxvec.train.noise import NegativeSampling, Sampled
from jaxvec.train.options import Option


@explained_model
@dataclasses.dataclass(frozen=True)
class CBOW(NegativeSampling):
    """Continuous bag of words with negative sampling: its objective, and the source of its batches.

    A step takes `blocks` blocks of `block_tokens` tokens, and predicts each from its neighbors,
    in contrast with the block's negatives. For its other options see `TextModel` and
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
        """0.1 for a mean, of whose gradient each word gets a share; 0.0125 for a sum."""
        return 0.1 if self.cbow_mean else 0.0125

    def expanded(self, batch: Sampled) -> cbow.Blocks:
        """A batch with its pairs' weights written out."""
        text, negatives, _ = batch
        return cbow.Blocks(
            centers=self.centers(text.ids),
            contexts=text.ids,
            negatives=negatives,
            weights=self.weights(text),
            negative_weights=jnp.full(
                text.before.shape, self.negative / self.negatives, jnp.float32
            ),
        )

    def rows(self, batch: Sampled) -> Params:
        """See `cbow.rows`."""
        return cbow.rows(self.expanded(batch))

    def rows_loss(self, vectors: Params, batch: Sampled) -> jax.Array:
        """See `cbow.center_losses`."""
        return cbow.center_losses(
            vectors, self.expanded(batch), self.cbow_mean, products=self.products
        )

    def rows_curvature(self, vectors: Params, batch: Sampled) -> Params:
        """See `cbow.rows_curvature`."""
        blocks = self.expanded(batch)
        return cbow.rows_curvature(vectors, blocks, self.cbow_mean, products=self.products)

    def weight(self, batch: Sampled) -> jax.Array:
        """How many words of a batch have a context."""
        return (self.pairs(batch.text) > 0).sum().astype(jnp.float32)

    def context_vector(self, vectors: np.ndarray) -> np.ndarray:
        """The mean, or with `cbow_mean=False` the sum, of the context's input vectors, [C, D]."""
        return super().context_vector(vectors) if self.cbow_mean else vectors.sum(axis=0)

    @property
    def pairs_a_token(self) -> float:
        """A word's context is one prediction, its sum as steep as a pair for each of its words."""
        return 1.0 if self.cbow_mean else super().pairs_a_token
