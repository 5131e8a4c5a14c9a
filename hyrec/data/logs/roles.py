"""What each row of the log is for: which split, whose history, and what it may see."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from hyrec.data.logs.history import NEVER, UNTIMED, Ints, Positions, slices
from hyrec.data.logs.reading import Logs
from hyrec.data.logs.recipe import Recipe
from hyrec.data.logs.recipe_parts import Refresh
from hyrec.data.logs.rows import Mask, rows_of
from hyrec.data.logs.splitting import split_numbers
from hyrec.data.logs.times import bound
from hyrec.data.moments import UNITS


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
        frozen: First moment that is not seen by what is frozen when validation begins.
    """

    logs: Logs
    split: NDArray[np.int8]
    is_event: Mask
    sees_snapshot: Mask
    sees_all_snapshots: Mask
    seen: Ints
    frozen: int

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

    def seen_by(self, refresh: Refresh, some: slice | Positions = slice(None)) -> Ints:
        """Return the first moment that is not seen any more, when figures are refreshed so often."""
        seen = self.seen[some]
        if refresh == "day":
            return np.minimum(seen, self.logs.day_start[some])
        if refresh == "train":
            return np.where(self.split[some] > 0, np.minimum(seen, self.frozen), seen)
        return seen

    def known(self, refresh: Refresh) -> Ints:
        """Return the moment from which on each row counts, when figures are refreshed so often.

        A row that began before the midnight of its ``log.day`` counts from that midnight on: what is refreshed
        by day then never sees rows of the same logged day. What is frozen never sees rows that validate or test.
        """
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
    return Roles(logs, number, is_event, sees, everyone, seen, _frozen(recipe) - delay)


def _frozen(recipe: Recipe) -> int:
    """Return the moment at which ``refresh: train`` freezes; in splits without one nothing may."""
    moment = recipe.split.validate_from
    return bound(moment, recipe, "split.validate_from") if moment else NEVER


def of_user(recipe: Recipe, logs: Logs, values: pl.Series) -> pl.Series:
    """Return for every row of the log the value that the snapshot has for its user."""
    assert logs.snapshot is not None
    index = rows_of(logs.rows.column(recipe.log.user), logs.snapshot[recipe.log.user], written=False)
    assert index is not None
    return values.gather(index)
