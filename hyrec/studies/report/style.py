"""How charts look: matplotlib's settings, colours by tone, markers by verdict, and where things stand.

A unit is a CSS pixel at the size at which a chart is drawn; places are counted from the upper left corner.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import matplotlib.style
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator
from matplotlib.transforms import IdentityTransform, ScaledTranslation
from scipy.optimize import isotonic_regression

from hyrec.plain_text import count
from hyrec.studies.analysis.statistics import Interval
from hyrec.studies.report.blocks import Tone

Limits: TypeAlias = tuple[float, float]
"""Both ends of an axis."""


def asset(name: str) -> str:
    """Read a file that is shipped beside this module."""
    return Path(__file__).with_name(name).read_text(encoding="utf-8")


COLOURS: dict[str, str] = dict(re.findall(r"--([\w-]+): light-dark\((#\w{6})", asset("colours.css")))
"""Colours for light grounds by name. ``svg.py`` makes them follow the reader, so charts know no other."""
INK, MUTED = COLOURS["ink"], COLOURS["muted"]
TONES: dict[Tone, str] = {**{tone: COLOURS[tone] for tone in ("better", "worse", "neutral")}, "baseline": INK}
MARKERS: dict[Tone, str] = {"better": "^", "worse": "v", "neutral": "o", "baseline": "D"}
"""Marker by verdict, so that no chart depends on colour."""
SMALL: dict[str, Any] = {"size": 11, "color": MUTED}
ZERO: dict[str, Any] = {"color": MUTED, "linewidth": 1, "linestyle": (0, (2, 3)), "zorder": 1}
"""The line of no difference, and that of a calibrated model."""

_COLOURED = {
    "text.color": INK,
    "axes.edgecolor": COLOURS["rule"],
    "grid.color": COLOURS["faint"],
    "xtick.color": COLOURS["rule"],
    "xtick.labelcolor": MUTED,
    "ytick.labelcolor": MUTED,
}
styled = matplotlib.style.context([Path(__file__).with_name("charts.mplstyle"), _COLOURED], after_reset=True)
"""Decorator of everything that draws: these settings alone count, whatever the reader's own are."""


def canvas(width: float, height: float, box: tuple[float, float, float, float]) -> tuple[Figure, Axes]:
    """Return an empty drawing with one plot in it, whose left, right, top and bottom are the box."""
    left, right, top, bottom = box
    figure = Figure((width / 72, height / 72), dpi=72)
    axes = figure.add_axes((left / width, 1 - bottom / height, (right - left) / width, (bottom - top) / height))
    for ground in (figure.patch, axes.patch):
        ground.set_visible(False)
    return figure, axes


def panel(
    width: float, height: float, box: tuple[float, float, float, float], heading: str, label: str, unit: str = ""
) -> tuple[Figure, Axes]:
    """Return an empty drawing with a heading, the name of its upright axis and, at the end, of the other one."""
    figure, axes = canvas(width, height, box)
    write(figure, 0, 13, heading, size=13, weight="bold")
    write(figure, 0, 30, label, color=MUTED)
    write(figure, box[1], box[3] + 32, unit, ha="right", **SMALL)
    return figure, axes


def write(figure: Figure, x: float, y: float, text: str, **look: Any) -> None:
    """Write a line whose baseline is at ``y``."""
    figure.text(x, figure.bbox.height - y, text, transform=IdentityTransform(), **look)


def line(figure: Figure, points: Sequence[tuple[float, float]], color: str, width: float = 1, **look: Any) -> None:
    """Draw a line through places, below everything else."""
    x, y = [x for x, _ in points], [figure.bbox.height - y for _, y in points]
    figure.add_artist(Line2D(x, y, color=color, linewidth=width, transform=IdentityTransform(), zorder=-1, **look))


def mark(axes: Axes, x: float, y: float, tone: Tone, *, size: float = 9.5, tip: str = "", **look: Any) -> None:
    """Draw a point; ``tip`` is shown by the browser when the pointer rests on it."""
    look = {"marker": MARKERS[tone], "color": TONES[tone], "gid": f"tip {tip}" if tip else None, **look}
    size *= {"o": 1.0, "D": 0.9, "s": 0.85}.get(look["marker"], 1.05)
    axes.plot([x], [y], linestyle="none", markersize=size, clip_on=False, zorder=4, **look)


def estimate(axes: Axes, x: float, interval: Interval, tone: Tone, **look: Any) -> None:
    """Draw a point with its interval; ``look`` as for ``mark``."""
    if interval.known:
        bar(axes, [x, x], [interval.low, interval.high], look.get("color", TONES[tone]))
    mark(axes, x, interval.mean, tone, **look)


