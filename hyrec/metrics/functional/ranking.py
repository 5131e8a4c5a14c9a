"""AUC as an exact rank statistic, over all rows and inside groups, without a loop over groups.

Pairs are added in float64. Without weights that is exact below 2^52 pairs and does not depend on the order of rows;
with weights it is good to about 1e-9 inside a small group of a large set.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from hyrec.metrics.functional.rows import (
    Ascending,
    changes,
    check_values,
    exclusive_cumsum,
    in_blocks,
    num_groups,
    runs,
    segment_sum,
    selected,
)


def auc(preds: Tensor, target: Tensor, weights: Tensor | None = None) -> Tensor:
    """Probability that a positive outranks a negative, ties counting one half (exact rank statistic).

    With weights a pair counts the product of its two weights. NaN unless both labels occur.

    Args:
        preds: Scores; any increasing function of the probability gives the same AUC.
        target: 1, 0, or NaN for unknown.
        weights: Weight of each row, 0 or more.

    Raises:
        ValueError: For NaN predictions, other targets or negative weights.

    Example:
        >>> auc(torch.tensor([0.1, 0.4, 0.4, 0.8]), torch.tensor([0.0, 0.0, 1.0, 1.0])).item()
        0.875
    """
    check_values(preds, target, None, weights)
    return expected_auc(preds, target, weights)


def expected_auc(preds: Tensor, probability: Tensor, weights: Tensor | None = None) -> Tensor:
    """AUC of rows that are positive with a probability: expected pairs won over expected pairs.

    Args:
        preds: Scores.
        probability: Probability of being positive, in [0, 1]; of labels 0 and 1 this is their AUC. NaN: left out.
        weights: Weight of each row, 0 or more.

    Example:
        >>> expected_auc(torch.tensor([0.2, 0.9]), torch.tensor([0.25, 0.75])).item()
        0.75
    """
    sides = probability > 0, probability < 1
    masses: tuple[Tensor | None, Tensor | None] = weights, weights
    if bool(((probability != 0) & (probability != 1) & ~probability.isnan()).any()):
        y = probability.double()
        w = torch.ones_like(y) if weights is None else weights
        masses = w * y, w * (1 - y)
    weight, of_negative = (None if m is None else selected(m, side) for m, side in zip(masses, sides, strict=True))
    positive, negative = selected(preds, sides[0]), Ascending(selected(preds, sides[1]), of_negative)
    won: float = 0  # whole numbers as long as nothing has a weight: exact however many they are
    for scores, own in in_blocks(positive, weight):
        twice = negative.below(scores) + negative.below(scores, through=True)
        won += int(twice.sum()) if own is None else float(twice.double().dot(own))
    pairs = 2 * negative.total * (len(positive) if weight is None else float(weight.sum()))
    value = min(won / pairs, 1.0) if pairs else math.nan
    return torch.tensor(value, dtype=torch.float64, device=preds.device)


def auc_by_group(preds: Tensor, target: Tensor, group: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
    """Return the AUC inside each group, NaN in one without both labels, and the weight of each group.

    Args:
        preds: Scores.
        target: 1 or 0.
        group: Number of each row's group, from 0.
        weights: Weight of each row, 0 or more.

    Shape:
        ``(B,)`` float64 each; returns two ``(G,)``.

    Example:
        >>> y, p = torch.tensor([1.0, 0, 1, 0, 0]).double(), torch.tensor([0.9, 0.1, 0.2, 0.8, 0.2])
        >>> auc_by_group(p, y, torch.tensor([1, 1, 0, 0, 0]), torch.ones(5).double())[0].tolist()
        [0.25, 1.0]
    """
    groups, ranking = num_groups(group), Ranking(preds, target, group)
    positive, negative = weights[ranking.positives], weights[ranking.negatives]
    of_positive, of_negative = group[ranking.positives], group[ranking.negatives]
    pairs = segment_sum(positive, of_positive, groups) * segment_sum(negative, of_negative, groups)
    won = segment_sum(positive * ranking.beaten(negative), of_positive, groups).clamp(min=0).minimum(pairs)
    return won / pairs, segment_sum(weights, group, groups)


class Ranking:
    """Rows sorted by score inside their groups, once; pairs can then be counted for any weights of the rows.

    A pair is a positive and a negative of one group, and weighs the product of both. A row that is positive with a
    probability is both, with two weights.

    Args:
        preds: Scores.
        target: 1, 0, or the probability of being positive.
        group: Number of each row's group. None: all rows are one group.

    Attributes:
        positives: Places of the rows that can be positive, in the order in which weights of positives are given.
        negatives: Places of the rows that can be negative, in the order in which theirs are.
    """

    def __init__(self, preds: Tensor, target: Tensor, group: Tensor | None = None) -> None:
        order = torch.argsort(preds)
        if group is not None:
            order = order[torch.argsort(group[order], stable=True)]
        is_positive, is_negative = target[order] > 0, target[order] < 1
        self.positives, self.negatives = order[is_positive], order[is_negative]
        before = exclusive_cumsum(is_negative.long())
        starts_run = changes(preds[order])
        self._first: Tensor | None = None
        if group is not None:
            starts_group = changes(group[order])
            starts_run |= starts_group
            first, _ = runs(starts_group)
            self._first = before[first][(starts_group.cumsum(0) - 1)[is_positive]]
        run_first, run_end = runs(starts_run)
        run = (starts_run.cumsum(0) - 1)[is_positive]
        self._below, self._through = before[run_first][run], before[run_end][run]
        self._has_ties = not torch.equal(self._below, self._through)

    def beaten(self, negative: Tensor) -> Tensor:
        """Return for each positive the weight of the negatives it outranks in its group, ties counting one half."""
        sums = exclusive_cumsum(negative)
        beaten = sums.index_select(0, self._below)
        if self._has_ties:
            beaten = (beaten + sums.index_select(0, self._through)) / 2
        return beaten if self._first is None else beaten - sums.index_select(0, self._first)

    def auc(self, positive: Tensor, negative: Tensor) -> Tensor:
        """Return the AUC of rows that are one group, of the weights of positives and negatives; NaN without a pair."""
        return positive.dot(self.beaten(negative)) / (positive.sum() * negative.sum())


def relative_auc(auc: float, base: float) -> float:
    """Relative change as the HyFormer paper prints it: ``auc / base - 1``.

    Other papers print ``(auc - 0.5) / (base - 0.5) - 1``, more than four times as large for the same two figures.

    Example:
        HyFormer against LONGER + RankMixer, query-level AUC 0.6489 against 0.6478:

        >>> f"{relative_auc(0.6489, 0.6478):+.2%}"
        '+0.17%'
    """
    return auc / base - 1
