"""A study as a sweep of Weights & Biases: agents on any number of machines take its cells one by one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hyrec.metrics import facts_of
from hyrec.studies.plan.changes import flatten
from hyrec.studies.plan.command_lines import CommandLine, arguments_of
from hyrec.studies.plan.metrics import metrics_of
from hyrec.studies.plan.request import StudyRequest


def sweep_of(request: StudyRequest, folder: str | Path, project: str = "hyrec") -> dict[str, Any]:
    """Return a sweep that tries every cell of a study once, for ``wandb sweep FILE`` and ``wandb agent ID``.

    A trial is one cell, a run of ``hyrec fit`` in its folder below ``folder``; ``hyrec ablate report`` reads them
    afterwards like those of an undivided study, when the agents share that folder.

    Args:
        request: The study, and what was chosen of it.
        folder: Folder of the study.
        project: Project, or ``ENTITY/PROJECT``.
    """
    entity, _, name = project.rpartition("/")
    study = request.study
    metric, first = study.metrics[0], study.variants[0]
    options = CommandLine.parse(f"variant {first.name}", arguments_of(study, first)).options
    goal = "minimize" if facts_of(metric, metrics_of(flatten(options))).direction < 0 else "maximize"
    fixed = [request.file, "--out", str(folder), "--wandb", project, *request.words]
    return {
        "name": study.name,
        **({"description": study.question} if study.question else {}),
        "project": name,
        **({"entity": entity} if entity else {}),
        "method": "grid",
        "metric": {"name": f"test/{metric}", "goal": goal},
        "parameters": {"index": {"values": list(range(len(study.variants) * len(study.seeds)))}},
        "command": ["${env}", "hyrec", "ablate", "run", *fixed, "${args}"],
    }
