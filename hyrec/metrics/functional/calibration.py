"""Log loss, normalized entropy, PCOC and calibration error of probabilities, in float64."""

from __future__ import annotations

from typing import Literal, NamedTuple, get_args

import torch
from torch import Tensor

from hyrec.messages import unknown
from hyrec.metrics.functional.rows import Ascending, check_values, exact_rows, in_blocks, refuse, segment_sum, selected

Binning = Literal["equal_mass", "equal_width"]

MIN_PROBABILITY = 1e-7
"""The logarithm sees probabilities clamped to [1e-7, 1 - 1e-7]: float32 sigmoids reach 0 and 1."""


def label_terms(preds: Tensor, target: Tensor, weights: Tensor) -> Tensor:
    """Return what log loss, NE and PCOC add up, ``(B, 4)``: weighted cross entropy (nats), prediction, label, 1."""
    p = preds.clamp(MIN_PROBABILITY, 1 - MIN_PROBABILITY)
    loss = -(target * p.log() + (1 - target) * (1 - p).log())
    return torch.stack([weights * loss, weights * preds, weights * target, weights], 1)


def label_sums(preds: Tensor, target: Tensor, weights: Tensor | None = None) -> Tensor:
    """Add up ``label_terms`` of rows with a known label, then six counts: ``(10,)``, without waiting for the device."""
    p, y, w, wrong = exact_rows(preds, target, None, weights)
    unknown = y.isnan()
    unused = unknown | wrong.any(1)
    terms = label_terms(*(column.masked_fill(unused, 0.0) for column in (p, y, w)))
    return torch.cat([terms, torch.stack([~unknown, unknown], 1), wrong], 1).sum(0)


def checked_sums(sums: Tensor) -> tuple[Tensor, int, int]:
    """Return the four sums of ``label_sums``, rows with a known label and those without; raise for rows to refuse."""
    known, unknown, *wrong = (int(count) for count in sums[4:].tolist())
    refuse(known + unknown, *wrong)
    return sums[:4], known, unknown


def log_loss_of(sums: Tensor) -> Tensor:
    """Return the mean cross entropy in nats of sums of ``label_terms``, ``(..., 4)``; NaN without rows."""
    return sums[..., 0] / sums[..., 3]


def normalized_entropy_of(sums: Tensor) -> Tensor:
    """Return log loss over the entropy of the base rate of sums, ``(..., 4)``; NaN unless both labels occur."""
    positive, total = sums[..., 2], sums[..., 3]
    entropy = torch.special.entr(positive / total) + torch.special.entr((total - positive) / total)
    return torch.where((positive > 0) & (positive < total), log_loss_of(sums) / entropy, float("nan"))


def pcoc_of(sums: Tensor) -> Tensor:
    """Return mean prediction over mean label of sums, ``(..., 4)``; NaN without a positive."""
    return torch.where(sums[..., 2] > 0, sums[..., 1] / sums[..., 2], float("nan"))


def log_loss(preds: Tensor, target: Tensor, weights: Tensor | None = None) -> Tensor:
    """Mean cross entropy of probabilities, in nats; probabilities are clamped to [1e-7, 1 - 1e-7].

    Example:
        >>> round(log_loss(torch.tensor([0.5, 0.5]), torch.tensor([0.0, 1.0])).item(), 4)
        0.6931
    """
    return log_loss_of(checked_sums(label_sums(preds, target, weights))[0])


def normalized_entropy(preds: Tensor, target: Tensor, weights: Tensor | None = None) -> Tensor:
    """Log loss divided by the entropy of the base rate; below 1 is better than predicting the base rate.

    NaN unless both labels occur.

    Example:
        >>> round(normalized_entropy(torch.tensor([0.25] * 4), torch.tensor([1.0, 0.0, 0.0, 0.0])).item(), 6)
        1.0
    """
    return normalized_entropy_of(checked_sums(label_sums(preds, target, weights))[0])


def pcoc(preds: Tensor, target: Tensor, weights: Tensor | None = None) -> Tensor:
    """Mean prediction over mean label ("predicted clicks over clicks"); 1 is calibrated.

    NaN without a positive.

    Example:
        >>> pcoc(torch.tensor([0.5, 0.25]), torch.tensor([1.0, 0.0])).item()
        0.75
    """
    return pcoc_of(checked_sums(label_sums(preds, target, weights))[0])


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
        raise ValueError(unknown("binning is", binning, get_args(Binning)))


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
    check_values(preds, target, None, weights, probabilities=True)
    known = ~target.isnan()
    lowest: Tensor | None = None
    if binning == "equal_mass":
        lowest = _lowest(selected(preds, known), None if weights is None else selected(weights, known), num_bins)
    sums = torch.zeros(3, num_bins, dtype=torch.float64, device=preds.device)
    for p, y, w, kept in in_blocks(preds, target, weights, known):
        p, y = p[kept].double(), y[kept].double()
        w = torch.ones_like(p) if w is None else w[kept].double()
        if lowest is None:
            index = (p * num_bins).long().clamp(0, num_bins - 1)
        else:
            index = torch.bucketize(p, lowest, right=True)
        sums += torch.stack([segment_sum(x, index, num_bins) for x in (w, w * p, w * y)])
    weight, pred, positive = sums[:, sums[0] > 0]
    return CalibrationBins(weight, pred / weight, positive / weight)


def _lowest(preds: Tensor, weights: Tensor | None, num_bins: int) -> Tensor:
    """Return the lowest prediction of every bin of equal mass but the first: inf where no bin follows.

    A run of equal predictions belongs to the bin in which its middle lies.
    """
    ranked = Ascending(preds, weights)
    found = torch.full((num_bins - 1,), float("inf"), dtype=torch.float64, device=preds.device)
    scores, total = ranked.scores, ranked.total
    for number in range(1, num_bins if total else 0):
        mass = torch.tensor(number * total / num_bins)
        place = int(mass) if ranked.sums is None else int(torch.searchsorted(ranked.sums, mass)) - 1
        place = max(0, place - 1)
        while place < len(scores):
            run = scores[place : place + 1]
            below, through = (float(ranked.below(run, through=end)) for end in (False, True))
            if (below + through) / (2 * total) * num_bins >= number:
                found[number - 1] = run[0]
                break
            place = int(torch.searchsorted(scores, run, right=True))
    return found


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
