"""A paper's printed figures beside ours: both as relative changes, since levels of two data sets say nothing."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from hyrec.studies.analysis.comparison import ComparisonRow
from hyrec.studies.plan.study import Study


@dataclass(frozen=True)
class PaperRow:
    """A variant's relative change to the baseline, here and in the paper.

    From ``low`` to ``high`` is the interval of our change over seeds, NaN without one. ``paper_above_chance`` is the
    paper's by the other convention, None where the printed baseline is at chance.
    """

    row: ComparisonRow
    low: float
    high: float
    paper: float
    paper_above_chance: float | None
    printed: float

    @property
    def agreement(self) -> str:
        """Whether the direction found here is the paper's, in words."""
        if self.row.verdict not in ("better", "worse"):
            return "not decided here"
        if not self.paper:
            return "none in the paper"
        return "same direction" if (self.row.relative_auc or 0) * self.paper > 0 else "other direction"


def paper_rows(study: Study, rows: Sequence[ComparisonRow]) -> list[PaperRow]:
    """Return a row for each variant for which the paper prints an AUC, as for its baseline."""
    found = []
    for row in rows:
        variant = study.variant(row.variant)
        printed, base = variant.paper.get(row.metric), study.baseline_of(variant).paper.get(row.metric)
        if row.is_baseline or printed is None or not base or row.chance is None:
            continue
        # The level that differences are relative to: the baseline's mean over the seeds that both have.
        shared = [row.values[seed] - row.differences[seed] for seed in row.differences]
        level = sum(shared) / len(shared) if shared else 0.0
        ends = (row.interval.low / level, row.interval.high / level) if row.interval and level else (math.nan, math.nan)
        above = (printed - row.chance) / (base - row.chance) - 1 if base != row.chance else None
        found.append(PaperRow(row, *ends, printed / base - 1, above, printed))
    return found
