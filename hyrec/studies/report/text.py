"""Lays out what a study found for the terminal."""

from __future__ import annotations

import math

from hyrec.plain_text import table
from hyrec.studies.analysis.comparison import ComparisonRow
from hyrec.studies.analysis.statistics import Interval
from hyrec.studies.report.findings import Findings


def comparison_as_text(findings: Findings) -> str:
    """Return the table of a study: means, paired differences with both intervals, verdicts, and what is missing."""
    study, results = findings.study, findings.results
    blocks = [f"{study.name}, {len(results.cells)} of {len(study.seeds) * len(study.variants)} cells"]
    if findings.comparisons:
        first, *others = findings.comparisons
        header = ["variant", "runs", first, "difference", "other runs", "other test groups", "p", "verdict", *others]
        rows = zip(*findings.comparisons.values(), strict=True)
        cells = [[*_cells(row), *map(_mean, on_others)] for row, *on_others in rows]
        blocks.append(table(header, cells, right=(1, 2, 3)))
        blocks.append(
            "Mean and standard deviation over seeds; differences are paired by seed. Intervals of 95%: over seeds "
            "(other runs)\nand by bootstrap over groups (other test groups). p is over seeds, by Holm's correction."
        )
    if findings.refused:
        blocks.append(f"No cell has logged {', '.join(findings.refused)}.")
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
