"""The sections on how the figures came about: what each variant changed, versions, data, definitions."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pyarrow.parquet as pq

from hyrec.metrics.auc import GroupAUC
from hyrec.studies.analysis.scores import Scores
from hyrec.studies.report.blocks import Block, Bullets, Code, Inline, Section, Span, Table, Text
from hyrec.studies.report.effects import group_word
from hyrec.studies.report.findings import Findings
from hyrec.studies.report.numbers import MISSING, listing
from hyrec.studies.run.rows import ROWS_FILE

_BETTER = {1: "larger is better", -1: "smaller is better", 0: "no better end"}


def changes_section(findings: Findings) -> Section:
    """List the resolved options in which each variant differs from the base."""
    blocks: list[Block] = []
    rows: list[tuple[Inline, ...]] = []
    carried = False
    for planned in findings.results.plan.variants:
        variant = planned.variant
        about = variant.about or ("the baseline" if variant.name == findings.baseline_of(variant.name) else MISSING)
        if not planned.changes:
            rows.append((Code(variant.name), about, MISSING, MISSING, MISSING))
        for number, change in enumerate(planned.changes):
            carried |= change.carried
            key: Inline = (Code(change.key), " (carried)") if change.carried else Code(change.key)
            first = (Code(variant.name), about) if number == 0 else ("", "")
            rows.append((*first, key, Code(_value(change.base)), Code(_value(change.value))))
    blocks.append(Table(("Variant", "What it is", "Option", "Base", "Variant"), tuple(rows)))
    if carried:
        words = (
            "Carried: the class was replaced and kept this argument of the class before it, which the study did not "
            "write again."
        )
        blocks.append(Text(words, small=True))
    return Section("changes", "What each variant changes", tuple(blocks))


def _value(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def provenance_section(findings: Findings) -> Section:
    """Say what the figures were made with and what they mean."""
    plan, study = findings.results.plan, findings.study
    commit: tuple[Span, ...] = (", commit ", Code(plan.commit)) if plan.commit else (", no commit known",)
    items: list[Inline] = [
        (f"hyrec {plan.version}", *commit, *_ran_with(findings)),
        ("Base: ", *_joined(list(study.configs)), *_options(study.options)),
        f"Seeds: {listing([str(seed) for seed in study.seeds])}; every variant has the same, so differences are paired",
        _rows(findings),
    ]
    if study.slices:
        words = listing([f"{feature} ({role})" for role, feature in study.slices.items()])
        items.append(f"Slices count the training impressions of: {words}")
    word = group_word(findings)
    metrics: list[tuple[Inline, ...]] = [
        (Code(metric), facts.definition, _BETTER[facts.direction])
        for metric, facts in ((metric, findings.results.facts(metric)) for metric in study.metrics)
    ]
    intervals = Bullets(
        (
            ("Over seeds: ", "Student's t on paired differences; speaks about other training runs on these test rows."),
            (
                f"Over {word}: ",
                f"paired bootstrap, 1000 draws of test {word} with replacement; speaks about other test {word}, given "
                "these trained models. Differences are averaged over seeds within a draw.",
            ),
            (
                "p: ",
                "two-sided, over seeds, after Holm's correction for the number of variants; below 0.05 decides. "
                "Every metric is corrected by itself, and the first one decides. Intervals are not corrected.",
            ),
            ("Relative AUC: ", "AUC / AUC of the baseline − 1, as the HyFormer paper prints it."),
            (
                "Relative AUC above chance: ",
                "(AUC − 0.5) / (AUC of the baseline − 0.5) − 1, as other papers print it; several times as large for "
                "the same two figures.",
            ),
        )
    )
    return Section(
        "provenance",
        "How this was made",
        (Bullets(tuple(items)), Table(("Metric", "Meaning", "Direction"), tuple(metrics)), intervals),
    )


def _ran_with(findings: Findings) -> tuple[Span, ...]:
    """Say which versions the cells ran with, where one is known to be another than the plan's."""
    plan = findings.results.plan
    counts = Counter((cell.version, cell.commit) for cell in findings.results.cells.values())
    if all(source == (plan.version, plan.commit) for source in counts if source[0]):
        return ()
    spans: list[Span] = ["; cells ran with "]
    for number, ((version, commit), count) in enumerate(counts.most_common()):
        spans.append(", " if number else "")
        cells = f"({count} cell{'' if count == 1 else 's'})"
        if not version:
            spans.append(f"a version that they did not write down {cells}")
        elif commit:
            spans += [f"{version}, commit ", Code(commit), f" {cells}"]
        else:
            spans.append(f"{version}, no commit known {cells}")
    return tuple(spans)


def _joined(names: list[str]) -> tuple[Span, ...]:
    out: list[Span] = []
    for number, name in enumerate(names):
        out += [", ", Code(name)] if number else [Code(name)]
    return tuple(out)


def _options(options: Any) -> tuple[Span, ...]:
    words = [f"{key}={_value(value)}" for key, value in options.items()]
    return (", with ", *_joined(words)) if words else ()


def _rows(findings: Findings) -> str:
    path = findings.results.folder / ROWS_FILE
    if not path.is_file():
        return f"Test rows: not described ({ROWS_FILE} is missing)"
    file = pq.ParquetFile(path)
    text = f"Test rows: {file.metadata.num_rows:,}"
    if "group" in file.schema_arrow.names:
        groups = len(file.read(columns=["group"]).column("group").unique())
        text += f", in {groups:,} groups"
        if any(isinstance(findings.results.facts(metric), GroupAUC) for metric in findings.study.metrics):
            text += _ranked(findings)
    return text


def _ranked(findings: Findings) -> str:
    """Say how many groups count in metrics inside groups, from the first saved predictions."""
    for cell in findings.results.cells.values():
        table = cell.predictions()
        if table is None:
            continue
        try:
            scores = Scores.of(table, cell.primary_task or "")
        except ValueError as error:
            return f"; how many of these hold both labels is not known ({str(error).rstrip('.')})"
        return f"; {scores.num_ranked_groups():,} of these hold both labels and count in metrics inside groups"
    return ""
