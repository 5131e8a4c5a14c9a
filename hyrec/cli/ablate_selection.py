"""Reads a study file and applies what the command line, or an earlier one, changes in it."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from hyrec.cli.configs import PREFIX, find_file
from hyrec.cli.errors import CommandError
from hyrec.studies.plan import Plan
from hyrec.studies.study import Study, StudyError
from hyrec.studies.study_file import load_study, read_options


def selected_study(study: str, selection: Mapping[str, Any]) -> Study:
    """Read a study and apply what the command line changes in it.

    Args:
        study: Path of the file, or ``pkg:hyrec/ablations/NAME.yaml``.
        selection: ``set``, ``seeds`` and ``variants``.

    Raises:
        StudyError: When the file, a config that it names or the selection cannot be used.
    """
    file = find_file(study, "study")
    found = load_study(file)
    if changes := read_options(selection.get("set", {}), "--set"):
        both = sorted({key for variant in found.variants for key in variant.point} & set(changes))
        if both:
            raise StudyError(f"--set {both[0]}: the grid of the study sets it, at every point to another value.")
        found = replace(found, options={**found.options, **changes})
    chosen = found.select(variants=selection.get("variants", ()), seeds=selection.get("seeds", ()))
    _check_configs(chosen, file)
    return chosen


def seeds_of_file(study: str) -> tuple[int, ...]:
    """Return the seeds that a study file names, whatever is selected.

    Args:
        study: Path of the file, or ``pkg:hyrec/ablations/NAME.yaml``.
    """
    return load_study(find_file(study, "study")).seeds


def resumed_selection(stored: Plan, study: str, selection: Mapping[str, Any]) -> dict[str, Any]:
    """Return the selection that a study goes on with: the stored one, with what the command line names in its place.

    Without ``--seeds`` the seeds stay, and those that the study file has gained since then are added.

    Args:
        stored: The plan that the study was begun with.
        study: The study's file.
        selection: What the command line changes in it now.
    """
    kept = stored.selection
    merged: dict[str, Any] = {}
    if options := {**kept.get("set", {}), **selection.get("set", {})}:
        merged["set"] = options
    if variants := selection.get("variants") or kept.get("variants"):
        merged["variants"] = variants
    of_file = seeds_of_file(study)
    seeds = tuple(selection.get("seeds", ()))
    if not seeds:
        then = stored.file_seeds or (of_file if "seeds" in kept else stored.study.seeds)
        before = stored.study.seeds
        gained = tuple(seed for seed in of_file if seed not in (*then, *before))
        gone = [seed for seed in then if seed in before and seed not in of_file]
        seeds = before + gained
        if gained:
            _note(f"the study file has new seeds, which are added: {', '.join(map(str, gained))}.")
        if gone:
            _note(
                f"seeds that the study file no longer names stay, since cells have them: {', '.join(map(str, gone))}."
            )
    if seeds != of_file:
        merged["seeds"] = list(seeds)
    return merged


def _note(text: str) -> None:
    print(f"Note: {text}", file=sys.stderr)


def _check_configs(study: Study, file: Path) -> None:
    """Refuse relative configs that are not there, and say where they count from."""
    for name in (*study.configs, *(name for variant in study.variants for name in variant.configs)):
        if name.startswith(PREFIX) or Path(name).expanduser().is_absolute():
            continue
        try:
            find_file(name)
        except CommandError as error:
            places = (file.parent / name, file.parent / Path(name).name)
            beside = next((os.path.relpath(place) for place in places if place.is_file()), None)
            hint = f" There is one beside the study: write {beside}" if beside else ""
            raise StudyError(
                f"{file}: {error}\nPaths count from the current folder, {Path.cwd()}, not from the study file.{hint}"
            ) from error
