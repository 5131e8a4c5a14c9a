"""Rows of a split, read from files: decoded chunks, and id columns as they are stored."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from hyrec.data.packing import Array
from hyrec.data.parquet import arrow
from hyrec.data.parquet.arrow import Lists
from hyrec.data.parquet.chunk import Chunk
from hyrec.data.parquet.columns import Column
from hyrec.data.parquet.decode import Decoder
from hyrec.data.parquet.file import READ_ROWS, DataFile
from hyrec.data.parquet.policy import DataError
from hyrec.data.parquet.source import RowGroup, SplitIndex
from hyrec.data.parquet.values import Origin


class RowReader:
    """Read ranges of a split's rows; fastest when each range follows the last one in the same row group.

    Args:
        index: The split.
        decoder: What to read of each row.
        threads: Whether Arrow may decode columns in parallel.
    """

    def __init__(self, index: SplitIndex, decoder: Decoder, *, threads: bool) -> None:
        self.index, self.decoder, self.threads = index, decoder, threads
        self._file: DataFile | None = None
        self._group = -1
        self._batches: Iterator[pa.RecordBatch] = iter(())
        self._batch: pa.RecordBatch | None = None
        self._start = self._samples = 0

    def read(self, group: int, start: int, stop: int) -> Iterator[Chunk]:
        """Decode the rows ``start:stop`` of a row group, counted among those that belong to the split."""
        selection = self.index.groups[group].selection
        positions = np.arange(start, stop) if selection is None else selection[start:stop]
        if group != self._group or self._batch is None or positions[0] < self._start:
            self._open(group)
        while len(positions):
            assert self._batch is not None
            end = self._start + self._batch.num_rows
            num = int(np.searchsorted(positions, end))
            if num:
                yield self._decode(positions[:num], start)
                positions, start = positions[num:], start + num
            if len(positions):
                self._advance()

    def _open(self, group: int) -> None:
        rows = self.index.groups[group]
        if self._file is None or self._file.path != rows.file:
            self._file = DataFile(rows.file, self.decoder.columns, self.index.kinds)
        self._batches = self._file.batches(rows.index, self.decoder.names, rows=READ_ROWS, threads=self.threads)
        self._group, self._batch, self._start, self._samples = group, None, 0, 0
        self._advance()

    def _advance(self) -> None:
        rows = self.index.groups[self._group]
        if self._batch is not None:
            self._samples += self._count(self._selected(self._batch.num_rows))
            self._start += self._batch.num_rows
        following = next(self._batches, None)
        if following is None:
            raise DataError(
                f"{rows.file}, row group {rows.index} ends after {self._start} rows, fewer than its footer "
                "promises. The file is damaged or was replaced while it was read."
            )
        self._batch = following

    def _selected(self, before: int) -> Array:
        """Return the positions in the batch of its first ``before`` rows that belong to the split."""
        selection = self.index.groups[self._group].selection
        if selection is None:
            return np.arange(before)
        low, high = np.searchsorted(selection, [self._start, self._start + before])
        return np.asarray(selection[low:high] - self._start)

    def _count(self, positions: Array) -> int:
        """Return the samples of some rows of the batch, by the candidate column."""
        assert self._batch is not None
        if not self.decoder.grouped:
            return len(positions)
        return int(Lists.of(self._batch.column(self.decoder.candidate_column)).lengths[positions].sum())

    def _decode(self, positions: Array, number: int) -> Chunk:
        """Decode rows at ``positions``, of which the first is the split's row ``number`` of this row group."""
        assert self._batch is not None
        rows, local = self.index.groups[self._group], positions - self._start
        first, num = int(local[0]), len(local)
        if rows.counts is None:
            counts, before = None, self._samples + self._count(self._selected(first))
        else:
            counts, before = rows.counts[number : number + num], int(rows.counts[:number].sum())
        if int(local[-1]) - first + 1 == num:
            batch = self._batch.slice(first, num)
        else:
            batch = self._batch.take(pa.array(local))
        first_sample = int(self.index.first_samples[self._group]) + before
        origin, events = Origin(rows.file, rows.index, positions), self._file.events if self._file else {}
        return self.decoder.decode(batch, origin, first_sample, counts, events)


class IdReader:
    """Read the id columns of samples, as they are stored.

    Args:
        index: The split.
        decoder: Knows the columns.
    """

    def __init__(self, index: SplitIndex, decoder: Decoder) -> None:
        self.index, self.decoder = index, decoder
        self._cached: tuple[int, pa.Table] | None = None

    def read(self, samples: Array) -> pa.Table:
        """Return the id columns of the samples at these positions of the split, in the order given.

        Raises:
            DataError: For a position that the split does not have.
        """
        if len(samples) and not (samples.min() >= 0 and samples.max() < self.index.num_samples):
            raise DataError(
                f"the split has {self.index.num_samples} samples; got places from {samples.min()} to {samples.max()}."
            )
        groups = np.searchsorted(self.index.first_samples, samples, side="right") - 1
        parts, order = [], []
        for group in np.unique(groups):
            positions = np.flatnonzero(groups == group)
            local = samples[positions] - self.index.first_samples[group]
            parts.append(self._table(int(group)).take(pa.array(local)))
            order.append(positions)
        if not parts:
            return self._table(0).slice(0, 0)
        table = pa.concat_tables(parts, promote_options="permissive")
        return table.take(pa.array(np.argsort(np.concatenate(order), kind="stable")))

    def _table(self, group: int) -> pa.Table:
        """Return the id columns of all samples of a row group."""
        if self._cached is None or self._cached[0] != group:
            self._cached = (group, self._load(self.index.groups[group]))
        return self._cached[1]

    def _load(self, rows: RowGroup) -> pa.Table:
        names = list(self.decoder.schema.id_columns)
        grouped = [self.decoder.candidate_column] if self.decoder.grouped else []
        columns = [Column(name, "id_columns", "any", (0, 1, 2)) for name in dict.fromkeys(names + grouped)]
        table = DataFile(rows.file, columns, self.index.kinds).read(rows.index, [column.name for column in columns])
        if rows.selection is not None:
            table = table.take(pa.array(rows.selection))
        counts = np.ones(table.num_rows, np.int64)
        if rows.counts is not None:
            counts = rows.counts
        elif grouped:
            counts = Lists.of(table.column(grouped[0]).combine_chunks()).lengths
        repeat = pa.array(np.repeat(np.arange(len(counts)), counts))
        out = {}
        for name in names:
            array = table.column(name).combine_chunks()
            if arrow.is_list(array.type):
                out[name] = _flat_ids(array, counts, rows, name)
            else:
                out[name] = array.take(repeat) if grouped else array
            if pa.types.is_dictionary(out[name].type):
                out[name] = out[name].dictionary_decode()
        return pa.table(out)


def _flat_ids(array: pa.Array, counts: Array, rows: RowGroup, name: str) -> pa.Array:
    lists = Lists.of(array)
    wrong = np.flatnonzero(lists.lengths != counts)
    if len(wrong):
        origin = Origin(rows.file, rows.index, np.arange(len(counts)))
        problem = f"{lists.lengths[wrong[0]]} ids for {counts[wrong[0]]} candidates."
        raise origin.error(wrong[0], name, problem)
    return array.flatten()
