"""Ceilings of work on rows of tables: gathers and scatter-adds at random ids.

A call takes several chunks of ids in turn, as a training segment takes steps: its buffer of
gathered rows, or its table, stays where it is.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from benchmarks.suite.figures import short
from benchmarks.suite.kernels import Kernel
from jaxvec.optim.writeback import WriteBack

WIDTH = 128
"""Numbers of a row, float32."""


@functools.lru_cache(maxsize=2)  # both kinds, for one size after another
def draw_ids(kind: str, words: int, count: int) -> np.ndarray:
    """Random ids, int32[count], the same in every run.

    Args:
      kind: "uniform", or "zipf": id i has probability proportional to 1 / (i + 1).
      words: number of rows; ids are below it.
      count: ids.
    """
    rng = np.random.default_rng(words)
    if kind == "uniform":
        return rng.integers(0, words, count, dtype=np.int32)
    below = np.cumsum(1 / np.arange(1, words + 1))
    return np.searchsorted(below, rng.random(count) * below[-1]).astype(np.int32)


def gather(kind: str, words: int, rows: int, chunks: int) -> Kernel:
    """Reads rows of a table into a buffer.

    Number d of row i is (127 i + 8191 d) mod 2^20, so the buffer must hold that of the last
    chunk's ids; and the sum of each chunk's first number must come out.

    Args:
      kind: of the ids, see `draw_ids`.
      words: rows of the table, `V`.
      rows: rows of a chunk.
      chunks: of a call.
    """
    ids = draw_ids(kind, words, rows * chunks).reshape(chunks, rows)

    def numbers(ids):
        return ((ids[:, None] * 127 + jnp.arange(WIDTH)[None] * 8191) % 2**20).astype(jnp.float32)

    def function(state, table, ids):
        def step(state, ids):
            buffer, total = state
            buffer = table.at[ids].get(mode="promise_in_bounds")
            return (buffer, total + buffer[0, 0]), None

        buffer, total = state
        return lax.scan(step, (buffer, total * 0), ids)[0]

    @jax.jit
    def agrees(buffer, last):
        return jnp.all(buffer == numbers(last))

    def right(state):
        total = int(np.sum(ids[:, 0].astype(np.int64) * 127 % 2**20))
        return bool(agrees(state[0], jnp.asarray(ids[-1]))) and int(state[1]) == total

    return Kernel(
        name=f"gather, {kind} ids, V={short(words)}, {short(rows)} rows",
        what="gather",
        amount=4.0 * WIDTH * rows * chunks,
        unit="GB/s",
        function=function,
        inputs=lambda: (
            (jnp.zeros((rows, WIDTH)), jnp.zeros(())),
            jax.jit(lambda: numbers(jnp.arange(words)))(),
            jnp.asarray(ids),
        ),
        right=right,
        donates=True,
        bytes=4.0 * WIDTH * rows * chunks,
        settings={"ids": kind, "V": words, "D": WIDTH, "rows": rows, "chunks": chunks},
    )


def scatter_add(
    name: str, strategy: WriteBack, kind: str, words: int, rows: int, chunks: int
) -> Kernel:
    """Adds rows to a table by a strategy of `jaxvec.optim.writeback`.

    The table starts with zeros, and number d of each added row is d mod 3 + 1: the table must
    hold the number of times that an id occurs, times that.

    Args:
      name: of the strategy.
      strategy: combines equal ids, and writes.
      kind: of the ids, see `draw_ids`.
      words: rows of the table, `V`.
      rows: rows of a chunk.
      chunks: of a call.
    """
    ids = draw_ids(kind, words, rows * chunks).reshape(chunks, rows)

    def pattern():
        return (jnp.arange(WIDTH) % 3 + 1).astype(jnp.float32)[None]

    def function(state, changes, ids):
        def step(state, ids):
            table, scratch = state
            scratch, touched = strategy.combine(scratch, ids, changes, words)
            return (strategy.add(table, touched.targets, touched.gradients), scratch), None

        return lax.scan(step, state, ids)[0]

    def inputs():
        table = jnp.zeros((words, WIDTH))
        return (table, strategy.scratch(table)), jnp.tile(pattern(), (rows, 1)), jnp.asarray(ids)

    @jax.jit
    def agrees(table, counts):
        return jnp.all(table == counts[:, None] * pattern())

    def right(state):
        counts = np.bincount(ids.ravel(), minlength=words).astype(np.float32)
        return agrees(state[0], jnp.asarray(counts))

    return Kernel(
        name=f"scatter-add, {name}, {kind} ids, V={short(words)}, {short(rows)} rows",
        what="scatter-add",
        amount=4.0 * WIDTH * rows * chunks,
        unit="GB/s",
        function=function,
        inputs=inputs,
        right=right,
        donates=True,
        bytes=12.0 * WIDTH * rows * chunks,
        settings={
            "strategy": name, "ids": kind, "V": words, "D": WIDTH, "rows": rows, "chunks": chunks,
        },
    )  # fmt: skip
