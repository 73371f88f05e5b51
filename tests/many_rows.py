"""What compiled programs give for more than 32,768 rows, beside JAX eager and NumPy.

python -m tests.many_rows OUTPUT

For `test_many_rows`, which starts it in a process of its own: compiled as it is for users. The
vectors are short, as only small products are fused with what reads them.
"""

import sys
from collections.abc import Callable
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from jaxvec import cbow, glove, sgns, softmax
from jaxvec.cluster import classes, som
from jaxvec.optim.writeback import STRATEGIES
from jaxvec.vectors import neighbors, ranking
from tests import reference

N, D, K = 32_770, 3, 3  # rows or pairs, and the numbers of a vector, and vectors beside it
NAMES = (
    "plain JAX", "cosine_top", "cosmul_top", "squared_distances", "classes.assign",
    "classes.means", "som.best_matching_unit", "som.step",
    *(f"write back, {name}" for name in STRATEGIES),
    "sgns", "cbow", "softmax", "softmax, many words", "glove",
)  # fmt: skip


def drawn(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def ids(seed: int, *shape: int, most: int = N) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, most, shape).astype(np.int32)


def unit(x: np.ndarray) -> np.ndarray:
    return (x / np.linalg.norm(x, axis=-1, keepdims=True)).astype(np.float32)


ROWS, FEW = drawn(0, N, D), drawn(1, K, D)
UNITS, CENTERS, OTHERS = (unit(np.abs(x)) for x in (ROWS, FEW, drawn(13, K, D)))
TABLES = drawn(2, N, D), drawn(3, N, D)
CENTER, CONTEXT, NOISE = ids(4, N), ids(5, N), ids(6, N, K)
WEIGHTS = np.random.default_rng(7).random(N).astype(np.float32)


def by_place(top: neighbors.Top) -> jax.Array:
    """The scores of all words in the order of the words."""
    return jnp.zeros_like(top.scores[0]).at[top.indices[0]].set(top.scores[0])


def cosmul() -> np.ndarray:
    """Products over the words of a query, of a product with all rows."""
    pulls, pushes = (CENTERS[None] @ UNITS.T + 1) / 2, (OTHERS[None] @ UNITS.T + 1) / 2
    return (pulls.prod(1) / (pushes.prod(1) + ranking.EPSILON))[0]


def added() -> np.ndarray:
    table = np.zeros((K, D))
    np.add.at(table, CONTEXT % K, ROWS)
    return table


def summed(strategy) -> Callable:
    def run(rows, targets):
        table = jnp.zeros((K, D))
        _, touched = strategy.combine(strategy.scratch(table), targets, rows, K)
        return strategy.add(table, touched.targets, touched.gradients)

    return run


def loss_and_gradient(module, batch) -> Callable:
    return lambda params: jax.value_and_grad(module.loss)(params, batch)


def pairs_of(module, batch, tables, losses, gradients) -> tuple:
    """A case: a model's loss of N pairs and its gradient, beside the reference's."""
    arrays = [np.asarray(leaf) for leaf in batch]
    wide = [table.astype(np.float64) for table in tables]
    expected = losses(*wide, *arrays), tuple(gradients(*wide, *arrays))
    params = (glove if module is glove else sgns).Params(*tables)
    return loss_and_gradient(module, batch), (params,), expected


def sgns_loss(a, b, centers, contexts, noise, weights):
    return (reference.sgns_pairs(a, b, centers, contexts, noise) * weights).sum()


def cases() -> dict[str, tuple]:
    """For each name a function of arrays, the arrays, and what NumPy gives."""
    distances = ((ROWS[:, None].astype(np.float64) - FEW[None]) ** 2).sum(-1)
    cosines = UNITS.astype(np.float64) @ CENTERS.T
    labels = cosines.argmax(1)
    ones = np.eye(K)[labels]
    means = unit(ones.T @ UNITS)
    nearest = np.eye(K)[distances.argmin(1)]
    cells = np.random.default_rng(8).integers(0, 30, N).astype(np.float32)
    windows = ids(9, N, K), np.random.default_rng(10).integers(0, 2, (N, K)).astype(np.float32)
    biases = drawn(11, N), drawn(12, N)
    return {
        "plain JAX": (
            jax.vmap(lambda m, row: jnp.square(m @ row).sum(), (None, 0)),
            (FEW, ROWS), ((ROWS @ FEW.T) ** 2).sum(1),
        ),
        "cosine_top": (
            lambda u, q: by_place(neighbors.cosine_top(u, q, N)),
            (UNITS, CENTERS[:1]), cosines[:, 0],
        ),
        "cosmul_top": (
            lambda u, p, n: by_place(neighbors.cosmul_top(u, p, n, N)),
            (UNITS, CENTERS[None], OTHERS[None]), cosmul(),
        ),
        "squared_distances": (neighbors.squared_distances, (ROWS, FEW), distances),
        "classes.assign": (
            lambda u, c: classes.assign(u, c)[:2], (UNITS, CENTERS), (labels, cosines.max(1)),
        ),
        "classes.means": (lambda u, own: classes.means(u, own, K), (UNITS, labels), means),
        "som.best_matching_unit": (
            lambda w, x: som.best_matching_unit(w[None], x), (FEW, ROWS), distances.argmin(1),
        ),
        "som.step": (
            lambda w, x: som.step(w[None], x, 1e-2)[0], (FEW, ROWS),
            nearest.T @ ROWS / nearest.sum(0)[:, None],
        ),
        **{
            f"write back, {name}": (summed(strategy), (ROWS, CONTEXT % K), added())
            for name, strategy in STRATEGIES.items()
        },
        "sgns": pairs_of(
            sgns, sgns.Batch(CENTER, CONTEXT, NOISE, WEIGHTS), TABLES,
            sgns_loss, reference.sgns_gradients,
        ),
        "cbow": pairs_of(
            cbow, cbow.Batch(CENTER, windows[0], NOISE, windows[1]), TABLES,
            lambda *given: reference.cbow(*given, True),
            lambda *given: reference.cbow_gradients(*given, True),
        ),
        "softmax": pairs_of(
            softmax, softmax.Batch(CENTER % K, CONTEXT % K, WEIGHTS), (FEW, CENTERS),
            reference.softmax, reference.softmax_gradients,
        ),
        "softmax, many words": pairs_of(
            softmax, softmax.Batch(CENTER[:4], CONTEXT[:4], WEIGHTS[:4]), TABLES,
            reference.softmax, reference.softmax_gradients,
        ),
        "glove": pairs_of(
            glove, glove.Batch(CENTER, CONTEXT, cells), (*TABLES, *biases),
            lambda *given: reference.glove_cells(given[:4], *given[4:], 100, 0.75).sum(),
            lambda *given: reference.glove_gradients(given[:4], *given[4:], 100, 0.75),
        ),
    }  # fmt: skip


def main(output: str) -> None:
    """Saves for each case what was compiled, what was eager, and what NumPy gives."""
    found = cases()
    for name in NAMES:
        function, arguments, expected = found[name]
        arguments = jax.tree.map(jnp.asarray, arguments)
        compiled = jax.tree.leaves(jax.jit(function)(*arguments))
        with jax.disable_jit():
            eager = jax.tree.leaves(function(*arguments))
        arrays = {"compiled": compiled, "eager": eager, "expected": jax.tree.leaves(expected)}
        named = {f"{kind} {i}": x for kind, xs in arrays.items() for i, x in enumerate(xs)}
        np.savez(Path(output) / f"{name}.npz", **named)


if __name__ == "__main__":
    main(*sys.argv[1:])
