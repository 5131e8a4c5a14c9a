"""Each rule about metrics is proven by a metric that breaks it and nothing else; hyrec's own obey all."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import Tensor

from hyrec.metrics import RankingMetric, StoredScoresMetric, default_metrics
from hyrec.metrics.functional import num_groups, segment_sum
from hyrec.testing import ContractError, check_class, check_metric
from hyrec.testing.class_contract import CLASS_RULES
from hyrec.testing.metric_contract import METRIC_RULES


@pytest.fixture(autouse=True, scope="module")
def _forget_broken_classes() -> Iterator[None]:
    yield
    gc.collect()


class MeanScore(StoredScoresMetric):
    """Average the scores of the rows whose label is known."""

    name = "mean_score"
    definition = "mean score"
    higher_is_better = None

    def group_sums(self, preds: Tensor, target: Tensor, group: Tensor, weights: Tensor) -> Tensor:
        return segment_sum(torch.stack([preds, torch.ones_like(preds)], 1), group, num_groups(group))

    def value_of(self, sums: Tensor) -> Tensor:
        return sums[..., 0] / sums[..., 1]

    def compute(self) -> Tensor:
        preds, target, _, _ = self.stored()
        return preds[~target.isnan()].mean()


def counts_unknown_labels() -> type[RankingMetric]:
    class Broken(MeanScore):
        """Average the scores of all rows."""

        def compute(self) -> Tensor:
            return self.stored()[0].mean()

    return Broken


def looks_at_the_last_row() -> type[RankingMetric]:
    class Broken(MeanScore):
        """Return the score of the last row whose label is known."""

        def compute(self) -> Tensor:
            preds, target, _, _ = self.stored()
            return preds[~target.isnan()][-1]

    return Broken


def remembers() -> type[RankingMetric]:
    class Broken(MeanScore):
        """Average the scores, and never forget that there were other ones."""

        def __init__(self) -> None:
            super().__init__()
            self.seen = 0

        def reset(self) -> None:
            super().reset()
            self.seen += 1

        def compute(self) -> Tensor:
            return super().compute() + self.seen

    return Broken


def returns_a_number() -> type[RankingMetric]:
    class Broken(MeanScore):
        """Average the scores."""

        def compute(self) -> Any:
            return float(super().compute())

    return Broken


def is_undefined() -> type[RankingMetric]:
    class Broken(MeanScore):
        """Return NaN."""

        def compute(self) -> Tensor:
            return torch.tensor(float("nan"))

    return Broken


def silent() -> type[RankingMetric]:
    class Broken(MeanScore):
        def compute(self) -> Tensor:
            return super().compute()

    return Broken


def greedy() -> type[RankingMetric]:
    class Broken(MeanScore):
        """Average the scores.

        Args:
            options: Anything.
        """

        def __init__(self, **options: int) -> None:
            super().__init__()

    return Broken


def means_nothing() -> type[RankingMetric]:
    class Broken(MeanScore):
        """Average the scores."""

        definition = ""

    return Broken


def has_a_name_of_two_parts() -> type[RankingMetric]:
    class Broken(MeanScore):
        """Average the scores."""

        name = "mean/score"

    return Broken


def knows_no_better_end() -> type[RankingMetric]:
    class Broken(StoredScoresMetric):
        """Average the scores."""

        name = "mean_score"
        definition = "mean score"

        def compute(self) -> Tensor:
            return MeanScore.compute(self)

    return Broken


def asks_for_groups_and_needs_none() -> type[RankingMetric]:
    class Broken(MeanScore):
        """Average the scores."""

        needs_group = True

    return Broken


def adds_up_means() -> type[RankingMetric]:
    class Broken(MeanScore):
        """Average the scores, and on draws the means of groups, however large."""

        def group_sums(self, preds: Tensor, target: Tensor, group: Tensor, weights: Tensor) -> Tensor:
            sums = super().group_sums(preds, target, group, weights)
            return sums / sums[:, 1:]

    return Broken


BROKEN: list[tuple[str, Callable[[], type[RankingMetric]]]] = [
    ("docstring", silent),
    ("signature", greedy),
    ("computes", returns_a_number),
    ("computes", is_undefined),
    ("rows_only", looks_at_the_last_row),
    ("unknown_labels", counts_unknown_labels),
    ("resets", remembers),
    ("facts", means_nothing),
    ("facts", has_a_name_of_two_parts),
    ("facts", knows_no_better_end),
    ("needs_group", asks_for_groups_and_needs_none),
    ("draws", adds_up_means),
]


@pytest.mark.parametrize("metric", [MeanScore(), *default_metrics().values()], ids=lambda m: type(m).__name__)
def test_a_metric_that_obeys_passes_every_rule(metric: RankingMetric) -> None:
    not_passed = {result.rule for result in check_metric(type(metric)) if result.status != "passed"}
    assert not_passed == (set() if metric.can_be_drawn else {"draws"})


@pytest.mark.parametrize(("rule", "make"), BROKEN, ids=[f"{rule}-{make.__name__}" for rule, make in BROKEN])
def test_a_metric_that_breaks_one_rule_fails_that_rule_only(rule: str, make: Callable[[], type[RankingMetric]]) -> None:
    results = check_metric(make(), raise_on_failure=False)
    assert {r.rule for r in results if r.status == "failed"} == {rule}


def test_every_rule_is_proven_by_a_broken_metric() -> None:
    assert {rule.name for rule in (*CLASS_RULES, *METRIC_RULES)} == {rule for rule, _ in BROKEN}


def test_a_broken_rule_raises_with_what_was_observed() -> None:
    with pytest.raises(ContractError, match=r"unknown_labels: failed"):
        check_metric(counts_unknown_labels())


@pytest.mark.parametrize("thing", [dict, 3])
def test_only_metric_classes_are_checked(thing: Any) -> None:
    with pytest.raises(TypeError, match="takes a subclass of"):
        check_metric(thing)


def test_a_class_of_any_kind_is_checked_for_its_form() -> None:
    class Half:
        """Do something.

        Args:
            first: One of two options.
        """

        def __init__(self, first: int, second: int) -> None: ...

    (docstring, signature) = check_class(Half)
    assert (docstring.status, docstring.observed) == ("failed", "'Args:' does not explain second")
    assert signature.status == "passed"
