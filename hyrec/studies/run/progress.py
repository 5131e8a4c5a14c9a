"""What a runner says while it runs: one line for each cell that ends, made to be read in a log file."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from hyrec.plain_text import duration
from hyrec.studies.run.cell import Cell


class StudyProgress:
    """Count cells, estimate the time left from the seconds that those done ``before`` took, and report line by line."""

    def __init__(
        self,
        total: int,
        jobs: int,
        metrics: Sequence[str],
        report: Callable[[str], object],
        before: Mapping[Cell, float],
    ) -> None:
        self.total, self.jobs, self.metrics, self.report, self.ended = total, jobs, metrics, report, len(before)
        self._seconds: dict[str, list[float]] = {}
        for cell, seconds in before.items():
            self._seconds.setdefault(cell.variant, []).append(seconds)
        done = f"; {len(before)} done before" if before else ""
        self.report(f"{self.total} cell{'' if self.total == 1 else 's'}, {self.jobs} at once{done}")

    def note(self, cell: Cell, text: str, *, ended: bool = False) -> None:
        """Say something about a cell, such as how it ended."""
        self.ended += ended
        place = f"[{self.ended:>{len(str(self.total))}}/{self.total}]"
        self.report(f"{place if ended else ' ' * len(place)} {cell.variant} s{cell.seed} {text}")

    def finished(self, cell: Cell, seconds: float, metrics: Mapping[str, float], waiting: Mapping[Cell, float]) -> None:
        """Say what a cell reached; ``waiting`` has those that have not ended, and the seconds that they have run."""
        self._seconds.setdefault(cell.variant, []).append(seconds)
        figures = ", ".join(f"{name} {metrics[name]:.4f}" for name in self.metrics if name in metrics)
        left = ""
        if waiting:
            known = {variant: sum(values) / len(values) for variant, values in self._seconds.items()}
            typical = sum(known.values()) / len(known)
            still = [max(0.0, known.get(other.variant, typical) - spent) for other, spent in waiting.items()]
            left = f"; about {duration(max(*still, sum(still) / self.jobs))} left"
        result = f": {figures}" if figures else ""
        self.note(cell, f"finished in {duration(seconds)}{result}{left}", ended=True)
