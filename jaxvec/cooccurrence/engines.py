"""Engines: a `map` on the processes of this machine, or on a cluster of Dask.

Both start their processes anew (``spawn``): forked ones would inherit JAX's threads and locks.
"""

import concurrent.futures
import contextlib
import logging
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from multiprocessing.connection import Connection, wait
from typing import Any

from jaxvec.messages.numbers import check_whole
from jaxvec.storage.pool import cores
from jaxvec.storage.work import Map

ENGINES = ("processes", "dask")
"""The names that `engine` knows."""

_QUIET_WORKERS = {  # an error in a task is raised here, and need not be logged there too
    "distributed.nanny.pre-spawn-environ.DASK_DISTRIBUTED__LOGGING__DISTRIBUTED": "critical"
}
_DIED = (
    "a worker process ended before its task did, killed or out of memory: count with fewer "
    "workers or less memory for each"
)
_LOST = "the Dask scheduler is lost: it ended, or does not answer any more"


@contextlib.contextmanager
def engine(name: str, *, workers: int | None = None, scheduler: str | None = None) -> Iterator[Map]:
    """Starts an engine; yields its `map`, and stops it after the block.

    In a script it stands under ``if __name__ == "__main__":``, as `multiprocessing` asks. With
    ``"processes"`` an error in a task, or Ctrl-C, ends them all: then a new engine is needed.

    Args:
      name: ``"processes"`` or ``"dask"``.
      workers: number of processes on this machine; by default one a core.
      scheduler: the address of a Dask scheduler, whose workers are used instead; they need jaxvec
        and the same files.

    Raises:
      TypeError: if `workers` is no whole number.
      ValueError: if there is no such engine, a scheduler is given for processes or together with
        workers, or the package is missing.
      OSError: if the scheduler does not answer.
      ChildProcessError: by the `map`, if a process was killed; Dask tries its task elsewhere first.
      ConnectionError: by the `map`, if the scheduler is lost.

    >>> with engine("processes", workers=1) as map:
    ...     list(map(abs, [-1, 2]))
    [1, 2]
    """
    if name not in ENGINES:
        raise ValueError(f"engine must be one of {', '.join(ENGINES)}; got {name!r}")
    if scheduler is not None and (name != "dask" or workers is not None):
        raise ValueError("a scheduler is of the engine dask, and has workers of its own")
    if workers is not None:
        check_whole("workers", workers)
    count = workers or cores()
    with _processes(count) if name == "processes" else _dask(count, scheduler) as found:
        yield found


@contextlib.contextmanager
def _processes(workers: int) -> Iterator[Map]:
    context = multiprocessing.get_context("spawn")
    stop, stopped = context.Pipe(duplex=False)
    executor = concurrent.futures.ProcessPoolExecutor(
        workers, context, initializer=_follow_parent, initargs=(stop,)
    )

    def run(function: Callable[[Any], Any], items: Iterable[Any]) -> list[Any]:
        try:
            return list(executor.map(function, items))
        except concurrent.futures.BrokenExecutor:
            raise ChildProcessError(_DIED) from None
        except BaseException:
            stopped.send(None)  # a task that nobody waits for could run on for minutes
            executor.shutdown(cancel_futures=True)
            raise

    with stop, stopped, executor:
        yield run


def _follow_parent(stop: Connection) -> None:
    """Leaves Ctrl-C to the parent, and ends this process if the parent says so or is killed: it
    would wait for tasks for ever.

    Args:
      stop: the end of a pipe. What comes is left there, for the other processes to see.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    parents = [] if parent is None else [parent.sentinel]

    def end() -> None:
        wait([stop, *parents])
        os._exit(1)

    threading.Thread(target=end, daemon=True).start()


@contextlib.contextmanager
def _dask(workers: int, scheduler: str | None) -> Iterator[Map]:
    try:
        import dask
        from dask.distributed import Client, LocalCluster
    except ImportError:
        raise ValueError(
            "the engine dask needs the package distributed: pip install 'jaxvec[dask]'"
        ) from None
    with contextlib.ExitStack() as stack:
        stack.enter_context(_quiet())
        if scheduler is None:
            stack.enter_context(dask.config.set(_QUIET_WORKERS))
            cluster = LocalCluster(
                n_workers=workers,
                threads_per_worker=1,
                memory_limit=0,
                dashboard_address=":0",
            )
            client = stack.enter_context(Client(stack.enter_context(cluster)))
        else:
            client = stack.enter_context(Client(scheduler))
        yield dask_map(client)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keeps what Dask logs as its cluster comes and goes from standard error."""
    logger = logging.getLogger("distributed")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(level)


def dask_map(client: Any) -> Map:
    """The `map` of a ``dask.distributed.Client``: it waits for all results.

    It raises ChildProcessError if a task's workers were killed, and ConnectionError if the
    scheduler is lost.

    Args:
      client: of Dask.
    """
    from distributed.scheduler import KilledWorker

    def run(function: Callable[[Any], Any], items: Iterable[Any]) -> list[Any]:
        try:
            return client.gather(client.map(function, list(items), pure=False))
        except KilledWorker:
            raise ChildProcessError(_DIED) from None
        except concurrent.futures.CancelledError:
            raise ConnectionError(_LOST) from None

    return run
