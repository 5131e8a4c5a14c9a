"""One Parquet file as the columns that a schema names, whatever their form in the file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple, TypeVar

import pyarrow as pa
from pyarrow import types

from hyrec.data.event_file import EventFile, event_files, range_column
from hyrec.data.nested import field_inside, follow, leaves_of, stored_type, type_inside
from hyrec.data.parquet import arrow
from hyrec.data.parquet.columns import Column
from hyrec.data.parquet.forms import Form, form_of
from hyrec.data.parquet.policy import DataError
from hyrec.parquet import open_parquet

_T = TypeVar("_T")
READ_ROWS = 16384
"""Rows that are turned from Parquet into Arrow at a time."""
_MAX_ROWS = 2**31
"""Rows of a row group; a footer that names more is damaged."""


def guard(file: str, where: str, read: Callable[[], _T]) -> _T:
    """Return ``read()``; an error of Arrow or of the file system becomes one that names file and remedy.

    Raises:
        DataError: If the file cannot be read.
    """
    try:
        return read()
    except (pa.ArrowException, OSError, UnicodeDecodeError, MemoryError) as error:
        reason = (str(error) or type(error).__name__).splitlines()[0][:200]
        cause = "It may be truncated or still being written"
        if isinstance(error, MemoryError):
            cause = "It holds more than the memory does, or is damaged"
        raise DataError(
            f"{file}{where} cannot be read as Parquet ({reason}). {cause}: write or copy it again, or take it out of "
            "the paths."
        ) from error


class Facts(NamedTuple):
    """What a footer says of one column of a row group: values, and where known nulls, and the least and largest."""

    num_values: int
    num_nulls: int | None
    limits: tuple[float, float] | None


@dataclass(frozen=True)
class _Place:
    """Where a column is: a column of the file, the fields that lead on from there, its leaves, and its form."""

    top: str
    path: tuple[str, ...]
    first_leaf: int
    leaves: list[str]
    form: Form | None


class DataFile:
    """A Parquet file, opened.

    Names are those of the file's columns or lead through lists, structs and maps to a field, as ``past.item`` and
    ``tags.key``; a column that has the whole name comes first. Lists of events that the file does not hold may be in
    event files beside it, ``events``; of those a row has the range that it may see.

    Args:
        path: The file.
        columns: What is read of it; columns that it lacks are left out.
        kinds: Types for columns that are nothing but null in this file.

    Raises:
        DataError: For a file that is truncated, damaged, or no Parquet at all, and for a column that is there twice.
    """

    def __init__(self, path: str, columns: Iterable[Column], kinds: Mapping[str, pa.DataType] | None = None) -> None:
        self.path = path
        self._file = guard(path, "", lambda: open_parquet(path))
        self._fields: pa.Schema = guard(path, "", lambda: self._file.schema_arrow)
        self._names: list[str] = guard(path, "", lambda: self._fields.names)
        self._places: dict[str, _Place] = {}
        self.events: dict[str, EventFile] = {}
        uses: dict[str, list[Column]] = {}
        for column in columns:
            uses.setdefault(column.name, []).append(column)
        self.metadata = self._fields.metadata
        self.fields: pa.Schema = guard(path, "", lambda: self._find(uses, kinds or {}))
        self.group_rows = [self._file.metadata.row_group(i).num_rows for i in range(self._file.metadata.num_row_groups)]
        told = self._file.metadata.num_rows
        if sum(self.group_rows) != told or not all(0 <= num < _MAX_ROWS for num in self.group_rows):
            raise DataError(
                f"{path}: its footer says {told:,} rows in row groups of {self.group_rows[:3]} and more, so it is "
                "damaged. Write or copy it again."
            )

    @property
    def names(self) -> list[str]:
        """All names: of columns, and of the fields inside them."""
        nested = [".".join((f.name, *path)) for f in self._fields for path in leaves_of(f.type) if path]
        return [*self._names, *nested]

    def stores_lists(self, name: str) -> bool:
        """Whether a column is stored as lists, of which a footer counts the entries; of texts it counts the texts."""
        place = self._places.get(name)
        splits = place is not None and place.form is not None and place.form.separator
        stored = place is not None and not splits and name not in self.events
        return stored and arrow.is_list(self.fields.field(name).type)

    def facts(self, group: int, name: str) -> Facts:
        """Return what the footer says of a column's first leaf. Of some damaged footers Arrow ends the process here."""
        chunk = self._file.metadata.row_group(group).column(self._places[name].first_leaf)
        known = chunk.statistics
        if known is None or not known.has_null_count:
            return Facts(chunk.num_values, None, None)
        ordered = known.has_min_max and known.logical_type.type in ("NONE", "INT", "TIMESTAMP", "DATE")
        limits = (known.min_raw, known.max_raw) if ordered and known.physical_type != "INT96" else None
        return Facts(chunk.num_values, known.null_count, limits)

    def batches(
        self, group: int, names: Iterable[str], *, rows: int = READ_ROWS, threads: bool = True
    ) -> Iterator[pa.RecordBatch]:
        """Yield columns of a row group, ``rows`` rows at a time.

        Raises:
            DataError: For what cannot be read.
        """
        places = {name: self._places[name] for name in names if name in self._places}
        leaves = list(dict.fromkeys(leaf for place in places.values() for leaf in place.leaves))
        where = f", row group {group}"
        options = {"batch_size": rows, "row_groups": [group], "columns": leaves, "use_threads": threads}
        read = guard(self.path, where, lambda: self._file.iter_batches(**options))
        while (batch := guard(self.path, where, lambda: next(read, None))) is not None:
            yield guard(self.path, where, partial(self._batch, batch, places))

    def read(self, group: int, names: Iterable[str]) -> pa.Table:
        """Return columns of a row group."""
        parts = list(self.batches(group, names))
        return guard(self.path, f", row group {group}", lambda: pa.Table.from_batches(parts))

    def _find(self, uses: dict[str, list[Column]], kinds: Mapping[str, pa.DataType]) -> pa.Schema:
        """Note where the columns are; return their types."""
        metadata = self._file.metadata
        twice = {name for name, count in Counter(self._names).items() if count > 1}
        leaves: dict[str, list[tuple[int, tuple[str, ...]]]] = {}
        number = 0
        for field in self._fields:
            paths = leaves_of(field.type)
            leaves[field.name] = list(enumerate(paths, number))
            number += len(paths)
        if number != metadata.num_columns:
            raise DataError(f"{self.path}: its footer describes {metadata.num_columns} columns as {number}.")
        found = {}
        self.events = event_files(self.path, self._fields, [n for n in uses if self._resolve(n)[1] is None])
        for name, columns in uses.items():
            top, path = self._resolve(name)
            if name in self.events:
                found[name] = pa.list_(self.events[name].columns[name].type)
                top = range_column(self.events[name].sequence)
                read = [metadata.schema.column(i).path for i, _ in leaves[top]]
                self._places[name] = _Place(top, (), leaves[top][0][0], read, None)
                continue
            if path is None:
                continue
            if top in twice:
                raise DataError(f"{self.path} holds the column {top!r} twice; name or drop one of them.")
            read = [i for i, steps in leaves[top] if all(a == b for a, b in zip(steps, path, strict=False))]
            kind = self._fields.field(top).type
            inside, extended = type_inside(kind, path), stored_type(kind) != kind
            form = form_of(inside, columns, self._is_whole, kinds.get(name), extended=extended)
            self._places[name] = _Place(top, path, read[0], [metadata.schema.column(i).path for i in read], form)
            found[name] = form.apply(pa.array([], inside), self.path).type if form else inside
        return pa.schema(found)

    def _resolve(self, name: str) -> tuple[str, tuple[str, ...] | None]:
        """Return the column that a name begins with and the fields that follow; None for no such column."""
        if name in self._names:
            return name, ()
        return field_inside(self._fields, name) or (name, None)

    def _is_whole(self, name: str) -> bool:
        """Whether a column holds whole numbers."""
        top, path = self._resolve(name)
        if path is None:
            return False
        _, kind = arrow.depth_of(type_inside(self._fields.field(top).type, path))
        return arrow.is_whole(kind) or types.is_decimal(kind)

    def _batch(self, batch: pa.RecordBatch, places: dict[str, _Place]) -> pa.RecordBatch:
        if all(place.form is None and not place.path and name == place.top for name, place in places.items()):
            return batch
        out = {}
        for name, place in places.items():
            array = batch.column(place.top)
            if place.path:
                array = follow(array, place.path)
            out[name] = array if place.form is None else place.form.apply(array, f"{self.path}: column {name!r}")
        return pa.RecordBatch.from_pydict(out)
