"""From Arrow record batches to chunks of NumPy arrays, as the schema and the policies say."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np
import pyarrow as pa

from hyrec.data.event_file import EventFile, range_column
from hyrec.data.packing import Array, ranges, to_offsets
from hyrec.data.parquet import arrow
from hyrec.data.parquet.arrow import Lists
from hyrec.data.parquet.chunk import Chunk, Key, Packed, entries
from hyrec.data.parquet.columns import candidate_column, columns_of, columns_read
from hyrec.data.parquet.event_decoder import EventDecoder, Histories, same, through
from hyrec.data.parquet.policy import DataError, Policies
from hyrec.data.parquet.values import Origin, RowsOf, ValueDecoder
from hyrec.schema import Feature, Schema, Task


class Decoder:
    """Decode record batches of one data set.

    Args:
        schema: The data.
        policies: What to do with values that cannot be used as they are.
        features: Names of the features to read. None: all.
        sequences: Names of the sequences to read. None: all.
        need_labels: Whether a file without labels, group or weight is an error; prediction does without.
    """

    def __init__(
        self,
        schema: Schema,
        policies: Policies,
        *,
        features: Collection[str] | None = None,
        sequences: Collection[str] | None = None,
        need_labels: bool = True,
    ) -> None:
        self.schema, self.policies = schema, policies
        self.features = {n: f for n, f in schema.features.items() if features is None or n in features}
        self.sequences = {n: s for n, s in schema.sequences.items() if sequences is None or n in sequences}
        self.grouped = schema.layout == "requests"
        self.columns = columns_read(schema, self.features, self.sequences, optional=not need_labels)
        self.candidate_column = candidate_column(schema)

    @property
    def names(self) -> list[str]:
        """Columns of the files that are read."""
        return sorted({column.name for column in self.columns})

    @property
    def per_candidate_columns(self) -> list[str]:
        """Columns that have, or may have, a list entry for each candidate of a request."""
        names = {name for name in self.features if self.schema.is_per_candidate(name)}
        uses = {f"features.{name}" for name in names} | {f"tasks.{name}" for name in self.schema.tasks}
        uses |= {"group_column", "weight_column", "id_columns"}
        return sorted({column.name for column in self.columns if column.use in uses})

    def decode(
        self,
        batch: pa.RecordBatch,
        origin: Origin,
        first_sample: int = 0,
        counts: Array | None = None,
        events: Mapping[str, EventFile] | None = None,
    ) -> Chunk:
        """Decode rows.

        Args:
            batch: Rows with at least the columns that this decoder reads.
            origin: Where they come from.
            first_sample: Position of the first row's first sample in its split.
            counts: Candidates of each request. None: as many as the candidate column has entries.
            events: Files of the columns that hold a range of events for each row, and no list.

        Raises:
            DataError: For a value that no policy allows.
        """
        decoding = _Decoding(self, batch, origin, first_sample, counts, events or {})
        for name, feature in self.features.items():
            decoding.feature(name, feature)
        decoding.impression()
        for name, task in self.schema.tasks.items():
            decoding.label(name, task)
        for name in self.sequences:
            decoding.sequence(name)
        decoding.chunk.notes = decoding.values.notes
        return decoding.chunk


class _Decoding:
    """Decodes one record batch. A column has a value for each row or, where it is per candidate, for each sample."""

    def __init__(
        self,
        decoder: Decoder,
        batch: pa.RecordBatch,
        origin: Origin,
        first_sample: int,
        counts: Array | None,
        events: Mapping[str, EventFile],
    ) -> None:
        self.events = events
        self.schema, self.grouped = decoder.schema, decoder.grouped
        self.candidate_column = decoder.candidate_column
        self.batch, self.values = batch, ValueDecoder(decoder.policies, origin)
        candidates = None
        first = np.arange(batch.num_rows, dtype=np.int64)
        if self.grouped:
            if counts is None:
                counts = Lists.of(batch.column(self.candidate_column)).lengths
            candidates = to_offsets(counts)
            first = candidates[:-1]
        self.chunk = Chunk(batch.num_rows, first + first_sample, candidates)

    def feature(self, name: str, feature: Feature) -> None:
        per_candidate = self.grouped and self.schema.is_per_candidate(name)
        column, weights = columns_of(name, feature)
        array, at, rows_of = self._open(column, per_candidate)
        value: Array | Packed
        if feature.kind == "id":
            value = self.values.ids(array, at, feature, column, rows_of)
        elif feature.kind != "dense":
            value = self._id_lists(feature, column, weights, array, at, rows_of, per_candidate)
        elif feature.width == 1:
            value = self.values.dense(array, at, column, rows_of)[:, None]
        else:
            value = self._wide(feature.width, column, array, at, rows_of)
        self._store(("features", name), per_candidate, value)

    def impression(self) -> None:
        """Decode what an impression has besides features and labels."""
        schema, values, present = self.schema, self.values, self.batch.schema.names
        if schema.time_column:
            column = schema.time_column
            array = self.batch.column(column)
            time = values.seconds(array, None, schema.time_unit, column, same)
            self._store(("time", ""), False, time)
        if schema.group_column in present:
            array, at, rows_of, per_candidate = self._open_either(schema.group_column)
            self._store(("group", ""), per_candidate, values.keys(array, at, schema.group_column, rows_of))
        if schema.weight_column in present:
            array, at, rows_of, per_candidate = self._open_either(schema.weight_column)
            weights = values.sample_weights(array, at, schema.weight_column, rows_of)
            self._store(("weights", ""), per_candidate, weights)
        for column in schema.id_columns:
            array, at, rows_of, per_candidate = self._open_either(column)
            if arrow.is_whole(array.type):
                self._store(("ids", column), per_candidate, values.integers(array, at, column, rows_of))

    def label(self, name: str, task: Task) -> None:
        column = task.column or name
        if column in self.batch.schema.names:
            array, at, rows_of = self._open(column, self.grouped)
            labels = self.values.labels(array, at, task, column, rows_of)
        else:
            offsets = self.chunk.candidates
            labels = np.full(self.chunk.num_rows if offsets is None else int(offsets[-1]), np.nan, np.float32)
        self._store(("labels", name), self.grouped, labels)

    def sequence(self, name: str) -> None:
        decoder = EventDecoder(self.schema, name)
        columns = decoder.columns
        if stored := [self.events[column] for column in columns.values() if column in self.events]:
            self.chunk.histories[name] = self._histories(decoder, stored)
            return
        opened = {part: Lists.of(self.batch.column(column)) for part, column in columns.items()}
        for part, lists in opened.items():
            self.values.note_where(columns[part], "null_list", lists.null, same)
        lengths = self._agree(name, list(columns.values()), list(opened.values()))
        lengths = np.minimum(lengths, decoder.spec.max_length)
        moments = self.chunk.rows.get(("time", ""))
        self.chunk.sequences[name] = decoder.decode(self.values, opened, lengths, moments)

    def _histories(self, decoder: EventDecoder, stored: list[EventFile]) -> Histories:
        """Return which events each row sees; the events stay where they are stored."""
        file, columns = stored[0], list(decoder.columns.values())
        if (
            len(stored) < len(columns)
            or any(other is not file for other in stored)
            or decoder.spec.order != "oldest_first"
        ):
            raise DataError(
                f"sequences.{decoder.name} has order {decoder.spec.order} and reads {', '.join(columns)}, but "
                f"{file.path} holds the events of {file.sequence!r}, oldest first: a sequence takes all or none of its "
                "columns from there."
            )
        of_row = self.batch.column(columns[0])
        starts, lengths = (arrow.numbers(part)[0].astype(np.int64) for part in of_row.flatten())
        ends = starts + lengths
        wrong = np.flatnonzero((ends > file.num_events) | np.asarray(of_row.is_null()))
        if len(wrong):
            problem = (
                f"the {lengths[wrong[0]]} events from {starts[wrong[0]]} on, but {file.path} has {file.num_events}."
            )
            raise self.values.origin.error(wrong[0], range_column(file.sequence), problem)
        which = np.zeros(len(starts), np.int32)
        return Histories(decoder, self.values.policies, [file], which, starts, ends)

    def _id_lists(
        self,
        feature: Feature,
        column: str,
        weight_column: str,
        array: pa.Array,
        at: Array | None,
        rows_of: RowsOf,
        per_candidate: bool,
    ) -> Packed:
        """Decode a list of ids for each row or sample, with weights if the feature has them."""
        lists = self._lists(column, array, at, rows_of)
        opened, columns = [lists], [column]
        if weight_column:
            weights, weight_at, _ = self._open(weight_column, per_candidate)
            opened.append(self._lists(weight_column, weights, weight_at, rows_of))
            columns.append(weight_column)
        lengths = self._agree("", columns, opened, rows_of)
        if feature.max_length:
            lengths = np.minimum(lengths, feature.max_length)
        packed = Packed(to_offsets(lengths), {})
        owner = through(packed.offsets, rows_of)
        index = entries(lists.starts, packed.offsets, False)
        packed.arrays["ids"] = self.values.ids(lists.values, index, feature, column, owner)
        if weight_column:
            index = entries(opened[1].starts, packed.offsets, False)
            packed.arrays["weights"] = self.values.weights(opened[1].values, index, feature, columns[1], owner)
        return packed

    def _wide(self, width: int, column: str, array: pa.Array, at: Array | None, rows_of: RowsOf) -> Array:
        """Decode a list of ``width`` numbers for each row or sample."""
        lists = self._lists(column, array, at, rows_of)
        there = np.arange(len(lists.starts)) if lists.null is None else np.flatnonzero(~lists.null)
        wrong = there[lists.lengths[there] != width]
        if len(wrong):
            problem = f"a list of {lists.lengths[wrong[0]]} numbers, but the schema says width={width}."
            raise self.values.origin.error(rows_of(wrong[:1])[0], column, problem)
        out = np.full((len(lists.starts), width), np.nan, np.float32)
        index = ranges(lists.starts[there], lists.lengths[there])
        values = self.values.dense(lists.values, index, column, lambda positions: rows_of(there[positions // width]))
        out[there] = values.reshape(-1, width)
        return out

    def _lists(self, column: str, array: pa.Array, at: Array | None, rows_of: RowsOf) -> Lists:
        lists = Lists.of(array).take(at)
        null = lists.null if lists.null is None or at is None else lists.null & (at >= 0)
        self.values.note_where(column, "null_list", null, rows_of)
        return lists

    def _open(self, column: str, per_candidate: bool) -> tuple[pa.Array, Array | None, RowsOf]:
        """Return a column's values, where each row or sample finds its own (None: in order), and their rows."""
        array = self.batch.column(column)
        offsets = self.chunk.candidates
        if not per_candidate or offsets is None:
            return array, None, same
        lists, counts = Lists.of(array), np.diff(offsets)
        there = np.ones(len(counts), bool) if lists.null is None else ~lists.null
        wrong = np.flatnonzero((lists.lengths != counts) & there)
        if len(wrong):
            row = wrong[0]
            problem = (
                f"{lists.lengths[row]} entries, but the request has {counts[row]} candidates (as column "
                f"{self.candidate_column!r} or another has entries). Write one entry a candidate."
            )
            raise self.values.origin.error(row, column, problem)
        self.values.note_where(column, "null_list", lists.null, same)
        at = np.full(int(offsets[-1]), -1, np.int64)
        at[np.repeat(there, counts)] = ranges(lists.starts[there], counts[there])
        return lists.values, at, through(offsets, same)

    def _open_either(self, column: str) -> tuple[pa.Array, Array | None, RowsOf, bool]:
        """Open a column that has one value a row or one a candidate."""
        per_candidate = arrow.is_list(self.batch.schema.field(column).type)
        return *self._open(column, per_candidate), per_candidate

    def _agree(
        self, sequence: str, columns: Sequence[str], lists: Sequence[Lists], rows_of: RowsOf | None = None
    ) -> Array:
        """Return the lengths of aligned lists; with the policy ``truncate``, those of the shortest."""
        rows_of = rows_of or same
        shortest = np.minimum.reduce([part.lengths for part in lists])
        for column, part in zip(columns, lists, strict=True):
            differ = part.lengths != lists[0].lengths
            if self.values.policies.unequal_lengths == "error" and differ.any():
                first = np.flatnonzero(differ)[:1]
                what = f"sequence {sequence!r}" if sequence else "the ids"
                problem = (
                    f"{part.lengths[first[0]]} entries, but column {columns[0]!r} of {what} has "
                    f"{lists[0].lengths[first[0]]}. Aligned lists must be equally long, or set "
                    "unequal_lengths=truncate."
                )
                raise self.values.origin.error(rows_of(first)[0], column, problem)
            cut = part.lengths - shortest
            positions = np.flatnonzero(cut)
            self.values.note(column, "truncated", rows_of(positions), cut[positions])
        return np.asarray(shortest)

    def _store(self, key: Key, per_candidate: bool, value: Array | Packed) -> None:
        if isinstance(value, Packed):
            (self.chunk.sample_lists if per_candidate else self.chunk.row_lists)[key] = value
        else:
            (self.chunk.samples if per_candidate else self.chunk.rows)[key] = value
