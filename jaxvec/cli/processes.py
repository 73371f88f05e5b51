"""Several processes of `jaxvec train`: how each finds the others, and what the first alone does."""

import argparse
import atexit
import contextlib
import os
import re
import sys
from collections.abc import Iterator

import jax

from jaxvec.cli.common import Flags, only_errors, whole
from jaxvec.cli.models import TRAINED
from jaxvec.train.processes import is_first, several

_HEARTBEAT = 30  # seconds without a sign of life, after which a process counts as dead
_LONGEST_WRITING = 24 * 3600  # seconds that the others wait for the first, which writes
_OF_OTHERS = (  # what XLA's errors begin with if they are about other processes
    "(UNKNOWN|UNAVAILABLE|ABORTED|CANCELLED|DEADLINE_EXCEEDED): |INTERNAL: Barrier failed"
)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Adds the flags."""
    add = Flags(parser, "several processes, which train one model", tags=[TRAINED])
    add("--coordinator HOST:PORT", "where process 0 is found by the others, on a free port of it")
    add("--num-processes N", "how many there are", whole(1))
    add("--process-id I", "which of them this is, from 0; 0 writes the outputs", whole(0))
    add(
        "--distributed",
        "be one of the processes that Slurm (srun), Open MPI (mpirun) or a TPU pod has started, in "
        "place of the three above",
    )


def check(options: argparse.Namespace) -> None:
    """Checks the flags, before any process looks for another.

    Raises:
      ValueError: if one is out of range, or lacks another.
    """
    names = ("coordinator", "num_processes", "process_id")
    flags = {f"--{name.replace('_', '-')}": getattr(options, name) for name in names}
    given = [flag for flag, value in flags.items() if value is not None]
    if options.distributed and given:
        raise ValueError(f"--distributed finds the processes by itself: leave out {given[0]}")
    missing = [flag for flag, value in flags.items() if value is None]
    if given and missing:
        raise ValueError(f"{given[0]} needs {' and '.join(missing)}")
    if not given:
        return
    if not re.fullmatch(r".+:\d{1,5}", options.coordinator):
        raise ValueError(
            f"--coordinator is HOST:PORT, such as 10.0.0.1:1234; got {options.coordinator!r}"
        )
    if options.process_id >= options.num_processes:
        raise ValueError(
            f"--process-id is from 0 to {options.num_processes - 1}, for --num-processes "
            f"{options.num_processes}; got {options.process_id}"
        )
    workers = options.workers
    if workers is not None and workers % options.num_processes and not options.shard:
        raise ValueError(
            f"--workers is a multiple of --num-processes {options.num_processes}, which share them "
            f"out; got {workers}"
        )


def own_workers(options: argparse.Namespace) -> int | None:
    """How many workers this process has; None for one on each of its cores.

    Args:
      options: checked.
    """
    if options.workers is None or options.distributed or options.shard:
        return None
    return options.workers // (options.num_processes or 1)


@contextlib.contextmanager
def joined(options: argparse.Namespace) -> Iterator[None]:
    """Joins the other processes, if there are any. All but the first say nothing but errors.

    An error ends this process at once, without waiting for the others; they end as soon as they
    miss it.

    Args:
      options: checked.

    Raises:
      ValueError: if `--distributed` finds no processes; or another process has ended.
    """
    if not options.distributed and options.coordinator is None:
        yield
        return
    jax.config.update("jax_cpu_collectives_implementation", "gloo")
    jax.config.update("jax_enable_preemption_service", False)  # it would take SIGTERM from us
    try:
        jax.distributed.initialize(
            options.coordinator,
            options.num_processes,
            options.process_id,
            heartbeat_timeout_seconds=_HEARTBEAT,
            shutdown_timeout_seconds=_LONGEST_WRITING,
        )
    except ValueError as error:
        if options.coordinator is not None:
            raise
        raise ValueError(
            "--distributed finds no processes of Slurm, Open MPI or a TPU pod: start them by "
            "srun or mpirun, or give --coordinator, --num-processes and --process-id"
        ) from error
    if not is_first():
        only_errors()
    try:
        yield
    except BaseException as error:
        if several():  # JAX's own exit would wait for the others, who wait for this one
            status = 130 if isinstance(error, KeyboardInterrupt) else 2
            atexit.register(_exit, status)
        if isinstance(error, ValueError | RuntimeError) and re.match(_OF_OTHERS, str(error)):
            raise ValueError(
                "another process has ended, or cannot be reached by its host's name: start all of "
                f"them again, with --resume to go on from --checkpoint ({error})"
            ) from error
        raise


def _exit(status: int) -> None:
    sys.stdout.flush()
    os._exit(status)
