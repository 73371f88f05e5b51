"""Skip-gram with negative sampling as a `contracts.Model`."""

import dataclasses

import jax

from jaxvec.messages.gensim import explained_model
from jaxvec.models import sgns
from jaxvec.models.sgns import Params
from jaxvec.train.text_model import Constants, NegativeSampling, Plan


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

    rows = staticmethod(sgns.rows)

    def rows_loss(self, vectors: Params, batch: sgns.Blocks) -> jax.Array:
        """See `sgns.loss`."""
        return sgns.rows_loss(vectors, batch, products=self.products)

    def rows_curvature(self, vectors: Params, batch: sgns.Blocks) -> Params:
        """See `sgns.rows_curvature`."""
        return sgns.rows_curvature(vectors, batch, products=self.products)

    def batch(
        self, constants: Constants, plan: Plan, bits: jax.Array, step: jax.Array
    ) -> sgns.Blocks:
        """The blocks of a step; see `contracts.Source.batch`."""
        text, negatives = self.sampled(constants, plan, bits, step)
        return sgns.Blocks(
            centers=self.centers(text.ids),
            contexts=text.ids,
            negatives=negatives,
            weights=text.weights,
            negative_weights=text.weights.sum(-1) * (self.negative / negatives.shape[1]),
        )
