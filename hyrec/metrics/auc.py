"""AUC over all rows and inside groups, as torchmetrics classes."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from hyrec.metrics.functional import Ranking, auc, auc_by_group
from hyrec.metrics.group_sums import GroupMeanMetric
from hyrec.metrics.stored_scores import StoredScoresMetric


class AUC(StoredScoresMetric):
    """Probability that a positive outranks a negative, ties counting one half; an exact rank statistic.

    Example:
        >>> import torch
        >>> metric = AUC()
        >>> metric.update(torch.tensor([0.1, 0.4, 0.8]), torch.tensor([0.0, 1.0, float("nan")]))
        >>> metric.compute().item(), metric.details()
        (1.0, {'num_rows': 2, 'num_unknown': 1})
    """

    name = "auc"
    definition = "exact AUC over all test rows, ties counting one half"
    higher_is_better = True
    best_value = 1.0
    chance = 0.5
    if_undefined = "it needs a positive and a negative label"

    def drawn(self, preds: Tensor, target: Tensor, group: Tensor, weights: Tensor) -> Callable[[Tensor], Tensor]:
        """Sort once; on a draw a pair of rows counts the product of their groups' counts."""
        ranking = Ranking(preds, target)
        sides = [(group[rows], weights[rows]) for rows in (ranking.positives, ranking.negatives)]
        is_weighted = bool((weights != 1).any())

        def auc_of(count: Tensor) -> Tensor:
            drawn = [count.index_select(0, groups) for groups, _ in sides]
            return ranking.auc(*([d * w for d, (_, w) in zip(drawn, sides, strict=True)] if is_weighted else drawn))

        # One draw at a time: what it touches stays in the cache.
        return lambda counts: torch.stack([auc_of(count) for count in counts])

    def compute(self) -> Tensor:
        """Return the AUC of all rows with a known label."""
        preds, target, _, weights = self.stored()
        unknown = int(target.isnan().sum())
        return self.finish(auc(preds, target, weights), num_rows=len(target) - unknown, num_unknown=unknown)


class GroupAUC(GroupMeanMetric):
    """Base of the metrics that average the AUC inside each group over groups that hold both labels."""

    groups_hold = "both labels"
    higher_is_better = True
    best_value = 1.0
    chance = 0.5


class QueryAUC(GroupAUC):
    """Query-level AUC: the plain mean, over groups that hold both labels, of the AUC inside the group.

    Example:
        >>> import torch
        >>> metric = QueryAUC()
        >>> group = torch.tensor([7, 7, 5, 5, 5])
        >>> metric.update(torch.tensor([0.9, 0.1, 0.2, 0.8, 0.3]), torch.tensor([1.0, 0, 1, 0, 0]), group)
        >>> metric.compute().item(), metric.details()["num_groups"]
        (0.5, 2)
    """

    name = "query_auc"
    definition = "AUC inside each group (query, request or user), plain mean over the groups that hold both labels"

    def of_groups(self, preds: Tensor, target: Tensor, group: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
        """Return AUC and one."""
        value, _ = auc_by_group(preds, target, group, weights)
        return value, torch.ones_like(value)


class GAUC(GroupAUC):
    """Group AUC: the AUC inside each group that holds both labels, weighted by its impressions.

    Example:
        >>> import torch
        >>> metric = GAUC()
        >>> group = torch.tensor([7, 7, 5, 5, 5])
        >>> metric.update(torch.tensor([0.9, 0.1, 0.2, 0.8, 0.3]), torch.tensor([1.0, 0, 1, 0, 0]), group)
        >>> metric.compute().item()
        0.4
    """

    name = "gauc"
    definition = "AUC inside each group, weighted by the group's impressions"

    def of_groups(self, preds: Tensor, target: Tensor, group: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
        """Return AUC and impressions, or the sum of their weights."""
        return auc_by_group(preds, target, group, weights)
