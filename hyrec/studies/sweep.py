"""A study as a sweep of Weights & Biases: agents on any number of machines take its cells one by one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hyrec.studies.direction import direction
from hyrec.studies.plan import Plan


def sweep_of(plan: Plan, *, study: str, folder: str | Path, project: str = "hyrec") -> dict[str, Any]:
    """Return a sweep that tries every cell of a study once, for ``wandb sweep FILE`` and ``wandb agent ID``.

    A trial is one cell, a run of ``hyrec fit`` in its folder below ``folder``; ``hyrec ablate report`` reads them
    afterwards like those of an undivided study, when the agents share that folder.

    Args:
        plan: The study.
        study: Its file, as on the command line.
        folder: Folder of the study.
        project: Project, or ``ENTITY/PROJECT``.
    """
    entity, _, name = project.rpartition("/")
    metric = plan.study.metrics[0]
    fixed = [study, "--out", str(folder), "--wandb", project, *selection_words(plan.selection)]
    return {
        "name": plan.study.name,
        **({"description": plan.study.question} if plan.study.question else {}),
        "project": name,
        **({"entity": entity} if entity else {}),
        "method": "grid",
        "metric": {"name": f"test/{metric}", "goal": "minimize" if direction(metric) < 0 else "maximize"},
        "parameters": {"index": {"values": list(range(len(plan.study.variants) * len(plan.study.seeds)))}},
        "command": ["${env}", "hyrec", "ablate", "run", *fixed, "${args}"],
    }


def selection_words(selection: Mapping[str, Any]) -> list[str]:
    """Return the options of ``hyrec ablate run`` that choose the same part of a study again.

    Args:
        selection: What the command line changed in the study file: ``set``, ``seeds``, ``variants``.
    """
    words = [f"--{key}={','.join(map(str, selection[key]))}" for key in ("seeds", "variants") if selection.get(key)]
    # JSON is YAML, as which the command line reads values.
    return words + [f"--set={key}={json.dumps(value)}" for key, value in selection.get("set", {}).items()]
