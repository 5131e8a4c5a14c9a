"""Charts with a row a variant: the forest plot, whole and row by row, and the paper's changes beside ours."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from hyrec.studies.report.blocks import ForestRow
from hyrec.studies.report.numbers import percent
from hyrec.studies.report.style import (
    COLOURS,
    MUTED,
    TONES,
    ZERO,
    Limits,
    bar,
    canvas,
    limits,
    line,
    mark,
    scale_x,
    shorten,
    styled,
    write,
)
from hyrec.studies.report.svg import Chart

if TYPE_CHECKING:
    from hyrec.studies.report.paper import PaperRow

_WIDTH, _ROW, _TOP, _HEADING = 800.0, 54.0, 48.0, 28.0
_LEVEL, _PLOT, _NUMBERS = 178.0, (270.0, 560.0), 580.0
_STRIP = (320.0, 160.0)


def forest_limits(rows: Sequence[ForestRow]) -> Limits:
    """Return an axis that holds zero, every estimate and both intervals of all rows."""
    return limits([0.0, *(end for row in rows for end in (*(row.seeds or ()), *(row.groups or ()), row.estimate or 0.0))])


@styled
def forest_strip(name: str, row: ForestRow, ends: Limits) -> Chart:
    """Draw the marks of one row, for the table of a page that says the rest and cuts the strip to the row's height."""
    figure, axes = canvas(*_STRIP, (0, _STRIP[0], 0, _STRIP[1]))
    axes.set_xlim(ends)
    axes.set_ylim(_STRIP[1] / 2, -_STRIP[1] / 2)
    axes.set_axis_off()
    axes.axvline(0, **ZERO)
    _draw(axes, row, 0.0 if row.seeds is None and row.groups is None else -6.0)
    return Chart(name, "", "", figure)


@styled
def forest_chart(
    name: str,
    title: str,
    metric: str,
    direction: tuple[str, str],
    groups: Sequence[tuple[str, Sequence[ForestRow]]],
    group_word: str,
) -> Chart:
    """Draw differences with both intervals on one axis, with names, levels and numbers beside it.

    Args:
        name: Folder-safe name.
        title: What is compared.
        metric: Metric.
        direction: What lies left and right of zero.
        groups: Rows under a heading each; the heading is empty without a grid.
        group_word: What the groups of the bootstrap are called.
    """
    rows = [row for _, group in groups for row in group]
    bottom = _TOP + _ROW * len(rows) + _HEADING * sum(1 for heading, _ in groups if heading)
    figure, axes = canvas(_WIDTH, bottom + 52, (*_PLOT, 44, bottom))
    _rows(axes, forest_limits(rows), direction, 5)
    for x, words in ((0.0, "Variant"), (_LEVEL, shorten(metric, 11)), (_NUMBERS, "Difference")):
        write(figure, x, 34, words, color=MUTED)
    _rule(figure, 44, COLOURS["rule"])
    y = _TOP
    for heading, group in groups:
        if heading:
            write(figure, 0, y + 19, heading, color=MUTED)
            y += _HEADING
        for row in group:
            _draw(axes, row, y + _ROW / 2 - 6)
            _words(figure, row, y + _ROW / 2)
            y += _ROW
            _rule(figure, y, COLOURS["faint"])
    _key(figure, bottom + 34, group_word)
    said = "; ".join(f"{row.name}: {row.lines[0]}, {row.verdict}" for row in rows if row.lines)
    return Chart(name, title, f"Differences of {metric} to the baseline. {said}.", figure)


