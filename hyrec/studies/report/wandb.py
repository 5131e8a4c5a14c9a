"""The table of a study in Weights & Biases, as a run of its own."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from typing import Any

from hyrec.loggers.wandb_run import require_wandb, start_run
from hyrec.studies.analysis.comparison import ComparisonRow
from hyrec.studies.analysis.results import StudyResults
from hyrec.studies.plan.study import StudyError
from hyrec.studies.report.findings import Findings
from hyrec.studies.run.wandb import run_id

COLUMNS = (
    *("variant", "metric", "seeds", "mean_seeds", "mean", "sd", "difference", "low", "high", "p_holm"),
    *("group_low", "group_high", "verdict", "dense_parameters", "sparse_parameters", "flops_per_sample", "seconds"),
)
"""Columns: ``low`` and ``high`` are over seeds, ``group_*`` over test groups; ``mean_seeds`` are those of the mean."""


def log_study(findings: Findings, project: str) -> None:
    """Log the table of a study, variant by metric with intervals and costs, as a run of its own.

    The project is ``PROJECT`` or ``ENTITY/PROJECT``.

    A metric that no cell reports is left out; ``StudyError`` when that is all of them.
    """
    require_wandb()
    if not findings.comparisons:
        raise StudyError(findings.refused[findings.metric])
    try:
        log_table(findings.results, [row for rows in findings.comparisons.values() for row in rows], project)
    except Exception as error:  # whatever W&B raises: the study is done, and all of it is in its folder
        warnings.warn(f"The table of {findings.study.name} is not in W&B: {error!r}", stacklevel=2)


def study_table(rows: Sequence[ComparisonRow]) -> list[list[Any]]:
    """Return the cells of the table, in the order of ``COLUMNS``; None where there is no figure."""
    table = []
    for row in rows:
        over_seeds, over_groups = ([i.low, i.high] if i else [None, None] for i in (row.interval, row.group_interval))
        seeds, planned = len(row.values if row.is_baseline else row.differences), row.costs.planned
        figures = [row.mean, row.sd, row.difference, *over_seeds, row.p_holm, *over_groups]
        costs = [planned.dense_parameters, planned.sparse_parameters, planned.flops_per_sample, row.seconds]
        cells = [row.variant, row.metric, seeds, len(row.values), *figures, row.verdict, *costs]
        table.append([None if isinstance(cell, float) and not math.isfinite(cell) else cell for cell in cells])
    return table


def log_table(results: StudyResults, rows: Sequence[ComparisonRow], project: str) -> None:
    """Log a table as a run of its own, with the plan and the report as an artifact; arguments as for ``log_study``."""
    import wandb

    plan, study, folder = results.plan, results.plan.study, results.folder
    content = plan.to_dict()  # less the resolved options of every variant, which the cells log themselves
    entity, _, name = project.rpartition("/")
    run = start_run(
        project=name,
        entity=entity or None,
        name=f"{study.name}/table",
        group=study.name,
        job_type="study",
        tags=[study.baseline, *([plan.commit[:12]] if plan.commit else [])],
        notes=study.question or None,
        id=run_id(f"{study.name}/table", folder, ""),
        resume="allow",
        dir=str(folder),
        config={**content, "variants": [{k: row[k] for k in row if k != "options"} for row in content["variants"]]},
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
