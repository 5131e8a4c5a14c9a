"""The tables that terminal, Markdown and page show alike, and what else the terminal says of a plan and a study."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from hyrec.plain_text import count, duration, table
from hyrec.studies.analysis.comparison import ComparisonRow
from hyrec.studies.plan.plan import WITHIN_BUDGET, Change, Plan
from hyrec.studies.report.blocks import Code, Inline, Strong, Table
from hyrec.studies.report.findings import Findings
from hyrec.studies.report.numbers import MISSING, difference, fixed, percent, probability, span, times

_MAX = 60


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


def costs_table(plan: Plan, seconds: Mapping[str, float | None]) -> Table:
    """Return what every variant costs, beside its baseline; times, in seconds, are by variant where they are known."""
    rows = []
    for costs in map(plan.costs, plan.variants):
        planned, time = costs.planned, seconds.get(costs.planned.variant.name)
        matched = "".join(f", matched by {key} = {value}" for key, value in planned.matched.items())
        rows.append(
            (
                Code(planned.variant.name),
                *(count(planned.flops_per_sample), times(costs.flops_ratio)),
                *(count(planned.dense_parameters), times(costs.dense_ratio)),
                count(planned.sparse_parameters),
                MISSING if time is None else duration(time),
                f"{'yes' if costs.within_budget else 'no'}{matched}",
            )
        )
    header = ("Variant", "FLOPs per sample", "to baseline", "Dense parameters", "to baseline", "Sparse parameters")
    return Table((*header, "Time of a cell", f"Within {100 * WITHIN_BUDGET:g} %"), tuple(rows), range(1, 7))


def changes_table(plan: Plan) -> Table:
    """Return the resolved options in which variants differ from the base; those that differ alike share their rows."""
    alike: list[tuple[tuple[Change, ...], list[str]]] = []
    for planned in plan.variants:
        found = [names for changes, names in alike if changes == planned.changes]
        if found:
            found[0].append(planned.variant.name)
        else:
            alike.append((planned.changes, [planned.variant.name]))
    rows: list[tuple[Inline, ...]] = []
    for changes, names in alike:
        first: Inline = Code(", ".join(names))
        for change in changes:
            option: Inline = (Code(change.key), " (carried)") if change.carried else Code(change.key)
            rows.append((first, option, Code(_value(change.base)), Code(_value(change.value))))
            first = ""
        if not changes:
            rows.append((first, "nothing", MISSING, MISSING))
    caption = ""
    if any(change.carried for changes, _ in alike for change in changes):
        caption = (
            "Carried: the class was replaced and kept this argument of the class before it, which the study did not "
            "write again."
        )
    return Table(("Variant", "Option", "Base", "Here"), tuple(rows), caption=caption)


def plan_as_text(plan: Plan, *, jobs: int = 1) -> str:
    """Return what a study would run: costs, the time with ``jobs`` cells at once, and each variant's differences."""
    study = plan.study
    cells = len(study.seeds) * len(plan.variants)
    counted = f"{len(plan.variants)} variants x {len(study.seeds)} seeds ({', '.join(map(str, study.seeds))})"
    asked = f"metrics {', '.join(study.metrics)}; baseline {study.baseline}"
    head = f"{study.name}: {study.question}\n{counted} = {cells} cells (--index 0 to {cells - 1}); {asked}"
    seconds = {planned.variant.name: planned.seconds_per_cell for planned in plan.variants}
    total = total_seconds(plan, jobs)
    time = "" if total is None else f"\nEstimated time with --jobs {jobs}: {duration(total)}"
    changes = f"What differs from the base\n{_as_text(changes_table(plan))}"
    return "\n\n".join([head, _as_text(costs_table(plan, seconds)) + time, changes])


def total_seconds(plan: Plan, jobs: int) -> float | None:
    """Return the wall time of all cells, ``jobs`` at once as fast as one alone, in seconds; None when not known."""
    known = [planned.seconds_per_cell for planned in plan.variants if planned.seconds_per_cell is not None]
    if len(known) < len(plan.variants):
        return None
    return max(sum(known) * len(plan.study.seeds) / jobs, *known)


def comparison_as_text(findings: Findings) -> str:
    """Return the tables of a study for the terminal, and what is missing."""
    study, results = findings.study, findings.results
    blocks = [f"{study.name}, {len(results.cells)} of {len(study.seeds) * len(study.variants)} cells"]
    blocks += [_as_text(comparison_table(findings, metric)) for metric in findings.comparisons]
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


def _as_text(found: Table) -> str:
    """Lay out a table for the terminal; a cell that would not fit is cut."""
    words = [["".join(cell) for cell in line] for line in (found.header, *found.rows)]
    header, *rows = [[cell if len(cell) <= _MAX else f"{cell[: _MAX - 1]}…" for cell in line] for line in words]
    right = [place for place in range(len(header)) if place in found.right]
    return table(header, rows, right=right) + (f"\n{found.caption}" if found.caption else "")


def _value(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
