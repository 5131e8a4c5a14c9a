"""Test metrics of several models, computed anew for every draw of groups; numpy alone.

Each is prepared once for the rows and then called with how often every group was drawn. A group that is drawn twice
counts as two groups, and in the AUC over all rows its rows count twice. On one draw of every group they equal
``hyrec.metrics``.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from hyrec.studies.analysis.group_ranking import RowRanking, auc_by_group
from hyrec.studies.analysis.scores import Floats, Ints

MIN_PROBABILITY = 1e-7
"""The logarithm sees probabilities clamped to [1e-7, 1 - 1e-7], as in ``hyrec.metrics``."""

Counts = npt.NDArray[np.int64]


@dataclass(frozen=True)
class GroupedRows:
    """Test rows with a known label.

    Args:
        label: 0 or 1.
        group: Number of each row's group, from 0.
        num_groups: Number of groups.
        weight: Weight of each row; None: every row weighs one.
    """

    label: Floats
    group: Ints
    num_groups: int
    weight: Floats | None = None

    @property
    def weights(self) -> Floats:
        """Weight of each row."""
        return np.ones_like(self.label) if self.weight is None else self.weight

    def by_group(self, values: Floats) -> Floats:
        """Return the weighted sum of the rows of each group."""
        return np.bincount(self.group, values * self.weights, minlength=self.num_groups).astype(np.float64)


class DrawnMetric(Protocol):
    """A metric of several models, made from the rows and each model's scores."""

    def __call__(self, counts: Counts) -> Floats:
        """Return ``(draws, models)`` for counts ``(draws, num_groups)``; NaN where it is not defined."""


class _Ratio:
    """A metric that is made of sums over groups, so that a draw is a product of matrices."""

    def __init__(self, rows: GroupedRows, scores: Sequence[Floats]) -> None:
        sums = [self.sums(rows, score) for score in scores]
        self._models = len(sums)
        self._columns = np.stack([top for top, _ in sums] + [bottom for _, bottom in sums], axis=1)

    @abstractmethod
    def sums(self, rows: GroupedRows, score: Floats) -> tuple[Floats, Floats]:
        """Return numerator and denominator by group."""

    def __call__(self, counts: Counts) -> Floats:
        total: Floats = counts.astype(np.float64) @ self._columns
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(total[:, : self._models] / total[:, self._models :], dtype=np.float64)


class _QueryAUC(_Ratio):
    def sums(self, rows: GroupedRows, score: Floats) -> tuple[Floats, Floats]:
        auc, _ = auc_by_group(rows.label, score, rows.group, rows.num_groups, rows.weights)
        return np.nan_to_num(auc), (~np.isnan(auc)).astype(np.float64)


class _GAUC(_Ratio):
    def sums(self, rows: GroupedRows, score: Floats) -> tuple[Floats, Floats]:
        auc, impressions = auc_by_group(rows.label, score, rows.group, rows.num_groups, rows.weights)
        used = np.where(np.isnan(auc), 0.0, impressions)
        return np.nan_to_num(auc) * used, used


class _LogLoss(_Ratio):
    def sums(self, rows: GroupedRows, score: Floats) -> tuple[Floats, Floats]:
        p = np.clip(score, MIN_PROBABILITY, 1 - MIN_PROBABILITY)
        loss = -np.where(rows.label == 1, np.log(p), np.log(1 - p))
        return rows.by_group(loss), rows.by_group(np.ones_like(p))


class _NormalizedEntropy(_LogLoss):
    def __init__(self, rows: GroupedRows, scores: Sequence[Floats]) -> None:
        super().__init__(rows, scores)
        self._labels = np.stack([rows.by_group(rows.label), rows.by_group(np.ones_like(rows.label))], axis=1)

    def __call__(self, counts: Counts) -> Floats:
        positive, total = (counts.astype(np.float64) @ self._labels).T
        with np.errstate(divide="ignore", invalid="ignore"):
            rate = positive / total
            entropy = -(rate * np.log(rate) + (1 - rate) * np.log(1 - rate))
        return np.asarray(super().__call__(counts) / entropy[:, None], dtype=np.float64)


class _PCOC(_Ratio):
    def sums(self, rows: GroupedRows, score: Floats) -> tuple[Floats, Floats]:
        return rows.by_group(score), rows.by_group(rows.label)


class _AUC:
    def __init__(self, rows: GroupedRows, scores: Sequence[Floats]) -> None:
        self._rankings = [RowRanking(rows.label, score, rows.group, rows.weight) for score in scores]

    def __call__(self, counts: Counts) -> Floats:
        return np.stack([ranking.counted_auc(counts) for ranking in self._rankings], axis=1)


_METRICS: dict[str, Callable[[GroupedRows, Sequence[Floats]], DrawnMetric]] = {
    "query_auc": _QueryAUC,
    "gauc": _GAUC,
    "auc": _AUC,
    "logloss": _LogLoss,
    "ne": _NormalizedEntropy,
    "pcoc": _PCOC,
}

BOOTSTRAPPED = tuple(_METRICS)
"""Metrics that can be computed anew for every draw."""


def prepare(name: str, rows: GroupedRows, scores: Sequence[Floats]) -> DrawnMetric:
    """Prepare one of ``BOOTSTRAPPED``.

    Args:
        name: Its name.
        rows: The test rows.
        scores: Probabilities of each model, in the order of the rows.
    """
    return _METRICS[name](rows, scores)
