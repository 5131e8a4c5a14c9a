"""Exact AUC on arrays, inside every group and with a count for every group; numpy alone.

The AUC of plain rows is ``hyrec.metrics.functional.auc``; these are the two forms that a bootstrap over groups needs.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from hyrec.studies.analysis.scores import Floats, Ints


def auc_by_group(label: Floats, score: Floats, group: Ints, num_groups: int, weight: Floats) -> tuple[Floats, Floats]:
    """Return the AUC inside each group, ties counting one half, and the weight of each group.

    Args:
        label: 0 or 1.
        score: Any increasing function of the probability.
        group: Number of each row's group, from 0.
        num_groups: Number of groups.
        weight: Weight of each row; a pair counts the product of its two.

    Shape:
        ``(rows,)`` each; returns two ``(num_groups,)``. AUC is NaN in groups without both labels.

    Example:
        >>> label, score = np.array([1.0, 0, 1, 0, 0]), np.array([0.9, 0.1, 0.2, 0.8, 0.2])
        >>> auc_by_group(label, score, np.array([1, 1, 0, 0, 0]), 2, np.ones(5))[0].tolist()
        [0.25, 1.0]
    """
    order = np.lexsort((score, group))
    y, s, g, w = label[order], score[order], group[order], weight[order]
    negatives_before = np.concatenate([[0.0], np.cumsum(w * (1.0 - y))])
    first = np.ones(len(y), dtype=bool)
    first[1:] = (s[1:] != s[:-1]) | (g[1:] != g[:-1])
    starts = np.flatnonzero(first)
    run = np.cumsum(first) - 1
    ends = np.append(starts[1:], len(y))
    group_start = np.concatenate([[0], np.cumsum(np.bincount(g, minlength=num_groups))[:-1]])
    # Negatives below a row's run of equal scores and half of those inside it, counted from the start of its group.
    beaten = (negatives_before[starts] + negatives_before[ends])[run] / 2 - negatives_before[group_start[g]]
    won = np.bincount(g, weights=beaten * y * w, minlength=num_groups)
    total: Floats = np.bincount(g, weights=w, minlength=num_groups).astype(np.float64)
    positive = np.bincount(g, weights=w * y, minlength=num_groups)
    negative = np.bincount(g, weights=w * (1.0 - y), minlength=num_groups)
    with np.errstate(invalid="ignore", divide="ignore"):
        return won / (positive * negative), total


class RowRanking:
    """The AUC over all rows where each group counts several times: sorts once, then one pass for every draw.

    Args:
        label: 0 or 1.
        score: Any increasing function of the probability.
        group: Number of each row's group, from 0.
        weight: Weight of each row; None: every row weighs one.
    """

    def __init__(self, label: Floats, score: Floats, group: Ints, weight: Floats | None = None) -> None:
        order = np.argsort(score, kind="stable")
        positive, score, group = label[order] == 1, score[order], group[order]
        self._negatives, self._positives = group[~positive], group[positive]
        self._weights = None if weight is None else (weight[order][~positive], weight[order][positive])
        below = np.searchsorted(score[~positive], score[positive], side="left")
        through = np.searchsorted(score[~positive], score[positive], side="right")
        self._edges = (below,) if np.array_equal(below, through) else (below, through)

    def counted_auc(self, counts: npt.NDArray[np.int64]) -> Floats:
        """Return the AUC in which a pair of rows counts the product of their groups' counts.

        Args:
            counts: How often each group counts.

        Shape:
            counts: ``(draws, num_groups)``; returns ``(draws,)``, NaN without a pair.
        """
        result = np.full(len(counts), np.nan)
        below = np.zeros(len(self._negatives) + 1)
        # One draw at a time: what it touches stays in the cache.
        for draw, count in enumerate(counts.astype(np.float64)):
            negative, positive = count[self._negatives], count[self._positives]
            if self._weights is not None:
                negative, positive = negative * self._weights[0], positive * self._weights[1]
            np.cumsum(negative, out=below[1:])
            pairs = positive.sum() * below[-1]
            if pairs:
                won = sum(float(positive @ below[edge]) for edge in self._edges)
                result[draw] = won / (pairs * len(self._edges))
        return result
