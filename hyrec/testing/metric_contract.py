"""The contract of metrics: the value depends on the rows and on nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from hyrec.metrics.base import RankingMetric
from hyrec.testing.class_contract import CLASS_RULES
from hyrec.testing.rules import Examined, Rule, RuleResult, broken, demand_subclass, examine

NUM_ROWS = 120


@dataclass
class MetricSubject(Examined):
    """A metric class under examination."""

    cls: type[RankingMetric]

    def rows(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return predictions, labels (some unknown), groups and weights, the same every time."""
        rng = torch.Generator().manual_seed(3)
        preds = torch.rand(NUM_ROWS, generator=rng)
        target = (torch.rand(NUM_ROWS, generator=rng) < preds).float()
        target[::7] = float("nan")
        return preds, target, torch.arange(NUM_ROWS) % 9, torch.rand(NUM_ROWS, generator=rng) + 0.5

    def value(self, index: Tensor, *, cuts: int = 1, metric: RankingMetric | None = None) -> float:
        """Return the metric of the rows at ``index``, given in ``cuts`` updates."""
        metric = self.cls(**self.init_args) if metric is None else metric
        for part in index.chunk(cuts):
            metric.update(*(column[part] for column in self.rows()))
        value = metric.compute()
        if not isinstance(value, Tensor) or value.dim() or not value.is_floating_point():
            broken(f"compute returned {value!r} instead of a floating-point scalar")
        return float(value)


def check_metric(cls: type, /, *, raise_on_failure: bool = True, **init_args: Any) -> list[RuleResult]:
    """Check a metric class: docstring, constructor, and that its value depends on the rows and on nothing else.

    Whether the value is the right one, and whether it is exact over several processes, only a test of its own can say.

    Args:
        cls: The class; a subclass of ``RankingMetric``.
        raise_on_failure: Raise when a rule is broken, instead of only returning what was found.
        init_args: The class's options.

    Raises:
        ContractError: When a rule is broken, with rule, expected and observed.
        TypeError: When ``cls`` is not a metric class.
    """
    demand_subclass(cls, RankingMetric, "check_metric takes a subclass of hyrec.metrics.RankingMetric")
    return examine(MetricSubject(cls, init_args), (*CLASS_RULES, *METRIC_RULES), raise_on_failure=raise_on_failure)


def _computes(subject: MetricSubject) -> None:
    value = subject.value(torch.arange(NUM_ROWS))
    if value != value:
        broken("it is NaN on 120 rows of both classes in 9 groups")


def _rows_only(subject: MetricSubject) -> None:
    order = torch.randperm(NUM_ROWS, generator=torch.Generator().manual_seed(5))
    want, got = subject.value(torch.arange(NUM_ROWS)), subject.value(order, cuts=5)
    if abs(got - want) > 1e-9 * max(1.0, abs(want)):
        broken(f"{want:.12g} for the rows in one update, {got:.12g} for the same rows shuffled in five")


def _unknown_labels(subject: MetricSubject) -> None:
    every, known = torch.arange(NUM_ROWS), (~subject.rows()[1].isnan()).nonzero().squeeze(1)
    want, got = subject.value(known), subject.value(every)
    if abs(got - want) > 1e-9 * max(1.0, abs(want)):
        broken(f"{want:.12g} without the rows of unknown label, {got:.12g} with them")


def _resets(subject: MetricSubject) -> None:
    metric, half = subject.cls(**subject.init_args), torch.arange(NUM_ROWS // 2)
    first = subject.value(half, metric=metric)
    metric.reset()
    metric.update(*(column[NUM_ROWS // 2 :] for column in subject.rows()))
    metric.reset()
    second = subject.value(half, metric=metric)
    if second != first and not (first != first and second != second):
        broken(f"{first:.12g} at first, {second:.12g} for the same rows after reset")


_NEEDS = ("signature", "computes")
METRIC_RULES = (
    Rule("computes", "update takes (preds, target, group, weights), compute returns a number", _computes),
    Rule("rows_only", "neither the order of rows nor their cut into batches changes the value", _rows_only, (), _NEEDS),
    Rule("unknown_labels", "rows whose label is NaN are left out", _unknown_labels, (), _NEEDS),
    Rule("resets", "after reset nothing of the rows before is left", _resets, (), _NEEDS),
)
"""Rules of metrics, in the order in which they are checked."""
