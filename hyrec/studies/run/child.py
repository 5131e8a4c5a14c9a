"""A cell that is being run: its process, its log, and how it is stopped."""

from __future__ import annotations

import signal
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from hyrec.studies.run.cell import Cell, logged_test_metrics
from hyrec.studies.run.lock import CellLock
from hyrec.studies.run.process import ChildProcess
from hyrec.studies.run.record import LOG_FILE, CellRecord, Status, begin, now

_STOPPING = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
"""Signals that others send to end a process, unlike those of a crash."""


class Child(ChildProcess):
    """A child process that runs one cell.

    Where it outlives the runner, its lock, which it inherits, keeps others from its folder.
    """

    def __init__(self, cell: Cell, lock: CellLock, program: Sequence[str], environment: Mapping[str, str]) -> None:
        self.cell, self._lock = cell, lock
        self.record, checkpoint, self.note = begin(cell)
        heading = f"attempt {self.record.attempts}, {self.record.started}: {self.note or 'starts'}"
        command = [*program, *cell.options(checkpoint)]
        super().__init__(command, cell.folder / LOG_FILE, environment, heading, [lock.descriptor])
        try:
            lock.sign(self.process)
        except BaseException:
            self.kill()
            raise

    @property
    def seconds(self) -> float:
        """Wall time so far, the attempts that it continues included, in seconds."""
        return self.record.seconds + super().seconds

    def finish(self) -> CellRecord:
        """Let go of the cell's lock, and return the record of how it ended, which ``cell.json`` now holds."""
        code = self.wait()
        changes: dict[str, Any] = {"exit_code": code, "seconds": round(self.seconds, 3)}
        if code == 0 and logged_test_metrics(self.cell.folder):
            status: Status = "finished"
        else:
            status = "interrupted" if self.stopped or -code in _STOPPING else "failed"
            changes["error"] = "\n".join(self.explain("ended without test metrics in metrics.csv"))
        self.record = replace(self.record, status=status, ended=now(), **changes)
        self.record.save(self.cell.folder)
        self._lock.release()
        return self.record
