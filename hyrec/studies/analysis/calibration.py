"""Reliability of the predictions of one variant: mean prediction against mean label, in bins of equal mass."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import sqrt
from typing import TypeAlias

import numpy as np
import torch

from hyrec.metrics import PCOC, CalibrationError, NormalizedEntropy
from hyrec.metrics.calibration_error import NUM_BINS
from hyrec.metrics.functional import calibration_bins
from hyrec.studies.analysis.results import StudyResults
from hyrec.studies.analysis.scores import Scores
from hyrec.studies.plan.study import StudyError

Point: TypeAlias = tuple[float, float, float, float, int]
"""Of a bin: mean prediction, mean label, both ends of the label's interval, and rows.

The interval is Wilson's for the number of *test rows* (a row that several seeds scored counts once), at 95 %.
"""


@dataclass(frozen=True)
class Reliability:
    """How the predictions of a variant compare with what happened, over the finished seeds that have predictions.

    Predictions of all seeds are pooled for the points, one a bin by ascending prediction; ``ne``, ``pcoc`` and ``ece``
    are the metrics of these names, mean over seeds.
    """

    variant: str
    seeds: tuple[int, ...]
    points: tuple[Point, ...]
    ne: float
    pcoc: float
    ece: float


def reliability(results: StudyResults, variant: str) -> Reliability:
    """Return the reliability curve of a variant; ``StudyError`` when no finished cell of it has predictions."""
    metrics, values, pooled = (NormalizedEntropy(), PCOC(), CalibrationError()), [], {}
    for seed in results.seeds_of(variant):
        if (scores := results.cells[variant, seed].scores()) is not None:
            values.append([scores.metric(metric) for metric in metrics])
            pooled[seed] = replace(scores, row=np.empty(0, np.int64), group=None)  # the points need neither
    if not pooled:
        raise StudyError(f"No finished cell of variant {variant!r} has predictions.")
    ne, pcoc, ece = (float(mean) for mean in np.mean(values, axis=0))
    return Reliability(variant, tuple(pooled), reliability_points(list(pooled.values())), ne, pcoc, ece)


def reliability_points(scores: list[Scores]) -> tuple[Point, ...]:
    """Return the points of pooled predictions of the same rows, without those of bins that hold no row."""
    preds, label = (torch.from_numpy(np.concatenate([getattr(s, k) for s in scores])) for k in ("score", "label"))
    weight = None if scores[0].weight is None else torch.from_numpy(np.concatenate([s.weight for s in scores]))
    bins = calibration_bins(preds, label, weight, NUM_BINS)
    known = int((~label.isnan()).sum())
    rows_per_weight = known / float(bins.weight.sum()) / len(scores) if known else 0.0
    columns = (bins.mean_pred.tolist(), bins.mean_target.tolist(), (bins.weight * rows_per_weight).tolist())
    return tuple((p, rate, *wilson(rate, rows), round(rows)) for p, rate, rows in zip(*columns, strict=True))


def wilson(rate: float, rows: float, z: float = 1.959964) -> tuple[float, float]:
    r"""Return Wilson's score interval of a rate.

    .. math::
        \frac{p + z^2 / 2n \pm z \sqrt{p (1 - p) / n + z^2 / 4n^2}}{1 + z^2 / n}

    Here p is the rate, and n the rows; with none the interval is everything. A z of 1.96 is 95 %.
    """
    if rows <= 0:
        return 0.0, 1.0
    middle = rate + z * z / (2 * rows)
    half = z * sqrt(max(rate * (1 - rate), 0.0) / rows + z * z / (4 * rows * rows))
    scale = 1 + z * z / rows
    return max(0.0, (middle - half) / scale), min(1.0, (middle + half) / scale)
