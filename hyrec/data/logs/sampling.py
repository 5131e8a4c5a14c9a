"""Draws items that a user has not taken so far; what is drawn for a row follows from its number and the seed alone."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hyrec.data.hashing import mix64
from hyrec.data.logs.history import Ints, Positions, runs
from hyrec.data.logs.rows import Mask

TRIES = 20
"""Draws for each wanted item before the items that are left are looked at one by one."""
_STEP = np.uint64(0x9E3779B97F4A7C15)


class Sampler:
    """Draws distinct items among those that rows of the training span hold, without those that a row's user has taken.

    A user has taken the items of all rows up to the row's moment, that moment included.

    Args:
        user: Number of each row's user, ``(N,)``.
        item: Number of each row's item, ``(N,)``.
        time: Time of each row, ``(N,)``.
        train: Rows of the training span, ``(N,)``.
        count: Items to draw for a row.
        by_popularity: Items are drawn as often as rows of the training span hold them, not all alike.
        seed: Of the draws.
    """

    def __init__(
        self,
        user: Positions,
        item: Positions,
        time: Ints,
        train: Mask,
        *,
        count: int,
        by_popularity: bool,
        seed: int,
    ) -> None:
        self._user, self._time, self._count, self._seed = user.astype(np.int64), time, count, np.uint64(seed)
        self._num_items = int(item.max(initial=0)) + 1
        held = np.bincount(item[train], minlength=self._num_items)
        self.pool = np.flatnonzero(held)
        self._weight = held[self.pool] if by_popularity else np.ones(len(self.pool), dtype=np.int64)
        self._up_to = np.cumsum(self._weight)
        pair = self._user * self._num_items + item
        order = np.lexsort((time, pair))
        first, _ = runs(pair[order])
        self._taken, self._since = pair[order][first], time[order][first]

    def draw(self, rows: Positions) -> tuple[Positions, Positions]:
        """Return the drawn items of some rows, one row after another, and the row of each."""
        chosen = np.full((len(rows), self._count), -1, dtype=np.int64)
        found = np.zeros(len(rows), dtype=np.int64)
        lacking = np.arange(len(rows))
        for attempt in range(TRIES * self._count):
            if not len(lacking):
                break
            at = (self._uniform(rows[lacking], attempt) * self._up_to[-1]).astype(np.int64)
            picked = self.pool[np.searchsorted(self._up_to, at, side="right")]
            fits = self._is_free(rows[lacking], picked) & (chosen[lacking] != picked[:, None]).all(axis=1)
            hit = lacking[fits]
            chosen[hit, found[hit]] = picked[fits]
            found[hit] += 1
            lacking = lacking[found[lacking] < self._count]
        for place in lacking:
            rest = self._rest(rows[place], chosen[place, : found[place]])
            chosen[place, found[place] : found[place] + len(rest)] = rest
            found[place] += len(rest)
        return np.repeat(rows, found), chosen[chosen >= 0].astype(np.uint32)

    def _rest(self, row: np.uint32, chosen: Ints) -> Ints:
        """Return items for the places that are left, from a look at every item: as if drawn one after another."""
        rows = np.full(len(self.pool), row)
        numbers = self._uniform(rows, TRIES * self._count + np.arange(len(self.pool)))
        free = self._is_free(rows, self.pool) & ~np.isin(self.pool, chosen)
        arrival = -np.log1p(-numbers) / self._weight
        by_arrival = np.argsort(arrival[free], kind="stable")
        return self.pool[free][by_arrival][: self._count - len(chosen)]

    def _is_free(self, rows: Positions, items: Ints) -> Mask:
        """Return which items the row's user has not taken up to the row's moment."""
        pair = self._user[rows] * self._num_items + items
        at = np.minimum(np.searchsorted(self._taken, pair), len(self._taken) - 1)
        free: Mask = (self._taken[at] != pair) | (self._since[at] > self._time[rows])
        return free

    def _uniform(self, rows: Positions, attempt: int | Ints) -> NDArray[np.float64]:
        """Return numbers in ``[0, 1)`` that follow from seed, row and attempt (SplitMix64)."""
        with np.errstate(over="ignore"):
            of_row = mix64(mix64(np.atleast_1d(self._seed)) + rows.astype(np.uint64) * _STEP)
            mixed = mix64(of_row + np.asarray(attempt).astype(np.uint64) * _STEP)
        numbers: NDArray[np.float64] = (mixed >> np.uint64(11)).astype(np.float64) * 2.0**-53
        return numbers
