"""What was shown when, and which events each request sees."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from hyrec.data.packing import owners, ranges, to_offsets
from hyrec.data.simulation.attainable import Ints

CHUNK = 8192
"""Requests whose events are held at once."""


def chunks(start: int, stop: int) -> Iterator[slice]:
    """Cut a range of requests into pieces of at most ``CHUNK``."""
    for first in range(start, stop, CHUNK):
        yield slice(first, min(first + CHUNK, stop))


@dataclass(frozen=True)
class Events:
    """Events oldest first, and which of them each request sees: rows ``begin[r]:end[r]``."""

    columns: dict[str, np.ndarray]
    begin: Ints
    end: Ints

    def of(self, requests: slice) -> tuple[dict[str, np.ndarray], Ints]:
        """Return the events that the requests see, packed, and their offsets."""
        begin, lengths = self.begin[requests], (self.end - self.begin)[requests]
        index = ranges(begin, lengths)
        return {name: column[index] for name, column in self.columns.items()}, to_offsets(lengths)

    def owned(self, requests: slice) -> tuple[dict[str, np.ndarray], Ints]:
        """Return the events that the requests see, packed, and each one's request, counted in the slice."""
        columns, offsets = self.of(requests)
        return columns, owners(offsets)


@dataclass(frozen=True)
class Impressions:
    """Requests in order of time, and the candidates that each shows.

    Shape:
        user, time (Unix seconds), surface and sought (a theme, or -1): ``(R,)``. offsets ``(R + 1,)`` into
        the samples, item ``(B,)``.
    """

    user: Ints
    time: Ints
    surface: Ints
    sought: Ints
    events: dict[str, Events]
    offsets: Ints
    item: Ints

    @property
    def request_of(self) -> Ints:
        """Request of each sample, ``(B,)``."""
        return owners(self.offsets)

    @property
    def hour(self) -> Ints:
        """Hour of the day, UTC, ``(R,)``."""
        return self.time // 3600 % 24
