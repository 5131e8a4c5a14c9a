"""The sections on differences: a forest plot a metric, and the paper's figures beside ours."""

from __future__ import annotations

import math
from collections.abc import Sequence

from hyrec.studies.analysis.comparison import ComparisonRow
from hyrec.studies.analysis.paper import PaperRow, paper_rows
from hyrec.studies.report.blocks import Block, Code, Figure, Forest, ForestRow, Section, Strong, Table, Text, absent
from hyrec.studies.report.findings import Findings, tone_of
from hyrec.studies.report.forest import forest_chart, forest_limits, forest_scale, forest_strip, paper_chart
from hyrec.studies.report.numbers import MISSING, difference, fixed, percent, probability, span

_ENDS = {1: ("worse", "better"), -1: ("better", "worse"), 0: ("lower", "higher")}


def effects_section(findings: Findings) -> Section:
    """Compare every variant with its baseline on every metric of the study."""
    blocks: list[Block] = []
    for metric in findings.study.metrics:
        if metric in findings.comparisons:
            blocks += [_forest(findings, metric), *_remarks(findings.comparisons[metric])]
        else:
            blocks.append(absent(f"{metric} cannot be compared", findings.refused[metric]))
    return Section("effects", "Differences to the baseline", tuple(blocks))


def _forest(findings: Findings, metric: str) -> Forest:
    rows, word = findings.comparisons[metric], findings.group_word
    points: dict[str, list[ForestRow]] = {}
    for row in rows:
        point = ", ".join(f"{key} = {value}" for key, value in row.costs.planned.variant.point.items())
        points.setdefault(point, []).append(_forest_row(row, findings))
    name = f"forest-{metric.replace('/', '-')}"
    title = f"{metric}: difference to {findings.study.baseline}"
    title += " at the same point of the grid" if len(points) > 1 else ""
    axis, ends = (
        forest_limits([row for group in points.values() for row in group]),
        _ENDS[findings.results.facts(metric).direction],
    )
    strips = tuple(
        (point, tuple((row, forest_strip(f"{name}-{i}-{k}", row, axis)) for k, row in enumerate(group)))
        for i, (point, group) in enumerate(points.items())
    )
    chart = forest_chart(name, title, metric, ends, points, word)
    return Forest(metric, ends, strips, word, forest_scale(axis), chart, _table(rows, metric, word))


def _forest_row(row: ComparisonRow, findings: Findings) -> ForestRow:
    used, variant = row.values if row.is_baseline else row.differences, row.costs.planned.variant
    compared = row.interval if row.verdict != "not comparable" else None
    lines: tuple[str, ...] = ()
    groups = row.group_interval if compared and row.group_interval and row.group_interval.known else None
    if compared:
        unknown = "no interval: one seed" if len(row.differences) < 2 else "no interval"
        lines = (difference(row.difference), f"seeds {span(compared) if compared.known else unknown}")
        lines += (f"{findings.group_word} {span(groups)}",) if groups else ()
    return ForestRow(
        name=variant.family if variant.point else variant.name,
        tone=tone_of(row),
        verdict=row.verdict,
        p=f"p {probability(row.p_holm)}" if math.isfinite(row.p_holm) else "",
        level=fixed(row.mean) + (f"\n± {fixed(row.sd)}" if math.isfinite(row.sd) else ""),
        estimate=0.0 if row.is_baseline else row.difference if compared else None,
        seeds=(compared.low, compared.high) if compared and compared.known else None,
        groups=(groups.low, groups.high) if groups else None,
        lines=lines,
        note=f"{len(used)} of {len(findings.study.seeds)} seeds" if row.missing_seeds else "",
    )


def _table(rows: Sequence[ComparisonRow], metric: str, group_word: str) -> Table:
    lines = []
    for row in rows:
        level = f"{fixed(row.mean)} ± {fixed(row.sd)}" if math.isfinite(row.sd) else fixed(row.mean)
        found = (difference(row.difference) if row.interval else MISSING, span(row.interval), span(row.group_interval))
        relative = (percent(row.relative_auc), percent(row.relative_auc_above_chance)) if row.chance is not None else ()
        verdict = Strong(row.verdict) if row.verdict in ("better", "worse") else row.verdict
        lines.append((Code(row.variant), level, row.runs, *found, probability(row.p_holm), *relative, verdict))
    header = ("Variant", f"{metric} (mean ± sd)", "Seeds", "Difference", "95 % over seeds", f"95 % over {group_word}")
    auc = ("relative AUC", "relative AUC above chance") if any(row.chance is not None for row in rows) else ()
    header += ("p (Holm)", *auc, "Verdict")
    return Table(header, tuple(lines), range(1, len(header) - 1))


def _remarks(rows: Sequence[ComparisonRow]) -> list[Block]:
    said = [(row, note) for row in rows for note in (*row.notes, row.group_note, row.interval and row.interval.note)]
    said += [(row, row.group_interval.note) for row in rows if row.group_interval]
    lines = dict.fromkeys(f"{row.variant}: {note.rstrip('.')}." for row, note in said if note)
    return [absent(line) for line in lines]


def paper_section(findings: Findings) -> Section | None:
    """Set our relative changes beside the paper's; None when the study names no printed figures."""
    if not any(variant.paper for variant in findings.study.variants):
        return None
    blocks: list[Block] = []
    for metric, compared in findings.comparisons.items():
        if rows := paper_rows(findings.study, compared):
            name = f"paper-{metric.replace('/', '-')}"
            chart = paper_chart(f"{name}-chart", metric, findings.study.baseline, rows)
            caption = (
                "Filled: here, with its 95 % interval over seeds. Open diamond: the paper, which prints no interval."
            )
            blocks += [Figure(name, chart.title, chart.description, (chart,), caption), _paper_table(metric, rows)]
    intro = (
        "The paper's data is another, so its levels are not comparable with ours; what can be compared is the "
        "direction of a change, and with care its size. Relative change is AUC / AUC of the baseline − 1, as the paper "
        "prints it."
    )
    none = "The study gives figures of the paper, but none for both a variant and its baseline on a compared AUC."
    return Section("paper", "Beside the paper", (Text(intro), *blocks) if blocks else (absent(none),))


def _paper_table(metric: str, rows: Sequence[PaperRow]) -> Table:
    lines = []
    for found in rows:
        ends = f"[{percent(found.low)}, {percent(found.high)}]" if math.isfinite(found.low) else MISSING
        relative = (percent(found.row.relative_auc), ends, percent(found.paper))
        above = (percent(found.row.relative_auc_above_chance), percent(found.paper_above_chance))
        lines.append((Code(found.row.variant), *relative, *above, fixed(found.printed), found.agreement))
    header = ("Variant", "here", "95 % over seeds", "paper", "here, above chance", "paper, above chance", "printed")
    caption = (
        f"Relative change of {metric}. Above chance: (AUC − 0.5) / (AUC of the baseline − 0.5) − 1. "
        "The figure printed in the paper is not comparable in level."
    )
    return Table((*header, "direction"), tuple(lines), range(1, 7), caption)
