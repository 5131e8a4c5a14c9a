"""Reads what the cells of a study left behind; a cell that has not finished is listed with the reason."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from hyrec.files import read_yaml
from hyrec.messages import unknown
from hyrec.metrics import DEFAULT_METRICS, MetricFacts, RankingMetric, build_metrics, facts_of
from hyrec.studies.analysis.places import inside
from hyrec.studies.analysis.scores import Scores
from hyrec.studies.plan.plan import Plan
from hyrec.studies.plan.study import StudyError
from hyrec.studies.run.cell import METRICS_FILE, cells_of, logged_rows, number, read_test_metrics
from hyrec.studies.run.record import CellRecord


class Unfinished(NamedTuple):
    """A cell without results.

    Its status is ``failed``, ``interrupted`` or ``missing`` (never started, or its record cannot be read); the reason
    has one or a few lines.
    """

    variant: str
    seed: int
    status: str
    reason: str


@dataclass(frozen=True)
class CellResult:
    """What one finished cell found, the folder of its run, and the version and commit that it ran with if known.

    Args:
        metrics: Test metrics by name, ``auc`` and not ``test/auc``; NaN where a metric was not defined.
        seconds: Wall time, in seconds.
    """

    variant: str
    seed: int
    folder: Path
    metrics: Mapping[str, float]
    seconds: float
    version: str = ""
    commit: str | None = None

    def scores(self, task: str = "") -> Scores | None:
        """Return labels and scores of a task, by default the primary one; None when the run saved none."""
        parts = sorted((self.folder / "predictions").glob("part-*.parquet"))
        return Scores.read(parts, task or self.primary_task or "") if parts else None

    @cached_property
    def primary_task(self) -> str | None:
        """Task that metrics without a task in their name speak about; None when the run saved no config."""
        path = self.folder / "config.yaml"
        if not path.is_file():
            return None
        config = read_yaml(path.read_text(encoding="utf-8")) or {}
        model = config.get("model") or {}
        chosen = (model.get("init_args") or model).get("primary_task")
        return chosen or next(iter((config.get("schema") or {}).get("tasks") or {}), None)


@dataclass(frozen=True)
class StudyResults:
    """The plan of a study and what its cells found.

    Args:
        cells: Finished cells by name of the variant and seed, in the order of the plan.
        failed: Cells that were run and did not succeed.
        missing: Cells that were not run to the end: never started, interrupted, or still running.
        own_baseline: Baseline that the study names; the plan's study may have another, chosen later.
    """

    folder: Path
    plan: Plan
    cells: Mapping[tuple[str, int], CellResult]
    failed: tuple[Unfinished, ...] = ()
    missing: tuple[Unfinished, ...] = ()
    own_baseline: str = ""

    @cached_property
    def metrics(self) -> dict[str, RankingMetric]:
        """Metrics that the runs log, by name; without those whose class is not installed here."""
        lists = (planned.options.get("model.metrics", DEFAULT_METRICS) for planned in self.plan.variants)
        known: dict[str, RankingMetric] = {}
        for entry in {json.dumps(entry, sort_keys=True): entry for chosen in lists for entry in chosen}.values():
            with contextlib.suppress(ValueError, TypeError):  # a report still shows what it logged
                known = {**build_metrics([entry]), **known}
        return known

    def facts(self, metric: str) -> MetricFacts:
        """Return what is known about a metric by its name, in which a task is ignored; of others no more than that."""
        return facts_of(metric, self.metrics)

    @property
    def metric_names(self) -> tuple[str, ...]:
        """Metrics that at least one finished cell reports."""
        return tuple(dict.fromkeys(name for cell in self.cells.values() for name in cell.metrics))

    def check_metric(self, metric: str) -> None:
        """Raise ``StudyError`` for a metric that no finished cell reports."""
        if self.cells and metric not in self.metric_names:
            raise StudyError(unknown(f"No cell of {self.folder} reports", metric, self.metric_names, allowed="Metrics"))

    def seeds_of(self, variant: str) -> tuple[int, ...]:
        """Return the seeds for which a variant finished, in the order of the study."""
        return tuple(seed for seed in self.plan.study.seeds if (variant, seed) in self.cells)

    def values(self, variant: str, metric: str) -> dict[int, float]:
        """Return a test metric by seed, for the finished cells that report it."""
        found = {seed: self.cells[variant, seed].metrics.get(metric) for seed in self.seeds_of(variant)}
        return {seed: value for seed, value in found.items() if value is not None}

    def finite(self, variant: str, metric: str) -> dict[int, float]:
        """Return ``values`` without those that are not defined."""
        return {seed: value for seed, value in self.values(variant, metric).items() if math.isfinite(value)}


def read_results(folder: str | Path, baseline: str = "") -> StudyResults:
    """Read the folder of a study, which ``hyrec ablate run`` wrote; ``baseline`` stands in for the study's own.

    Only cells count whose record says that they finished and whose test metrics can be read. The others are listed,
    with what is known about them.

    Raises:
        StudyError: When the folder holds no plan, or the study has no such variant.
    """
    folder = Path(folder)
    plan = Plan.load(folder)
    own_baseline = plan.study.baseline
    if baseline:
        plan = dataclasses.replace(plan, study=dataclasses.replace(plan.study, baseline=baseline))
    cells: dict[tuple[str, int], CellResult] = {}
    others: list[Unfinished] = []
    for cell in cells_of(plan, folder):
        key, status, reason, lay = (cell.variant, cell.seed), "missing", "it has not been run", folder
        try:
            record = CellRecord.load(cell.folder)
            if record is not None and record.status == "finished":
                status = "failed"  # unless its figures can be read
                found = read_test_metrics(cell.folder)
                cells[key] = CellResult(*key, cell.folder, found, record.seconds, record.version, record.commit)
                continue
            if record is not None:
                status, reason = record.status, record.error.strip() or _NO_REASON.get(record.status, "")
                lay = Path(*Path(record.folder).parts[:-3])
        except StudyError as error:
            reason = str(error)
        others.append(Unfinished(*key, status, inside(reason, folder, lay)))
    failed = tuple(other for other in others if other.status == "failed")
    missing = tuple(other for other in others if other.status != "failed")
    return StudyResults(folder, plan, cells, failed, missing, own_baseline)


_NO_REASON = {
    "failed": "it left no message; see log.txt in its folder",
    "interrupted": "it was interrupted; run the study again with --resume",
}


def read_curves(run: Path) -> dict[str, list[tuple[int, float]]]:
    """Return what a run logged, by name pairs of step and value; NaN where NaN was logged.

    A resumed run keeps what it had logged before in ``metrics-1.csv``, ``metrics-2.csv`` and so on, and starts again
    at its checkpoint: from there on the later file stands.
    """
    curves: dict[str, list[tuple[int, float]]] = {}
    numbered = {path: re.fullmatch(r"metrics-(\d+)\.csv", path.name) for path in run.glob("metrics-*.csv")}
    earlier = sorted((int(match[1]), path) for path, match in numbered.items() if match)
    for path in filter(Path.is_file, [*(path for _, path in earlier), run / METRICS_FILE]):
        logged: dict[str, list[tuple[int, float]]] = {}
        for row in logged_rows(path):
            for key, text in row.items():
                if key not in ("step", "epoch") and text and row.get("step"):
                    logged.setdefault(key, []).append((int(float(row["step"])), number(text, path)))
        for key, points in logged.items():
            start = min(step for step, _ in points)
            curves[key] = [point for point in curves.get(key, []) if point[0] < start] + points
    return curves
