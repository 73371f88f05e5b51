"""Locks on files, which the system gives up when their holder ends, however it ends."""

import contextlib
import os
import platform
from collections.abc import Iterator
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows
    AVAILABLE = False
else:
    AVAILABLE = True
"""Whether this system has such locks."""

_SHOWN = 100  # characters of who holds a lock


def locked(file: int) -> bool:
    """Locks an open file for whoever has it open; until it is closed, or its process ends.

    Args:
      file: its descriptor, open for writing.

    Returns:
      False if another has it. True without a lock where the system, or the file system, has none:
      Windows, and some network file systems.
    """
    if not AVAILABLE:
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system without locks
        return True
    return True


@contextlib.contextmanager
def sole(path: Path, what: str) -> Iterator[None]:
    """Holds a file's lock in a block; the file says who holds it, and stays.

    Args:
      path: the file; made if missing.
      what: it is a lock of, for the message: ``"the folder run"``.

    Raises:
      ValueError: if another holds it.
      OSError: if it cannot be made.

    >>> path = getfixture("tmp_path") / "lock"
    >>> with sole(path, "a"):
    ...     with sole(path, "a"):
    ...         pass
    Traceback (most recent call last):
    ...
    ValueError: a is in use by process ...: wait until that has ended
    """
    file = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        if not locked(file):
            who = os.read(file, _SHOWN).decode(errors="replace").strip() or "another process"
            raise ValueError(f"{what} is in use by {who}: wait until that has ended")
        with contextlib.suppress(OSError):  # who holds it is told if there is room for it
            os.truncate(file, 0)
            os.write(file, f"process {os.getpid()} on {platform.node()}\n".encode())
        yield
    finally:
        os.close(file)
