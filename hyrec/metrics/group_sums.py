"""The bases of metrics that are functions of sums over groups, a mean over groups among them."""

from __future__ import annotations

from abc import abstractmethod

import torch
from torch import Tensor

from hyrec.metrics.functional.rows import known_rows
from hyrec.metrics.stored_scores import StoredScoresMetric


class GroupSumsMetric(StoredScoresMetric):
    """Base of metrics that need all scores of a group at once, and of all groups no more than sums.

    A subclass writes ``group_sums`` and ``value_of``; the metric of all rows and that of draws of groups follow.
    """

    @abstractmethod
    def group_sums(self, preds: Tensor, target: Tensor, group: Tensor, weights: Tensor) -> Tensor:
        """Return what each group adds, ``(G, K)``."""

    @abstractmethod
    def value_of(self, sums: Tensor) -> Tensor:
        """Return the metric of sums, ``(..., K)``."""

    def compute(self) -> Tensor:
        """Return the metric of all rows with a known label; one that needs groups refuses rows without."""
        preds, target, ids, weights = self.stored()
        if not self.needs_group:
            ids = torch.zeros_like(preds, dtype=torch.int64)
        elif ids is None:
            raise ValueError(
                f"{type(self).__name__} needs the group of every row (query, request or user) and got none: "
                "set group_column in the schema, or leave this metric out."
            )
        p, y, ids, w = known_rows(preds, target, ids, weights)
        assert ids is not None
        _, group, rows = torch.unique(ids, return_inverse=True, return_counts=True)
        sums = self.group_sums(p, y, group, w)
        counts = {"num_rows": len(p), "num_unknown": len(preds) - len(p)}
        if self.needs_group:
            used = (sums != 0).any(1)
            by_group = {"num_groups": int(used.sum()), "num_rows": int(rows[used].sum()), "num_all_groups": len(used)}
            counts = {**counts, **by_group}
        return self.finish(self.value_of(sums.sum(0)), **counts)


class GroupMeanMetric(GroupSumsMetric):
    """Base of metrics that are a mean over groups (queries, requests or users) of a value inside each."""

    needs_group = True

    @abstractmethod
    def of_groups(self, preds: Tensor, target: Tensor, group: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
        """Return value and weight in the mean of each group, ``(G,)`` float64, NaN where it does not count."""

    def group_sums(self, preds: Tensor, target: Tensor, group: Tensor, weights: Tensor) -> Tensor:
        """Return weighted value and weight of each group, ``(G, 2)``."""
        value, weight = self.of_groups(preds, target, group, weights)
        counts = ~value.isnan()
        return torch.stack([value.where(counts, 0.0) * weight, weight.where(counts, 0.0)], 1)

    def value_of(self, sums: Tensor) -> Tensor:
        """Return the mean."""
        return sums[..., 0] / sums[..., 1]
