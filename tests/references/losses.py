"""Losses, one sample at a time."""

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


def jrc(
    logits: list[float], labels: list[float], weights: list[float] | None, request: list[int], alpha: float
) -> float:
    """``alpha * bce + (1 - alpha) * rank`` of one task, with logits ``s / 2`` and ``-s / 2`` of every sample."""
    known = [i for i, label in enumerate(labels) if not math.isnan(label)]
    calibration = ranking = mass = 0.0
    for i in known:
        weight = 1.0 if weights is None else weights[i]
        own = {1.0: logits[i] / 2, 0.0: -logits[i] / 2}
        calibration -= weight * math.log(math.exp(own[labels[i]]) / sum(math.exp(f) for f in own.values()))
        sign = 1 if labels[i] == 1.0 else -1
        rivals = sum(math.exp(sign * logits[j] / 2) for j in known if request[j] == request[i])
        ranking -= weight * math.log(math.exp(sign * logits[i] / 2) / rivals)
        mass += weight
    return (alpha * calibration + (1 - alpha) * ranking) / mass if mass else 0.0
