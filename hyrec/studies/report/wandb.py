"""The table of a study in Weights & Biases, as a run of its own."""

from __future__ import annotations

import math
import warnings
from typing import Any

from hyrec.loggers.wandb_run import require_wandb, start_run
from hyrec.studies.analysis.comparison import ComparisonRow
from hyrec.studies.plan.study import StudyError
from hyrec.studies.report.findings import Findings
from hyrec.studies.run.wandb import run_id


def log_study(findings: Findings, project: str) -> None:
    """Log the table of a study, variant by metric with intervals and costs, as a run of its own.

    The project is ``PROJECT`` or ``ENTITY/PROJECT``. A metric that no cell reports is left out; ``StudyError`` when
    that is all of them.
    """
    require_wandb()
    if not findings.comparisons:
        raise StudyError(findings.refused[findings.metric])
    try:
        _log(findings, project)
    except Exception as error:  # whatever W&B raises: the study is done, and all of it is in its folder
        warnings.warn(f"The table of {findings.study.name} is not in W&B: {error!r}", stacklevel=2)


def figures(row: ComparisonRow) -> dict[str, Any]:
    """Return a row of the table by column; None where there is no figure.

    Columns: ``low`` and ``high`` are over seeds, ``group_*`` over test groups; ``mean_seeds`` are those of the mean.
    """
    planned, seeds, groups = row.costs.planned, row.interval, row.group_interval
    found = {
        "variant": row.variant,
        "metric": row.metric,
        "seeds": len(row.values if row.is_baseline else row.differences),
        "mean_seeds": len(row.values),
        "mean": row.mean,
        "sd": row.sd,
        "difference": row.difference,
        "low": seeds and seeds.low,
        "high": seeds and seeds.high,
        "p_holm": row.p_holm,
        "group_low": groups and groups.low,
        "group_high": groups and groups.high,
        "verdict": row.verdict,
        "dense_parameters": planned.dense_parameters,
        "sparse_parameters": planned.sparse_parameters,
        "flops_per_sample": planned.flops_per_sample,
        "seconds": row.seconds,
    }
    return {
        key: None if isinstance(value, float) and not math.isfinite(value) else value for key, value in found.items()
    }


def _log(findings: Findings, project: str) -> None:
    """Log the table as a run of its own, with the plan and the report as an artifact."""
    import wandb

    results, study, folder = findings.results, findings.study, findings.results.folder
    plan = results.plan
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
    rows = [figures(row) for rows in findings.comparisons.values() for row in rows]
    run.log({"study": wandb.Table(columns=list(rows[0]), data=[list(row.values()) for row in rows])})
    counts = {"finished": len(results.cells), "failed": len(results.failed), "missing": len(results.missing)}
    run.summary.update({f"cells/{key}": value for key, value in counts.items()})
    artifact = wandb.Artifact(f"study-{run.id}", type="study")
    for path in [folder / "plan.json", *sorted(folder.glob("report/*"))]:
        if path.is_file():
            artifact.add_file(str(path.resolve()), name=str(path.relative_to(folder)))
    run.log_artifact(artifact)
    run.finish()
