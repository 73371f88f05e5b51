"""Signals that ask a run to stop: it finishes its step, saves and exits."""

import contextlib
import signal
from collections.abc import Iterator


class Stopping:
    """Whether a signal has asked to stop, and which."""

    def __init__(self) -> None:
        self.signal: signal.Signals | None = None

    def __call__(self) -> bool:
        return self.signal is not None

    @contextlib.contextmanager
    def listening(self) -> Iterator[None]:
        """Notes SIGINT and SIGTERM instead of dying of them; a second one is not held up.

        A signal that is ignored, as SIGINT is for a job in the background, stays so.
        """

        def note(number: int, frame) -> None:
            self.signal = signal.Signals(number)
            signal.signal(number, before[self.signal])

        before = {}
        for number in (signal.SIGINT, signal.SIGTERM):
            if (handler := signal.getsignal(number)) != signal.SIG_IGN:
                before[number] = handler
                signal.signal(number, note)
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
