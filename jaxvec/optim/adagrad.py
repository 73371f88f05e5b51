"""AdaGrad as word vectors want it, as optax transformations: one sum a row, and GloVe's own."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import lax

from jaxvec.optim.leaves import additive
from jaxvec.optim.once import made_once

PyTree = Any


class ScaleByRowAdagradState(NamedTuple):
    """One accumulator a row."""

    sum_of_squares: PyTree  # [V, 1] for a table [V, D]; [V] for a vector [V]


additive(ScaleByRowAdagradState, "sum_of_squares")


def scale_by_row_adagrad(
    initial_accumulator_value: float = 0.1, eps: float = 1e-7
) -> optax.GradientTransformation:
    """AdaGrad with one accumulator a row: a D-th of the memory and its traffic.

    For row i with gradient g_i: a_i += mean(g_i²); the update is g_i / sqrt(a_i + eps).
    Chain it with a negative learning rate, as `row_adagrad` does.

    Args:
      initial_accumulator_value: a_i before the first step.
      eps: added to a_i in the square root.

    References:
      Gupta et al. 2014, "Training Highly Multiclass Classifiers".
    """

    def squares(gradient):
        return jnp.mean(jnp.square(gradient), axis=tuple(range(1, gradient.ndim)), keepdims=True)

    def init(params):
        full = jax.tree.map(
            lambda p: jnp.full_like(
                p, initial_accumulator_value, shape=(len(p),) + (1,) * (p.ndim - 1)
            ),
            params,
        )
        return ScaleByRowAdagradState(full)

    def update(updates, state, params=None):
        del params
        sums = jax.tree.map(jnp.add, state.sum_of_squares, _at_once(squares, updates))
        factors = _at_once(lambda a: made_once(lax.rsqrt(a + eps), "cuda"), sums)
        updates = jax.tree.map(jnp.multiply, updates, factors)
        return updates, ScaleByRowAdagradState(sums)

    return optax.GradientTransformation(init, update)


def _at_once(function: Callable[[jax.Array], jax.Array], tables: PyTree) -> PyTree:
    """A function of each row, applied to the rows of all tables; on a GPU in one kernel."""
    treedef: Any
    leaves, treedef = jax.tree.flatten(tables)

    def each(leaves):
        return [function(leaf) for leaf in leaves]

    def together(leaves):
        whole = function(jnp.concatenate(leaves))
        return jnp.split(whole, np.cumsum([len(leaf) for leaf in leaves])[:-1])

    if len({leaf.shape[1:] for leaf in leaves}) > 1:
        return treedef.unflatten(each(leaves))
    return treedef.unflatten(lax.platform_dependent(leaves, cuda=together, default=each))


def row_adagrad(
    learning_rate: float, initial_accumulator_value: float = 0.1, eps: float = 1e-7
) -> optax.GradientTransformation:
    """`optax.adagrad` with one accumulator a row.

    Args:
      learning_rate: by which the updates are multiplied.
      initial_accumulator_value, eps: see `scale_by_row_adagrad`.

    >>> accumulators, _ = row_adagrad(1.0).init(jnp.ones((3, 2)))
    >>> accumulators.sum_of_squares.shape
    (3, 1)
    """
    return optax.chain(
        scale_by_row_adagrad(initial_accumulator_value, eps),
        optax.scale_by_learning_rate(learning_rate),
    )


class GloveAdagradState(NamedTuple):
    """Sums of squares, from which each element's learning rate follows."""

    sum_of_squares: PyTree  # as the parameters; [V, 1] for a table [V, D] with `per_row`


additive(GloveAdagradState, "sum_of_squares")


def glove_adagrad(
    learning_rate: float = 0.05,
    *,
    clip: float = 100.0,
    per_row: bool = False,
    accumulate_first: bool = False,
) -> optax.GradientTransformation:
    """AdaGrad as Stanford's GloVe program has it, which is not `optax.adagrad`.

    For an element with gradients g₁, g₂, … the n-th update is

        -g_n / sqrt(a + g₁² + … + g_{n-1}²)

    that is, the step is divided before its own square is added. For vectors a is
    1/η², so that the first steps have the rate η; their gradients are clipped to
    ±`clip`. For biases (arrays [V]) a is 1, whatever η, and nothing is clipped. The
    program's gradient is that of half the loss: f(x) (w·c + b + b′ - log x) times a vector.

    The program takes one cell a step. In a step of many, the gradients of a row's cells
    come from the same point, and their sum divided by a sum of squares that does not have
    it yet throws biases far off; `accumulate_first` adds before it divides.

    Args:
      learning_rate: η.
      clip: bound of an element of a vector's gradient.
      per_row: keep one sum a vector, of the means of its squares.
      accumulate_first: let a step's own square count, for steps of many cells.

    References:
      Pennington, Socher and Manning 2014, "GloVe: Global Vectors for Word Representation", and
      ``glove.c`` of their program.

    >>> glove_adagrad(0.05).init(jnp.ones((3, 2))).sum_of_squares[0].tolist()  # 1/η²
    [400.0, 400.0]
    """

    def squares(gradient):
        square = jnp.square(gradient)
        if per_row and gradient.ndim > 1:
            square = square.mean(axis=tuple(range(1, gradient.ndim)), keepdims=True)
        return square

    def init(params):
        def start(table):
            first = learning_rate**-2 if table.ndim > 1 else 1.0
            return jnp.full_like(squares(table), first)

        return GloveAdagradState(jax.tree.map(start, params))

    def update(updates, state, params=None):
        del params
        bounded = jax.tree.map(lambda g: jnp.clip(g, -clip, clip) if g.ndim > 1 else g, updates)
        sums = jax.tree.map(lambda a, g: a + squares(g), state.sum_of_squares, bounded)
        divisors = sums if accumulate_first else state.sum_of_squares
        updates = jax.tree.map(lambda g, a: -g * jax.lax.rsqrt(a), bounded, divisors)
        return updates, GloveAdagradState(sums)

    return optax.GradientTransformation(init, update)
