"""Lays out what a study found for the terminal."""

from __future__ import annotations

import math

from hyrec.plain_text import table
from hyrec.studies.analysis.comparison import ComparisonRow, compare
from hyrec.studies.analysis.results import StudyResults
from hyrec.studies.analysis.statistics import Interval


def comparison_as_text(results: StudyResults) -> str:
    """Return the table of a study: means, paired differences with both intervals, verdicts, and what is missing."""
    study = results.plan.study
    known = [name for name in study.metrics if name in results.metric_names]
    blocks = [f"{study.name}, {len(results.cells)} of {len(study.seeds) * len(study.variants)} cells"]
    if known:
        rows = compare(results, known[0])
        others = {name: {row.variant: row for row in compare(results, name, replicates=0)} for name in known[1:]}
        header = ["variant", "runs", known[0], "difference", "other runs", "other test groups", "p", "verdict", *others]
        cells = [[*_cells(row), *(_mean(by_name[row.variant]) for by_name in others.values())] for row in rows]
        blocks.append(table(header, cells, right=(1, 2, 3)))
        blocks.append(
            "Mean and standard deviation over seeds; differences are paired by seed. Intervals of 95%: over seeds "
            "(other runs)\nand by bootstrap over groups (other test groups). p is over seeds, by Holm's correction."
        )
    if unknown := [name for name in study.metrics if name not in known]:
        blocks.append(f"No cell has logged {', '.join(unknown)}.")
    if absent := [*results.failed, *results.missing]:
        lines = [f"  {cell.variant} s{cell.seed}: {cell.status}" for cell in absent]
        blocks.append("Without a result:\n" + "\n".join(lines))
    return "\n\n".join(blocks)


def _cells(row: ComparisonRow) -> list[str]:
    return [
        row.variant,
        row.runs,
        _mean(row),
        "" if row.is_baseline or math.isnan(row.difference) else f"{row.difference:+.5f}",
        _bounds(row.interval),
        _bounds(row.group_interval),
        "" if math.isnan(row.p_holm) else f"{row.p_holm:.3f}" if row.p_holm >= 0.001 else "<0.001",
        row.verdict,
    ]


def _mean(row: ComparisonRow) -> str:
    if math.isnan(row.mean):
        return "-"
    return f"{row.mean:.4f}" if math.isnan(row.sd) else f"{row.mean:.4f} ± {row.sd:.4f}"


def _bounds(interval: Interval | None) -> str:
    return "" if interval is None or not interval.known else f"{interval.low:+.5f} to {interval.high:+.5f}"
