"""Runs a study: plan, data, cells, comparison, report."""

from __future__ import annotations

import json
import os
import shlex
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from hyrec.cli.ablate_outcome import comparison_as_text
from hyrec.cli.ablate_resume import settled_plan
from hyrec.cli.ablate_selection import seeds_of_file, selected_study
from hyrec.cli.ablate_show import plan_as_dict, plan_as_text
from hyrec.cli.errors import CommandError
from hyrec.studies.cell import Cell
from hyrec.studies.interrupt import StudyInterrupted
from hyrec.studies.plan import PLAN_FILE, Plan
from hyrec.studies.results import read_results
from hyrec.studies.runner import CellOutcome, run_cells
from hyrec.studies.sweep import selection_words, sweep_of
from hyrec.studies.threads import threads_of_cell


def dry_run(study: str, selection: Mapping[str, Any], *, jobs: int, probe: bool, as_json: bool) -> int:
    """Print what a study would run.

    Args:
        study: The study's file.
        selection: What the command line changes in it.
        jobs: Cells at once, for the estimated time.
        probe: Whether to train each variant for some seconds to estimate its time.
        as_json: Whether to write JSON.
    """
    plan = _planned(study, selection)
    if probe:
        plan = _timed(plan, jobs)
    print(json.dumps(plan_as_dict(plan, jobs=jobs), indent=1) if as_json else plan_as_text(plan, jobs=jobs))
    return 0


def run_study(
    study: str,
    selection: Mapping[str, Any],
    *,
    folder: Path | None,
    jobs: int = 1,
    resume: bool = False,
    index: int | None = None,
    wandb: str | None = None,
) -> int:
    """Run the cells of a study, print the comparison and write the report.

    Args:
        study: The study's file.
        selection: What the command line changes in it.
        folder: Folder of the study. Default: ``runs/studies/<name>``.
        jobs: Cells at once.
        resume: Whether to go on with the study that the folder holds.
        index: The one cell to run; no report is written then.
        wandb: W&B project to log to.

    Returns:
        Exit code: 0, 1 when a cell failed, 130 after Ctrl-C.

    Raises:
        StudyError: When a variant cannot be trained, or the folder holds another study.
    """
    if wandb:
        from hyrec.loggers.wandb_run import require_wandb

        require_wandb()
    chosen = selected_study(study, selection)
    folder = folder or Path("runs") / "studies" / chosen.name

    def again() -> str:
        words = ["hyrec", "ablate", "run", study, "--out", str(folder)]
        there = (folder / PLAN_FILE).is_file()
        words += ["--resume"] if there else []
        words += selection_words(selection) if resume or not there else []
        words += ["--jobs", str(jobs)] if jobs > 1 else []
        words += [] if index is None else ["--index", str(index)]
        return shlex.join([*words, *(["--wandb", wandb] if wandb else [])])

    try:
        plan = settled_plan(study, selection, folder, resume=resume, index=index, again=again, make=_planned)
        outcomes = _run_cells(plan, folder, jobs=jobs, index=index, wandb=wandb)
        if index is None:
            report_study(folder, wandb=wandb)
    except KeyboardInterrupt as interrupt:
        print(f"\nStopped. Go on with\n  {again()}", file=sys.stderr)
        return interrupt.exit_code if isinstance(interrupt, StudyInterrupted) else 130
    broken = [outcome for outcome in outcomes if outcome.status in ("failed", "interrupted")]
    if broken:
        print(
            f"{len(broken)} of {len(outcomes)} cells have no result. Try them again with\n  {again()}", file=sys.stderr
        )
    return 1 if broken else 0


def report_study(folder: Path, *, baseline: str = "", wandb: str | None = None) -> int:
    """Print the comparison of a study and write its report.

    Args:
        folder: Folder of the study.
        baseline: Variant to compare the others with, in place of the study's own.
        wandb: W&B project to log the table to.

    Raises:
        StudyError: When the folder is not that of a study, or the study has no such variant.
    """
    from hyrec.studies.report import write_report

    results = read_results(folder, baseline)
    if results.cells:
        print(comparison_as_text(results))
        print(f"Report: {write_report(folder, baseline)}")
    else:
        print(f"No cell of {folder} has finished yet: there is nothing to report.")
    if wandb and results.cells:
        from hyrec.loggers.wandb_run import require_wandb
        from hyrec.studies.tracking import log_study

        require_wandb()
        log_study(results, wandb)
    return 0


def print_sweep(study: str, selection: Mapping[str, Any], *, folder: Path | None, wandb: str) -> int:
    """Print a W&B sweep of which every trial is a cell of the study.

    Args:
        study: The study's file.
        selection: What the command line changes in it.
        folder: Folder of the study. Default: ``runs/studies/<name>``.
        wandb: W&B project.
    """
    plan = _planned(study, selection)
    target = folder or Path("runs") / "studies" / plan.study.name
    print(yaml.safe_dump(sweep_of(plan, study=study, folder=target, project=wandb), sort_keys=False), end="")
    return 0


def _timed(plan: Plan, jobs: int) -> Plan:
    """Estimate the time of a cell of every variant, with the threads that a cell has."""
    from hyrec.cli.ablate_probe import probe_seconds

    variables = {"OMP_NUM_THREADS": str(threads_of_cell(jobs)), **os.environ}
    timed = []
    for planned in plan.variants:
        print(f"Timing {planned.variant.name}", file=sys.stderr, flush=True)
        seconds = probe_seconds(planned.arguments, environment=variables).seconds_per_cell
        timed.append(replace(planned, seconds_per_cell=seconds))
    return replace(plan, variants=tuple(timed))


def _planned(study: str, selection: Mapping[str, Any]) -> Plan:
    from hyrec.cli.ablate_plan import make_plan

    return make_plan(selected_study(study, selection), selection=selection, file_seeds=seeds_of_file(study))


def _run_cells(plan: Plan, folder: Path, *, jobs: int, index: int | None, wandb: str | None) -> list[CellOutcome]:
    cells = plan.cells(folder)
    if index is not None:
        if not 0 <= index < len(cells):
            raise CommandError(f"--index {index}: the study has {len(cells)} cells, 0 to {len(cells) - 1}.")
        cells = cells[index : index + 1]
    from hyrec.cli.ablate_rows import write_rows

    write_rows(plan, folder)
    environment: Callable[[Cell], Mapping[str, str]] | None = None
    if wandb:
        from hyrec.studies.tracking import cell_arguments, cell_environment

        project = wandb
        cells = tuple(
            replace(cell, extra_arguments=cell_arguments(plan, plan.planned(cell.variant), project)) for cell in cells
        )

        def environment(cell: Cell) -> Mapping[str, str]:
            return cell_environment(plan, cell, project)

    return run_cells(cells, jobs=jobs, environment=environment, metrics=plan.study.metrics)
