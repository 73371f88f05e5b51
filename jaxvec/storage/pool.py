"""Cores, memory and threads of this process."""

import collections
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")
U = TypeVar("U")


def resident_memory() -> int:
    """Bytes of memory that this process holds, where the system tells; else 0."""
    statm = Path("/proc/self/statm")
    if not statm.exists():
        return 0
    return int(statm.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def cores() -> int:
    """How many cores this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def each(function: Callable[[T], U], items: Iterable[T], threads: int) -> Iterator[U]:
    """What a function makes of each item, in order, so many at a time and no farther ahead."""
    with ThreadPoolExecutor(threads) as pool:
        waiting: collections.deque = collections.deque()
        for item in items:
            if len(waiting) == threads:
                yield waiting.popleft().result()
            waiting.append(pool.submit(function, item))
        while waiting:
            yield waiting.popleft().result()


def ahead(ready: Callable[[int], T], numbers: Sequence[int]) -> Iterator[tuple[int, T]]:
    """Each number with what is made of it; the next one's is made meanwhile."""
    with ThreadPoolExecutor(1) as reader:
        following = [reader.submit(ready, i) for i in numbers[:1]]
        for i, after in zip(numbers, [*numbers[1:], None], strict=False):
            part = following.pop().result()
            if after is not None:
                following.append(reader.submit(ready, after))
            yield i, part
