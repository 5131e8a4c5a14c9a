"""Which events precede a moment, strictly: the one place that decides what an impression may see."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import polars as pl
from numpy.typing import NDArray

from hyrec.data.packing import ranges, to_offsets

Ints = NDArray[np.int64]
Positions = NDArray[np.uint32]
"""Numbers of rows, events or keys: half the memory of other whole numbers."""
RowNumbers: TypeAlias = NDArray[np.integer[Any]]
"""Numbers of rows, however wide."""
AT_ONCE = 1_000_000
"""Rows that are worked on at once, so that memory stays small."""
UNTIMED = np.iinfo(np.int64).min
"""Time of an event that is known to precede the log, but not when."""
NEVER = np.iinfo(np.int64).max
"""Moment of an event that no row may see."""


class EventIndex:
    """Events sorted by key and by when they count, so that those of a key before a moment are one range.

    Events of one key and moment keep the order in which they came. An event at exactly the moment asked for is
    not before it: several candidates of one request share a time, and none of them may see another's outcome.

    Args:
        key: Key of each event, ``(N,)``, 0 or more.
        moment: From when on each event counts, ``(N,)``: its time, unless it is known later only; ``UNTIMED``
            events precede all others.
    """

    def __init__(self, key: Positions, moment: Ints) -> None:
        by_moment = None
        if (moment[1:] < moment[:-1]).any():
            by_moment = np.argsort(moment, kind="stable")
            key, moment = key[by_moment], moment[by_moment]
        first = np.ones(len(moment), dtype=np.bool_)
        first[1:] = moment[1:] != moment[:-1]
        self._moments = moment[first]
        # Ranks instead of moments: the product with the key then fits an integer whatever the unit of time.
        self._span = len(self._moments) + 1
        by_key = np.argsort(key, kind="stable").astype(np.uint32)
        self._rank = (np.cumsum(first) - 1)[by_key]
        self._rank += key[by_key].astype(np.int64) * self._span
        self.order: Positions = by_key if by_moment is None else by_moment[by_key].astype(np.uint32)

    def before(self, key: Positions, moment: Ints, since: Ints | None = None) -> tuple[Positions, Positions]:
        """Return the ranges ``[start, end)`` in ``order`` of each key's events with a moment in ``[since, moment)``."""
        start, end = np.empty(len(key), dtype=np.uint32), np.empty(len(key), dtype=np.uint32)
        for some in slices(len(key)):
            # In the order of the keys the searches follow one another through memory, which is several times faster.
            by_key = np.argsort(key[some], kind="stable")
            base = key[some][by_key].astype(np.int64) * self._span
            for found, limit in ((end, moment), (start, since)):
                rank = base
                if limit is not None:
                    rank = base + np.searchsorted(self._moments, limit[some][by_key], side="left")
                found[some][by_key] = np.searchsorted(self._rank, rank, side="left")
        return np.minimum(start, end), end


def slices(height: int) -> list[slice]:
    """Cut rows into parts that are worked on one after another, to save memory."""
    return [slice(start, start + AT_ONCE) for start in range(0, height, AT_ONCE)]


def most_recent(start: Positions, end: Positions, max_length: int) -> tuple[Ints, Ints]:
    """List the last ``max_length`` positions of every range ``[start, end)``, and the ``(B + 1,)`` offsets of each."""
    last = end.astype(np.int64)
    first = np.maximum(start, last - max_length)
    lengths = last - first
    return ranges(first, lengths), to_offsets(lengths)


def key_codes(columns: list[pl.Series]) -> Positions:
    """Number the distinct combinations of values, ``(N,)``; a missing value is a value of its own."""
    code = columns[0].rank("dense").fill_null(0)
    for column in columns[1:]:
        values = column.rank("dense").fill_null(0).cast(pl.Int64)
        code = (code.cast(pl.Int64) * (int(values.max() or 0) + 1) + values).rank("dense")
    return code.to_numpy().astype(np.uint32, copy=False)


def runs(*sorted_columns: NDArray[np.generic]) -> tuple[Ints, Ints]:
    """Return where the runs of equal rows start and end."""
    new = np.zeros(len(sorted_columns[0]), np.bool_)
    new[:1] = True
    for column in sorted_columns:
        new[1:] |= column[1:] != column[:-1]
    starts = np.flatnonzero(new)
    return starts, np.append(starts, len(new))[1:]
