"""The section on training: learning curves and run times."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence

import numpy as np

from hyrec.studies.report.blocks import Block, Code, Figure, Inline, Section, Table, absent
from hyrec.studies.report.charts import Curve, curve_chart, curve_limits
from hyrec.studies.report.findings import Findings, fold
from hyrec.studies.report.numbers import duration, fixed

Logged = Mapping[str, Curve]
"""Averaged curves by variant."""
Points = Sequence[tuple[float, float]]
MAX_POINTS = 120


def average(runs: Sequence[Points]) -> Curve | None:
    """Average one curve a seed, over the steps that all of them have; None when there are none.

    Long curves are averaged over stretches of neighbouring steps as well, so that at most 120 points are left; the
    band then spans the seeds' averages of a stretch.

    Args:
        runs: Pairs of step and value, one sequence a seed; values that are not finite are left out.
    """
    logged = [{step: value for step, value in run if math.isfinite(value)} for run in runs]
    logged = [run for run in logged if run]
    if not logged:
        return None
    common = sorted(set.intersection(*(set(run) for run in logged)))
    if not common:
        return None
    values = np.array([[run[step] for step in common] for run in logged])
    stretches = np.array_split(np.arange(len(common)), min(len(common), MAX_POINTS))
    steps = tuple(float(np.mean([common[i] for i in part])) for part in stretches)
    smooth = np.stack([values[:, part].mean(axis=1) for part in stretches], axis=1)
    mean, low, high = smooth.mean(axis=0), smooth.min(axis=0), smooth.max(axis=0)
    return Curve(steps, tuple(mean.tolist()), tuple(low.tolist()), tuple(high.tolist()), len(logged))


def curves_section(findings: Findings) -> Section:
    """Draw the validation metric and the training loss of every variant over its baseline's."""
    logs = {key: cell.curves() for key, cell in findings.results.cells.items()}
    names = {name for log in logs.values() for name in log}
    blocks: list[Block] = []
    for logged in (_validation(findings.metric, names), "train/loss"):
        if logged is None:
            blocks.append(absent(f"No curve of val/{findings.metric}: no cell logged a validation metric."))
            continue
        curves: dict[str, Curve] = {}
        for variant in findings.study.variants:
            seeds = findings.results.seeds_of(variant.name)
            curve = average([logs[variant.name, seed].get(logged, []) for seed in seeds])
            if curve is not None:
                curves[variant.name] = curve
        if curves:
            blocks.append(fold(_figure(findings, logged, curves)))
        else:
            blocks.append(absent(f"No curve of {logged}: no cell logged it."))
    return Section("curves", "Learning curves", tuple(blocks))


def _validation(metric: str, names: set[str]) -> str | None:
    wanted = f"val/{metric}"
    others = sorted(name for name in names if name.startswith("val/"))
    return wanted if wanted in names else next(iter(others), None)


def _figure(findings: Findings, logged: str, curves: Logged) -> Figure:
    ends = curve_limits(list(curves.values()))
    slug = re.sub(r"[^a-z0-9]+", "-", logged.lower())
    others = [name for name in curves if name != findings.baseline_of(name)] or list(curves)
    charts = []
    for number, name in enumerate(others):
        base = findings.baseline_of(name)
        behind = (base, curves[base]) if base != name and base in curves else None
        chart = f"curve-{slug}-{number}"
        charts.append(curve_chart(chart, name, logged, findings.tone(name), curves[name], behind, ends))
    caption = (
        "Solid: the variant; dashed: its baseline. Lines are means over seeds, bands run from the lowest seed to the "
        "highest. All panels have the same axes."
    )
    said = "; ".join(f"{name} ends at {fixed(curve.mean[-1])}" for name, curve in curves.items())
    title = f"{logged} over training steps"
    return Figure(f"curves-{slug}", title, f"{said}.", tuple(charts), caption, 3, _table(logged, curves))


def _table(logged: str, curves: Logged) -> Table:
    rows: list[tuple[Inline, ...]] = []
    for name, curve in curves.items():
        quarters = [curve.mean[round(share * (len(curve.mean) - 1))] for share in (0.25, 0.5, 0.75, 1.0)]
        seeds = f"{fixed(curve.low[-1])} to {fixed(curve.high[-1])}"
        rows.append((Code(name), *(fixed(value) for value in quarters), seeds, f"{curve.steps[-1]:.0f}"))
    header = ("Variant", "at a quarter", "half", "three quarters", "end", "seeds at the end", "last step")
    return Table(header, tuple(rows), frozenset(range(1, 7)), f"{logged}, mean over seeds")


def runtimes_section(findings: Findings) -> Section | None:
    """List how long the cells took; None when none has finished."""
    rows: list[tuple[Inline, ...]] = []
    total = 0.0
    for variant in findings.study.variants:
        seconds = [findings.results.cells[variant.name, s].seconds for s in findings.results.seeds_of(variant.name)]
        if not seconds:
            continue
        total += sum(seconds)
        mean = sum(seconds) / len(seconds)
        spread = f"{duration(min(seconds))} to {duration(max(seconds))}"
        rows.append((Code(variant.name), str(len(seconds)), duration(mean), spread, duration(sum(seconds))))
    if not rows:
        return None
    caption = (
        f"Wall time of whole cells: start, training, validation and test; {duration(total)} in all. Cells that ran "
        "side by side, or beside other work, took longer than they would alone."
    )
    table = Table(
        ("Variant", "Cells", "Mean", "Shortest to longest", "All"), tuple(rows), frozenset({1, 2, 3, 4}), caption
    )
    return Section("times", "Run times", (table,))
