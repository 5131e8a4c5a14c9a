"""The bases of metrics that are functions of sums over groups, a mean over groups among them."""

from __future__ import annotations

from abc import abstractmethod
from collections import Counter

import torch
from torch import Tensor

from hyrec.metrics.functional.rows import blocks_of_groups, check_values
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
        if self.needs_group and ids is None:
            raise ValueError(
                f"{type(self).__name__} needs the group of every row (query, request or user) and got none: "
                "set group_column in the schema, or leave this metric out."
            )
        check_values(preds, target, ids, weights)
        if not self.needs_group:
            ids = None
        total, found = torch.zeros(()), Counter[str]()
        for block in [torch.arange(len(preds))] if ids is None else blocks_of_groups(ids):
            rows = block[~target[block].isnan()]
            own = torch.zeros_like(rows) if ids is None else ids[rows]
            _, group, sizes = torch.unique(own, return_inverse=True, return_counts=True)
            p = preds[rows]
            w = torch.ones_like(p) if weights is None else weights[rows]
            sums = self.group_sums(p, target[rows].double(), group, w)
            total = total + sums.sum(0)
            used = (sums != 0).any(1) if self.needs_group else sizes > 0
            found.update(num_rows=int(sizes[used].sum()), num_unknown=len(block) - len(rows))
            if self.needs_group:
                found.update(num_groups=int(used.sum()), num_all_groups=len(used))
        return self.finish(self.value_of(total), **found)


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
