"""Studies in Weights & Biases: one run a cell, all in one group, and one run that holds the table of the study."""

from __future__ import annotations

import hashlib
import json
import math
import os
import warnings
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from hyrec.loggers.wandb_run import require_wandb, start_run
from hyrec.studies.cell import Cell
from hyrec.studies.comparison import ComparisonRow, compare
from hyrec.studies.plan import Plan, PlannedVariant
from hyrec.studies.results import StudyResults

LOGGER_CONFIG = "pkg:hyrec/logger/wandb.yaml"
COLUMNS = (
    *("variant", "metric", "seeds", "mean_seeds", "mean", "sd", "difference", "low", "high", "p_holm"),
    *("group_low", "group_high", "verdict", "dense_parameters", "sparse_parameters", "flops_per_sample", "seconds"),
)
"""Columns of a study's table: ``low`` and ``high`` bound the difference over seeds, ``group_*`` over test groups.

``seeds`` counts those of the difference, ``mean_seeds`` those of mean and sd.
"""
_SWEEP = "WANDB_SWEEP_ID"


def cell_arguments(plan: Plan, planned: PlannedVariant, project: str) -> tuple[str, ...]:
    """Return what a cell's ``hyrec fit`` needs besides, to log to W&B.

    Args:
        plan: The study.
        planned: The variant.
        project: Project, or ``ENTITY/PROJECT``.

    Raises:
        WandbMissingError: When W&B is not installed.
    """
    require_wandb()
    entity, _, name = project.rpartition("/")
    owner = (f"--trainer.logger.entity={entity}",) if entity else ()
    return (f"--config={LOGGER_CONFIG}", f"--trainer.logger.project={name}", *owner)


def cell_environment(plan: Plan, cell: Cell, project: str) -> dict[str, str]:
    """Return the variables that name a cell's run in W&B, which reads them itself.

    The group is the study, the name ``study/variant/s0``, and the tags say model, data, variant and commit. The id
    follows from the cell and its folder, so that a cell that is resumed continues its run.

    Args:
        plan: The study.
        cell: The cell.
        project: Project, or ``ENTITY/PROJECT``.
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
        variables["WANDB_RUN_ID"] = _id(cell.name, cell.folder, cell.fingerprint)
        variables["WANDB_RESUME"] = "allow"
    return variables


def log_study(results: StudyResults, project: str, *, replicates: int = 1000) -> None:
    """Log the table of a study, variant by metric with intervals and costs, as a run of its own.

    Args:
        results: What the cells found.
        project: Project, or ``ENTITY/PROJECT``.
        replicates: Draws of the bootstrap over groups; 0 leaves it out.

    Raises:
        WandbMissingError: When W&B is not installed.
        StudyError: When the cells report no metric of the study; one that none reports is left out.
    """
    require_wandb()
    study = results.plan.study
    known = [metric for metric in study.metrics if metric in results.metric_names]
    if not known:
        results.check_metric(study.metrics[0])
    rows = [row for metric in known for row in compare(results, metric, replicates=replicates)]
    try:
        _log_table(results, rows, project)
    except Exception as error:  # whatever W&B raises: the study is done, and all of it is in its folder
        warnings.warn(f"The table of {study.name} is not in W&B: {error!r}", stacklevel=2)


def study_table(rows: Sequence[ComparisonRow]) -> list[list[Any]]:
    """Return the cells of the table, in the order of ``COLUMNS``; None where there is no figure."""
    return [
        [
            *(row.variant, row.metric, len(row.values if row.is_baseline else row.differences), len(row.values)),
            *(_number(row.mean), _number(row.sd), _number(row.difference)),
            *_bounds(row.interval),
            _number(row.p_holm),
            *_bounds(row.group_interval),
            *(row.verdict, row.costs.dense_parameters, row.costs.sparse_parameters, row.costs.flops_per_sample),
            _number(row.costs.seconds),
        ]
        for row in rows
    ]


def _log_table(results: StudyResults, rows: Sequence[ComparisonRow], project: str) -> None:
    import wandb

    plan, study, folder = results.plan, results.plan.study, results.folder
    entity, _, name = project.rpartition("/")
    run = start_run(
        project=name,
        entity=entity or None,
        name=f"{study.name}/table",
        group=study.name,
        job_type="study",
        tags=[study.baseline, *([plan.commit[:12]] if plan.commit else [])],
        notes=study.question or None,
        id=_id(f"{study.name}/table", folder, ""),
        resume="allow",
        dir=str(folder),
        config=_config(plan),
    )
    run.log({"study": wandb.Table(columns=list(COLUMNS), data=study_table(rows))})
    counts = {"finished": len(results.cells), "failed": len(results.failed), "missing": len(results.missing)}
    run.summary.update({f"cells/{key}": value for key, value in counts.items()})
    artifact = wandb.Artifact(f"study-{run.id}", type="study")
    for path in [folder / "plan.json", *sorted(folder.glob("report/*"))]:
        if path.is_file():
            artifact.add_file(str(path.resolve()), name=str(path.relative_to(folder)))
    run.log_artifact(artifact)
    run.finish()


def _config(plan: Plan) -> dict[str, Any]:
    """Return the plan without the resolved options of every variant, which the cells log themselves."""
    content = plan.to_dict()
    return {**content, "variants": [{k: v for k, v in row.items() if k != "options"} for row in content["variants"]]}


def _sources(arguments: Sequence[str]) -> list[str]:
    """Return the names of the model's config and of the data's, as far as the command line shows them."""
    words = [word for argument in arguments for word in argument.split("=", 1)]
    configs = [Path(value) for key, value in pairwise(words) if key in ("--config", "-c")]
    models = [path.stem for path in configs if path.parent.name not in ("data", "trainer", "logger")]
    data = [path.stem for path in configs if path.parent.name == "data"]
    return [*models[:1], *(data[-1:] or ["simulated"])]


def _id(name: str, folder: Path, fingerprint: str) -> str:
    content = json.dumps([name, str(Path(folder).resolve()), fingerprint])
    return hashlib.blake2b(content.encode(), digest_size=8).hexdigest()


def _number(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def _bounds(interval: Any) -> list[float | None]:
    return [None, None] if interval is None else [_number(interval.low), _number(interval.high)]
