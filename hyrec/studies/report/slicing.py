"""The sections on slices of the test rows and on calibration, from saved predictions."""

from __future__ import annotations

import math
from collections.abc import Mapping

import pyarrow.parquet as pq

from hyrec.studies.analysis.calibration import Reliability, reliability
from hyrec.studies.analysis.slices import SliceRow, slice_metric
from hyrec.studies.report.blocks import Block, Code, Figure, Inline, Section, Table, Text, absent
from hyrec.studies.report.calibration import reliability_axes, reliability_panel
from hyrec.studies.report.findings import Findings, fold
from hyrec.studies.report.numbers import MISSING, digits_for, fixed, signed, span
from hyrec.studies.report.slices import slice_axis, slice_panel
from hyrec.studies.run.rows import ROWS_FILE

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
        return _without("slices", f"No slices: {ROWS_FILE} is missing, so nothing is known about the test rows.")
    names = pq.read_schema(path).names
    blocks: list[Block] = []
    for column, (words, counted) in COLUMNS.items():
        if column not in names:
            blocks.append(absent(f"Nothing by {words}: {ROWS_FILE} has no column {column}."))
            continue
        try:
            rows = slice_metric(findings.results, findings.metric, column)
        except ValueError as error:
            blocks.append(absent(f"Nothing by {words}: {str(error).rstrip('.')}."))
            continue
        blocks.append(_slices(findings, rows, column, words, counted))
    return Section("slices", "Where the differences are", tuple(blocks))


def _without(anchor: str, reason: str) -> Section:
    titles = {"slices": "Where the differences are", "calibration": "Calibration"}
    return Section(anchor, titles[anchor], (absent(reason),))


def _slices(findings: Findings, rows: list[SliceRow], column: str, words: str, counted: str) -> Block:
    shown = [row for row in rows if row.variant != findings.baseline_of(row.variant) and row.difference is not None]
    if not shown:
        return absent(f"Nothing by {words}: no variant and its baseline have a seed in common with predictions.")
    axis = slice_axis(shown)
    better = float(shown[0].direction)
    variants = list(dict.fromkeys(row.variant for row in shown))
    panels = tuple(
        slice_panel(f"slice-{column}-{i}", words, [r for r in rows if r.variant == variant], better, axis)
        for i, variant in enumerate(variants)
    )
    metric = shown[0].metric
    caption = (
        f"Bins of about equally many test rows by {counted}; difference of {metric} with its 95 % interval over seeds, "
        "which speaks about other training runs on these very rows, not about other rows. Each bin stands by itself "
        "(not corrected for the number of bins or variants). Triangles mark intervals that exclude zero."
    )
    if metric != findings.metric:
        caption += (
            f" {metric} of all rows in the bin stands for {findings.metric}: a group rarely has both labels in one bin."
        )
    title = f"Difference of {metric} by {words}"
    return fold(
        Figure(f"slices-{column.replace('_', '-')}", title, _said(shown), panels, caption, 3, _table(rows, words))
    )


def _said(rows: list[SliceRow]) -> str:
    apart = [
        row for row in rows if row.difference is not None and row.difference.known and not row.difference.holds_zero
    ]
    if not apart:
        return "No bin of any variant has an interval that excludes zero."
    tested = sum(row.difference is not None and row.difference.known for row in rows)
    parts = [
        f"{r.variant} at {r.bin_label}: {signed(r.difference.mean, digits_for(r.difference.mean))}"
        for r in apart
        if r.difference is not None
    ]
    return (
        f"The interval excludes zero in {len(apart)} of {tested} bins, where chance alone would give about "
        f"{0.05 * tested:.1f}: {'; '.join(parts)}."
    )


def _table(rows: list[SliceRow], words: str) -> Table:
    lines: list[tuple[Inline, ...]] = [
        (
            Code(row.variant),
            row.bin_label,
            f"{row.num_rows:,}",
            f"{row.num_groups:,}",
            fixed(row.mean),
            signed(row.difference.mean, digits_for(row.difference.mean)) if row.difference else MISSING,
            span(row.difference.low, row.difference.high) if row.difference else MISSING,
        )
        for row in rows
    ]
    header = ("Variant", words.capitalize(), "Rows", "Groups with both labels", rows[0].metric, "Difference")
    return Table((*header, "95 % over seeds"), tuple(lines), frozenset(range(2, 7)))


def calibration_section(findings: Findings) -> Section:
    """Draw reliability curves with NE, PCOC and expected calibration error."""
    curves: list[Reliability] = []
    blocks: list[Block] = []
    for variant in findings.study.variants:
        curve = _reliability(findings, variant.name)
        if isinstance(curve, Reliability):
            curves.append(curve)
        else:
            blocks.append(curve)
    drawn = [curve for curve in curves if curve.points]
    if not drawn:
        return _without("calibration", "No calibration curves: no finished cell saved predictions.")
    x, y = reliability_axes(drawn)
    panels = tuple(
        reliability_panel(f"reliability-{i}", curve, findings.tone(curve.variant), x, y)
        for i, curve in enumerate(drawn)
    )
    caption = (
        "Mean label against mean prediction in bins of equally many test rows, predictions of all seeds pooled; bars "
        "are 95 % intervals (Wilson) of the label, as if test rows were independent; rows of one group are not quite, "
        "so the true intervals are wider. On the dotted line a prediction is right on average."
    )
    said = "; ".join(f"{c.variant}: PCOC {fixed(c.pcoc, 3)}, ECE {fixed(c.ece)}" for c in drawn)
    figure = Figure("calibration", "Reliability", f"{said}.", panels, caption, 3, _points_table(drawn))
    return Section("calibration", "Calibration", (_summary_table(drawn), fold(figure), *blocks))


def _reliability(findings: Findings, variant: str) -> Reliability | Text:
    try:
        return reliability(findings.results, variant)
    except ValueError as error:
        return absent(f"{variant} has no curve: {str(error).rstrip('.')}.")


def _summary_table(curves: list[Reliability]) -> Table:
    rows: list[tuple[Inline, ...]] = [
        (Code(c.variant), str(len(c.seeds)), fixed(c.ne), fixed(c.pcoc), fixed(c.ece)) for c in curves
    ]
    caption = "Means over seeds; NE below 1 beats the base rate, PCOC 1 and ECE 0 are calibrated"
    return Table(("Variant", "Seeds", "NE", "PCOC", "ECE"), tuple(rows), frozenset({1, 2, 3, 4}), caption)


def _points_table(curves: list[Reliability]) -> Table:
    rows: list[tuple[Inline, ...]] = [
        (Code(c.variant), fixed(p), fixed(label), f"{fixed(low)} to {fixed(high)}", f"{count:,}")
        for c in curves
        for p, label, low, high, count in c.points
        if math.isfinite(p)
    ]
    return Table(("Variant", "Mean prediction", "Mean label", "95 %", "Rows"), tuple(rows), frozenset({1, 2, 3, 4}))
