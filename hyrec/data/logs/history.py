"""Which events precede a moment, strictly: the one place that decides what an impression may see."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

Ints = NDArray[np.int64]
UNTIMED = np.iinfo(np.int64).min
"""Time of an event that is known to precede the log, but not when."""


class EventIndex:
    """Events sorted by key and time, so that the events of a key before a moment are one range.

    Events of one key and time keep the order in which they came. An event at exactly the moment asked for is
    not before it: several candidates of one request share a time, and none of them may see another's outcome.

    Args:
        key: Key of each event, ``(N,)``, 0 or more.
        time: Time of each event, ``(N,)``; ``UNTIMED`` events precede all others.
    """

    def __init__(self, key: Ints, time: Ints) -> None:
        self.order = np.lexsort((np.arange(len(key)), time, key))
        self.time = time[self.order]
        self._times = np.unique(time)
        # Ranks instead of times: the product with the key then fits an integer whatever the unit of time.
        self._span = len(self._times) + 1
        self._rank = key[self.order] * self._span + np.searchsorted(self._times, self.time)

    def before(self, key: Ints, moment: Ints, since: Ints | None = None) -> tuple[Ints, Ints]:
        """Return the ranges ``[start, end)`` in ``order`` of the events with ``since <= time < moment``.

        Args:
            key: Key asked for, ``(B,)``.
            moment: First moment that is not seen any more, ``(B,)``.
            since: Oldest time that is seen, ``(B,)``. None: all.
        """
        base = key * self._span
        end = np.searchsorted(self._rank, base + np.searchsorted(self._times, moment, side="left"), side="left")
        oldest = 0 if since is None else np.searchsorted(self._times, since, side="left")
        start = np.searchsorted(self._rank, base + oldest, side="left")
        return np.minimum(start, end).astype(np.int64), end.astype(np.int64)


@dataclass(frozen=True)
class Histories:
    """A list of events for each impression, oldest first.

    Args:
        event: Row of each listed event in the events that were given, ``(total,)``.
        offsets: Events of impression i are ``event[offsets[i]:offsets[i + 1]]``, ``(B + 1,)``.
    """

    event: Ints
    offsets: Ints

    @property
    def lengths(self) -> Ints:
        """Events of each impression."""
        return np.diff(self.offsets)


def most_recent(index: EventIndex, start: Ints, end: Ints, max_length: int) -> Histories:
    """List the last ``max_length`` events of every range ``[start, end)`` of ``index``."""
    start = np.maximum(start, end - max_length)
    lengths = end - start
    offsets = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(lengths)])
    position = np.arange(offsets[-1]) + np.repeat(start - offsets[:-1], lengths)
    return Histories(index.order[position], offsets)


def key_codes(columns: list[pl.Series]) -> Ints:
    """Number the distinct combinations of values, ``(N,)``; a missing value is a value of its own."""
    code = np.zeros(len(columns[0]), dtype=np.int64)
    for column in columns:
        values = column.rank("dense").fill_null(0).cast(pl.Int64).to_numpy()
        _, code = np.unique(code * (values.max(initial=0) + 1) + values, return_inverse=True)
    return code.astype(np.int64)
