"""Learning curves, averaged over seeds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hyrec.studies.analysis.scores import Floats

_MAX_POINTS = 120


@dataclass(frozen=True)
class Curve:
    """A logged value over optimizer steps: mean, smallest and largest value of a seed."""

    steps: Floats
    mean: Floats
    low: Floats
    high: Floats
    num_seeds: int


def average(runs: Sequence[Sequence[tuple[float, float]]]) -> Curve | None:
    """Average one sequence of steps and values a seed, over the steps that all of them have; None when there are none.

    Values that are not finite are left out, and so is a seed without any. Long curves are averaged over stretches of
    neighbouring steps; the band of a stretch spans the seeds' averages of it.
    """
    logged = [{step: value for step, value in run if math.isfinite(value)} for run in runs]
    logged = [run for run in logged if run]
    common = sorted(set.intersection(*(set(run) for run in logged))) if logged else []
    if not common:
        return None
    values = np.array([[run[step] for step in common] for run in logged])
    stretches = np.array_split(np.arange(len(common)), min(len(common), _MAX_POINTS))
    steps = np.array([np.mean([common[i] for i in part]) for part in stretches])
    smooth = np.stack([values[:, part].mean(axis=1) for part in stretches], axis=1)
    return Curve(steps, smooth.mean(axis=0), smooth.min(axis=0), smooth.max(axis=0), len(logged))
