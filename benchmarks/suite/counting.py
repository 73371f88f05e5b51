"""Counting co-occurrences: words a second, beside the sort that limits it."""

import dataclasses
import statistics
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import jax
import numpy as np

from benchmarks.suite import sizes, traffic
from benchmarks.suite.figures import Figure, rate
from benchmarks.suite.limits import limited
from benchmarks.suite.timing import Peak, Timer
from jaxvec import Corpus, cooccurrence
from jaxvec.storage.pool import cores


def figures(
    corpus: Corpus, cells: int, ceilings: Mapping[str, Figure], timer: Timer
) -> Iterator[Figure]:
    """Words a second of counting: on the host's cores, and on an accelerator too if it is one.

    The host's ceiling is measured here: a key of 64 bits for each pair, sorted by NumPy, a thread
    a core.

    Args:
      corpus: to count.
      cells: how many it has.
      ceilings: of the device, by name.
      timer: how often it is counted.
    """
    window = sizes.COUNT_WINDOW
    found = traffic.pairs(corpus, window)
    settings = {
        "V": len(corpus.vocab), "tokens": len(corpus), "window": window, "cells": cells,
        "pairs": found,
    }  # fmt: skip
    sort = host_sort(found, timer)
    yield sort

    def figure(where: str, peak: Peak, times: Sequence[float]) -> Figure:
        return rate(
            f"counting, {where}", len(corpus), "words/s", times, peak_bytes=peak.bytes,
            settings={**settings, "column": f"counting, {where}"},
        )  # fmt: skip

    with timer.peak() as peak:
        times, _ = timer.runs_of(lambda _: _count(corpus, on_device=False))
    share = statistics.median(sort.times) / statistics.median(times)
    host = figure("host", peak if jax.default_backend() == "cpu" else Peak(), times)
    yield dataclasses.replace(host, limit=sort.name, fraction=share)
    if jax.default_backend() != "cpu":
        _count(corpus, on_device=True)  # compiles
        with timer.peak() as peak:
            times, _ = timer.runs_of(lambda _: _count(corpus, on_device=True))
        yield limited(
            figure("device", peak, times), traffic.counting(corpus, window, cells), ceilings
        )


def host_sort(count: int, timer: Timer) -> Figure:
    """Keys a second of `numpy.sort` on all cores: the ceiling of counting on the host.

    Args:
      count: keys of 64 bits, one for each pair.
      timer: its runs.
    """
    threads = cores()
    random = np.random.default_rng(0)
    keys = [random.integers(0, 1 << 40, -(-count // threads)) for _ in range(threads)]

    def sort(_: int) -> None:
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(np.sort, keys))

    times, _ = timer.runs_of(sort)
    settings = {"amount": count, "cores": threads}
    return rate("sort, host, int64 keys", count, "Mkeys/s", times, scale=1e6, settings=settings)


def _count(corpus: Corpus, *, on_device: bool) -> None:
    cooccurrence.count(corpus, window=sizes.COUNT_WINDOW, on_device=on_device)
