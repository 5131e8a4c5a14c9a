"""Which events precede a moment, strictly: the one place that decides what an impression may see."""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray

Ints = NDArray[np.int64]
UNTIMED = np.iinfo(np.int64).min
"""Time of an event that is known to precede the log, but not when."""


class EventIndex:
    """Events sorted by key and by when they count, so that those of a key before a moment are one range.

    Events of one key and moment keep the order in which they came. An event at exactly the moment asked for is
    not before it: several candidates of one request share a time, and none of them may see another's outcome.

    Args:
        key: Key of each event, ``(N,)``, 0 or more.
        moment: From when on each event counts, ``(N,)``: its time, unless it is known later only; ``UNTIMED``
            events precede all others.
    """

    def __init__(self, key: Ints, moment: Ints) -> None:
        by_moment = np.argsort(moment, kind="stable")
        ordered = moment[by_moment]
        first = np.ones(len(ordered), dtype=np.bool_)
        first[1:] = ordered[1:] != ordered[:-1]
        self._moments = ordered[first]
        by_key = np.argsort(key[by_moment], kind="stable")
        self.order: Ints = by_moment[by_key]
        # Ranks instead of moments: the product with the key then fits an integer whatever the unit of time.
        self._span = len(self._moments) + 1
        self._rank = key[self.order] * self._span + (np.cumsum(first) - 1)[by_key]

    def before(self, key: Ints, moment: Ints, since: Ints | None = None) -> tuple[Ints, Ints]:
        """Return the ranges ``[start, end)`` in ``order`` of the events whose moment is in ``[since, moment)``.

        Args:
            key: Key asked for, ``(B,)``.
            moment: First moment that is not seen any more, ``(B,)``.
            since: Oldest moment that is seen, ``(B,)``. None: all.
        """
        base = key * self._span
        end = np.searchsorted(self._rank, base + np.searchsorted(self._moments, moment, side="left"), side="left")
        oldest = 0 if since is None else np.searchsorted(self._moments, since, side="left")
        start = np.searchsorted(self._rank, base + oldest, side="left")
        return np.minimum(start, end).astype(np.int64), end.astype(np.int64)


def most_recent(start: Ints, end: Ints, max_length: int) -> tuple[Ints, Ints]:
    """List the last ``max_length`` positions of every range ``[start, end)``.

    Returns:
        The positions, and the ``(B + 1,)`` offsets of each range's own.
    """
    start = np.maximum(start, end - max_length)
    lengths = end - start
    offsets = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(lengths)])
    return np.arange(offsets[-1]) + np.repeat(start - offsets[:-1], lengths), offsets


def key_codes(columns: list[pl.Series]) -> Ints:
    """Number the distinct combinations of values, ``(N,)``; a missing value is a value of its own."""
    code = np.zeros(len(columns[0]), dtype=np.int64)
    for column in columns:
        values = column.rank("dense").fill_null(0).cast(pl.Int64).to_numpy()
        _, code = np.unique(code * (values.max(initial=0) + 1) + values, return_inverse=True)
    return code.astype(np.int64)
