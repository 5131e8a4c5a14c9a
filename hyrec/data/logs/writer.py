"""Writes rows as Parquet, a row group at a time, so that lists never exist for all rows at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from hyrec.data.logs.history import EventIndex, Ints, most_recent

ColumnReader = Callable[[Ints], pa.Array]
"""Gives a column's values for some rows of the log."""


def scalar(values: pa.Array) -> ColumnReader:
    """Return a column with one value a row."""
    return lambda rows: values.take(pa.array(rows))


def jagged(values: pa.Array, offsets: Ints) -> ColumnReader:
    """Return a column with a list a row: ``values[offsets[i]:offsets[i + 1]]``."""
    lists = pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), values)
    return lambda rows: lists.take(pa.array(rows))


@dataclass(frozen=True)
class SequenceColumns:
    """The list columns of one sequence.

    Args:
        index: The sequence's events.
        start: First visible event of each row of the log, a position in ``index.order``.
        end: Past the last visible event.
        events: Values of each list column for each event of the index.
        max_length: Most recent events that are kept.
    """

    index: EventIndex
    start: Ints
    end: Ints
    events: dict[str, pa.Array]
    max_length: int

    def lists(self, rows: Ints) -> dict[str, pa.Array]:
        """Return the lists of some rows, oldest event first."""
        position, offsets = most_recent(self.start[rows], self.end[rows], self.max_length)
        event = self.index.order[position]
        # Oldest first by time, also where events counted in another order.
        event = event[np.lexsort((event, np.repeat(np.arange(len(rows)), np.diff(offsets))))]
        starts, taken = pa.array(offsets, pa.int32()), pa.array(event)
        return {name: pa.ListArray.from_arrays(starts, values.take(taken)) for name, values in self.events.items()}


def write(
    path: Path, rows: Ints, columns: dict[str, ColumnReader], sequences: list[SequenceColumns], row_group_size: int
) -> None:
    """Write some rows of the log in their order; without rows the file holds the columns alone.

    Args:
        path: The file, which is replaced.
        rows: Rows of the log.
        columns: Columns that hold one value or one list a row.
        sequences: Columns of the sequences.
        row_group_size: Rows of a row group.
    """

    def table(some: Ints) -> pa.Table:
        arrays = {name: values(some) for name, values in columns.items()}
        for sequence in sequences:
            arrays |= sequence.lists(some)
        return pa.table(arrays)

    groups = np.split(rows, np.arange(row_group_size, len(rows), row_group_size))
    with pq.ParquetWriter(path, table(rows[:0]).schema, compression="zstd") as writer:
        for group in groups:
            writer.write_table(table(group), row_group_size=row_group_size)
