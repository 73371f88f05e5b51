"""Skip-gram with negative sampling as a `contracts.Model`."""

import dataclasses
from typing import ClassVar

import jax
import jax.numpy as jnp
from jax import lax

from jaxvec.messages.gensim import explained_model
from jaxvec.models import sampling, sgns
from jaxvec.models.sgns import Params
from jaxvec.optim.once import made_once
from jaxvec.train.noise import NegativeSampling, Sampled

_NEAR = 8  # tokens that a CPU multiplies with those around them


@explained_model
@dataclasses.dataclass(frozen=True)
class SkipGram(NegativeSampling):
    """Skip-gram with negative sampling: its objective, and the source of its batches.

    A step takes `blocks` blocks of `block_tokens` tokens, each from another place of the
    segment, and pairs each token with its neighbors and with the block's negatives. For
    its options see `TextModel` and `NegativeSampling`.
    """

    default_optimizer = "sgd"
    default_learning_rate = 0.03
    default_vectors = "input"
    loss_every: ClassVar[int] = 16  # see `contracts.SparseLoss`

    def expanded(self, batch: Sampled) -> sgns.Blocks:
        """A batch with its pairs' weights written out."""
        text, negatives, *_ = batch
        return sgns.Blocks(
            centers=self.centers(text.ids),
            contexts=text.ids,
            negatives=negatives,
            weights=self.weights(text),
            negative_weights=self.pairs(text) * (self.negative / self.negatives),
        )

    def rows(self, batch: Sampled) -> Params:
        """See `sgns.rows`; and the rows of the centers' n-grams."""
        return self.with_ngram_rows(sgns.rows(self.expanded(batch)), batch.ngrams)

    def rows_loss(self, vectors: Params, batch: Sampled) -> jax.Array:
        """See `sgns.loss`, by center: [B, M]."""
        vectors = self.composed(vectors, batch.ngrams)
        if self.block_tokens % _NEAR or isinstance(batch.text.context, jax.Array):
            return self._all_pairs(vectors, batch)
        sides = batch.text.before, batch.text.after  # all that follows depends on, and shapes

        def of(form):
            def losses(vectors, before, after):
                text = batch.text._replace(before=before, after=after)
                return form(vectors, batch._replace(text=text))

            return losses

        forms = {"cpu": of(self._windows), "default": of(self._all_pairs)}
        return lax.platform_dependent(vectors, *sides, **forms)

    def _windows(self, vectors: Params, batch: Sampled) -> jax.Array:
        """The loss by what can be in the windows of each `_NEAR` tokens."""
        sides = batch.text.before, batch.text.after
        before, after = (side.reshape(len(side), -1, _NEAR) for side in sides)
        near = sampling.in_window(before, after, self.window).astype(jnp.float32)
        negative = self.pairs(batch.text) * (self.negative / self.negatives)
        return sgns.windowed_losses(vectors, near, negative, products=self.products)

    def _all_pairs(self, vectors: Params, batch: Sampled) -> jax.Array:
        """The loss by all pairs of a block."""
        contexts = batch.text.ids.shape[1]
        return sgns.center_losses(
            vectors, self.all_weights(batch), contexts, products=self.products
        )

    def rows_curvature(self, vectors: Params, batch: Sampled) -> Params:
        """See `sgns.typical_curvature`."""
        of_centers = self.pairs(batch.text) * (1 + self.negative)
        vectors = self.composed(vectors, batch.ngrams)
        found = sgns.typical_curvature(vectors, Params(of_centers, batch.met))
        return self.with_ngram_curvature(found, batch.ngrams)

    def all_weights(self, batch: Sampled) -> jax.Array:
        """The weights of every center with the contexts, then with the negatives of its block:
        float32[B, M, X + N]."""
        contexts = batch.text.ids.shape[1]
        near = self.weights(batch.text, contexts + self.negatives)
        negative = self.pairs(batch.text) * (self.negative / self.negatives)
        is_context = lax.broadcasted_iota(jnp.int32, near.shape, 2) < contexts
        weights = jnp.where(is_context, near, negative[..., None])
        return made_once(weights, "tpu")  # to lay ranges out along a block is dear there
