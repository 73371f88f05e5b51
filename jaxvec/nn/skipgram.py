"""Skip-gram with negative sampling as a flax nnx module, with the loss of `jaxvec.sgns`.

Letters: `V` vocabulary size, `D` vector size, `B` pairs in a batch, `K` negatives per pair.
"""

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from numpy.typing import ArrayLike

from jaxvec.models import sampling, sgns


class Noise(nnx.Variable):
    """A variable for the `sampling.AliasTable` of negatives; it is not trained."""


class SkipGramNeg(nnx.Module):
    """Skip-gram as a module: two tables, a noise distribution, and the loss of `jaxvec.fit`.

    `jaxvec.fit` is much faster; use this where skip-gram is part of a larger model. It is a
    module like any other for `nnx.split`, `nnx.Optimizer` and Orbax. The state of its random
    draws is saved with it, so a restored module continues the same sequence.

    Args:
      vocab_size: `V`.
      vector_size: `D`.
      noise: the noise distribution, as weights [V], such as `sampling.noise_distribution` of
        the counts, or as their alias table; None for a uniform one.
      param_dtype: of the tables.
      rngs: the stream ``params`` initializes the tables; the stream ``noise``, or else the
        default one, draws the negatives.

    Raises:
      ValueError: if the noise is not of `V` words.

    Attributes:
      in_embed: `nnx.Embed`, [V, D], vectors of center words, initially uniform in ±1.
      out_embed: `nnx.Embed`, [V, D], vectors of context words and negatives, initially uniform
        in ±1.
      noise: `Noise`, the alias table of the noise distribution; None for a uniform one.
      rngs: the random stream of the negatives.

    >>> import optax
    >>> model = SkipGramNeg(10, 4, noise=[5, 5, 4, 4, 3, 3, 2, 2, 1, 1], rngs=nnx.Rngs(0))
    >>> optimizer = nnx.Optimizer(model, optax.adam(0.05), wrt=nnx.Param)
    >>> @nnx.jit
    ... def step(model, optimizer, centers, contexts):
    ...     loss, gradients = nnx.value_and_grad(lambda m: m.loss(centers, contexts, 5))(model)
    ...     optimizer.update(model, gradients)
    ...     return loss / len(centers)
    >>> centers, contexts = jnp.array([1, 2, 3, 4]), jnp.array([2, 1, 4, 3])
    >>> losses = [float(step(model, optimizer, centers, contexts)) for _ in range(50)]
    >>> losses[-1] < losses[0]
    True
    """

    def __init__(
        self,
        vocab_size: int,
        vector_size: int,
        *,
        noise: sampling.AliasTable | ArrayLike | None = None,
        param_dtype: jnp.dtype | type = jnp.float32,
        rngs: nnx.Rngs,
    ):
        if noise is not None and not isinstance(noise, sampling.AliasTable):
            noise = sampling.alias_table(np.asarray(noise))
        if noise is not None and len(noise.alias) != vocab_size:
            raise ValueError(f"noise of {len(noise.alias)} words, but vocab_size={vocab_size}")
        self.in_embed, self.out_embed = (
            nnx.Embed(
                vocab_size, vector_size, param_dtype=param_dtype, embedding_init=_uniform, rngs=rngs
            )
            for _ in range(2)
        )
        self.noise = None if noise is None else Noise(noise)
        self.rngs = rngs.noise.fork()

    @property
    def params(self) -> sgns.Params:
        """The tables in the form that the functions of `jaxvec.sgns` take: [V, D] each."""
        return sgns.Params(self.in_embed.embedding[...], self.out_embed.embedding[...])

    def forward_input(self, words: jax.Array) -> jax.Array:
        """The vectors of center words: int[B] -> [B, D]."""
        return self.in_embed(words)

    def forward_output(self, words: jax.Array) -> jax.Array:
        """The vectors of context words: int[B] -> [B, D]."""
        return self.out_embed(words)

    def draw_noise(self, batch_size: int, n_samples: int) -> jax.Array:
        """Draws negatives from the noise distribution, new ones at each call.

        Args:
          batch_size: `B`.
          n_samples: `K`.

        Returns:
          Word ids, int32[B, K].
        """
        return sampling.negatives(
            self.rngs(),
            (batch_size, n_samples),
            self.out_embed.num_embeddings,
            None if self.noise is None else self.noise.get_value(),
        )

    def forward_noise(self, batch_size: int, n_samples: int) -> jax.Array:
        """The context vectors of new negatives: [B, K, D].

        Args:
          batch_size: `B`.
          n_samples: `K`.
        """
        return self.out_embed(self.draw_noise(batch_size, n_samples))

    def loss(
        self,
        centers: jax.Array,
        contexts: jax.Array,
        n_samples: int = 5,
        weights: jax.Array | None = None,
    ) -> jax.Array:
        """The loss of pairs with new negatives, summed with weights: a scalar.

        Args:
          centers: word ids, int[B].
          contexts: word ids, int[B].
          n_samples: `K`.
          weights: of the pairs, float[B], 0 for padding; by default 1.
        """
        return negative_sampling_loss(
            self.forward_input(centers),
            self.forward_output(contexts),
            self.forward_noise(len(centers), n_samples),
            weights,
        )


def negative_sampling_loss(
    inputs: jax.Array, outputs: jax.Array, noise: jax.Array, weights: jax.Array | None = None
) -> jax.Array:
    """`sgns.loss` as a function of vectors, summed over pairs with weights: a scalar.

        -log σ(u·v) - Σ_k log σ(-u_k·v)

    Args:
      inputs: v, vectors of the centers, [B, D].
      outputs: u, vectors of the contexts, [B, D].
      noise: u_k, vectors of the negatives, [B, K, D].
      weights: of the pairs, float[B]; by default 1.

    >>> zeros = jnp.zeros((2, 4))
    >>> print(f"{negative_sampling_loss(zeros, zeros, jnp.zeros((2, 5, 4))):.4f}")  # 12 log 2
    8.3178

    References:
      Mikolov et al. 2013, "Distributed Representations of Words and Phrases and their
      Compositionality".
    """
    batch_size, n_samples = noise.shape[:2]
    if weights is None:
        weights = jnp.ones(batch_size, inputs.dtype)
    weights = weights[:, None, None]
    of_noise = jnp.broadcast_to(weights, (batch_size, 1, n_samples))
    vectors = sgns.Params(inputs[:, None], jnp.concatenate([outputs[:, None], noise], axis=1))
    return sgns.center_losses(vectors, jnp.concatenate([weights, of_noise], axis=2), 1).sum()


def _uniform(key: jax.Array, shape: tuple[int, ...], dtype) -> jax.Array:
    return jax.random.uniform(key, shape, dtype, -1, 1)
