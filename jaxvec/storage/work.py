"""Work in parts: a folder for the files of the parts, and names that follow from their content."""

import contextlib
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from jaxvec.messages.kinds import kind
from jaxvec.storage.files import existing, writable

Map = Callable[[Callable[[Any], Any], Iterable[Any]], Iterable[Any]]
"""A function such as `map`: of a function and its arguments to the results, in any order."""

_MARK = "made-by-jaxvec"  # the file that says that a folder may be removed
_KEPT = "what is finished is kept: the same command or call goes on from there"


@contextlib.contextmanager
def work_folder(path: str | os.PathLike[str], *, resumed: bool = True) -> Iterator[Path]:
    """A folder beside an output, for the files of its parts: ``.NAME.parts``.

    It is removed after the block, and after an error of bad input in it: ValueError, TypeError or
    KeyError. Any other error (a full disk, a lost worker, Ctrl-C) leaves it, as does a process that
    is killed: the next run for the same output finds in it the parts that are finished. The error
    gets a note that says so.

    Args:
      path: the output.
      resumed: whether the next run looks for finished parts; if not, an error leaves nothing.

    Raises:
      FileNotFoundError: if there is no folder for the output.
      ValueError: if there is something else of that name.

    >>> with work_folder(getfixture("tmp_path") / "cells") as folder:
    ...     folder.name
    '.cells.parts'
    >>> folder.exists()
    False
    """
    target = writable(path)
    folder = target.with_name(f".{target.name}.parts")
    gone = target.with_name(f".{target.name}.parts.gone")
    for there in (folder, gone):
        if there.exists() and not (there.is_dir() and _ours(there)):
            raise ValueError(f"{there} is in the way: the parts of {path} would go there; move it")
    _remove(gone)  # of a run that was killed at its end
    folder.mkdir(exist_ok=True)
    (folder / _MARK).touch()
    keep = False
    try:
        yield folder
    except BaseException as error:
        keep = resumed and not isinstance(error, ValueError | TypeError | KeyError)
        keep = keep and folder.exists() and {file.name for file in folder.iterdir()} != {_MARK}
        if keep and _KEPT not in getattr(error, "__notes__", ()):
            error.add_note(_KEPT)
        raise
    finally:
        if not keep and folder.exists():
            with contextlib.suppress(OSError):  # if something of the last one could not be removed
                folder.rename(gone)  # so that a task that nobody waits for writes nothing into it
            _remove(gone)
            _remove(folder)


def _ours(folder: Path) -> bool:
    return (folder / _MARK).exists() or not any(folder.iterdir())


def _remove(folder: Path) -> None:
    """Removes a folder of ours if it is there, the mark last; what cannot be removed stays."""
    if folder.exists():
        for inside in folder.iterdir():
            if inside.is_dir():
                shutil.rmtree(inside, ignore_errors=True)
            elif inside.name != _MARK:
                with contextlib.suppress(OSError):
                    inside.unlink()
        if all(inside.name == _MARK for inside in folder.iterdir()):
            shutil.rmtree(folder, ignore_errors=True)


def digest(*description: Any) -> str:
    """16 hexadecimal digits that follow from a description of strings, numbers and lists of them.

    >>> digest("text.txt", [0, 100])
    '7bd65753534d11b1'
    """
    return hashlib.sha256(json.dumps(description).encode()).hexdigest()[:16]


def state(path: str | os.PathLike[str]) -> tuple[str, int, int]:
    """(path, size, time of change) of a file: another content has another state.

    Args:
      path: the file.

    Raises:
      FileNotFoundError, ValueError: if there is no such file.
    """
    file = existing(path)
    found = file.stat()
    return str(file.resolve()), found.st_size, found.st_mtime_ns


def complete(results: Iterable[Any], tasks: Sequence[Any], of: type) -> list[Any]:
    """The results of a `Map`, checked.

    Args:
      results: of any order.
      tasks: what they are results of.
      of: their type.

    Raises:
      TypeError: if one is of another type, such as a future.
      ValueError: if there are more or fewer than tasks.
    """
    found = list(results)
    for result in found:
        if not isinstance(result, of):
            raise TypeError(
                f"map must return results, each a {of.__name__}; got {kind(result)}: for a "
                "dask.distributed.Client give cooccurrence.dask_map(client)"
            )
    if len(found) != len(tasks):
        raise ValueError(f"map returned {len(found)} results of {len(tasks)} tasks")
    return found
