"""AUC as an exact rank statistic, over all rows and inside groups, without a loop over groups.

Without weights, pairs are counted in integers: results are exact and do not depend on the order of rows.
With weights, pairs are added in float64; inside a small group of a large set that is good to about 1e-9.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from hyrec.metrics.functional.rows import changes, exclusive_cumsum, known_rows, runs, segment_sum


class GroupedAUC(NamedTuple):
    """AUC inside groups, over the groups that hold both labels.

    Args:
        mean: Plain mean over these groups (query-level AUC). NaN when there is none.
        weighted: Mean weighted by the rows of each group, or by their weights (GAUC). NaN when there is none.
        num_groups: How many groups hold both labels.
        num_rows: How many rows they hold.
        num_all_groups: How many groups hold at least one known label.
    """

    mean: Tensor
    weighted: Tensor
    num_groups: int
    num_rows: int
    num_all_groups: int


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
    p, y, _, w = known_rows(preds, target, None, weights)
    return _pair_statistics(p, y, None, w).auc.mean()  # of the one group; NaN when there is no row


def grouped_auc(preds: Tensor, target: Tensor, group: Tensor, weights: Tensor | None = None) -> GroupedAUC:
    """AUC inside each group, averaged plainly (query-level AUC) and weighted by impressions (GAUC).

    Groups without both labels say nothing about ranking and are left out of both means; the result says how
    many groups and rows count.

    Args:
        preds: Scores.
        target: 1, 0, or NaN for unknown.
        group: Integer id of the query, request or user of each row; need not be sorted or dense.
        weights: Weight of each row, 0 or more. A group's weight is then the sum of its rows' weights.

    Raises:
        ValueError: For NaN predictions, other targets or negative weights.

    Example:
        >>> preds, target = torch.tensor([0.9, 0.1, 0.2, 0.8, 0.3]), torch.tensor([1.0, 0.0, 1.0, 0.0, 0.0])
        >>> result = grouped_auc(preds, target, torch.tensor([7, 7, 5, 5, 5]))
        >>> result.mean.item(), result.weighted.item(), result.num_groups, result.num_rows
        (0.5, 0.4, 2, 5)
    """
    p, y, g, w = known_rows(preds, target, group, weights)
    stats = _pair_statistics(p, y, g, w)
    both = stats.pairs > 0
    per_group, impressions = stats.auc[both], stats.impressions[both].double()
    return GroupedAUC(
        mean=per_group.mean(),
        weighted=(per_group * impressions).sum() / impressions.sum(),
        num_groups=int(both.sum()),
        num_rows=int(stats.rows[both].sum()),
        num_all_groups=len(both),
    )


def relative_auc(auc: float, base: float) -> float:
    """Relative change as the HyFormer paper prints it: ``auc / base - 1``.

    The same two figures give a change more than four times as large with ``relative_auc_above_chance``; a
    table names the one it shows.

    Example:
        HyFormer against LONGER + RankMixer, query-level AUC 0.6489 against 0.6478:

        >>> f"{relative_auc(0.6489, 0.6478):+.2%}"
        '+0.17%'
    """
    return auc / base - 1


def relative_auc_above_chance(auc: float, base: float) -> float:
    """Relative change of what lies above chance ("RelaImpr"): ``(auc - 0.5) / (base - 0.5) - 1``.

    Example:
        The figures of ``relative_auc``, as other papers quote them:

        >>> f"{relative_auc_above_chance(0.6489, 0.6478):+.2%}"
        '+0.74%'
    """
    return (auc - 0.5) / (base - 0.5) - 1


class _PairStatistics(NamedTuple):
    """Per group: twice the pairs won (ties one half), pairs, impressions (or weight) and rows."""

    wins: Tensor
    pairs: Tensor
    impressions: Tensor
    rows: Tensor

    @property
    def auc(self) -> Tensor:
        """Pairs won over pairs, NaN for groups of one label."""
        return self.wins.double() / (2 * self.pairs.double())


def _pair_statistics(p: Tensor, y: Tensor, group: Tensor | None, w: Tensor | None) -> _PairStatistics:
    """Count won pairs by group: sort by group and score, then read everything off cumulative sums.

    A positive wins against the negatives below its run of equal scores and half of those inside it, that is
    (negatives before the run + negatives before its end) / 2, counted from the start of its group.
    """
    order = torch.argsort(p)
    if group is not None:
        order = order[torch.argsort(group[order], stable=True)]
        group = group[order]
    p, y = p[order], y[order]
    weight = torch.ones_like(y, dtype=torch.int64) if w is None else w[order]
    starts_group = changes(torch.zeros_like(order) if group is None else group)
    group_first, group_end = runs(starts_group)
    starts_run = starts_group | changes(p)
    run_first, run_end = runs(starts_run)
    positive = weight * y.to(weight.dtype)
    negative = weight - positive
    positives_before, negatives_before = exclusive_cumsum(positive), exclusive_cumsum(negative)
    group_of_row = starts_group.cumsum(0) - 1
    group_of_run = group_of_row[run_first]
    below = negatives_before[run_first] + negatives_before[run_end]
    below = below - 2 * negatives_before[group_first][group_of_run]
    num_groups = len(group_first)
    run_wins = (positives_before[run_end] - positives_before[run_first]) * below
    pairs = segment_sum(positive, group_of_row, num_groups) * segment_sum(negative, group_of_row, num_groups)
    wins = segment_sum(run_wins, group_of_run, num_groups).clamp(min=0).minimum(2 * pairs)
    impressions = segment_sum(weight, group_of_row, num_groups)
    return _PairStatistics(wins, pairs, impressions, group_end - group_first)
