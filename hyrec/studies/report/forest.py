"""Charts with a row a variant: the forest plot, whole and row by row, and the paper's changes beside ours."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from hyrec.studies.analysis.paper import PaperRow
from hyrec.studies.report import style
from hyrec.studies.report.blocks import ForestRow
from hyrec.studies.report.findings import tone_of
from hyrec.studies.report.numbers import percent
from hyrec.studies.report.svg import Chart

_WIDTH, _ROW, _TOP, _HEADING = 800.0, 54.0, 48.0, 28.0
_LEVEL, _PLOT, _NUMBERS = 178.0, (270.0, 560.0), 580.0
_STRIP = (320.0, 160.0)


def forest_limits(rows: Sequence[ForestRow]) -> style.Limits:
    """Return an axis that holds zero, every estimate and both intervals of all rows."""
    found = (end for row in rows for end in (*(row.seeds or ()), *(row.groups or ()), row.estimate or 0.0))
    return style.limits([0.0, *found])


def forest_scale(ends: style.Limits) -> tuple[tuple[float, str], ...]:
    """Return labels of an axis by their place, in per cent of its length; none reaches out."""
    low, high = ends
    rim = 0.04 * (high - low)
    found = style.ticks((low + rim, high - rim), 5)
    return tuple((round(100 * (tick - low) / (high - low), 2), label) for tick, label in found.items())


@style.styled
def forest_strip(name: str, row: ForestRow, ends: style.Limits) -> Chart:
    """Draw the marks of one row, for the table of a page that says the rest and cuts the strip to the row's height."""
    figure, axes = style.canvas(*_STRIP, (0, _STRIP[0], 0, _STRIP[1]))
    axes.set_xlim(ends)
    axes.set_ylim(_STRIP[1] / 2, -_STRIP[1] / 2)
    axes.set_axis_off()
    axes.axvline(0, **style.ZERO)
    _draw(axes, row, 0.0 if row.seeds is None and row.groups is None else -6.0)
    return Chart(name, "", "", figure)


@style.styled
def forest_chart(
    name: str,
    title: str,
    metric: str,
    direction: tuple[str, str],
    groups: Mapping[str, Sequence[ForestRow]],
    group_word: str,
) -> Chart:
    """Draw differences with both intervals on one axis, with names, levels and numbers beside it.

    The direction says what lies left and right of zero. Rows are grouped by heading, which is empty without a grid.
    """
    rows = [row for group in groups.values() for row in group]
    bottom = _TOP + _ROW * len(rows) + _HEADING * sum(map(bool, groups))
    figure, axes = style.canvas(_WIDTH, bottom + 52, (*_PLOT, 44, bottom))
    _rows(figure, axes, forest_limits(rows), direction, 5)
    for x, words in ((0.0, "Variant"), (_LEVEL, style.shorten(metric, 11)), (_NUMBERS, "Difference")):
        style.write(figure, x, 34, words, color=style.MUTED)
    y = _TOP
    for heading, group in groups.items():
        if heading:
            style.write(figure, 0, y + 19, heading, color=style.MUTED)
            y += _HEADING
        for row in group:
            _draw(axes, row, y + _ROW / 2 - 6)
            _words(figure, row, y + _ROW / 2)
            y += _ROW
            _rule(figure, y)
    y = bottom + 30
    _interval(figure, 0, 32, y, 3)
    style.write(figure, 40, y + 4, "95 % interval over seeds", **style.SMALL)
    _interval(figure, 228, 258, y, 1.25)
    style.write(figure, 266, y + 4, f"95 % interval over {group_word}, these trained models", **style.SMALL)
    said = "; ".join(f"{row.name}: {row.lines[0]}, {row.verdict}" for row in rows if row.lines)
    return Chart(name, title, f"Differences of {metric} to the baseline. {said}.", figure)


