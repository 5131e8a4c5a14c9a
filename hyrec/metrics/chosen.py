"""The metrics that a model is asked for: seven by default, and any others by class."""

from __future__ import annotations

from argparse import ArgumentError
from collections.abc import Callable, Iterable
from typing import Any

from jsonargparse import ArgumentParser

from hyrec.metrics.auc import AUC, GAUC, QueryAUC
from hyrec.metrics.base import RankingMetric
from hyrec.metrics.calibration_error import CalibrationError
from hyrec.metrics.label_sums import PCOC, LogLoss, NormalizedEntropy

_DEFAULT = (AUC, QueryAUC, GAUC, LogLoss, NormalizedEntropy, PCOC, CalibrationError)
DEFAULT_METRICS: list[Any] = [f"hyrec.metrics.{cls.__name__}" for cls in _DEFAULT]
"""What ``model.metrics`` is by default, as a config names classes."""


def build_metrics(chosen: Iterable[Any] = DEFAULT_METRICS, *, has_groups: bool = True) -> dict[str, RankingMetric]:
    """Return new metrics by name, in the order in which reports show them.

    Args:
        chosen: Classes, other factories without arguments, or what a config names: an import path, or a mapping of
            ``class_path`` and ``init_args``.
        has_groups: Whether rows have groups. Without, those of the default metrics that need one are left out.

    Raises:
        ValueError: For a class that does not exist or does not take its options, when two metrics have one name, or
            when one that was asked for needs groups and there are none.
        TypeError: When something is no metric.

    Example:
        >>> list(build_metrics([AUC, {"class_path": "hyrec.metrics.CalibrationError", "init_args": {"num_bins": 5}}]))
        ['auc', 'ece@5']
    """
    parser = ArgumentParser(exit_on_error=False)
    parser.add_argument("--model.metrics", type=list[Callable[[], RankingMetric]])
    try:
        factories = parser.instantiate(parser.parse_object({"model": {"metrics": list(chosen)}})).model.metrics
    except ArgumentError as error:
        raise ValueError(str(error)) from error
    built: dict[str, RankingMetric] = {}
    metrics = [factory() for factory in factories]
    by_default = tuple(type(metric) for metric in metrics[: len(_DEFAULT)]) == _DEFAULT
    for place, metric in enumerate(metrics):
        if not isinstance(metric, RankingMetric):
            raise TypeError(f"model.metrics[{place}] makes a {type(metric).__name__}, which is no RankingMetric.")
        if metric.name in built:
            raise ValueError(f"model.metrics names {metric.name!r} twice: leave one out, or give it other options.")
        if metric.needs_group and not has_groups:
            if by_default and place < len(_DEFAULT):
                continue
            raise ValueError(
                f"model.metrics: {metric.name!r} needs the group of every row (query, request or user), and the schema "
                "has no group_column. Set it, or leave this metric out."
            )
        built[metric.name] = metric
    return built


def default_metrics() -> dict[str, RankingMetric]:
    """Return new default metrics by name.

    Example:
        >>> list(default_metrics())
        ['auc', 'query_auc', 'gauc', 'logloss', 'ne', 'pcoc', 'ece']
    """
    return build_metrics()
