"""Which files and row groups a split consists of, and how their rows are read."""

from __future__ import annotations

import glob
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

import numpy as np
import pyarrow as pa

from hyrec.data.packing import Array, to_offsets
from hyrec.data.parquet import arrow
from hyrec.data.parquet.arrow import Lists
from hyrec.data.parquet.columns import Column, check_columns
from hyrec.data.parquet.decode import Decoder
from hyrec.data.parquet.file import DataFile, Facts
from hyrec.data.parquet.footers import check_memory, footers
from hyrec.data.parquet.policy import DataError, Handled
from hyrec.data.parquet.span import TimeSpan
from hyrec.data.parquet.values import Origin
from hyrec.data.parquet.window import decoded_bytes, rows_within
from hyrec.files import is_leftover
from hyrec.fingerprint import refuse_other_vocabularies
from hyrec.messages import suggest

_ALIKE = "Write all files of a split alike."
_Form: TypeAlias = tuple[bool, int, bool, bool, bool]


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
        kinds: Types of the columns that are not null throughout.
        in_events: Columns that are in event files.
    """

    groups: list[RowGroup]
    skipped: dict[Handled, int] = field(default_factory=dict)
    kinds: dict[str, pa.DataType] = field(default_factory=dict)
    in_events: set[str] = field(default_factory=set)

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

    What writers leave behind in directories (``_temporary/``, ``._part-0.parquet``) is skipped, unless a path or glob
    names it.

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
            below = (p for p in Path(path).rglob("*.parquet") if not is_leftover(p.relative_to(path).parts))
            matches = sorted(str(p) for p in below if p.is_file())
            if not matches:
                raise DataError(
                    f"{what}: the directory {path!r} holds no *.parquet file (names that begin with '.' or '_' are "
                    "left out)."
                )
        else:
            asked = {".", "..", *Path(path).parts}
            globbed = (m for m in glob.glob(path, recursive=True) if not is_leftover(Path(m).parts, asked))
            matches = sorted(m for m in globbed if os.path.isfile(m))
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
    forms: dict[str, tuple[str, _Form]] = {}
    kinds: dict[str, pa.DataType] = {}
    in_events: set[str] = set()
    asked = [decoder.schema.time_column] if span is not None else []
    asked += [decoder.candidate_column] if decoder.grouped else []
    asked += [column.name for column in decoder.columns if any(column.depths)]
    told = footers(files, decoder.columns, asked)
    for path in files:
        file = DataFile(path, decoder.columns)
        check_columns(file.fields, decoder.columns, path, file.names)
        refuse_other_vocabularies(path, file.metadata, decoder.schema.fingerprint)
        in_events = {*file.events} if path == files[0] else in_events
        if in_events != {*file.events}:
            raise DataError(
                f"{path} and {files[0]}: one has lists of events, the other has them in event files. {_ALIKE}"
            )
        for column in decoder.columns:
            if _must_be_alike(column):
                _compare(forms, path, column.name, _form(file.fields, column))
            if column.name in file.fields.names:
                kind = file.fields.field(column.name).type
                if not pa.types.is_null(arrow.depth_of(kind)[1]):
                    kinds.setdefault(column.name, kind)
        facts = next(told)
        if not sum(file.group_rows):
            skipped[path, "empty_file"] += 1
            continue
        for index, num_rows in enumerate(file.group_rows):
            if num_rows:
                of_group = {name: known[index] for name, known in facts.items()}
                check_memory(f"{path}, row group {index}", num_rows, of_group)
                group = _index_group(file, index, decoder, span, of_group, skipped)
                if group.num_rows:
                    groups.append(group)
    told.close()
    if not groups:
        where = files[0] if len(files) == 1 else f"the {len(files)} files from {files[0]} on"
        why = "no rows"
        if span is not None:
            why = f"no rows between the split's limits ({span})"
        raise DataError(f"{where}: {why}, so there is nothing to read.")
    return SplitIndex(groups, dict(skipped), kinds, in_events)


def _must_be_alike(column: Column) -> bool:
    """Whether values would mean something else if only some files had them, or had them in another form."""
    return column.optional or len(column.depths) > 1 or column.holds in ("hashed id", "key", "any")


def _form(fields: pa.Schema, column: Column) -> _Form:
    """Return whether there is a column, its depth, and whether it holds numbers, texts, or nothing but null."""
    if column.name not in fields.names:
        return False, 0, False, False, False
    depth, inner = arrow.depth_of(fields.field(column.name).type)
    return True, depth, arrow.is_whole(inner), arrow.is_text(inner), pa.types.is_null(inner)


def _compare(known: dict[str, tuple[str, _Form]], path: str, name: str, form: _Form) -> None:
    """Note the form of a column; one that is nothing but null fits every form of as many lists or more.

    Raises:
        DataError: If the form differs from that in an earlier file.
    """
    first, other = known.setdefault(name, (path, form))
    if other[-1] and not form[-1]:
        known[name] = path, form
    null, held = (form, other) if form[-1] else (other, form)
    if form != other and not (held[0] and null[-1] and (held[-1] or null[1] <= held[1])):
        raise DataError(
            f"{path}: column {name!r} differs in presence, list depth or kind (text, numbers) from {first}. {_ALIKE}"
        )


def _index_group(
    file: DataFile,
    index: int,
    decoder: Decoder,
    span: TimeSpan | None,
    facts: dict[str, Facts],
    skipped: Counter[Handled],
) -> RowGroup:
    num_rows = file.group_rows[index]
    keep = None if span is None else _in_span(file, index, decoder, span, facts.get(decoder.schema.time_column))
    counts: Array | None = None
    num_samples = num_rows if keep is None else int(keep.sum())
    if decoder.grouped and num_samples:
        known = facts.get(decoder.candidate_column)
        flat = arrow.depth_of(file.fields.field(decoder.candidate_column).type)[0] == 1
        flat = flat and file.stores_lists(decoder.candidate_column)
        if flat and keep is None and known is not None and known.num_nulls == 0:
            num_samples = known.num_values
        else:
            found = _lengths(file, index, decoder.candidate_column)
            if (found == 0).any():
                counts = _most_lengths(file, index, decoder)
                found = counts
            keep = np.ones(len(found), bool) if keep is None else keep
            empty = keep & (found == 0)
            if empty.any():
                skipped[decoder.candidate_column, "empty_request"] += int(empty.sum())
                keep &= ~empty
            num_samples = int(found[keep].sum())
    selection = None if keep is None or keep.all() else np.flatnonzero(keep)
    counts = None if counts is None or keep is None else counts[keep].astype(np.int32)
    kept = num_rows if keep is None else int(keep.sum())

    def entries(column: str) -> int | None:
        if column in file.events:
            return 0  # they stay in their file until a batch asks for them
        known = facts.get(column) if file.stores_lists(column) else None
        return None if known is None else -(-known.num_values * kept // num_rows)

    size = decoded_bytes(decoder.schema, kept, num_samples, entries)
    return RowGroup(file.path, index, kept, num_samples, selection, counts, size)


def _lengths(file: DataFile, group: int, column: str) -> Array:
    """Return the length of each list of a column; null lists have none."""
    return np.concatenate([Lists.of(part.column(column)).lengths for part in file.batches(group, [column])])


def _most_lengths(file: DataFile, group: int, decoder: Decoder) -> Array:
    """Return the candidates of each request by the longest of its lists: some may be null."""
    fields = file.fields
    lists = [c for c in decoder.per_candidate_columns if c in fields.names and arrow.is_list(fields.field(c).type)]
    return np.asarray(np.maximum.reduce([_lengths(file, group, column) for column in lists]))


def _in_span(file: DataFile, index: int, decoder: Decoder, span: TimeSpan, known: Facts | None) -> Array | None:
    """Return which rows of a row group lie in the span (None: all), from the footer where that settles it."""
    column, unit = decoder.schema.time_column, decoder.schema.time_unit
    if known is not None and known.limits is not None and known.num_nulls == 0:
        kind = file.fields.field(column).type
        stored = pa.array(known.limits, pa.int32() if pa.types.is_date32(kind) else None)
        limits = arrow.seconds(stored.cast(kind, safe=False), unit)[0]
        if span.holds(limits).all():
            return None
        if limits[1] < span.start or limits[0] >= span.stop:
            return np.zeros(file.group_rows[index], bool)
    inside = span.holds(_times(file, index, decoder))
    return None if inside.all() else inside


def times_in(files: Sequence[str], decoder: Decoder) -> Iterator[Array]:
    """Yield the times of all rows, row group by row group, in seconds since 1970.

    Raises:
        DataError: For a file that cannot be read, and for a time that is null.
    """
    for path in files:
        file = DataFile(path, decoder.columns)
        check_columns(file.fields, decoder.columns, path, file.names)
        for index, num_rows in enumerate(file.group_rows):
            if num_rows:
                yield _times(file, index, decoder)


def _times(file: DataFile, index: int, decoder: Decoder) -> Array:
    """Return the times of a row group."""
    column, unit = decoder.schema.time_column, decoder.schema.time_unit
    parts = [arrow.seconds(part.column(column), unit) for part in file.batches(index, [column])]
    times = np.concatenate([values if null is None else np.where(null, np.nan, values) for values, null in parts])
    unknown = ~np.isfinite(times)
    if unknown.any():
        origin = Origin(file.path, index, np.arange(len(times)))
        raise origin.error(np.flatnonzero(unknown)[0], column, "the time is null, so no split can hold the row.")
    return np.asarray(times)
