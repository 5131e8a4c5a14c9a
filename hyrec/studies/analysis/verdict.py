"""What a comparison says, in plain words."""

from __future__ import annotations

import math

from hyrec.studies.analysis.statistics import Interval


def verdict_of(
    direction: int,
    interval: Interval | None,
    p_holm: float,
    alpha: float,
    *,
    is_baseline: bool = False,
    has_values: bool = True,
) -> str:
    """Return ``better``, ``worse``, ``not distinguishable``, or why there is no verdict.

    Decided by the p value over seeds after Holm's correction: would training all variants again with other seeds show
    the same? Metrics without a better end (``pcoc``) are ``higher`` or ``lower``.

    Args:
        direction: 1 when larger is better, −1 when smaller is, 0 when neither is.
        interval: Paired difference over seeds; None when no seed finished for both.
        p_holm: Its adjusted p value; NaN when it could not be tested.
        alpha: Level of the test, such as 0.05.
        is_baseline: Whether the row is a baseline.
        has_values: Whether any seed finished.
    """
    if not has_values:
        return "no results"
    if is_baseline:
        return "baseline"
    if interval is None:
        return "no shared seed"
    if math.isnan(p_holm):
        return "too few seeds" if interval.count < 2 else "no spread"
    if p_holm > alpha or interval.mean == 0:
        return "not distinguishable"
    sign = direction * (1 if interval.mean > 0 else -1)
    if sign:
        return "better" if sign > 0 else "worse"
    return "higher" if interval.mean > 0 else "lower"
