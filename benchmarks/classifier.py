"""A text classifier in flax nnx, trained with many seeds in one program.

Letters: `S` seeds, `N` texts, `T` words of a text at most, `B` texts in a batch, `C` classes, `L`
labeled texts per seed.
"""

import functools
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax
from flax import nnx

BATCH, HIDDEN, RATE = 32, 64, 3e-3


class Examples(NamedTuple):
    """`N` texts of at most `T` words.

    Attributes:
      ids: int32[N, T], word ids, padded.
      lengths: int32[N], the number of words.
      labels: int32[N], the class.
    """

    ids: jax.Array  # int32[N, T]
    lengths: jax.Array  # int32[N]
    labels: jax.Array  # int32[N]


class Classifier(nnx.Module):
    """Logits of `C` classes from the mean of a text's word vectors or LSTM states: [B, C]."""

    def __init__(self, embed: nnx.Embed, classes: int, *, lstm: bool, rngs: nnx.Rngs):
        self.embed = embed
        size = HIDDEN if lstm else embed.features
        if lstm:
            self.rnn = nnx.RNN(nnx.OptimizedLSTMCell(embed.features, HIDDEN, rngs=rngs))
        else:
            self.rnn = None
        self.head = nnx.Linear(size, classes, rngs=rngs)

    def __call__(self, ids: jax.Array, lengths: jax.Array) -> jax.Array:
        states = self.embed(ids)
        if self.rnn is not None:
            states = self.rnn(states)
        is_word = jnp.arange(ids.shape[1])[None] < lengths[:, None]
        total = jnp.where(is_word[..., None], states, 0).sum(axis=1)
        return self.head(total / jnp.maximum(lengths, 1)[:, None])


class Trainer:
    """Trains a classifier with `S` seeds; compiled once for all numbers of labels."""

    def __init__(self, make: Callable[[int], Classifier], seeds: int, steps: int):
        split = [_split(make(seed)) for seed in range(seeds)]
        self.graphdef = split[0][0]
        states = [state for _, state in split]
        self.state = jax.tree.map(lambda *leaves: jnp.stack(leaves), *states)
        self.keys = jax.vmap(jax.random.key)(jnp.arange(seeds))
        self.steps = steps

    def predictions(
        self, training: Examples, rows: jax.Array, labels: int, held_out: Examples
    ) -> jax.Array:
        """Trains with each seed, and predicts the classes of held-out texts: int32[S, N].

        Args:
          training: the labeled texts of all seeds.
          rows: the rows of `training` for each seed, int[S, L]; the first `labels` are used.
          labels: the number of labeled texts.
          held_out: `N` texts.
        """
        return _run(
            self.graphdef, self.steps, self.state, self.keys, training, rows, labels, held_out
        )


def _split(model: Classifier):
    return nnx.split((model, nnx.Optimizer(model, optax.adam(RATE), wrt=nnx.Param)))


@functools.partial(jax.jit, static_argnums=(0, 1))
@functools.partial(jax.vmap, in_axes=(None, None, 0, 0, None, 0, None, None))
def _run(graphdef, steps, state, key, training, rows, labels, held_out):
    def step(i, state):
        model, optimizer = nnx.merge(graphdef, state)
        drawn = jax.random.randint(jax.random.fold_in(key, i), BATCH, 0, labels)
        batch = jax.tree.map(lambda array: array[rows[drawn]], training)

        def loss(model):
            logits = model(batch.ids, batch.lengths)
            losses = optax.losses.softmax_cross_entropy_with_integer_labels(logits, batch.labels)
            return losses.mean()

        optimizer.update(model, nnx.grad(loss)(model))
        return nnx.state((model, optimizer))

    model, _ = nnx.merge(graphdef, jax.lax.fori_loop(0, steps, step, state))
    return model(held_out.ids, held_out.lengths).argmax(axis=-1)
