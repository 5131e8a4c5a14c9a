"""The section on differences: a forest plot and a table for each metric."""

from __future__ import annotations

from collections.abc import Sequence

from hyrec.studies.analysis.comparison import ComparisonRow
from hyrec.studies.analysis.statistics import Interval
from hyrec.studies.report.blocks import Block, Figure, Section, absent
from hyrec.studies.report.charts import Row, interval_chart
from hyrec.studies.report.findings import Findings, tone_of
from hyrec.studies.report.numbers import slug
from hyrec.studies.report.tables import comparison_table

_ENDS = {1: ("worse", "better"), -1: ("better", "worse"), 0: ("lower", "higher")}


def effects_section(findings: Findings) -> Section:
    """Compare every variant with its baseline on every metric of the study."""
    blocks: list[Block] = []
    for metric in findings.study.metrics:
        if metric in findings.comparisons:
            blocks += [_forest(findings, metric), comparison_table(findings, metric)]
            blocks += _remarks(findings.comparisons[metric])
        else:
            blocks.append(absent(f"{metric} cannot be compared", findings.refused[metric]))
    return Section("effects", "Differences to the baseline", tuple(blocks))


def _forest(findings: Findings, metric: str) -> Figure:
    rows = findings.comparisons[metric]
    title = f"{metric}: difference to {findings.study.baseline}"
    title += " at the same point of the grid" if len({row.baseline for row in rows}) > 1 else ""
    low, high = _ENDS[findings.results.facts(metric).direction]
    shown = [
        Row(row.variant, tone_of(row.verdict), Interval(0.0) if row.is_baseline else row.interval, row.group_interval)
        for row in rows
    ]
    chart = interval_chart(f"forest-{slug(metric)}", title, shown, f"← {low}\u2003\u2003{high} →")
    word = findings.group_word
    caption = (
        f"Thick: 95 % interval over seeds, which speaks about other training runs. Thin: over {word}, which speaks "
        f"about other test {word}, given these trained models."
    )
    return Figure(title, (chart,), caption)


def _remarks(rows: Sequence[ComparisonRow]) -> list[Block]:
    said = [(row, note) for row in rows for note in (*row.notes, row.interval and row.interval.note)]
    said += [(row, row.group_interval.note) for row in rows if row.group_interval]
    by_note: dict[str, list[str]] = {}
    for row, note in said:
        by_note.setdefault(note or "", []).append(row.variant)
    return [absent(", ".join(dict.fromkeys(variants)), note) for note, variants in by_note.items() if note]
