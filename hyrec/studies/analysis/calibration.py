"""Reliability of the predictions of one variant: mean prediction against mean label, in bins of equal mass."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from hyrec.metrics.calibration_error import NUM_BINS
from hyrec.metrics.functional import calibration_bins
from hyrec.studies.analysis.results import StudyResults
from hyrec.studies.analysis.scores import Floats
from hyrec.studies.plan.study import StudyError


@dataclass(frozen=True)
class Reliability:
    """How the predictions of a variant compare with what happened, pooled over the seeds that have predictions.

    Args:
        points: Mean prediction, mean label and share of the rows of each bin, by ascending prediction.
    """

    variant: str
    seeds: tuple[int, ...]
    points: tuple[tuple[float, float, float], ...]


def reliability(results: StudyResults, variant: str) -> Reliability:
    """Return the reliability curve of a variant; ``StudyError`` when no finished cell of it has predictions."""
    found = {seed: results.cells[variant, seed].scores() for seed in results.seeds_of(variant)}
    pooled = {seed: (s.score, s.label, s.weight) for seed, s in found.items() if s is not None}
    if not pooled:
        raise StudyError(f"No finished cell of variant {variant!r} has predictions.")
    return Reliability(variant, tuple(pooled), reliability_points(list(pooled.values())))


def reliability_points(
    scores: Sequence[tuple[Floats, Floats, Floats | None]],
) -> tuple[tuple[float, float, float], ...]:
    """Return the points of pooled predictions: scores, labels and weights of each run; empty bins are left out."""
    preds, label, weight = (
        None if parts[0] is None else torch.from_numpy(np.concatenate(parts)) for parts in zip(*scores, strict=True)
    )
    assert preds is not None
    assert label is not None
    bins = calibration_bins(preds, label, weight, NUM_BINS)
    columns = (bins.mean_pred.tolist(), bins.mean_target.tolist(), (bins.weight / bins.weight.sum()).tolist())
    return tuple(zip(*columns, strict=True))
