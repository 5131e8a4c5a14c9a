"""What each row of the log is for: which split, whose history, and what it may see."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from hyrec.data.logs.history import NEVER, UNTIMED, Ints, Positions, slices
from hyrec.data.logs.reading import Logs
from hyrec.data.logs.recipe import Recipe
from hyrec.data.logs.recipe_parts import LOG, Refresh
from hyrec.data.logs.rows import Mask, Rows, rows_of
from hyrec.data.logs.splitting import split_numbers
from hyrec.data.logs.times import bound
from hyrec.data.moments import UNITS


@dataclass(frozen=True)
class History:
    """Rows of which some are events: the impression log, or an event log.

    Args:
        rows: All of them, in order of time.
        time: Time of each in the log's unit.
        is_event: Those that may be seen.
    """

    rows: Rows
    time: Ints
    is_event: Mask


@dataclass(frozen=True)
class Roles:
    """The log by role.

    Args:
        logs: What was read.
        split: 0, 1, 2 for rows that train, validate, test; -1 for history only.
        is_event: Rows that histories may hold (not those that the snapshot covers).
        sees_snapshot: Rows that are later than their user's snapshot.
        sees_all_snapshots: Rows that are later than everybody's.
        seen: First moment that each row does not see any more: its time less ``log.delay``.
        trained_until: First moment that is later than all rows that train: that at which validation begins, if any.
        delay: ``log.delay`` in the log's unit.
    """

    logs: Logs
    split: NDArray[np.int8]
    is_event: Mask
    sees_snapshot: Mask
    sees_all_snapshots: Mask
    seen: Ints
    trained_until: int
    delay: int = 0

    @property
    def frozen(self) -> int:
        """First moment that is not seen by what is frozen when validation begins."""
        return self.trained_until - self.delay

    @property
    def asked(self) -> slice | Positions:
        """Rows to encode, in the order in which they are wanted."""
        return slice(None) if self.logs.asked is None else self.logs.asked

    @property
    def num_asked(self) -> int:
        """How many rows are to be encoded."""
        return self.logs.rows.height if self.logs.asked is None else len(self.logs.asked)

    @property
    def is_impression(self) -> Mask:
        """Which of the rows to encode are written: of a build's log all that are not history only."""
        return self.split >= 0 if self.logs.asked is None else np.ones(self.num_asked, dtype=np.bool_)

    def asked_parts(self) -> list[tuple[slice, slice | Positions]]:
        """Cut the rows to encode into parts that are worked on one after another: the places of each, and its rows."""
        asked = self.logs.asked
        return [(some, some if asked is None else asked[some]) for some in slices(self.num_asked)]

    def history(self, log: str) -> History:
        """Return the rows of a log and which of them are events."""
        if log == LOG:
            return History(self.logs.rows, self.logs.time, self.is_event)
        events = self.logs.events[log]
        return History(events.rows, events.time, np.ones(events.rows.height, dtype=np.bool_))

    def seen_by(self, refresh: Refresh, some: slice | Positions = slice(None), log: str = LOG) -> Ints:
        """Return the first moment of a log that is not seen any more, when figures are refreshed so often."""
        seen, frozen = self.seen[some], self.frozen
        if log != LOG:
            later = self.delay - self.logs.events[log].delay
            seen, frozen = seen + later, frozen + later
        if refresh == "day":
            return np.minimum(seen, self.logs.day_start[some])
        if refresh == "train":
            return np.where(self.split[some] > 0, np.minimum(seen, frozen), seen)
        return seen

    def known(self, refresh: Refresh, log: str = LOG) -> Ints:
        """Return the moment from which on each row of a log counts, when figures are refreshed so often.

        A row that began before the midnight of its ``log.day`` counts from that midnight on: what is refreshed
        by day then never sees rows of the same logged day. What is frozen never sees rows that validate or test,
        nor other events of their time.
        """
        if log != LOG:
            time = self.logs.events[log].time
            return np.where(time >= self.frozen + self.delay, NEVER, time) if refresh == "train" else time
        time = self.logs.time
        if refresh == "day":
            return np.maximum(time, self.logs.day_start)
        if refresh == "train":
            return np.where(self.split > 0, NEVER, time)
        return time


def part(recipe: Recipe, logs: Logs) -> Roles:
    """Decide which rows train, validate, test, and which are history."""
    number = split_numbers(recipe, logs)
    delay = round(recipe.log.delay * UNITS[recipe.log.time_unit])
    seen = logs.time - delay if delay else logs.time
    is_event = logs.is_event
    sees = everyone = np.ones(logs.rows.height, dtype=np.bool_)
    spec = recipe.snapshot
    if spec is not None and logs.snapshot is not None:
        if spec.before:
            is_event = is_event & (logs.moment >= bound(spec.before, recipe, "snapshot.before"))
        if spec.last_time:
            last = logs.snapshot[spec.last_time]
            sees = of_user(recipe, logs, last).fill_null(UNTIMED).to_numpy() < seen
            newest = last.max()
            everyone = seen > (newest if isinstance(newest, int) else UNTIMED)
    return Roles(logs, number, is_event, sees, everyone, seen, _trained_until(recipe, logs, number), delay)


def _trained_until(recipe: Recipe, logs: Logs, number: NDArray[np.int8]) -> int:
    if recipe.split.validate_from:
        return bound(recipe.split.validate_from, recipe, "split.validate_from")
    return int(logs.time[number == 0].max()) + 1


def of_user(recipe: Recipe, logs: Logs, values: pl.Series) -> pl.Series:
    """Return for every row of the log the value that the snapshot has for its user."""
    assert logs.snapshot is not None
    index = rows_of(logs.rows.column(recipe.log.user), logs.snapshot[recipe.log.user], written=False)
    assert index is not None
    return values.gather(index)
