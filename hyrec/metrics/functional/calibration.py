"""Log loss, normalized entropy, PCOC and calibration error of probabilities, in float64."""

from __future__ import annotations

from typing import Literal, NamedTuple, get_args

import torch
from torch import Tensor

from hyrec.messages import suggest
from hyrec.metrics.functional.rows import (
    changes,
    check_rows,
    exclusive_cumsum,
    known_rows,
    refuse,
    runs,
    segment_sum,
)

Binning = Literal["equal_mass", "equal_width"]

MIN_PROBABILITY = 1e-7
"""The logarithm sees probabilities clamped to [1e-7, 1 - 1e-7]: float32 sigmoids reach 0 and 1."""


class LabelSums(NamedTuple):
    """Sums over rows that log loss, NE and PCOC are made of; sums of two sets of rows add.

    Args:
        loss: Weighted cross entropy, in nats.
        pred: Weighted predictions.
        target: Weighted targets.
        weight: Weights.
        rows: Rows with a known label.
        unknown: Rows whose label is NaN.
        nan_preds: Predictions that are NaN.
        outside_preds: Predictions outside [0, 1].
        bad_targets: Targets that are none of 0, 1 and NaN.
        bad_weights: Weights that are negative, infinite or NaN.
    """

    loss: float
    pred: float
    target: float
    weight: float
    rows: float
    unknown: float
    nan_preds: float
    outside_preds: float
    bad_targets: float
    bad_weights: float

    @classmethod
    def of(cls, sums: Tensor) -> LabelSums:
        """Name the entries of ``label_sums`` and refuse rows that no metric is defined for.

        Raises:
            ValueError: For predictions that are NaN or outside [0, 1], bad targets or bad weights.
        """
        named = cls(*sums.tolist())
        refuse(int(named.rows + named.unknown), *(int(n) for n in named[6:]))
        return named

    @property
    def log_loss(self) -> float:
        """Mean cross entropy in nats; NaN without rows."""
        return self.loss / self.weight if self.weight else float("nan")

    @property
    def normalized_entropy(self) -> float:
        """Log loss over the entropy of the base rate; NaN unless both labels occur."""
        if not 0 < self.target < self.weight:
            return float("nan")
        rate = torch.tensor([self.target, self.weight - self.target], dtype=torch.float64) / self.weight
        return self.log_loss / float(torch.special.entr(rate).sum())

    @property
    def pcoc(self) -> float:
        """Mean prediction over mean label; NaN without a positive."""
        return self.pred / self.target if self.target else float("nan")


def label_sums(preds: Tensor, target: Tensor, weights: Tensor | None = None) -> Tensor:
    """Add up what log loss, NE and PCOC need, without waiting for the device.

    Returns:
        ``(10,)`` float64, the entries of ``LabelSums``; sums of several calls may be added.
    """
    check_rows(preds, target, None, weights)
    p, y = preds.detach().double(), target.detach().double()
    w = torch.ones_like(p) if weights is None else weights.detach().double()
    unknown, nan = y.isnan(), p.isnan()
    outside = (p < 0) | (p > 1)
    bad_target = ~unknown & (y != 0) & (y != 1)
    bad_weight = ~(w.isfinite() & (w >= 0))
    use = ~(unknown | nan | outside | bad_target | bad_weight)
    zero = torch.zeros_like(p)
    p, y, w = torch.where(use, p, zero), torch.where(use, y, zero), torch.where(use, w, zero)
    clamped = p.clamp(MIN_PROBABILITY, 1 - MIN_PROBABILITY)
    loss = -(y * clamped.log() + (1 - y) * (1 - clamped).log())
    sums = [w * loss, w * p, w * y, w, ~unknown, unknown, nan, outside, bad_target, bad_weight]
    return torch.stack([entry.double().sum() for entry in sums])


def log_loss(preds: Tensor, target: Tensor, weights: Tensor | None = None) -> Tensor:
    """Mean cross entropy of probabilities, in nats; probabilities are clamped to [1e-7, 1 - 1e-7].

    Example:
        >>> round(log_loss(torch.tensor([0.5, 0.5]), torch.tensor([0.0, 1.0])).item(), 4)
        0.6931
    """
    return _scalar(LabelSums.of(label_sums(preds, target, weights)).log_loss, preds)


