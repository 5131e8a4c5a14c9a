"""Point-in-time counters: how often, how successfully and how long ago, by strictly earlier events."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hyrec.data.logs.history import EventIndex, Ints, Positions

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Counts:
    """What preceded each impression.

    Args:
        events: Earlier events of the key, ``(B,)``.
        positives: Those that were positive, ``(B,)``.
        age: Time since the last one, in the log's unit, NaN where there was none, ``(B,)``.
    """

    events: Floats
    positives: Floats
    age: Floats

    def plus(self, events: Floats, positives: Floats) -> Counts:
        """Add counts from before the log; when the last of those events happened is not known."""
        return Counts(self.events + events, self.positives + positives, self.age)

    def rate(self, prior: Floats, strength: float) -> Floats:
        """Return ``(positives + strength * prior) / (events + strength)``."""
        return (self.positives + strength * prior) / (self.events + strength)


class EventCounts:
    """The events of each key, ready to be counted up to any moment.

    Args:
        key: Key of each event, ``(N,)``.
        time: Time of each event, ``(N,)``.
        positive: Whether each event was positive, ``(N,)``.
        known: From when on each event counts, at least its time, ``(N,)``. None: its time.
    """

    def __init__(self, key: Positions, time: Ints, positive: NDArray[np.bool_], known: Ints | None = None) -> None:
        self._index = EventIndex(key, time if known is None else known)
        order = self._index.order
        self._positives = np.concatenate([np.zeros(1, np.uint32), np.cumsum(positive[order], dtype=np.uint32)])
        self._latest = time[order]
        if known is not None:  # the last event to be known need not be the latest
            times, rank = np.unique(self._latest, return_inverse=True)
            before = key[order].astype(np.int64) * len(times)
            self._latest = times[np.maximum.accumulate(before + rank) - before]

    def before(self, key: Positions, time: Ints, seen: Ints) -> Counts:
        """Count the events of the same key that are known before ``seen``.

        Args:
            key: Key of each impression, ``(B,)``.
            time: Time of each impression, ``(B,)``.
            seen: First moment that each impression does not see any more, at most its time, ``(B,)``.
        """
        start, end = self._index.before(key, seen)
        age, some = np.full(len(key), np.nan), end > start
        age[some] = time[some] - self._latest[end[some] - 1]
        positives = (self._positives[end] - self._positives[start]).astype(np.float64)
        return Counts((end - start).astype(np.float64), positives, age)


def log_odds(rate: Floats) -> Floats:
    """Return ``log(rate / (1 - rate))``."""
    return np.log(rate) - np.log1p(-rate)
