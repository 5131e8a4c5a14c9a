"""The sections on differences: a forest plot a metric, and the paper's figures beside ours."""

from __future__ import annotations

import math
from collections.abc import Sequence

from hyrec.studies.analysis.comparison import ComparisonRow
from hyrec.studies.analysis.statistics import Interval
from hyrec.studies.report.blocks import (
    Block,
    Code,
    Forest,
    ForestRow,
    Inline,
    Section,
    Strong,
    Table,
    Text,
    absent,
)
from hyrec.studies.report.findings import Findings, tone_of
from hyrec.studies.report.forest import forest_drawing
from hyrec.studies.report.numbers import MISSING, digits_for, fixed, percent, probability, signed, span, times


def effects_section(findings: Findings) -> Section:
    """Compare every variant with its baseline on every metric of the study."""
    blocks: list[Block] = []
    for metric in findings.study.metrics:
        if metric in findings.comparisons:
            blocks += [_forest(findings, metric, findings.comparisons[metric]), *_remarks(findings, metric)]
        else:
            blocks.append(absent(f"{metric} cannot be compared: {findings.refused[metric].rstrip('.')}."))
    return Section("effects", "Differences to the baseline", tuple(blocks))


def group_word(findings: Findings) -> str:
    """What the bootstrap draws: groups, or single rows where the data has no groups."""
    intervals = [row.group_interval for rows in findings.comparisons.values() for row in rows]
    without = [i for i in intervals if i is not None and "no groups" in i.note]
    return "rows" if without else "groups"


def _forest(findings: Findings, metric: str, rows: Sequence[ComparisonRow]) -> Forest:
    facts = findings.results.facts(metric)
    ends = {1: ("worse", "better"), -1: ("better", "worse"), 0: ("lower", "higher")}[facts.direction]
    points = list(dict.fromkeys(_point(row) for row in rows))
    groups = tuple(
        (point, tuple(_forest_row(row, findings) for row in rows if _point(row) == point)) for point in points
    )
    baseline = findings.study.baseline
    title = f"{metric}: difference to {baseline}" + (" at the same point of the grid" if len(points) > 1 else "")
    name = f"forest-{metric.replace('/', '-')}"
    drawing = forest_drawing(name, title, metric, ends, groups, group_word(findings))
    table = _table(rows, metric, group_word(findings), facts.chance is not None)
    return Forest(name, title, metric, ends, groups, group_word(findings), drawing, table)


def _point(row: ComparisonRow) -> str:
    return ", ".join(f"{key} = {value}" for key, value in row.point.items())


def _forest_row(row: ComparisonRow, findings: Findings) -> ForestRow:
    spread = f"± {fixed(row.sd)}" if math.isfinite(row.sd) else ""
    used = row.values if row.is_baseline else row.differences
    runs = f"{len(used)} of {len(findings.study.seeds)} seeds" if row.missing_seeds else ""
    shown = row.family if row.point else row.variant
    compared = row.interval is not None and row.verdict != "not comparable"
    seeds, groups = (_bounds(row.interval), _bounds(row.group_interval)) if compared else (None, None)
    lines: tuple[str, ...] = ()
    if compared:
        over_seeds = span(*seeds) if seeds else "no interval: one seed" if len(row.differences) < 2 else "no interval"
        lines = (signed(row.difference, digits_for(row.difference)), f"seeds {over_seeds}")
        lines += (f"{group_word(findings)} {span(*groups)}",) if groups else ()
    return ForestRow(
        name=shown,
        tone="baseline" if row.is_baseline else tone_of(row.verdict),
        verdict=row.verdict,
        p=f"p {probability(row.p_holm)}" if math.isfinite(row.p_holm) else "",
        level="\n".join(part for part in (fixed(row.mean), spread) if part),
        estimate=0.0 if row.is_baseline else row.difference if compared else None,
        seeds=seeds,
        groups=groups,
        lines=lines,
        notes=(runs,) if runs else (),
    )


def _bounds(interval: Interval | None) -> tuple[float, float] | None:
    return (interval.low, interval.high) if interval is not None and interval.known else None


def _table(rows: Sequence[ComparisonRow], metric: str, group_word: str, is_relative: bool) -> Table:
    relative = ("relative AUC", "relative AUC above chance") if is_relative else ()
    header = ("Variant", f"{metric} (mean ± sd)", "Seeds", "Difference", "95 % over seeds", f"95 % over {group_word}")
    header += ("p (Holm)", *relative, "Verdict")
    lines: list[tuple[Inline, ...]] = []
    for row in rows:
        seeds, groups = _bounds(row.interval), _bounds(row.group_interval)
        cells: list[Inline] = [
            Code(row.variant),
            f"{fixed(row.mean)} ± {fixed(row.sd)}" if math.isfinite(row.sd) else fixed(row.mean),
            row.runs,
            signed(row.difference, digits_for(row.difference)) if row.interval else MISSING,
            span(*seeds) if seeds else MISSING,
            span(*groups) if groups else MISSING,
            probability(row.p_holm),
        ]
        if relative:
            cells += [percent(row.relative_auc), percent(row.relative_auc_above_chance)]
        lines.append((*cells, Strong(row.verdict) if row.verdict in ("better", "worse") else row.verdict))
    return Table(header, tuple(lines), frozenset(range(1, len(header) - 1)))


def _remarks(findings: Findings, metric: str) -> list[Block]:
    """List what stands in no column: p values, relative AUC, and the notes of single rows."""
    rows = findings.comparisons[metric]
    said = [
        f"{row.variant}: {note.rstrip('.')}."
        for row in rows
        for note in (*row.notes, row.group_note, row.interval.note if row.interval else "")
        if note
    ]
    noted = [
        f"{row.variant}: {row.group_interval.note}." for row in rows if row.group_interval and row.group_interval.note
    ]
    return [Text(line, small=True) for line in dict.fromkeys([*said, *noted])]


def budget_remark(row: ComparisonRow) -> str:
    """Say in words what a variant costs beside its baseline."""
    costs = row.costs
    if costs.within_budget:
        return "parameters and FLOPs within 5 % of the baseline's"
    return f"{times(costs.flops_ratio)} the FLOPs and {times(costs.dense_ratio)} the dense parameters"
