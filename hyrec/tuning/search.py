"""Runs a search: trials as child processes, several at once, so that it can be stopped and resumed at any time."""

from __future__ import annotations

import json
import shlex
import statistics
import sys
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hyrec.files import write_text
from hyrec.messages import CommandError
from hyrec.plain_text import duration
from hyrec.studies.run.lock import CellLock, holder
from hyrec.studies.run.process import PAUSE, end_all, stop_signals
from hyrec.studies.run.runner import PRINT, StudyInterrupted
from hyrec.tuning.journal import Journal, Trial
from hyrec.tuning.results import best_of, shown
from hyrec.tuning.sweep import Sweep
from hyrec.tuning.trial import TRIALS, TrialProcess

SEARCH_FILE = "search.json"
DEFAULT_TRIALS = 30


@dataclass(frozen=True)
class SearchRun:
    """A search and how it is to be run.

    Args:
        file: The sweep file as the user wrote it.
        sweep: What it says.
        trials: How many; of a grid at most its points. Default: what was asked for before, or the file's ``run_cap``.
        jobs: Trials at once; each gets its share of the cores.
        out: Folder. Default: ``runs/tuning/<name>``.
        resume: Whether to resume the search that the folder holds.
        seed: Of what is drawn. Default: that of the search that is resumed, or 0.
    """

    file: str
    sweep: Sweep
    trials: int | None = None
    jobs: int = 1
    out: Path | None = None
    resume: bool = False
    seed: int | None = None

    @property
    def folder(self) -> Path:
        """Folder of the search."""
        return self.out or Path("runs") / "tuning" / self.sweep.name

    @property
    def command(self) -> str:
        """The command that resumes it."""
        words = ["hyrec", "tune", self.file, "--out", str(self.folder), "--resume"]
        return shlex.join([*words, *(["--jobs", str(self.jobs)] if self.jobs > 1 else [])])


def run_search(
    run: SearchRun,
    *,
    report: Callable[[str], object] = PRINT,
    program: Sequence[str] = (sys.executable, "-m", "hyrec", "fit"),
    grace: float = 20.0,
) -> list[Trial]:
    """Run the trials that are missing, and return all.

    A trial that fails is told and does not stop the rest. After SIGINT, SIGTERM or SIGHUP no trial is started, those
    that run are asked to end and killed if they have not ended in ``grace`` seconds; a resume runs them again with the
    same values.

    Raises:
        CommandError: When the folder holds a search and ``resume`` is off, none and it is on, or another one.
        StudyInterrupted: After a signal, when no child is left. It is a ``KeyboardInterrupt``.
    """
    begun = (run.folder / SEARCH_FILE).is_file()
    if run.resume and not begun:
        raise CommandError(
            f"{run.folder} holds no search to go on with: leave --resume out, or name its folder: --out."
        )
    if begun and not run.resume:
        raise CommandError(f"{run.folder} holds a search already. Choose another --out, or go on with\n  {run.command}")
    if not begun and (run.folder / TRIALS).exists():  # whose files a trial would replace
        raise CommandError(f"{run.folder} holds {TRIALS}/ of something else. Choose another --out.")
    lock = CellLock.take(run.folder)
    if lock is None:
        raise CommandError(f"{holder(run.folder)} is searching in {run.folder}. Choose another --out.")
    try:
        settings = _settled(run)
        journal = Journal(run.sweep, run.folder, seed=settings["seed"], jobs=run.jobs)
        total = min(settings["trials"], journal.most or settings["trials"])
        _Runner(run, journal, total, report, program).run(grace)
        return journal.trials
    finally:
        lock.release()


def _settled(run: SearchRun) -> dict[str, Any]:
    """Return trials and seed of the search that the folder holds from now on, and write them down."""
    path = run.folder / SEARCH_FILE
    stored = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None
    before = stored or {"trials": run.sweep.run_cap or DEFAULT_TRIALS, "seed": 0 if run.seed is None else run.seed}
    content = json.loads(json.dumps(run.sweep.content, default=str))  # as it will be read from the file
    settings = {**before, **content, "trials": run.trials or before["trials"]}
    changed = [key for key in content if stored and stored.get(key) != settings[key]]
    if run.seed not in (None, before["seed"]):
        changed.append("seed")
    if changed:
        told = f"The sweep has another {changed[0]} than when {run.folder} was begun"
        raise CommandError(f"{told}. Undo that, or begin anew in another --out.")
    if settings != stored:
        write_text(path, json.dumps(settings, indent=1))
    return settings


class _Runner:
    """Starts trials, looks after them and says how they end, a line each."""

    def __init__(
        self, run: SearchRun, journal: Journal, total: int, report: Callable[[str], object], program: Sequence[str]
    ) -> None:
        self.sweep, self.folder, self.jobs = run.sweep, run.folder, run.jobs
        self.journal, self.total, self.report, self.program = journal, total, report, program
        self.running: list[TrialProcess] = []
        self.started = len(journal.trials)

    def run(self, grace: float) -> None:
        trials = self.journal.trials
        again = deque(trial for trial in trials if trial.status == "running")
        done = len(trials) - len(again)
        told = f"; {done} done before" if done else ""
        self.report(f"{self.total} trials, {self.jobs} at once, in {self.folder}{told}")
        with stop_signals() as stop:
            try:
                while not stop:
                    while len(self.running) < self.jobs and (again or self.started < self.total):
                        self._start(again.popleft() if again else self.journal.start())
                    if not self.running:
                        break
                    ended = [child for child in self.running if child.poll()]
                    for child in ended:
                        self.running.remove(child)
                        self._end(child)
                    if not ended:
                        time.sleep(PAUSE)
            finally:
                end_all(self.running, stop, grace)
            if stop:
                raise StudyInterrupted(stop[0])

    def _start(self, trial: Trial) -> None:
        self.started = max(self.started, trial.number)
        self.running.append(TrialProcess(self.sweep, trial, self.folder, self.program, self.jobs))

    def _end(self, child: TrialProcess) -> None:
        trial = self.journal.end(child.trial, child.value(), child.seconds)
        trials = self.journal.trials
        done = sum(one.status != "running" for one in trials)
        line = f"[{done:>{len(str(self.total))}}/{self.total}] trial {trial.number}: {shown(trial.values)}"
        if trial.value is None:
            self.report(f"{line} FAILED after {duration(child.seconds)}, {child.failure()} (log: {child.log})")
            return
        best = best_of(trials, self.sweep)
        assert best is not None
        of = f"best {best.value:.4f} (trial {best.number})" if best != trial else "the best so far"
        reached = f"{self.sweep.metric} {trial.value:.4f} in {duration(child.seconds)}"
        self.report(f"{line} -> {reached}, {of}{self._left(trials, done)}")

    def _left(self, trials: Sequence[Trial], done: int) -> str:
        """Return about how long the rest takes, going by the median of the trials that have ended."""
        typical = statistics.median(one.seconds for one in trials if one.status != "running")
        still = [max(0.0, typical - child.seconds) for child in self.running]
        still += [typical] * (self.total - done - len(self.running))
        return f"; about {duration(max(*still, sum(still) / self.jobs, 0.0))} left" if still else ""
