"""Decides which plan a study's folder holds: a new one, the one that is there, or that one with more in it."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import hyrec
from hyrec.cli.ablate_selection import resumed_selection, selected_study
from hyrec.cli.errors import CommandError
from hyrec.studies.plan import PLAN_FILE, Plan
from hyrec.studies.record import RECORD_FILE
from hyrec.studies.source import source_commit
from hyrec.studies.study import Study

_MAX_SHOWN = 3


def settled_plan(
    study: str,
    selection: Mapping[str, Any],
    folder: Path,
    *,
    resume: bool,
    index: int | None,
    again: Callable[[], str],
    make: Callable[[str, Mapping[str, Any]], Plan],
) -> Plan:
    """Return the plan that a folder holds from now on.

    A resume may add seeds, variants and metrics, and change what only reports read. What cells have been run with must
    stay as it was; while no cell has been started, all may change.

    Args:
        study: The study's file.
        selection: What the command line changes in it.
        folder: Folder of the study.
        resume: Whether to go on with the study that is there.
        index: The one cell to run, if not all: other tasks may have made the plan.
        again: Returns the command that goes on with the study.
        make: Plans a study with a selection.

    Raises:
        CommandError: When the folder holds a study that is not to be gone on with, or cannot be.
    """
    if not (folder / PLAN_FILE).is_file():
        if resume:
            raise CommandError(
                f"{folder} holds no study to go on with: leave --resume out, or name its folder with --out."
            )
        plan = make(study, selection)
        try:
            plan.save(folder, replace=False)
            return plan
        except FileExistsError:  # another task of the array was faster
            pass
    stored = Plan.load(folder)
    begun = any((folder / "cells").glob(f"*/*/{RECORD_FILE}"))
    goes_on = resume or index is not None
    chosen = resumed_selection(stored, study, selection) if goes_on else selection
    now = selected_study(study, chosen)
    if begun and not resume:
        _refuse_another(stored.study, now, folder, array=index is not None, again=again)
    return _going_on(stored, now, study, chosen, folder, begun=begun, make=make)


def _going_on(
    stored: Plan,
    now: Study,
    study: str,
    selection: Mapping[str, Any],
    folder: Path,
    *,
    begun: bool,
    make: Callable[[str, Mapping[str, Any]], Plan],
) -> Plan:
    from hyrec.cli.ablate_plan import check_unchanged

    if stored.study.to_dict() == json.loads(json.dumps(now.to_dict(), default=str)):
        lines = check_unchanged(stored)
        if not lines:
            _tell_where(stored)
            return stored
        if begun:
            raise _changed(folder, lines)
    plan = make(study, selection)
    if begun:
        if lines := stored.differences(plan):
            raise _changed(folder, lines)
        _tell_where(stored)
        where = stored.working_folder or plan.working_folder
        plan = replace(plan, version=stored.version, commit=stored.commit, working_folder=where)
    plan.save(folder)
    return plan


def _refuse_another(stored: Study, now: Study, folder: Path, *, array: bool, again: Callable[[], str]) -> None:
    """Refuse to go on without ``--resume``; tasks of an array need none for the very study."""
    lines = stored.differences(now)
    if lines:
        raise CommandError(
            f"{folder} holds another study. Choose another --out, or add seeds, variants or metrics with --resume."
            + _shown(lines)
        )
    if not array:
        raise CommandError(f"{folder} holds this study already. Go on with\n  {again()}")


def _changed(folder: Path, lines: Sequence[str]) -> CommandError:
    return CommandError(
        f"The study has changed since {folder} was begun. Undo that, or begin anew in another --out.{_shown(lines)}"
    )


def _shown(lines: Sequence[str]) -> str:
    more = f"\nand {len(lines) - _MAX_SHOWN} more" if len(lines) > _MAX_SHOWN else ""
    return "\n" + "\n".join(f"  {line}" for line in lines[:_MAX_SHOWN]) + more


def _tell_where(stored: Plan) -> None:
    """Print a note when hyrec, or the folder that relative paths count from, is another than at the beginning."""
    commit, here = source_commit(), os.getcwd()
    if (stored.version, stored.commit) != (hyrec.__version__, commit):
        before, after = f"{stored.version} ({stored.commit})", f"{hyrec.__version__} ({commit})"
        print(f"Note: the study was begun with hyrec {before}; this is hyrec {after}.", file=sys.stderr)
    if stored.working_folder and stored.working_folder != here:
        print(
            f"Note: the study was begun in {stored.working_folder}; relative paths now count from {here}.",
            file=sys.stderr,
        )
