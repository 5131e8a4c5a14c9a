"""How quality grows with cost: a curve ``y = a − b · x^−c`` for each family of a study, and their slopes compared."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from hyrec.messages import suggest
from hyrec.metrics import MetricFacts
from hyrec.studies.analysis.power_law import PowerLaw, fit_power_law
from hyrec.studies.analysis.results import StudyResults
from hyrec.studies.analysis.scores import Floats
from hyrec.studies.analysis.seed_bootstrap import SeedBootstrap
from hyrec.studies.analysis.statistics import Interval, holm, paired_t
from hyrec.studies.plan.study import SCALING_AXES, StudyError

MIN_SIZES = 4
"""Three parameters need at least four sizes, or the curve only draws a line through the points."""


@dataclass(frozen=True)
class SizePoints:
    """What a family reached at each of its sizes.

    Args:
        sizes: Cost of its variants, ascending.
        seeds: Seeds that finished for every one of these sizes.
        values: The metric with its sign turned where smaller is better, so that larger is better.
        notes: Sizes and seeds that are left out, and why.

    Shape:
        sizes: ``(sizes,)``. values: ``(seeds, sizes)``.
    """

    family: str
    sizes: Floats
    seeds: tuple[int, ...]
    values: Floats
    facts: MetricFacts
    notes: tuple[str, ...]

    @property
    def limit(self) -> float:
        """Value that no curve through ``values`` can exceed."""
        best = self.facts.best_value
        return math.inf if best is None else self.facts.direction * best

    def gains(self, at: Floats | None = None) -> dict[int, float]:
        """Return the improvement for ten times the cost, by seed: the slope of a straight line in log10 of the cost.

        Values are interpolated to the sizes ``at``, linearly in log10. Default: the family's own.
        """
        place = np.log10(self.sizes)
        wanted = place if at is None else np.log10(at)
        centred = wanted - wanted.mean()
        values = self.values if at is None else np.stack([np.interp(wanted, place, row) for row in self.values])
        return dict(zip(self.seeds, (values @ centred / (centred**2).sum()).tolist(), strict=True))


@dataclass(frozen=True)
class ScalingFit:
    """The curve of one family: ``y = a − b · x^−c`` for a metric that is better when larger, ``a + b · x^−c`` else.

    Fitted to the means over seeds by least squares; b ≥ 0, c in [0.01, 5], and a no better than the metric can be.
    Intervals draw whole seeds with replacement, so they generalise over training runs at these sizes.

    Args:
        a: What the curve tends to; None when not identified, and b and c with it.
        b: Distance from it at x = 1, for x in its own unit.
        r2: Share of the variance of the means that the curve explains; NaN when they are all equal.
        reason: Why the data do not determine a, b and c; empty when they do.
        gain: Improvement for ten times the cost: slope of a straight line in log10(x), by Student's t over seeds.
            Positive is better, also where the metric falls. It needs no curve and is always identified.
    """

    points: SizePoints
    a: Interval | None
    b: Interval | None
    c: Interval | None
    r2: float
    reason: str
    gain: Interval
    _law: PowerLaw = field(repr=False, compare=False)
    _drawn: PowerLaw = field(repr=False, compare=False)
    _bootstrap: SeedBootstrap = field(repr=False, compare=False)

    def curve(self, sizes: Sequence[float]) -> list[Interval]:
        """Return the curve with its interval at some sizes; outside of the family's sizes it is extrapolation.

        Between the sizes it hardly depends on whether a, b and c are identified, so it can always be drawn there.
        """
        x, sign = np.asarray(sizes, dtype=np.float64), self.points.facts.direction
        line, drawn = sign * self._law(x)[0], sign * self._drawn(x)
        return [self._bootstrap.interval(float(line[i]), drawn[:, i]) for i in range(len(x))]


@dataclass(frozen=True)
class SlopeComparison:
    """Two families' improvement for ten times the cost, from ``low`` to ``high``: the range of sizes that both cover.

    Args:
        difference: Difference in improvement for ten times the cost, by Student's t over paired seeds; None when not
            compared. Both are interpolated to the same sizes first, so that neither is favoured by its range.
        p_holm: Value of p after Holm's correction over the families compared; NaN when not tested.
    """

    family: str
    other: str
    low: float
    high: float
    difference: Interval | None
    reason: str
    p_holm: float = math.nan

    @property
    def verdict(self) -> str:
        """``gains more``, ``gains less``, ``not distinguishable``, ``too few seeds`` or ``not compared``."""
        if self.difference is None:
            return "not compared"
        if math.isnan(self.p_holm):
            return "too few seeds"
        if self.p_holm > 0.05 or not self.difference.mean:
            return "not distinguishable"
        return "gains more" if self.difference.mean > 0 else "gains less"


@dataclass(frozen=True)
class Scaling:
    """The curves of a study for one cost and one metric, or why a family has none, and their slopes compared."""

    fits: Mapping[str, ScalingFit]
    refused: Mapping[str, str]
    slopes: tuple[SlopeComparison, ...]


def fit_scaling(results: StudyResults, metric: str, x: str) -> Scaling:
    """Fit a curve for each family of a study, where its sizes allow it, and compare its slope with the baseline's.

    Raises:
        StudyError: For an unknown cost or metric, or a metric without a better end.
    """
    if x not in SCALING_AXES:
        raise StudyError(f"x is {x!r}.{suggest(x, SCALING_AXES)} Allowed: {', '.join(SCALING_AXES)}.")
    if not results.facts(metric).direction:
        raise StudyError(f"{metric} has no better end, so it has no scaling curve. AUC and log loss have one.")
    results.check_metric(metric)
    points: dict[str, SizePoints] = {}
    refused: dict[str, str] = {}
    for family in results.plan.study.families:
        try:
            points[family] = _size_points(results, family, metric, x)
        except StudyError as error:  # noqa: PERF203  (every family gets its own reason)
            refused[family] = str(error)
    baseline = points.get(results.plan.study.baseline)
    slopes = () if baseline is None else _slopes((one for one in points.values() if one is not baseline), baseline)
    what = f"{metric} does not improve with {x}"
    return Scaling({family: _fit(one, what) for family, one in points.items()}, refused, slopes)


def _size_points(results: StudyResults, family: str, metric: str, x: str) -> SizePoints:
    """Gather the sizes of a family; ``StudyError`` with fewer than four, or without a seed that finished for all.

    A size that no seed finished is left out, and so is a seed that some remaining size lacks: a mean over other seeds
    would not be paired.
    """
    planned = [p for p in results.plan.variants if p.variant.family == family]
    planned.sort(key=lambda p: float(getattr(p, x)))
    found = {p.variant.name: results.finite(p.variant.name, metric) for p in planned}
    notes = [f"{name} has no finished seed" for name, by_seed in found.items() if not by_seed]
    sizes = np.asarray([float(getattr(p, x)) for p in planned if found[p.variant.name]])
    different = np.unique(sizes)
    if len(different) < MIN_SIZES:
        left_out = f" ({'; '.join(notes)})" if notes else ""
        raise StudyError(
            f"A curve through {x} needs at least {MIN_SIZES} sizes, and {family} has {len(different)}: "
            f"{', '.join(f'{size:g}' for size in different) or 'none'}{left_out}. "
            "Widen the study's grid, such as `grid: {model.d_model: [16, 32, 64, 128]}`."
        )
    begun = [s for s in results.plan.study.seeds if any(s in by_seed for by_seed in found.values())]
    seeds = tuple(s for s in begun if all(s in by_seed for by_seed in found.values() if by_seed))
    if dropped := [str(s) for s in begun if s not in seeds]:
        notes.append(f"seed {', '.join(dropped)} is left out: it has not finished for every size")
    if not seeds:
        raise StudyError(f"No seed finished for all {len(sizes)} sizes of {family}. Run the study again with --resume.")
    facts = results.facts(metric)
    values = facts.direction * np.asarray([[by_seed[s] for by_seed in found.values() if by_seed] for s in seeds])
    return SizePoints(family, sizes, seeds, values, facts, tuple(notes))


def _fit(points: SizePoints, flat: str) -> ScalingFit:
    sign = points.facts.direction
    bootstrap = SeedBootstrap(len(points.seeds))
    means = points.values.mean(0)
    law = fit_power_law(points.sizes, means[None], points.limit)
    drawn = fit_power_law(points.sizes, bootstrap.means(points.values), points.limit)
    gain = paired_t(list(points.gains().values()))
    reason = _why_not(law, drawn, bootstrap, gain, flat)
    pairs = ((sign * law.a, sign * drawn.a), (law.scale, drawn.scale), (law.c, drawn.c))
    a, b, c = (None if reason else bootstrap.interval(float(one[0]), draws) for one, draws in pairs)
    spread = float(((means - means.mean()) ** 2).sum())
    r2 = 1 - float(law.error[0]) / spread if spread else math.nan
    return ScalingFit(points, a, b, c, r2, reason, gain, law, drawn, bootstrap)


def _why_not(law: PowerLaw, drawn: PowerLaw, bootstrap: SeedBootstrap, gain: Interval, flat: str) -> str:
    """Return why a, b, c are not identified: above all, over a tenth of the draws end at a bound; else empty."""
    if law.b[0] == 0 or (gain.known and gain.low <= 0):
        bounds = f" [{gain.low:+.2g}, {gain.high:+.2g}]" if gain.known else ""
        return f"{flat} beyond what seeds explain: {gain.mean:+.2g}{bounds} for ten times the cost"
    if bootstrap.num_seeds < 2:
        return "one seed shows no spread, so nothing says how well a, b and c are determined"
    open_end = "no levelling off is in sight, since the points lie close to a straight line in log x"
    step = "only the smallest size differs from the others, so the exponent is not determined"
    for reason, fitted, draws in ((open_end, law.straight, drawn.straight), (step, law.steep, drawn.steep)):
        if fitted[0]:
            return reason
        if (share := float(bootstrap.probability[draws].sum())) > 0.1:
            return f"{reason} (in {share:.0%} of the draws of seeds)"
    return ""


def _slopes(families: Iterable[SizePoints], baseline: SizePoints) -> tuple[SlopeComparison, ...]:
    found = []
    for points in families:
        low = float(max(points.sizes.min(), baseline.sizes.min()))
        high = float(min(points.sizes.max(), baseline.sizes.max()))
        shared = [seed for seed in points.seeds if seed in baseline.seeds]
        reason = "" if shared else "no seed finished for every size of both"
        if low >= high:
            reason = f"their sizes do not overlap: one ends at {high:g}, the other starts at {low:g}"
        difference = None
        if not reason:
            mine, theirs = (one.gains(np.geomspace(low, high, 5)) for one in (points, baseline))
            difference = paired_t([mine[seed] - theirs[seed] for seed in shared])
        found.append(SlopeComparison(points.family, baseline.family, low, high, difference, reason))
    adjusted = holm([math.nan if one.difference is None else one.difference.p for one in found])
    return tuple(replace(one, p_holm=p) for one, p in zip(found, adjusted, strict=True))
