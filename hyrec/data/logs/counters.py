"""Point-in-time counters: how often, how successfully and how long ago, by strictly earlier events."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hyrec.data.logs.history import EventIndex, Ints

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


def count_before(
    event_key: Ints,
    event_time: Ints,
    positive: NDArray[np.bool_],
    key: Ints,
    time: Ints,
    seen: Ints,
    known: Ints | None = None,
) -> Counts:
    """Count the events of the same key that are known before ``seen``.

    Args:
        event_key: Key of each event, ``(N,)``.
        event_time: Time of each event, ``(N,)``.
        positive: Whether each event was positive, ``(N,)``.
        key: Key of each impression, ``(B,)``.
        time: Time of each impression, ``(B,)``.
        seen: First moment that each impression does not see any more, at most its time, ``(B,)``.
        known: From when on each event counts, at least its time, ``(N,)``. None: its time.
    """
    index = EventIndex(event_key, event_time if known is None else known)
    start, end = index.before(key, seen)
    total = np.concatenate([np.zeros(1), np.cumsum(positive[index.order], dtype=np.float64)])
    latest = event_time[index.order]
    if known is not None:
        latest = _latest_so_far(event_key[index.order], latest)
    age = np.full(len(key), np.nan)
    some = end > start
    age[some] = (time[some] - latest[end[some] - 1]).astype(np.float64)
    return Counts((end - start).astype(np.float64), total[end] - total[start], age)


def _latest_so_far(key: Ints, time: Ints) -> Ints:
    """Return the running maximum of the times within each key; equal keys stand together, ascending."""
    times, rank = np.unique(time, return_inverse=True)
    return times[np.maximum.accumulate(key * len(times) + rank) - key * len(times)] if len(times) else time


def log_odds(rate: Floats) -> Floats:
    """Return ``log(rate / (1 - rate))``."""
    return np.log(rate) - np.log1p(-rate)
