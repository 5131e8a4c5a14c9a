"""What the sections of a report share: results, comparisons and verdicts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from hyrec.studies.analysis.comparison import ComparisonRow, compare
from hyrec.studies.analysis.results import StudyResults, read_results
from hyrec.studies.plan.study import Study

Tone = Literal["better", "worse", "neutral", "baseline"]
"""What a row says about its variant: it picks colour and marker, and never stands without words."""


@dataclass(frozen=True)
class Findings:
    """A study's results, compared once for all sections: rows by metric, or why it cannot be compared."""

    results: StudyResults
    comparisons: Mapping[str, Sequence[ComparisonRow]]
    refused: Mapping[str, str]

    @classmethod
    def read(cls, folder: str | Path, baseline: str = "") -> Findings:
        """Read a study's folder and compare its variants, with one of them or with the study's own baseline."""
        return cls.of(read_results(folder, baseline))

    @classmethod
    def of(cls, results: StudyResults) -> Findings:
        """Compare the variants of a study on each of its metrics."""
        comparisons: dict[str, Sequence[ComparisonRow]] = {}
        refused: dict[str, str] = {}
        for metric in results.plan.study.metrics:
            if not results.cells:
                refused[metric] = "no cell has finished"
                continue
            try:
                comparisons[metric] = compare(results, metric)
            except ValueError as error:
                refused[metric] = str(error)
        return cls(results, comparisons, refused)

    @property
    def study(self) -> Study:
        """What was asked."""
        return self.results.plan.study

    @property
    def metric(self) -> str:
        """The metric that decides."""
        return self.study.metrics[0]

    @property
    def rows(self) -> Sequence[ComparisonRow]:
        """Comparison on the metric that decides; empty when there is none."""
        return self.comparisons.get(self.metric, ())

    @property
    def group_word(self) -> str:
        """What the bootstrap draws: groups, or single rows where the data has no groups."""
        intervals = [row.group_interval for rows in self.comparisons.values() for row in rows if row.group_interval]
        return "rows" if any("no groups" in interval.note for interval in intervals) else "groups"

    def baseline_of(self, variant: str) -> str:
        """Name of the baseline at the same point of the grid; a baseline's own name for itself."""
        return self.study.baseline_of(self.study.variant(variant)).name

    def tone(self, variant: str) -> Tone:
        """Colour of a variant: its verdict on the metric that decides."""
        verdicts = {row.variant: row.verdict for row in self.rows}
        return "baseline" if variant == self.baseline_of(variant) else tone_of(verdicts.get(variant, ""))


def tone_of(verdict: str) -> Tone:
    """Colour of a verdict."""
    return next((tone for tone in get_args(Tone) if tone == verdict), "neutral")
