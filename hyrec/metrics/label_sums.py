"""Log loss, NE and PCOC, as torchmetrics classes over one shared set of sums."""

from __future__ import annotations

from abc import abstractmethod

import torch
from torch import Tensor

from hyrec.metrics.base import RankingMetric
from hyrec.metrics.functional.calibration import (
    checked_sums,
    label_sums,
    label_terms,
    log_loss_of,
    normalized_entropy_of,
    pcoc_of,
)
from hyrec.metrics.functional.rows import num_groups, segment_sum


class LabelSumsMetric(RankingMetric):
    """Base of metrics that are made of sums over rows; keeps ten numbers, whatever the number of rows."""

    label_sums: list[Tensor]

    def __init__(self) -> None:
        super().__init__()
        self.add_rows("label_sums", torch.float64, (10,))

    def update(self, preds: Tensor, target: Tensor, group: Tensor | None = None, weights: Tensor | None = None) -> None:
        """Add one batch; arguments as in ``RankingMetric.update``; ``group`` plays no part."""
        exact_weights = None if weights is None else self.exact(weights)
        sums = label_sums(self.exact(preds), self.exact(target), exact_weights).unsqueeze(0)
        total = torch.cat([*self.label_sums, sums]).sum(0, keepdim=True)
        self.label_sums.clear()
        self.label_sums.append(total)

    def group_sums(self, preds: Tensor, target: Tensor, group: Tensor, weights: Tensor) -> Tensor:
        """Return sums of cross entropy, predictions, targets and weights, ``(G, 4)``."""
        return segment_sum(label_terms(preds, target, weights), group, num_groups(group))

    @abstractmethod
    def value_of(self, sums: Tensor) -> Tensor:
        """Return the metric of sums, ``(..., 4)``."""

    def compute(self) -> Tensor:
        """Return the metric of all rows with a known label."""
        sums, known, unknown = checked_sums(self.rows("label_sums").sum(0))
        return self.finish(self.value_of(sums), num_rows=known, num_unknown=unknown)


class LogLoss(LabelSumsMetric):
    """Mean cross entropy of the probabilities, in nats; probabilities are clamped to [1e-7, 1 - 1e-7].

    Example:
        >>> metric = LogLoss()
        >>> metric.update(torch.tensor([0.5, 0.5]), torch.tensor([0.0, 1.0]))
        >>> round(metric.compute().item(), 4)
        0.6931
    """

    name = "logloss"
    definition = "mean cross entropy, in nats"
    higher_is_better = False
    best_value = 0.0
    value_of = staticmethod(log_loss_of)


class NormalizedEntropy(LabelSumsMetric):
    """Log loss over the entropy of the base rate (NE): below 1 is better than predicting the base rate.

    Example:
        >>> metric = NormalizedEntropy()
        >>> metric.update(torch.tensor([0.25] * 4), torch.tensor([1.0, 0.0, 0.0, 0.0]))
        >>> round(metric.compute().item(), 4)
        1.0
    """

    name = "ne"
    definition = "log loss over the entropy of the base rate; below 1 beats predicting the base rate"
    higher_is_better = False
    best_value = 0.0
    if_undefined = "it needs a positive and a negative label"
    value_of = staticmethod(normalized_entropy_of)


class PCOC(LabelSumsMetric):
    """Mean prediction over mean label ("predicted clicks over clicks"): 1 is calibrated, above 1 is too high.

    Example:
        >>> metric = PCOC()
        >>> metric.update(torch.tensor([0.5, 0.25]), torch.tensor([1.0, 0.0]))
        >>> metric.compute().item()
        0.75
    """

    name = "pcoc"
    definition = "mean prediction over mean label; 1 is calibrated"
    higher_is_better = None
    best_value = 1.0
    if_undefined = "it needs a positive label"
    value_of = staticmethod(pcoc_of)
