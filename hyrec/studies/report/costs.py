"""The sections on cost: quality against FLOPs and parameters, run times, and how quality grows with size."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

from hyrec.plain_text import count
from hyrec.studies.analysis.scaling import Scaling, SlopeComparison, fit_scaling
from hyrec.studies.analysis.statistics import Interval, paired_t
from hyrec.studies.report.blocks import Block, Bullets, Code, Figure, Inline, Section, Strong, Table, Text, absent
from hyrec.studies.report.charts import Row, cost_chart, scaling_chart
from hyrec.studies.report.findings import Findings, tone_of
from hyrec.studies.report.numbers import MISSING, between, difference, fixed, probability, signed, slug
from hyrec.studies.report.tables import costs_table

COSTS = {
    "flops_per_sample": "FLOPs per sample",
    "dense_parameters": "dense parameters",
    "sparse_parameters": "sparse parameters",
}
"""Costs in words."""
_DRAWN = ("flops_per_sample", "dense_parameters")


def costs_section(findings: Findings) -> Section:
    """Draw the metric that decides against both costs, and count what every variant costs."""
    means = [
        (Row(row.variant, tone_of(row.verdict), paired_t(list(row.values.values()))), row.costs.planned)
        for row in findings.rows
        if row.values
    ]
    points = {cost: [(row, float(getattr(planned, cost))) for row, planned in means] for cost in _DRAWN}
    charts = tuple(
        cost_chart(f"cost-{slug(cost)}", findings.metric, COSTS[cost], found)
        for cost, found in points.items()
        if found and all(at > 0 for _, at in found)
    )
    drawn: Block = absent("No chart: no finished cell reports the metric that decides.")
    if charts:
        caption = "Means over seeds with their 95 % intervals; those of paired differences are usually tighter."
        drawn = Figure(f"{findings.metric} against cost", charts, caption)
    remark = (
        "FLOPs are those of one forward pass at the longest histories that the schema allows. Sparse parameters are "
        "the embedding tables. Times are of whole cells; cells that ran beside other work took longer than alone."
    )
    seconds = {row.variant: row.seconds if math.isfinite(row.seconds) else None for row in findings.rows}
    table = costs_table(findings.results.plan, seconds)
    return Section("cost", "Quality against cost", (drawn, table, Text(remark, small=True)))


def scaling_section(findings: Findings) -> Section | None:
    """Draw and print the scaling curves; None when the study asks for none."""
    if not findings.study.scaling:
        return None
    blocks: list[Block] = []
    for x in findings.study.scaling:
        try:
            scaling = fit_scaling(findings.results, findings.metric, x)
        except ValueError as error:
            blocks.append(absent(f"No scaling curve against {COSTS[x]}", error))
            continue
        blocks += _scaling(findings, scaling, x)
        blocks += [absent(f"{family}: {reason}") for family, reason in scaling.refused.items()]
        blocks += [absent(f"{name}: {note}.") for name, fit in scaling.fits.items() for note in fit.notes]
        if scaling.slopes:
            blocks.append(Bullets(tuple(_slope(slope) for slope in scaling.slopes)))
    return Section("scaling", "How quality grows with size", tuple(blocks))


def _scaling(findings: Findings, scaling: Scaling, x: str) -> list[Block]:
    points: dict[str, list[tuple[float, Interval]]] = {}
    for planned in sorted(findings.results.plan.variants, key=lambda planned: float(getattr(planned, x))):
        if values := findings.results.finite(planned.variant.name, findings.metric):
            found = (float(getattr(planned, x)), paired_t(list(values.values())))
            points.setdefault(planned.variant.family, []).append(found)
    if not points:
        return []
    families = [(name, points[name], scaling.fits.get(name)) for name in findings.study.families if name in points]
    chart = scaling_chart(f"scaling-{slug(x)}", findings.metric, COSTS[x], families)
    caption = (
        "Points: means over seeds with the 95 % interval of that mean. Lines: fitted curves with 95 % bands, which "
        "leave out one seed at a time. Curves end where the sizes end: nothing is extrapolated."
    )
    rows = tuple(
        (Code(name), count(cost), fixed(mean.mean), between(mean.low, mean.high))
        for name, found, _ in families
        for cost, mean in found
    )
    table = Table(("Family", COSTS[x], "Mean", "95 %"), rows, range(1, 4))
    figure = Figure(f"{findings.metric} against {COSTS[x]}", (chart,), caption, table)
    return [figure, _fits_table(findings, scaling, x)] if scaling.fits else [figure]


def _fits_table(findings: Findings, scaling: Scaling, x: str) -> Table:
    rows = []
    for family, fit in scaling.fits.items():
        cells, determined = (MISSING,) * 4, f"no: {fit.reason}"
        if fit.parameters:
            a, b, c = fit.parameters
            written = (_bounded(a, fixed), _bounded(b, "{:.3g}".format), _bounded(c, partial(fixed, digits=3)))
            cells, determined = (*written, fixed(fit.r2, 3)), "yes"
        rows.append((Code(family), str(len(fit.seeds)), _bounded(fit.gain, signed), *cells, determined))
    header = ("Family", "Seeds", "Gain for ten times the cost", "a", "b", "c", "R²", "Determined")
    formula = f"a {'−' if findings.results.facts(findings.metric).direction > 0 else '+'} b · x^−c"
    caption = f"{findings.metric} = {formula}, x = {COSTS[x]}; 95 % intervals over seeds"
    return Table(header, tuple(rows), range(1, 7), caption)


def _bounded(interval: Interval, write: Callable[[float], str]) -> str:
    return write(interval.mean) + (f" [{write(interval.low)}, {write(interval.high)}]" if interval.known else "")


def _slope(slope: SlopeComparison) -> Inline:
    names = ("Gain from ten times the cost, ", Code(slope.family), " against ", Code(slope.other))
    found = slope.difference
    if found is None:
        return (*names, ": ", Strong(slope.verdict), f" ({slope.reason}).")
    sure = f", 95 % interval {difference(found.low, found.high)} over seeds" if found.known else ""
    tested = f", p {probability(slope.p_holm)} after Holm's correction" if math.isfinite(slope.p_holm) else ""
    place = f", between {count(slope.low)} and {count(slope.high)}: "
    return (*names, place, Strong(slope.verdict), f" (difference {signed(found.mean)}{sure}{tested}).")
