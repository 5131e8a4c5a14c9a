"""The sections on slices of the test rows and on calibration, from saved predictions."""

from __future__ import annotations

from collections.abc import Container, Mapping

import pyarrow.parquet as pq

from hyrec.studies.analysis.calibration import Point, reliability
from hyrec.studies.analysis.slices import SliceRow, slice_metric
from hyrec.studies.report.blocks import Block, Code, Figure, Section, Table, absent
from hyrec.studies.report.charts import Row, interval_chart, reliability_chart
from hyrec.studies.report.findings import Findings, Tone
from hyrec.studies.report.numbers import MISSING, difference, fixed, slug, span
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
    shown = [(row, row.difference) for row in rows if row.difference is not None]
    if not shown:
        return absent(f"Nothing by {words}: no variant and its baseline have a seed in common with predictions.")
    metric = rows[0].metric
    low, high = (
        pick(end for _, i in shown for end in (0.0, i.low, i.high, i.mean) if end == end) for pick in (min, max)
    )
    ends = (low - 0.06 * (high - low), high + 0.06 * (high - low)) if low < high else None
    charts = []
    for number, variant in enumerate(dict.fromkeys(row.variant for row, _ in shown)):
        bins = [Row(row.bin.label, _tone(row), row.difference) for row in rows if row.variant == variant]
        name, title = f"slice-{slug(column)}-{number}", f"Difference of {variant} to the baseline by {words}"
        charts.append(interval_chart(name, title, bins, f"difference of {metric}", heading=variant, ends=ends))
    caption = (
        f"Bins of about equally many test rows by {counted}; difference of {metric} with its 95 % interval over seeds, "
        "which speaks about other training runs on these very rows, not about other rows. Each bin stands by itself "
        "(not corrected for the number of bins or variants). Triangles mark intervals that exclude zero."
    )
    if metric != findings.metric:
        caption += (
            f" {metric} of all rows in the bin stands for {findings.metric}: a group rarely has both labels in one bin."
        )
    lines = []
    for row in rows:
        counts = (f"{row.bin.rows.sum():,}", f"{row.num_groups:,}", fixed(row.mean))
        change = difference(row.difference.mean) if row.difference else MISSING
        lines.append((Code(row.variant), row.bin.label, *counts, change, span(row.difference)))
    header = ("Variant", words.capitalize(), "Rows", "Groups with both labels", metric, "Difference", "95 % over seeds")
    table = Table(header, tuple(lines), range(2, 7))
    return Figure(f"Difference of {metric} by {words}", tuple(charts), caption, table)


def _tone(row: SliceRow) -> Tone:
    """Colour of a bin by its own interval: nothing is corrected for the number of bins."""
    if not row.direction or row.difference is None or row.difference.holds_zero:
        return "neutral"
    return "better" if row.difference.mean * row.direction > 0 else "worse"


def calibration_section(findings: Findings) -> Section:
    """Draw reliability curves, beside NE, PCOC and expected calibration error as the cells logged them."""
    curves: dict[str, tuple[Point, ...]] = {}
    refused: list[Block] = []
    for variant in findings.study.variants:
        try:
            curves[variant.name] = reliability(findings.results, variant.name)
        except ValueError as error:  # noqa: PERF203  (every variant gets its own reason)
            refused.append(absent(f"{variant.name} has no curve", error))
    if not curves:
        none = absent("No calibration curves: no finished cell saved predictions.")
        return Section("calibration", "Calibration", (none,))
    end = max([0.0, *(end for points in curves.values() for *ends, _ in points for end in ends)]) * 1.04 or 1.0
    charts = tuple(
        reliability_chart(f"reliability-{i}", variant, points, findings.tone(variant), end)
        for i, (variant, points) in enumerate(curves.items())
    )
    caption = (
        "Mean label against mean prediction in bins of equally many test rows, predictions of all seeds pooled. On the "
        "dotted line a prediction is right on average."
    )
    rows = tuple(
        (Code(variant), fixed(pred), fixed(label), f"{100 * share:.1f} %")
        for variant, points in curves.items()
        for pred, label, share in points
    )
    bins = Table(("Variant", "Mean prediction", "Mean label", "Rows"), rows, range(1, 4))
    figure = Figure("Reliability", charts, caption, bins)
    means = []
    for variant in findings.study.variants:
        logged = [list(findings.results.finite(variant.name, metric).values()) for metric in ("ne", "pcoc", "ece")]
        means.append((Code(variant.name), *(fixed(sum(v) / len(v)) if v else MISSING for v in logged)))
    told = "Means over seeds; NE below 1 beats the base rate, PCOC 1 and ECE 0 are calibrated"
    table = Table(("Variant", "NE", "PCOC", "ECE"), tuple(means), range(1, 4), told)
    return Section("calibration", "Calibration", (table, figure, *refused))
