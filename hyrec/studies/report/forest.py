"""The forest plot: every variant's difference to the baseline with both intervals, on one axis."""

from __future__ import annotations

from collections.abc import Sequence

from hyrec.studies.report.axis import Axis
from hyrec.studies.report.blocks import ForestRow, Tone
from hyrec.studies.report.drawing import Drawing, Shape, shorten

MARKERS: dict[Tone, Shape] = {"better": "up", "worse": "down", "neutral": "circle", "baseline": "diamond"}
"""Marker by verdict, so that no chart depends on colour."""

_WIDTH, _ROW, _TOP = 800.0, 54.0, 48.0
_NAME, _LEVEL, _PLOT, _NUMBERS = 0.0, 178.0, (270.0, 560.0), 580.0


def forest_axis(rows: Sequence[ForestRow], start: float, end: float) -> Axis:
    """Return an axis that holds zero, every estimate and both intervals of all rows."""
    ends = [0.0]
    for row in rows:
        ends += [value for pair in (row.seeds, row.groups) if pair is not None for value in pair]
        ends += [row.estimate] if row.estimate is not None else []
    return Axis.around(ends, start, end)


def forest_drawing(
    name: str,
    title: str,
    metric: str,
    direction: tuple[str, str],
    groups: Sequence[tuple[str, Sequence[ForestRow]]],
    group_word: str,
) -> Drawing:
    """Draw a forest plot as one drawing, with names, levels and numbers beside it.

    Args:
        name: Folder-safe name.
        title: What is compared.
        metric: Metric.
        direction: What lies left and right of zero.
        groups: Rows under a heading each.
        group_word: What the groups of the bootstrap are called.
    """
    rows = [row for _, group in groups for row in group]
    headings = sum(1 for heading, _ in groups if heading)
    bottom = _TOP + _ROW * len(rows) + 28.0 * headings
    said = "; ".join(f"{row.name}: {row.lines[0]}, {row.verdict}" for row in rows if row.lines)
    drawing = Drawing(name, title, f"Differences of {metric} to the baseline. {said}.", _WIDTH, bottom + 52)
    axis = forest_axis(rows, *_PLOT)
    _frame(drawing, axis, metric, direction, bottom)
    y = _TOP
    for heading, group in groups:
        if heading:
            drawing.text(_NAME, y + 19, heading, "label")
            y += 28
        for row in group:
            _row(drawing, axis, row, y + _ROW / 2)
            drawing.line(_NAME, y + _ROW, _WIDTH, y + _ROW, "grid")
            y += _ROW
    _key(drawing, bottom + 34, group_word)
    return drawing


def _frame(drawing: Drawing, axis: Axis, metric: str, direction: tuple[str, str], bottom: float) -> None:
    drawing.text(_NAME, 34, "Variant", "label")
    drawing.text(_LEVEL, 34, shorten(metric, 11), "label")
    drawing.text(_NUMBERS, 34, "Difference", "label")
    drawing.text(_PLOT[0], 11, f"← {direction[0]}", "label")
    drawing.text(_PLOT[1], 11, f"{direction[1]} →", "label", anchor="end")
    ticks = axis.ticks(5)
    for tick, label in zip(ticks, axis.labels(ticks), strict=True):
        drawing.text(axis(tick), 34, label, "small", anchor="middle")
        drawing.line(axis(tick), 39, axis(tick), 44, "axis")
    drawing.line(axis(0), 44, axis(0), bottom, "zero")
    drawing.line(_NAME, 44, _WIDTH, 44, "axis")


def _row(drawing: Drawing, axis: Axis, row: ForestRow, y: float) -> None:
    drawing.text(_NAME, y - 2, shorten(row.name, 22), "strong")
    drawing.text(_NAME, y + 13, row.verdict, f"small {row.tone}")
    for number, line in enumerate(row.level.split("\n")):
        drawing.text(_LEVEL, y - 2 + 15 * number, line, "small" if number else "value")
    for number, line in enumerate(row.lines):
        drawing.text(
            _NUMBERS, y - 9 + 14.5 * number + (6 if len(row.lines) < 3 else 0), line, "small" if number else ""
        )
    if row.seeds is not None:
        drawing.line(axis(row.seeds[0]), y - 6, axis(row.seeds[1]), y - 6, f"line-{row.tone} seeds")
    if row.groups is not None:
        low, high = (axis(end) for end in row.groups)
        drawing.line(low, y + 8, high, y + 8, f"line-{row.tone} groups")
        for end in (low, high):
            drawing.line(end, y + 4.5, end, y + 11.5, f"line-{row.tone} groups")
    if row.estimate is not None:
        drawing.marker(MARKERS[row.tone], axis(row.estimate), y - 6, f"fill-{row.tone}", size=5.5)


def _key(drawing: Drawing, y: float, group_word: str) -> None:
    drawing.line(_NAME, y - 4, 32, y - 4, "line-neutral seeds")
    drawing.text(40, y, "95 % interval over seeds", "small")
    drawing.line(228, y - 4, 258, y - 4, "line-neutral groups")
    for end in (228.0, 258.0):
        drawing.line(end, y - 7.5, end, y - 0.5, "line-neutral groups")
    drawing.text(266, y, f"95 % interval over {group_word}, these trained models", "small")
