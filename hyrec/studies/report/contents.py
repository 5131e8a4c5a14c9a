"""Puts a report together from what a study found."""

from __future__ import annotations

from hyrec.studies.report.blocks import Document
from hyrec.studies.report.costs import costs_section
from hyrec.studies.report.effects import effects_section, paper_section
from hyrec.studies.report.findings import Findings
from hyrec.studies.report.provenance import changes_section, provenance_section
from hyrec.studies.report.scaling import scaling_section
from hyrec.studies.report.slicing import calibration_section, slices_section
from hyrec.studies.report.summary import summary
from hyrec.studies.report.training import curves_section, runtimes_section


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


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
