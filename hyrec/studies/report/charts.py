"""The charts of a report, drawn by matplotlib: intervals by row, cost, scaling, learning curves and reliability."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib.style
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, LogLocator, MaxNLocator, NullLocator
from scipy.optimize import isotonic_regression

from hyrec.studies.analysis.calibration import Point
from hyrec.studies.analysis.curves import Curve
from hyrec.studies.analysis.scaling import ScalingFit
from hyrec.studies.analysis.statistics import Interval
from hyrec.studies.report.findings import Tone
from hyrec.studies.report.svg import COLOURS, Chart

TONES: dict[Tone, dict[str, Any]] = {
    "better": {"color": COLOURS["better"], "marker": "^"},
    "worse": {"color": COLOURS["worse"], "marker": "v"},
    "neutral": {"color": COLOURS["neutral"], "marker": "o"},
    "baseline": {"color": COLOURS["ink"], "marker": "D"},
}
"""Colour and marker by verdict, so that no chart depends on colour alone."""
_SERIES = tuple(zip([COLOURS[f"series-{i}"] for i in range(1, 7)], "osD^vP", strict=True))
_ZERO: dict[str, Any] = {"color": COLOURS["muted"], "linewidth": 1, "linestyle": ":", "zorder": 1}
_WIDE, _PANEL = 400, 300

_COLOURED = {
    "text.color": COLOURS["ink"],
    "axes.edgecolor": COLOURS["rule"],
    "axes.labelcolor": COLOURS["muted"],
    "grid.color": COLOURS["faint"],
    "xtick.color": COLOURS["rule"],
    "xtick.labelcolor": COLOURS["muted"],
    "ytick.labelcolor": COLOURS["ink"],
}
_styled = matplotlib.style.context([Path(__file__).with_name("charts.mplstyle"), _COLOURED], after_reset=True)
"""Decorator of everything that draws: these settings alone count, whatever the reader's own are."""


@dataclass(frozen=True)
class Row:
    """A row of intervals: a name, an estimate with its interval, and a second interval that is drawn thin below it."""

    name: str
    tone: Tone
    interval: Interval | None
    second: Interval | None = None


@_styled
def interval_chart(
    name: str,
    title: str,
    rows: Sequence[Row],
    label: str,
    *,
    heading: str = "",
    ends: tuple[float, float] | None = None,
) -> Chart:
    """Draw differences with their intervals, one row below the other, around zero: a forest plot.

    A heading is for a panel among others, which share the ends of their axis.
    """
    width, height = (_PANEL, 24) if heading else (_WIDE, 36)
    figure, axes = _panel(width, 70 + height * len(rows), heading)
    axes.axvline(0, **_ZERO)
    for place, row in enumerate(rows):
        look = TONES[row.tone]
        if row.second is not None and row.second.known:
            span = [row.second.low, row.second.high]
            axes.plot(span, [place + 0.28] * 2, color=look["color"], linewidth=1.25, marker="|")
        if row.interval is not None:
            if row.interval.known:
                axes.plot([row.interval.low, row.interval.high], [place] * 2, color=look["color"], linewidth=3)
            axes.plot(row.interval.mean, place, markersize=9, **look)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.set_yticks(range(len(rows)), [shorten(row.name) for row in rows])
    axes.grid(visible=False, axis="y")
    axes.xaxis.set_major_locator(MaxNLocator(4))
    axes.set_xlim(ends)
    axes.set_xlabel(label)
    return Chart(name, title, figure)


