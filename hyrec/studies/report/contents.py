"""Puts a report together from what a study found; the first page says it in words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from functools import partial

from hyrec.studies.analysis.comparison import ComparisonRow
from hyrec.studies.analysis.statistics import Interval
from hyrec.studies.report.baselines import baselines_section
from hyrec.studies.report.blocks import Aside, Block, Bullets, Code, Document, Inline, Notice, Section, Strong, Text
from hyrec.studies.report.costs import costs_section, scaling_section
from hyrec.studies.report.effects import effects_section, paper_section
from hyrec.studies.report.findings import Findings, tone_of
from hyrec.studies.report.numbers import between, difference, digits_for, listing, percent, signed, times
from hyrec.studies.report.provenance import changes_section, provenance_section
from hyrec.studies.report.slicing import calibration_section, slices_section
from hyrec.studies.report.training import curves_section, runtimes_section

_ORDER = ("better", "worse", "higher", "lower", "not distinguishable")
CLAIM_SEEDS = 5
_SECTIONS: tuple[Callable[[Findings], Section | None], ...] = (
    *(effects_section, baselines_section, paper_section, costs_section, scaling_section, curves_section),
    *(slices_section, calibration_section, changes_section, runtimes_section, provenance_section),
)


def contents(findings: Findings) -> Document:
    """Write the report of a study, before it is Markdown or HTML."""
    study, plan = findings.study, findings.results.plan
    own = findings.results.own_baseline
    later = f" in place of {own}, chosen after the study" if own and own != study.baseline else ""
    facts = (
        f"{_count(len(study.variants), 'variant')} × {_count(len(study.seeds), 'seed')}",
        f"{_count(len(findings.results.cells), 'cell')} finished",
        f"baseline {study.baseline}{later}",
        f"hyrec {plan.version}{f' ({plan.commit[:10]})' if plan.commit else ''}",
    )
    shown = tuple(section for write in _SECTIONS if (section := write(findings)) is not None)
    return Document(study.name, study.question, facts, summary(findings), shown)


def summary(findings: Findings) -> tuple[Block, ...]:
    """Write what comes before the first heading."""
    notice = unfinished(findings)
    blocks: list[Block] = [notice] if notice is not None else []
    others = [row for row in findings.rows if not row.is_baseline]
    if not others:
        reason = findings.refused.get(findings.metric, "the study has no variant beside its baseline")
        return (*blocks, Text(f"Nothing can be compared: {reason.rstrip('.')}."))
    ordered = sorted(others, key=lambda row: _place(row.verdict))
    lines = tuple(_line(row, findings.group_word) for row in ordered)
    remark = (
        "A verdict needs p < 0.05 over seeds after Holm's correction for the number of variants. "
        "“Not distinguishable” is not “equal”: a difference inside the interval cannot be ruled out."
        f"{_few_seeds(others)}"
    )
    tones = tuple(tone_of(row) for row in ordered)
    return (*blocks, Text(_headline(findings, others)), Bullets(lines, tones), Text(remark, small=True))


def _few_seeds(rows: list[ComparisonRow]) -> str:
    counts = [row.interval.count for row in rows if row.verdict in _ORDER and row.interval is not None]
    few = sum(count < CLAIM_SEEDS for count in counts)
    if not few:
        return ""
    if len(counts) == 1:
        return f" The verdict rests on {counts[0]} seeds; a claim needs {CLAIM_SEEDS}."
    which = "All verdicts rest" if few == len(counts) else f"{few} of {len(counts)} verdicts rest{'s' * (few == 1)}"
    return f" {which} on fewer than {CLAIM_SEEDS} seeds; a claim needs {CLAIM_SEEDS}."


def unfinished(findings: Findings) -> Notice | None:
    """List the cells without results; None when all have finished."""
    cells = (*findings.results.failed, *findings.results.missing)
    if not cells:
        return None
    words = {"failed": "Failed", "interrupted": "Interrupted"}
    order = [*words.values(), "Not run"]
    lines: list[Inline] = []
    for word, cell in sorted(((words.get(c.status, "Not run"), c) for c in cells), key=lambda one: order.index(one[0])):
        reason = " ".join(cell.reason.split())
        short = reason if len(reason) <= 200 else f"…{reason[-200:]}"
        lines.append((f"{word}: ", Code(f"{cell.variant} s{cell.seed}"), f". {short}"))
    title = (
        f"{len(cells)} of {len(findings.study.variants) * len(findings.study.seeds)} cells "
        f"{'has' if len(cells) == 1 else 'have'} no results. Differences are of the seeds that both variants "
        "finished; means are of all that a variant finished."
    )
    return Notice(title, tuple(lines))


def _headline(findings: Findings, rows: list[ComparisonRow]) -> Inline:
    counts = Counter(row.verdict for row in rows)
    words = {
        **{verdict: f"is {verdict}" for verdict in ("better", "worse", "higher", "lower")},
        **{verdict: f"has {verdict}" for verdict in ("too few seeds", "no results")},
        "not distinguishable": "cannot be told apart from it",
        "no spread": "differs by the same in every seed",
        "no shared seed": "has no seed in common with it",
        "not comparable": "cannot be compared",
    }
    plural = {"is": "are", "has": "have", "differs": "differ"}
    parts = []
    for verdict in sorted(counts, key=_place):
        verb, _, rest = words[verdict].partition(" ")
        verb = plural.get(verb, verb) if counts[verdict] > 1 else verb
        parts.append(f"{counts[verdict]} {verb} {rest}")
    spans: list[str] = ["Measured by ", Code(findings.metric), " against ", Code(findings.study.baseline)]
    at = " at the same point of the grid" if any(row.costs.planned.variant.point for row in rows) else ""
    if len(rows) == 1:
        return (*spans, f"{at}, the only variant ", Strong(parts[0].partition(" ")[2]), ".")
    return (*spans, f"{at}, of {len(rows)} variants ", Strong(listing(parts)), ".")


def _place(verdict: str) -> int:
    return _ORDER.index(verdict) if verdict in _ORDER else len(_ORDER)


def _line(row: ComparisonRow, group_word: str) -> Inline:
    name = Code(row.variant)
    if row.verdict not in _ORDER or row.interval is None:
        reason = row.group_note if row.verdict == "not comparable" else ""
        return (name, ": ", Strong(row.verdict), f" ({reason.rstrip('.')})." if reason else ".")
    groups = row.group_interval if row.group_interval is not None and row.group_interval.known else None
    sure = f"95 % interval: {_bounds(row.interval)} over seeds"
    sure += f", {_bounds(groups)} over {group_word}" if groups is not None else ""
    change = f" ({percent(row.relative_auc)} relative AUC)" if row.relative_auc is not None else ""
    cost = f"{times(row.costs.flops_ratio)} the FLOPs and {times(row.costs.dense_ratio)} the dense parameters"
    cost = "parameters and FLOPs within 5 % of the baseline's" if row.costs.within_budget else cost
    found = f": {difference(row.difference)}"
    if row.verdict != "not distinguishable":
        found = f" by {difference(abs(row.difference)).lstrip('+')}"
    said = f"{found}{change}, with {cost}.{_doubt(row, groups, group_word)}"
    return (name, " is ", Strong(row.verdict), said, Aside(sure))


def _doubt(row: ComparisonRow, groups: Interval | None, group_word: str) -> str:
    if row.verdict != "not distinguishable":
        unsure = groups is not None and groups.holds_zero
        return f" Another sample of test {group_word} could turn it." if unsure else ""
    if row.interval is not None and row.interval.low == row.interval.high:
        return " Every seed gives the very same figures: perhaps its options change nothing."
    if row.interval is not None and not row.interval.holds_zero:
        return " Its interval alone excludes zero, but among this many variants that can be chance."
    if groups is not None and not groups.holds_zero:
        return f" The interval over {group_word} excludes zero: these trained models differ, other runs may not."
    return ""


def _bounds(interval: Interval) -> str:
    digits = digits_for(interval.low, interval.high)
    return between(interval.low, interval.high, partial(signed, digits=digits))


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
