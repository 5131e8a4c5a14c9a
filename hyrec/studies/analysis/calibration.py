"""Reliability of the predictions of one variant: mean prediction against mean label, in bins of equal mass."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
import torch

from hyrec.metrics.calibration_error import NUM_BINS
from hyrec.metrics.functional import calibration_bins
from hyrec.studies.analysis.results import StudyResults
from hyrec.studies.analysis.scores import Floats
from hyrec.studies.plan.study import StudyError

Point: TypeAlias = tuple[float, float, float]
"""Of a bin: mean prediction, mean label, and its share of the rows."""


def reliability(results: StudyResults, variant: str) -> tuple[Point, ...]:
    """Return the reliability curve of a variant, pooled over the seeds that saved predictions.

    Raises:
        StudyError: When no finished cell of the variant has predictions.
    """
    found = (results.cells[variant, seed].scores() for seed in results.seeds_of(variant))
    pooled = [(scores.score, scores.label, scores.weight) for scores in found if scores is not None]
    if not pooled:
        raise StudyError(f"No finished cell of variant {variant!r} has predictions.")
    return reliability_points(pooled)


def reliability_points(scores: Sequence[tuple[Floats, Floats, Floats | None]]) -> tuple[Point, ...]:
    """Return the points of pooled predictions: scores, labels and weights of each run; empty bins are left out."""
    preds, label, weight = (
        None if parts[0] is None else torch.from_numpy(np.concatenate(parts)) for parts in zip(*scores, strict=True)
    )
    assert preds is not None
    assert label is not None
    bins = calibration_bins(preds, label, weight, NUM_BINS)
    columns = (bins.mean_pred.tolist(), bins.mean_target.tolist(), (bins.weight / bins.weight.sum()).tolist())
    return tuple(zip(*columns, strict=True))
