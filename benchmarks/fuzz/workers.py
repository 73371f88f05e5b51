"""Processes that read inputs and may die of them: each is forked off one that is ready to read."""

import json
import multiprocessing
import os
import resource
import select
import signal
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import NamedTuple

from benchmarks.fuzz.outcomes import GOOD, GROWTH, Inputs, Outcome, outcome
from benchmarks.fuzz.readers import READERS

_PATIENCE = 10  # seconds without a message, twice, are a hang
_REPORT = 500  # inputs between two signs of life


class Found(NamedTuple):
    """What became of the inputs of a reader."""

    kinds: Counter[str]
    bad: list[tuple[int, Outcome]]  # the inputs that failed, by number
    seconds: float
    grown: int  # bytes that a worker grew by, at most


def tried(name: str, count: int, seed: int, folder: Path) -> Found:
    """Reads the inputs 0 … `count` of a reader.

    Args:
      name: of the reader.
      count: number of inputs.
      seed: that they follow from.
      folder: where they are written, best in memory: ``/dev/shm``.
    """
    with ProcessPoolExecutor(1, multiprocessing.get_context("fork")) as apart:
        inputs = Inputs(name, seed, apart.submit(_seeds, name).result())
    path = folder / f"fuzz-{os.getpid()}"
    if not inputs.reader.starts_jax:
        outcome(inputs, 0, path)  # modules that it needs are loaded before the fork
    kinds: Counter[str] = Counter()
    bad: list[tuple[int, Outcome]] = []
    begun, done, grown = time.perf_counter(), 0, 0
    while done < count:
        for message in _messages(inputs, done, count, path):
            done, grown = message["next"], max(grown, message["grown"])
            kinds.update(message["kinds"])
            bad += [(i, Outcome(*result)) for i, result in message["bad"]]
    path.unlink(missing_ok=True)
    return Found(kinds, bad, time.perf_counter() - begun, grown)


def _seeds(name: str) -> list[bytes]:
    return READERS[name].seeds()


def _messages(inputs: Inputs, first: int, count: int, path: Path) -> Iterator[dict]:
    """The messages of one worker, and what ended it if that was an input."""
    read, write = os.pipe()
    worker = os.fork()
    if not worker:
        os.close(read)
        _work(inputs, first, count, path, write)
    os.close(write)
    reached, pending = first, b""
    ended = False
    try:
        late = 0
        while late < 2:
            if not select.select([read], [], [], _PATIENCE)[0]:
                late += not _stopped(worker)  # the second time: it may have been stopped before
                continue
            late = 0
            if not (data := os.read(read, 1 << 16)):
                ended = True
                break
            *messages, pending = (pending + data).split(b"\n")
            for text in messages:
                message = json.loads(text)
                reached = message["next"]
                yield message
        if not ended:
            os.kill(worker, signal.SIGKILL)
    finally:
        os.close(read)
        _, status = os.waitpid(worker, 0)
    if reached < count:
        what = (
            Outcome("crash", f"signal {os.waitstatus_to_exitcode(status)}")
            if ended
            else (Outcome("hang", f"over {2 * _PATIENCE} s"))
        )
        yield _message(reached + 1, Counter({what.kind: 1}), [(reached, what)], 0)


def _stopped(process: int) -> bool:
    """Whether a process is halted by a signal, as during another's measurement."""
    return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] in "Tt"


def _message(next: int, kinds: Counter[str], bad: list, grown: int) -> dict:
    return {"next": next, "kinds": kinds, "bad": bad, "grown": grown}


def _work(inputs: Inputs, first: int, count: int, path: Path, write: int) -> None:
    """Reads inputs, and writes a message of every second and of each that failed."""
    held = _addresses()
    room = held + 4 * GROWTH
    resource.setrlimit(resource.RLIMIT_AS, (room, room))
    start = _resident()
    kinds: Counter[str] = Counter()
    sent, bad = time.perf_counter(), []
    with os.fdopen(write, "wb") as pipe:
        for i in range(first, count):
            result = outcome(inputs, i, path)
            kinds[result.kind] += 1
            if result.kind not in GOOD:
                bad.append((i, result))
            if len(bad) or sum(kinds.values()) >= _REPORT or time.perf_counter() - sent > 1:
                grown = max(0, _resident() - start)
                pipe.write(json.dumps(_message(i + 1, kinds, bad, grown)).encode() + b"\n")
                pipe.flush()
                kinds, bad, sent = Counter(), [], time.perf_counter()
        pipe.write(json.dumps(_message(count, kinds, bad, 0)).encode() + b"\n")
    os._exit(0)


def _addresses() -> int:
    return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()


def _resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
