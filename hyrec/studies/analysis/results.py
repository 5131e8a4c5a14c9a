"""Reads what the cells of a study left behind; a cell that has not finished is listed with the reason."""

from __future__ import annotations

import dataclasses
import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa

from hyrec.files import digest, read_yaml
from hyrec.messages import suggest
from hyrec.metrics import DEFAULT_METRICS, MetricFacts, RankingMetric, facts_of
from hyrec.studies.analysis.places import inside
from hyrec.studies.analysis.scores import SavedPredictions, Scores
from hyrec.studies.plan.metrics import known_metrics
from hyrec.studies.plan.plan import Plan
from hyrec.studies.plan.study import StudyError
from hyrec.studies.run.cell import METRICS_FILE, TEST, cells_of, logged_rows


class Unfinished(NamedTuple):
    """A cell without results.

    Its status is ``failed``, ``interrupted``, ``missing`` (never started, or its record cannot be read) or another word
    that the runner wrote; the reason has one or a few lines.
    """

    variant: str
    seed: int
    status: str
    reason: str


@dataclass(frozen=True)
class CellResult:
    """What one finished cell found, and the folder of its run.

    Args:
        metrics: Test metrics by name, ``auc`` and not ``test/auc``; NaN where a metric was not defined.
        seconds: Wall time, in seconds.
        version: Version of hyrec that it ran with; empty when the cell's record does not say.
        commit: Commit that it ran from; None outside of a checkout.
    """

    variant: str
    seed: int
    folder: Path
    metrics: Mapping[str, float]
    seconds: float
    version: str = ""
    commit: str | None = None
    _hashes: dict[str, str] = field(default_factory=dict, repr=False, compare=False)

    def predictions(self) -> pa.Table | None:
        """Return the scored test rows in the order of ``row``; None when the run saved none."""
        if not (saved := self._saved()):
            return None
        table = pa.table({name: saved.column(name) for name in saved.column_names})
        return table.sort_by("row") if "row" in table.column_names else table

    def scores(self, task: str = "") -> Scores | None:
        """Return labels and scores of a task, by default the primary one; None when the run saved none."""
        saved = self._saved()
        return Scores.of(saved, task or self.primary_task or "") if saved else None

    def _saved(self) -> SavedPredictions | None:
        parts = sorted((self.folder / "predictions").glob("part-*.parquet"))
        return SavedPredictions(parts) if parts else None

    def rows_hash(self, task: str) -> str:
        """Return a hash of all that says which test rows were scored; empty when the run saved none."""
        if task not in self._hashes:
            scores = self.scores(task)
            columns = () if scores is None else (scores.row, scores.label, scores.group, scores.weight)
            self._hashes[task] = " ".join(digest(b"" if c is None else c.tobytes(), size=16) for c in columns)
        return self._hashes[task]

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
        return known_metrics(entry for chosen in lists for entry in chosen)

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
            raise StudyError(
                f"No cell of {self.folder} reports {metric!r}.{suggest(metric, self.metric_names)} "
                f"Metrics: {', '.join(self.metric_names)}."
            )

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
    """Read the folder of a study.

    Only cells count whose record says that they finished and whose test metrics can be read. The others are listed,
    with what is known about them.

    Args:
        folder: Folder that ``hyrec ablate run`` wrote.
        baseline: Variant to compare the others with, in place of the study's own.

    Raises:
        StudyError: When the folder holds no plan, or the study has no such variant.
    """
    folder = Path(folder)
    plan = Plan.load(folder)
    own_baseline = plan.study.baseline
    if baseline:
        plan = dataclasses.replace(plan, study=dataclasses.replace(plan.study, baseline=baseline))
    cells: dict[tuple[str, int], CellResult] = {}
    failed: list[Unfinished] = []
    missing: list[Unfinished] = []
    for cell in cells_of(plan, folder):
        record = _read_record(cell.folder)
        status = str(record.get("status", "missing"))
        if status != "finished":
            reason = str(record.get("error") or "").strip() or _NO_REASON.get(status, f"its record says {status!r}")
            reason = inside(reason, folder, *_study_of(record.get("folder"), cell.folder.relative_to(folder)))
            unfinished = Unfinished(cell.variant, cell.seed, status, reason)
            (failed if status == "failed" else missing).append(unfinished)
            continue
        try:
            metrics = read_test_metrics(cell.folder)
        except StudyError as error:
            failed.append(Unfinished(cell.variant, cell.seed, "failed", inside(str(error), folder)))
            continue
        seconds = float(record.get("seconds") or 0.0)
        source = str(record.get("version") or ""), record.get("commit")
        cells[cell.variant, cell.seed] = CellResult(cell.variant, cell.seed, cell.folder, metrics, seconds, *source)
    return StudyResults(folder, plan, cells, tuple(failed), tuple(missing), own_baseline)


def _study_of(cell: Any, place: Path) -> list[Path]:
    lay = Path(cell) if isinstance(cell, str) else Path()
    ends = len(place.parts)
    return [Path(*lay.parts[:-ends])] if lay.parts[-ends:] == place.parts and len(lay.parts) > ends + 1 else []


_NO_REASON = {
    "failed": "it left no message; see log.txt in its folder",
    "interrupted": "it was interrupted; run the study again with --resume",
    "missing": "it has not been run",
}


def read_test_metrics(run: Path) -> dict[str, float]:
    """Return the test metrics of a run by name without ``test/``; ``StudyError`` when ``metrics.csv`` holds none."""
    path = run / METRICS_FILE
    if not path.is_file():
        raise StudyError(f"{run} has no metrics.csv, though its cell finished. Run it again: remove its cell.json.")
    found: dict[str, float] = {}
    for row in logged_rows(path):
        found |= {key[len(TEST) :]: _number(text, path) for key, text in row.items() if key.startswith(TEST) and text}
    if not found:
        raise StudyError(f"{path} holds no test metrics, though its cell finished. Run it again: remove its cell.json.")
    return found


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
                    logged.setdefault(key, []).append((int(float(row["step"])), _number(text, path)))
        for key, points in logged.items():
            start = min(step for step, _ in points)
            curves[key] = [point for point in curves.get(key, []) if point[0] < start] + points
    return curves


def _number(text: str, path: Path) -> float:
    try:
        return float(text)
    except ValueError:
        raise StudyError(f"{path} holds {text!r} where a number belongs.") from None


def _read_record(run: Path) -> Mapping[str, Any]:
    path = run / "cell.json"
    if not path.is_file():
        return {}
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        return {"status": "missing", "error": f"{path.name} cannot be read: {error}"}
    if not isinstance(record, dict):
        return {"status": "missing", "error": f"{path.name} holds {type(record).__name__} where a mapping belongs"}
    return record
