"""What query-level metrics group by, and which counters move between the rows of a group that validate or test."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import polars as pl
from numpy.typing import NDArray

from hyrec.data.logs.history import Positions, key_codes, runs
from hyrec.data.logs.recipe import Recipe
from hyrec.data.logs.recipe_parts import DAY, Refresh
from hyrec.data.logs.report import is_positive
from hyrec.data.logs.roles import Roles
from hyrec.data.logs.rows import Mask
from hyrec.data.packing import to_offsets
from hyrec.messages import listed

_BACKWARDS, _MATTERS, _SHOWN = 0.45, 0.01, 5
"""Share of rightly ordered pairs below which a counter ranks backwards, share of the groups in which one has to move
before it is told, and how many get a line of their own."""


@dataclass(frozen=True)
class Movement:
    """How a counter moves between rows of one group and one key.

    Args:
        where: The counter.
        refresh: How often it is refreshed.
        groups: Groups of the validation and test rows in which it moves.
        right: Share of the pairs of a positive and a negative with different values in which the positive has the
            larger; the worst over values and tasks.
        task: The task of that share.
    """

    where: str
    refresh: Refresh
    groups: int
    right: float
    task: str


@dataclass
class Groups:
    """The groups of a log's rows.

    Args:
        recipe: Says what the groups are.
        rows: The log.
    """

    recipe: Recipe
    rows: Roles
    _looked_at: Positions = field(init=False)
    _group: Positions = field(init=False)
    _moved: list[Movement] = field(init=False, default_factory=list)

    def __post_init__(self) -> None:
        self._looked_at = np.flatnonzero(self.rows.split > 0).astype(np.uint32)
        split = pl.Series(self.rows.split[self._looked_at])
        self._group = key_codes([split, *(self._part(name).gather(self._looked_at) for name in self.recipe.group_by)])

    def ids(self) -> pl.Series:
        """Return the group of each row: the column that the recipe names, or the number of a combination.

        A combination with a missing part is missing.
        """
        parts = [self._part(name) for name in self.recipe.group_by]
        if len(parts) == 1:
            return parts[0]
        known = pl.DataFrame(parts).select(pl.all_horizontal(pl.all().is_not_null())).to_series()
        codes = pl.Series(key_codes(parts), dtype=pl.Int64)
        return codes.to_frame().select(pl.when(known).then(codes)).to_series()

    def look(
        self,
        where: str,
        refresh: Refresh,
        keys: list[pl.Series],
        code: Positions,
        values: dict[str, NDArray[np.float32]],
    ) -> None:
        """Remember a counter that moves inside groups, if one of its keys is the same for all rows of a group."""
        if not len(self._looked_at) or not any(self._is_constant(key.gather(self._looked_at)) for key in keys):
            return
        same = key_codes([pl.Series(self._group), pl.Series(code[self._looked_at])])
        found, moving = [], np.zeros(0, np.int64)
        for floats in values.values():
            value = floats[self._looked_at]
            moving = np.union1d(moving, self._group[moves(same, value)])
            for name, task in self.recipe.tasks.items():
                label = self.rows.logs.rows.column(self.recipe.labels[name]).gather(self._looked_at)
                known = label.is_not_null().to_numpy()
                positive = is_positive(label.drop_nulls(), task)
                right, pairs = ordered_pairs(same[known], value[known], positive)
                found += [(right / pairs, name)] if pairs else []
        if len(moving):
            self._moved.append(Movement(where, refresh, len(moving), *min(found, default=(0.5, ""))))

    def told(self) -> tuple[list[str], list[str]]:
        """Return warnings of counters that rank the rows of a group backwards, and a note of those that only move."""
        total, by = len(np.unique(self._group)), ", ".join(self.recipe.group_by)
        moved = sorted((m for m in self._moved if m.groups >= _MATTERS * total), key=lambda m: m.right)
        backwards = [m for m in moved if m.right < _BACKWARDS]
        remedies = {"event": "refresh: day", "day": "refresh: train", "train": "a backoff that is frozen, too"}
        if self.recipe.split.columns:  # nothing can freeze
            remedies["day"] = "other keys"
        if DAY not in self.recipe.group_by:
            frozen = "" if self.recipe.split.columns else "refresh: train, or "
            remedies["event"] = f"{frozen}refresh: day and group: [{by}, day]"
            remedies["day"] = f"{frozen}group: [{by}, day]"
        warnings = [
            f"{m.where} (refresh: {m.refresh}) moves inside {m.groups:,} of {total:,} groups by {by} that validate or "
            f"test and orders {m.right:.0%} of their {m.task} pairs rightly: it ranks backwards. "
            f"Write {remedies[m.refresh]}."
            for m in backwards[:_SHOWN]
        ]
        if more := [m.where for m in backwards[_SHOWN:]]:
            warnings.append(listed(more, "Backwards as well"))
        notes = []
        if others := moved[len(backwards) :]:
            worst, best = others[0].right, others[-1].right
            what = f"Moving inside groups by {by}, with {worst:.0%} to {best:.0%} of pairs ordered rightly"
            notes.append(listed([m.where for m in others], what))
        return warnings, notes

    def _part(self, name: str) -> pl.Series:
        if name == DAY:
            return pl.Series(DAY, self.rows.logs.day_start)
        return self.rows.logs.rows.column(name, as_id=True)  # CSV files may write it as 0012

    def _is_constant(self, key: pl.Series) -> bool:
        pairs = key_codes([pl.Series(self._group), key])
        return len(np.unique(pairs)) == len(np.unique(self._group))


def moves(segment: Positions, value: NDArray[np.float32]) -> Mask:
    """Mark a row of each segment whose values differ."""
    order = np.lexsort((value, segment))
    starts, ends = runs(segment[order])
    marked = np.zeros(len(segment), np.bool_)
    marked[order[starts]] = value[order][starts] != value[order][ends - 1]
    return marked


def ordered_pairs(segment: Positions, value: NDArray[np.float32], positive: Mask) -> tuple[int, int]:
    """Count the pairs of a positive and a negative of one segment with different values, and those in the right order.

    Returns:
        Pairs whose positive has the larger value, and all pairs.
    """
    order = np.lexsort((value, segment))
    segment, value, positive = segment[order], value[order], positive[order]
    negatives = to_offsets(~positive)
    of_segment, of_value = runs(segment), runs(segment, value)
    first, last = (np.repeat(ends, np.diff(np.append(of_segment[0], len(segment)))) for ends in of_segment)
    low, high = (np.repeat(ends, np.diff(np.append(of_value[0], len(segment)))) for ends in of_value)
    right = int((negatives[low] - negatives[first])[positive].sum())
    return right, right + int((negatives[last] - negatives[high])[positive].sum())
