"""The contract of metrics: the value depends on the rows and on nothing else, and the stated facts are true."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from hyrec.metrics.base import RankingMetric
from hyrec.metrics.facts import LossFacts, MetricFacts
from hyrec.testing.class_contract import CLASS_RULES
from hyrec.testing.rules import Examined, Rule, RuleResult, broken, demand_subclass, examine, skip

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

    def new(self) -> RankingMetric:
        """Return another metric."""
        return self.cls(**self.init_args)

    def value(
        self, index: Tensor, *, cuts: int = 1, metric: RankingMetric | None = None, group: Tensor | None = None
    ) -> float:
        """Return the metric of the rows at ``index``, given in ``cuts`` updates, in their own or other groups."""
        metric = self.new() if metric is None else metric
        preds, target, own, weights = (column[index] for column in self.rows())
        for rows in zip(
            *(c.chunk(cuts) for c in (preds, target, own if group is None else group, weights)), strict=True
        ):
            metric.update(*rows)
        value = metric.compute()
        if not isinstance(value, Tensor) or value.dim() or not value.is_floating_point():
            broken(f"compute returned {value!r} instead of a floating-point scalar")
        return float(value)


def check_metric(cls: type, /, *, raise_on_failure: bool = True, **init_args: Any) -> list[RuleResult]:
    """Check a metric class as :func:`check_component` does: docstring, constructor, facts, what its value depends on.

    Whether the value is the right one, and whether it is exact over several processes, only a test of its own can say.

    Args:
        cls: The class; a subclass of ``RankingMetric``.
        raise_on_failure: Raise when a rule is broken, instead of only returning what was found.
        init_args: The class's options.
    """
    demand_subclass(cls, RankingMetric, "check_metric takes a subclass of hyrec.metrics.RankingMetric")
    return examine(MetricSubject(cls, init_args), (*CLASS_RULES, *METRIC_RULES), raise_on_failure=raise_on_failure)


def _facts(subject: MetricSubject) -> None:
    metric = subject.new()
    if not re.fullmatch(r"[a-z][a-z0-9_]*(@[a-z0-9_]+)?", metric.name) or metric.name == LossFacts.name:
        broken(f"name is {metric.name!r}: tables and logs need one such as 'auc' or 'ndcg@10', other than 'loss'")
    if metric.definition in ("", MetricFacts.definition):
        broken("definition is empty, so a report cannot say what the metric is")
    above = subject.cls.__mro__[: subject.cls.__mro__.index(RankingMetric)]
    if not any("higher_is_better" in vars(cls) for cls in above):
        broken("higher_is_better is not written down: True, False, or None where neither end is better")


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
    metric, half = subject.new(), torch.arange(NUM_ROWS // 2)
    first = subject.value(half, metric=metric)
    metric.reset()
    metric.update(*(column[NUM_ROWS // 2 :] for column in subject.rows()))
    metric.reset()
    second = subject.value(half, metric=metric)
    if second != first and not (first != first and second != second):
        broken(f"{first:.12g} at first, {second:.12g} for the same rows after reset")


def _needs_group(subject: MetricSubject) -> None:
    metric, (preds, target, _, weights) = subject.new(), subject.rows()
    try:
        metric.update(preds, target, None, weights)
        metric.compute()
        refuses = False
    except ValueError:
        refuses = True
    if refuses != metric.needs_group:
        did = "refuses" if refuses else "takes"
        broken(f"needs_group is {metric.needs_group}, and it {did} rows without groups")


def _draws(subject: MetricSubject) -> None:
    metric, (preds, target, group, weights) = subject.new(), subject.rows()
    if not metric.can_be_drawn:
        skip("it has neither group_sums nor drawn, so studies give it no interval over groups")
    known = ~target.isnan()
    rows = (preds[known].double(), target[known].double(), group[known], weights[known].double())
    draws = torch.tensor([[1] * 9, [2, 1, 0, 1, 3, 0, 1, 0, 1]])
    got = metric.drawn(*rows)(draws.double())
    for counts, value in zip(draws, got.tolist(), strict=True):
        drawn = torch.arange(9).repeat_interleave(counts)
        index = [(group == g).nonzero().squeeze(1) for g in drawn]
        copies = torch.arange(9).repeat_interleave(torch.tensor([len(part) for part in index]))
        want = subject.value(torch.cat(index), group=copies)
        if not abs(value - want) <= 1e-9 * max(1.0, abs(want)):
            broken(f"{value:.12g} for groups drawn {counts.tolist()} times, {want:.12g} for their rows written down")


_NEEDS = ("signature", "computes")
_DRAW_NEEDS = (*_NEEDS, "rows_only", "unknown_labels")
METRIC_RULES = (
    Rule("computes", "update takes (preds, target, group, weights), compute returns a number", _computes),
    Rule("rows_only", "neither the order of rows nor their cut into batches changes the value", _rows_only, _NEEDS),
    Rule("unknown_labels", "rows whose label is NaN are left out", _unknown_labels, _NEEDS),
    Rule("resets", "after reset nothing of the rows before is left", _resets, _NEEDS),
    Rule("facts", "name, definition and the better end are written down", _facts, ("signature",)),
    Rule("needs_group", "needs_group says whether rows without groups are refused", _needs_group, _NEEDS),
    Rule(
        "draws", "a draw of groups gives the metric of their rows, a group drawn twice being two", _draws, _DRAW_NEEDS
    ),
)
"""Rules of metrics, in the order in which they are checked."""
