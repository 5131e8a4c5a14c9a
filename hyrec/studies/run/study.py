"""Runs a study: its plan settled, its data prepared, its cells trained."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from hyrec.loggers.wandb_run import require_wandb
from hyrec.messages import CommandError
from hyrec.studies.plan.plan import PLAN_FILE, Plan
from hyrec.studies.plan.request import StudyRequest
from hyrec.studies.run.cell import Cell, cells_of
from hyrec.studies.run.prepare import write_rows
from hyrec.studies.run.runner import PRINT, CellOutcome, run_cells
from hyrec.studies.run.settle import settled_plan
from hyrec.studies.run.wandb import tracked


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
        return shlex.join([*words, *(["--wandb", self.wandb] if self.wandb else [])])


def run_study(run: StudyRun, *, report: Callable[[str], object] = PRINT) -> tuple[Plan, list[CellOutcome]]:
    """Run the cells of a study that have not finished, and return its plan and how they stand.

    Args:
        run: The study and how it is to be run.
        report: Takes one line of progress.

    Raises:
        StudyThereError: When the folder holds this study and ``resume`` is off.
        StudyError: When a variant cannot be trained, or the folder holds another study.
        StudyInterrupted: After a signal; the folder is in order and the study can be resumed.
    """
    if run.wandb:
        require_wandb()
    plan = settled_plan(run.request, run.folder, resume=run.resume, array=run.index is not None)
    cells = _chosen(cells_of(plan, run.folder), run.index)
    write_rows(plan, run.folder)
    if run.wandb:
        cells = tuple(replace(cell, **tracked(plan, cell, run.wandb)) for cell in cells)
    return plan, run_cells(cells, jobs=run.jobs, report=report, metrics=plan.study.metrics)


def _chosen(cells: tuple[Cell, ...], index: int | None) -> tuple[Cell, ...]:
    if index is None:
        return cells
    if not 0 <= index < len(cells):
        raise CommandError(f"--index {index}: the study has {len(cells)} cells, 0 to {len(cells) - 1}.")
    return cells[index : index + 1]