@_styled
def cost_chart(name: str, metric: str, cost: str, points: Sequence[tuple[Row, float]]) -> Chart:
    """Draw the mean of every variant against a cost on a logarithmic axis, named in the margin."""
    height = 230 + 14 * max(0, len(points) - 8)
    figure, axes = _panel(_WIDE, height, cost)
    for row, at in points:
        assert row.interval is not None
        _estimate(axes, at, row.interval, **TONES[row.tone])
    _log_axis(axes, [at for _, at in points])
    means = [row.interval.mean for row, _ in points if row.interval is not None]
    low, high = axes.get_ylim()
    places = spread([(mean - low) / (high - low) for mean in means], 14 / (height - 80), 0.0, 1.0)
    for (row, at), mean, place in zip(points, means, places, strict=True):
        color = TONES[row.tone]["color"]
        axes.annotate(
            shorten(row.name),
            (at, mean),
            (1.06, place),
            textcoords="axes fraction",
            verticalalignment="center",
            color=color,
            arrowprops={"arrowstyle": "-", "color": COLOURS["rule"], "relpos": (0, 0.5), "shrinkA": 0},
        )
    axes.set_xlabel(f"{cost} (logarithmic)")
    return Chart(name, f"{metric} against {cost}", figure)


@_styled
def scaling_chart(
    name: str,
    metric: str,
    cost: str,
    families: Sequence[tuple[str, Sequence[tuple[float, Interval]], ScalingFit | None]],
) -> Chart:
    """Draw the points of every family and its fitted curve, if it has one, on a logarithmic axis."""
    figure, axes = _panel(_WIDE, 300, "")
    for number, (family, points, fit) in enumerate(families):
        color, marker = _SERIES[number % len(_SERIES)]
        for at, interval in points:
            _estimate(axes, at, interval, color=color, marker=marker)
        if fit is not None:
            sizes, curve = fit.curve()
            axes.plot(sizes, [interval.mean for interval in curve], color=color)
            if all(interval.known for interval in curve):
                lows, highs = [interval.low for interval in curve], [interval.high for interval in curve]
                axes.fill_between(sizes, lows, highs, color=color, alpha=0.18, linewidth=0)
        axes.plot([], [], color=color, marker=marker, label=shorten(family))
    _log_axis(axes, [at for _, points, _ in families for at, _ in points])
    axes.set_xlabel(f"{cost} (logarithmic)")
    figure.legend(loc="outside lower left", ncols=2)
    return Chart(name, f"{metric} against {cost}", figure)


@_styled
def curve_chart(
    name: str, variant: str, logged: str, tone: Tone, curve: Curve, behind: Curve | None, ends: tuple[float, float]
) -> Chart:
    """Draw the curve of a variant, and dashed behind it that of the baseline, on axes that panels share."""
    figure, axes = _panel(_PANEL, 200, variant)
    for one, shade, style in ((behind, COLOURS["ink"], "--"), (curve, TONES[tone]["color"], "-")):
        if one is not None:
            axes.fill_between(one.steps, one.low, one.high, color=shade, alpha=0.15, linewidth=0)
            marker = "o" if len(one.steps) <= 12 else ""
            axes.plot(one.steps, one.mean, color=shade, linestyle=style, marker=marker, markersize=4)
    axes.set_ylim(ends)
    axes.xaxis.set_major_locator(MaxNLocator(4))
    axes.yaxis.set_major_locator(MaxNLocator(5))
    axes.set_xlabel("step")
    return Chart(name, f"{logged} of {variant} over training steps", figure)


@_styled
def reliability_chart(name: str, variant: str, points: Sequence[Point], tone: Tone, end: float) -> Chart:
    """Draw the reliability curve of a variant; the dotted diagonal is a calibrated model."""
    figure, axes = _panel(_PANEL, 300, variant)
    axes.plot([0, end], [0, end], **_ZERO)
    axes.plot([p for p, _, _ in points], [label for _, label, _ in points], markersize=5, **TONES[tone])
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(MaxNLocator(5))
    axes.set(xlim=(0, end), ylim=(0, end), xlabel="mean prediction", ylabel="mean label")
    return Chart(name, f"Reliability of {variant}", figure)


