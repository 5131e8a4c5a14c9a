"""Ranking metrics: torchmetrics classes, exact over any number of processes.

Their arithmetic is in ``hyrec.metrics.functional``, pure functions of tensors.
"""

from hyrec.metrics.auc import AUC, GAUC, QueryAUC
from hyrec.metrics.base import RankingMetric
from hyrec.metrics.calibration_error import CalibrationError
from hyrec.metrics.label_sums import PCOC, LogLoss, NormalizedEntropy
from hyrec.metrics.stored_scores import StoredScoresMetric

__all__ = [
    "AUC",
    "GAUC",
    "PCOC",
    "CalibrationError",
    "LogLoss",
    "NormalizedEntropy",
    "QueryAUC",
    "RankingMetric",
    "StoredScoresMetric",
    "default_metrics",
]


def default_metrics() -> dict[str, RankingMetric]:
    """Return new metrics by the names users meet, in the order in which reports show them.

    Example:
        >>> list(default_metrics())
        ['auc', 'query_auc', 'gauc', 'logloss', 'ne', 'pcoc', 'ece']
    """
    return {
        "auc": AUC(),
        "query_auc": QueryAUC(),
        "gauc": GAUC(),
        "logloss": LogLoss(),
        "ne": NormalizedEntropy(),
        "pcoc": PCOC(),
        "ece": CalibrationError(),
    }
