"""Every variant of a study beside its baseline: differences, two kinds of interval, a verdict, and what it costs."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from hyrec.metrics import RankingMetric
from hyrec.metrics.functional import relative_auc
from hyrec.studies.analysis.bootstrap import GroupBootstrap
from hyrec.studies.analysis.results import StudyResults, other_rows
from hyrec.studies.analysis.scores import Floats, OtherRowsError, Scores
from hyrec.studies.analysis.statistics import Interval, holm, paired_t
from hyrec.studies.plan.plan import PlannedVariant, RelativeCosts
from hyrec.studies.plan.study import StudyError


@dataclass(frozen=True)
class ComparisonRow:
    """One variant on one metric.

    Args:
        baseline: Name of the baseline at the same point of the grid.
        values: The metric by seed.
        sd: Standard deviation of the values (n − 1); NaN for fewer than two.
        differences: Variant minus baseline by seed, for the seeds that both finished; none for a baseline.
        missing_seeds: Seeds of the study for which no difference could be taken (for a baseline: no value).
        interval: Mean difference with its interval over **seeds**, which generalises over training runs.
        group_interval: The same difference with its interval over **groups of test rows** (paired bootstrap), which
            generalises over users or queries, given these trained models. None when ``group_note`` says why.
        p_holm: Value of p over seeds, adjusted for all variants of the study (Holm).
        chance: Value of the metric for a random order; None where that depends on the data.
        relative_auc: ``auc / base − 1``, the convention of the HyFormer paper; None for metrics that are no AUC.
        verdict: ``better``, ``worse``, ``not distinguishable``; ``higher``, ``lower`` for metrics without a better
            end; ``baseline``, ``too few seeds`` (fewer than two), ``no spread`` (two or more with one and the same
            difference), ``no shared seed`` with the baseline, ``no results`` or ``not comparable``.
        seconds: Mean wall time of its finished cells, in seconds; NaN without one.
    """

    variant: str
    metric: str
    baseline: str
    is_baseline: bool
    values: Mapping[int, float]
    mean: float
    sd: float
    differences: Mapping[int, float]
    missing_seeds: tuple[int, ...]
    interval: Interval | None
    chance: float | None
    relative_auc: float | None
    costs: RelativeCosts
    seconds: float
    notes: tuple[str, ...] = ()
    group_interval: Interval | None = None
    group_note: str = ""
    p_holm: float = math.nan
    verdict: str = ""

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

    @property
    def p(self) -> float:
        """Value of p over seeds before correction; NaN when there is none."""
        return math.nan if self.interval is None else self.interval.p


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
    if replicates and isinstance(facts, RankingMetric) and facts.can_be_drawn:
        for base in dict.fromkeys(row.baseline for row in rows):
            drawn = _Drawn(results, base, metric, facts, replicates)
            rows = [drawn.add_to(row) if row.baseline == base and row.differences else row for row in rows]
    else:
        rows = [_with_same_rows(results, row) for row in rows]
        if replicates:
            note = f"{metric} cannot be bootstrapped over groups"
            rows = [row if row.is_baseline or row.group_note else replace(row, group_note=note) for row in rows]
    adjusted = holm([math.nan if row.verdict else row.p for row in rows])
    return [
        replace(row, p_holm=p, verdict=row.verdict or _verdict(row, facts.direction, p))
        for row, p in zip(rows, adjusted, strict=True)
    ]


def _row(results: StudyResults, planned: PlannedVariant, metric: str, chance: float | None) -> ComparisonRow:
    costs = results.plan.costs(planned)
    name, base = planned.variant.name, costs.base.variant.name
    values, base_values = results.finite(name, metric), results.finite(base, metric)
    paired = {} if name == base else {s: (v, base_values[s]) for s, v in values.items() if s in base_values}
    differences = {s: mine - theirs for s, (mine, theirs) in paired.items()}
    levels = np.mean(list(paired.values()), axis=0).tolist() if paired and chance is not None else None
    undefined = [str(s) for s in results.values(name, metric) if s not in values]
    used, found = values if name == base else differences, list(values.values())
    seconds = [results.cells[name, seed].seconds for seed in results.seeds_of(name)]
    return ComparisonRow(
        variant=name,
        metric=metric,
        baseline=base,
        is_baseline=name == base,
        values=values,
        mean=float(np.mean(found)) if found else math.nan,
        sd=float(np.std(found, ddof=1)) if len(found) > 1 else math.nan,
        differences=differences,
        missing_seeds=tuple(s for s in results.plan.study.seeds if s not in used),
        interval=paired_t(list(differences.values())) if differences else None,
        chance=chance,
        relative_auc=relative_auc(*levels) if levels else None,
        costs=costs,
        seconds=float(np.mean(seconds)) if seconds else math.nan,
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


def _with_same_rows(results: StudyResults, row: ComparisonRow) -> ComparisonRow:
    cells = [results.cells[name, seed] for name in (row.baseline, row.variant) for seed in row.differences]
    reason = other_rows(cells, row.metric.rpartition("/")[0])
    return replace(row, verdict="not comparable", interval=None, group_note=reason) if reason else row


class _Drawn:
    """A metric of the cells around one baseline on the same draws of groups; each cell is computed once."""

    def __init__(
        self, results: StudyResults, baseline: str, logged: str, metric: RankingMetric, replicates: int
    ) -> None:
        self.results, self.baseline, self.replicates = results, baseline, replicates
        self.logged, self.metric = logged, metric
        self.bootstrap: GroupBootstrap | None = None
        self.of_baseline: dict[int, tuple[float, Floats]] = {}

    def add_to(self, row: ComparisonRow) -> ComparisonRow:
        """Return the row with its interval over groups, or with the reason why it has none."""
        try:
            self.of_baseline |= self._values(self.baseline, [s for s in row.differences if s not in self.of_baseline])
            mine = self._values(row.variant, list(row.differences))
        except OtherRowsError as error:  # the figures over seeds would not be paired either
            return replace(row, verdict="not comparable", interval=None, group_note=str(error))
        except ValueError as error:  # no interval over groups; the other figures stand if the rows are the same
            return _with_same_rows(self.results, replace(row, group_note=str(error)))
        assert self.bootstrap is not None
        pairs = [(own, self.of_baseline[s]) for s, own in mine.items()]
        difference = float(np.mean([own[0] - base[0] for own, base in pairs]))
        drawn = np.mean([own[1] - base[1] for own, base in pairs], axis=0)
        gap = max(abs(row.values[s] - own[0]) for s, own in mine.items())
        note = (
            f"{self.logged} of the saved predictions differs from the logged one by up to {gap:.2g}, so the interval "
            "over groups describes another figure"
        )
        notes = row.notes if gap <= 1e-4 else (*row.notes, note)
        return replace(row, group_interval=self.bootstrap.interval(self.metric, difference, drawn), notes=notes)

    def _values(self, variant: str, seeds: list[int]) -> dict[int, tuple[float, Floats]]:
        if not seeds:
            return {}
        self.bootstrap = self.bootstrap or GroupBootstrap(next(self._scores(variant, seeds)), self.replicates)
        observed, drawn = self.bootstrap.values(self.metric, self._scores(variant, seeds))
        return {seed: (float(observed[i]), drawn[:, i]) for i, seed in enumerate(seeds)}

    def _scores(self, variant: str, seeds: list[int]) -> Iterator[Scores]:
        for seed in seeds:
            one = self.results.cells[variant, seed].scores(self.logged.rpartition("/")[0])
            if one is None:
                raise StudyError(f"{variant} s{seed} saved no predictions")
            yield one
