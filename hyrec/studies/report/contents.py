"""Puts a report together from what a study found; the first lines say it in words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

from hyrec.studies.analysis.comparison import ComparisonRow
from hyrec.studies.report.baselines import baselines_section
from hyrec.studies.report.blocks import Block, Bullets, Code, Document, Inline, Section, Strong, Text
from hyrec.studies.report.costs import costs_section, scaling_section
from hyrec.studies.report.effects import effects_section
from hyrec.studies.report.findings import Findings
from hyrec.studies.report.numbers import listing
from hyrec.studies.report.provenance import changes_section, provenance_section
from hyrec.studies.report.slicing import calibration_section, slices_section
from hyrec.studies.report.training import curves_section

CLAIM_SEEDS = 5
_SECTIONS: tuple[Callable[[Findings], Section | None], ...] = (
    *(effects_section, baselines_section, costs_section, scaling_section, curves_section, slices_section),
    *(calibration_section, changes_section, provenance_section),
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
    return Document(study.name, study.question, facts, (*_unfinished(findings), *_summary(findings)), shown)


def _unfinished(findings: Findings) -> list[Block]:
    """List the cells without results."""
    cells = (*findings.results.failed, *findings.results.missing)
    if not cells:
        return []
    lines: list[Inline] = []
    for cell in cells:
        reason = " ".join(cell.reason.split())
        short = reason if len(reason) <= 200 else f"…{reason[-200:]}"
        lines.append((f"{cell.status.capitalize()}: ", Code(f"{cell.variant} s{cell.seed}"), f". {short}"))
    title = (
        f"{len(cells)} of {len(findings.study.variants) * len(findings.study.seeds)} cells "
        f"{'has' if len(cells) == 1 else 'have'} no results. Differences are of the seeds that both variants "
        "finished; means are of all that a variant finished."
    )
    return [Bullets(tuple(lines), title)]


def _summary(findings: Findings) -> list[Block]:
    """Count the verdicts, and say what they rest on."""
    others = [row for row in findings.rows if not row.is_baseline]
    if not others:
        reason = findings.refused.get(findings.metric, "the study has no variant beside its baseline")
        return [Text(f"Nothing can be compared: {reason.rstrip('.')}.")]
    at = " at the same point of the grid" if any(row.costs.planned.variant.point for row in others) else ""
    found = Counter(row.verdict for row in others)
    verdicts = Strong(listing([f"{number} {verdict}" for verdict, number in found.most_common()]))
    of = _count(len(others), "variant")
    against = ("Measured by ", Code(findings.metric), " against ", Code(findings.study.baseline))
    remark = (
        "A verdict needs p < 0.05 over seeds after Holm's correction for the number of variants; an interval by itself "
        "is not corrected, so that among many variants one may exclude zero by chance. “Not distinguishable” is not "
        f"“equal”: a difference inside the interval cannot be ruled out.{_few_seeds(others)}"
    )
    return [Text((*against, f"{at}, of {of}: ", verdicts, ".")), Text(remark, small=True)]


def _few_seeds(rows: Sequence[ComparisonRow]) -> str:
    counts = [row.interval.count for row in rows if row.interval is not None]
    few = sum(count < CLAIM_SEEDS for count in counts)
    if not few:
        return ""
    return f" {few} of {_count(len(counts), 'difference')} rest on fewer than {CLAIM_SEEDS} seeds, which a claim needs."


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
