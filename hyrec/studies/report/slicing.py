"""The sections on slices of the test rows and on calibration, from saved predictions."""

from __future__ import annotations

import math
from collections.abc import Container, Mapping, Sequence

import pyarrow.parquet as pq

from hyrec.studies.analysis.calibration import Reliability, reliability
from hyrec.studies.analysis.slices import SliceRow, slice_metric
from hyrec.studies.report.blocks import Block, Code, Figure, Section, Table, absent
from hyrec.studies.report.charts import reliability_chart, slice_chart
from hyrec.studies.report.findings import Findings
from hyrec.studies.report.numbers import MISSING, between, difference, fixed, slug, span
from hyrec.studies.report.style import limits
from hyrec.studies.run.cell import ROWS_FILE

COLUMNS: Mapping[str, tuple[str, str]] = {
    "history_length": ("history length", "events in all sequences of the request"),
    "user_activity": ("user activity", "training impressions of the user"),
    "item_frequency": ("item frequency", "training impressions of the item"),
}
"""Columns of ``rows.parquet`` that the report shows: in words, and what is counted."""


def slices_section(findings: Findings) -> Section:
    """Draw differences by history length, user activity and item frequency."""
    path = findings.results.folder / ROWS_FILE
    if not path.is_file():
        blocks: list[Block] = [absent(f"No slices: {ROWS_FILE} is missing, so nothing is known about the test rows.")]
    else:
        names = pq.read_schema(path).names
        blocks = [_slices(findings, column, names) for column in COLUMNS]
    return Section("slices", "Where the differences are", tuple(blocks))


def _slices(findings: Findings, column: str, known: Container[str]) -> Block:
    words, counted = COLUMNS[column]
    if column not in known:
        return absent(f"Nothing by {words}: {ROWS_FILE} has no column {column}.")
    try:
        rows = slice_metric(findings.results, findings.metric, column)
    except ValueError as error:
        return absent(f"Nothing by {words}", error)
    shown = [row for row in rows if row.variant != findings.baseline_of(row.variant) and row.difference is not None]
    if not shown:
        return absent(f"Nothing by {words}: no variant and its baseline have a seed in common with predictions.")
    metric = shown[0].metric
    ends = limits([0.0, *(end for row in shown if row.difference for end in row.difference.ends)])
    charts = tuple(
        slice_chart(f"slice-{column}-{i}", words, [r for r in rows if r.variant == variant], ends)
        for i, variant in enumerate(dict.fromkeys(row.variant for row in shown))
    )
    caption = (
        f"Bins of about equally many test rows by {counted}; difference of {metric} with its 95 % interval over seeds, "
        "which speaks about other training runs on these very rows, not about other rows. Each bin stands by itself "
        "(not corrected for the number of bins or variants). Triangles mark intervals that exclude zero."
    )
    if metric != findings.metric:
        caption += (
            f" {metric} of all rows in the bin stands for {findings.metric}: a group rarely has both labels in one bin."
        )
    name, title = f"slices-{slug(column)}", f"Difference of {metric} by {words}"
    return Figure(name, title, _said(shown), charts, caption, 3, _table(rows, words))


def _said(rows: Sequence[SliceRow]) -> str:
    tested = [(row, row.difference) for row in rows if row.difference is not None and row.difference.known]
    apart = [f"{row.variant} at {row.bin.label}: {difference(d.mean)}" for row, d in tested if not d.holds_zero]
    if not apart:
        return "No bin of any variant has an interval that excludes zero."
    return (
        f"The interval excludes zero in {len(apart)} of {len(tested)} bins, where chance alone would give about "
        f"{0.05 * len(tested):.1f}: {'; '.join(apart)}."
    )


def _table(rows: Sequence[SliceRow], words: str) -> Table:
    lines = []
    for row in rows:
        counts = (f"{row.bin.rows.sum():,}", f"{row.num_groups:,}", fixed(row.mean))
        change = difference(row.difference.mean) if row.difference else MISSING
        lines.append((Code(row.variant), row.bin.label, *counts, change, span(row.difference)))
    header = ("Variant", words.capitalize(), "Rows", "Groups with both labels", rows[0].metric, "Difference")
    return Table((*header, "95 % over seeds"), tuple(lines), range(2, 7))


def calibration_section(findings: Findings) -> Section:
    """Draw reliability curves with NE, PCOC and expected calibration error."""
    found: list[Reliability] = []
    refused: list[Block] = []
    for variant in findings.study.variants:
        try:
            found.append(reliability(findings.results, variant.name))
        except ValueError as error:  # noqa: PERF203  (every variant gets its own reason)
            refused.append(absent(f"{variant.name} has no curve", error))
    curves = [curve for curve in found if curve.points]
    if not curves:
        none = absent("No calibration curves: no finished cell saved predictions.")
        return Section("calibration", "Calibration", (none,))
    end = max([0.0, *(end for c in curves for point in c.points for end in point[:4])]) * 1.04 or 1.0
    charts = tuple(
        reliability_chart(f"reliability-{i}", c, findings.tone(c.variant), end) for i, c in enumerate(curves)
    )
    caption = (
        "Mean label against mean prediction in bins of equally many test rows, predictions of all seeds pooled; bars "
        "are 95 % intervals (Wilson) of the label, as if test rows were independent; rows of one group are not quite, "
        "so the true intervals are wider. On the dotted line a prediction is right on average."
    )
    rows = tuple(
        (Code(c.variant), fixed(p), fixed(label), between(low, high), f"{count:,}")
        for c in curves
        for p, label, low, high, count in c.points
        if math.isfinite(p)
    )
    points = Table(("Variant", "Mean prediction", "Mean label", "95 %", "Rows"), rows, range(1, 5))
    said = "; ".join(f"{c.variant}: PCOC {fixed(c.pcoc, 3)}, ECE {fixed(c.ece)}" for c in curves)
    figure = Figure("calibration", "Reliability", f"{said}.", charts, caption, 3, points)
    means = Table(
        ("Variant", "Seeds", "NE", "PCOC", "ECE"),
        tuple((Code(c.variant), str(len(c.seeds)), fixed(c.ne), fixed(c.pcoc), fixed(c.ece)) for c in curves),
        range(1, 5),
        "Means over seeds; NE below 1 beats the base rate, PCOC 1 and ECE 0 are calibrated",
    )
    return Section("calibration", "Calibration", (means, figure, *refused))
