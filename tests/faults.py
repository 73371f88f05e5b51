"""Faults under the writing of files: the n-th write, fsync, rename, close, link or new folder
fails, or the process is killed there."""

import builtins
import contextlib
import errno
import io
import itertools
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

KILLED = 0
"""In place of an error's number: the process is killed there. Whatever it does to files afterwards
does nothing, so that the disk is as a kill leaves it."""
FAULTS = [errno.ENOSPC, errno.EIO, KILLED]


class Killed(BaseException):
    """Raised where a process would have been killed."""


class Layer:
    """Counts the operations, and lets one fail.

    Args:
      at: the number of that one, from 1.
      fault: one of `FAULTS`.
    """

    def __init__(self, at: int, fault: int):
        self.at, self.fault, self.count = at, fault, 0

    @property
    def reached(self) -> bool:
        return self.count >= self.at

    @property
    def dead(self) -> bool:
        return self.reached and self.fault == KILLED

    def step(self) -> None:
        """Before an operation."""
        self.count += 1
        if self.dead:
            raise Killed
        if self.count == self.at:
            raise OSError(self.fault, os.strerror(self.fault))

    def counted(self, call: Callable) -> Callable:
        def operation(*args: Any, **options: Any) -> Any:
            self.step()
            return call(*args, **options)

        return operation

    def alive(self, call: Callable) -> Callable:
        """An operation that does not fail, and that the dead do not do."""

        def operation(*args: Any, **options: Any) -> Any:
            return None if self.dead else call(*args, **options)

        return operation


def _file(layer: Layer) -> type[io.FileIO]:
    class File(io.FileIO):
        def write(self, data: Any) -> int:
            layer.step()
            return super().write(data)

        def close(self) -> None:
            if not self.closed:
                super().close()
                layer.step()

    return File


def _open(layer: Layer) -> Callable:
    real, raw = io.open, _file(layer)

    def opened(file: Any, mode: str = "r", buffering: int = -1, encoding: str | None = None,
               errors: str | None = None, newline: str | None = None, closefd: bool = True,
               opener: Any = None) -> Any:  # fmt: skip
        if not set(mode) & set("wax+"):
            return real(file, mode, buffering, encoding, errors, newline, closefd, opener)
        if layer.dead:
            raise Killed
        found: Any = raw(file, mode.replace("b", "").replace("t", ""), closefd, opener)
        if buffering:
            found = io.BufferedRandom(found) if "+" in mode else io.BufferedWriter(found)
        return found if "b" in mode else io.TextIOWrapper(found, encoding, errors, newline)

    return opened


@contextlib.contextmanager
def layer(at: int, fault: int) -> Iterator[Layer]:
    """A block in which files are written through a `Layer`."""
    under = Layer(at, fault)
    with pytest.MonkeyPatch.context() as patch:
        opened = _open(under)
        patch.setattr(io, "open", opened)
        patch.setattr(builtins, "open", opened)
        for name in ("fsync", "replace", "rename", "link", "mkdir"):
            patch.setattr(os, name, under.counted(getattr(os, name)))
        for name in ("unlink", "rmdir"):
            patch.setattr(os, name, under.alive(getattr(os, name)))
        patch.setattr(shutil, "rmtree", under.alive(shutil.rmtree))
        yield under


def every(act: Callable[[int], None], *, faults: list[int] = FAULTS) -> Iterator[tuple[int, Layer]]:
    """Does something under each fault at each operation, until none is left.

    Args:
      act: what is done; it gets a number that no other call gets.
      faults: the faults.

    Yields:
      After each, the number and the layer, outside of which nothing fails; at last one in which
        nothing failed.
    """
    numbers = itertools.count(1)
    for fault in faults:
        for at in itertools.count(1):
            number = next(numbers)
            with layer(at, fault) as under:
                try:
                    act(number)
                except (Killed, OSError):
                    if not under.reached:
                        raise
            yield number, under
            if not under.reached:
                assert at > 3, "the operations do not pass through the layer"
                break


def names(folder: Path) -> set[str]:
    """What a folder holds, but for locks."""
    return {path.name for path in folder.iterdir()} - {".lock"}
