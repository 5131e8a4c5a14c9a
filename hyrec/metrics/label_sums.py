"""Log loss, NE and PCOC, as torchmetrics classes over one shared set of sums."""

from __future__ import annotations

import torch
from torch import Tensor

from hyrec.metrics.base import RankingMetric
from hyrec.metrics.functional import LabelSums, label_sums


class LabelSumsMetric(RankingMetric):
    """Base of metrics that are made of sums over rows; keeps ten numbers, whatever the number of rows."""

    label_sums: list[Tensor]

    def __init__(self) -> None:
        super().__init__()
        self.add_rows("label_sums", torch.float64, (len(LabelSums._fields),))

    def update(self, preds: Tensor, target: Tensor, group: Tensor | None = None, weights: Tensor | None = None) -> None:
        """Add one batch; arguments as in ``RankingMetric.update``; ``group`` plays no part.

        Raises:
            ValueError: When shapes or types do not fit.
        """
        exact_weights = None if weights is None else self.exact(weights)
        sums = label_sums(self.exact(preds), self.exact(target), exact_weights).unsqueeze(0)
        total = torch.cat([*self.label_sums, sums]).sum(0, keepdim=True)
        self.label_sums.clear()
        self.label_sums.append(total)

    def sums(self) -> LabelSums:
        """Return the sums over all rows of all processes."""
        return LabelSums.of(self.rows("label_sums").sum(0))

    def report(self, value: float, if_undefined: str, sums: LabelSums) -> Tensor:
        """Finish with the counts that all these metrics report."""
        return self.finish(value, if_undefined, num_rows=int(sums.rows), num_unknown=int(sums.unknown))


class LogLoss(LabelSumsMetric):
    """Mean cross entropy of the probabilities, in nats; probabilities are clamped to [1e-7, 1 - 1e-7].

    Example:
        >>> metric = LogLoss()
        >>> metric.update(torch.tensor([0.5, 0.5]), torch.tensor([0.0, 1.0]))
        >>> round(metric.compute().item(), 4)
        0.6931
    """

    higher_is_better = False

    def compute(self) -> Tensor:
        """Return the log loss."""
        sums = self.sums()
        return self.report(sums.log_loss, "no row has a known label and a weight above 0", sums)


class NormalizedEntropy(LabelSumsMetric):
    """Log loss over the entropy of the base rate (NE): below 1 is better than predicting the base rate.

    Example:
        >>> metric = NormalizedEntropy()
        >>> metric.update(torch.tensor([0.25] * 4), torch.tensor([1.0, 0.0, 0.0, 0.0]))
        >>> round(metric.compute().item(), 4)
        1.0
    """

    higher_is_better = False

    def compute(self) -> Tensor:
        """Return the normalized entropy."""
        sums = self.sums()
        return self.report(sums.normalized_entropy, "it needs a positive and a negative label", sums)


class PCOC(LabelSumsMetric):
    """Mean prediction over mean label ("predicted clicks over clicks"): 1 is calibrated, above 1 is too high.

    Example:
        >>> metric = PCOC()
        >>> metric.update(torch.tensor([0.5, 0.25]), torch.tensor([1.0, 0.0]))
        >>> metric.compute().item()
        0.75
    """

    def compute(self) -> Tensor:
        """Return the ratio."""
        sums = self.sums()
        return self.report(sums.pcoc, "it needs a positive label", sums)
