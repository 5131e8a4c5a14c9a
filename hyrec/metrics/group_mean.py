"""The base of metrics that are a mean over groups of a value inside each."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

import torch
from torch import Tensor

from hyrec.metrics.functional.rows import known_rows
from hyrec.metrics.stored_scores import StoredScoresMetric


class GroupMeanMetric(StoredScoresMetric):
    """Base of metrics that are a mean over groups (queries, requests or users) of a value inside each.

    Attributes:
        groups_hold: What a group must hold to count, such as ``both labels``.
    """

    needs_group = True
    groups_hold: ClassVar[str] = "a known label"

    @abstractmethod
    def of_groups(self, preds: Tensor, target: Tensor, group: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
        """Return the value inside each group and the group's weight in the mean.

        Arguments as in ``group_sums``.

        Shape:
            Returns two ``(G,)`` float64; the value is NaN in a group that does not count.
        """

    def group_sums(self, preds: Tensor, target: Tensor, group: Tensor, weights: Tensor) -> Tensor:
        """Return weighted value and weight of each group, ``(G, 2)``."""
        value, weight = self.of_groups(preds, target, group, weights)
        counts = ~value.isnan()
        return torch.stack([value.where(counts, 0.0) * weight, weight.where(counts, 0.0)], 1)

    def num_counted(self, preds: Tensor, target: Tensor, group: Tensor, weights: Tensor) -> int:
        """Return how many groups count; arguments as in ``group_sums``."""
        return int((self.group_sums(preds, target, group, weights) != 0).any(1).sum())

    def value_of(self, sums: Tensor) -> Tensor:
        """Return the mean."""
        return sums[..., 0] / sums[..., 1]

    def compute(self) -> Tensor:
        """Return the mean over the groups that count.

        Raises:
            ValueError: When no update had groups.
        """
        preds, target, ids, weights = self.stored()
        if ids is None:
            raise ValueError(
                f"{type(self).__name__} needs the group of every row (query, request or user) and got none: "
                "set group_column in the schema, or leave this metric out."
            )
        p, y, ids, w = known_rows(preds, target, ids, weights)
        assert ids is not None
        _, group, rows = torch.unique(ids, return_inverse=True, return_counts=True)
        sums = self.group_sums(p, y, group, torch.ones_like(p) if w is None else w)
        counts = (sums != 0).any(1)
        return self.finish(
            self.value_of(sums.sum(0)),
            f"no group holds {self.groups_hold}",
            num_groups=int(counts.sum()),
            num_rows=int(rows[counts].sum()),
            num_all_groups=len(counts),
            num_unknown=int(target.isnan().sum()),
        )
