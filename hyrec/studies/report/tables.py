"""The table of differences that terminal, Markdown and page show, and what else the terminal says of a study."""

from __future__ import annotations

import math

from hyrec.plain_text import table
from hyrec.studies.analysis.comparison import ComparisonRow
from hyrec.studies.report.blocks import Code, Strong, Table
from hyrec.studies.report.findings import Findings
from hyrec.studies.report.numbers import MISSING, difference, fixed, percent, probability, span


def comparison_table(findings: Findings, metric: str) -> Table:
    """Return every variant beside its baseline on one metric: level, paired difference, both intervals, verdict."""
    rows, word, study = findings.comparisons[metric], findings.group_word, findings.study
    header = ["Variant", "Verdict", metric, "Seeds", "Difference", "95 % over seeds", f"95 % over {word}", "p (Holm)"]
    is_auc = any(row.chance is not None for row in rows)
    paper = {row.variant: study.variant(row.variant).paper.get(metric) for row in rows}
    has_paper = is_auc and any(paper.values())
    header += ["relative AUC"] if is_auc else []
    header += ["in the paper"] if has_paper else []
    lines = []
    for row in rows:
        level = f"{fixed(row.mean)} ± {fixed(row.sd)}" if math.isfinite(row.sd) else fixed(row.mean)
        found = difference(row.difference) if row.interval else MISSING
        cells = [level, row.runs, found, span(row.interval), span(row.group_interval), probability(row.p_holm)]
        cells += [percent(row.relative_auc)] if is_auc else []
        cells += [_printed(row, paper)] if has_paper else []
        verdict = Strong(row.verdict) if row.verdict in ("better", "worse") else row.verdict
        lines.append((Code(row.variant), verdict, *cells))
    return Table(tuple(header), tuple(lines), range(2, len(header)))


def _printed(row: ComparisonRow, paper: dict[str, float | None]) -> str:
    """Return the relative change that a paper prints for a variant."""
    own, base = paper[row.variant], paper.get(row.baseline)
    return percent(own / base - 1) if own and base and not row.is_baseline else MISSING


def comparison_as_text(findings: Findings) -> str:
    """Return the tables of a study for the terminal, and what is missing."""
    study, results = findings.study, findings.results
    blocks = [f"{study.name}, {len(results.cells)} of {len(study.seeds) * len(study.variants)} cells"]
    for metric in findings.comparisons:
        found = comparison_table(findings, metric)
        header, *rows = ([str(cell) for cell in line] for line in (found.header, *found.rows))
        blocks.append(table(header, rows, right=range(2, len(header))))
    if findings.comparisons:
        blocks.append(
            "Mean ± standard deviation over seeds; differences are paired by seed. Intervals over seeds speak about\n"
            f"other training runs, those over {findings.group_word} (bootstrap) about other test rows. p is by Holm's "
            "correction."
        )
    if findings.refused:
        blocks.append(f"No cell has logged {', '.join(findings.refused)}.")
    if absent := [*results.failed, *results.missing]:
        lines = [f"  {cell.variant} s{cell.seed}: {cell.status}" for cell in absent]
        blocks.append("Without a result:\n" + "\n".join(lines))
    return "\n\n".join(blocks)
