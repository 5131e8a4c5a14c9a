"""Columns wait on the disk, so that memory holds one at a time, until rows of all are written a row group at a time."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa

from hyrec.data.event_file import KEY as EVENTS
from hyrec.data.logs.history import RowNumbers, most_recent
from hyrec.data.packing import owners
from hyrec.fingerprint import KEY
from hyrec.parquet import parquet_writer


@dataclass(frozen=True)
class Stored:
    """A column in a file of its own."""

    path: Path

    def load(self) -> pa.Array:
        """Map the column; its pages are read when they are used and leave memory with the array."""
        with pa.memory_map(str(self.path)) as mapped:
            return pa.ipc.open_file(mapped).get_batch(0).column(0)


@dataclass
class Store:
    """A working folder of columns; whoever made it removes it."""

    folder: Path
    _number: itertools.count[int] = field(init=False, default_factory=itertools.count)

    def put(self, values: pa.Array) -> Stored:
        """Write a column down."""
        path = self.folder / f"{next(self._number)}.arrow"
        batch = pa.record_batch([values], names=["values"])
        with pa.ipc.new_file(str(path), batch.schema) as writer:
            writer.write_batch(batch)
        return Stored(path)


ColumnReader = Callable[[RowNumbers], pa.Array]
"""Gives a column's values for some rows of the log."""


def column(stored: Stored, index: Stored | None = None) -> ColumnReader:
    """Return a column with one value or list a row; with ``index``, the entry of each row."""

    def read(rows: RowNumbers) -> pa.Array:
        taken = pa.array(rows)
        return stored.load().take(taken if index is None else index.load().take(taken))

    return read


@dataclass(frozen=True)
class SequenceColumns:
    """The list columns of one sequence.

    Args:
        start: First visible event of each row of the log.
        end: Past the last visible event.
        events: Values of each list column for the events, those of a user together.
        max_length: Most recent events that are kept.
        place: Where each event stands in the order of time. None: as the events are stored.
    """

    start: Stored
    end: Stored
    events: dict[str, Stored]
    max_length: int
    place: Stored | None = None

    def reader(self) -> Callable[[RowNumbers], dict[str, pa.Array]]:
        """Return what gives the lists of some rows, oldest event first."""
        starts, ends = self.start.load().to_numpy(), self.end.load().to_numpy()
        events = {name: stored.load() for name, stored in self.events.items()}
        place = None if self.place is None else self.place.load().to_numpy()

        def read(rows: RowNumbers) -> dict[str, pa.Array]:
            event, offsets = most_recent(starts[rows], ends[rows], self.max_length)
            if place is not None:
                event = event[np.lexsort((place[event], owners(offsets)))]
            first, taken = pa.array(offsets, pa.int32()), pa.array(event)
            return {name: pa.ListArray.from_arrays(first, values.take(taken)) for name, values in events.items()}

        return read


def write(
    path: Path,
    rows: RowNumbers,
    columns: dict[str, ColumnReader],
    sequences: list[SequenceColumns],
    fingerprint: dict[str, str],
    row_group_size: int,
    events: Mapping[str, Mapping[str, str]] | None = None,
) -> None:
    """Write some rows of the log in their order; without rows the file holds the columns alone.

    The digests of the vocabularies, ``fingerprint``, and the files of ``events``, if any, go into its metadata.
    """
    lists = [sequence.reader() for sequence in sequences]

    def table(some: RowNumbers) -> pa.Table:
        arrays = {name: values(some) for name, values in columns.items()}
        for read in lists:
            arrays |= read(some)
        return pa.table(arrays)

    metadata = {KEY: json.dumps(fingerprint)} | ({EVENTS: json.dumps(events)} if events else {})
    groups = np.split(rows, np.arange(row_group_size, len(rows), row_group_size))
    described = table(rows[:0]).schema.with_metadata(metadata)
    with parquet_writer(path, described) as writer:
        for group in groups:
            writer.write_table(table(group), row_group_size=row_group_size)
