"""NDCG@k inside groups, without a loop over groups."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from hyrec.metrics import StoredScoresMetric


class GroupedNDCG(NamedTuple):
    """NDCG inside groups, over the groups that hold a positive.

    Args:
        mean: Plain mean over these groups. NaN when there is none.
        num_groups: How many groups hold a positive.
        num_all_groups: How many groups hold a known label.
        num_rows: Rows of the groups that hold a positive.
        num_unknown: Rows without a known label, which are left out.
    """

    mean: Tensor
    num_groups: int
    num_all_groups: int
    num_rows: int
    num_unknown: int


def grouped_ndcg(preds: Tensor, target: Tensor, group: Tensor, k: int) -> GroupedNDCG:
    r"""NDCG@k inside each group, averaged plainly over the groups that hold a positive.

    .. math::
        \mathrm{DCG@}k = \sum_{r=1}^{k} \frac{y_{(r)}}{\log_2(r + 1)}, \qquad
        \mathrm{NDCG@}k = \mathrm{DCG@}k \,/\, \max \mathrm{DCG@}k

    Rows with equal scores share the discounts of their places, which is the mean over all their orders: a constant
    score gives what a random order gives on average, whatever the order of the rows.

    Args:
        preds: Scores, ``(B,)``.
        target: 1, 0, or NaN for unknown, ``(B,)``.
        group: Integer id of the query, request or user of each row, ``(B,)``; need not be sorted or dense.
        k: Places that count.

    Example:
        >>> preds, target = torch.tensor([0.9, 0.5, 0.1]), torch.tensor([0.0, 1.0, 0.0])
        >>> round(grouped_ndcg(preds, target, torch.tensor([7, 7, 7]), k=2).mean.item(), 4)
        0.6309
    """
    known = ~target.isnan()
    p, y, g = preds[known].double(), target[known].double(), group[known]
    order = torch.argsort(p, descending=True)
    order = order[torch.argsort(g[order], stable=True)]
    p, y, g = p[order], y[order], g[order]
    starts_group = _changes(g)
    group_of_row = starts_group.cumsum(0) - 1
    run_of_row = (starts_group | _changes(p)).cumsum(0) - 1
    num_groups = int(starts_group.sum())
    first = starts_group.nonzero().squeeze(1)
    place = torch.arange(len(p), device=p.device) - first[group_of_row]
    discount = torch.where(place < k, 1 / torch.log2(place.double() + 2), 0.0)
    num_runs = int(run_of_row[-1]) + 1 if len(run_of_row) else 0
    shared = _sum(discount, run_of_row, num_runs) / _sum(torch.ones_like(discount), run_of_row, num_runs)
    reached = _sum(y * shared[run_of_row], group_of_row, num_groups)
    positives = _sum(y, group_of_row, num_groups)
    best = _sum(discount * (place < positives[group_of_row]), group_of_row, num_groups)
    counts = positives > 0
    return GroupedNDCG(
        mean=(reached[counts] / best[counts]).mean(),
        num_groups=int(counts.sum()),
        num_all_groups=num_groups,
        num_rows=int(counts[group_of_row].sum()),
        num_unknown=int((~known).sum()),
    )


class NDCG(StoredScoresMetric):
    """Normalised discounted cumulative gain at k, the plain mean over groups that hold a positive.

    Exact over any number of processes, ties included. Sample weights have no meaning here and do not enter.

    Args:
        k: Places that count.

    Raises:
        ValueError: When ``k`` is below one; on computing, when no update had groups.

    Example:
        >>> metric = NDCG(k=2)
        >>> metric.update(torch.tensor([0.9, 0.5, 0.1]), torch.tensor([0.0, 1.0, 0.0]), torch.tensor([7, 7, 7]))
        >>> round(metric.compute().item(), 4), metric.details()["num_groups"]
        (0.6309, 1)
    """

    higher_is_better = True

    def __init__(self, k: int = 10) -> None:
        super().__init__()
        if k < 1:
            raise ValueError(f"NDCG needs k of at least 1, got {k}.")
        self.k = k

    def compute(self) -> Tensor:
        """Return the mean over groups with a positive."""
        preds, target, group, _ = self.stored()
        if group is None:
            raise ValueError(
                "NDCG needs the group of every row (query, request or user) and got none: set group_column in the "
                "schema, or leave NDCG out."
            )
        result = grouped_ndcg(preds, target, group, self.k)
        counts = result._asdict()
        return self.finish(counts.pop("mean"), "no group holds a positive label", **counts)


def _changes(sorted_values: Tensor) -> Tensor:
    """Return True where a run of equal values starts."""
    starts = torch.ones_like(sorted_values, dtype=torch.bool)
    starts[1:] = sorted_values[1:] != sorted_values[:-1]
    return starts


def _sum(values: Tensor, index: Tensor, num_segments: int) -> Tensor:
    """Return the sum of the values of each segment."""
    return values.new_zeros(num_segments).index_add_(0, index, values)
