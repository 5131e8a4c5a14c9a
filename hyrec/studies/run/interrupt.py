"""Ctrl-C and its kin, noted down instead of raised anywhere, so that children can be stopped in order."""

from __future__ import annotations

import signal
import threading
from typing import Any

_WATCHED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class StudyInterrupted(KeyboardInterrupt):
    """A study was stopped from outside; its folder is in order and can be resumed.

    Args:
        number: The signal.
    """

    def __init__(self, number: int) -> None:
        super().__init__(f"stopped by {signal.Signals(number).name}")
        self.number = number

    @property
    def exit_code(self) -> int:
        """What a shell shows for a process that this signal ended, 130 for Ctrl-C."""
        return 128 + self.number


class StopSignals:
    """Counts SIGINT, SIGTERM and SIGHUP while it is active. What the process was started to ignore stays ignored.

    Outside of the main thread, which alone may handle signals, it counts none.
    """

    def __init__(self) -> None:
        self.number = self.count = 0
        self._before: dict[int, Any] = {}

    def __enter__(self) -> StopSignals:
        if threading.current_thread() is threading.main_thread():
            for number in _WATCHED:
                if signal.getsignal(number) is not signal.SIG_IGN:
                    self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)

    def __bool__(self) -> bool:
        return self.count > 0

    def _note(self, number: int, _: object) -> None:
        self.number = self.number or number
        self.count += 1
