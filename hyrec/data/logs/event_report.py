"""What was read of event logs, in figures, and what looks like a mistake."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hyrec.data.logs.events import Events
from hyrec.data.logs.history import Ints
from hyrec.data.logs.reading import Logs
from hyrec.data.logs.recipe import Recipe
from hyrec.data.logs.times import local_times


@dataclass(frozen=True)
class EventStats:
    """Counts of one event log.

    Args:
        rows: Events.
        new: Those of new files, where an earlier build has kept others.
        dropped: Rows that are no events, by reason.
        repeated: Rows that repeat another in every column that the recipe reads, kept or dropped as it says.
        users: Users with events.
        asking: Users of the impressions.
        found: Users of the impressions who have events.
    """

    rows: int
    new: int
    dropped: dict[str, int]
    repeated: int
    users: int
    asking: int
    found: int

    def lines(self, name: str) -> list[str]:
        """Say it in lines of a report."""
        new = f" ({self.new:,} of them new)" if self.new < self.rows else ""
        repeat = f"; {self.repeated:,} repeat another in all columns that are read" if self.repeated else ""
        found = f"{self.found:,} of the impressions' {self.asking:,} users have any"
        return [
            f"events    {name}: {self.rows:,} rows{new} of {self.users:,} users; {found}{repeat}",
            *(f"dropped   {name}: {rows:,} rows: {reason}" for reason, rows in self.dropped.items() if rows),
        ]


def event_stats(recipe: Recipe, logs: Logs) -> tuple[dict[str, EventStats], list[str]]:
    """Count the event logs, and return warnings of those that no impression can see."""
    stats, warnings = {}, []
    asking, asked_time = logs.asked_rows
    for name, events in logs.events.items():
        of_log, own = asking.column(recipe.log.user).unique(), events.rows.column(events.user).unique()
        users = events.together(own, of_log)
        found = len(users) - users.n_unique()
        new = int((~events.is_kept).sum())
        stats[name] = EventStats(len(events.time), new, events.dropped, events.repeated, len(own), len(of_log), found)
        if not found and len(own):
            warnings.append(
                f"{events.where}: none of its {len(own):,} users is one of the impressions' {len(of_log):,}: "
                f"{events.user!r} holds {own.min()!r}, {recipe.log.user!r} of the log {of_log.min()!r}."
            )
        elif len(own):
            warnings += _too_late(recipe, events, asked_time)
    return stats, warnings


def repeats_of_build(logs: Logs) -> list[str]:
    """Return warnings of new events that are not later than those of the build, which may hold them already."""
    warnings = []
    for events in logs.events.values():
        kept = events.time[events.is_kept]
        early = int((events.time[~events.is_kept] <= kept.max()).sum()) if len(kept) else 0
        if early:
            warnings.append(
                f"{events.where}: {early:,} of {int((~events.is_kept).sum()):,} new events are not later than the last "
                "of the build's. Events that the build has read count twice: leave them out, or build with "
                f"{events.where}.repeated: drop."
            )
    return warnings


def _too_late(recipe: Recipe, events: Events, asked_time: Ints) -> list[str]:
    first, last = int(events.time.min()) + events.delay, int(asked_time.max(initial=0))
    if first < last:
        return []
    moments = local_times(np.array([events.time.min(), last]), recipe.log.time_zone, recipe.log.time_unit)
    shown = moments.dt.strftime("%Y-%m-%d %H:%M:%S")
    return [
        f"{events.where}: no impression sees any of its {len(events.time):,} events: the first is of {shown[0]}, the "
        f"last impression of {shown[1]}. Look at {events.where}.time_unit and time_zone."
    ]
