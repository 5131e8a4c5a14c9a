"""What a scorer that knows the true click probabilities reaches."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import torch

from hyrec.metrics import functional

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


def grouped_auc(score: Floats, positive: Floats, group: Ints | None = None) -> float:
    """Return the AUC, or its plain mean over the groups that have both labels; NaN when none has.

    AUC is exact; a tie counts one half. Without groups ``positive`` may also be a probability: the result is
    then the expected number of correctly ordered pairs over the expected number of pairs. With groups it may
    not: the mean over groups that happen to have both labels is another figure than the mean over all groups.

    Args:
        score: The higher, the more likely positive.
        positive: Label 0 or 1, or a probability.
        group: Group of each sample. None: all samples are one group.

    Raises:
        ValueError: For probabilities with groups.

    Example:
        >>> grouped_auc(np.array([0.1, 0.4, 0.4]), np.array([0.0, 1.0, 0.0]))
        0.75
    """
    rows = torch.from_numpy(score), torch.from_numpy(positive)
    if group is None:
        return float(functional.expected_auc(*rows))
    if not np.isin(positive, (0.0, 1.0)).all():
        raise ValueError("AUC by group needs labels 0 and 1, got a value between them; drop group or draw labels.")
    numbers = torch.unique(torch.from_numpy(group), return_inverse=True)[1]
    by_group, _ = functional.auc_by_group(*rows, numbers, torch.ones_like(rows[0]))
    return float(by_group.nanmean())


def log_loss(logit: Floats, positive: Floats) -> float:
    """Return the mean cross-entropy of ``logit`` in nats."""
    return float((np.logaddexp(0.0, logit) - positive * logit).mean())


def figures(logit: Floats, label: Floats, group: Ints) -> dict[str, float]:
    """Return AUC, query AUC (plain mean over groups with both labels) and log loss (nats) of ``logit``."""
    return {
        "auc": grouped_auc(logit, label),
        "query_auc": grouped_auc(logit, label, group),
        "logloss": log_loss(logit, label),
    }


def references(logit: Floats, terms: Mapping[str, Floats], label: Floats, group: Ints) -> dict[str, dict[str, float]]:
    """Return the figures of the true logits, and of the true logits without each effect.

    ``attainable without X`` scores each sample with its true logit in which the term of effect X is replaced
    by that term's mean over the whole log (which is 0): what a predictor reaches that knows everything but X
    and gives every other term its true weight. Where X is independent of the other terms, no predictor that
    cannot see X orders samples better in expectation; where X is correlated with them, a better one exists,
    which leans a little more on them, so the figure is a lower bound. The log loss is that of the same
    logits, not recalibrated. Effects of strength 0 are left out.

    Args:
        logit: True log-odds of each sample.
        terms: Contribution of each effect to ``logit``, centred over the whole log.
        label: The clicks that were drawn, 0 or 1: the same that a model's figures are computed on.
        group: Request of each sample.
    """
    out = {"attainable": figures(logit, label, group)}
    for name, term in terms.items():
        if term.any():
            out[f"attainable without {name}"] = figures(logit - term, label, group)
    return out
