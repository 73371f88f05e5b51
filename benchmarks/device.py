"""Speed limits of JAX's default device, to compare training with.

Bandwidth of a copy, speed of a large matrix product, and rows per second of the main operations
of a training step: gathering rows of a table, and adding to rows, with distinct ids or repeated
ones. The last is measured for each strategy of `jaxvec.optim.writeback`: some versions of JAX
compile "scatter" and "slots" to a loop on GPUs that is hundreds of times slower
(openxla/xla#46225); then "sorted" is fastest. With the --words-per-second of a skip-gram run,
also the fractions of these limits that it reaches.
"""

import argparse
import functools
import time
from collections.abc import Callable

from benchmarks.common import report, target

_REPEATS = 20


def add_parser(suites) -> None:
    """Adds the suite to a parser."""
    parser = suites.add_parser("device", help=__doc__.splitlines()[0], description=__doc__)
    add = parser.add_argument
    add("--words", type=int, default=70_000, help="rows of the table (default: %(default)s)")
    add("--vector-size", type=int, default=100)
    add("--rows", type=int, default=100_000, help="rows per call (default: %(default)s)")
    add("--side", type=int, default=4096, help="size of the square matrices (default: %(default)s)")
    add(
        "--words-per-second",
        type=float,
        metavar="R",
        help="speed of a run with window 5 and 5 negatives",
    )
    add("--kept", type=float, default=0.43, metavar="F",
        help="fraction of words that subsampling keeps in that run (default: %(default)s, of "
        "sample 1e-4 on 17M words of Wikipedia)")  # fmt: skip
    add("--json", type=target, metavar="FILE", help="write all figures as JSON")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Times each operation and prints a table."""
    import jax.numpy as jnp
    import numpy as np

    from jaxvec.optim.writeback import STRATEGIES

    rng = np.random.default_rng(0)
    count, dim = options.rows, options.vector_size
    table = jnp.ones((options.words, dim))
    zipf = 1 / np.arange(1, options.words + 1)
    repeated = jnp.asarray(rng.choice(options.words, count, p=zipf / zipf.sum()))
    once = jnp.asarray(rng.permutation(options.words)[: min(count, options.words)])
    rows = jnp.ones((count, dim))
    large, square = jnp.ones(1 << 26), jnp.ones((options.side, options.side))

    def add(table, ids, rows):
        return table.at[ids].add(rows)

    def write_back(strategy, table, ids, rows):
        _, touched = strategy.combine(strategy.scratch(table), ids, rows, len(table))
        return strategy.add(table, touched.targets, touched.gradients)

    seconds = {
        "copy": _seconds(lambda a: a + 1, large),
        "product": _seconds(lambda a: a @ a, square),
    }
    counts = {"gather": count, "add, ids once": len(once)}
    seconds["gather"] = _seconds(lambda t, i: t[i], table, repeated)
    seconds["add, ids once"] = _seconds(add, table, once, rows[: len(once)])
    for name, strategy in STRATEGIES.items():
        counts[f"write back, {name}"] = count
        seconds[f"write back, {name}"] = _seconds(
            functools.partial(write_back, strategy), table, repeated, rows
        )
    copied, flops = 2 * large.nbytes / seconds["copy"], 2 * options.side**3 / seconds["product"]
    found = [
        {"what": "copy", "figure": f"{copied / 1e9:.1f} GB/s"},
        {"what": "product, float32", "figure": f"{flops / 1e9:.0f} GFLOP/s"},
    ]
    for name, n in counts.items():
        found.append({"what": name, "figure": f"{n / seconds[name] / 1e6:.1f}M rows/s"})
    if options.words_per_second:
        found += _shares(options, copied, flops)
    report(found, {k: v for k, v in vars(options).items() if k != "run"}, options.json)


def _shares(options: argparse.Namespace, copied: float, flops: float) -> list[dict]:
    """The fractions of the limits that a skip-gram run reaches.

    A block of 32 words has 42 contexts and 32 negatives: three products of 32 x 74 x D, and 106
    rows that are gathered, written and read again.

    Args:
      options: with `words_per_second` and `kept`.
      copied: the bandwidth of a copy, bytes/s.
      flops: the speed of a product, FLOP/s.
    """
    blocks = options.words_per_second * options.kept / 32
    done = blocks * 3 * 2 * 32 * 74 * options.vector_size
    moved = blocks * 3 * 106 * options.vector_size * 4
    return [
        {"what": "training", "figure": f"{done / 1e9:.0f} GFLOP/s, {done / flops:.0%}"},
        {"what": "training", "figure": f"{moved / 1e9:.1f} GB/s, {moved / copied:.0%}"},
    ]


def _seconds(function: Callable, *arrays) -> float:
    """The median time of a compiled call."""
    import jax

    compiled, times = jax.jit(function), []
    for _ in range(_REPEATS):
        start = time.perf_counter()
        jax.block_until_ready(compiled(*arrays))
        times.append(time.perf_counter() - start)
    return sorted(times)[_REPEATS // 2]