def bar(axes: Axes, x: Sequence[float], y: Sequence[float], color: str, width: float = 1.5) -> None:
    """Draw an interval from one end to the other."""
    axes.plot(x, y, color=color, linewidth=width, clip_on=False, zorder=3)


def limits(values: Iterable[float], *, log: bool = False, margin: float = 0.06) -> Limits:
    """Return an axis with all finite values and a margin, a share of their span; equal values get some room."""
    known = [math.log10(value) if log else value for value in values if math.isfinite(value)] or [0.0, 1.0]
    low, high = min(known), max(known)
    pad = (high - low) * margin
    if high - low < 1e-12 * max(1.0, abs(low)):
        pad = 0.15 if log else abs(low) * 0.05 if abs(low) > 1e-6 else 0.5
    return (10 ** (low - pad), 10 ** (high + pad)) if log else (low - pad, high + pad)


def ticks(ends: Limits, about: int = 4, *, log: bool = False) -> dict[float, str]:
    """Return ``about`` so many round values on an axis, written with just the digits that tell them apart.

    Example:
        >>> ticks((-0.06, 0.05)), ticks((2e5, 3e8), log=True)
        ({-0.05: '−0.05', 0.0: '0.00', 0.05: '0.05'}, {1000000.0: '1 M', 10000000.0: '10 M', 100000000.0: '100 M'})
    """
    low, high = ends
    powers = [LogLocator(subs=subs, numticks=99) for subs in ((1, 2, 5), (1, 3), (1,))]
    for locator in (*(powers if log and high > 8 * low else ()), MaxNLocator(about, steps=[1, 2, 2.5, 5, 10])):
        found = [float(f"{place:.12g}") + 0.0 for place in locator.tick_values(low, high)]
        places = [place for place in found if low <= place <= high]
        if 1 < len(places) <= about + 1:
            break
    if log or max(abs(low), abs(high)) >= 10_000:
        written = ([count(place, digits) for place in places] for digits in range(3, 17))
        return dict(zip(places, next(names for names in written if len({*names}) == len(names)), strict=True))
    digits = next(digits for digits in range(20) if all(round(place, digits) == place for place in places))
    return {place: f"{place:.{digits}f}".replace("-", "−") for place in places}


def scale_x(axes: Axes, ends: Limits, about: int = 4, *, log: bool = False, unit: str = "") -> None:
    """Give a plot its axis from side to side; a label at the right end stays inside of the drawing."""
    axes.set_xscale("log" if log else "linear")
    axes.set_xlim(ends)
    found = ticks(ends, about, log=log)
    axes.set_xticks(list(found), [f"{label}{unit}" for label in found.values()], va="baseline")
    axes.xaxis.set_minor_locator(NullLocator())
    for place, label in zip(found, axes.get_xticklabels(), strict=True):
        if axes.transData.transform((place, 0))[0] > axes.bbox.x1 - 14:
            label.set_horizontalalignment("right")


def scale_y(axes: Axes, ends: Limits, about: int = 5) -> None:
    """Give a plot its upright axis."""
    axes.set_ylim(ends)
    found = ticks(ends, about)
    axes.set_yticks(list(found), list(found.values()), va="baseline")
    for label in axes.get_yticklabels():  # half a letter down, whatever size a machine takes letters for
        label.set_transform(label.get_transform() + ScaledTranslation(0, -4 / 72, axes.figure.dpi_scale_trans))


def spread(wanted: Sequence[float], apart: float, low: float, high: float) -> list[float]:
    """Move places as little as needed so that neighbours are ``apart``, between two ends where there is room."""
    order = sorted(range(len(wanted)), key=lambda i: wanted[i])
    # Less their steps, places that keep the distance are places that never fall.
    steps = [apart * number for number in range(len(order))]
    free = isotonic_regression([wanted[i] - step for i, step in zip(order, steps, strict=True)]).x
    last = max(low, high - steps[-1])
    places = {i: min(max(float(at), low), last) + step for i, at, step in zip(order, free, steps, strict=True)}
    return [places[i] for i in range(len(wanted))]


def shorten(text: str, characters: int) -> str:
    """Cut a text that is too long in the middle, where names of variants differ least.

    Example:
        >>> shorten("longer_rankmixer@d_model=128", 20)
        'longer_ran…model=128'
    """
    head = characters // 2
    return text if len(text) <= characters else f"{text[:head]}…{text[len(text) - (characters - head - 1) :]}"


def text_width(text: str) -> float:
    """Estimate how wide a text is, on the large side, for the fonts are the reader's."""
    return 0.62 * 12 * len(text)
