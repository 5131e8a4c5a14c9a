"""Ranking metrics: torchmetrics classes, exact over any number of processes, with what is known about each.

Their arithmetic is in ``hyrec.metrics.functional``, pure functions of tensors.
"""

from hyrec.metrics.auc import AUC, GAUC, QueryAUC
from hyrec.metrics.base import RankingMetric
from hyrec.metrics.calibration_error import CalibrationError
from hyrec.metrics.chosen import DEFAULT_METRICS, build_metrics, default_metrics
from hyrec.metrics.facts import MetricFacts, base_name, facts_of
from hyrec.metrics.group_sums import GroupMeanMetric, GroupSumsMetric
from hyrec.metrics.label_sums import PCOC, LogLoss, NormalizedEntropy
from hyrec.metrics.stored_scores import StoredScoresMetric

__all__ = [
    "AUC",
    "DEFAULT_METRICS",
    "GAUC",
    "PCOC",
    "CalibrationError",
    "GroupMeanMetric",
    "GroupSumsMetric",
    "LogLoss",
    "MetricFacts",
    "NormalizedEntropy",
    "QueryAUC",
    "RankingMetric",
    "StoredScoresMetric",
    "base_name",
    "build_metrics",
    "default_metrics",
    "facts_of",
]
