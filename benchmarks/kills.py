"""Runs of `jaxvec train` that are killed at random moments and resumed: do they end in the bytes of
a run that was not?"""

import argparse
import os
import random
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np

MODELS = ("sgns", "cbow", "glove", "softmax")
SMALL_SEGMENTS = 4_000, 4_000  # of tokens and of cells, so that little text has several
PROGRAM = [
    sys.executable,
    "-c",
    # a job in the background may have been started with interrupts ignored
    "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler);"
    "from jaxvec.cli import processes;"
    "from jaxvec.train import cells, segments;"
    "processes._HEARTBEAT = 3600;"  # a busy machine may halt all of them for a while
    f"segments.SEGMENT_TOKENS, cells.SEGMENT_CELLS = {SMALL_SEGMENTS};"
    "from jaxvec.cli import main; sys.exit(main(sys.argv[1:]))",
]
"""`jaxvec` with small segments."""
_PATIENCE = 3600  # seconds for a process to save a state, or to end


class Killed(NamedTuple):
    """A run that was killed."""

    kills: int
    inside: int  # of them in the midst of writing or removing a state
    states: int  # the number of the last state


def make_text(path: Path) -> None:
    """Writes five segments of `PROGRAM`.

    Args:
      path: the file.
    """
    rng = np.random.default_rng(0)
    words = np.array([f"w{i}" for i in range(300)])
    lines = words[rng.zipf(1.2, (200, 100)).clip(max=300) - 1]
    path.write_text("\n".join(map(" ".join, lines)))


def arguments(text: Path, output: Path, model: str, epochs: int) -> list[str]:
    """The arguments of `jaxvec` for a run that takes a second or two, once it has begun.

    Args:
      text: to train on.
      output: the vectors.
      model: its name.
      epochs: of five segments each, on text from `make_text`.
    """
    quick = ["--vector-size", "8", "--epochs", str(epochs)]
    quick += [] if model == "pv-dbow" else ["--window", "4"]
    return ["train", str(text), "--model", model, "-o", str(output), *quick]


def last_state(folder: Path) -> int:
    """The number of the last state in a folder of checkpoints.

    Args:
      folder: the folder, which may be missing.
    """
    return max((int(p.name) for p in folder.glob("[0-9]*") if p.name.isdigit()), default=0)


def killed(
    command: list[str],
    folder: Path,
    kills: int,
    seed: int,
    processes: int = 1,
    compiled: Path | None = None,
) -> Killed:
    """Starts a run again and again, and kills it at a random moment after each has saved a state.

    Args:
      command: of the run, without its checkpoints.
      folder: of them.
      kills: how often.
      seed: of the moments.
      processes: how many the run has, of which a random one is killed, then the others.
      compiled: as for `started`.

    Raises:
      RuntimeError: if the run ends before it was killed as often.
    """
    rng, inside = random.Random(seed), 0
    command = [*command, "--checkpoint", str(folder), "--resume", "--checkpoint-every", "1"]
    for kill in range(kills):
        before, until = last_state(folder), time.monotonic() + _PATIENCE
        running = started(command, processes, compiled)
        try:
            while last_state(folder) <= before and time.monotonic() < until:
                if any(process.poll() is not None for process in running):
                    raise RuntimeError(f"the run ended after {kill} kills")
                time.sleep(0.01)
            time.sleep(rng.random() / 20)
            rng.choice(running).kill()
            time.sleep(rng.random() / 20 if processes > 1 else 0)
        finally:
            for process in running:
                process.kill()
                process.wait()
        inside += any(p.suffix in (".part", ".gone") for p in folder.iterdir())
    return Killed(kills, inside, last_state(folder))


def started(
    command: list[str], processes: int, compiled: Path | None = None
) -> list[subprocess.Popen]:
    """The processes of a run.

    Args:
      command: for `PROGRAM`.
      processes: how many.
      compiled: a folder for JAX's compilation cache, by which only the first start waits for XLA;
        by default there is none.
    """
    environment = {**os.environ, "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0"}
    if compiled is not None:
        environment["JAX_COMPILATION_CACHE_DIR"] = str(compiled)
    more: list[list[str]] = [[]]
    if processes > 1:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            at = f"127.0.0.1:{free.getsockname()[1]}"
        more = [
            ["--coordinator", at, "--num-processes", str(processes), "--process-id", str(i)]
            for i in range(processes)
        ]
    return [
        subprocess.Popen(
            [*PROGRAM, *command, *flags],
            stderr=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            env=environment,
        )
        for flags in more
    ]


def add_parser(suites) -> None:
    """Adds the suite to a parser's subparsers."""
    parser = suites.add_parser("kills", help=__doc__)
    add = parser.add_argument
    add("--models", nargs="+", choices=MODELS, default=[*MODELS], help="(default: all)")
    add("--kills", type=int, default=20, help="of each run (default: %(default)s)")
    add("--processes", type=int, nargs="+", default=[1, 2], help="(default: 1 and 2)")
    add("--epochs", type=int, default=100, help="(default: %(default)s)")
    add("--shard", choices=["rows", "dim"], help="split the tables over the processes")
    add("--seed", type=int, default=0, help="of the moments (default: %(default)s)")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Kills each run, and prints a line of a table for it.

    Args:
      options: of the suite.
    """
    print("| model | processes | kills | inside a write | states | bytes | seconds |")
    print("|---|---|---|---|---|---|---|", flush=True)
    for processes in options.processes:
        for model in options.models:
            since = time.monotonic()
            with tempfile.TemporaryDirectory() as folder:
                found, equal = _one(Path(folder), model, processes, options)
            told = "the same" if equal else "OTHERS"
            name = f"{model}, in shards" if options.shard else model
            print(
                f"| {name} | {processes} | {found.kills} | {found.inside} | {found.states} | "
                f"{told} | {time.monotonic() - since:.0f} |",
                flush=True,
            )


def _one(
    folder: Path, model: str, processes: int, options: argparse.Namespace
) -> tuple[Killed, bool]:
    """A run that is killed, and whether it ends in the bytes of one that is not, which compiles
    for itself."""
    text = folder / "text.txt"
    make_text(text)
    whole, other = folder / "whole.bin", folder / "killed.bin"
    how = ["--shard", options.shard] if options.shard else ["--workers", str(processes)]
    _finished([*arguments(text, whole, model, options.epochs), *how], processes)
    command = [*arguments(text, other, model, options.epochs), *how]
    compiled = folder / "compiled"
    found = killed(command, folder / "c", options.kills, options.seed, processes, compiled)
    if other.exists():
        raise RuntimeError(f"{model}: the run was done before it was killed as often")
    _finished([*command, "--checkpoint", str(folder / "c"), "--resume"], processes, compiled)
    equal = other.read_bytes() == whole.read_bytes()
    shutil.rmtree(folder / "c")
    return found, equal


def _finished(command: list[str], processes: int, compiled: Path | None = None) -> None:
    running = started(command, processes, compiled)
    try:
        if any(process.wait(_PATIENCE) for process in running):
            raise RuntimeError(f"failed: jaxvec {' '.join(command)}")
    finally:
        for process in running:
            process.kill()
