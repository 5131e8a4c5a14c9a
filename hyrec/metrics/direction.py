"""Which way a test metric is better, and how far it can go."""

from __future__ import annotations

_BETTER = {"auc": 1, "query_auc": 1, "gauc": 1, "logloss": -1, "loss": -1, "ne": -1, "ece": -1, "pcoc": 0}
_BEST = {"auc": 1.0, "query_auc": 1.0, "gauc": 1.0, "logloss": 0.0, "loss": 0.0, "ne": 0.0, "ece": 0.0, "pcoc": 1.0}
_CHANCE = {"auc", "query_auc", "gauc"}


def base_name(metric: str) -> str:
    """Return a metric's name without its task.

    Example:
        >>> base_name("like/auc")
        'auc'
    """
    return metric.rpartition("/")[2]


def direction(metric: str) -> int:
    """Return 1 when larger is better, −1 when smaller is, and 0 when neither or when it is not known.

    ``pcoc`` (mean prediction over mean label) is best at 1 and has no direction.

    Example:
        >>> direction("auc"), direction("like/logloss"), direction("pcoc")
        (1, -1, 0)
    """
    return _BETTER.get(base_name(metric), 0)


def best_value(metric: str) -> float | None:
    """Return the value that no model can beat, such as 1 for AUC; None when it is not known."""
    return _BEST.get(base_name(metric))


def is_auc(metric: str) -> bool:
    """Whether a metric is an AUC, so that 0.5 is chance and a relative change has two conventions."""
    return base_name(metric) in _CHANCE
