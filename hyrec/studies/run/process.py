"""Child processes that write to a log, end with the process that started them, and are ended together."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from hyrec.studies.plan.machine import threads_of_cell
from hyrec.studies.run import launcher

PAUSE = 0.1
"""How often a runner looks after its children, in seconds."""


class ChildProcess:
    """A command in a process group of its own, whose output goes to a log.

    A terminal's Ctrl-C reaches the runner alone, which decides what becomes of its children. On Linux the child is
    killed when the runner dies without a word; elsewhere it runs on.

    Args:
        command: Program and arguments.
        log: File that its output is added to.
        environment: All its variables.
        heading: Line of the log that stands before what it says.
        keeps: Descriptors that it inherits.
    """

    def __init__(
        self, command: Sequence[str], log: Path, environment: Mapping[str, str], heading: str, keeps: Sequence[int] = ()
    ) -> None:
        self.log, self.stopped = log, False
        self._clock = time.monotonic()
        with log.open("ab") as file:
            before = "\n" if file.tell() else ""
            file.write(f"{before}{heading}\n".encode())
            file.flush()
            self._log_start = file.tell()
            self._process = subprocess.Popen(
                # -I and -S: only the standard library, whatever the folder or the environment holds
                [sys.executable, "-I", "-S", launcher.__file__, str(os.getpid()), *command],
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                env=dict(environment),
                pass_fds=list(keeps),
                start_new_session=True,
            )

    @property
    def process(self) -> int:
        """Its id."""
        return self._process.pid

    @property
    def seconds(self) -> float:
        """Wall time so far, in seconds."""
        return time.monotonic() - self._clock

    def poll(self) -> bool:
        """Whether the process has ended."""
        return self._process.poll() is not None

    def wait(self) -> int:
        """Wait for its end; return the exit code, negative for the signal that ended it."""
        return self._process.wait()

    def send(self, number: int) -> None:
        """Send a signal to the process and all that it started, and remember that its end was wished for."""
        self.stopped = True
        with contextlib.suppress(ProcessLookupError):  # none of the group is left
            os.killpg(self._process.pid, number)

    def kill(self) -> None:
        """Kill the process and all that it started, and wait for its end."""
        self.send(signal.SIGKILL)
        self._process.wait()

    def explain(self, missing: str) -> list[str]:
        """Return what ended the process, and the last lines of its log; ``missing``: why exit code 0 is no success."""
        code = self._process.wait()
        cause = f"exit code {code}" if code else missing
        if code < 0:
            name = signal.Signals(-code).name if -code in set(signal.Signals) else f"signal {-code}"
            killed = -code == signal.SIGKILL and not self.stopped
            cause = f"ended by {name}" + (" (the system does that when memory runs out)" if killed else "")
        with self.log.open("rb") as file:
            file.seek(max(self._log_start, file.seek(0, os.SEEK_END) - 65_536))
            text = file.read().decode(errors="replace")
        lines = [line.rstrip() for line in text.splitlines() if line.strip()]  # a progress bar's states are lines too
        return [cause, *lines[-8:]]


@contextlib.contextmanager
def stop_signals() -> Iterator[list[int]]:
    """Yield a list that SIGINT, SIGTERM and SIGHUP are added to, unless ignored or outside of the main thread."""
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


def end_all(children: Sequence[ChildProcess], stop: list[int], grace: float) -> None:
    """Ask children to end, and kill those that have not in ``grace`` seconds, or when another signal comes."""
    for child in children:
        child.send(stop[0] if stop else signal.SIGTERM)
    deadline, asked = time.monotonic() + grace, len(stop)
    while not all(child.poll() for child in children) and time.monotonic() < deadline and len(stop) == asked:
        time.sleep(PAUSE)
    for child in children:
        child.kill()  # also what the child started and left behind


def child_variables(jobs: int) -> dict[str, str]:
    """Return the environment of one of several children at once: its share of the cores, and what this process has."""
    defaults = {"OMP_NUM_THREADS": str(threads_of_cell(jobs)), "PYTHONUNBUFFERED": "1"}
    if not {"", os.getcwd()} & set(sys.path):
        # 'python -m' would look for hyrec in the current folder first, which may hold another checkout
        defaults["PYTHONSAFEPATH"] = "1"
    return {**defaults, **os.environ}