def normalized_entropy(preds: Tensor, target: Tensor, weights: Tensor | None = None) -> Tensor:
    """Log loss divided by the entropy of the base rate; below 1 is better than predicting the base rate.

    NaN unless both labels occur.

    Example:
        >>> round(normalized_entropy(torch.tensor([0.25] * 4), torch.tensor([1.0, 0.0, 0.0, 0.0])).item(), 6)
        1.0
    """
    return _scalar(LabelSums.of(label_sums(preds, target, weights)).normalized_entropy, preds)


def pcoc(preds: Tensor, target: Tensor, weights: Tensor | None = None) -> Tensor:
    """Mean prediction over mean label ("predicted clicks over clicks"); 1 is calibrated.

    NaN without a positive.

    Example:
        >>> pcoc(torch.tensor([0.5, 0.25]), torch.tensor([1.0, 0.0])).item()
        0.75
    """
    return _scalar(LabelSums.of(label_sums(preds, target, weights)).pcoc, preds)


class CalibrationBins(NamedTuple):
    """A reliability table: rows sorted into bins of similar predictions; empty bins are left out.

    Shape:
        weight: ``(bins,)``, rows of each bin or the sum of their weights.
        mean_pred: ``(bins,)``.
        mean_target: ``(bins,)``.
    """

    weight: Tensor
    mean_pred: Tensor
    mean_target: Tensor


def check_binning(num_bins: int, binning: str) -> None:
    """Raise ``ValueError`` for options that ``calibration_bins`` does not know."""
    if num_bins < 1:
        raise ValueError(f"num_bins must be at least 1, got {num_bins}.")
    if binning not in get_args(Binning):
        allowed = ", ".join(get_args(Binning))
        raise ValueError(f"binning is {binning!r}.{suggest(binning, get_args(Binning))} Allowed: {allowed}.")


def calibration_bins(
    preds: Tensor,
    target: Tensor,
    weights: Tensor | None = None,
    num_bins: int = 15,
    binning: Binning = "equal_mass",
) -> CalibrationBins:
    """Sort rows into bins of similar predictions and compare mean prediction with mean label in each.

    Rows of the same prediction always share a bin, so the result does not depend on the order of the rows.

    Args:
        preds: Probabilities.
        target: 1, 0, or NaN for unknown.
        weights: Weight of each row, 0 or more.
        num_bins: Number of bins before empty ones are left out.
        binning: ``equal_mass`` cuts at quantiles of the predictions (click rates crowd near 0);
            ``equal_width`` cuts [0, 1] into equal intervals.
    """
    check_binning(num_bins, binning)
    p, y, _, w = known_rows(preds, target, None, weights, probabilities=True)
    w = torch.ones_like(p) if w is None else w
    place = p
    if binning == "equal_mass":
        order = torch.argsort(p)
        p, y, w = p[order], y[order], w[order]
        first, end = runs(changes(p))
        below = exclusive_cumsum(w)
        middle = (below[first] + below[end]) / (2 * below[-1])
        place = middle.repeat_interleave(end - first)
    index = (place * num_bins).long().clamp(0, num_bins - 1)
    weight, pred, positive = (segment_sum(x, index, num_bins) for x in (w, w * p, w * y))
    used = weight > 0
    return CalibrationBins(weight[used], pred[used] / weight[used], positive[used] / weight[used])


def calibration_error(
    preds: Tensor,
    target: Tensor,
    weights: Tensor | None = None,
    num_bins: int = 15,
    binning: Binning = "equal_mass",
) -> Tensor:
    """Expected calibration error: mean over rows of |mean prediction - mean label| of the row's bin.

    Arguments as in ``calibration_bins``. NaN without rows.

    Example:
        >>> preds, target = torch.tensor([0.25, 0.25, 0.75, 0.75]), torch.tensor([0.0, 0.0, 1.0, 1.0])
        >>> calibration_error(preds, target, num_bins=2).item()
        0.25
    """
    bins = calibration_bins(preds, target, weights, num_bins, binning)
    return (bins.weight * (bins.mean_pred - bins.mean_target).abs()).sum() / bins.weight.sum()


def _scalar(value: float, like: Tensor) -> Tensor:
    return torch.tensor(value, dtype=torch.float64, device=like.device)
