"""The frame of a small panel: grid lines and tick labels."""

from __future__ import annotations

from hyrec.studies.report.axis import Axis
from hyrec.studies.report.drawing import Anchor, Drawing
from hyrec.studies.report.numbers import short


def frame(drawing: Drawing, x: Axis, y: Axis, box: tuple[float, float, float, float], *, x_ticks: int = 4) -> None:
    """Draw grid lines and tick labels of a small panel.

    Args:
        drawing: Where to draw.
        x: Horizontal axis.
        y: Vertical axis.
        box: Left, right, top and bottom of the plot.
        x_ticks: About how many ticks the horizontal axis has; 0 for none.
    """
    left, right, _, bottom = box
    ticks = y.ticks(4)
    for tick, label in zip(ticks, y.labels(ticks), strict=True):
        drawing.line(left, y(tick), right, y(tick), "grid")
        drawing.text(left - 6, y(tick) + 4, label, "small", anchor="end")
    drawing.line(left, bottom, right, bottom, "axis")
    ticks = x.ticks(x_ticks) if x_ticks else []
    labels = [short(tick) for tick in ticks] if x.high >= 10_000 else x.labels(ticks)
    for tick, label in zip(ticks, labels, strict=True):
        drawing.line(x(tick), bottom, x(tick), bottom + 4, "axis")
        anchor: Anchor = "end" if x(tick) > right - 14 else "middle"
        drawing.text(min(x(tick), right), bottom + 16, label, "small", anchor=anchor)
