"""Skip-gram with negative sampling as a flax nnx module, of the loss of `jaxvec.sgns`.

Letters: `V` vocabulary, `D` dimension, `B` batch, `K` negatives a pair.
"""

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from numpy.typing import ArrayLike

from jaxvec.models import sampling, sgns


class Noise(nnx.Variable):
    """The `sampling.AliasTable` from which a module draws negatives; it is not trained."""


class SkipGramNeg(nnx.Module):
    """The two tables of skip-gram, and noise, with the loss that `jaxvec.fit` minimizes.

    `jaxvec.fit` is far faster; this is for models of which skip-gram is a part, with the
    module's own state: `nnx.split`, `nnx.Optimizer` and Orbax treat it as any other, and
    its draws go on where a checkpoint left them.

    Attributes:
      in_embed: an `nnx.Embed`, the vectors of center words, uniform in ±1 at the start.
      out_embed: those of context words, and of noise; likewise.

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
        """Makes the tables.

        Args:
          vocab_size: `V`.
          vector_size: `D`.
          noise: the distribution of negatives: weights [V], such as
            `sampling.noise_distribution` of the counts, or an alias table of them; by
            default every word is equally likely.
          param_dtype: of the tables.
          rngs: its stream ``params`` gives the tables' start, and ``noise``, or else the
            default one, the negatives.

        Raises:
          ValueError: if the noise is not of `V` words.
        """
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
        """The tables as the functions of `jaxvec.sgns` take them."""
        return sgns.Params(self.in_embed.embedding[...], self.out_embed.embedding[...])

    def forward_input(self, words: jax.Array) -> jax.Array:
        """The vectors of center words: int[B] -> [B, D]."""
        return self.in_embed(words)

    def forward_output(self, words: jax.Array) -> jax.Array:
        """The vectors of context words: int[B] -> [B, D]."""
        return self.out_embed(words)

    def draw_noise(self, batch_size: int, n_samples: int) -> jax.Array:
        """Words drawn from the noise, int32[B, K], others at each call."""
        return sampling.negatives(
            self.rngs(),
            (batch_size, n_samples),
            self.out_embed.num_embeddings,
            None if self.noise is None else self.noise.get_value(),
        )

    def forward_noise(self, batch_size: int, n_samples: int) -> jax.Array:
        """The context vectors of words drawn from the noise, [B, K, D], others at each call."""
        return self.out_embed(self.draw_noise(batch_size, n_samples))

    def loss(
        self,
        centers: jax.Array,
        contexts: jax.Array,
        n_samples: int = 5,
        weights: jax.Array | None = None,
    ) -> jax.Array:
        """The weighted sum over pairs of the loss, with noise of their own: a scalar.

        Args:
          centers: int[B].
          contexts: int[B].
          n_samples: `K`.
          weights: float[B], 0 for padding; by default 1.
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
    """`sgns.loss` of vectors, however they were made: the weighted sum over pairs, a scalar.

        -log σ(u·v) - Σ_k log σ(-u_k·v)

    Args:
      inputs: v, of center words, [B, D].
      outputs: u, of context words, [B, D].
      noise: u_k, of negatives, [B, K, D].
      weights: float[B]; by default 1.

    >>> zeros = jnp.zeros((2, 4))
    >>> print(f"{negative_sampling_loss(zeros, zeros, jnp.zeros((2, 5, 4))):.4f}")  # 12 log 2
    8.3178

    Source: Mikolov et al. 2013, "Distributed Representations of Words and Phrases and their
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
