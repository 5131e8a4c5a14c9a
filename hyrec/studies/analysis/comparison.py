"""Every variant of a study beside its baseline: differences, two kinds of interval, a verdict, and what it costs."""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from hyrec.metrics import RankingMetric
from hyrec.metrics.functional import relative_auc
from hyrec.studies.analysis.bootstrap import GroupBootstrap
from hyrec.studies.analysis.results import StudyResults
from hyrec.studies.analysis.scores import Floats, OtherRowsError, Scores, check_same_rows
from hyrec.studies.analysis.statistics import Interval, holm, paired_t
from hyrec.studies.plan.plan import PlannedVariant, RelativeCosts
from hyrec.studies.plan.study import StudyError


@dataclass(frozen=True)
class ComparisonRow:
    """One variant on one metric.

    Args:
        costs: What the variant and the baseline at the same point of the grid cost.
        values: The metric by seed.
        differences: Variant minus baseline by seed, for the seeds that both finished; none for a baseline.
        interval: Mean difference with its interval over **seeds**, which generalises over training runs.
        seconds: Mean wall time of its finished cells, in seconds; NaN without one.
        chance: Value of the metric for a random order; None where that depends on the data.
        group_interval: The same difference with its interval over **groups of test rows** (paired bootstrap), which
            generalises over users or queries, given these trained models. None when a note says why.
        p_holm: Value of p over seeds, adjusted for all variants of the study (Holm).
        verdict: ``better``, ``worse``, ``not distinguishable``; ``higher``, ``lower`` for metrics without a better
            end; ``baseline``, ``too few seeds`` (fewer than two), ``no spread`` (two or more with one and the same
            difference), ``no shared seed`` with the baseline, ``no results`` or ``not comparable``.
        notes: What else there is to know about its figures.
    """

    metric: str
    costs: RelativeCosts
    values: Mapping[int, float]
    differences: Mapping[int, float]
    interval: Interval | None
    seconds: float
    chance: float | None = None
    group_interval: Interval | None = None
    p_holm: float = math.nan
    verdict: str = ""
    notes: tuple[str, ...] = ()

    @property
    def variant(self) -> str:
        """Its name."""
        return self.costs.planned.variant.name

    @property
    def baseline(self) -> str:
        """Name of the baseline at the same point of the grid."""
        return self.costs.base.variant.name

    @property
    def is_baseline(self) -> bool:
        """Whether the others are compared with it."""
        return self.variant == self.baseline

    @property
    def mean(self) -> float:
        """Mean over seeds; NaN without a value."""
        return float(np.mean(list(self.values.values()))) if self.values else math.nan

    @property
    def sd(self) -> float:
        """Standard deviation of the values (n − 1); NaN for fewer than two."""
        return float(np.std(list(self.values.values()), ddof=1)) if len(self.values) > 1 else math.nan

    @property
    def relative_auc(self) -> float | None:
        """``auc / base − 1`` over the shared seeds, as the HyFormer paper prints it; None where it is no AUC."""
        if self.chance is None or not self.differences:
            return None
        mean = float(np.mean([self.values[seed] for seed in self.differences]))
        return relative_auc(mean, mean - float(np.mean(list(self.differences.values()))))

    @property
    def runs(self) -> str:
        """Seeds of the difference, and those of the mean where these are others: ``4 (mean: 5)``."""
        if self.is_baseline or len(self.differences) == len(self.values):
            return str(len(self.values))
        return f"{len(self.differences)} (mean: {len(self.values)})"

    @property
    def difference(self) -> float:
        """Mean paired difference; NaN when there is none."""
        return math.nan if self.interval is None else self.interval.mean


def compare(results: StudyResults, metric: str, *, replicates: int = 1000) -> list[ComparisonRow]:
    """Compare every variant with the baseline at the same point of the grid, seed by seed.

    The verdict follows the p value over seeds, adjusted for the number of variants (Holm), at 0.05: would training all
    variants again with other seeds show the same? The bootstrap interval over groups stands beside it; without
    ``replicates``, its draws, it is left out.

    Raises:
        StudyError: When no cell reports the metric.
    """
    results.check_metric(metric)
    facts = results.facts(metric)
    rows = [_row(results, planned, metric, facts.chance) for planned in results.plan.variants]
    around = {base: _Predictions(results, metric, replicates) for base in {row.baseline for row in rows}}
    rows = [around[row.baseline].add_to(row) for row in rows]
    tested = [math.nan if row.verdict or row.interval is None else row.interval.p for row in rows]
    return [
        replace(row, p_holm=p, verdict=row.verdict or _verdict(row, facts.direction, p))
        for row, p in zip(rows, holm(tested), strict=True)
    ]


