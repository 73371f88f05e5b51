"""Cores, memory and threads of this process."""

import collections
import ctypes
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")
U = TypeVar("U")


def resident_memory() -> int:
    """Bytes of physical memory (RSS) of this process; 0 where the system does not say."""
    statm = Path("/proc/self/statm")
    if not statm.exists():
        return 0
    return int(statm.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def free_memory(root: str | os.PathLike[str] = "/") -> int | None:
    """Bytes of memory that this process may still take: what is free on the machine or, if less, in
    its control groups (which containers and batch systems limit). None where the system does not
    say.

    Pages of files that the system would give up count as free.

    Args:
      root: of the file system, whose ``proc`` and ``sys`` say so.
    """
    root = Path(root)
    machine = _numbers(root / "proc/meminfo").get("MemAvailable:")
    if machine is None:
        return None
    free = [machine * 1024]
    groups = root / "proc/self/cgroup"
    for line in groups.read_text().splitlines() if groups.exists() else ():
        _, controllers, path = line.split(":", 2)
        if controllers in _GROUPS:
            top, most, used, cached = _GROUPS[controllers]
            inner = root / top / path.strip("/")
            for folder in [inner, *inner.parents]:
                limit, taken = (_whole(folder / name) for name in (most, used))
                if limit is not None and taken is not None:
                    pages = _numbers(folder / "memory.stat").get(cached, 0)
                    free.append(max(0, limit - taken + pages))
                if folder == root / top:
                    break
    return min(free)


_GROUPS = {  # by what a line of /proc/self/cgroup says, of version 2 and of version 1
    "": ("sys/fs/cgroup", "memory.max", "memory.current", "inactive_file"),
    "memory": (
        "sys/fs/cgroup/memory",
        "memory.limit_in_bytes",
        "memory.usage_in_bytes",
        "total_inactive_file",
    ),
}


def _whole(file: Path) -> int | None:
    """The number that a file holds; None if there is none, as "max"."""
    text = file.read_text().strip() if file.exists() else ""
    return int(text) if text.isdigit() else None


def _numbers(file: Path) -> dict[str, int]:
    """The number after each name in a file, a line each."""
    lines = file.read_text().splitlines() if file.exists() else ()
    return {name: int(value) for name, value, *_ in map(str.split, lines)}


def give_back() -> None:
    """Gives memory that was freed back to the system, where glibc keeps it for later use.

    After work with large temporary arrays in threads, each of which has a heap of its own.
    """
    if _LIBC is not None and hasattr(_LIBC, "malloc_trim"):
        _LIBC.malloc_trim(0)


def keep() -> None:
    """Has glibc keep freed memory for later use, up to 32 MiB of an array and 256 MiB of a heap.

    For work with many temporary arrays: by default it gives the end of a heap back at every turn,
    and the first use of memory is slow, above all on a virtual machine. It holds until the process
    ends: for a process that does nothing else.
    """
    if _LIBC is not None and hasattr(_LIBC, "mallopt"):
        _LIBC.mallopt(_MMAP_THRESHOLD, 32 << 20)
        _LIBC.mallopt(_TRIM_THRESHOLD, 256 << 20)


_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # numbers of mallopt, of malloc.h
_LIBC = ctypes.CDLL(None) if os.name == "posix" else None


def cores() -> int:
    """The number of cores that this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def ordered_map(
    function: Callable[[T], U], items: Iterable[T], threads: int, *, waiting: int = 0
) -> Iterator[U]:
    """`map` on `threads` threads: results in order, at most `threads` + `waiting` in flight.

    Args:
      function: called once per item, on any of the threads.
      items: read as threads become free, so it may be longer than memory.
      threads: number of threads.
      waiting: how many results may wait for an earlier one, whose item takes longer.

    >>> list(ordered_map(abs, [-1, 2, -3], threads=2))
    [1, 2, 3]
    """
    with ThreadPoolExecutor(threads) as pool:
        in_flight: collections.deque = collections.deque()
        for item in items:
            if len(in_flight) == threads + waiting:
                yield in_flight.popleft().result()
            in_flight.append(pool.submit(function, item))
        while in_flight:
            yield in_flight.popleft().result()


def prefetch(load: Callable[[int], T], numbers: Sequence[int]) -> Iterator[tuple[int, T]]:
    """Pairs (i, load(i)); a thread loads the first one at once, and the next while the caller uses
    this one.

    Args:
      load: called once per number, in order.
      numbers: the arguments of `load`.

    >>> list(prefetch("ab".__getitem__, [1, 0]))
    [(1, 'b'), (0, 'a')]
    """
    reader = ThreadPoolExecutor(1)
    in_flight = [reader.submit(load, i) for i in numbers[:1]]

    def pairs() -> Iterator[tuple[int, T]]:
        with reader:
            for i, following in zip(numbers, [*numbers[1:], None], strict=False):
                part = in_flight.pop().result()
                if following is not None:
                    in_flight.append(reader.submit(load, following))
                yield i, part

    return pairs()
