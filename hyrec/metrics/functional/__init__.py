"""Ranking metrics as pure functions of tensors.

All take flat tensors of B rows, leave out rows whose target is NaN (the label is unknown) and compute in
float64 on the device of their inputs.
"""

from hyrec.metrics.functional.calibration import (
    CalibrationBins,
    calibration_bins,
    calibration_error,
    log_loss,
    normalized_entropy,
    pcoc,
)
from hyrec.metrics.functional.ranking import (
    Ranking,
    auc,
    auc_by_group,
    expected_auc,
    relative_auc,
)
from hyrec.metrics.functional.rows import num_groups, segment_sum

__all__ = [
    "CalibrationBins",
    "Ranking",
    "auc",
    "auc_by_group",
    "calibration_bins",
    "calibration_error",
    "expected_auc",
    "log_loss",
    "normalized_entropy",
    "num_groups",
    "pcoc",
    "relative_auc",
    "segment_sum",
]