def _row(results: StudyResults, planned: PlannedVariant, metric: str, chance: float | None) -> ComparisonRow:
    costs = results.plan.costs(planned)
    name, base = planned.variant.name, costs.base.variant.name
    values, theirs = results.finite(name, metric), results.finite(base, metric)
    differences = {} if name == base else {s: value - theirs[s] for s, value in values.items() if s in theirs}
    undefined = [str(s) for s in results.values(name, metric) if s not in values]
    seconds = [results.cells[name, seed].seconds for seed in results.seeds_of(name)]
    return ComparisonRow(
        metric=metric,
        costs=costs,
        values=values,
        differences=differences,
        interval=paired_t(list(differences.values())) if differences else None,
        seconds=float(np.mean(seconds)) if seconds else math.nan,
        chance=chance,
        notes=(f"{metric} is not defined for seed {', '.join(undefined)}",) if undefined else (),
    )


def _verdict(row: ComparisonRow, direction: int, p_holm: float) -> str:
    if not row.values:
        return "no results"
    if row.is_baseline:
        return "baseline"
    if row.interval is None:
        return "no shared seed"
    if math.isnan(p_holm):
        return "too few seeds" if row.interval.count < 2 else "no spread"
    if p_holm > 0.05 or row.interval.mean == 0:
        return "not distinguishable"
    larger = row.interval.mean > 0
    if not direction:
        return "higher" if larger else "lower"
    return "better" if larger == (direction > 0) else "worse"


class _Predictions:
    """Saved predictions of the cells around one baseline: whether they are of the same rows, and what draws say.

    Each cell is drawn once.
    """

    def __init__(self, results: StudyResults, logged: str, replicates: int) -> None:
        self.results, self.logged, self.replicates = results, logged, replicates
        self.task, self.metric = logged.rpartition("/")[0], results.facts(logged)
        self.reference: Scores | None = None
        self.same: set[tuple[str, int]] = set()
        self.drawn = functools.cache(self._drawn)

    def add_to(self, row: ComparisonRow) -> ComparisonRow:
        """Return the row with its interval over groups, or with the reason why it has none."""
        if not row.differences:
            return row
        try:
            for cell in itertools.product((row.baseline, row.variant), row.differences):
                self._check_rows(cell)
            if not self.replicates:
                return row
            pairs = [(self.drawn(row.variant, s), self.drawn(row.baseline, s)) for s in row.differences]
        except OtherRowsError as error:  # the figures over seeds would not be paired either
            return replace(row, verdict="not comparable", interval=None, notes=(*row.notes, str(error)))
        except ValueError as error:  # no interval over groups; the other figures stand
            return replace(row, notes=(*row.notes, str(error)))
        difference = float(np.mean([own[0] - base[0] for own, base in pairs]))
        drawn = np.mean([own[1] - base[1] for own, base in pairs], axis=0)
        gap = max(abs(row.values[s] - own[0]) for s, (own, _) in zip(row.differences, pairs, strict=True))
        note = (
            f"{self.logged} of the saved predictions differs from the logged one by up to {gap:.2g}, so the interval "
            "over groups describes another figure"
        )
        interval = self.bootstrap.interval(self.metric, difference, drawn)  # type: ignore[arg-type]
        return replace(row, group_interval=interval, notes=row.notes if gap <= 1e-4 else (*row.notes, note))

    @functools.cached_property
    def bootstrap(self) -> GroupBootstrap:
        assert self.reference is not None
        return GroupBootstrap(self.reference, self.replicates)

    def _check_rows(self, cell: tuple[str, int]) -> None:
        if cell in self.same:
            return
        try:
            scores = self.results.cells[cell].scores(self.task)
        except ValueError:  # damaged predictions, which are told of when they are drawn
            return
        if scores is not None:
            self.reference = self.reference or scores
            check_same_rows(self.reference, scores)
            self.same.add(cell)

    def _drawn(self, variant: str, seed: int) -> tuple[float, Floats]:
        if not isinstance(self.metric, RankingMetric) or not self.metric.can_be_drawn:
            raise StudyError(f"{self.logged} cannot be bootstrapped over groups")
        scores = self.results.cells[variant, seed].scores(self.task)
        if scores is None:
            raise StudyError(f"{variant} s{seed} saved no predictions")
        return self.bootstrap.values(self.metric, scores)
