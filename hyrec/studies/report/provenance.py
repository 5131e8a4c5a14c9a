"""The sections on how the figures came about: what each variant changed, versions, data, definitions."""

from __future__ import annotations

from collections import Counter

from hyrec.parquet import open_parquet
from hyrec.studies.report.blocks import Block, Bullets, Code, Inline, Section, Table
from hyrec.studies.report.findings import Findings
from hyrec.studies.report.numbers import listing
from hyrec.studies.report.tables import changes_table
from hyrec.studies.run.cell import ROWS_FILE

_BETTER = {1: "larger is better", -1: "smaller is better", 0: "no better end"}


def changes_section(findings: Findings) -> Section:
    """Say what each variant is, and list the resolved options in which it differs from the base."""
    plan = findings.results.plan
    about = {planned.variant.family: planned.variant.about for planned in plan.variants if planned.variant.about}
    said: list[Block] = [Bullets(tuple((Code(name), f": {words}") for name, words in about.items()))] if about else []
    return Section("changes", "What each variant changes", (*said, changes_table(plan)))


def provenance_section(findings: Findings) -> Section:
    """Say what the figures were made with and what they mean."""
    plan, study, word = findings.results.plan, findings.study, findings.group_word
    ran = Counter((cell.version, cell.commit) for cell in findings.results.cells.values() if cell.version)
    ran.pop((plan.version, plan.commit), None)
    items: list[Inline] = [
        (f"hyrec {plan.version}, ", *_commit(plan.commit)),
        *((f"{count} cells ran with {version}, ", *_commit(commit)) for (version, commit), count in ran.items()),
        ("Base: ", *_joined([*study.configs, *(f"{key}={value}" for key, value in study.options.items())])),
        f"Seeds: {listing([str(seed) for seed in study.seeds])}; every variant has the same, so differences are paired",
        _rows(findings),
    ]
    if study.slices:
        words = listing([f"{feature} ({role})" for role, feature in study.slices.items()])
        items.append(f"Slices count the training impressions of: {words}")
    facts = {metric: findings.results.facts(metric) for metric in study.metrics}
    metrics = tuple((Code(metric), one.definition, _BETTER[one.direction]) for metric, one in facts.items())
    intervals = (
        "Over seeds: Student's t on paired differences; speaks about other training runs on these test rows.",
        f"Over {word}: paired bootstrap, 1000 draws of test {word} with replacement; speaks about other test {word}, "
        "given these trained models. Differences are averaged over seeds within a draw.",
        "p: two-sided, over seeds, after Holm's correction for the number of variants; below 0.05 decides. Every "
        "metric is corrected by itself, and the first one decides. Intervals are not corrected.",
        "Relative AUC: AUC / AUC of the baseline − 1, as the HyFormer paper prints it. A paper's data is another, so "
        "its levels are not comparable; what can be compared is the direction of a change.",
    )
    table = Table(("Metric", "Meaning", "Direction"), metrics)
    return Section("provenance", "How this was made", (Bullets(tuple(items)), table, Bullets(intervals)))


def _commit(commit: str | None) -> tuple[str, ...]:
    return ("commit ", Code(commit)) if commit else ("no commit known",)


def _joined(names: list[str]) -> tuple[str, ...]:
    return tuple(part for name in names for part in (", ", Code(name)))[1:]


def _rows(findings: Findings) -> str:
    path = findings.results.folder / ROWS_FILE
    if not path.is_file():
        return f"Test rows: not described ({ROWS_FILE} is missing)"
    file = open_parquet(path)
    text = f"Test rows: {file.metadata.num_rows:,}"
    if "group" in file.schema_arrow.names:
        text += f", in {len(file.read(columns=['group']).column('group').unique()):,} groups"
    return text
