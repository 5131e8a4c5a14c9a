"""Point-in-time counters: how often, how successfully and how long ago, by strictly earlier events."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hyrec.data.logs.history import EventIndex, Ints, Positions

Floats = NDArray[np.float64]


class EventCounts:
    """The events of each key, ready to be counted up to any moment; all arguments ``(N,)``.

    An event counts from the moment ``known`` on, at least its time; None: its time. ``with_age``: the time since the
    last event is wanted, which needs the times in memory.
    """

    def __init__(
        self,
        key: Positions,
        time: Ints,
        positive: NDArray[np.bool_],
        known: Ints | None = None,
        *,
        with_age: bool = True,
    ) -> None:
        self._index = EventIndex(key, time if known is None else known)
        order = self._index.order
        self._positives = np.concatenate([np.zeros(1, np.uint32), np.cumsum(positive[order], dtype=np.uint32)])
        self._latest = time[order] if with_age else None
        if self._latest is not None and known is not None:  # the last event to be known need not be the latest
            times, rank = np.unique(self._latest, return_inverse=True)
            before = key[order].astype(np.int64) * len(times)
            self._latest = times[np.maximum.accumulate(before + rank) - before]

    def before(self, key: Positions, time: Ints, seen: Ints) -> tuple[Floats, Floats, Floats]:
        """Count the events of the same key before ``seen``, the first moment that is not seen, all ``(B,)``.

        Returns:
            How many they are, how many of them were positive, and the time since the last one, NaN if there is none.
        """
        start, end = self._index.before(key, seen)
        age, some = np.full(len(key), np.nan), end > start
        if self._latest is not None:
            age[some] = time[some] - self._latest[end[some] - 1]
        positives = (self._positives[end] - self._positives[start]).astype(np.float64)
        return (end - start).astype(np.float64), positives, age


def log_odds(rate: Floats) -> Floats:
    """Return ``log(rate / (1 - rate))``."""
    return np.log(rate) - np.log1p(-rate)
