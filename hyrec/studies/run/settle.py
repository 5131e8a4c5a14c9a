"""Decides which plan a study's folder holds: a new one, the one that is there, or that one with more in it."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import hyrec
from hyrec.messages import CommandError
from hyrec.studies.plan.commit import source_commit
from hyrec.studies.plan.plan import PLAN_FILE, Plan
from hyrec.studies.plan.planner import check_unchanged, make_plan
from hyrec.studies.plan.request import StudyRequest
from hyrec.studies.plan.study import Study
from hyrec.studies.run.record import RECORD_FILE

_LOG = logging.getLogger(__name__)
"""Without handlers, Python writes its warnings to the standard error."""
_MAX_SHOWN = 3


class StudyThereError(CommandError):
    """The folder holds the very study already; a resume continues it."""


def settled_plan(request: StudyRequest, folder: Path, *, resume: bool = False, array: bool = False) -> Plan:
    """Return the plan that a folder holds from now on, and write it there.

    A resume may add seeds, variants and metrics, and change what only reports read. What cells have been run with must
    stay as it was; while no cell has been started, all may change.

    Args:
        request: The study, and what was chosen of it.
        folder: Folder of the study.
        resume: Whether to continue the study that is there.
        array: Whether one of several tasks asks, of which another may have made the plan.

    Raises:
        StudyThereError: When the folder holds this study and a resume was not asked for.
        CommandError: When the folder holds another study, or one that cannot be continued.
    """
    if not (folder / PLAN_FILE).is_file():
        if resume:
            raise CommandError(
                f"{folder} holds no study to go on with: leave --resume out, or name its folder with --out."
            )
        plan = make_plan(request)
        try:
            plan.save(folder, replace=False)
            return plan
        except FileExistsError:  # another task of the array was faster
            pass
    stored = Plan.load(folder)
    begun = any((folder / "cells").glob(f"*/*/{RECORD_FILE}"))
    if resume or array:
        request = request.resuming(stored)
        for note in request.notes:
            _LOG.warning("Note: %s", note)
    if begun and not resume:
        _refuse_another(stored.study, request.study, folder, array=array)
    return _continued(stored, request, folder, begun=begun)


def _continued(stored: Plan, request: StudyRequest, folder: Path, *, begun: bool) -> Plan:
    if stored.study.to_dict() == json.loads(json.dumps(request.study.to_dict(), default=str)):
        lines = check_unchanged(stored)
        if not lines:
            _tell_where_from(stored)
            return stored
        if begun:
            raise _changed(folder, lines)
    plan = make_plan(request)
    if begun:
        if lines := stored.differences(plan):
            raise _changed(folder, lines)
        _tell_where_from(stored)
        where = stored.working_folder or plan.working_folder
        plan = replace(plan, version=stored.version, commit=stored.commit, working_folder=where)
    plan.save(folder)
    return plan


def _refuse_another(stored: Study, now: Study, folder: Path, *, array: bool) -> None:
    """Refuse to continue without ``--resume``; tasks of an array need none for the very study."""
    if lines := stored.differences(now):
        raise CommandError(
            f"{folder} holds another study. Choose another --out, or add seeds, variants or metrics with --resume."
            + _shown(lines)
        )
    if not array:
        raise StudyThereError(f"{folder} holds this study already.")


def _changed(folder: Path, lines: Sequence[str]) -> CommandError:
    return CommandError(
        f"The study has changed since {folder} was begun. Undo that, or begin anew in another --out.{_shown(lines)}"
    )


def _shown(lines: Sequence[str]) -> str:
    more = f"\nand {len(lines) - _MAX_SHOWN} more" if len(lines) > _MAX_SHOWN else ""
    return "\n" + "\n".join(f"  {line}" for line in lines[:_MAX_SHOWN]) + more


def _tell_where_from(stored: Plan) -> None:
    """Say when hyrec, or the folder that relative paths count from, is another than at the beginning."""
    commit, here = source_commit(), os.getcwd()
    if (stored.version, stored.commit) != (hyrec.__version__, commit):
        before, after = f"{stored.version} ({stored.commit})", f"{hyrec.__version__} ({commit})"
        _LOG.warning("Note: the study was begun with hyrec %s; this is hyrec %s.", before, after)
    if stored.working_folder and stored.working_folder != here:
        _LOG.warning("Note: the study was begun in %s; relative paths now count from %s.", stored.working_folder, here)
