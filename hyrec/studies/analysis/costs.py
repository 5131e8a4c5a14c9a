"""What variants cost, beside their baselines."""

from __future__ import annotations

import math
from dataclasses import dataclass

from hyrec.studies.plan.plan import Plan, PlannedVariant

WITHIN_BUDGET = 0.05
"""Dense parameters and FLOPs of a fair comparison differ by at most this share."""


@dataclass(frozen=True)
class RelativeCosts:
    """What a variant costs, beside the baseline at its point of the grid."""

    planned: PlannedVariant
    base: PlannedVariant

    @classmethod
    def of(cls, plan: Plan, planned: PlannedVariant) -> RelativeCosts:
        """Set a variant of a plan beside its baseline."""
        return cls(planned, plan.planned(plan.study.baseline_of(planned.variant).name))

    @property
    def dense_ratio(self) -> float:
        """Dense parameters over those of the baseline."""
        return _ratio(self.planned.dense_parameters, self.base.dense_parameters)

    @property
    def flops_ratio(self) -> float:
        """FLOPs over those of the baseline."""
        return _ratio(self.planned.flops_per_sample, self.base.flops_per_sample)

    @property
    def within_budget(self) -> bool:
        """Whether both ratios lie within 5 % of 1."""
        return all(abs(ratio - 1) <= WITHIN_BUDGET for ratio in (self.dense_ratio, self.flops_ratio))


def _ratio(cost: float, base: float) -> float:
    return cost / base if base else 1.0 if cost == base else math.inf
