"""Runs the cells of a study as child processes, several at once, so that it can be stopped and resumed at any time."""

from __future__ import annotations

import functools
import signal
import sys
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from hyrec.plain_text import duration
from hyrec.studies.plan.study import DEFAULT_METRICS, StudyError
from hyrec.studies.run.cell import Cell, logged_test_metrics
from hyrec.studies.run.child import Child
from hyrec.studies.run.lock import CellLock, holder
from hyrec.studies.run.process import PAUSE, child_variables, end_all, stop_signals
from hyrec.studies.run.progress import StudyProgress
from hyrec.studies.run.record import CellRecord

PRINT = functools.partial(print, flush=True)
"""Prints a line at once, so that a log file shows where a study stands."""


class StudyInterrupted(KeyboardInterrupt):
    """A study was stopped from outside; its folder is in order and can be resumed."""

    def __init__(self, number: int) -> None:
        super().__init__(f"stopped by {signal.Signals(number).name}")
        self.exit_code = 128 + number
        """What a shell shows for a process that this signal ended, 130 for Ctrl-C."""


@dataclass(frozen=True)
class CellOutcome:
    """How a cell stands after a run.

    Args:
        status: As in its record, or ``elsewhere`` when another process is running it.
        seconds: Wall time of its attempts, in seconds.
        error: Why it did not finish, with the last lines of its log.
        ran: Whether this call has run it.
    """

    cell: Cell
    status: Literal["finished", "failed", "interrupted", "elsewhere"]
    seconds: float = 0.0
    metrics: Mapping[str, float] = field(default_factory=dict)
    error: str = ""
    ran: bool = False


def run_cells(
    cells: Sequence[Cell],
    *,
    jobs: int = 1,
    report: Callable[[str], object] = PRINT,
    metrics: Sequence[str] = DEFAULT_METRICS,
    program: Sequence[str] = (sys.executable, "-m", "hyrec", "fit"),
    grace: float = 20.0,
) -> list[CellOutcome]:
    """Run every cell that has not finished, and return how all of them stand, in their order.

    A cell that finished before is left alone; one that was interrupted continues from its last checkpoint; one that
    failed starts again. A failure is reported and does not stop the rest. Several runners may work on one study at
    once: none takes a cell that another is running.

    After SIGINT, SIGTERM or SIGHUP no cell is started, those that run are asked to end and killed if they have not
    ended in ``grace`` seconds, and the study can be resumed. A second signal kills them at once.

    Variables of a cell stand over those of this process, and ``OMP_NUM_THREADS`` is the number of cores over ``jobs``
    unless it is set.

    Raises:
        StudyError: When two cells share a folder, or one has finished with other arguments than it has now; nothing has
            been started then.
        StudyInterrupted: After a signal, when no child is left. It is a ``KeyboardInterrupt``.
    """
    if jobs < 1:
        raise StudyError(f"A study runs at least one cell at once, got jobs={jobs}.")
    outcomes: dict[str, CellOutcome] = {}
    folders: dict[Path, str] = {}
    for cell in cells:
        folder = cell.folder.resolve()
        if folder in folders:
            raise StudyError(f"{folders[folder]} and {cell.name} share the folder {cell.folder}.")
        folders[folder] = cell.name
        if (done := _finished_before(cell)) is not None:
            outcomes[cell.name] = done
    before = {outcome.cell: outcome.seconds for outcome in outcomes.values()}
    progress = StudyProgress(len(cells), jobs, metrics, report, before)
    queue = deque(cell for cell in cells if cell.name not in outcomes)
    running: list[Child] = []
    with stop_signals() as stop:
        try:
            while (queue or running) and not stop:
                while queue and len(running) < jobs and not stop:
                    started = _start(queue.popleft(), program, jobs, progress)
                    if isinstance(started, Child):
                        running.append(started)
                        if started.note:
                            progress.note(started.cell, started.note)
                    else:
                        outcomes[started.cell.name] = started
                ended = [child for child in running if child.poll()]
                for child in ended:
                    running.remove(child)
                    waiting = {other.cell: other.seconds for other in running} | dict.fromkeys(queue, 0.0)
                    outcomes[child.cell.name] = _finish(child, progress, waiting)
                if not ended:
                    time.sleep(PAUSE)
        finally:
            _stop(running, stop, grace, progress)
        if stop:
            raise StudyInterrupted(stop[0])
    return [outcomes[cell.name] for cell in cells]


def _finished_before(cell: Cell) -> CellOutcome | None:
    """Return how the very cell has finished; raises rather than count, or overwrite, what other arguments gave."""
    record = CellRecord.load(cell.folder)
    if record is None or record.status != "finished":
        return None
    if record.fingerprint != cell.fingerprint:
        raise StudyError(
            f"{cell.name} has finished with other arguments in {cell.folder}: {record.changes(cell)}. "
            "Remove that folder to run the cell again, or give the study another --out."
        )
    return _outcome(cell, record, ran=False)


def _start(cell: Cell, program: Sequence[str], jobs: int, progress: StudyProgress) -> Child | CellOutcome:
    """Start a cell; return its outcome when there is nothing to start."""
    lock = CellLock.take(cell.folder)
    if lock is None:
        who = f"{holder(cell.folder)} is running it"
        progress.note(cell, f"left alone: {who}", ended=True)
        return CellOutcome(cell, "elsewhere", error=who)
    try:
        if (done := _finished_before(cell)) is None:
            return Child(cell, lock, program, cell_variables(cell, jobs))
        progress.note(cell, "has been finished by another runner", ended=True)
        lock.release()
        return done
    except BaseException:
        lock.release()
        raise


def _finish(child: Child, progress: StudyProgress, waiting: Mapping[Cell, float]) -> CellOutcome:
    record = child.finish()
    outcome = _outcome(child.cell, record, ran=True)
    if outcome.status == "finished":
        progress.finished(child.cell, record.seconds, outcome.metrics, waiting)
    else:
        cause, *lines = record.error.splitlines()
        failed = outcome.status == "failed"
        said = f": {lines[-1]}" if lines and failed else ""
        told = f"{'FAILED' if failed else 'was interrupted'} after {duration(record.seconds)}, {cause}{said}"
        progress.note(child.cell, f"{told} (log: {child.log})", ended=True)
    return outcome


def _stop(running: list[Child], stop: list[int], grace: float, progress: StudyProgress) -> None:
    """End all children: none of them outlives this call, whatever led to it."""
    end_all(running, stop, grace)
    ended = [(child.cell, child.finish()) for child in running]
    for cell, record in ended:
        if record.status == "finished":
            progress.finished(cell, record.seconds, logged_test_metrics(cell.folder), {})
        else:
            progress.note(cell, f"was stopped after {duration(record.seconds)}; a resume continues it")


def _outcome(cell: Cell, record: CellRecord, *, ran: bool) -> CellOutcome:
    metrics = logged_test_metrics(cell.folder) if record.status == "finished" else {}
    return CellOutcome(cell, record.status, record.seconds, metrics, record.error, ran)


def cell_variables(cell: Cell, jobs: int) -> dict[str, str]:
    """Return the environment of a cell: its share of the cores, what this process has, and its own variables."""
    return {**child_variables(jobs), **cell.environment}
