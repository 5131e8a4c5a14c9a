"""How quality grows with cost: a curve ``y = a − b · x^−c`` for each family of a study, and their slopes compared."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from hyrec.messages import unknown
from hyrec.metrics import MetricFacts
from hyrec.studies.analysis.results import StudyResults
from hyrec.studies.analysis.scores import Floats
from hyrec.studies.analysis.statistics import Interval, holm, paired_t
from hyrec.studies.plan.study import SCALING_AXES, StudyError

MIN_SIZES = 4
"""Three parameters need at least four sizes, or the curve only draws a line through the points."""
MIN_EXPONENT, MAX_EXPONENT = 0.01, 5.0
"""Where c is searched. Below, the curve is a straight line in log x; above, a step at the smallest size."""
_STRAIGHT = 0.03
"""Up to this exponent the slope in log x changes by less than a fifth over a thousandfold cost."""


@dataclass(frozen=True)
class PowerLaw:
    """A curve ``y = a − b · (x / x0)^−c``, where ``x0`` is the geometric mean of the sizes that it was fitted to."""

    a: float
    b: float
    c: float
    x0: float

    @classmethod
    def fit(cls, x: Floats, y: Floats, limit: float) -> PowerLaw:
        """Fit by least squares with b ≥ 0, a ≤ limit and c in [0.01, 5]: for a given c, a and b have a closed form."""
        from scipy.optimize import lsq_linear, minimize_scalar

        x0 = float(np.exp(np.log(x).mean()))

        def solved(log_c: float) -> tuple[Floats, float]:
            design = np.stack([np.ones_like(x), -((x / x0) ** -math.exp(log_c))], 1)
            found = lsq_linear(design, y, bounds=([-np.inf, 0.0], [limit, np.inf]))
            return found.x, found.cost

        ends = (math.log(MIN_EXPONENT), math.log(MAX_EXPONENT))
        log_c = float(minimize_scalar(lambda log_c: solved(log_c)[1], bounds=ends, method="bounded").x)
        a, b = solved(log_c)[0].tolist()
        return cls(a, b, math.exp(log_c), x0)

    def __call__(self, x: Floats) -> Floats:
        """Return the curve at some sizes."""
        return np.asarray(self.a - self.b * (x / self.x0) ** -self.c)

    def undetermined(self, limit: float) -> str:
        """Return why a, b and c say nothing: the fit ended where it was not allowed to go further; else empty."""
        if self.c <= _STRAIGHT or self.a >= limit - 1e-6:
            return "no levelling off is in sight, since the points lie close to a straight line in log x"
        if self.c >= MAX_EXPONENT / 1.05:
            return "only the smallest size differs from the others, so the exponent is not determined"
        return ""


@dataclass(frozen=True)
class ScalingFit:
    """The curve of one family: ``y = a − b · x^−c`` for a metric that is better when larger, ``a + b · x^−c`` else.

    Fitted to the means over seeds; a no better than the metric can be. Intervals leave out one seed at a time
    (jackknife, Student's t), so they generalise over training runs at these sizes.

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

    @cached_property
    def laws(self) -> tuple[PowerLaw, ...]:
        """The curve through the means over all seeds, then those without one seed each."""
        without_one = [np.delete(self.values, i, 0) for i in range(len(self.seeds))] if len(self.seeds) > 1 else []
        means = (values.mean(0) for values in (self.values, *without_one))
        return tuple(PowerLaw.fit(self.sizes, mean, self.limit) for mean in means)

    @cached_property
    def gain(self) -> Interval:
        """Improvement for ten times the cost: slope of a straight line in log10(x), by Student's t over seeds.

        Positive is better, also where the metric falls. It needs no curve and is always known.
        """
        return paired_t(list(self.gains(self.sizes).values()))

    def gains(self, at: Floats) -> dict[int, float]:
        """Return the same by seed, of values that are interpolated to the sizes ``at``, linearly in log10."""
        values = np.stack([np.interp(np.log10(at), np.log10(self.sizes), row) for row in self.values])
        slopes = np.polyfit(np.log10(at), values.T, 1)[0]
        return dict(zip(self.seeds, slopes.tolist(), strict=True))

    @property
    def reason(self) -> str:
        """Why the data do not determine a, b and c; empty when they do."""
        if min(law.b for law in self.laws) <= 0 or (self.gain.known and self.gain.low <= 0):
            bounds = f" [{self.gain.low:+.2g}, {self.gain.high:+.2g}]" if self.gain.known else ""
            return f"no improvement beyond what seeds explain: {self.gain.mean:+.2g}{bounds} for ten times the cost"
        if len(self.seeds) < 2:
            return "one seed shows no spread, so nothing says how well a, b and c are determined"
        return next((reason for law in self.laws if (reason := law.undetermined(self.limit))), "")

    @property
    def parameters(self) -> tuple[Interval, Interval, Interval] | None:
        """a, b (for x in its own unit) and c; None when the data do not determine them."""
        if self.reason:
            return None
        a = _jackknife([self.facts.direction * law.a for law in self.laws])
        # b and c are positive, so their spread is that of their logarithms.
        log_b = _jackknife([math.log(law.b) + law.c * math.log(law.x0) for law in self.laws])
        log_c = _jackknife([math.log(law.c) for law in self.laws])
        b, c = (Interval(math.exp(i.mean), math.exp(i.low), math.exp(i.high), count=i.count) for i in (log_b, log_c))
        return a, b, c

    @property
    def r2(self) -> float:
        """Share of the variance of the means that the curve explains; NaN when they are all equal."""
        means = self.values.mean(0)
        spread = float(means.var())
        return 1 - float(((self.laws[0](self.sizes) - means) ** 2).mean()) / spread if spread else math.nan

    def curve(self, at: Floats | None = None) -> tuple[Floats, list[Interval]]:
        """Return sizes, by default from the family's smallest to its largest, and the curve with its interval there.

        Between the sizes it hardly depends on whether a, b and c are determined, so it can always be drawn.
        """
        sizes = np.geomspace(self.sizes[0], self.sizes[-1], 40) if at is None else at
        lines = self.facts.direction * np.stack([law(sizes) for law in self.laws])
        return sizes, [_jackknife(column.tolist()) for column in lines.T]


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
        raise StudyError(unknown("x is", x, SCALING_AXES))
    if not results.facts(metric).direction:
        raise StudyError(f"{metric} has no better end, so it has no scaling curve. AUC and log loss have one.")
    results.check_metric(metric)
    fits: dict[str, ScalingFit] = {}
    refused: dict[str, str] = {}
    for family in results.plan.study.families:
        try:
            fits[family] = _family(results, family, metric, x)
        except StudyError as error:  # noqa: PERF203  (every family gets its own reason)
            refused[family] = str(error)
    baseline = fits.get(results.plan.study.baseline)
    slopes = [_slope(fit, baseline) for fit in fits.values() if baseline and fit is not baseline]
    adjusted = holm([math.nan if one.difference is None else one.difference.p for one in slopes])
    return Scaling(fits, refused, tuple(replace(one, p_holm=p) for one, p in zip(slopes, adjusted, strict=True)))


def _family(results: StudyResults, family: str, metric: str, x: str) -> ScalingFit:
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
    return ScalingFit(family, sizes, seeds, values, facts, tuple(notes))


def _slope(fit: ScalingFit, baseline: ScalingFit) -> SlopeComparison:
    low = float(max(fit.sizes.min(), baseline.sizes.min()))
    high = float(min(fit.sizes.max(), baseline.sizes.max()))
    shared = [seed for seed in fit.seeds if seed in baseline.seeds]
    reason = "" if shared else "no seed finished for every size of both"
    if low >= high:
        reason = f"their sizes do not overlap: one ends at {high:g}, the other starts at {low:g}"
    difference = None
    if not reason:
        mine, theirs = (one.gains(np.geomspace(low, high, 5)) for one in (fit, baseline))
        difference = paired_t([mine[seed] - theirs[seed] for seed in shared])
    return SlopeComparison(fit.family, baseline.family, low, high, difference, reason)


def _jackknife(found: list[float]) -> Interval:
    """Return the interval of a figure from its value of all seeds, followed by those without one seed each."""
    whole, *without_one = found
    count = len(without_one)
    if count < 2:
        return Interval(whole, count=max(count, 1))
    around = paired_t([count * whole - (count - 1) * one for one in without_one])
    return Interval(whole, whole + around.low - around.mean, whole + around.high - around.mean, count=count)
