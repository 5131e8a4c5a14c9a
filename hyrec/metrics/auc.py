"""AUC over all rows and inside groups, as torchmetrics classes."""

from __future__ import annotations

from torch import Tensor

from hyrec.metrics.functional import GroupedAUC, auc, grouped_auc
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

    higher_is_better = True

    def compute(self) -> Tensor:
        """Return the AUC of all rows with a known label."""
        preds, target, _, weights = self.stored()
        unknown = int(target.isnan().sum())
        return self.finish(
            auc(preds, target, weights),
            "it needs a positive and a negative label",
            num_rows=len(target) - unknown,
            num_unknown=unknown,
        )


class GroupAUC(StoredScoresMetric):
    """Base of the metrics that average the AUC inside each group over groups that hold both labels."""

    higher_is_better = True

    def average(self, result: GroupedAUC) -> Tensor:
        """Choose the average."""
        raise NotImplementedError

    def compute(self) -> Tensor:
        """Return the average over groups with both labels.

        Raises:
            ValueError: When no update had groups.
        """
        preds, target, group, weights = self.stored()
        if group is None:
            raise ValueError(
                f"{type(self).__name__} needs the group of every row (query, request or user) and got none: "
                "set group_column in the schema, or leave this metric out."
            )
        result = grouped_auc(preds, target, group, weights)
        return self.finish(
            self.average(result),
            "no group holds both a positive and a negative label",
            num_groups=result.num_groups,
            num_rows=result.num_rows,
            num_all_groups=result.num_all_groups,
            num_unknown=int(target.isnan().sum()),
        )


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

    def average(self, result: GroupedAUC) -> Tensor:
        """Return the plain mean."""
        return result.mean


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

    def average(self, result: GroupedAUC) -> Tensor:
        """Return the mean weighted by impressions."""
        return result.weighted
