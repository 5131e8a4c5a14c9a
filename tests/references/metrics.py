"""Ranking metrics in slow, obvious Python: every pair is compared, every group is a list."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence


def auc(preds: Sequence[float], target: Sequence[float], weights: Sequence[float] | None = None) -> float:
    weights = weights or [1.0] * len(preds)
    won = pairs = 0.0
    for p, y, w in zip(preds, target, weights, strict=True):
        for q, z, v in zip(preds, target, weights, strict=True):
            if y == 1 and z == 0:
                won += w * v * (1.0 if p > q else 0.5 if p == q else 0.0)
                pairs += w * v
    return won / pairs if pairs else math.nan


def grouped_auc(
    preds: Sequence[float],
    target: Sequence[float],
    group: Sequence[int],
    weights: Sequence[float] | None = None,
) -> tuple[float, float, int, int]:
    """Return plain mean, mean by impressions (or weight), groups and rows counted."""
    weights = weights or [1.0] * len(preds)
    members: dict[int, list[int]] = defaultdict(list)
    for row, g in enumerate(group):
        if not math.isnan(target[row]):
            members[g].append(row)
    values, shares, num_rows = [], [], 0
    for rows in members.values():
        value = auc([preds[i] for i in rows], [target[i] for i in rows], [weights[i] for i in rows])
        if not math.isnan(value):
            values.append(value)
            shares.append(sum(weights[i] for i in rows))
            num_rows += len(rows)
    if not values:
        return math.nan, math.nan, 0, 0
    by_share = sum(v * s for v, s in zip(values, shares, strict=True)) / sum(shares)
    return sum(values) / len(values), by_share, len(values), num_rows


def log_loss(preds: Sequence[float], target: Sequence[float], weights: Sequence[float] | None = None) -> float:
    weights = weights or [1.0] * len(preds)
    total = 0.0
    for p, y, w in zip(preds, target, weights, strict=True):
        p = min(max(p, 1e-7), 1 - 1e-7)
        total -= w * math.log(p if y == 1 else 1 - p)
    return total / sum(weights) if sum(weights) else math.nan


def normalized_entropy(
    preds: Sequence[float], target: Sequence[float], weights: Sequence[float] | None = None
) -> float:
    weights = weights or [1.0] * len(preds)
    positive = sum(w for y, w in zip(target, weights, strict=True) if y == 1)
    negative = sum(w for y, w in zip(target, weights, strict=True) if y == 0)
    if not positive or not negative:
        return math.nan
    rate = positive / (positive + negative)
    return log_loss(preds, target, weights) / -(rate * math.log(rate) + (1 - rate) * math.log(1 - rate))


def pcoc(preds: Sequence[float], target: Sequence[float], weights: Sequence[float] | None = None) -> float:
    weights = weights or [1.0] * len(preds)
    labels = sum(w * y for w, y in zip(weights, target, strict=True))
    return sum(w * p for w, p in zip(weights, preds, strict=True)) / labels if labels else math.nan


def calibration_error(
    preds: Sequence[float],
    target: Sequence[float],
    weights: Sequence[float] | None = None,
    num_bins: int = 15,
    binning: str = "equal_mass",
) -> float:
    """Equal mass: a row's bin is where the middle of the rows of its prediction lies among all rows."""
    weights = weights or [1.0] * len(preds)
    total = sum(weights)
    bins: dict[int, list[int]] = defaultdict(list)
    for row, p in enumerate(preds):
        place = p
        if binning == "equal_mass":
            below = sum(w for q, w in zip(preds, weights, strict=True) if q < p)
            same = sum(w for q, w in zip(preds, weights, strict=True) if q == p)
            place = (below + same / 2) / total if total else 0.0
        bins[min(int(place * num_bins), num_bins - 1)].append(row)
    error = 0.0
    for rows in bins.values():
        error += abs(sum(weights[i] * (preds[i] - target[i]) for i in rows))
    return error / total if total else math.nan
