"""Scaling curves: a metric against cost, one fitted curve a family."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

import numpy as np

from hyrec.studies.analysis.scaling import Scaling, fit_scaling
from hyrec.studies.analysis.slopes import SlopeComparison
from hyrec.studies.analysis.statistics import Interval, paired_t
from hyrec.studies.report.axis import Axis
from hyrec.studies.report.blocks import Block, Bullets, Code, Figure, Inline, Section, Strong, Table, absent
from hyrec.studies.report.cost import spread
from hyrec.studies.report.drawing import Drawing, Shape, shorten, text_width
from hyrec.studies.report.findings import Findings
from hyrec.studies.report.numbers import MISSING, fixed, probability, short, signed
from hyrec.studies.report.panel import frame

COSTS = {
    "flops_per_sample": "FLOPs per sample",
    "dense_parameters": "dense parameters",
    "sparse_parameters": "sparse parameters",
}
"""Costs in words."""
SHAPES: tuple[Shape, ...] = ("circle", "square", "diamond", "up", "down")
NUM_SERIES = 6
"""Colours and dashes in ``chart.css``; with more families they repeat, and markers tell them apart."""

_WIDTH, _HEIGHT, _LEFT, _TOP, _BOTTOM = 400.0, 304.0, 48.0, 44.0, 264.0
_CURVE_POINTS = 40
_SHORT = 5
"""Drawn intervals of so few seeds hold the truth less often than they say (``analysis.seed_bootstrap``)."""


@dataclass(frozen=True)
class Series:
    """A family in a scaling chart.

    Args:
        family: The family.
        points: Cost, and mean over seeds with its interval, by ascending cost.
        curve: Cost and fitted value with its interval; empty without a curve.
    """

    family: str
    points: tuple[tuple[float, Interval], ...]
    curve: tuple[tuple[float, Interval], ...]


def scaling_section(findings: Findings) -> Section | None:
    """Draw and print the scaling curves; None when the study asks for none."""
    if not findings.study.scaling:
        return None
    blocks: list[Block] = []
    for x in findings.study.scaling:
        try:
            scaling = fit_scaling(findings.results, findings.metric, x)
        except ValueError as error:
            blocks.append(absent(f"No curve against {COSTS.get(x, x)}: {str(error).rstrip('.')}."))
            continue
        series = _series(findings, scaling)
        if series:
            blocks.append(_figure(scaling, series))
        if scaling.fits:
            blocks.append(_table(scaling))
        notes = [f"{family}: {reason}" for family, reason in scaling.refused.items()]
        notes += [f"{fit.family}: {note}." for fit in scaling.fits.values() for note in fit.notes]
        blocks += [absent(note) for note in notes]
        if scaling.slopes:
            blocks.append(Bullets(tuple(_slope(slope) for slope in scaling.slopes)))
    return Section("scaling", "How quality grows with size", tuple(blocks))


def _series(findings: Findings, scaling: Scaling) -> list[Series]:
    series = []
    for family in findings.study.families:
        points: list[tuple[float, Interval]] = []
        for planned in findings.results.plan.variants:
            values = findings.results.values(planned.variant.name, scaling.metric).values()
            known = [value for value in values if math.isfinite(value)]
            if planned.variant.family == family and known:
                points.append((float(getattr(planned, scaling.x)), paired_t(known)))
        points.sort(key=lambda point: point[0])
        curve: tuple[tuple[float, Interval], ...] = ()
        if family in scaling.fits:
            fit = scaling.fits[family]
            at = np.geomspace(min(fit.sizes), max(fit.sizes), _CURVE_POINTS).tolist()
            curve = tuple(zip(at, fit.curve(at), strict=True))
        if points:
            series.append(Series(family, tuple(points), curve))
    return series


def _figure(scaling: Scaling, series: list[Series]) -> Figure:
    words = COSTS.get(scaling.x, scaling.x)
    said = "; ".join(
        f"{s.family} goes from {fixed(s.points[0][1].mean)} at {short(s.points[0][0])} "
        f"to {fixed(s.points[-1][1].mean)} at {short(s.points[-1][0])}"
        for s in series
    )
    slug = re.sub(r"[^a-z0-9]+", "-", scaling.x)
    panel = scaling_panel(f"scaling-{slug}-chart", scaling.metric, words, series, f"{said}.")
    caption = (
        "Points: means over seeds with the 95 % interval of that mean. Lines: fitted curves with 95 % bands (seeds "
        "drawn with replacement). Curves end where the sizes end: nothing is extrapolated."
        f"{_coverage(scaling)}"
    )
    title = f"{scaling.metric} against {words}"
    return Figure(f"scaling-{slug}", title, f"{said}.", (panel,), caption, 1, _points_table(series, words))


def _coverage(scaling: Scaling) -> str:
    """Say how far intervals that draw seeds fall short of 95 %; empty without a curve that has one."""
    seeds = [len(fit.seeds) for fit in scaling.fits.values() if len(fit.seeds) > 1]
    if not seeds or min(seeds) > _SHORT:
        return ""
    return (
        f" The bands and the intervals of a, b and c draw {min(seeds)} seeds, which is few: in simulated studies they "
        "hold the truth in about 91 % of cases with five seeds and in about 75 % with three. The gain's is Student's t."
    )


def scaling_panel(name: str, metric: str, cost: str, series: list[Series], said: str) -> Drawing:
    """Draw points and curves of every family on a logarithmic axis, named in the margin.

    Args:
        name: Folder-safe name.
        metric: Metric.
        cost: What the cost is, in words.
        series: Families.
        said: What is to be seen, in words.
    """
    gutter = max(text_width(shorten(s.family, 18)) for s in series) + 10
    right = _WIDTH - gutter - 8
    drawing = Drawing(name, f"{metric} against {cost}", said, _WIDTH, _HEIGHT)
    drawing.text(0, 13, f"{metric} against {cost}", "heading")
    drawing.text(0, 30, metric, "label")
    x = Axis.around([cost for s in series for cost, _ in s.points], _LEFT + 6, right, log=True, margin=0.03)
    ends = [end for s in series for _, i in (*s.points, *s.curve) for end in (i.low, i.mean, i.high)]
    y = Axis.around(ends, _BOTTOM, _TOP)
    frame(drawing, x, y, (_LEFT, right, _TOP, _BOTTOM))
    drawing.text(right, _BOTTOM + 32, f"{cost} (logarithmic)", "small", anchor="end")
    for number, one in enumerate(series):
        _curve(drawing, one, number % NUM_SERIES + 1, x, y)
    for number, one in enumerate(series):
        _points(drawing, one, number, x, y)
    places = spread([y(s.points[-1][1].mean) for s in series], 17, _TOP, _BOTTOM)
    for number, (one, label_y) in enumerate(zip(series, places, strict=True)):
        shape = SHAPES[number % len(SHAPES)]
        drawing.marker(shape, right + 9, label_y, f"dot-{number % NUM_SERIES + 1}", size=4)
        drawing.text(right + 18, label_y + 4, shorten(one.family, 18), "value")
    return drawing


def _curve(drawing: Drawing, series: Series, color: int, x: Axis, y: Axis) -> None:
    if not series.curve:
        return
    if all(interval.known for _, interval in series.curve):
        high = [(x(cost), y(interval.high)) for cost, interval in series.curve]
        low = [(x(cost), y(interval.low)) for cost, interval in reversed(series.curve)]
        drawing.path([*high, *low], f"band area-{color}", closed=True)
    drawing.path([(x(cost), y(interval.mean)) for cost, interval in series.curve], f"series-{color} fit")


def _points(drawing: Drawing, series: Series, number: int, x: Axis, y: Axis) -> None:
    color = number % NUM_SERIES + 1
    for cost, interval in series.points:
        if interval.known:
            drawing.line(x(cost), y(interval.low), x(cost), y(interval.high), f"series-{color} error")
        tip = f"{series.family}: {fixed(interval.mean)} at {short(cost)}"
        drawing.marker(SHAPES[number % len(SHAPES)], x(cost), y(interval.mean), f"dot-{color}", size=4, tip=tip)


def _table(scaling: Scaling) -> Table:
    rows: list[tuple[Inline, ...]] = []
    for fit in scaling.fits.values():
        gain = signed(fit.gain.mean) + (f" [{signed(fit.gain.low)}, {signed(fit.gain.high)}]" if fit.gain.known else "")
        if fit.identified:
            cells: tuple[Inline, ...] = (_bounded(fit.a, 4), _scaled(fit.b), _bounded(fit.c, 3), fixed(fit.r2, 3))
            rows.append((Code(fit.family), str(len(fit.seeds)), gain, *cells, "yes"))
        else:
            rows.append((Code(fit.family), str(len(fit.seeds)), gain, *[MISSING] * 4, f"no: {fit.reason}"))
    header = ("Family", "Seeds", "Gain for ten times the cost", "a", "b", "c", "R²", "Determined")
    caption = (
        f"{scaling.metric} = {_formula(scaling)}, x = {COSTS.get(scaling.x, scaling.x)}; 95 % intervals over seeds"
    )
    return Table(header, tuple(rows), frozenset(range(1, 7)), caption)


def _formula(scaling: Scaling) -> str:
    return "a − b · x^−c" if scaling.facts.direction > 0 else "a + b · x^−c"


def _bounded(interval: Interval | None, digits: int) -> str:
    if interval is None:
        return MISSING
    bounds = f" [{fixed(interval.low, digits)}, {fixed(interval.high, digits)}]" if interval.known else ""
    return fixed(interval.mean, digits) + bounds


def _scaled(interval: Interval | None) -> str:
    if interval is None:
        return MISSING
    bounds = f" [{interval.low:.3g}, {interval.high:.3g}]" if interval.known else ""
    return f"{interval.mean:.3g}{bounds}"


def _slope(slope: SlopeComparison) -> Inline:
    names = ("Gain from ten times the cost, ", Code(slope.family), " against ", Code(slope.other))
    if slope.difference is None:
        return (*names, ": ", Strong(slope.verdict), f" ({slope.reason}).")
    low, high = slope.difference.low, slope.difference.high
    sure = f", 95 % interval {signed(low)} to {signed(high)} over seeds" if slope.difference.known else ""
    tested = f", p {probability(slope.p_holm)} after Holm's correction" if math.isfinite(slope.p_holm) else ""
    return (
        *names,
        f", between {short(slope.low)} and {short(slope.high)}: ",
        Strong(slope.verdict),
        f" (difference {signed(slope.difference.mean)}{sure}{tested}).",
    )


def _points_table(series: list[Series], words: str) -> Table:
    rows: list[tuple[Inline, ...]] = []
    for one in series:
        for cost, interval in one.points:
            bounds = f"{fixed(interval.low)} to {fixed(interval.high)}" if interval.known else MISSING
            rows.append((Code(one.family), short(cost), fixed(interval.mean), bounds))
    return Table(("Family", words, "Mean", "95 %"), tuple(rows), frozenset({1, 2, 3}))