@style.styled
def paper_chart(name: str, metric: str, baseline: str, rows: Sequence[PaperRow]) -> Chart:
    """Draw our relative changes with their intervals, filled, and below each the paper's, hollow."""
    top, height = 76.0, 34.0
    bottom = top + height * len(rows)
    figure, axes = style.canvas(400, bottom + 8, (150, 388, 70, bottom))
    style.write(figure, 0, 13, style.shorten(f"{metric}, relative to {baseline}", 50), size=13, weight="bold")
    ends = [100 * v for one in rows for v in (one.row.relative_auc or 0.0, one.low, one.high, one.paper, 0.0)]
    _rows(figure, axes, style.limits(ends), ("worse", "better"), 4, " %")
    for number, one in enumerate(rows):
        y, tone = top + height * (number + 0.5), tone_of(one.row)
        style.write(figure, 0, y + 4, style.shorten(one.row.variant, 18), weight="bold")
        if math.isfinite(one.low):
            style.bar(axes, [100 * one.low, 100 * one.high], [y - 5, y - 5], style.TONES[tone], 3)
        if one.row.relative_auc is not None:
            style.mark(axes, 100 * one.row.relative_auc, y - 5, tone, size=9)
        hollow = {"markerfacecolor": style.COLOURS["ground"], "markeredgewidth": 1.5}
        style.mark(axes, 100 * one.paper, y + 7, "baseline", size=7, tip=f"paper: {percent(one.paper)}", **hollow)
        _rule(figure, y + height / 2)
    said = "; ".join(
        f"{one.row.variant}: here {percent(one.row.relative_auc)}, paper {percent(one.paper)}" for one in rows
    )
    title = f"Relative change of {metric} to {baseline}, here and in the paper"
    return Chart(name, title, f"{said}.", figure)


def _rows(
    figure: Figure, axes: Axes, ends: style.Limits, direction: tuple[str, str], count: int, unit: str = ""
) -> None:
    """Make the plot of a chart with rows: upright it counts units, its axis lies on top, and zero runs through."""
    top, bottom = (figure.bbox.height - end for end in (axes.bbox.y1, axes.bbox.y0))
    axes.set_ylim(bottom, top)
    axes.set_yticks([])
    axes.xaxis.tick_top()
    axes.tick_params(axis="x", pad=6)
    style.scale_x(axes, ends, count, unit=unit)
    axes.spines["bottom"].set_visible(False)
    axes.axvline(0, **style.ZERO)
    style.write(figure, axes.bbox.x0, top - 33, f"← {direction[0]}", color=style.MUTED)
    style.write(figure, axes.bbox.x1, top - 33, f"{direction[1]} →", color=style.MUTED, ha="right")
    _rule(figure, top, "rule")


def _draw(axes: Axes, row: ForestRow, y: float) -> None:
    """Draw estimate and interval over seeds at ``y`` in units, and the interval over groups below them."""
    color = style.TONES[row.tone]
    if row.seeds is not None:
        style.bar(axes, row.seeds, [y, y], color, 3)
    if row.groups is not None:
        style.bar(axes, row.groups, [y + 13, y + 13], color, 1.25)
        for end in row.groups:
            style.bar(axes, [end, end], [y + 9.5, y + 16.5], color, 1.25)
    if row.estimate is not None:
        style.mark(axes, row.estimate, y, row.tone, size=11)


def _words(figure: Figure, row: ForestRow, y: float) -> None:
    style.write(figure, 0, y - 2, style.shorten(row.name, 22), weight="bold")
    style.write(figure, 0, y + 13, row.verdict, size=11, color=style.TONES[row.tone])
    for number, text in enumerate(row.level.split("\n")):
        style.write(figure, _LEVEL, y - 2 + 15 * number, text, **(style.SMALL if number else {}))
    first = y - (9 if len(row.lines) > 2 else 3)
    for number, text in enumerate(row.lines):
        style.write(figure, _NUMBERS, first + 14.5 * number, text, **(style.SMALL if number else {}))


def _interval(figure: Figure, left: float, right: float, y: float, width: float) -> None:
    style.line(figure, [(left, y), (right, y)], style.TONES["neutral"], width)
    for end in (left, right) if width < 2 else ():
        style.line(figure, [(end, y - 3.5), (end, y + 3.5)], style.TONES["neutral"], width)


def _rule(figure: Figure, y: float, color: str = "faint") -> None:
    style.line(figure, [(0, y), (figure.bbox.width, y)], style.COLOURS[color])
