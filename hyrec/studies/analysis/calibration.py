"""Reliability of the predictions of one variant: mean prediction against mean label, in bins of equal mass."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from typing import TYPE_CHECKING

import numpy as np
import torch

from hyrec.metrics import PCOC, CalibrationError, NormalizedEntropy, RankingMetric
from hyrec.metrics.calibration_error import NUM_BINS
from hyrec.metrics.functional import calibration_bins
from hyrec.studies.analysis.scores import Scores
from hyrec.studies.plan.study import StudyError

if TYPE_CHECKING:
    from hyrec.studies.analysis.results import StudyResults


@dataclass(frozen=True)
class Reliability:
    """How the predictions of a variant compare with what happened.

    Args:
        variant: Name of the variant.
        seeds: Finished seeds that have predictions.
        points: A point for each bin, by ascending prediction: mean prediction, mean label, lower and upper end of the
            label's interval, and rows. Predictions of all seeds are pooled; the interval is Wilson's for the number
            of *test rows* in the bin (a row that several seeds scored counts once), at 95 %.
        ne: Normalized entropy, mean over seeds; below 1 is better than predicting the base rate.
        pcoc: Mean prediction over mean label, mean over seeds; 1 is calibrated.
        ece: Expected calibration error as in ``hyrec.metrics.CalibrationError``, mean over seeds.
    """

    variant: str
    seeds: tuple[int, ...]
    points: tuple[tuple[float, float, float, float, int], ...]
    ne: float
    pcoc: float
    ece: float


def reliability(results: StudyResults, variant: str, *, num_bins: int = NUM_BINS) -> Reliability:
    """Return the reliability curve of a variant from its saved predictions.

    Args:
        results: A study that ran.
        variant: Name of the variant.
        num_bins: Bins of equal mass, before bins without rows are left out.

    Raises:
        StudyError: When no finished cell of the variant has predictions.
    """
    cells = {seed: cell for (name, seed), cell in results.cells.items() if name == variant}
    scores: dict[int, Scores] = {}
    for seed, cell in cells.items():
        if (table := cell.predictions()) is not None:
            scores[seed] = Scores.of(table, cell.primary_task or "")
    if not scores:
        raise StudyError(f"No finished cell of variant {variant!r} has predictions.")
    every = list(scores.values())

    def mean(metric: RankingMetric) -> float:
        return float(np.mean([one.metric(metric) for one in every]))

    points = reliability_points(every, num_bins)
    return Reliability(variant, tuple(scores), points, *map(mean, (NormalizedEntropy(), PCOC(), CalibrationError())))


def reliability_points(
    scores: list[Scores], num_bins: int = NUM_BINS
) -> tuple[tuple[float, float, float, float, int], ...]:
    """Return mean prediction, mean label, the label's interval and rows of each bin of the pooled predictions.

    Args:
        scores: Predictions of the same rows, one a seed.
        num_bins: Bins of equal mass, before bins without rows are left out.
    """
    preds, label = (torch.from_numpy(np.concatenate([getattr(s, k) for s in scores])) for k in ("score", "label"))
    weight = None if scores[0].weight is None else torch.from_numpy(np.concatenate([s.weight for s in scores]))
    bins = calibration_bins(preds, label, weight, num_bins)
    known = int((~label.isnan()).sum())
    rows_per_weight = known / float(bins.weight.sum()) / len(scores) if known else 0.0
    points = []
    for mass, pred, target in zip(
        bins.weight.tolist(), bins.mean_pred.tolist(), bins.mean_target.tolist(), strict=True
    ):
        rows = mass * rows_per_weight
        points.append((pred, target, *wilson(target, rows), round(rows)))
    return tuple(points)


def wilson(rate: float, rows: float, z: float = 1.959964) -> tuple[float, float]:
    r"""Return Wilson's score interval of a rate.

    .. math::
        \frac{p + z^2 / 2n \pm z \sqrt{p (1 - p) / n + z^2 / 4n^2}}{1 + z^2 / n}

    Args:
        rate: p, positives over rows.
        rows: n. With none the interval is everything.
        z: Quantile of the normal distribution; 1.96 is 95 %.

    Example:
        >>> tuple(round(end, 4) for end in wilson(0.1, 100))
        (0.0552, 0.1744)
    """
    if rows <= 0:
        return 0.0, 1.0
    middle = rate + z * z / (2 * rows)
    half = z * sqrt(max(rate * (1 - rate), 0.0) / rows + z * z / (4 * rows * rows))
    scale = 1 + z * z / rows
    return max(0.0, (middle - half) / scale), min(1.0, (middle + half) / scale)
