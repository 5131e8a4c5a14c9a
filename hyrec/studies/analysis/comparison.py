"""Every variant of a study beside its baseline: differences, two kinds of interval, a verdict, and what it costs."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from hyrec.metrics import RankingMetric
from hyrec.metrics.functional import relative_auc, relative_auc_above_chance
from hyrec.studies.analysis.bootstrap import GroupBootstrap, OtherRowsError, check_same_rows
from hyrec.studies.analysis.results import CellResult, StudyResults
from hyrec.studies.analysis.same_rows import other_rows
from hyrec.studies.analysis.scores import Floats, Scores
from hyrec.studies.analysis.statistics import Interval, holm, paired_t
from hyrec.studies.analysis.verdict import verdict_of
from hyrec.studies.plan.plan import PlannedVariant
from hyrec.studies.plan.study import StudyError

WITHIN_BUDGET = 0.05
"""Dense parameters and FLOPs of a fair comparison differ by at most this share."""
_AGREES = 1e-4


@dataclass(frozen=True)
class RelativeCosts:
    """What a variant costs, beside its baseline.

    Args:
        dense_parameters: Their number.
        sparse_parameters: Numbers in the embedding tables.
        flops_per_sample: Forward FLOPs a sample.
        seconds: Mean wall time of its finished cells, in seconds; NaN without one.
        dense_ratio: Dense parameters over those of the baseline.
        flops_ratio: FLOPs over those of the baseline.
        within_budget: Whether both ratios lie within 5 % of 1.
    """

    dense_parameters: int
    sparse_parameters: int
    flops_per_sample: float
    seconds: float
    dense_ratio: float
    flops_ratio: float
    within_budget: bool


@dataclass(frozen=True)
class ComparisonRow:
    """One variant on one metric.

    Args:
        variant: Its name.
        family: Its family.
        point: Its point of the grid.
        metric: The metric.
        baseline: Name of the baseline at the same point of the grid.
        is_baseline: Whether this is a baseline row, which is compared with nothing.
        values: The metric by seed.
        mean: Mean over these seeds; NaN without one.
        sd: Their standard deviation (n − 1); NaN for fewer than two.
        differences: Variant minus baseline by seed, for the seeds that both finished.
        missing_seeds: Seeds of the study for which no difference could be taken (for a baseline: no value).
        interval: Mean difference with its interval over **seeds**, which generalises over training runs.
        group_interval: The same difference with its interval over **groups of test rows** (paired bootstrap), which
            generalises over users or queries, given these trained models. None when ``group_note`` says why.
        group_note: Why there is no ``group_interval``.
        p_holm: Value of p over seeds, adjusted for all variants of the study (Holm).
        relative_auc: ``auc / base − 1``, the convention of the HyFormer paper; None for metrics that are no AUC.
        relative_auc_above_chance: ``(auc − 0.5) / (base − 0.5) − 1``, larger for the same figures.
        verdict: ``better``, ``worse``, ``not distinguishable``; ``higher``, ``lower`` for metrics without a better
            end; ``baseline``, ``too few seeds`` (fewer than two), ``no spread`` (two or more with one and the same
            difference), ``no shared seed`` with the baseline, ``no results`` or ``not comparable``.
        costs: What it costs.
        notes: What else should be known.
    """

    variant: str
    family: str
    point: Mapping[str, Any]
    metric: str
    baseline: str
    is_baseline: bool
    values: Mapping[int, float]
    mean: float
    sd: float
    differences: Mapping[int, float]
    missing_seeds: tuple[int, ...]
    interval: Interval | None
    group_interval: Interval | None
    group_note: str
    p_holm: float
    relative_auc: float | None
    relative_auc_above_chance: float | None
    verdict: str
    costs: RelativeCosts
    notes: tuple[str, ...] = ()

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


def compare(
    results: StudyResults, metric: str, *, level: float = 0.95, replicates: int = 1000, seed: int = 0
) -> list[ComparisonRow]:
    """Compare every variant with the baseline at the same point of the grid, seed by seed.

    The verdict follows the p value over seeds, adjusted for the number of variants (Holm), at ``1 − level``. The
    bootstrap interval over groups stands beside it.

    Args:
        results: What the cells found.
        metric: A test metric, such as ``query_auc``.
        level: Share of intervals that hold the truth.
        replicates: Draws of the bootstrap over groups; 0 leaves it out.
        seed: Seed of these draws.

    Raises:
        StudyError: When no cell reports the metric.
    """
    results.check_metric(metric)
    rows = [_row(results, planned, metric, level) for planned in results.plan.variants]
    facts = results.plan.facts(metric)
    if replicates and isinstance(facts, RankingMetric) and facts.can_be_drawn:
        rows = _with_groups(results, rows, metric, level, replicates, seed)
    else:
        rows = [_with_same_rows(results, row) for row in rows]
        if replicates:
            note = f"{metric} cannot be bootstrapped over groups"
            rows = [row if row.is_baseline or row.group_note else replace(row, group_note=note) for row in rows]
    adjusted = holm([math.nan if row.verdict == "not comparable" else row.p for row in rows])
    return [_with_verdict(row, facts.direction, p, 1 - level) for row, p in zip(rows, adjusted, strict=True)]


def costs_of(results: StudyResults, planned: PlannedVariant) -> RelativeCosts:
    """Return what a variant costs, beside the baseline at its point of the grid."""
    base = results.plan.planned(results.plan.study.baseline_of(planned.variant).name)
    name = planned.variant.name
    seconds = [results.cells[name, seed].seconds for seed in results.seeds_of(name)]
    dense = _ratio(planned.dense_parameters, base.dense_parameters)
    flops = _ratio(planned.flops_per_sample, base.flops_per_sample)
    return RelativeCosts(
        dense_parameters=planned.dense_parameters,
        sparse_parameters=planned.sparse_parameters,
        flops_per_sample=planned.flops_per_sample,
        seconds=float(np.mean(seconds)) if seconds else math.nan,
        dense_ratio=dense,
        flops_ratio=flops,
        within_budget=abs(dense - 1) <= WITHIN_BUDGET and abs(flops - 1) <= WITHIN_BUDGET,
    )


def _row(results: StudyResults, planned: PlannedVariant, metric: str, level: float) -> ComparisonRow:
    variant, base = planned.variant, results.plan.study.baseline_of(planned.variant)
    logged, base_logged = results.values(variant.name, metric), results.values(base.name, metric)
    values, base_values = _finite(logged), _finite(base_logged)
    is_baseline = variant.name == base.name
    paired = {} if is_baseline else {s: (v, base_values[s]) for s, v in values.items() if s in base_values}
    differences = {s: mine - theirs for s, (mine, theirs) in paired.items()}
    relative = above_chance = None
    chance = results.plan.facts(metric).chance
    if paired and chance is not None:
        mean, base_mean = (float(level) for level in np.mean(list(paired.values()), axis=0))
        relative, above_chance = relative_auc(mean, base_mean), relative_auc_above_chance(mean, base_mean, chance)
    undefined = [s for s in logged if s not in values]
    notes = [f"{metric} is not defined for seed {', '.join(map(str, undefined))}"] if undefined else []
    used = values if is_baseline else differences
    found = list(values.values())
    return ComparisonRow(
        variant=variant.name,
        family=variant.family,
        point=variant.point,
        metric=metric,
        baseline=base.name,
        is_baseline=is_baseline,
        values=values,
        mean=float(np.mean(found)) if found else math.nan,
        sd=float(np.std(found, ddof=1)) if len(found) > 1 else math.nan,
        differences=differences,
        missing_seeds=tuple(s for s in results.plan.study.seeds if s not in used),
        interval=paired_t(list(differences.values()), level) if differences else None,
        group_interval=None,
        group_note="",
        p_holm=math.nan,
        relative_auc=relative,
        relative_auc_above_chance=above_chance,
        verdict="",
        costs=costs_of(results, planned),
        notes=tuple(notes),
    )


def _with_verdict(row: ComparisonRow, direction: int, p_holm: float, alpha: float) -> ComparisonRow:
    verdict = row.verdict or verdict_of(
        direction, row.interval, p_holm, alpha, is_baseline=row.is_baseline, has_values=bool(row.values)
    )
    return replace(row, p_holm=p_holm, verdict=verdict)


def _with_same_rows(results: StudyResults, row: ComparisonRow) -> ComparisonRow:
    """Refuse a difference between predictions of other test rows, as the bootstrap does."""
    names = [row.baseline, row.variant]
    cells = [results.cells[name, seed] for name in names for seed in row.differences]
    reason = other_rows(cells, row.metric.rpartition("/")[0])
    return replace(row, verdict="not comparable", interval=None, group_note=reason) if reason else row


def _with_groups(
    results: StudyResults, rows: list[ComparisonRow], metric: str, level: float, replicates: int, seed: int
) -> list[ComparisonRow]:
    """Add the intervals over groups: one baseline at a time, so that its draws are computed once."""
    done = {row.variant: row for row in rows}
    for base in dict.fromkeys(row.baseline for row in rows):
        others = [row for row in rows if row.baseline == base and not row.is_baseline and row.differences]
        drawn = _Drawn(results, base, metric, replicates, seed)
        done |= {row.variant: drawn.add_to(row, level) for row in others}
    return [done[row.variant] for row in rows]


class _Drawn:
    """A metric of the cells around one baseline on the same draws of groups; each cell is computed once."""

    def __init__(self, results: StudyResults, baseline: str, metric: str, replicates: int, seed: int) -> None:
        self.results, self.baseline = results, baseline
        self.logged, self.metric = metric, results.plan.metric(metric)
        self.replicates, self.seed = replicates, seed
        self.bootstrap: GroupBootstrap | None = None
        self.of_baseline: dict[int, tuple[float, Floats]] = {}

    def add_to(self, row: ComparisonRow, level: float) -> ComparisonRow:
        """Return the row with its interval over groups, or with the reason why it has none."""
        try:
            new = [s for s in row.differences if s not in self.of_baseline]
            self.of_baseline |= self._values(self.baseline, new)
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
        notes = row.notes if gap <= _AGREES else (*row.notes, note)
        return replace(row, group_interval=self.bootstrap.interval(difference, drawn, level, self.metric), notes=notes)

    def _values(self, variant: str, seeds: list[int]) -> dict[int, tuple[float, Floats]]:
        scores = [self._scores(self.results.cells[variant, seed]) for seed in seeds]
        if not scores:
            return {}
        if self.bootstrap is None:
            self.bootstrap = GroupBootstrap(scores[0], self.replicates, self.seed)
        for other in scores:
            check_same_rows(self.bootstrap.reference, other)
        observed, drawn = self.bootstrap.values(self.metric, scores)
        return {seed: (float(observed[i]), drawn[:, i]) for i, seed in enumerate(seeds)}

    def _scores(self, cell: CellResult) -> Scores:
        table = cell.predictions()
        if table is None:
            raise StudyError(f"{cell.variant} s{cell.seed} saved no predictions")
        return Scores.of(table, self.logged.rpartition("/")[0] or cell.primary_task or "")


def _finite(values: Mapping[int, float]) -> dict[int, float]:
    return {seed: value for seed, value in values.items() if math.isfinite(value)}


def _ratio(cost: float, base: float) -> float:
    return cost / base if base else (1.0 if cost == base else math.inf)
