"""Paired bootstrap over groups of test rows, on saved predictions.

Groups (queries, requests or users) are drawn with replacement, and both variants are read on the same draw. The
interval generalises over **test groups**: what other users would show, given these very trained models. It says
nothing about another training run; for that see ``hyrec.studies.analysis.statistics.paired_t``.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from hyrec.metrics import RankingMetric
from hyrec.studies.analysis.scores import Floats, Scores, check_same_rows
from hyrec.studies.analysis.statistics import LEVEL, Interval
from hyrec.studies.plan.study import StudyError

MAX_COUNTS = 2**22
"""Most numbers of draws that are held at a time; those of one draw at least."""
_FEW_GROUPS = 50


class GroupBootstrap:
    """Computes a metric of several models on the same draws of groups.

    Args:
        reference: Scored test rows; rows, labels, groups and weights of all models must be these. Without groups,
            single rows are drawn, which the intervals' notes say.
        seed: Seed of the draws; the same seed and number of groups give the same draws.

    Raises:
        StudyError: For fewer than two groups.
    """

    def __init__(self, reference: Scores, replicates: int = 1000, seed: int = 0) -> None:
        if replicates < 1:
            raise StudyError(f"A bootstrap needs at least one draw, got {replicates}.")
        self.reference, self.replicates, self.seed = reference, replicates, seed
        self._known = ~np.isnan(reference.label)
        label = reference.label[self._known]
        if ((label != 0) & (label != 1)).any():
            raise StudyError("Labels of the test rows must be 0, 1 or unknown.")
        self.grouped = reference.group is not None
        group = np.arange(len(label)) if reference.group is None else reference.group[self._known]
        names, codes = np.unique(group, return_inverse=True)
        if len(names) < 2:
            raise StudyError(f"A bootstrap over groups needs at least two groups of test rows, got {len(names)}.")
        self.num_groups, self._group = len(names), torch.from_numpy(codes.astype(np.int64))

    def values(self, metric: RankingMetric, scores: Scores) -> tuple[float, Floats]:
        """Return a metric of a model on the rows as they are, and on every draw; NaN where it is not defined.

        Shape:
            The second is ``(replicates,)``.
        """
        if not metric.can_be_drawn:
            raise StudyError(f"{metric.name!r} cannot be bootstrapped over groups.")
        if metric.needs_group and not self.grouped:
            raise StudyError(f"{metric.name} needs the group of every row, and the predictions have no column 'group'.")
        check_same_rows(self.reference, scores)
        value_of = metric.drawn(*self._rows(scores))
        once = float(value_of(torch.ones(1, self.num_groups, dtype=torch.float64))[0])
        draws = group_counts(self.num_groups, self.replicates, self.seed)
        return once, np.concatenate([value_of(torch.from_numpy(counts)).numpy() for counts in draws])

    def _rows(self, scores: Scores) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        weight = np.ones_like(scores.label) if scores.weight is None else scores.weight
        preds, label, weights = (torch.from_numpy(c[self._known]) for c in (scores.score, scores.label, weight))
        return preds, label, self._group, weights

    def interval(self, metric: RankingMetric, observed: float, drawn: Floats) -> Interval:
        """Return the percentile interval of a statistic, from its value on every draw: ``(replicates,)``.

        Values are NaN where not defined. Where not all groups count in the metric, the note speaks of those that do.
        """
        used = count = self.num_groups
        notes = [] if self.grouped else ["the data has no groups, so single rows were drawn"]
        if metric.needs_group and metric.has_sums:
            used = int((metric.group_sums(*self._rows(self.reference)) != 0).any(1).sum())
        if used < min(_FEW_GROUPS, count):
            notes.append(f"only {used} of {count} groups hold {metric.groups_hold} and count, so the interval is rough")
        elif count < _FEW_GROUPS:
            notes.append(f"only {count} {'groups' if self.grouped else 'rows'}, so the interval is rough")
        defined = drawn[~np.isnan(drawn)]
        if len(defined) < len(drawn):
            notes.append(f"the metric is not defined on {len(drawn) - len(defined)} of {len(drawn)} draws")
        if math.isnan(observed) or 2 * len(defined) < len(drawn):
            return Interval(observed, count=count, note="; ".join(notes))
        low, high = np.quantile(defined, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
        return Interval(observed, float(low), float(high), count=count, note="; ".join(notes))


def group_counts(num_groups: int, replicates: int, seed: int) -> Iterator[Floats]:
    """Yield how often each group was drawn, for some draws at a time: ``(draws, num_groups)`` each."""
    size = max(1, MAX_COUNTS // num_groups)
    for start in range(0, replicates, size):
        draws = range(start, min(start + size, replicates))
        counts = [np.random.default_rng([seed, k]).integers(num_groups, size=num_groups) for k in draws]
        yield np.stack([np.bincount(drawn, minlength=num_groups) for drawn in counts]).astype(np.float64)
