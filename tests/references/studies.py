"""The statistics of studies in slow, obvious Python."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from scipy.optimize import least_squares

from tests.references import metrics

Rows = list[tuple[float, float, int]]
"""Score, label and group of each row."""


def drawn_metric(name: str, rows: Rows, counts: Sequence[int]) -> float:
    """Write every group down as often as it was drawn, each time as another group, and compute the metric."""
    score, label, group = [], [], []
    copies = 0
    for number, count in enumerate(counts):
        for _ in range(count):
            for p, y, g in rows:
                if g == number:
                    score.append(p)
                    label.append(y)
                    group.append(copies)
            copies += 1
    if name in ("query_auc", "gauc"):
        mean, weighted, _, _ = metrics.grouped_auc(score, label, group)
        return mean if name == "query_auc" else weighted
    plain = {
        "auc": metrics.auc,
        "logloss": metrics.log_loss,
        "ne": metrics.normalized_entropy,
        "pcoc": metrics.pcoc,
    }
    return plain[name](score, label)


def holm_rejects(p_values: Sequence[float], alpha: float) -> list[bool]:
    """Step down as Holm wrote it: take the next larger p value only while the last was rejected."""
    rejected = [False] * len(p_values)
    left = len(p_values)
    for index in sorted(range(len(p_values)), key=lambda i: p_values[i]):
        if p_values[index] > alpha / left:
            break
        rejected[index] = True
        left -= 1
    return rejected


def power_law(x: Sequence[float], y: Sequence[float], limit: float = math.inf) -> tuple[float, float, float, float]:
    """Fit a, b (at x = 1) and c from many starting points, and return them with the squared error."""
    x, y = np.asarray(x), np.asarray(y)
    x0 = math.exp(np.log(x).mean())
    span = float(np.ptp(y)) + 1e-9
    top = limit if math.isfinite(limit) else float(y.max()) + 1000 * span
    best = None
    for start_c in (0.02, 0.1, 0.3, 1.0, 3.0):
        for start_a in (0.1, 1.0, 10.0):
            start = [min(float(y.max()) + start_a * span, top - 1e-9), start_a * span + span, math.log(start_c)]
            found = least_squares(
                lambda t: t[0] - t[1] * (x / x0) ** -math.exp(t[2]) - y,
                start,
                bounds=([-np.inf, 0, math.log(0.01)], [top, np.inf, math.log(5.0)]),
                x_scale=[span, span, 1.0],
                xtol=1e-15,
                ftol=1e-15,
                gtol=1e-15,
                max_nfev=2000,
            )
            if best is None or found.cost < best.cost:
                best = found
    a, b, c = best.x[0], best.x[1], math.exp(best.x[2])
    return a, b * x0**c, c, 2 * best.cost
