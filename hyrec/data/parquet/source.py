"""Which files and row groups a split consists of, and how their rows are read."""

from __future__ import annotations

import datetime
import glob
import math
import os
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from hyrec.data.parquet import arrow
from hyrec.data.parquet.arrow import Lists
from hyrec.data.parquet.chunk import Array, to_offsets
from hyrec.data.parquet.decode import Decoder
from hyrec.data.parquet.policy import DataError, Handled
from hyrec.data.parquet.values import Origin
from hyrec.data.parquet.window import decoded_bytes, first_leaves, rows_within
from hyrec.fingerprint import refuse_other_vocabularies
from hyrec.messages import suggest

_T = TypeVar("_T")


@dataclass(frozen=True)
class RowGroup:
    """The rows of one Parquet row group that belong to a split.

    Args:
        file: Path of the file.
        index: Number of the row group in its file.
        num_rows: Rows that belong to the split.
        num_samples: Their samples (candidates, in the ``requests`` layout).
        selection: Their positions in the row group, ascending. None: all rows.
        counts: Samples of each row. None: as many as the candidate column has entries, or one if flat.
        decoded_bytes: What its rows take in memory once decoded, at most.
    """

    file: str
    index: int
    num_rows: int
    num_samples: int
    selection: Array | None = None
    counts: Array | None = None
    decoded_bytes: int = 0


@dataclass
class SplitIndex:
    """All rows of one split, in file order.

    Args:
        groups: Row groups, in file order.
        skipped: What was left out, by reason.
    """

    groups: list[RowGroup]
    skipped: dict[Handled, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.first_rows = to_offsets(np.array([g.num_rows for g in self.groups], np.int64))
        self.first_samples = to_offsets(np.array([g.num_samples for g in self.groups], np.int64))

    @property
    def decoded_bytes(self) -> int:
        """What all rows would take in memory once decoded, at most."""
        return sum(group.decoded_bytes for group in self.groups)

    def rows_within(self, limit: float) -> int | None:
        """Return how many rows always fit into ``limit`` bytes once decoded; None: all of them."""
        columns = [[group.num_rows for group in self.groups], [group.decoded_bytes for group in self.groups]]
        return rows_within(limit, *np.array(columns, np.int64))

    @property
    def num_rows(self) -> int:
        """Stored rows."""
        return int(self.first_rows[-1])

    @property
    def num_samples(self) -> int:
        """Samples: stored rows in the ``flat`` layout, candidates in the ``requests`` layout."""
        return int(self.first_samples[-1])


def find_files(paths: str | Sequence[str], what: str) -> list[str]:
    """Return the Parquet files that paths, directories and globs name, sorted within each of them.

    Args:
        paths: What to expand.
        what: Name of the option, for messages.

    Raises:
        DataError: For a path that does not exist, or one that holds no Parquet file.
    """
    found: list[str] = []
    for path in [paths] if isinstance(paths, str) else paths:
        path = os.path.expanduser(path)
        if os.path.isfile(path):
            matches = [path]
        elif os.path.isdir(path):
            matches = sorted(str(p) for p in Path(path).rglob("*.parquet"))
            if not matches:
                raise DataError(f"{what}: the directory {path!r} holds no *.parquet file.")
        else:
            matches = sorted(m for m in glob.glob(path, recursive=True) if os.path.isfile(m))
        if not matches:
            raise DataError(f"{what}: there is no file {path!r}.{_near(path)}")
        found += matches
    if twice := [file for file, count in Counter(map(os.path.abspath, found)).items() if count > 1]:
        raise DataError(f"{what} names {twice[0]!r} more than once; its rows would count twice.")
    return found


def _near(path: str) -> str:
    """Name the existing path that is closest to one that does not exist."""
    parent = Path(path).parent
    while not parent.is_dir():
        path, parent = str(parent), parent.parent
    return suggest(path, [str(p) for p in parent.iterdir()]) or f" The directory {str(parent)!r} exists."


def open_parquet(file: str) -> pq.ParquetFile:
    """Open a Parquet file.

    Raises:
        DataError: For a file that is truncated, damaged, or no Parquet at all.
    """
    return guard(file, "", lambda: pq.ParquetFile(file))


def guard(file: str, where: str, read: Callable[[], _T]) -> _T:
    """Return ``read()``; an error of Arrow or of the file system becomes one that names file and remedy.

    Raises:
        DataError: If the file cannot be read.
    """
    try:
        return read()
    except (pa.ArrowException, OSError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DataError(
            f"{file}{where} cannot be read as Parquet ({reason}). It may be truncated or still being "
            "written: write or copy it again, or take it out of the paths."
        ) from error


@dataclass(frozen=True)
class TimeSpan:
    """Half-open span of impression times, ``start <= time < stop``, in seconds since 1970."""

    start: float = -math.inf
    stop: float = math.inf

    def holds(self, times: Array) -> Array:
        """Return which of the times lie in the span."""
        return np.asarray((times >= self.start) & (times < self.stop))


def parse_moment(text: str, unit: Literal["s", "ms", "us"]) -> float:
    """Return a moment in seconds since 1970 from an ISO date-time (UTC) or a number in ``unit``.

    Raises:
        DataError: For a text that is neither.
    """
    array: pa.Array
    try:
        array = pa.array([int(text)])
    except ValueError:
        try:
            moment = datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))
        except ValueError:
            raise DataError(
                f"split: {text!r} is neither an ISO date-time such as 2022-05-03 nor a whole number in the "
                f"schema's time_unit {unit!r}."
            ) from None
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=datetime.timezone.utc)
        array = pa.array([moment], pa.timestamp("us", "UTC"))
    return float(arrow.seconds(array, unit)[0][0])


