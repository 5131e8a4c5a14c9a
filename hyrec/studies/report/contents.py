"""Puts a report together from what a study found; the first page says it in words."""

from __future__ import annotations

from hyrec.studies.analysis.comparison import ComparisonRow
from hyrec.studies.analysis.statistics import Interval
from hyrec.studies.report.blocks import Aside, Block, Bullets, Code, Document, Inline, Notice, Strong, Text
from hyrec.studies.report.costs import costs_section, scaling_section
from hyrec.studies.report.effects import effects_section, paper_section
from hyrec.studies.report.findings import Findings, tone_of
from hyrec.studies.report.numbers import difference, digits_for, listing, percent, signed, times
from hyrec.studies.report.provenance import changes_section, provenance_section
from hyrec.studies.report.slicing import calibration_section, slices_section
from hyrec.studies.report.training import curves_section, runtimes_section

_ORDER = ("better", "worse", "higher", "lower", "not distinguishable")
_MAX_ERROR = 200
CLAIM_SEEDS = 5
"""Seeds that a claim about a variant needs at least."""


def contents(findings: Findings) -> Document:
    """Write the report of a study, before it is Markdown or HTML."""
    study, plan = findings.study, findings.results.plan
    sections = (
        effects_section(findings),
        paper_section(findings),
        costs_section(findings),
        scaling_section(findings),
        curves_section(findings),
        slices_section(findings),
        calibration_section(findings),
        changes_section(findings),
        runtimes_section(findings),
        provenance_section(findings),
    )
    own = findings.results.own_baseline
    later = f" in place of {own}, chosen after the study" if own and own != study.baseline else ""
    facts = (
        f"{_count(len(study.variants), 'variant')} × {_count(len(study.seeds), 'seed')}",
        f"{_count(len(findings.results.cells), 'cell')} finished",
        f"baseline {study.baseline}{later}",
        f"hyrec {plan.version}{f' ({plan.commit[:10]})' if plan.commit else ''}",
    )
    shown = tuple(section for section in sections if section is not None)
    return Document(study.name, study.question, facts, summary(findings), shown)


def summary(findings: Findings) -> tuple[Block, ...]:
    """Write what comes before the first heading."""
    notice = unfinished(findings)
    blocks: list[Block] = [notice] if notice is not None else []
    others = [row for row in findings.rows if not row.is_baseline]
    if not others:
        reason = findings.refused.get(findings.metric, "the study has no variant beside its baseline")
        return (*blocks, Text(f"Nothing can be compared: {reason.rstrip('.')}."))
    ordered = sorted(others, key=lambda row: _ORDER.index(row.verdict) if row.verdict in _ORDER else len(_ORDER))
    lines = tuple(_line(row, findings.group_word) for row in ordered)
    remark = (
        "A verdict needs p < 0.05 over seeds after Holm's correction for the number of variants. "
        "“Not distinguishable” is not “equal”: a difference inside the interval cannot be ruled out."
        f"{_few_seeds(others)}"
    )
    tones = tuple(tone_of(row.verdict) for row in ordered)
    return (*blocks, Text(_headline(findings, others)), Bullets(lines, tones), Text(remark, small=True))


def _few_seeds(rows: list[ComparisonRow]) -> str:
    """Warn where a verdict rests on fewer seeds than a claim needs; empty when none does."""
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
    results = findings.results
    total = len(findings.study.variants) * len(findings.study.seeds)
    cells = (*results.failed, *results.missing)
    if not cells:
        return None
    lines: list[Inline] = []
    for status, word in (("failed", "Failed"), ("interrupted", "Interrupted"), ("missing", "Not run")):
        for cell in (c for c in cells if _status(c.status) == status):
            reason = " ".join(cell.reason.split())
            short = reason if len(reason) <= _MAX_ERROR else f"…{reason[-_MAX_ERROR:]}"
            lines.append((f"{word}: ", Code(f"{cell.variant} s{cell.seed}"), f". {short}"))
    title = (
        f"{len(cells)} of {total} cells {'has' if len(cells) == 1 else 'have'} no results. Differences are of the "
        "seeds that both variants finished; means are of all that a variant finished."
    )
    return Notice(title, tuple(lines))


def _status(status: str) -> str:
    return status if status in ("failed", "interrupted") else "missing"


def _headline(findings: Findings, rows: list[ComparisonRow]) -> Inline:
    counts = {
        verdict: sum(row.verdict == verdict for row in rows) for verdict in dict.fromkeys(r.verdict for r in rows)
    }
    words = {
        "better": ("is better", "are better"),
        "worse": ("is worse", "are worse"),
        "higher": ("is higher", "are higher"),
        "lower": ("is lower", "are lower"),
        "not distinguishable": ("cannot be told apart from it", "cannot be told apart from it"),
        "too few seeds": ("has too few seeds", "have too few seeds"),
        "no spread": ("differs by the same in every seed", "differ by the same in every seed"),
        "no shared seed": ("has no seed in common with it", "have no seed in common with it"),
        "no results": ("has no results", "have no results"),
        "not comparable": ("cannot be compared", "cannot be compared"),
    }
    parts = [
        f"{counts[verdict]} {words.get(verdict, (verdict, verdict))[counts[verdict] > 1]}"
        for verdict in (*_ORDER, *(v for v in counts if v not in _ORDER))
        if verdict in counts
    ]
    spans: list[str] = ["Measured by ", Code(findings.metric), " against ", Code(findings.study.baseline)]
    at = " at the same point of the grid" if any(row.point for row in rows) else ""
    if len(rows) == 1:
        return (*spans, f"{at}, the only variant ", Strong(parts[0].partition(" ")[2]), ".")
    return (*spans, f"{at}, of {len(rows)} variants ", Strong(listing(parts)), ".")


def _line(row: ComparisonRow, group_word: str) -> Inline:
    """Say in a sentence how a variant compares, how sure that is, and at what cost."""
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
    """Say where the verdict and an interval seem to speak against each other."""
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
    return f"{signed(interval.low, digits)} to {signed(interval.high, digits)}"


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
