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
from jaxvec.train.text_model import Text


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
        text, negatives, *_ = batch
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
        """See `cbow.rows`; and the rows of the context's n-grams."""
        return self.with_ngram_rows(cbow.rows(self.expanded(batch)), batch.ngrams)

    def rows_loss(self, vectors: Params, batch: Sampled) -> jax.Array:
        """See `cbow.center_losses`."""
        vectors = self.composed(vectors, batch.ngrams)
        return cbow.center_losses(
            vectors, self.expanded(batch), self.cbow_mean, products=self.products
        )

    def rows_curvature(self, vectors: Params, batch: Sampled) -> Params:
        """See `cbow.rows_curvature`."""
        vectors, blocks = self.composed(vectors, batch.ngrams), self.expanded(batch)
        found = cbow.rows_curvature(vectors, blocks, self.cbow_mean, products=self.products)
        return self.with_ngram_curvature(found, batch.ngrams)

    @property
    def input_tokens(self) -> int:
        """How many input vectors a step asks for: of all contexts, `B` · `X`."""
        return self.step_tokens // self.block_tokens * (self.block_tokens + 2 * self.window)

    def input_words(self, text: Text) -> tuple[jax.Array, jax.Array]:
        """The contexts of a step, and which of them are in a window, int32[B, X], bool[B, X]."""
        return text.ids, self.weights(text).sum(-2) > 0

    def only(self, text: Text, whole: jax.Array) -> Text:
        """The text of a step whose contexts that found no room are none.

        Args:
          text: of one step.
          whole: which of its contexts did, bool[B, X].
        """
        context = whole & text.context if isinstance(text.context, jax.Array) else whole
        return text._replace(context=context)

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
