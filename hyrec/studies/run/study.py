"""Runs a study: its plan settled, its data prepared, its cells trained."""

from __future__ import annotations

import logging
import os
import shlex
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import hyrec
from hyrec.loggers.wandb_run import require_wandb
from hyrec.messages import CommandError
from hyrec.studies.plan.machine import source_commit
from hyrec.studies.plan.plan import PLAN_FILE, Plan
from hyrec.studies.plan.planner import make_plan
from hyrec.studies.plan.request import StudyRequest
from hyrec.studies.run.cell import cells_of
from hyrec.studies.run.record import RECORD_FILE
from hyrec.studies.run.rows import write_rows
from hyrec.studies.run.runner import PRINT, CellOutcome, run_cells
from hyrec.studies.run.wandb import tracked

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class StudyRun:
    """A study and how it is to be run.

    Args:
        request: The study, and what was chosen of it.
        out: Folder of the study. Default: ``runs/studies/<name>``.
        jobs: Cells at once; each gets its share of the cores.
        resume: Whether to continue the study that the folder holds.
        index: The one cell to run, for array jobs. Default: all.
        wandb: W&B project to log to, or ``ENTITY/PROJECT``.
    """

    request: StudyRequest
    out: Path | None = None
    jobs: int = 1
    resume: bool = False
    index: int | None = None
    wandb: str | None = None

    @property
    def folder(self) -> Path:
        """Folder of the study."""
        return self.out or Path("runs") / "studies" / self.request.whole.name

    @property
    def command(self) -> str:
        """The command that continues it."""
        there = (self.folder / PLAN_FILE).is_file()
        words = ["hyrec", "ablate", "run", self.request.file, "--out", str(self.folder)]
        words += ["--resume"] if there else []
        words += self.request.words if self.resume or not there else []
        words += ["--jobs", str(self.jobs)] if self.jobs > 1 else []
        words += [] if self.index is None else ["--index", str(self.index)]
        words += ["--wandb", self.wandb] if self.wandb else []
        return shlex.join(words)


def run_study(run: StudyRun, *, report: Callable[[str], object] = PRINT) -> tuple[Plan, list[CellOutcome]]:
    """Run the cells of a study that have not finished, and return its plan and how they stand.

    Raises:
        CommandError: When the folder holds this study and ``resume`` is off, another study, or one that has changed.
        StudyError: When a variant cannot be trained.
        StudyInterrupted: After a signal; the folder is in order and the study can be resumed.
    """
    if run.wandb:
        require_wandb()
    plan = _settled_plan(run)
    cells = cells_of(plan, run.folder)
    if run.index is not None:
        if not 0 <= run.index < len(cells):
            raise CommandError(f"--index {run.index}: the study has {len(cells)} cells, 0 to {len(cells) - 1}.")
        cells = (cells[run.index],)
    write_rows(plan, run.folder)
    if run.wandb:
        cells = tuple(tracked(plan, cell, run.wandb) for cell in cells)
    return plan, run_cells(cells, jobs=run.jobs, report=report, metrics=plan.study.metrics)


def _settled_plan(run: StudyRun) -> Plan:
    """Return the plan that a folder holds from now on: that which is there, with more in it, or a new one."""
    # What cells have been run with must stay as it was; while no cell has been started, all may change.
    request, folder, array = run.request, run.folder, run.index is not None
    if not (folder / PLAN_FILE).is_file():
        if run.resume:
            raise CommandError(
                f"{folder} holds no study to go on with: leave --resume out, or name its folder with --out."
            )
        plan = make_plan(request)
        plan.save(folder)
        return plan
    stored = Plan.load(folder)
    begun = any((folder / "cells").glob(f"*/*/{RECORD_FILE}"))
    if begun and not run.resume and not array:
        raise CommandError(f"{folder} holds a study already. Choose another --out, or go on with\n  {run.command}")
    plan = make_plan(request.resuming(stored) if run.resume or array else request)
    if begun:
        if lines := stored.differences(plan):
            told = f"The study has changed since {folder} was begun. Undo that, or begin anew in another --out."
            more = [f"and {len(lines) - 3} more"] if len(lines) > 3 else []
            raise CommandError("\n  ".join([told, *lines[:3], *more]))
        if not run.resume and len(cells_of(plan, folder)) != len(cells_of(stored, folder)):
            raise CommandError(f"A task of an array adds no seeds and variants to {folder}: do that with --resume.")
        _tell_where_from(stored)
        where = stored.working_folder or plan.working_folder
        plan = replace(plan, version=stored.version, commit=stored.commit, working_folder=where)
    plan.save(folder)
    return plan


def _tell_where_from(stored: Plan) -> None:
    """Say when hyrec, or the folder that relative paths count from, is another than at the beginning."""
    commit, here = source_commit(), os.getcwd()
    if (stored.version, stored.commit) != (hyrec.__version__, commit):
        before, after = f"{stored.version} ({stored.commit})", f"{hyrec.__version__} ({commit})"
        _LOG.warning("Note: the study was begun with hyrec %s; this is hyrec %s.", before, after)
    if stored.working_folder and stored.working_folder != here:
        _LOG.warning("Note: the study was begun in %s; relative paths now count from %s.", stored.working_folder, here)
