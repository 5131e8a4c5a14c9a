"""The sections on cost: quality against FLOPs and parameters, and how it grows with size."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from functools import partial

import numpy as np

from hyrec.studies.analysis.scaling import Scaling, fit_scaling
from hyrec.studies.analysis.slopes import SlopeComparison
from hyrec.studies.analysis.statistics import Interval, paired_t
from hyrec.studies.report.blocks import Block, Bullets, Code, Figure, Inline, Section, Strong, Table, Text, absent
from hyrec.studies.report.charts import Series, cost_chart, scaling_chart
from hyrec.studies.report.findings import Findings
from hyrec.studies.report.numbers import MISSING, fixed, probability, short, signed, times

COSTS = {
    "flops_per_sample": "FLOPs per sample",
    "dense_parameters": "dense parameters",
    "sparse_parameters": "sparse parameters",
}
"""Costs in words."""
_CURVE_POINTS = 40
_SHORT = 5
"""Drawn intervals of so few seeds hold the truth less often than they say (``analysis.seed_bootstrap``)."""


def costs_section(findings: Findings) -> Section:
    """Draw the metric that decides against both costs, and count what every variant costs."""
    rows = [row for row in findings.rows if math.isfinite(row.mean)]
    charts = []
    for cost in ("flops_per_sample", "dense_parameters"):
        points = [(row, float(getattr(row.costs, cost))) for row in rows if getattr(row.costs, cost) > 0]
        if points:
            charts.append(cost_chart(f"cost-{cost}", findings.metric, COSTS[cost], points))
    drawn: Block = absent("No chart: no finished cell reports the metric that decides.")
    if charts:
        caption = (
            "Mean over seeds with the 95 % interval of that mean (not of the difference to the baseline, which is "
            "paired and usually tighter). Points of nearly equal cost are set a little apart."
        )
        said = " ".join(chart.description for chart in charts)
        drawn = Figure("cost", f"{findings.metric} against cost", said, tuple(charts), caption, 2)
    remark = (
        "FLOPs are those of one forward pass at the longest histories that the schema allows. Sparse parameters "
        "are the embedding tables."
    )
    return Section("cost", "Quality against cost", (drawn, _costs_table(findings), Text(remark, small=True)))


def _costs_table(findings: Findings) -> Table:
    rows: list[tuple[Inline, ...]] = []
    for planned in findings.results.plan.variants:
        base = findings.results.plan.planned(findings.baseline_of(planned.variant.name))
        flops = _ratio(planned.flops_per_sample, base.flops_per_sample)
        dense = _ratio(planned.dense_parameters, base.dense_parameters)
        matched = ", ".join(f"{key} = {value}" for key, value in planned.matched.items())
        rows.append(
            (
                Code(planned.variant.name),
                short(planned.flops_per_sample),
                times(flops),
                short(planned.dense_parameters),
                times(dense),
                short(planned.sparse_parameters),
                Code(matched) if matched else MISSING,
                "yes" if all(abs(ratio - 1) <= 0.05 for ratio in (flops, dense)) else "no",
            )
        )
    header = ("Variant", "FLOPs per sample", "to baseline", "Dense parameters", "to baseline", "Sparse parameters")
    return Table((*header, "Matched by", "Within 5 %"), tuple(rows), frozenset(range(1, 6)), "What every variant costs")


def _ratio(cost: float, base: float) -> float:
    return cost / base if base else math.nan


def scaling_section(findings: Findings) -> Section | None:
    """Draw and print the scaling curves; None when the study asks for none."""
    if not findings.study.scaling:
        return None
    blocks: list[Block] = []
    for x in findings.study.scaling:
        try:
            scaling = fit_scaling(findings.results, findings.metric, x)
        except ValueError as error:
            blocks.append(absent(f"No curve against {COSTS.get(x, x)}: {str(error).rstrip('.')}."))
            continue
        series = _series(findings, scaling)
        if series:
            blocks.append(_figure(scaling, series))
        if scaling.fits:
            blocks.append(_table(scaling))
        notes = [f"{family}: {reason}" for family, reason in scaling.refused.items()]
        notes += [f"{fit.family}: {note}." for fit in scaling.fits.values() for note in fit.notes]
        blocks += [absent(note) for note in notes]
        if scaling.slopes:
            blocks.append(Bullets(tuple(_slope(slope) for slope in scaling.slopes)))
    return Section("scaling", "How quality grows with size", tuple(blocks))


def _series(findings: Findings, scaling: Scaling) -> list[Series]:
    series = []
    for family in findings.study.families:
        points: list[tuple[float, Interval]] = []
        for planned in findings.results.plan.variants:
            values = findings.results.values(planned.variant.name, scaling.metric).values()
            known = [value for value in values if math.isfinite(value)]
            if planned.variant.family == family and known:
                points.append((float(getattr(planned, scaling.x)), paired_t(known)))
        points.sort(key=lambda point: point[0])
        curve: tuple[tuple[float, Interval], ...] = ()
        if family in scaling.fits:
            fit = scaling.fits[family]
            at = np.geomspace(min(fit.sizes), max(fit.sizes), _CURVE_POINTS).tolist()
            curve = tuple(zip(at, fit.curve(at), strict=True))
        if points:
            series.append(Series(family, tuple(points), curve))
    return series


def _figure(scaling: Scaling, series: list[Series]) -> Figure:
    words = COSTS.get(scaling.x, scaling.x)
    said = "; ".join(
        f"{s.family} goes from {fixed(s.points[0][1].mean)} at {short(s.points[0][0])} "
        f"to {fixed(s.points[-1][1].mean)} at {short(s.points[-1][0])}"
        for s in series
    )
    slug = re.sub(r"[^a-z0-9]+", "-", scaling.x)
    chart = scaling_chart(f"scaling-{slug}-chart", scaling.metric, words, series, f"{said}.")
    caption = (
        "Points: means over seeds with the 95 % interval of that mean. Lines: fitted curves with 95 % bands (seeds "
        "drawn with replacement). Curves end where the sizes end: nothing is extrapolated."
        f"{_coverage(scaling)}"
    )
    title = f"{scaling.metric} against {words}"
    return Figure(f"scaling-{slug}", title, f"{said}.", (chart,), caption, 1, _points_table(series, words))


def _coverage(scaling: Scaling) -> str:
    """Say how far intervals that draw seeds fall short of 95 %; empty without a curve that has one."""
    seeds = [len(fit.seeds) for fit in scaling.fits.values() if len(fit.seeds) > 1]
    if not seeds or min(seeds) > _SHORT:
        return ""
    return (
        f" The bands and the intervals of a, b and c draw {min(seeds)} seeds, which is few: in simulated studies they "
        "hold the truth in about 91 % of cases with five seeds and in about 75 % with three. The gain's is Student's t."
    )


def _table(scaling: Scaling) -> Table:
    rows: list[tuple[Inline, ...]] = []
    for fit in scaling.fits.values():
        cells, determined = [MISSING] * 4, f"no: {fit.reason}"
        if fit.identified:
            a, c = _bounded(fit.a, fixed), _bounded(fit.c, partial(fixed, digits=3))
            cells, determined = [a, _bounded(fit.b, "{:.3g}".format), c, fixed(fit.r2, 3)], "yes"
        rows.append((Code(fit.family), str(len(fit.seeds)), _bounded(fit.gain, signed), *cells, determined))
    header = ("Family", "Seeds", "Gain for ten times the cost", "a", "b", "c", "R²", "Determined")
    formula = "a − b · x^−c" if scaling.facts.direction > 0 else "a + b · x^−c"
    caption = f"{scaling.metric} = {formula}, x = {COSTS.get(scaling.x, scaling.x)}; 95 % intervals over seeds"
    return Table(header, tuple(rows), frozenset(range(1, 7)), caption)


def _bounded(interval: Interval | None, write: Callable[[float], str]) -> str:
    if interval is None:
        return MISSING
    return write(interval.mean) + (f" [{write(interval.low)}, {write(interval.high)}]" if interval.known else "")


def _slope(slope: SlopeComparison) -> Inline:
    names = ("Gain from ten times the cost, ", Code(slope.family), " against ", Code(slope.other))
    if slope.difference is None:
        return (*names, ": ", Strong(slope.verdict), f" ({slope.reason}).")
    low, high = slope.difference.low, slope.difference.high
    sure = f", 95 % interval {signed(low)} to {signed(high)} over seeds" if slope.difference.known else ""
    tested = f", p {probability(slope.p_holm)} after Holm's correction" if math.isfinite(slope.p_holm) else ""
    return (
        *names,
        f", between {short(slope.low)} and {short(slope.high)}: ",
        Strong(slope.verdict),
        f" (difference {signed(slope.difference.mean)}{sure}{tested}).",
    )


def _points_table(series: list[Series], words: str) -> Table:
    rows: list[tuple[Inline, ...]] = []
    for one in series:
        for cost, interval in one.points:
            bounds = f"{fixed(interval.low)} to {fixed(interval.high)}" if interval.known else MISSING
            rows.append((Code(one.family), short(cost), fixed(interval.mean), bounds))
    return Table(("Family", words, "Mean", "95 %"), tuple(rows), frozenset({1, 2, 3}))
