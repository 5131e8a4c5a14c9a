"""Differences to the baseline by slice of the test rows."""

from __future__ import annotations

from collections.abc import Sequence

from hyrec.studies.analysis.slices import SliceRow
from hyrec.studies.report.axis import Axis
from hyrec.studies.report.blocks import Tone
from hyrec.studies.report.drawing import Drawing, shorten
from hyrec.studies.report.forest import MARKERS
from hyrec.studies.report.numbers import short, signed, span
from hyrec.studies.report.panel import frame

_WIDTH, _HEIGHT = 300.0, 180.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 52.0, 292.0, 44.0, 146.0


def slice_panel(name: str, subtitle: str, rows: Sequence[SliceRow], better: float, y: Axis) -> Drawing:
    """Draw the difference of one variant to the baseline in each bin, with intervals over seeds.

    Args:
        name: Folder-safe name.
        subtitle: What the rows are sliced by, and the metric.
        rows: One row a bin, from small to large values; those without a difference are left empty.
        better: 1 where larger is better, −1 where smaller is, 0 where neither is.
        y: Differences; shared between panels.
    """
    variant = rows[0].variant
    said = "; ".join(
        f"{row.bin_label}: {signed(row.difference.mean)} {span(row.difference.low, row.difference.high)}"
        for row in rows
        if row.difference is not None
    )
    title = f"Difference of {variant} to the baseline by {subtitle}"
    drawing = Drawing(name, title, f"{said or 'No differences'}.", _WIDTH, _HEIGHT)
    drawing.text(0, 13, shorten(variant, 33), "heading")
    drawing.text(0, 30, f"Difference of {rows[0].metric}", "label")
    x = Axis(-0.5, len(rows) - 0.5, _LEFT, _RIGHT)
    frame(drawing, x, y, (_LEFT, _RIGHT, _TOP, _BOTTOM), x_ticks=0)
    drawing.line(_LEFT, y(0), _RIGHT, y(0), "zero")
    for number, row in enumerate(rows):
        lines = bin_lines(row.low, row.high)
        for k, line in enumerate(lines):
            drawing.text(x(number), _BOTTOM + 16 + 12 * k, line, "small", anchor="middle")
        if row.difference is None:
            continue
        tone = slice_tone(row, better)
        if row.difference.known:
            drawing.line(x(number), y(row.difference.low), x(number), y(row.difference.high), f"line-{tone} error")
        tip = f"{row.bin_label}: {signed(row.difference.mean)}"
        drawing.marker(MARKERS[tone], x(number), y(row.difference.mean), f"fill-{tone}", tip=tip)
    return drawing


def slice_axis(rows: Sequence[SliceRow]) -> Axis:
    """Return an axis that holds zero and all intervals."""
    ends = [0.0]
    for row in rows:
        if row.difference is not None:
            ends += [row.difference.low, row.difference.high, row.difference.mean]
    return Axis.around(ends, _BOTTOM, _TOP)


def slice_tone(row: SliceRow, better: float) -> Tone:
    """Colour a bin by whether its own interval excludes zero; nothing is corrected for the number of bins."""
    if row.difference is None or row.difference.holds_zero or not better:
        return "neutral"
    return "better" if row.difference.mean * better > 0 else "worse"


def bin_lines(low: float, high: float) -> tuple[str, ...]:
    """Name a bin so briefly that five names stand side by side.

    Example:
        >>> bin_lines(4, 4), bin_lines(4, 12), bin_lines(1204, 35211)
        (('4',), ('4–12',), ('1,204', '–35 k'))
    """
    if low == high:
        return (_brief(low),)
    name = f"{_brief(low)}–{_brief(high)}"
    return (name,) if len(name) <= 6 else (_brief(low), f"–{_brief(high)}")


def _brief(value: float) -> str:
    if abs(value) >= 10_000:
        return short(float(f"{value:.2g}"))
    return f"{value:,.0f}" if value == round(value) else f"{value:.2g}"
