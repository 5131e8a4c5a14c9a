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


def explain(
    verdict: str,
    metric: str,
    interval: Interval | None,
    p_holm: float,
    group_interval: Interval | None,
    group_note: str = "",
) -> str:
    """Return the verdict as a sentence that names what each interval generalises over.

    Args:
        verdict: From ``verdict_of``.
        metric: The metric.
        interval: Paired difference over seeds.
        p_holm: Its adjusted p value.
        group_interval: Paired difference over test groups.
        group_note: Why that is missing, or why the rows cannot be compared.
    """
    if verdict == "not comparable":
        return f"Not comparable: {group_note}"
    if interval is None:
        return verdict.capitalize() + "."
    runs = f"{interval.count} training run{'s' if interval.count > 1 else ''}"
    text = f"{verdict.capitalize()}: {metric} {interval.mean:+.5f} over {runs}"
    if interval.known:
        text += f", {interval.level:.0%} interval {_bounds(interval)} for other training runs"
    elif interval.note:
        text += f" ({interval.note})"
    if not math.isnan(p_holm):
        text += f", p {_p(p_holm)} after Holm's correction"
    by_chance = verdict == "not distinguishable" and not interval.holds_zero
    if by_chance:
        text += " (alone the interval excludes 0, but among the variants of a study some do by chance)"
    if group_interval is None or not group_interval.known:
        note = group_note or (group_interval.note if group_interval else "")
        return text + (f". No interval over test groups: {note}." if note else ".")
    text += f". For other test groups, given these models: {_bounds(group_interval)}."
    if group_interval.note:
        text += f" ({group_interval.note})"
    decided = verdict in ("better", "worse", "higher", "lower")
    if decided and group_interval.holds_zero:
        text += " Training runs alone do not explain the difference, yet another sample of test groups could turn it."
    if verdict == "not distinguishable" and not by_chance and not group_interval.holds_zero:
        text += " These very models differ on the test groups, but other training runs may not."
    return text


def _bounds(interval: Interval) -> str:
    return f"{interval.low:+.5f} to {interval.high:+.5f}"


def _p(p: float) -> str:
    return f"{p:.3f}" if p >= 0.001 else "below 0.001"
