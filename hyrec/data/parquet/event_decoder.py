"""The events of one sequence: decoded from lists, or gathered from the file in which they are stored once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from hyrec.data.event_file import EventFile
from hyrec.data.packing import Array, ranges, to_offsets
from hyrec.data.parquet.arrow import Lists
from hyrec.data.parquet.chunk import EVENT_TIME, Packed, entries
from hyrec.data.parquet.policy import Handled, Policies
from hyrec.data.parquet.values import At, Origin, RowsOf, ValueDecoder
from hyrec.schema import Schema, SequenceSpec


class EventDecoder:
    """Decodes the events of one sequence.

    Args:
        schema: The data.
        name: The sequence.
    """

    def __init__(self, schema: Schema, name: str) -> None:
        self.name, self.unit = name, schema.time_unit
        self.spec: SequenceSpec = schema.sequences[name]
        self.columns = {side: feature.column or side for side, feature in self.spec.features.items()}
        if self.spec.time_column:
            self.columns[EVENT_TIME] = self.spec.time_column

    def decode(self, values: ValueDecoder, lists: dict[str, Lists], lengths: Array, moments: Array | None) -> Packed:
        """Decode the most recent events of some rows, oldest first.

        Args:
            values: Decodes, and notes what was handled in which row.
            lists: Values of the rows by part: side information, and times as ``EVENT_TIME``.
            lengths: Events that are kept of each row.
            moments: Time of each row's impression.
        """
        packed = Packed(to_offsets(lengths), {})
        rows_of, newest_first = through(packed.offsets, same), self.spec.order == "newest_first"
        index: At = None
        known: Array | None = None
        for part, of_part in lists.items():
            starts = of_part.starts if newest_first else of_part.starts + of_part.lengths - lengths
            if known is None or not np.array_equal(starts, known):
                index, known = entries(starts, packed.offsets, newest_first), starts
            column = self.columns[part]
            if part == EVENT_TIME:
                packed.arrays[part] = values.event_seconds(of_part.values, index, self.unit, column, rows_of)
            elif self.spec.features[part].kind == "dense":
                packed.arrays[part] = values.dense(of_part.values, index, column, rows_of)
            elif self.spec.features[part].kind == "multi_id":
                packed.arrays[part] = values.id_lists(of_part.values, index, self.spec.features[part], column, rows_of)
            else:
                packed.arrays[part] = values.ids(of_part.values, index, self.spec.features[part], column, rows_of)
        if EVENT_TIME in packed.arrays and moments is not None:
            _check_times(values, self.columns[EVENT_TIME], packed, moments)
        return packed


@dataclass
class Histories:
    """Events of rows, which stay in their files until a batch asks for them.

    Args:
        decoder: Decodes them.
        policies: What to do with values that cannot be used as they are.
        files: Where events are.
        file: Which file each row's are in.
        starts: First event that each row may see.
        ends: Past the last one.
    """

    decoder: EventDecoder
    policies: Policies
    files: list[EventFile]
    file: Array
    starts: Array
    ends: Array

    def keys(self, rows: Array) -> list[Array]:
        """Return what rows that see the same events have in common."""
        keys = [self.starts[rows], self.ends[rows]]
        return keys if len(self.files) == 1 else [self.file[rows], *keys]

    def append(self, part: Histories) -> None:
        """Append rows to these."""
        paths = [file.path for file in self.files]
        self.files = self.files + [file for file in part.files if file.path not in paths]
        number = {file.path: number for number, file in enumerate(self.files)}
        renumbered = np.array([number[file.path] for file in part.files], np.int32)[part.file]
        self.file = np.concatenate([self.file, renumbered])
        self.starts = np.concatenate([self.starts, part.starts])
        self.ends = np.concatenate([self.ends, part.ends])

    def take(self, rows: Array, moments: Array | None) -> tuple[Packed, dict[Handled, Array]]:
        """Decode the most recent events of some rows; return what a policy handled in each, too.

        Args:
            rows: Which rows.
            moments: Time of each row's impression.
        """
        if len(self.files) == 1:
            return self._take(self.files[0], rows, moments)
        of_row = self.file[rows]
        used = np.unique(of_row)
        parts = [np.flatnonzero(of_row == number) for number in used]
        whole, notes = Packed(to_offsets(np.zeros(0, np.int64)), {}), dict[Handled, Array]()
        for number, part in zip(used, parts, strict=True):
            found, handled = self._take(self.files[number], rows[part], None if moments is None else moments[part])
            whole.arrays = whole.arrays or {name: array[:0].copy() for name, array in found.arrays.items()}
            whole.append(found)
            for key, counts in handled.items():
                notes.setdefault(key, np.zeros(len(rows), np.int64))[part] = counts
        arrays, offsets = whole.take(np.argsort(np.concatenate(parts), kind="stable"))
        return Packed(offsets, arrays), notes

    def _take(self, file: EventFile, rows: Array, moments: Array | None) -> tuple[Packed, dict[Handled, Array]]:
        lengths = np.minimum(self.ends[rows] - self.starts[rows], self.decoder.spec.max_length)
        first, offsets = self.ends[rows] - lengths, to_offsets(lengths)
        index = ranges(first, lengths)
        if file.place is not None:
            index = _by_time(file.place.to_numpy(), index, offsets)
        taken = pa.array(index)
        columns = {part: file.columns[column].take(taken) for part, column in self.decoder.columns.items()}
        lists = {part: Lists(values, offsets[:-1], lengths, None) for part, values in columns.items()}
        values = ValueDecoder(self.policies, Origin(file.path, None, first))
        return self.decoder.decode(values, lists, lengths, moments), values.notes


def same(positions: Array) -> Array:
    """Lead from rows to themselves."""
    return positions


def through(offsets: Array, rows_of: RowsOf) -> RowsOf:
    """Lead from entries of lists to the rows of the lists."""
    return lambda positions: rows_of(np.searchsorted(offsets, positions, side="right") - 1)


def _by_time(place: Array, index: Array, offsets: Array) -> Array:
    """Sort the events of each row by their place in the order of time; few rows have others than sorted ones."""
    places = place[index]
    rows = np.unique(through(offsets, same)(_earlier(places, offsets)))
    lengths = offsets[rows + 1] - offsets[rows]
    unsorted = ranges(offsets[rows], lengths)
    order = np.lexsort((places[unsorted], np.repeat(rows, lengths)))
    index[unsorted] = index[unsorted[order]]
    return index


def _earlier(values: Array, offsets: Array) -> Array:
    """Return the positions of values that are below the one before them in the same list."""
    below = np.flatnonzero(values[1:] < values[:-1]) + 1
    is_first = offsets[np.searchsorted(offsets, below)] == below
    return np.asarray(below[~is_first])


def _check_times(values: ValueDecoder, column: str, packed: Packed, moments: Array) -> None:
    """Count events in the wrong order, and events that do not precede their impression."""
    times, rows_of = packed.arrays[EVENT_TIME], through(packed.offsets, same)
    values.note(column, "out_of_order", rows_of(_earlier(times, packed.offsets)))
    late = times >= np.repeat(moments, np.diff(packed.offsets))
    values.note_where(column, "not_before_impression", late, rows_of)
