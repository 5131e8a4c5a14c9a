"""Whether one family gains more from size than another."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from hyrec.studies.analysis.power_law import fit_power_law
from hyrec.studies.analysis.seed_bootstrap import SeedBootstrap
from hyrec.studies.analysis.size_points import SizePoints
from hyrec.studies.analysis.statistics import Interval, holm, paired_t

_POINTS = 5


@dataclass(frozen=True)
class SlopeComparison:
    """Two families' improvement for ten times the cost, over the range of sizes that both cover.

    Args:
        family: The family.
        other: The one that it is compared with.
        low: Start of the common range.
        high: Its end.
        difference: Difference in improvement for ten times the cost, by Student's t over paired seeds; None when not
            compared. Both are interpolated to the same sizes first, so that neither is favoured by its range.
        p_holm: Value of p after Holm's correction over the families compared; NaN when not tested.
        local: Difference of the slopes of the fitted curves at some sizes of the range, by drawing seeds.
        verdict: ``gains more``, ``gains less``, ``not distinguishable``, ``too few seeds`` or ``not compared``.
        reason: Why not compared.
    """

    family: str
    other: str
    low: float
    high: float
    difference: Interval | None
    p_holm: float
    local: tuple[tuple[float, Interval], ...]
    verdict: str
    reason: str = ""


def compare_slopes(
    families: list[SizePoints], baseline: SizePoints, limit: float = math.inf, level: float = 0.95
) -> tuple[SlopeComparison, ...]:
    """Compare the slopes of families with the baseline's.

    Args:
        families: The others.
        baseline: The baseline.
        limit: Largest value of a curve's asymptote.
        level: Share of intervals that hold the truth.
    """
    found = [_compare(points, baseline, limit, level) for points in families]
    adjusted = holm([math.nan if one.difference is None else one.difference.p for one in found])
    return tuple(_judge(one, p, 1 - level) for one, p in zip(found, adjusted, strict=True))


def _compare(points: SizePoints, baseline: SizePoints, limit: float, level: float) -> SlopeComparison:
    low = max(points.sizes.min(), baseline.sizes.min())
    high = min(points.sizes.max(), baseline.sizes.max())
    shared = [seed for seed in points.seeds if seed in baseline.seeds]
    reason = ""
    if low >= high:
        reason = f"their sizes do not overlap: one ends at {high:g}, the other starts at {low:g}"
    elif not shared:
        reason = "no seed finished for every size of both"
    if reason:
        return SlopeComparison(points.family, baseline.family, low, high, None, math.nan, (), "not compared", reason)
    mine, theirs = _only(points, shared), _only(baseline, shared)
    at = np.geomspace(low, high, _POINTS)
    difference = paired_t((mine.gains(at) - theirs.gains(at)).tolist(), level)
    bootstrap = SeedBootstrap(len(shared), level)
    slopes = [
        (
            fit_power_law(one.sizes, one.values.mean(0, keepdims=True), limit).slope(at)[0],
            fit_power_law(one.sizes, bootstrap.means(one.values), limit).slope(at),
        )
        for one in (mine, theirs)
    ]
    (slope, drawn), (other_slope, other_drawn) = slopes
    local = tuple(
        (float(size), bootstrap.interval(float(slope[i] - other_slope[i]), drawn[:, i] - other_drawn[:, i]))
        for i, size in enumerate(at)
    )
    return SlopeComparison(points.family, baseline.family, float(low), float(high), difference, math.nan, local, "")


def _only(points: SizePoints, seeds: list[int]) -> SizePoints:
    kept = [points.seeds.index(seed) for seed in seeds]
    return replace(points, seeds=tuple(seeds), values=points.values[kept])


def _judge(one: SlopeComparison, p: float, alpha: float) -> SlopeComparison:
    if one.difference is None:
        return one
    verdict = "not distinguishable"
    if math.isnan(p):
        verdict = "too few seeds"
    elif p <= alpha and one.difference.mean:
        verdict = "gains more" if one.difference.mean > 0 else "gains less"
    return replace(one, p_holm=p, verdict=verdict)
