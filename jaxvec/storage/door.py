"""The door of every reader: whatever is wrong with a file's content is one error that names it."""

import contextlib
import errno
import os
from collections.abc import Iterator

_OF_CONTENT = (None, errno.EINVAL, errno.EOVERFLOW)
"""Numbers of an OSError that tell of the content: an archive that is broken has none, and a place
before the file's start or beyond any file is no valid argument."""


@contextlib.contextmanager
def reading(path: str | os.PathLike[str], what: str) -> Iterator[None]:
    """Turns any error about the content of a file into a ValueError that names the file.

    NumPy, zipfile, json and others raise a dozen kinds of exceptions for damaged files, and their
    next versions may raise more. So there is no list of kinds: every exception tells of a damaged
    file, but errors of the system (no such file, no permission, no memory, a broken disk).

    Args:
      path: the file, as the caller named it.
      what: the kind of file that was expected: ``"a saved corpus"``.

    Raises:
      ValueError: for any exception in the block but an OSError of the system, MemoryError and
        warnings.

    >>> with reading("a.json", "a file of settings"):
    ...     {}["window"]
    Traceback (most recent call last):
    ...
    ValueError: a.json is not a file of settings, or is damaged: KeyError: 'window'
    """
    try:
        yield
    except (MemoryError, Warning):
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.errno not in _OF_CONTENT:
            raise
        name, said = os.fspath(path), str(error)
        if isinstance(error, ValueError) and name in said:
            raise
        if not isinstance(error, ValueError) or not said:
            said = f"{type(error).__name__}: {said}".removesuffix(": ")
            raise ValueError(f"{name} is not {what}, or is damaged: {said}") from error
        raise ValueError(f"{name} is not {what}: {said}") from error
