"""SIGINT and SIGTERM: a run finishes its segment, saves a checkpoint and exits."""

import contextlib
import signal
from collections.abc import Iterator


class Interrupt:
    """Whether a signal has come, and which."""

    def __init__(self) -> None:
        self.signal: signal.Signals | None = None

    def __call__(self) -> bool:
        return self.signal is not None

    @contextlib.contextmanager
    def listening(self) -> Iterator[None]:
        """Notes the first SIGINT or SIGTERM; the second has its usual effect.

        An ignored signal, as SIGINT is for a background job, stays ignored.
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
