"""Reliability curves: mean label against mean prediction."""

from __future__ import annotations

from collections.abc import Sequence

from hyrec.studies.analysis.calibration import Reliability
from hyrec.studies.report.axis import Axis
from hyrec.studies.report.blocks import Tone
from hyrec.studies.report.drawing import Drawing, shorten
from hyrec.studies.report.numbers import fixed
from hyrec.studies.report.panel import frame

_WIDTH, _HEIGHT = 300.0, 292.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 44.0, 292.0, 44.0, 256.0


def reliability_panel(name: str, curve: Reliability, tone: Tone, x: Axis, y: Axis) -> Drawing:
    """Draw the reliability curve of a variant; the dotted diagonal is a calibrated model.

    Args:
        name: Folder-safe name.
        curve: The points.
        tone: Verdict of the variant, for its colour.
        x: Mean prediction; shared between panels.
        y: Mean label; shared between panels.
    """
    facts = f"NE {fixed(curve.ne)} · PCOC {fixed(curve.pcoc, 3)} · ECE {fixed(curve.ece)}"
    drawing = Drawing(name, f"Reliability of {curve.variant}", f"{facts}.", _WIDTH, _HEIGHT)
    drawing.text(0, 13, shorten(curve.variant, 33), "heading")
    drawing.text(0, 30, facts, "label")
    frame(drawing, x, y, (_LEFT, _RIGHT, _TOP, _BOTTOM))
    low, high = max(x.low, y.low), min(x.high, y.high)
    drawing.line(x(low), y(low), x(high), y(high), "zero")
    drawing.text(_RIGHT, _BOTTOM + 32, "mean prediction", "small", anchor="end")
    drawing.text(_LEFT + 6, _TOP + 10, "mean label", "small")
    drawing.path([(x(p), y(label)) for p, label, *_ in curve.points], f"line-{tone} error")
    for p, label, bottom, top, rows in curve.points:
        drawing.line(x(p), y(bottom), x(p), y(top), f"line-{tone} error")
        tip = f"prediction {fixed(p)}, label {fixed(label)}, {rows:,} rows"
        drawing.marker("circle", x(p), y(label), f"fill-{tone}", size=3, tip=tip)
    return drawing


def reliability_axes(curves: Sequence[Reliability]) -> tuple[Axis, Axis]:
    """Return axes that hold every point with its interval, the same span on both."""
    ends = [0.0] + [v for c in curves for p, label, low, high, _ in c.points for v in (p, label, low, high)]
    top = max(ends) * 1.04 or 1.0
    return Axis(0.0, top, _LEFT, _RIGHT), Axis(0.0, top, _BOTTOM, _TOP)
