"""What ``hyrec data apply`` did, in figures."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

from hyrec.data.logs.encode import Encoded
from hyrec.data.logs.event_report import EventStats, event_stats, repeats_of_build
from hyrec.data.logs.reading import Logs
from hyrec.data.logs.recipe import Recipe
from hyrec.data.logs.report import LengthStats, shares
from hyrec.data.logs.times import local_times
from hyrec.messages import listed
from hyrec.schema import MISSING_ID, OOV_ID

_SHOWN, _MANY = 6, 5
"""Features of a line, and rows of which it is odd that the build knows no id."""


@dataclass(frozen=True)
class ApplyReport:
    """Counts of what was read, encoded and left out.

    Args:
        files: Files that were read.
        rows: Rows that were encoded.
        dropped: Rows that were left out, by reason.
        events: Rows with a label, which later rows see.
        history: Rows of the build's logs.
        oov: Share of out-of-vocabulary ids among the known ones, by id feature.
        missing: Share of missing values by feature, where there are any.
        history_lengths: By sequence.
        notes: Anything else worth knowing.
        warnings: What may be a mistake.
        event_logs: By event log.
    """

    files: list[str]
    rows: int
    dropped: dict[str, int]
    events: int
    history: int
    oov: dict[str, float]
    missing: dict[str, float]
    history_lengths: dict[str, LengthStats]
    notes: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    event_logs: dict[str, EventStats] = field(default_factory=dict)

    def save(self, path: Path) -> None:
        """Write the figures as JSON."""
        path.write_text(json.dumps(asdict(self), indent=2, sort_keys=True) + "\n", encoding="utf-8")

    def __str__(self) -> str:
        lines = [f"read      {self.rows + sum(self.dropped.values()):,} rows of {', '.join(self.files)}"]
        lines += [f"dropped   {n:,} rows: {reason}" for reason, n in self.dropped.items() if n]
        lines.append(f"history   {self.history:,} rows of the build, and {self.events:,} new rows that have a label")
        for name, events in self.event_logs.items():
            lines += events.lines(name)
        for name, stats in self.history_lengths.items():
            lines.append(f"sequence  {name}: mean {stats.mean:.1f} events, empty for {stats.empty:.1%}")
        for what, of_features in (("OOV", self.oov), ("missing", self.missing)):
            worst = sorted(((share, name) for name, share in of_features.items()), reverse=True)[:_SHOWN]
            if worst:
                lines.append(what.ljust(10) + ", ".join(f"{name} {share:.1%}" for share, name in worst))
        lines += [f"note      {note}" for note in self.notes]
        return "\n".join([*lines, *(f"warning   {warning}" for warning in self.warnings)])


def applied_report(
    recipe: Recipe, logs: Logs, encoded: dict[str, Encoded], lengths: dict[str, LengthStats]
) -> ApplyReport:
    """Count what was read."""
    assert logs.asked is not None
    kept, events = logs.is_kept, logs.is_event & ~logs.is_kept
    every, warnings = np.ones(len(logs.asked), dtype=np.bool_), []
    last = int(logs.time[kept].max(initial=0))
    is_early = logs.time <= last
    if early := int(is_early[logs.asked].sum()):
        moment = local_times(np.array([last]), recipe.log.time_zone, recipe.log.time_unit)[0]
        warnings.append(
            f"{early:,} of {len(every):,} rows are not later than the last of the build's logs "
            f"({moment:%Y-%m-%d %H:%M:%S}): they see only what came before them."
        )
    if again := int((is_early & events).sum()):
        warnings.append(
            f"{again:,} of these have a label, so that later rows see them beside the build's own: leave out labels of "
            "rows that the build has read."
        )
    oov = shares(encoded, every, OOV_ID)
    if unknown := [name for name, share in oov.items() if share == 1 and len(every) >= _MANY]:
        warnings.append(
            f"{listed(unknown, 'Features of which every known id is out of vocabulary')} Are these ids written as in "
            "the build's logs? If they are, the model has learned nothing of them."
        )
    stats, unseen = event_stats(recipe, logs)
    return ApplyReport(
        files=logs.files,
        rows=len(every),
        dropped=logs.dropped,
        events=int(events.sum()),
        history=int(kept.sum()),
        oov=oov,
        missing=shares(encoded, every, MISSING_ID),
        history_lengths=lengths,
        notes=[*logs.notes, *(note for events in logs.events.values() for note in events.notes)],
        warnings=[*warnings, *repeats_of_build(logs), *unseen],
        event_logs=stats,
    )
