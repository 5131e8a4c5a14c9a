"""A study as it was asked for: its file, read once, and what was chosen of it."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from hyrec.config.shipped import PREFIX, find_file
from hyrec.messages import CommandError
from hyrec.studies.plan.plan import Plan
from hyrec.studies.plan.study import Study, StudyError
from hyrec.studies.plan.study_file import load_study, read_options

_LOG = logging.getLogger(__name__)
"""Without handlers, Python writes its warnings to the standard error."""
_GONE = "seeds that the study file no longer names stay, since cells have them"


@dataclass(frozen=True)
class StudyRequest:
    """A study, and the part of it that is to be run.

    Args:
        file: The study's file as the user wrote it, which commands that continue the study name.
        whole: What the file says.
        selection: What was chosen or changed: ``set``, ``seeds``, ``variants``; empty for the whole.

    Raises:
        StudyError: When the selection cannot be used.
    """

    file: str
    whole: Study
    selection: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def read(cls, file: str, selection: Mapping[str, Any] | None = None) -> StudyRequest:
        """Read a study file.

        Raises:
            StudyError: When the file, a config that it names or the selection cannot be used.
        """
        path = find_file(file, "study")
        whole = load_study(path)
        _check_configs(whole, path)
        request = cls(file, whole, selection or {})
        _ = request.study  # an unusable selection is told at once
        return request

    @property
    def study(self) -> Study:
        """The part that is to be run."""
        found = self.whole
        if changes := read_options(self.selection.get("set", {}), "--set"):
            both = sorted({key for variant in found.variants for key in variant.point} & set(changes))
            if both:
                raise StudyError(f"--set {both[0]}: the grid of the study sets it, at every point to another value.")
            found = replace(found, options={**found.options, **changes})
        return found.select(variants=self.selection.get("variants", ()), seeds=self.selection.get("seeds", ()))

    @property
    def words(self) -> list[str]:
        """Options of ``hyrec ablate run`` that choose the same part of the study again."""
        chosen = self.selection
        lists = [f"--{key}={','.join(map(str, chosen[key]))}" for key in ("seeds", "variants") if chosen.get(key)]
        # JSON is YAML, as which the command line reads values.
        return lists + [f"--set={key}={json.dumps(value)}" for key, value in chosen.get("set", {}).items()]

    def resuming(self, stored: Plan) -> StudyRequest:
        """Return what a study continues with: what was chosen then, with what is named now in its place.

        Without seeds named now the seeds stay, those that the study file has gained are added, and that is said.
        """
        kept, now, of_file = stored.selection, self.selection, self.whole.seeds
        merged: dict[str, Any] = {}
        if options := {**kept.get("set", {}), **now.get("set", {})}:
            merged["set"] = options
        if variants := now.get("variants") or kept.get("variants"):
            merged["variants"] = variants
        seeds = tuple(now.get("seeds", ()))
        if not seeds:
            before = stored.study.seeds
            then = stored.file_seeds or (of_file if "seeds" in kept else before)
            gained = tuple(seed for seed in of_file if seed not in (*then, *before))
            gone = [seed for seed in then if seed in before and seed not in of_file]
            seeds = before + gained
            for found, told in ((gained, "the study file has new seeds, which are added"), (gone, _GONE)):
                if found:
                    _LOG.warning("Note: %s: %s.", told, ", ".join(map(str, found)))
        if seeds != of_file:
            merged["seeds"] = list(seeds)
        return replace(self, selection=merged)


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
