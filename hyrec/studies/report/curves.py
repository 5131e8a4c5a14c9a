"""Learning curves: mean over seeds with a band, each variant against its baseline."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hyrec.studies.report.axis import Axis
from hyrec.studies.report.blocks import Tone
from hyrec.studies.report.drawing import Drawing, shorten
from hyrec.studies.report.panel import frame

Points = Sequence[tuple[float, float]]

_WIDTH, _HEIGHT = 300.0, 194.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 44.0, 292.0, 44.0, 158.0
_MAX_POINTS = 120


@dataclass(frozen=True)
class Curve:
    """A logged value over the steps of training, averaged over seeds.

    Args:
        steps: Optimizer steps.
        mean: Mean over the seeds that logged the step.
        low: Smallest value of a seed at the step.
        high: Largest value of a seed at the step.
        num_seeds: Seeds that the curve is made of.
    """

    steps: tuple[float, ...]
    mean: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    num_seeds: int


def average(runs: Sequence[Points]) -> Curve | None:
    """Average one curve a seed, over the steps that all of them have; None when there are none.

    Long curves are averaged over stretches of neighbouring steps as well, so that at most 120 points are left; the
    band then spans the seeds' averages of a stretch.

    Args:
        runs: Pairs of step and value, one sequence a seed; values that are not finite are left out.
    """
    logged = [{step: value for step, value in run if math.isfinite(value)} for run in runs]
    logged = [run for run in logged if run]
    if not logged:
        return None
    common = sorted(set.intersection(*(set(run) for run in logged)))
    if not common:
        return None
    values = np.array([[run[step] for step in common] for run in logged])
    stretches = np.array_split(np.arange(len(common)), min(len(common), _MAX_POINTS))
    steps = tuple(float(np.mean([common[i] for i in part])) for part in stretches)
    smooth = np.stack([values[:, part].mean(axis=1) for part in stretches], axis=1)
    mean, low, high = smooth.mean(axis=0), smooth.min(axis=0), smooth.max(axis=0)
    return Curve(steps, tuple(mean.tolist()), tuple(low.tolist()), tuple(high.tolist()), len(logged))


def curve_panel(
    name: str,
    variant: str,
    logged: str,
    tone: Tone,
    curve: Curve,
    baseline: tuple[str, Curve] | None,
    x: Axis,
    y: Axis,
) -> Drawing:
    """Draw the curve of a variant, and dashed behind it that of the baseline.

    Args:
        name: Folder-safe name.
        variant: Variant.
        logged: What was logged, such as ``val/auc``.
        tone: Verdict of the variant.
        curve: Its curve.
        baseline: Name and curve of the baseline; None for the baseline itself.
        x: Steps; shared between panels.
        y: Values; shared between panels.
    """
    last = f"{variant} ends at {curve.mean[-1]:.4f} after {curve.steps[-1]:.0f} steps"
    against = f", {baseline[0]} at {baseline[1].mean[-1]:.4f}" if baseline else ""
    title = f"{logged} of {variant} over training steps"
    drawing = Drawing(name, title, f"{last}{against}.", _WIDTH, _HEIGHT)
    drawing.text(0, 13, shorten(variant, 33), "heading")
    drawing.text(0, 30, logged, "label")
    frame(drawing, x, y, (_LEFT, _RIGHT, _TOP, _BOTTOM))
    drawing.text(_RIGHT, _BOTTOM + 30, "step", "small", anchor="end")
    if baseline:
        _draw(drawing, baseline[1], "baseline", x, y)
    _draw(drawing, curve, tone, x, y)
    return drawing


def curve_axes(curves: Sequence[Curve]) -> tuple[Axis, Axis]:
    """Return axes for panels that share them, with the early, steep part of training cut where it hides the rest."""
    steps = [step for curve in curves for step in curve.steps]
    ends = [v for curve in curves for v in (*curve.low, *curve.high)]
    late = [v for c in curves for v in (*c.low[len(c.low) // 8 :], *c.high[len(c.high) // 8 :])]
    span, late_span = max(ends) - min(ends), max(late) - min(late)
    shown = late if late_span and span > 2.5 * late_span else ends
    x = Axis.around([0, *steps], _LEFT, _RIGHT, margin=0.0)
    return x, Axis.around(shown, _BOTTOM, _TOP)


def _draw(drawing: Drawing, curve: Curve, tone: Tone, x: Axis, y: Axis) -> None:
    def inside(value: float) -> float:
        return min(max(y(value), min(y.start, y.end) - 2), max(y.start, y.end))

    high = [(x(step), inside(value)) for step, value in zip(curve.steps, curve.high, strict=True)]
    low = [(x(step), inside(value)) for step, value in zip(curve.steps, curve.low, strict=True)]
    middle = [(x(step), inside(value)) for step, value in zip(curve.steps, curve.mean, strict=True)]
    if len(curve.steps) == 1:
        drawing.line(*low[0], *high[0], f"line-{tone} error")
        drawing.marker("circle", *middle[0], f"fill-{tone}", size=3.5)
        return
    if curve.num_seeds > 1:
        drawing.path([*high, *reversed(low)], f"band fill-{tone}", closed=True)
    drawing.path(middle, f"line-{tone} curve")
    if len(curve.steps) <= 12:
        for place_x, place_y in middle:
            drawing.marker("circle", place_x, place_y, f"fill-{tone}", size=2.5)
