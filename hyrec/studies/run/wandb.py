"""The cells of a study in Weights & Biases: one run each, all in one group."""

from __future__ import annotations

import os
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from hyrec.files import digest
from hyrec.loggers.wandb_run import require_wandb
from hyrec.studies.plan.plan import Plan
from hyrec.studies.run.cell import Cell

LOGGER_CONFIG = "pkg:hyrec/logger/wandb.yaml"
_SWEEP = "WANDB_SWEEP_ID"


def tracked(plan: Plan, cell: Cell, project: str) -> dict[str, Any]:
    """Return what a cell needs besides, to log to W&B: fields of :class:`Cell`.

    Args:
        plan: The study.
        cell: The cell.
        project: Project, or ``ENTITY/PROJECT``.

    Raises:
        WandbMissingError: When W&B is not installed.
    """
    require_wandb()
    entity, _, name = project.rpartition("/")
    owner = (f"--trainer.logger.entity={entity}",) if entity else ()
    arguments = (f"--config={LOGGER_CONFIG}", f"--trainer.logger.project={name}", *owner)
    return {"extra_arguments": arguments, "environment": cell_environment(plan, cell)}


def cell_environment(plan: Plan, cell: Cell) -> dict[str, str]:
    """Return the variables that name a cell's run in W&B, which reads them itself.

    The group is the study, the name ``study/variant/s0``, and the tags say model, data, variant and commit. The id
    follows from the cell and its folder, so that a cell that is resumed continues its run.

    Args:
        plan: The study.
        cell: The cell.
    """
    planned = plan.planned(cell.variant)
    point = [f"{key.rpartition('.')[2]}={value}" for key, value in planned.variant.point.items()]
    tags = [*_sources(planned.arguments), planned.variant.family, *point, (plan.commit or "")[:12]]
    variables = {
        "WANDB_NAME": cell.name,
        "WANDB_RUN_GROUP": cell.study,
        "WANDB_JOB_TYPE": "fit",
        "WANDB_TAGS": ",".join(dict.fromkeys(tag.replace(",", ";") for tag in tags if tag)),
    }
    if _SWEEP not in os.environ:  # the agent of a sweep has chosen the run
        variables["WANDB_RUN_ID"] = run_id(cell.name, cell.folder, cell.fingerprint)
        variables["WANDB_RESUME"] = "allow"
    return variables


def _sources(arguments: Sequence[str]) -> list[str]:
    """Return the names of the model's config and of the data's, as far as the command line shows them."""
    words = [word for argument in arguments for word in argument.split("=", 1)]
    configs = [Path(value) for key, value in pairwise(words) if key in ("--config", "-c")]
    models = [path.stem for path in configs if path.parent.name not in ("data", "trainer", "logger")]
    data = [path.stem for path in configs if path.parent.name == "data"]
    return [*models[:1], *(data[-1:] or ["simulated"])]


def run_id(name: str, folder: Path, fingerprint: str) -> str:
    """Return the id of a run, the same whenever it is asked for."""
    return digest([name, str(Path(folder).resolve()), fingerprint])
