"""Steps of skip-gram measured on this machine, beside what the formulas make of its ceilings.

In seconds of the processor, not of the clock, so that other work on a CPU does not count.
"""

import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from benchmarks.paper.formulas import NUMBER, Layout, Step, work
from benchmarks.suite import dense, rows
from benchmarks.suite.kernels import measure
from benchmarks.suite.timing import Timer
from jaxvec import Corpus, SkipGram
from jaxvec.models.tables import softplus
from jaxvec.optim.named import NAMED
from jaxvec.optim.rows import row_sparse
from jaxvec.optim.writeback import STRATEGIES
from jaxvec.train.contracts import State
from jaxvec.train.epoch import train_segment
from jaxvec.train.segments import Tokens

STEPS = (
    Step(68_000, 100, blocks=2), Step(68_000, 100, blocks=16), Step(68_000, 100, blocks=256),
    Step(68_000, 64, blocks=2), Step(68_000, 256, blocks=2), Step(1_000_000, 100, blocks=2),
)  # fmt: skip
_SEGMENT = 1 << 16
_PRODUCTS = 256  # a call: enough that the call itself takes no time


class Ceilings(NamedTuple):
    """Speeds of this machine.

    Attributes:
      gather: bytes/s of rows read.
      scatter: bytes/s of rows added to.
      products: FLOP/s of a block's products.
      pairs: losses and their slopes a second.
      words: 32-bit random numbers a second.
    """

    gather: float
    scatter: float
    products: float
    pairs: float
    words: float


class Measured(NamedTuple):
    """A step, measured and by formula."""

    step: Step
    parts: dict[str, float]  # seconds by formula
    seconds: float  # as measured

    @property
    def formula(self) -> float:
        """Seconds of all parts in turn."""
        return sum(self.parts.values())


def timer(runs: int = 5) -> Timer:
    """Times in seconds of the processor on a CPU, of the clock elsewhere.

    Args:
      runs: of which the fastest counts.
    """
    on_cpu = jax.default_backend() == "cpu"
    return Timer(runs, clock=time.process_time if on_cpu else time.perf_counter)


def measured(steps: tuple[Step, ...] = STEPS, runs: int = 5) -> Iterator[Measured]:
    """Measures steps of SGD, and the ceilings for each.

    Args:
      steps: their sizes.
      runs: of each figure; the fastest counts.
    """
    clock = timer(runs)
    for step in steps:
        parts = in_parts(step, ceilings(step, clock))
        yield Measured(step, parts, seconds_a_step(step, clock))


def ceilings(step: Step, clock: Timer) -> Ceilings:
    """The ceilings that a step meets.

    Args:
      step: its size: rows a pass, vocabulary, products of its blocks.
      clock: how to time.
    """
    others = step.contexts + step.negatives
    passes = max(1, (1 << 15) // step.rows)
    kernels = [
        rows.gather("zipf", step.words, step.rows, passes),
        rows.scatter_add("scatter", STRATEGIES["scatter"], "zipf", step.words, step.rows, passes),
        dense.product(step.tokens, "float32", batch=_PRODUCTS, inner=step.dim, wide=others),
        dense.random_bits(1 << 16),
    ]
    speeds = [one.amount / min(measure(one, clock).times) for one in kernels]
    gathered, added, multiplied, bits = speeds
    return Ceilings(gathered, added, multiplied, _pairs(step, clock), bits / 32)


def in_parts(step: Step, found: Ceilings) -> dict[str, float]:
    """Seconds of a step by formula, from ceilings.

    Args:
      step: its size.
      found: of this machine.
    """
    done = work(step, Layout())
    row_bytes = NUMBER * done.gathered * step.dim
    return {
        "gather": row_bytes / found.gather,
        "add": row_bytes / found.scatter,
        "products": done.products / found.products,
        "pairs": step.pairs / found.pairs,
        "random bits": step.blocks * (2 * step.negatives + 2 * step.tokens) / found.words,
    }


def _pairs(step: Step, clock: Timer) -> float:
    """Losses and slopes a second, of as many logits as a step has."""
    shape = step.blocks, step.tokens, step.contexts + step.negatives

    def slopes(logits):
        value, slope = jax.jvp(softplus, (logits,), (jnp.ones_like(logits),))
        return logits + 1e-3 * slope + 1e-6 * value

    def function(logits):
        return lax.fori_loop(0, 64, lambda _, logits: slopes(logits), logits)

    program, _ = clock.compiled(function, jnp.zeros(shape), donate=[0])
    return 64 * step.pairs / min(clock.chained(program, jnp.zeros(shape)).times)


def seconds_a_step(step: Step, clock: Timer) -> float:
    """Seconds of a step of SGD without damping, of a text by Zipf's law of which all is kept.

    Args:
      step: its size.
      clock: how to time.
    """
    tokens = max(_SEGMENT, 16 * step.blocks * step.tokens)
    ids = rows.draw_ids("zipf", step.words, tokens)
    counts = np.bincount(ids, minlength=step.words) + 1
    model = SkipGram(
        vector_size=step.dim, blocks=step.blocks, sample=0, block_negatives=step.negatives
    )
    constants = jax.device_put(_constants(model, counts))
    optimizer = row_sparse(NAMED["sgd"].make(1.0), write_back="scatter")
    params = model.init(jax.random.key(0), step.words)
    segment = jax.device_put(Tokens(ids, np.arange(tokens, dtype=np.int32) // 1000))
    rates, key = jnp.full(2, 1e-3), jax.random.key(1)

    def call(state):
        return train_segment(model, optimizer, state, constants, segment, key, rates)[0]

    state = State(params, optimizer.init(params))
    times = clock.chained(call, state).times
    return min(times) / -(-tokens // model.step_tokens)


def _constants(model: SkipGram, counts: np.ndarray):
    from jaxvec.models import sampling
    from jaxvec.train.text_model import Constants

    keep = sampling.keep_thresholds(model.keep_probability(counts))
    return Constants(keep=keep, words=model.choices(counts))


def words_a_second(words: int = 2_000_000, vocabulary: int = 200_000) -> float:
    """Words that a core reads, splits, counts and turns to ids in a second.

    Args:
      words: of a made-up text, a thousand to a line.
      vocabulary: of Zipf's law.
    """
    ids = rows.draw_ids("zipf", vocabulary, words)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "text.txt"
        with path.open("w") as file:
            for start in range(0, words, 1000):
                file.write(" ".join(f"w{i:05d}" for i in ids[start : start + 1000]) + "\n")
        start = time.process_time()
        corpus = Corpus.from_files(path)
        seconds = time.process_time() - start
    return corpus.raw_words / seconds
