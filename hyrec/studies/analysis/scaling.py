"""How quality grows with cost: a curve ``y = a − b · x^−c`` for each family of a study, and their slopes compared."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from hyrec.messages import suggest
from hyrec.metrics import MetricFacts
from hyrec.studies.analysis.power_law import PowerLaw, fit_power_law
from hyrec.studies.analysis.results import StudyResults
from hyrec.studies.analysis.seed_bootstrap import SeedBootstrap
from hyrec.studies.analysis.size_points import SizePoints, size_points
from hyrec.studies.analysis.slopes import SlopeComparison, compare_slopes
from hyrec.studies.analysis.statistics import Interval, paired_t
from hyrec.studies.plan.study import SCALING_AXES, StudyError

_AT_BOUND = 0.1
"""Share of the draws of seeds that may end at a bound of the search, for a curve that counts as identified."""


@dataclass(frozen=True)
class ScalingFit:
    """The curve of one family: ``y = a − b · x^−c`` for a metric that is better when larger, ``a + b · x^−c`` else.

    Fitted to the means over seeds by least squares; b ≥ 0, c in [0.01, 5], and a no better than the metric can be.
    Intervals draw whole seeds with replacement, so they generalise over training runs at these sizes.

    Args:
        family: The family.
        x: The cost on the x axis, such as ``dense_parameters``.
        metric: The metric on the y axis.
        variants: Names of its variants, by ascending size.
        sizes: Their cost.
        means: Their mean over seeds.
        seeds: Seeds that finished for every one of these sizes.
        a: What the curve tends to; None when not identified, and b and c with it.
        b: Distance from it at x = 1, for x in its own unit.
        c: Exponent.
        r2: Share of the variance of the means that the curve explains; NaN when they are all equal.
        identified: Whether the data determine a, b and c.
        reason: Why they do not; empty when they do.
        gain: Improvement for ten times the cost: slope of a straight line in log10(x), by Student's t over seeds.
            Positive is better, also where the metric falls. It needs no curve and is always identified.
        notes: Sizes and seeds that could not be used.
        facts: What is known about the metric.
    """

    family: str
    x: str
    metric: str
    variants: tuple[str, ...]
    sizes: tuple[float, ...]
    means: tuple[float, ...]
    seeds: tuple[int, ...]
    a: Interval | None
    b: Interval | None
    c: Interval | None
    r2: float
    identified: bool
    reason: str
    gain: Interval
    notes: tuple[str, ...]
    facts: MetricFacts = field(repr=False, compare=False)
    _law: PowerLaw = field(repr=False, compare=False)
    _drawn: PowerLaw = field(repr=False, compare=False)
    _bootstrap: SeedBootstrap = field(repr=False, compare=False)

    def curve(self, sizes: Sequence[float]) -> list[Interval]:
        """Return the curve with its interval at some sizes; outside of the family's sizes it is extrapolation.

        Between the sizes it hardly depends on whether a, b and c are identified, so it can always be drawn there.
        """
        sign = self.facts.direction
        x = np.asarray(sizes, dtype=np.float64)
        line, drawn = sign * self._law(x)[0], sign * self._drawn(x)
        return [self._bootstrap.interval(float(line[i]), drawn[:, i]) for i in range(len(x))]


@dataclass(frozen=True)
class Scaling:
    """The curves of a study for one cost and one metric.

    Args:
        metric: The metric.
        x: The cost.
        fits: Curves by family.
        refused: Why a family has none, by family.
        slopes: Every other family that has a curve against the study's baseline.
        facts: What is known about the metric.
    """

    metric: str
    x: str
    fits: Mapping[str, ScalingFit]
    refused: Mapping[str, str]
    slopes: tuple[SlopeComparison, ...]
    facts: MetricFacts


def fit_scaling(results: StudyResults, metric: str, x: str, *, level: float = 0.95) -> Scaling:
    """Fit a curve for each family of a study, and compare each family's slope with the baseline's.

    A family with fewer than four sizes, or without a seed that finished for all, is refused with the reason; the
    others are fitted.

    Args:
        results: What the cells found.
        metric: A test metric with a better end.
        x: ``dense_parameters``, ``sparse_parameters`` or ``flops_per_sample``.
        level: Share of intervals that hold the truth.

    Raises:
        StudyError: For an unknown cost or metric, or a metric without a better end.
    """
    if x not in SCALING_AXES:
        raise StudyError(f"x is {x!r}.{suggest(x, SCALING_AXES)} Allowed: {', '.join(SCALING_AXES)}.")
    facts = results.plan.facts(metric)
    if not facts.direction:
        raise StudyError(f"{metric} has no better end, so it has no scaling curve. AUC and log loss have one.")
    results.check_metric(metric)
    study = results.plan.study
    points: dict[str, SizePoints] = {}
    refused: dict[str, str] = {}
    for family in study.families:
        try:
            points[family] = size_points(results, family, metric, x)
        except StudyError as error:  # noqa: PERF203  (every family gets its own reason)
            refused[family] = str(error)
    fits = {family: fit_curve(one, level) for family, one in points.items()}
    slopes: tuple[SlopeComparison, ...] = ()
    if study.baseline in points:
        others = [one for family, one in points.items() if family != study.baseline]
        slopes = compare_slopes(others, points[study.baseline], points[study.baseline].limit, level)
    return Scaling(metric, x, fits, refused, slopes, facts)


def fit_curve(points: SizePoints, level: float = 0.95) -> ScalingFit:
    """Fit the curve of one family.

    Args:
        points: Its sizes.
        level: Share of intervals that hold the truth.
    """
    sign = points.facts.direction
    bootstrap = SeedBootstrap(len(points.seeds), level)
    means = points.values.mean(0)
    law = fit_power_law(points.sizes, means[None], points.limit)
    drawn = fit_power_law(points.sizes, bootstrap.means(points.values), points.limit)
    gain = paired_t(points.gains().tolist(), level)
    reason = _why_not(law, drawn, bootstrap, gain, points)
    spread = float(((means - means.mean()) ** 2).sum())
    known = not reason
    return ScalingFit(
        family=points.family,
        x=points.x,
        metric=points.metric,
        variants=points.variants,
        sizes=tuple(float(size) for size in points.sizes),
        means=tuple(float(sign * mean) for mean in means),
        seeds=points.seeds,
        a=bootstrap.interval(float(sign * law.a[0]), sign * drawn.a) if known else None,
        b=bootstrap.interval(float(law.scale[0]), drawn.scale) if known else None,
        c=bootstrap.interval(float(law.c[0]), drawn.c) if known else None,
        r2=1 - float(law.error[0]) / spread if spread else math.nan,
        identified=known,
        reason=reason,
        gain=gain,
        notes=points.notes,
        facts=points.facts,
        _law=law,
        _drawn=drawn,
        _bootstrap=bootstrap,
    )


def _why_not(law: PowerLaw, drawn: PowerLaw, bootstrap: SeedBootstrap, gain: Interval, points: SizePoints) -> str:
    """Return why a, b and c are not identified; empty when they are."""
    if law.flat[0] or (gain.known and gain.low <= 0):
        bounds = f" [{gain.low:+.2g}, {gain.high:+.2g}]" if gain.known else ""
        return (
            f"{points.metric} does not improve with {points.x} beyond what seeds explain: "
            f"{gain.mean:+.2g}{bounds} for ten times the cost"
        )
    if len(points.seeds) < 2:
        return "one seed shows no spread, so nothing says how well a, b and c are determined"
    reasons = {
        "no levelling off is in sight, since the points lie close to a straight line in log x": (
            law.straight | law.limited,
            drawn.straight | drawn.limited,
        ),
        "only the smallest size differs from the others, so the exponent is not determined": (law.steep, drawn.steep),
    }
    for reason, (fitted, by_draw) in reasons.items():
        if fitted[0]:
            return reason
        if (share := float(bootstrap.probability[by_draw].sum())) > _AT_BOUND:
            return f"{reason} (in {share:.0%} of the draws of seeds)"
    return ""
