"""How histories are written: as lists of each row, or once a user, with the range that each row may see."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal, TypeAlias

import pyarrow as pa

from hyrec.data.event_file import FOLDER, PLACE, RANGE, file_name, range_column, write_events
from hyrec.data.logs.history import RowNumbers
from hyrec.data.logs.writer import ColumnReader, SequenceColumns

Layout: TypeAlias = Literal["flat", "log"]
"""``flat``: a row holds its histories as lists. ``log``: events are stored once, and a row names a range of them."""


def lay_out(
    layout: Layout, folder: Path, sequences: Mapping[str, SequenceColumns]
) -> tuple[list[SequenceColumns], dict[str, ColumnReader], dict[str, dict[str, str]]]:
    """Return the sequences that are written as lists, columns of ranges, and what the samples say of event files.

    Args:
        layout: With ``log``, event files are written and none of the sequences are lists.
        folder: Of the samples.
        sequences: By name.
    """
    if layout == "flat":
        return list(sequences.values()), {}, {}
    events = {}
    for name, sequence in sequences.items():
        stored = sequence.events if sequence.place is None else {**sequence.events, PLACE: sequence.place}
        columns = {column: values.load() for column, values in stored.items()}
        events[name] = write_events(folder / FOLDER / file_name(name), columns)
    return [], {range_column(name): _range(sequence) for name, sequence in sequences.items()}, events


def _range(sequence: SequenceColumns) -> ColumnReader:
    starts, ends = sequence.start.load().to_numpy(), sequence.end.load().to_numpy()

    def read(rows: RowNumbers) -> pa.Array:
        first = starts[rows]
        return pa.StructArray.from_arrays([pa.array(first), pa.array(ends[rows] - first)], fields=list(RANGE))

    return read
