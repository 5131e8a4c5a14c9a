"""Writes the folder of a study that was never run, with numbers that are like those of one that was."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from hyrec.metrics import default_metrics
from hyrec.studies.analysis.scores import Scores
from hyrec.studies.plan.plan import Change, Plan, PlannedVariant
from hyrec.studies.plan.study import Study, Variant

Floats = npt.NDArray[np.float64]
METRICS = ("query_auc", "auc", "logloss")
CANDIDATES = 8


@dataclass(frozen=True)
class Planted:
    """A variant whose quality is known.

    Args:
        family: Its family.
        noise: What is added to the true logits before scoring; more is worse.
        flops: FLOPs per sample.
        dense: Dense parameters.
        point: Its point of the grid.
        about: What it is.
        paper: What the paper prints.
        changes: What it changes.
    """

    family: str
    noise: float
    flops: float = 2.55e7
    dense: int = 1_555_713
    point: Mapping[str, object] = field(default_factory=dict)
    about: str = ""
    paper: Mapping[str, float] = field(default_factory=dict)
    changes: tuple[Change, ...] = ()

    @property
    def name(self) -> str:
        """Name of the variant."""
        marks = ",".join(f"{key.rpartition('.')[2]}={value}" for key, value in self.point.items())
        return f"{self.family}@{marks}" if marks else self.family


TABLE = (
    Planted("hyformer", 0.80, paper={"query_auc": 0.6489}),
    Planted(
        "no_pooling",
        0.93,
        about="no pooled sequences in the query context",
        paper={"query_auc": 0.6486},
        changes=(Change("model.queries.pooling", "all", "none"),),
    ),
    Planted(
        "target_only",
        1.10,
        dense=1_402_113,
        flops=2.31e7,
        about="neither NS tokens nor pooling: queries from the candidate alone",
        paper={"query_auc": 0.6481},
        changes=(Change("model.queries.pooling", "all", "none"), Change("model.queries.ns", "all", "target")),
    ),
    Planted("merged", 0.805, flops=2.6e7, about="all sequences as one", paper={"query_auc": 0.6485}),
    Planted(
        "longer_rankmixer",
        0.72,
        dense=1_555_000,
        flops=2.56e7,
        about="LONGER, then RankMixer",
        paper={"query_auc": 0.6478},
        changes=(
            Change("model.backbone", "AlternatingBackbone", "TwoStageBackbone"),
            Change("model.backbone.num_layers", 2, 2, carried=True),
        ),
    ),
)

SIZES = (16, 32, 64, 128, 256)
SCALING = tuple(
    Planted(
        family,
        0.45 + gain * size**-0.5,
        flops=2.0e3 * size**2 * (1.2 if family == "hyformer" else 1.0),
        dense=int(400 * size**2),
        point={"model.d_model": size},
    )
    for family, gain in (("hyformer", 3.0), ("two_stage", 3.9))
    for size in SIZES
)


def write_study(
    folder: Path,
    planted: Sequence[Planted] = TABLE,
    *,
    seeds: Sequence[int] = (0, 1, 2, 3, 4),
    requests: int = 240,
    name: str = "hyformer_table2",
    question: str = "Which parts of HyFormer carry its gain?",
    metrics: Sequence[str] = METRICS,
    scaling: Sequence[str] = (),
    predictions: bool = True,
) -> Path:
    """Write a study in which every cell has finished.

    Args:
        folder: Where to.
        planted: The variants, the first family being the baseline.
        seeds: Seeds.
        requests: Test requests, each with eight candidates.
        name: Name of the study.
        question: Its question.
        metrics: Its metrics.
        scaling: Costs that scaling is fitted against.
        predictions: Whether the cells saved predictions.
    """
    variants = tuple(
        Variant(name=p.name, family=p.family, point=p.point, about=p.about, paper=p.paper) for p in planted
    )
    study = Study(
        name=name,
        question=question,
        configs=("pkg:hyrec/hyformer.yaml", "pkg:hyrec/data/simulated.yaml"),
        options={"data.simulator.num_requests": 40000},
        metrics=tuple(metrics),
        seeds=tuple(seeds),
        baseline=planted[0].family,
        variants=variants,
        slices={"user": "user_id", "item": "item_id"},
        scaling=tuple(scaling),
    )
    base = tuple(part for config in study.configs for part in ("--config", config))
    rows = tuple(
        PlannedVariant(
            variant=variant,
            arguments=base,
            changes=p.changes,
            dense_parameters=p.dense,
            sparse_parameters=3_200_000,
            flops_per_sample=p.flops,
        )
        for variant, p in zip(variants, planted, strict=True)
    )
    Plan(study=study, variants=rows, version="0.1.0", commit="0123456789abcdef0123456789abcdef01234567").save(folder)
    truth = _write_rows(folder / "rows.parquet", requests)
    for p in planted:
        for seed in seeds:
            _write_cell(folder / "cells" / p.name / f"s{seed}", p, seed, truth, predictions)
    return folder


def fail_cell(folder: Path, variant: str, seed: int, error: str) -> None:
    """Make a cell one that failed."""
    _record(folder / "cells" / variant / f"s{seed}", variant, seed, "failed", 3.0, error)


def remove_cell(folder: Path, variant: str, seed: int) -> None:
    """Make a cell one that was never run."""
    (folder / "cells" / variant / f"s{seed}" / "cell.json").unlink()


@dataclass(frozen=True)
class Truth:
    """Test rows and the logits that their labels were drawn from."""

    group: npt.NDArray[np.int64]
    logit: Floats
    label: Floats


def _write_rows(path: Path, requests: int) -> Truth:
    rng = np.random.default_rng(7)
    group = np.repeat(np.arange(requests), CANDIDATES)
    history = np.repeat(rng.geometric(0.03, requests), CANDIDATES)
    activity = np.repeat(rng.geometric(0.01, requests), CANDIDATES)
    columns = {
        "row": np.arange(len(group)),
        "group": group,
        "history_length": history,
        "history_views": history,
        "user_activity": activity,
        "item_frequency": (rng.pareto(1.2, len(group)) * 20).astype(np.int64),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns), path)
    logit = rng.normal(-1.2, 1.0, len(group)) + 0.3 * np.log1p(history) - 1.0
    return Truth(group, logit, (rng.random(len(group)) < 1 / (1 + np.exp(-logit))).astype(np.float64))


def _write_cell(folder: Path, planted: Planted, seed: int, truth: Truth, predictions: bool) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    shared = np.random.default_rng([seed, 1])
    own = np.random.default_rng([seed, sum(planted.name.encode())])
    n = len(truth.logit)
    # Most of the error is shared between the variants of a seed, as it is between models that saw the same data.
    error = planted.noise * (0.9 * shared.normal(size=n) + 0.3 * own.normal(size=n)) * (1 + 0.02 * own.normal())
    score = 1 / (1 + np.exp(-(truth.logit + error)))
    table = pa.table(
        {"row": np.arange(n), "group": truth.group, "label_click": truth.label, "score_click": score.astype(np.float32)}
    )
    if predictions:
        (folder / "predictions").mkdir(exist_ok=True)
        pq.write_table(table, folder / "predictions" / "part-00000.parquet")
    scores = Scores.of(table)
    test = {name: scores.metric(metric) for name, metric in default_metrics().items()}
    _write_metrics(folder / "metrics.csv", test, planted, own)
    seconds = 38.0 + planted.flops / 4e6 + 2 * own.random()
    _record(folder, planted.name, seed, "finished", seconds, "")


def _write_metrics(path: Path, test: Mapping[str, float], planted: Planted, rng: np.random.Generator) -> None:
    lines: list[dict[str, float]] = []
    for step in range(49, 2000, 50):
        loss = test["logloss"] + 0.25 * np.exp(-step / 300) + 0.006 * rng.normal()
        lines.append({"epoch": step // 1000, "step": step, "train/loss": loss})
        if (step + 1) % 250 == 0:
            value = {
                m: test[m] - 0.1 * np.exp(-step / 500) * (1 + planted.noise) + 0.001 * rng.normal() for m in METRICS
            }
            value["logloss"] = test["logloss"] + 0.1 * np.exp(-step / 500)
            lines.append({"epoch": step // 1000, "step": step, **{f"val/{k}": v for k, v in value.items()}})
    lines.append({"epoch": 2, "step": 2000, **{f"test/{name}": value for name, value in test.items()}})
    names = list(dict.fromkeys(key for line in lines for key in line))
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, names)
        writer.writeheader()
        writer.writerows(lines)


def _record(folder: Path, variant: str, seed: int, status: str, seconds: float, error: str) -> None:
    record = {
        "study": "hyformer_table2",
        "variant": variant,
        "seed": seed,
        "fingerprint": "0" * 16,
        "status": status,
        "exit_code": 0 if status == "finished" else 1,
        "seconds": seconds,
        "attempts": 1,
        "arguments": [],
        "started": "2026-01-01T00:00:00+00:00",
        "ended": "2026-01-01T00:01:00+00:00",
        "error": error,
        "folder": str(folder),
    }
    (folder / "cell.json").write_text(json.dumps(record), encoding="utf-8")
