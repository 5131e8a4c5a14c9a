"""Ctrl-C and its kin, noted down instead of raised anywhere, so that children can be stopped in order."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator


class StudyInterrupted(KeyboardInterrupt):
    """A study was stopped from outside; its folder is in order and can be resumed.

    Args:
        number: The signal.
    """

    def __init__(self, number: int) -> None:
        super().__init__(f"stopped by {signal.Signals(number).name}")
        self.exit_code = 128 + number
        """What a shell shows for a process that this signal ended, 130 for Ctrl-C."""


@contextlib.contextmanager
def stop_signals() -> Iterator[list[int]]:
    """Yield a list that SIGINT, SIGTERM and SIGHUP are added to while it is active, except for ignored ones.

    Outside of the main thread, which alone may handle signals, it stays empty.
    """
    received: list[int] = []
    before = {}
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if signal.getsignal(number) is not signal.SIG_IGN:
                before[number] = signal.signal(number, lambda number, _: received.append(number))
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
