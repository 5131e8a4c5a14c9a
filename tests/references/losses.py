"""Binary cross-entropy, one sample at a time."""

from __future__ import annotations

import math


def bce(
    logits: dict[str, list[float]],
    labels: dict[str, list[float]],
    weights: list[float] | None,
    task_weights: dict[str, float],
    positive_weights: dict[str, float],
) -> tuple[float, dict[str, float]]:
    """``sum_t a_t * sum_i w_i * bce(logit_ti, label_ti) / sum_i w_i`` over samples whose label is known."""
    total, parts = 0.0, {}
    for task, values in logits.items():
        losses = mass = 0.0
        for i, logit in enumerate(values):
            label = labels[task][i]
            if math.isnan(label):
                continue
            weight = 1.0 if weights is None else weights[i]
            p = 1.0 / (1.0 + math.exp(-logit))
            positive = positive_weights.get(task, 1.0)
            losses += weight * -(positive * label * math.log(p) + (1.0 - label) * math.log(1.0 - p))
            mass += weight
        parts[task] = losses / mass if mass else 0.0
        total += task_weights.get(task, 1.0) * parts[task]
    return total, parts
