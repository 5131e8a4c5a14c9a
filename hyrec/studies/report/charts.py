"""Charts with a value on the upright axis: cost, scaling, learning curves, slices and reliability."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes

from hyrec.plain_text import count
from hyrec.studies.analysis.calibration import Reliability
from hyrec.studies.analysis.comparison import ComparisonRow
from hyrec.studies.analysis.curves import Curve
from hyrec.studies.analysis.slices import SliceRow
from hyrec.studies.analysis.statistics import Interval, paired_t
from hyrec.studies.report import style
from hyrec.studies.report.blocks import Tone
from hyrec.studies.report.findings import tone_of
from hyrec.studies.report.numbers import fixed, signed, span
from hyrec.studies.report.svg import Chart

_LONGEST = 18
_LINE = 17.0
_SERIES = tuple(zip("osD^v", ("-", (0, (7, 4)), (0, (2, 3)), (0, (9, 3, 2, 3)), (0, (12, 4))), strict=True))
"""Marker and line of a family; with more families they repeat, and so do the six colours, at another time."""


@dataclass(frozen=True)
class Series:
    """A family in a scaling chart: means over seeds and fitted values, if any, with intervals by ascending cost."""

    family: str
    points: tuple[tuple[float, Interval], ...]
    curve: tuple[tuple[float, Interval], ...]


@style.styled
def cost_chart(name: str, metric: str, cost: str, points: Sequence[tuple[ComparisonRow, float]]) -> Chart:
    """Draw the metric of every variant against a cost on a logarithmic axis, named in the margin.

    The margin names the family and the values of its point. Points of nearly equal cost would hide one another: they
    are set a little apart.
    """
    variants = [row.costs.planned.variant for row, _ in points]
    labels = [f"{one.family} {', '.join(str(value) for value in one.point.values())}".strip() for one in variants]
    labels = [style.shorten(label, _LONGEST) for label in labels]
    means = [paired_t(list(row.values.values())) for row, _ in points]
    right = 370 - max(style.text_width(label) for label in labels)
    bottom = 44 + max(200.0, _LINE * len(points) + 10)
    title = f"{metric} against {cost}"
    figure, axes = style.panel(400, bottom + 36, (48, right, 44, bottom), title, metric, f"{cost} (logarithmic)")
    costs = [cost for _, cost in points]
    middle = math.sqrt(min(costs) * max(costs))
    # Costs that are nearly equal shall look nearly equal.
    style.scale_x(axes, style.limits([*costs, middle / 1.1, middle * 1.1], log=True), 3, log=True)
    style.scale_y(axes, style.limits(end for mean in means for end in mean.ends))
    wanted = [float(axes.transData.transform((cost, 0))[0]) for cost in costs]
    across = style.spread(wanted, min(11.0, 60.0 / len(points)), 56, right)
    heights = _heights(axes, [mean.mean for mean in means])
    for (row, cost_), mean, label, x, y in zip(points, means, labels, across, heights, strict=True):
        tone = tone_of(row)
        at = float(axes.transData.inverted().transform((x, 0))[0])
        style.line(figure, [(x, _down(axes, mean.mean)), (right + 6, y), (right + 14, y)], style.COLOURS["rule"])
        style.estimate(axes, at, mean, tone, tip=f"{row.variant}: {fixed(mean.mean)} at {count(cost_)}")
        style.write(figure, right + 18, y + 4, label, color=style.TONES[tone])
    said = "; ".join(f"{row.variant} {fixed(row.mean)} at {count(cost)}" for row, cost in points)
    return Chart(name, title, f"{said}.", figure)


@style.styled
def scaling_chart(name: str, metric: str, cost: str, series: Sequence[Series], said: str) -> Chart:
    """Draw points and fitted curves of every family on a logarithmic axis, named in the margin."""
    right = 382 - max(style.text_width(style.shorten(one.family, _LONGEST)) for one in series)
    title = f"{metric} against {cost}"
    figure, axes = style.panel(400, 304, (48, right, 44, 264), title, metric, f"{cost} (logarithmic)")
    style.scale_x(axes, style.limits([cost for one in series for cost, _ in one.points], log=True), log=True)
    style.scale_y(axes, style.limits(end for one in series for _, i in (*one.points, *one.curve) for end in i.ends))
    heights = _heights(axes, [one.points[-1][1].mean for one in series])
    for number, (one, y) in enumerate(zip(series, heights, strict=True)):
        color = style.COLOURS[f"series-{number % 6 + 1}"]
        marker, dashes = _SERIES[number % len(_SERIES)]
        costs = [cost for cost, _ in one.curve]
        if one.curve and all(interval.known for _, interval in one.curve):
            low, high = ([getattr(interval, end) for _, interval in one.curve] for end in ("low", "high"))
            axes.fill_between(costs, low, high, color=color, alpha=0.18, linewidth=0)
        if one.curve:
            fitted = [interval.mean for _, interval in one.curve]
            axes.plot(costs, fitted, color=color, linewidth=2, linestyle=dashes, label=one.family)
        for at, interval in one.points:
            tip = f"{one.family}: {fixed(interval.mean)} at {count(at)}"
            style.estimate(axes, at, interval, "neutral", size=8, tip=tip, marker=marker, color=color)
        style.line(figure, [(right + 9, y)], color, marker=marker, markersize=8)
        style.write(figure, right + 18, y + 4, style.shorten(one.family, _LONGEST))
    return Chart(name, title, said, figure)


@style.styled
def curve_chart(
    name: str,
    variant: str,
    logged: str,
    tone: Tone,
    curve: Curve,
    baseline: tuple[str, Curve] | None,
    ends: tuple[style.Limits, style.Limits],
) -> Chart:
    """Draw the curve of a variant, and dashed behind it that of the baseline, on axes that panels share."""
    figure, axes = style.panel(300, 194, (44, 292, 44, 158), style.shorten(variant, 33), logged, "step")
    style.scale_x(axes, ends[0])
    style.scale_y(axes, ends[1])
    if baseline:
        _curve(axes, baseline[1], "baseline")
    _curve(axes, curve, tone)
    last = f"{variant} ends at {curve.mean[-1]:.4f} after {curve.steps[-1]:.0f} steps"
    against = f", {baseline[0]} at {baseline[1].mean[-1]:.4f}" if baseline else ""
    return Chart(name, f"{logged} of {variant} over training steps", f"{last}{against}.", figure)


def curve_limits(curves: Sequence[Curve]) -> tuple[style.Limits, style.Limits]:
    """Return axes for panels that share them, with the early, steep part of training cut where it hides the rest."""
    ends = [value for curve in curves for value in (*curve.low, *curve.high)]
    late = [v for c in curves for v in (*c.low[len(c.low) // 8 :], *c.high[len(c.high) // 8 :])]
    span, late_span = max(ends) - min(ends), max(late) - min(late)
    steps = style.limits([0, *(step for curve in curves for step in curve.steps)], margin=0)
    return steps, style.limits(late if late_span and span > 2.5 * late_span else ends)


def _curve(axes: Axes, curve: Curve, tone: Tone) -> None:
    color, dashed = style.TONES[tone], tone == "baseline"
    if len(curve.steps) == 1:
        style.bar(axes, [*curve.steps, *curve.steps], [*curve.low, *curve.high], color)
    elif curve.num_seeds > 1:
        axes.fill_between(curve.steps, curve.low, curve.high, color=color, alpha=0.1 if dashed else 0.18, linewidth=0)
    few: dict[str, Any] = {"marker": "o", "markersize": 5} if len(curve.steps) <= 12 else {}
    look: dict[str, Any] = {"linewidth": 1.5, "linestyle": (0, (5, 4))} if dashed else {"linewidth": 2}
    axes.plot(curve.steps, curve.mean, color=color, **look, **few)


@style.styled
def slice_chart(name: str, subtitle: str, rows: Sequence[SliceRow], ends: style.Limits) -> Chart:
    """Draw the difference of a variant to the baseline in each bin, with intervals over seeds, where there is one."""
    variant = rows[0].variant
    label = f"Difference of {rows[0].metric}"
    figure, axes = style.panel(300, 180, (52, 292, 44, 146), style.shorten(variant, 33), label)
    axes.set_xlim(-0.5, len(rows) - 0.5)
    axes.set_xticks([])
    style.scale_y(axes, ends)
    axes.axhline(0, **style.ZERO)
    said = []
    for number, row in enumerate(rows):
        x = float(axes.transData.transform((number, 0))[0])
        for k, words in enumerate(bin_lines(row.bin.low, row.bin.high)):
            style.write(figure, x, 162 + 12 * k, words, ha="center", **style.SMALL)
        found = row.difference
        if found is None:
            continue
        tone: Tone = "neutral"
        if row.direction and not found.holds_zero:  # its own interval: nothing is corrected for the number of bins
            tone = "better" if found.mean * row.direction > 0 else "worse"
        style.estimate(axes, number, found, tone, size=9, tip=f"{row.bin.label}: {signed(found.mean)}")
        said.append(f"{row.bin.label}: {signed(found.mean)} {span(found)}")
    title = f"Difference of {variant} to the baseline by {subtitle}"
    return Chart(name, title, f"{'; '.join(said) or 'No differences'}.", figure)


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
        return count(float(f"{value:.2g}"))
    return f"{value:,.0f}" if value == round(value) else f"{value:.2g}"


@style.styled
def reliability_chart(name: str, curve: Reliability, tone: Tone, end: float) -> Chart:
    """Draw the reliability curve of a variant; the dotted diagonal is a calibrated model."""
    facts = f"NE {fixed(curve.ne)} · PCOC {fixed(curve.pcoc, 3)} · ECE {fixed(curve.ece)}"
    figure, axes = style.panel(300, 292, (44, 292, 44, 256), style.shorten(curve.variant, 33), facts, "mean prediction")
    style.write(figure, 50, 54, "mean label", **style.SMALL)
    style.scale_x(axes, (0.0, end), 5)
    style.scale_y(axes, (0.0, end))
    axes.plot([0, end], [0, end], **style.ZERO)
    axes.plot([p for p, *_ in curve.points], [label for _, label, *_ in curve.points], color=style.TONES[tone])
    for p, label, low, high, rows in curve.points:
        style.bar(axes, [p, p], [low, high], style.TONES[tone])
        tip = f"prediction {fixed(p)}, label {fixed(label)}, {rows:,} rows"
        style.mark(axes, p, label, tone, size=6, tip=tip, marker="o")
    return Chart(name, f"Reliability of {curve.variant}", f"{facts}.", figure)


def _heights(axes: Axes, values: Sequence[float]) -> list[float]:
    """Return where names stand in the margin: in units, beside their values and a line apart."""
    height = axes.figure.bbox.height
    return style.spread([_down(axes, v) for v in values], _LINE, height - axes.bbox.y1 + 6, height - axes.bbox.y0)


def _down(axes: Axes, value: float) -> float:
    """Return the place of a value, in units from the top."""
    return float(axes.figure.bbox.height - axes.transData.transform((1, value))[1])
