"""Ranking metrics as pure functions of tensors.

All take flat tensors of B rows, leave out rows whose target is NaN (the label is unknown) and compute in
float64 on the device of their inputs.
"""

from hyrec.metrics.functional.calibration import (
    CalibrationBins,
    LabelSums,
    calibration_bins,
    calibration_error,
    label_sums,
    log_loss,
    normalized_entropy,
    pcoc,
)
from hyrec.metrics.functional.ranking import (
    GroupedAUC,
    auc,
    grouped_auc,
    relative_auc,
    relative_auc_above_chance,
)

__all__ = [
    "CalibrationBins",
    "GroupedAUC",
    "LabelSums",
    "auc",
    "calibration_bins",
    "calibration_error",
    "grouped_auc",
    "label_sums",
    "log_loss",
    "normalized_entropy",
    "pcoc",
    "relative_auc",
    "relative_auc_above_chance",
]
