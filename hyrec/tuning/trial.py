"""One trial: a run of ``hyrec fit`` in a folder of its own, and what it reached."""

from __future__ import annotations

import math
import shutil
from collections.abc import Sequence
from pathlib import Path

from hyrec.config.shipped import load_mapping
from hyrec.studies.plan.study import StudyError
from hyrec.studies.run.cell import METRICS_FILE, logged_rows, number
from hyrec.studies.run.process import ChildProcess, child_variables
from hyrec.studies.run.record import LOG_FILE, now
from hyrec.tuning.journal import Trial
from hyrec.tuning.sweep import Sweep

TRIALS = "trials"
"""Folder of all trials, in that of the search."""


def trial_folder(folder: Path, trial: Trial) -> Path:
    """Return the folder of a trial below that of the search."""
    return folder / TRIALS / f"{trial.number:04d}"


def trial_arguments(sweep: Sweep, trial: Trial, folder: Path) -> list[str]:
    """Return what follows ``hyrec fit`` for a trial: what an agent of W&B would give it, and where it lies."""
    given = sweep.arguments(trial.values)
    bar = "--trainer.enable_progress_bar"  # a log file keeps every state of it
    quiet = [] if any(word.startswith(bar) for word in given) else [f"{bar}=false"]
    return [*given, *quiet, f"--trainer.default_root_dir={folder}", "--test_after_fit=false"]


class TrialProcess(ChildProcess):
    """A trial that is being run, from its beginning: what an earlier attempt has left is removed.

    Args:
        folder: Folder of the search.
        program: What runs it, without its options.
        jobs: Trials at once, which share the cores.
    """

    def __init__(self, sweep: Sweep, trial: Trial, folder: Path, program: Sequence[str], jobs: int) -> None:
        self.trial, self.metric, self._maximize = trial, sweep.metric, sweep.maximize
        self.folder = trial_folder(folder, trial).resolve()
        if self.folder.exists():
            shutil.rmtree(self.folder)
        self.folder.mkdir(parents=True)
        command = [*program, *trial_arguments(sweep, trial, self.folder)]
        super().__init__(command, self.folder / LOG_FILE, child_variables(jobs), f"trial {trial.number}, {now()}")

    def value(self) -> float | None:
        """Return the best value over validations of a process that has ended well; None otherwise.

        Where epochs are days (``data.by_day``), days are no measure of one another: the last validation counts.
        """
        path = self.folder / METRICS_FILE
        if self.wait() or not path.is_file():
            return None
        try:
            texts = [row[self.metric] for row in logged_rows(path) if row.get(self.metric)]
            found = [value for text in texts if math.isfinite(value := number(text, path))]
        except StudyError:
            return None
        if found and self._is_by_day():
            return found[-1]
        return (max if self._maximize else min)(found, default=None)

    def _is_by_day(self) -> bool:
        path = self.folder / "config.yaml"
        data = load_mapping(str(path))["data"] if path.is_file() else {}
        return bool(data.get("init_args", {}).get("by_day"))

    def failure(self) -> str:
        """Return in a line why it has no value: what ended it, and the last that its log says."""
        cause, *lines = self.explain(f"no {self.metric} in {METRICS_FILE}")
        own = [line for line in lines if line.startswith("hyrec: ")]
        return ": ".join([cause, *(own or lines)[-1:]])
