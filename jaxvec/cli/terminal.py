"""The process that the shell starts: its standard streams, and Ctrl-C before a command runs."""

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Iterable, Iterator
from typing import Any, NoReturn, TextIO

INTERRUPTED = 128 + signal.SIGINT
"""The exit status after Ctrl-C, as shells have it."""


def open_streams() -> None:
    """Gives the process the standard streams that it was started without, as by ``>&-``.

    Standard input is then empty, and messages go nowhere; results that would be printed fail, for
    they are what the command is for. Without this a file of ours would become stream 1 or 2, and
    get what libraries print.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            how = os.O_WRONLY if number == 2 else os.O_RDONLY  # to write to stream 1 is an error
            _reserve(number, os.open(os.devnull, how))
            setattr(sys, name, open(number, "r" if not number else "w", closefd=False))  # noqa: SIM115


def _reserve(number: int, opened: int) -> None:
    """Makes an open file the stream of a number."""
    if opened != number:
        os.dup2(opened, number)
        os.close(opened)


def drop_stdout() -> None:
    """Discards output that is not printed yet: Python would try again at exit, and fail."""
    with contextlib.suppress(OSError, ValueError):
        _reserve(sys.stdout.fileno(), os.open(os.devnull, os.O_WRONLY))


class Output:
    """Standard output with errors that name it, whether they come as a line is printed, as they do
    with PYTHONUNBUFFERED, or at the end.

    Args:
      stream: where it goes.
    """

    def __init__(self, stream: TextIO):
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """Prints a text, at once or later."""
        with _named():
            return self._stream.write(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """Prints lines, at once or later."""
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """Prints what waits to be printed."""
        with _named():
            self._stream.flush()


@contextlib.contextmanager
def _named() -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        drop_stdout()
        raise OSError(error.errno, error.strerror, "standard output") from None


@contextlib.contextmanager
def quits_at_once(name: str) -> Iterator[None]:
    """Has Ctrl-C end the process with one line, where nothing is there yet that could be lost.

    In the block modules are imported, for seconds; an exception there may be swallowed by one that
    cares for another one, or leave a module half made.

    Args:
      name: of the command.
    """

    def quit(number: int, frame: object) -> NoReturn:
        with contextlib.suppress(OSError):
            os.write(2, f"{name}: interrupted\n".encode())
        os._exit(INTERRUPTED)

    usual = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if not usual or threading.current_thread() is not threading.main_thread():
        yield
        return
    signal.signal(signal.SIGINT, quit)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