@_styled
def bar_chart(
    name: str, title: str, rows: Sequence[tuple[str, float]], label: str, *, mark: float, start: float = 0.0
) -> Chart:
    """Draw numbers as bars, one below the other; those beyond a dotted mark have another colour."""
    figure, axes = _panel(_WIDE, 70 + 22 * len(rows), "")
    colours = [COLOURS["worse"] if value >= mark else COLOURS["series-1"] for _, value in rows]
    axes.barh(range(len(rows)), [value - start for _, value in rows], left=start, height=0.62, color=colours)
    if mark <= 2 * max((value for _, value in rows), default=0.0):
        axes.axvline(mark, **_ZERO)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.set_yticks(range(len(rows)), [shorten(text) for text, _ in rows])
    axes.grid(visible=False, axis="y")
    axes.xaxis.set_major_locator(MaxNLocator(4))
    axes.set_xlabel(label)
    return Chart(name, title, figure)


@_styled
def rate_chart(
    name: str,
    title: str,
    values: Sequence[str],
    series: Sequence[tuple[str, Sequence[float | None]]],
    *,
    heading: str = "",
    joined: bool,
) -> Chart:
    """Draw rates of several series over values in order, joined by lines where the order is that of time."""
    figure, axes = _panel(_PANEL, 230, heading)
    for number, (label, rates) in enumerate(series):
        color, marker = _SERIES[number % len(_SERIES)]
        known = [(place, rate) for place, rate in enumerate(rates) if rate is not None]
        look: dict[str, Any] = {
            "color": color,
            "marker": marker,
            "linestyle": "-" if joined else "none",
            "markersize": 5,
        }
        axes.plot([place for place, _ in known], [rate for _, rate in known], label=label, **look)
    places = range(0, len(values), max(1, -(-len(values) // (4 if joined else 6))))
    axes.set_xticks(places, [shorten(values[place], 12) for place in places], rotation=0 if joined else 30)
    axes.set_xlim(-0.5, len(values) - 0.5)
    highest = max((rate for _, rates in series for rate in rates if rate is not None), default=1.0)
    axes.set_ylim(0, 1.08 * highest or 1.0)
    axes.yaxis.set_major_locator(MaxNLocator(4))
    figure.legend(loc="outside lower left", ncols=3)
    return Chart(name, title, figure)


def spread(wanted: Sequence[float], apart: float, low: float, high: float) -> list[float]:
    """Move places as little as needed so that neighbours are ``apart``, between two ends where there is room."""
    order = sorted(range(len(wanted)), key=lambda i: wanted[i])
    # Less their steps, places that keep the distance are places that never fall.
    steps = [apart * number for number in range(len(order))]
    free = isotonic_regression([wanted[i] - step for i, step in zip(order, steps, strict=True)]).x
    last = max(low, high - steps[-1])
    places = {i: min(max(float(at), low), last) + step for i, at, step in zip(order, free, steps, strict=True)}
    return [places[i] for i in range(len(wanted))]


def shorten(text: str, characters: int = 24) -> str:
    """Cut a text that is too long in the middle, where names of variants differ least.

    Example:
        >>> shorten("longer_rankmixer@d_model=128", 20)
        'longer_ran…model=128'
    """
    head = characters // 2
    return text if len(text) <= characters else f"{text[:head]}…{text[len(text) - (characters - head - 1) :]}"


def _panel(width: int, height: float, heading: str) -> tuple[Figure, Axes]:
    """Return a drawing of this size, in CSS pixels, with one plot under a heading."""
    figure = Figure((width / 72, height / 72))
    axes = figure.add_subplot()
    axes.set_title(shorten(heading, width // 8))
    axes.patch.set_visible(False)
    return figure, axes


def _estimate(axes: Axes, at: float, interval: Interval, **look: Any) -> None:
    if interval.known:
        axes.plot([at, at], [interval.low, interval.high], color=look["color"])
    axes.plot(at, interval.mean, **look)


def _log_axis(axes: Axes, values: Sequence[float]) -> None:
    """Make the axis from side to side logarithmic, with a few round values on it."""
    axes.set_xscale("log")
    reach = max(values) / min(values)
    axes.xaxis.set_major_locator(LogLocator(subs=(1,) if reach > 50 else (1, 3)) if reach > 8 else MaxNLocator(3))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(EngFormatter(sep=" "))
    if reach < 1.2:  # costs that are nearly equal shall look nearly equal
        axes.set_xlim(min(values) / 1.1, max(values) * 1.1)
