"""Quality against cost: one point a variant, named in the margin."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from hyrec.studies.report.axis import Axis
from hyrec.studies.report.blocks import Tone
from hyrec.studies.report.drawing import Drawing, shorten, text_width
from hyrec.studies.report.forest import MARKERS
from hyrec.studies.report.numbers import fixed, short

_WIDTH, _LEFT, _TOP = 400.0, 48.0, 44.0
_LINE = 17.0
_LONGEST = 18
_APART = 11.0
_MOST_SPREAD = 60.0
_LEAST_SPAN = 1.1


@dataclass(frozen=True)
class CostPoint:
    """A variant in a plane of cost and quality.

    Args:
        name: Variant.
        label: What stands in the margin: the family, and the values of its point without their keys.
        tone: Its verdict.
        cost: Its cost, greater than 0.
        mean: Mean of the metric over seeds.
        low: Lower end of the error bar.
        high: Upper end of the error bar.
    """

    name: str
    label: str
    tone: Tone
    cost: float
    mean: float
    low: float
    high: float


def cost_panel(name: str, metric: str, cost: str, points: Sequence[CostPoint]) -> Drawing:
    """Draw the metric of every variant against a cost on a logarithmic axis.

    Points of nearly equal cost would hide one another: they are set a little apart.

    Args:
        name: Folder-safe name.
        metric: Metric.
        cost: What the cost is, in words.
        points: Variants.
    """
    labels = {point.name: shorten(point.label, _LONGEST) for point in points}
    gutter = max(text_width(label) for label in labels.values()) + 8
    right = _WIDTH - gutter - 22
    height = max(200.0, _LINE * len(points) + 10)
    bottom = _TOP + height
    said = "; ".join(f"{p.name} {fixed(p.mean)} at {short(p.cost)}" for p in points)
    drawing = Drawing(name, f"{metric} against {cost}", f"{said}.", _WIDTH, bottom + 36)
    costs = [p.cost for p in points]
    middle = math.sqrt(min(costs) * max(costs))
    # Costs that are nearly equal shall look nearly equal.
    x = Axis.around([*costs, middle / _LEAST_SPAN, middle * _LEAST_SPAN], _LEFT + 8, right, log=True)
    y = Axis.around([end for p in points for end in (p.low, p.high, p.mean)], bottom, _TOP)
    drawing.text(0, 13, f"{metric} against {cost}", "heading")
    drawing.text(0, 30, metric, "label")
    _frame(drawing, x, y, right, bottom)
    drawing.text(right, bottom + 32, f"{cost} (logarithmic)", "small", anchor="end")
    across = spread([x(p.cost) for p in points], min(_APART, _MOST_SPREAD / len(points)), _LEFT + 8, right)
    down = spread([y(p.mean) for p in points], _LINE, _TOP + 6, bottom)
    for point, point_x, label_y in zip(points, across, down, strict=True):
        drawing.path([(point_x, y(point.mean)), (right + 6, label_y), (right + 14, label_y)], "leader")
    for point, point_x, label_y in zip(points, across, down, strict=True):
        _point(drawing, point, point_x, y)
        drawing.text(right + 18, label_y + 4, labels[point.name], point.tone)
    return drawing


def spread(wanted: Sequence[float], apart: float, low: float, high: float) -> list[float]:
    """Move places as little as needed so that neighbours are at least ``apart`` from each other.

    Args:
        wanted: Where each label would be best, in any order.
        apart: Least distance.
        low: No label comes before it.
        high: No label comes after it; gives way when there is not enough room.

    Example:
        >>> spread([10, 12, 50], 10, 0, 100)
        [6.0, 16.0, 50.0]
    """
    order = sorted(range(len(wanted)), key=lambda i: wanted[i])
    blocks: list[list[float]] = []  # sum of wished starts, labels
    for i in order:
        blocks.append([wanted[i], 1])
        while len(blocks) > 1 and _start(blocks[-2], apart, low, high) + blocks[-2][1] * apart > _start(
            blocks[-1], apart, low, high
        ):
            total, count = blocks.pop()
            blocks[-1][0] += total - blocks[-1][1] * count * apart
            blocks[-1][1] += count
    places = [0.0] * len(wanted)
    number = 0
    for block in blocks:
        start = _start(block, apart, low, high)
        for k in range(int(block[1])):
            places[order[number]] = start + k * apart
            number += 1
    return places


def _start(block: Sequence[float], apart: float, low: float, high: float) -> float:
    total, count = block
    mean = total / count
    return float(max(low, min(mean, high - (count - 1) * apart)))


def _frame(drawing: Drawing, x: Axis, y: Axis, right: float, bottom: float) -> None:
    ticks = y.ticks(5)
    for tick, label in zip(ticks, y.labels(ticks), strict=True):
        drawing.line(_LEFT, y(tick), right, y(tick), "grid")
        drawing.text(_LEFT - 6, y(tick) + 4, label, "small", anchor="end")
    drawing.line(_LEFT, bottom, right, bottom, "axis")
    ticks = x.ticks(3)
    for tick, label in zip(ticks, x.labels(ticks), strict=True):
        drawing.line(x(tick), bottom, x(tick), bottom + 4, "axis")
        drawing.text(x(tick), bottom + 16, label, "small", anchor="middle")


def _point(drawing: Drawing, point: CostPoint, x: float, y: Axis) -> None:
    drawing.line(x, y(point.low), x, y(point.high), f"line-{point.tone} error")
    tip = f"{point.name}: {fixed(point.mean)} at {short(point.cost)}"
    drawing.marker(MARKERS[point.tone], x, y(point.mean), f"fill-{point.tone}", size=5, tip=tip)
