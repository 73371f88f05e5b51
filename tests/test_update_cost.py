"""A step costs what its rows cost, however many rows the tables have.

The text of a compiled program does not tell: jaxlib 0.11.1 makes of the same instructions a loop
that writes a whole buffer to change a few bytes of it. So steps are run, on the same rows of a
small table and of a large one, and the processor time that the large one takes more is held
against that of copying its tables.
"""

import functools
import time

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxvec import OPTIMIZERS, Corpus, SkipGram, Vocab, optim
from jaxvec.optim.named import resolve_optimizer
from jaxvec.train.contracts import State
from jaxvec.train.epoch import train_segment
from jaxvec.train.segments import TokenSegments

KEY = jax.random.key(0)
MODEL = SkipGram(vector_size=16, window=3, sample=0, blocks=1)
STEPS, SMALL, LARGE = 64, 500, 300_000
IDS = np.random.default_rng(0).integers(0, SMALL, STEPS * 32).astype(np.int32)


def best(run, times: int = 3) -> float:
    """The least processor seconds of a call, the first left out, which may compile."""
    taken = []
    for _ in range(times + 1):
        start = time.process_time()
        jax.block_until_ready(run())
        taken.append(time.process_time() - start)
    return min(taken[1:])


@functools.cache
def text(words: int):
    """A segment of `STEPS` steps, and constants, of a text of 500 words in a vocabulary of more."""
    counts = np.where(np.arange(words) < SMALL, 1_000_000_000, 1)  # nearly all negatives are these
    vocab = Vocab([f"w{i}" for i in range(words)], counts)
    corpus = Corpus(vocab, IDS, np.array([0, len(IDS)]), raw_words=len(IDS))
    return TokenSegments(corpus).epoch(KEY)(0), MODEL.constants(corpus)


def seconds(words: int, optimizer) -> float:
    """Processor seconds of the steps with tables of `words` rows."""
    segment, constants = text(words)
    params = MODEL.init(KEY, words)
    carried = [State(params, optimizer.init(params))]

    def run():
        state, steps = train_segment(
            MODEL, optimizer, carried.pop(), constants, segment, KEY, jnp.ones(2)
        )
        carried.append(state)
        return steps

    return best(run)


@functools.cache
def copying() -> float:
    """Processor seconds of a copy of both large tables."""
    tables = [np.ones((LARGE, MODEL.vector_size), np.float32) for _ in range(4)]

    def copy():
        for mine, other in (tables[:2], tables[2:]):
            np.copyto(mine, other)

    return best(copy)


def copies(optimizer) -> float:
    """How often the steps copy both large tables, by the time they take; near 0 for not at all."""
    return (seconds(LARGE, optimizer) - seconds(SMALL, optimizer)) / copying()


@pytest.mark.parametrize("name", [*OPTIMIZERS, "damped sgd"])
def test_no_step_costs_as_much_as_a_table(name):
    if name == "damped sgd":
        optimizer = optim.damped_sgd()
    else:
        optimizer, _ = resolve_optimizer(name, False, None, None)
    assert copies(optimizer) < STEPS / 4


def test_steps_that_copy_would_be_found():
    """A rule that reads the old table after it has written the new one: both must be kept."""
    sgd = optim.row_sparse(optax.sgd(1.0))

    def update(params, state, scratch, rows, gradients, rate):
        new, state, scratch = sgd.update(params, state, scratch, rows, gradients, rate)
        late = jax.tree.map(
            lambda old, table: table.at[0].add(old[jnp.argmax(table[:3, 0])]), params, new
        )
        return late, state, scratch

    assert copies(optim.RowOptimizer(sgd.init, sgd.scratch, update)) > STEPS / 2
