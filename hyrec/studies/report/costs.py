"""The sections on cost: quality against FLOPs and parameters, and how it grows with size."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import numpy as np

from hyrec.plain_text import count
from hyrec.studies.analysis.scaling import Scaling, SlopeComparison, fit_scaling
from hyrec.studies.analysis.statistics import Interval, paired_t
from hyrec.studies.report.blocks import Block, Bullets, Code, Figure, Inline, Section, Strong, Table, Text, absent
from hyrec.studies.report.charts import Series, cost_chart, scaling_chart
from hyrec.studies.report.findings import Findings
from hyrec.studies.report.numbers import MISSING, between, fixed, probability, signed, slug, times

COSTS = {
    "flops_per_sample": "FLOPs per sample",
    "dense_parameters": "dense parameters",
    "sparse_parameters": "sparse parameters",
}
"""Costs in words."""
_DRAWN = ("flops_per_sample", "dense_parameters")


def costs_section(findings: Findings) -> Section:
    """Draw the metric that decides against both costs, and count what every variant costs."""
    rows = [row for row in findings.rows if math.isfinite(row.mean)]
    costs = {x: [(row, float(getattr(row.costs.planned, x))) for row in rows] for x in _DRAWN}
    points = {x: [(row, cost) for row, cost in found if cost > 0] for x, found in costs.items()}
    charts = tuple(cost_chart(f"cost-{x}", findings.metric, COSTS[x], found) for x, found in points.items() if found)
    drawn: Block = absent("No chart: no finished cell reports the metric that decides.")
    if charts:
        caption = (
            "Mean over seeds with the 95 % interval of that mean (not of the difference to the baseline, which is "
            "paired and usually tighter). Points of nearly equal cost are set a little apart."
        )
        said = " ".join(chart.description for chart in charts)
        drawn = Figure("cost", f"{findings.metric} against cost", said, charts, caption, 2)
    remark = (
        "FLOPs are those of one forward pass at the longest histories that the schema allows. Sparse parameters "
        "are the embedding tables."
    )
    return Section("cost", "Quality against cost", (drawn, _costs_table(findings), Text(remark, small=True)))


def _costs_table(findings: Findings) -> Table:
    plan, rows = findings.results.plan, []
    for costs in map(plan.costs, plan.variants):
        planned = costs.planned
        matched = ", ".join(f"{key} = {value}" for key, value in planned.matched.items())
        flops, dense = (count(planned.flops_per_sample), times(costs.flops_ratio)), times(costs.dense_ratio)
        sizes = (count(planned.dense_parameters), dense, count(planned.sparse_parameters))
        within = "yes" if costs.within_budget else "no"
        rows.append((Code(planned.variant.name), *flops, *sizes, Code(matched) if matched else MISSING, within))
    header = ("Variant", "FLOPs per sample", "to baseline", "Dense parameters", "to baseline", "Sparse parameters")
    return Table((*header, "Matched by", "Within 5 %"), tuple(rows), range(1, 6), "What every variant costs")


def scaling_section(findings: Findings) -> Section | None:
    """Draw and print the scaling curves; None when the study asks for none."""
    if not findings.study.scaling:
        return None
    blocks: list[Block] = []
    for x in findings.study.scaling:
        try:
            scaling = fit_scaling(findings.results, findings.metric, x)
        except ValueError as error:
            blocks.append(absent(f"No curve against {COSTS.get(x, x)}", error))
            continue
        words = COSTS[x]
        series = [one for family in findings.study.families if (one := _series(findings, scaling, family, x)).points]
        if series:
            blocks.append(_figure(findings.metric, scaling, series, x))
        if scaling.fits:
            blocks.append(_table(findings, scaling, words))
        blocks += [absent(f"{family}: {reason}") for family, reason in scaling.refused.items()]
        blocks += [absent(f"{name}: {note}.") for name, fit in scaling.fits.items() for note in fit.points.notes]
        if scaling.slopes:
            blocks.append(Bullets(tuple(_slope(slope) for slope in scaling.slopes)))
    return Section("scaling", "How quality grows with size", tuple(blocks))


def _series(findings: Findings, scaling: Scaling, family: str, x: str) -> Series:
    points = []
    for planned in sorted(findings.results.plan.variants, key=lambda planned: float(getattr(planned, x))):
        values = findings.results.finite(planned.variant.name, findings.metric)
        if planned.variant.family == family and values:
            points.append((float(getattr(planned, x)), paired_t(list(values.values()))))
    if (fit := scaling.fits.get(family)) is None:
        return Series(family, tuple(points), ())
    at = np.geomspace(fit.points.sizes[0], fit.points.sizes[-1], 40).tolist()
    return Series(family, tuple(points), tuple(zip(at, fit.curve(at), strict=True)))


def _figure(metric: str, scaling: Scaling, series: list[Series], x: str) -> Figure:
    words, name = COSTS[x], f"scaling-{slug(x)}"
    ends = ((one.family, (one.points[0], one.points[-1])) for one in series)
    said = "; ".join(
        f"{family} goes from {' to '.join(f'{fixed(mean.mean)} at {count(cost)}' for cost, mean in both)}"
        for family, both in ends
    )
    chart = scaling_chart(f"{name}-chart", metric, words, series, f"{said}.")
    caption = (
        "Points: means over seeds with the 95 % interval of that mean. Lines: fitted curves with 95 % bands (seeds "
        "drawn with replacement). Curves end where the sizes end: nothing is extrapolated."
    )
    seeds = [len(fit.points.seeds) for fit in scaling.fits.values() if len(fit.points.seeds) > 1]
    if seeds and min(seeds) <= 5:  # see analysis.seed_bootstrap
        caption += (
            f" The bands and the intervals of a, b and c draw {min(seeds)} seeds, which is few: in simulated studies "
            "they hold the truth in about 91 % of cases with five seeds and in about 75 % with three. The gain's is "
            "Student's t."
        )
    rows = tuple(
        (Code(one.family), count(cost), fixed(mean.mean), between(mean.low, mean.high))
        for one in series
        for cost, mean in one.points
    )
    table = Table(("Family", words, "Mean", "95 %"), rows, range(1, 4))
    return Figure(name, f"{metric} against {words}", f"{said}.", (chart,), caption, 1, table)


def _table(findings: Findings, scaling: Scaling, words: str) -> Table:
    rows = []
    for family, fit in scaling.fits.items():
        cells, determined = (MISSING,) * 4, f"no: {fit.reason}"
        if fit.a and fit.b and fit.c:
            c = _bounded(fit.c, partial(fixed, digits=3))
            cells, determined = (_bounded(fit.a, fixed), _bounded(fit.b, "{:.3g}".format), c, fixed(fit.r2, 3)), "yes"
        rows.append((Code(family), str(len(fit.points.seeds)), _bounded(fit.gain, signed), *cells, determined))
    header = ("Family", "Seeds", "Gain for ten times the cost", "a", "b", "c", "R²", "Determined")
    formula = f"a {'−' if findings.results.facts(findings.metric).direction > 0 else '+'} b · x^−c"
    caption = f"{findings.metric} = {formula}, x = {words}; 95 % intervals over seeds"
    return Table(header, tuple(rows), range(1, 7), caption)


def _bounded(interval: Interval, write: Callable[[float], str]) -> str:
    return write(interval.mean) + (f" [{write(interval.low)}, {write(interval.high)}]" if interval.known else "")


def _slope(slope: SlopeComparison) -> Inline:
    names = ("Gain from ten times the cost, ", Code(slope.family), " against ", Code(slope.other))
    found = slope.difference
    if found is None:
        return (*names, ": ", Strong(slope.verdict), f" ({slope.reason}).")
    sure = f", 95 % interval {between(found.low, found.high, signed)} over seeds" if found.known else ""
    tested = f", p {probability(slope.p_holm)} after Holm's correction" if math.isfinite(slope.p_holm) else ""
    place = f", between {count(slope.low)} and {count(slope.high)}: "
    return (*names, place, Strong(slope.verdict), f" (difference {signed(found.mean)}{sure}{tested}).")
