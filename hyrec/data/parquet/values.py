"""From stored values to those that models see: ids, numbers, labels, times, keys; and what is counted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
import pyarrow as pa

from hyrec.data.hashing import to_buckets
from hyrec.data.moments import SINCE, UNITS, UNTIL, misfit
from hyrec.data.packing import Array, ranges
from hyrec.data.parquet import arrow
from hyrec.data.parquet.arrow import Lists
from hyrec.data.parquet.policy import DataError, Handled, Policies
from hyrec.schema import MISSING_ID, NUM_RESERVED_IDS, OOV_ID, PADDING_ID, Feature, Task

_MANY = 20
"""Moments that say which unit they are in, when most of them agree."""

RowsOf: TypeAlias = Callable[[Array], Array]
"""Leads from positions of values to the rows that they stand in."""
At: TypeAlias = "Array | slice | None"
"""Which values of an Arrow array are meant: all, a slice, or by index, where -1 stands for an absent one."""


@dataclass(frozen=True)
class Origin:
    """Where rows come from: a file, a row group (None: one that has none), and the number of each row in it.

    They are for messages.
    """

    file: str
    group: int | None
    rows: Array

    def error(self, row: Any, column: str, problem: str) -> DataError:
        """Return the error of one row of one column."""
        group = "" if self.group is None else f" row group {self.group},"
        where = f"{self.file},{group} row {int(self.rows[int(row)])}, column {column!r}"
        return DataError(f"{where}: {problem}")


class ValueDecoder:
    """Decode the values of one record batch as the policies say, and note what was handled in which row.

    Args:
        policies: What to do with values that cannot be used as they are.
        origin: Where the rows come from.
    """

    def __init__(self, policies: Policies, origin: Origin) -> None:
        self.policies, self.origin = policies, origin
        self.notes: dict[Handled, Array] = {}

    def note(self, column: str, reason: str, rows: Array, counts: Array | None = None) -> None:
        """Count one value (or ``counts`` values) for each entry of ``rows``."""
        if not len(rows):
            return
        found = np.bincount(rows, weights=counts, minlength=len(self.origin.rows)).astype(np.int64)
        known = self.notes.get((column, reason))
        self.notes[column, reason] = found if known is None else known + found

    def note_where(self, column: str, reason: str, mask: Array | None, rows_of: RowsOf) -> None:
        """Count the values where ``mask`` is True."""
        if mask is not None and mask.any():
            self.note(column, reason, rows_of(np.flatnonzero(mask)))

    def ids(self, array: pa.Array, at: At, feature: Feature, column: str, rows_of: RowsOf) -> Array:
        """Map stored ids to final ids, ``0 .. feature.num_ids - 1``; int32 where that is enough."""
        outside = negative = None
        if feature.hash_size:
            hashed, null = arrow.hashes(array)
            values, null, absent = _pick(hashed, null, at)
            ids = to_buckets(values, feature.hash_size) + NUM_RESERVED_IDS
        else:
            stored, null = arrow.numbers(array)
            values, null, absent = _pick(stored, null, at)
            ids, negative, outside = _shift(values, feature)
        negative, outside = _unless(negative, null), _unless(outside, null)
        if negative is not None and negative.any():
            if self.policies.negative == "error":
                problem = "a negative id, which the policy negative=error does not allow"
                raise self._error(column, negative, rows_of, values, problem)
            self.note_where(column, "negative", negative, rows_of)
            ids[negative] = MISSING_ID if self.policies.negative == "missing" else OOV_ID
        if outside is not None and outside.any():
            if self.policies.out_of_range == "error":
                problem = (
                    f"an id outside vocab_size={feature.vocab_size} (offset {feature.offset} included), "
                    "which the policy out_of_range=error does not allow"
                )
                raise self._error(column, outside, rows_of, values, problem)
            self.note_where(column, "out_of_range", outside, rows_of)
            ids[outside] = OOV_ID
        if null is not None:
            ids[null] = MISSING_ID
            self.note_where(column, "null", _unless(null, absent), rows_of)
        return ids.astype(np.int32) if feature.num_ids < 2**31 else ids

    def id_lists(self, array: pa.Array, at: At, feature: Feature, column: str, rows_of: RowsOf) -> Array:
        """Map lists of stored ids to final ids ``(N, max_length)``: the first ones of each, padding behind them."""
        lists, (places, _, _) = Lists.of(array), _pick(np.arange(len(array)), None, at)
        if lists.null is not None:
            self.note_where(column, "null_list", lists.null[places], rows_of)
        lengths = np.minimum(lists.lengths[places], feature.max_length)
        owner = np.repeat(np.arange(len(places)), lengths)
        index = ranges(lists.starts[places], lengths)
        ids = self.ids(lists.values, index, feature, column, lambda positions: rows_of(owner[positions]))
        out = np.full((len(places), feature.max_length), PADDING_ID, ids.dtype)
        out[owner, ranges(np.zeros_like(lengths), lengths)] = ids
        return out

    def _error(self, column: str, wrong: Array, rows_of: RowsOf, values: Array, problem: str) -> DataError:
        first = np.flatnonzero(wrong)[:1]
        return self.origin.error(rows_of(first)[0], column, f"{values[first[0]]} is {problem}.")

    def dense(self, array: pa.Array, at: At, column: str, rows_of: RowsOf) -> Array:
        """Return float32 numbers, NaN where there is none."""
        stored, null = arrow.numbers(array)
        values, null, absent = _pick(stored, null, at)
        with np.errstate(over="ignore", invalid="ignore"):
            out = values.astype(np.float32)
        if null is not None:
            out[null] = np.nan
        finite = np.isfinite(out)
        if not finite.all():
            missing = np.isnan(out)
            self.note_where(column, "null", _unless(missing, absent), rows_of)
            self.note_where(column, "not_finite", ~finite & ~missing, rows_of)
            out[~finite] = np.nan
        return out

    def weights(self, array: pa.Array, at: At, feature: Feature, column: str, rows_of: RowsOf) -> Array:
        """Return float32 weights of ids, transformed as the feature says, 0 where there is none."""
        stored, null = arrow.numbers(array)
        values, null, _ = _pick(stored, null, at)
        with np.errstate(over="ignore", invalid="ignore"):
            out = values.astype(np.float32)
        missing = ~np.isfinite(out) if null is None else null | ~np.isfinite(out)
        self.note_where(column, "null_weight", missing, rows_of)
        out[missing] = 0.0
        return np.sign(out) * np.log1p(np.abs(out)) if feature.transform == "log1p" else out

    def sample_weights(self, array: pa.Array, at: At, column: str, rows_of: RowsOf) -> Array:
        """Return float32 weights of samples; each must be a number of at least 0."""
        stored, null = arrow.numbers(array)
        values, null, _ = _pick(stored, null, at)
        out = values.astype(np.float32)
        if null is not None:
            out[null] = np.nan
        wrong = ~(np.isfinite(out) & (out >= 0))
        if wrong.any():
            first = np.flatnonzero(wrong)[:1]
            problem = f"a sample weight must be a number of at least 0, got {out[first[0]]} (NaN stands for null)."
            raise self.origin.error(rows_of(first)[0], column, problem)
        return out

    def labels(self, array: pa.Array, at: At, task: Task, column: str, rows_of: RowsOf) -> Array:
        """Return float32 labels: 0, 1, or NaN where unknown."""
        stored, null = arrow.numbers(array)
        values, null, _ = _pick(stored, null, at)
        out = task.is_positive(values).astype(np.float32)
        is_float = values.dtype.kind == "f"
        unknown = np.isnan(values) if is_float else np.zeros(len(values), bool)
        if null is not None:
            unknown = unknown | null
        if is_float and (infinite := np.isinf(values) & ~unknown).any():
            raise self._error(column, infinite, rows_of, values, "no label; write a number, or null where unknown")
        if task.threshold and not task.positive:
            self.note_where(column, "at_threshold", (values == task.threshold) & ~unknown, rows_of)
        self.note_where(column, "null_label", unknown, rows_of)
        out[unknown] = np.nan
        return out

    def keys(self, array: pa.Array, at: At, column: str, rows_of: RowsOf) -> Array:
        """Return int64 keys of groups: integers as they are, strings hashed to 63 bits; null is an error."""
        if arrow.is_text(array.type):
            hashed, null = arrow.hashes(array)
            stored = (hashed >> np.uint64(1)).astype(np.int64)
        else:
            stored, null = arrow.numbers(array)
        values, null, _ = _pick(stored, null, at)
        if null is not None and null.any():
            row = rows_of(np.flatnonzero(null)[:1])[0]
            raise self.origin.error(row, column, "the group is null; every sample needs one.")
        return values.astype(np.int64)

    def integers(self, array: pa.Array, at: At, column: str, rows_of: RowsOf) -> Array:
        """Return int64 values to carry along, -1 for null."""
        stored, null = arrow.numbers(array)
        values, null, _ = _pick(stored, null, at)
        out = values.astype(np.int64)
        if null is not None:
            self.note_where(column, "null_id_column", null, rows_of)
            out[null] = -1
        return out

    def seconds(self, array: pa.Array, at: At, unit: Literal["s", "ms", "us"], column: str, rows_of: RowsOf) -> Array:
        """Return float64 seconds since 1970; null is an error."""
        values, unknown = self._seconds(array, at, unit, column, rows_of)
        if unknown.any():
            row = rows_of(np.flatnonzero(unknown)[:1])[0]
            raise self.origin.error(row, column, "the time is null or no number; remove the row.")
        return values

    def event_seconds(
        self, array: pa.Array, at: At, unit: Literal["s", "ms", "us"], column: str, rows_of: RowsOf
    ) -> Array:
        """Return float64 seconds since 1970; NaN for an event whose time is not known."""
        values, unknown = self._seconds(array, at, unit, column, rows_of)
        self.note_where(column, "null_time", unknown, rows_of)
        return np.where(unknown, np.nan, values)

    def _seconds(
        self, array: pa.Array, at: At, unit: Literal["s", "ms", "us"], column: str, rows_of: RowsOf
    ) -> tuple[Array, Array]:
        stored, null = arrow.seconds(array, unit)
        values, null, _ = _pick(stored, null, at)
        unknown = ~np.isfinite(values) if null is None else null | ~np.isfinite(values)
        if len(values) and not (values.min() >= SINCE and values.max() < UNTIL):
            odd = ((values < SINCE) | (values >= UNTIL)) & ~unknown
            if odd.any():
                self._odd_times(
                    values, odd, ~unknown, unit, column, rows_of, is_number=not pa.types.is_temporal(array.type)
                )
        return values, unknown

    def _odd_times(
        self, values: Array, odd: Array, known: Array, unit: str, column: str, rows_of: RowsOf, *, is_number: bool
    ) -> None:
        """Count moments that no log has; when another unit fits most of many, that is an error."""
        found, best, fits_most = misfit(values[known] * UNITS[unit], unit, "read") if is_number else ("", "", False)
        if fits_most and known.sum() >= _MANY:
            change = f"Set time_unit: {best}, or convert" if best in UNITS else "Convert"
            problem = f"{found}. {change} the column: all times share one unit."
            raise self.origin.error(rows_of(np.flatnonzero(odd)[:1])[0], column, problem)
        self.note_where(column, f"odd_time_{best}" if best else "odd_time", odd, rows_of)


def _pick(values: Array, null: Array | None, at: At) -> tuple[Array, Array | None, Array | None]:
    """Return the values meant by ``at``, where they are null, and where they are absent."""
    if at is None:
        return values, null, None
    if isinstance(at, slice):
        return values[at], None if null is None else null[at], None
    absent = at < 0
    if not absent.any():
        return values[at], None if null is None else null[at], None
    if not len(values):
        return np.zeros(len(at), values.dtype), absent, absent
    return values[at], absent if null is None else absent | null[at], absent


def _unless(mask: Array | None, other: Array | None) -> Array | None:
    return mask if mask is None or other is None else mask & ~other


def _shift(values: Array, feature: Feature) -> tuple[Array, Array | None, Array | None]:
    """Return ids with the offset added, where the stored id is negative, and where the id is out of range."""
    if values.dtype == np.uint64:
        huge = values >= np.uint64(2**62)
        ids = np.where(huge, np.uint64(2**62), values).astype(np.int64) + feature.offset
    else:
        ids = values.astype(np.int64)
        if feature.offset:
            ids = np.minimum(ids, 2**62) + feature.offset
    if not len(ids):
        return ids, None, None
    negative = values < 0 if values.dtype.kind == "i" and values.min() < 0 else None
    outside = None
    if ids.max() >= feature.vocab_size or ids.min() < 0:
        outside = (ids >= feature.vocab_size) | (ids < 0)
        outside = outside if negative is None else outside & ~negative
    return ids, negative, outside
