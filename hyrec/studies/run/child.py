"""A cell that is being run: its process, its log, and how it is stopped."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from hyrec.studies.run import launcher
from hyrec.studies.run.cell import Cell, logged_test_metrics
from hyrec.studies.run.lock import CellLock
from hyrec.studies.run.record import LOG_FILE, CellRecord, Status, begin, now

_STOPPING = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
"""Signals that others send to end a process, unlike those of a crash."""


class Child:
    """A child process that runs one cell, in a process group of its own.

    A terminal's Ctrl-C reaches the runner alone, which decides what becomes of its children. On Linux the child is
    killed when the runner dies without a word; elsewhere it runs on, and its lock, which it inherits, keeps others from
    its folder.
    """

    def __init__(self, cell: Cell, lock: CellLock, program: Sequence[str], environment: Mapping[str, str]) -> None:
        self.cell, self._lock, self.log = cell, lock, cell.folder / LOG_FILE
        self._clock = time.monotonic()
        self._stopped = False
        self.record, checkpoint, self.note = begin(cell)
        command = [*program, *cell.options(checkpoint)]
        with self.log.open("ab") as log:
            before, how = "\n" if log.tell() else "", self.note or "starts"
            log.write(f"{before}attempt {self.record.attempts}, {self.record.started}: {how}\n".encode())
            log.flush()
            self._log_start = log.tell()
            self._process = subprocess.Popen(
                # -I and -S: only the standard library, whatever the folder or the environment holds
                [sys.executable, "-I", "-S", launcher.__file__, str(os.getpid()), *command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=dict(environment),
                pass_fds=[lock.descriptor],
                start_new_session=True,
            )
        try:
            lock.sign(self._process.pid)
        except BaseException:
            self.kill()
            raise

    @property
    def seconds(self) -> float:
        """Wall time so far, the attempts that it continues included, in seconds."""
        return self.record.seconds + time.monotonic() - self._clock

    def poll(self) -> bool:
        """Whether the process has ended."""
        return self._process.poll() is not None

    def send(self, number: int) -> None:
        """Send a signal to the process and all that it started, and remember that its end was wished for."""
        self._stopped = True
        with contextlib.suppress(ProcessLookupError):  # none of the group is left
            os.killpg(self._process.pid, number)

    def kill(self) -> None:
        """Kill the process and all that it started, and wait for its end."""
        self.send(signal.SIGKILL)
        self._process.wait()

    def finish(self) -> CellRecord:
        """Let go of the cell's lock, and return the record of how it ended, which ``cell.json`` now holds."""
        code = self._process.wait()
        changes: dict[str, Any] = {"exit_code": code, "seconds": round(self.seconds, 3)}
        if code == 0 and logged_test_metrics(self.cell.folder):
            status: Status = "finished"
        else:
            status = "interrupted" if self._stopped or -code in _STOPPING else "failed"
            changes["error"] = self._explain(code)
        self.record = replace(self.record, status=status, ended=now(), **changes)
        self.record.save(self.cell.folder)
        self._lock.release()
        return self.record

    def _explain(self, code: int) -> str:
        """Return what ended the process, and the last lines of its log."""
        cause = f"exit code {code}" if code else "ended without test metrics in metrics.csv"
        if code < 0:
            name = signal.Signals(-code).name if -code in set(signal.Signals) else f"signal {-code}"
            killed = -code == signal.SIGKILL and not self._stopped
            cause = f"ended by {name}" + (" (the system does that when memory runs out)" if killed else "")
        with self.log.open("rb") as file:
            file.seek(max(self._log_start, file.seek(0, os.SEEK_END) - 65_536))
            text = file.read().decode(errors="replace")
        lines = [line.rstrip() for line in text.splitlines() if line.strip()]  # a progress bar's states are lines too
        return "\n".join([cause, *lines[-8:]])
