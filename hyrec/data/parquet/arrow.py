"""Arrow arrays as NumPy arrays, without a step per row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import types

from hyrec.data.hashing import hash_strings, mix64
from hyrec.data.moments import UNITS
from hyrec.data.nested import depth_of as depth_of
from hyrec.data.nested import is_list as is_list
from hyrec.data.nested import is_view as is_view
from hyrec.data.nested import relist as relist
from hyrec.data.packing import Array

_UNITS = {**UNITS, "ns": 10**9}


def is_text(kind: pa.DataType) -> bool:
    """Whether values are strings or bytes, possibly dictionary-encoded."""
    kind = kind.value_type if types.is_dictionary(kind) else kind
    text = (
        types.is_string,
        types.is_large_string,
        types.is_binary,
        types.is_large_binary,
        types.is_fixed_size_binary,
        types.is_string_view,
        types.is_binary_view,
    )
    return any(test(kind) for test in text)


def is_whole(kind: pa.DataType) -> bool:
    """Whether values are integers or booleans, possibly dictionary-encoded."""
    kind = kind.value_type if types.is_dictionary(kind) else kind
    return bool(types.is_integer(kind) or types.is_boolean(kind))


def is_decoded(kind: pa.DataType) -> bool:
    """Whether values of a type, no list, are decoded as they are."""
    if types.is_dictionary(kind):
        return is_text(kind) and is_decoded(kind.value_type)
    if is_whole(kind) or types.is_floating(kind) or types.is_timestamp(kind) or types.is_date(kind):
        return True
    return is_text(kind) and not (types.is_string_view(kind) or types.is_binary_view(kind))


def null_mask(array: pa.Array) -> Array | None:
    """Return where an array is null, or None when it nowhere is."""
    return np.asarray(array.is_null()) if array.null_count else None


def numbers(array: pa.Array) -> tuple[Array, Array | None]:
    """Return the values of a flat numeric array, undefined where null, and where they are null."""
    kind = array.type
    if types.is_null(kind):
        return np.zeros(len(array), np.int8), np.ones(len(array), bool)
    if types.is_dictionary(kind):
        array = array.dictionary_decode()
        kind = array.type
    null = null_mask(array)
    if types.is_boolean(kind):
        return np.asarray(array.fill_null(False).cast(pa.int8())), null
    if types.is_timestamp(kind):
        array = array.cast(pa.int64())
    dtype = np.dtype(array.type.to_pandas_dtype())
    buffer = array.buffers()[1]
    if len(array) == 0 or buffer is None:
        return np.zeros(len(array), dtype), null
    return np.frombuffer(buffer, dtype, len(array), array.offset * dtype.itemsize), null


def seconds(array: pa.Array, unit: Literal["s", "ms", "us"]) -> tuple[Array, Array | None]:
    """Return times as float64 seconds since 1970, and where they are null.

    Args:
        array: Timestamps or dates, which know their unit, or numbers.
        unit: Unit of numbers.
    """
    kind = array.type
    if types.is_date32(kind):
        array = array.cast(pa.timestamp("s"))
    elif types.is_date64(kind):
        array = array.cast(pa.timestamp("ms"))
    per_second = _UNITS[array.type.unit if types.is_timestamp(array.type) else unit]
    values, null = numbers(array)
    return values.astype(np.float64) / per_second, null


def hashes(array: pa.Array) -> tuple[Array, Array | None]:
    """Return stable 64-bit hashes of integers (by their 64 bits, signed or not) or strings, and where they are null."""
    if types.is_null(array.type):
        return np.zeros(len(array), np.uint64), np.ones(len(array), bool)
    if not is_text(array.type):
        values, null = numbers(array)
        bits = values if values.dtype == np.uint64 else values.astype(np.int64).view(np.uint64)
        return mix64(bits), null
    if types.is_dictionary(array.type) and array.dictionary.null_count:
        array = array.dictionary_decode()
    if not types.is_dictionary(array.type):
        array = pc.dictionary_encode(array)
    null = null_mask(array)
    if len(array.dictionary) == 0:
        return np.zeros(len(array), np.uint64), null
    indices, _ = numbers(array.indices.fill_null(0))
    return hash_strings(array.dictionary)[indices], null


@dataclass
class Lists:
    """A list array taken apart: list i is ``values[starts[i] : starts[i] + lengths[i]]``; null is empty."""

    values: pa.Array
    starts: Array
    lengths: Array
    null: Array | None

    @staticmethod
    def of(array: pa.Array) -> Lists:
        """Take a list array apart, whatever its list type and slice."""
        kind, num = array.type, len(array)
        null = null_mask(array)
        if types.is_null(kind):
            return Lists(pa.nulls(0), np.zeros(num, np.int64), np.zeros(num, np.int64), np.ones(num, bool))
        if types.is_fixed_size_list(kind):
            size = kind.list_size
            starts = (np.arange(num, dtype=np.int64) + array.offset) * size
            lengths = np.full(num, size, np.int64)
        else:
            offsets = np.asarray(array.offsets).astype(np.int64)
            starts, lengths = offsets[:-1], np.diff(offsets)
        if null is not None:
            lengths = np.where(null, 0, lengths)
        return Lists(array.values, starts, lengths, null)

    def take(self, at: Array | None) -> Lists:
        """Return some of the lists; -1 stands for one that is not there."""
        if at is None:
            return self
        absent = at < 0
        if not len(self.starts):
            zeros = np.zeros(len(at), np.int64)
            return Lists(self.values, zeros, zeros, np.ones(len(at), bool))
        null = absent if self.null is None else absent | self.null[at]
        lengths = np.where(absent, 0, self.lengths[at])
        return Lists(self.values, self.starts[at], lengths, null)
