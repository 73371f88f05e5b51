"""Processes that were forked off one that had JAX, whose threads they lack: JAX hangs there."""

import os
import sys

_FORKED: list[int] = []  # this process, if it is such a one


def _note() -> None:
    if "jax" in sys.modules:
        _FORKED[:] = [os.getpid()]


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_note)


def check_jax_runs(what: str) -> None:
    """Makes sure that JAX can run in this process.

    Args:
      what: needs it, for the message.

    Raises:
      RuntimeError: if the process was forked off one that had imported JAX.

    >>> check_jax_runs("most_similar_many")
    """
    if [os.getpid()] == _FORKED:
        raise RuntimeError(
            f"{what} runs in JAX, which hangs in a process that was forked after JAX was imported: "
            'ask word by word (most_similar), or start processes by "spawn", '
            'multiprocessing.get_context("spawn")'
        )