def index_split(files: Sequence[str], decoder: Decoder, span: TimeSpan | None = None) -> SplitIndex:
    """Find out which rows of the files belong to a split, reading as little as possible.

    Only footers are read, except for the time column of row groups whose statistics do not settle on which
    side of the span they lie, and the lists of candidates of row groups that may have requests without
    candidates.

    Raises:
        DataError: For a file that cannot be read, columns that are missing or have another type, or no rows.
    """
    groups: list[RowGroup] = []
    skipped: Counter[Handled] = Counter()
    first: dict[str, tuple[Any, ...]] | None = None
    for path in files:
        file = open_parquet(path)
        arrow.check_columns(file.schema_arrow, decoder.columns, path)
        refuse_other_vocabularies(path, file.schema_arrow.metadata, decoder.schema.fingerprint)
        form = {c.name: _form(file.schema_arrow, c) for c in decoder.columns if _must_be_alike(c)}
        first = form if first is None else first
        if differ := [name for name, value in form.items() if value != first[name]]:
            raise DataError(
                f"{path}: column {differ[0]!r} differs in presence, list depth or kind (text, numbers) from "
                f"{files[0]}; write all files of a split alike."
            )
        if file.metadata.num_rows == 0:
            skipped[path, "empty_file"] += 1
            continue
        leaves = first_leaves(file.schema_arrow)
        for index in range(file.metadata.num_row_groups):
            if file.metadata.row_group(index).num_rows:
                group = _index_group(file, path, index, decoder, span, skipped, leaves)
                if group.num_rows:
                    groups.append(group)
    if not groups:
        where = files[0] if len(files) == 1 else f"the {len(files)} files from {files[0]} on"
        why = "no rows" if span is None else "no rows between the split's limits"
        raise DataError(f"{where}: {why}, so there is nothing to read.")
    return SplitIndex(groups, dict(skipped))


def _must_be_alike(column: arrow.Column) -> bool:
    """Whether values would mean something else if only some files had them, or had them in another form."""
    return column.optional or len(column.depths) > 1 or column.holds in ("hashed id", "key", "any")


def _form(fields: pa.Schema, column: arrow.Column) -> tuple[Any, ...]:
    if column.name not in fields.names:
        return (False,)
    depth, inner = arrow.depth_of(fields.field(column.name).type)
    return True, depth, arrow.is_whole(inner), arrow.is_text(inner)


