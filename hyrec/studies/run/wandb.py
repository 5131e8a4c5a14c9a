"""A study in Weights & Biases: its cells as runs of one group, or tried one by one by the agents of a sweep."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

from hyrec.files import digest
from hyrec.loggers.wandb_run import require_wandb
from hyrec.metrics import facts_of
from hyrec.studies.plan.command_lines import CommandLine, arguments_of, flatten
from hyrec.studies.plan.plan import Plan
from hyrec.studies.plan.planner import metrics_of
from hyrec.studies.plan.request import StudyRequest
from hyrec.studies.run.cell import Cell


def tracked(plan: Plan, cell: Cell, project: str) -> Cell:
    """Return the cell that also logs to a W&B project, named ``PROJECT`` or ``ENTITY/PROJECT``."""
    require_wandb()
    entity, _, name = project.rpartition("/")
    owner = (f"--trainer.logger.entity={entity}",) if entity else ()
    arguments = ("--config=pkg:hyrec/logger/wandb.yaml", f"--trainer.logger.project={name}", *owner)
    return replace(cell, extra_arguments=arguments, environment=cell_environment(plan, cell))


def cell_environment(plan: Plan, cell: Cell) -> dict[str, str]:
    """Return the variables that name a cell's run in W&B, which reads them itself.

    The group is the study, the name ``study/variant/s0``, and the tags say model, data, variant and commit. The id
    follows from the cell and its folder, so that a cell that is resumed continues its run.
    """
    planned = plan.planned(cell.variant)
    point = [f"{key.rpartition('.')[2]}={value}" for key, value in planned.variant.point.items()]
    configs = [Path(argument[9:]) for argument in planned.arguments if argument.startswith("--config=")]
    models = [path.stem for path in configs if path.parent.name not in ("data", "trainer", "logger")]
    data = [path.stem for path in configs if path.parent.name == "data"]
    tags = [*models[:1], *(data[-1:] or ["simulated"]), planned.variant.family, *point, (plan.commit or "")[:12]]
    variables = {
        "WANDB_NAME": cell.name,
        "WANDB_RUN_GROUP": cell.study,
        "WANDB_JOB_TYPE": "fit",
        "WANDB_TAGS": ",".join(dict.fromkeys(tag.replace(",", ";") for tag in tags if tag)),
    }
    if "WANDB_SWEEP_ID" not in os.environ:  # the agent of a sweep has chosen the run
        variables["WANDB_RUN_ID"] = run_id(cell.name, cell.folder, cell.fingerprint)
        variables["WANDB_RESUME"] = "allow"
    return variables


def sweep_of(request: StudyRequest, folder: str | Path, project: str = "hyrec") -> dict[str, Any]:
    """Return a sweep that tries every cell of a study once, for ``wandb sweep FILE`` and ``wandb agent ID``.

    A trial is one cell, a run of ``hyrec fit`` in its folder below ``folder``; ``hyrec ablate report`` reads them
    afterwards like those of an undivided study, when the agents share that folder.
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


def run_id(name: str, folder: Path, fingerprint: str) -> str:
    """Return the id of a run, the same whenever it is asked for."""
    return digest([name, str(Path(folder).resolve()), fingerprint])
