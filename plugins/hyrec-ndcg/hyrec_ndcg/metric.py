"""NDCG@k inside groups, without a loop over groups."""

from __future__ import annotations

import torch
from torch import Tensor

from hyrec.metrics import GroupMeanMetric
from hyrec.metrics.functional import num_groups, segment_sum


def ndcg_by_group(preds: Tensor, target: Tensor, group: Tensor, k: int) -> Tensor:
    r"""NDCG@k inside each group; NaN in a group without a positive.

    .. math::
        \mathrm{DCG@}k = \sum_{r=1}^{k} \frac{y_{(r)}}{\log_2(r + 1)}, \qquad
        \mathrm{NDCG@}k = \mathrm{DCG@}k \,/\, \max \mathrm{DCG@}k

    Rows with equal scores share the discounts of their places, which is the mean over all their orders: a constant
    score gives what a random order gives on average, whatever the order of the rows.

    Args:
        preds: Scores, ``(B,)``.
        target: 1 or 0, ``(B,)``.
        group: Number of each row's group, from 0, ``(B,)``.
        k: Places that count.

    Shape:
        Returns ``(G,)`` float64.

    Example:
        >>> preds, target = torch.tensor([0.9, 0.5, 0.1]), torch.tensor([0.0, 1.0, 0.0])
        >>> [round(value, 4) for value in ndcg_by_group(preds, target, torch.tensor([0, 0, 0]), k=2).tolist()]
        [0.6309]
    """
    order = torch.argsort(preds, descending=True)
    order = order[torch.argsort(group[order], stable=True)]
    p, y, g = preds[order], target[order].double(), group[order]
    groups = num_groups(g)
    size = torch.bincount(g, minlength=groups)
    place = torch.arange(len(p), device=p.device) - (size.cumsum(0) - size)[g]
    discount = torch.where(place < k, 1 / torch.log2(place.double() + 2), 0.0)
    starts_run = torch.ones_like(g, dtype=torch.bool)
    starts_run[1:] = (p[1:] != p[:-1]) | (g[1:] != g[:-1])
    run = starts_run.cumsum(0) - 1
    shared = segment_sum(discount, run, num_groups(run)) / torch.bincount(run)
    positives = segment_sum(y, g, groups)
    best = segment_sum(discount * (place < positives[g]), g, groups)
    return segment_sum(y * shared[run], g, groups) / best


class NDCG(GroupMeanMetric):
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
    best_value = 1.0
    groups_hold = "a positive label"

    def __init__(self, k: int = 10) -> None:
        super().__init__()
        if k < 1:
            raise ValueError(f"NDCG needs k of at least 1, got {k}.")
        self.k = k
        self.name = f"ndcg@{k}"
        self.definition = f"NDCG of the first {k} places inside each group, plain mean over groups with a positive"

    def of_groups(self, preds: Tensor, target: Tensor, group: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
        """Return NDCG and one."""
        value = ndcg_by_group(preds, target, group, self.k)
        return value, torch.ones_like(value)