@styled
def paper_chart(name: str, title: str, heading: str, rows: Sequence[PaperRow]) -> Chart:
    """Draw our relative changes, filled, over those of the paper, hollow.

    Args:
        name: Folder-safe name.
        title: What is compared.
        heading: The same, short enough to stand above the chart.
        rows: Variants.
    """
    width, top, height = 400.0, 76.0, 34.0
    bottom = top + height * len(rows)
    figure, axes = canvas(width, bottom + 8, (150, 388, 70, bottom))
    ends = limits([0.0, *(100 * value for row in rows for value in (row.ours or 0.0, row.low, row.high, row.paper))])
    write(figure, 0, 13, heading, size=13, weight="bold")
    _rows(axes, ends, ("worse", "better"), 4, " %")
    _rule(figure, 70, COLOURS["rule"])
    for number, row in enumerate(rows):
        y = top + height * (number + 0.5)
        write(figure, 0, y + 4, shorten(row.variant, 18), weight="bold")
        if math.isfinite(row.low):
            bar(axes, [100 * row.low, 100 * row.high], [y - 5, y - 5], TONES[row.tone], 3)
        if row.ours is not None:
            mark(axes, 100 * row.ours, y - 5, row.tone, size=9)
        tip = f"paper: {percent(row.paper)}"
        hollow = {"markerfacecolor": COLOURS["ground"], "markeredgewidth": 1.5}
        mark(axes, 100 * row.paper, y + 7, "baseline", size=7, tip=tip, **hollow)
        _rule(figure, y + height / 2, COLOURS["faint"])
    said = "; ".join(f"{row.variant}: here {percent(row.ours)}, paper {percent(row.paper)}" for row in rows)
    return Chart(name, title, f"{said}.", figure)


def _rows(axes: Axes, ends: Limits, direction: tuple[str, str], count: int, unit: str = "") -> None:
    """Make the plot of a chart with rows: its axis lies above them, and zero runs through."""
    figure = axes.get_figure(root=True)
    assert figure is not None
    top, bottom = (figure.bbox.height - end for end in (axes.bbox.y1, axes.bbox.y0))
    axes.set_ylim(bottom, top)
    axes.set_yticks([])
    scale_x(axes, ends, count)
    axes.set_xticks(axes.get_xticks(), [f"{label.get_text()}{unit}" for label in axes.get_xticklabels()])
    axes.xaxis.tick_top()
    axes.spines["bottom"].set_visible(False)
    axes.plot([0, 0], [top, bottom], **ZERO)
    write(figure, axes.bbox.x0, top - 33, f"← {direction[0]}", color=MUTED)
    write(figure, axes.bbox.x1, top - 33, f"{direction[1]} →", color=MUTED, ha="right")


def _draw(axes: Axes, row: ForestRow, y: float) -> None:
    """Draw a row: the interval over seeds at ``y`` in units, that over groups below it."""
    color = TONES[row.tone]
    if row.seeds is not None:
        bar(axes, row.seeds, [y, y], color, 3)
    if row.groups is not None:
        bar(axes, row.groups, [y + 13, y + 13], color, 1.25)
        for end in row.groups:
            bar(axes, [end, end], [y + 9.5, y + 16.5], color, 1.25)
    if row.estimate is not None:
        mark(axes, row.estimate, y, row.tone, size=11)


def _words(figure: Figure, row: ForestRow, y: float) -> None:
    write(figure, 0, y - 2, shorten(row.name, 22), weight="bold")
    write(figure, 0, y + 13, row.verdict, size=11, color=TONES[row.tone])
    for number, line in enumerate(row.level.split("\n")):
        write(figure, _LEVEL, y - 2 + 15 * number, line, **({"size": 11, "color": MUTED} if number else {}))
    first = y - (9 if len(row.lines) > 2 else 3)
    for number, line in enumerate(row.lines):
        write(figure, _NUMBERS, first + 14.5 * number, line, **({"size": 11, "color": MUTED} if number else {}))


def _rule(figure: Figure, y: float, color: str) -> None:
    """Draw a line from side to side."""
    line(figure, [(0, y), (figure.bbox.width, y)], color)


def _key(figure: Figure, y: float, group_word: str) -> None:
    line(figure, [(0, y - 4), (32, y - 4)], TONES["neutral"], 3)
    line(figure, [(228, y - 4), (258, y - 4)], TONES["neutral"], 1.25)
    for end in (228.0, 258.0):
        line(figure, [(end, y - 7.5), (end, y - 0.5)], TONES["neutral"], 1.25)
    write(figure, 40, y, "95 % interval over seeds", size=11, color=MUTED)
    write(figure, 266, y, f"95 % interval over {group_word}, these trained models", size=11, color=MUTED)