def _index_group(
    file: pq.ParquetFile,
    path: str,
    index: int,
    decoder: Decoder,
    span: TimeSpan | None,
    skipped: Counter[Handled],
    leaves: dict[str, int],
) -> RowGroup:
    metadata = file.metadata.row_group(index)
    num_rows: int = metadata.num_rows
    keep = np.ones(num_rows, bool)
    if span is not None:
        keep = _in_span(file, path, index, decoder, span)
    counts: Array | None = None
    num_samples = int(keep.sum())
    if decoder.grouped and num_samples:
        chunk = _column_metadata(file, index, decoder.candidate_column)
        statistics = chunk.statistics
        flat = arrow.depth_of(file.schema_arrow.field(decoder.candidate_column).type)[0] == 1
        known = flat and statistics is not None and statistics.has_null_count and statistics.null_count == 0
        if keep.all() and known:
            num_samples = chunk.num_values
        else:
            found = _lengths(file, path, index, decoder.candidate_column)
            if (found == 0).any():
                counts = _most_lengths(file, path, index, decoder)
                found = counts
            empty = keep & (found == 0)
            if empty.any():
                skipped[decoder.candidate_column, "empty_request"] += int(empty.sum())
                keep &= ~empty
            num_samples = int(found[keep].sum())
    selection = None if keep.all() else np.flatnonzero(keep)
    counts = None if counts is None else counts[keep].astype(np.int32)
    kept = int(keep.sum())

    def entries(column: str) -> int:
        values: int = metadata.column(leaves[column]).num_values
        return -(-values * kept // num_rows)

    size = decoded_bytes(decoder.schema, kept, num_samples, entries)
    return RowGroup(path, index, kept, num_samples, selection, counts, size)


def _lengths(file: pq.ParquetFile, path: str, group: int, column: str) -> Array:
    """Return the length of each list of a column; null lists have none."""
    return np.concatenate([Lists.of(part).lengths for part in _read_column(file, path, group, column).chunks])


def _most_lengths(file: pq.ParquetFile, path: str, group: int, decoder: Decoder) -> Array:
    """Return the candidates of each request by the longest of its lists: some may be null."""
    fields = file.schema_arrow
    lists = [c for c in decoder.per_candidate_columns if c in fields.names and arrow.is_list(fields.field(c).type)]
    return np.asarray(np.maximum.reduce([_lengths(file, path, group, column) for column in lists]))


def _in_span(file: pq.ParquetFile, path: str, index: int, decoder: Decoder, span: TimeSpan) -> Array:
    """Return which rows of a row group lie in the span, from statistics where they settle it."""
    column = decoder.schema.time_column
    num_rows = file.metadata.row_group(index).num_rows
    statistics = _column_metadata(file, index, column).statistics
    unit = decoder.schema.time_unit
    kind = file.schema_arrow.field(column).type
    if statistics is not None and statistics.has_min_max and statistics.has_null_count:
        limits = arrow.seconds(pa.array([statistics.min, statistics.max], kind), unit)[0]
        inside = span.holds(limits)
        if statistics.null_count == 0 and (inside.all() or limits[1] < span.start or limits[0] >= span.stop):
            return np.full(num_rows, bool(inside.all()))
    times, null = arrow.seconds(_read_column(file, path, index, column).combine_chunks(), unit)
    unknown = ~np.isfinite(times) if null is None else null | ~np.isfinite(times)
    if unknown.any():
        origin = Origin(path, index, np.arange(num_rows))
        raise origin.error(np.flatnonzero(unknown)[0], column, "the time is null, so no split can hold the row.")
    return span.holds(times)


def _column_metadata(file: pq.ParquetFile, group: int, column: str) -> Any:
    """Return the metadata of the first leaf of a column."""
    metadata = file.metadata.row_group(group)
    for leaf in range(metadata.num_columns):
        if metadata.column(leaf).path_in_schema.split(".")[0] == column:
            return metadata.column(leaf)
    raise DataError(f"column {column!r} has no data in row group {group}.")


def _read_column(file: pq.ParquetFile, path: str, group: int, column: str) -> pa.ChunkedArray:
    table = guard(path, f", row group {group}", lambda: file.read_row_group(group, columns=[column]))
    return table.column(column)
