"""The finished sizes of a family: cost against a metric, seed by seed."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from hyrec.metrics import MetricFacts
from hyrec.studies.analysis.results import StudyResults
from hyrec.studies.analysis.scores import Floats
from hyrec.studies.plan.study import StudyError

MIN_SIZES = 4
"""Three parameters need at least four sizes, or the curve only draws a line through the points."""


@dataclass(frozen=True)
class SizePoints:
    """What a family reached at each of its sizes.

    Args:
        sizes: Cost of its variants, ascending.
        seeds: Seeds that finished for every one of these sizes.
        values: The metric with its sign turned where smaller is better, so that larger is better.
        notes: Sizes and seeds that are left out, and why.

    Shape:
        sizes: ``(sizes,)``. values: ``(seeds, sizes)``.
    """

    family: str
    sizes: Floats
    seeds: tuple[int, ...]
    values: Floats
    facts: MetricFacts
    notes: tuple[str, ...]

    @property
    def limit(self) -> float:
        """Value that no curve through ``values`` can exceed."""
        best = self.facts.best_value
        return math.inf if best is None else self.facts.direction * best

    def gains(self, at: Floats | None = None) -> dict[int, float]:
        """Return the improvement for ten times the cost, by seed: the slope of a straight line in log10 of the cost.

        Values are interpolated to the sizes ``at``, linearly in log10. Default: the family's own.
        """
        place = np.log10(self.sizes)
        wanted = place if at is None else np.log10(at)
        centred = wanted - wanted.mean()
        values = self.values if at is None else np.stack([np.interp(wanted, place, row) for row in self.values])
        return dict(zip(self.seeds, (values @ centred / (centred**2).sum()).tolist(), strict=True))


def size_points(results: StudyResults, family: str, metric: str, x: str) -> SizePoints:
    """Gather the sizes of a family; ``StudyError`` with fewer than four, or without a seed that finished for all.

    A size that no seed finished is left out, and so is a seed that some remaining size lacks: a mean over other seeds
    would not be paired.
    """
    planned = [p for p in results.plan.variants if p.variant.family == family]
    planned.sort(key=lambda p: float(getattr(p, x)))
    found = {p.variant.name: results.finite(p.variant.name, metric) for p in planned}
    notes = [f"{name} has no finished seed" for name, values in found.items() if not values]
    planned = [p for p in planned if found[p.variant.name]]
    sizes = np.asarray([float(getattr(p, x)) for p in planned])
    different = len(np.unique(sizes))
    if different < MIN_SIZES:
        left_out = f" ({'; '.join(notes)})" if notes else ""
        raise StudyError(
            f"A curve through {x} needs at least {MIN_SIZES} sizes, and {family} has {different}: "
            f"{', '.join(f'{size:g}' for size in np.unique(sizes)) or 'none'}{left_out}. "
            "Widen the study's grid, such as `grid: {model.d_model: [16, 32, 64, 128]}`."
        )
    names = [p.variant.name for p in planned]
    seeds = tuple(s for s in results.plan.study.seeds if all(s in found[name] for name in names))
    dropped = [s for s in results.plan.study.seeds if s not in seeds and any(s in found[name] for name in names)]
    if dropped:
        notes.append(f"seed {', '.join(map(str, dropped))} is left out: it has not finished for every size")
    if not seeds:
        raise StudyError(f"No seed finished for all {len(names)} sizes of {family}. Run the study again with --resume.")
    facts = results.facts(metric)
    values = facts.direction * np.asarray([[found[name][s] for name in names] for s in seeds])
    return SizePoints(family, sizes, seeds, values, facts, tuple(notes))
