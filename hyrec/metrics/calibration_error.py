"""Expected calibration error, as a torchmetrics class."""

from __future__ import annotations

from torch import Tensor

from hyrec.metrics.functional import calibration_error
from hyrec.metrics.functional.calibration import Binning, check_binning
from hyrec.metrics.stored_scores import StoredScoresMetric

NUM_BINS = 15
"""Bins of what is called ``ece``; of another number the name says it."""


class CalibrationError(StoredScoresMetric):
    """Expected calibration error: mean over rows of |mean prediction - mean label| of the row's bin.

    Args:
        num_bins: Number of bins.
        binning: ``equal_mass`` cuts at quantiles of the predictions (click rates crowd near 0);
            ``equal_width`` cuts [0, 1] into equal intervals.

    Raises:
        ValueError: When ``num_bins`` is below 1 or ``binning`` is unknown.

    Example:
        >>> import torch
        >>> metric = CalibrationError(num_bins=2)
        >>> metric.update(torch.tensor([0.25, 0.25, 0.75, 0.75]), torch.tensor([0.0, 0.0, 1.0, 1.0]))
        >>> metric.compute().item()
        0.25
    """

    name = "ece"
    definition = "mean gap between prediction and label over bins of equally many rows"
    higher_is_better = False
    best_value = 0.0

    def __init__(self, *, num_bins: int = NUM_BINS, binning: Binning = "equal_mass") -> None:
        check_binning(num_bins, binning)
        super().__init__()
        self.num_bins = num_bins
        self.binning: Binning = binning
        if binning == "equal_width":
            self.name, self.definition = "ece_equal_width", "mean gap between prediction and label over equal bins"
        if num_bins != NUM_BINS:
            self.name += f"@{num_bins}"

    def compute(self) -> Tensor:
        """Return the calibration error of all rows with a known label."""
        preds, target, _, weights = self.stored()
        unknown = int(target.isnan().sum())
        error = calibration_error(preds, target, weights, self.num_bins, self.binning)
        return self.finish(error, num_rows=len(target) - unknown, num_unknown=unknown)
