"""Signals that end a command: SIGINT, SIGTERM, and SIGHUP of a terminal that is closed."""

import contextlib
import signal
import threading
from collections.abc import Iterator
from typing import Any

_ENDING = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
)


class Ended(BaseException):
    """A signal has come that ends the process; on the way out temporary files are removed.

    Args:
      signal: which.
    """

    def __init__(self, signal: signal.Signals):
        super().__init__(signal)
        self.signal = signal


@contextlib.contextmanager
def raised() -> Iterator[None]:
    """A block in which SIGTERM and SIGHUP raise `Ended`, as SIGINT raises KeyboardInterrupt, where
    they would end the process at once."""

    def end(number: int, frame: Any) -> None:
        raise Ended(signal.Signals(number))

    ours = threading.current_thread() is threading.main_thread()  # others may set no handler
    found = [n for n in _ENDING if ours and signal.getsignal(n) == signal.SIG_DFL]
    for number in found:
        signal.signal(number, end)
    try:
        yield
    finally:
        for number in found:
            signal.signal(number, signal.SIG_DFL)


class Interrupt:
    """Whether a signal has come, and which."""

    def __init__(self) -> None:
        self.signal: signal.Signals | None = None

    def __call__(self) -> bool:
        return self.signal is not None

    @contextlib.contextmanager
    def listening(self) -> Iterator[None]:
        """Notes the first signal that ends; the second of the same has its usual effect.

        An ignored signal, as SIGINT is for a background job and SIGHUP after nohup, stays ignored.
        """

        def note(number: int, frame: Any) -> None:
            self.signal = signal.Signals(number)
            signal.signal(number, before[self.signal])

        before = {}
        for number in _ENDING:
            if (handler := signal.getsignal(number)) != signal.SIG_IGN:
                before[number] = handler
                signal.signal(number, note)
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
