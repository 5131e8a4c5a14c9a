"""The section on costs: quality against FLOPs and parameters, and the counts themselves."""

from __future__ import annotations

import math

from hyrec.studies.report.blocks import Block, Code, Figure, Inline, Section, Table, Text, absent
from hyrec.studies.report.charts import cost_chart
from hyrec.studies.report.findings import Findings
from hyrec.studies.report.numbers import MISSING, short, times

_COSTS = {"flops_per_sample": "FLOPs per sample", "dense_parameters": "dense parameters"}


def costs_section(findings: Findings) -> Section:
    """Draw the metric that decides against both costs, and count what every variant costs."""
    rows = [row for row in findings.rows if math.isfinite(row.mean)]
    charts = []
    for cost, words in _COSTS.items():
        points = [(row, float(getattr(row.costs, cost))) for row in rows if getattr(row.costs, cost) > 0]
        if points:
            charts.append(cost_chart(f"cost-{cost}", findings.metric, words, points))
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
    return Section("cost", "Quality against cost", (drawn, _table(findings), Text(remark, small=True)))


def _table(findings: Findings) -> Table:
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
