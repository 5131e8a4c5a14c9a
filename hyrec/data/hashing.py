"""Stable hashes of ids: the same value has the same hash in every process, version and machine."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa

_FNV_OFFSET = np.uint64(0xCBF29CE484222325)
_FNV_PRIME = np.uint64(0x100000001B3)


def mix64(values: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """Mix 64-bit integers with the splitmix64 finaliser, a bijection that spreads neighbours apart."""
    with np.errstate(over="ignore"):
        x = values + np.uint64(0x9E3779B97F4A7C15)
        x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        mixed: npt.NDArray[np.uint64] = x ^ (x >> np.uint64(31))
    return mixed


def hash_strings(array: pa.Array) -> npt.NDArray[np.uint64]:
    """Hash strings or bytes: 64-bit FNV-1a over the UTF-8 bytes, then ``mix64``. Nulls hash as "".

    Works on all strings at once, one byte position at a time, on the ones that are that long.
    """
    array = array.cast(pa.large_binary())
    num = len(array)
    hashes = np.full(num, _FNV_OFFSET, dtype=np.uint64)
    if num == 0:
        return hashes
    _, offsets_buffer, data_buffer = array.buffers()
    offsets = np.frombuffer(offsets_buffer, np.int64, num + 1, array.offset * 8)
    data = np.frombuffer(data_buffer, np.uint8) if data_buffer is not None else np.zeros(0, np.uint8)
    lengths = np.diff(offsets)
    if array.null_count:
        lengths = np.where(np.asarray(array.is_null()), 0, lengths)
    order = np.argsort(-lengths, kind="stable")
    starts, lengths = offsets[:-1][order], lengths[order]
    ordered = hashes[order]
    with np.errstate(over="ignore"):
        for position in range(int(lengths[0])):
            active = int(np.searchsorted(-lengths, -position, side="left"))
            ordered[:active] = (ordered[:active] ^ data[starts[:active] + position]) * _FNV_PRIME
    hashes[order] = ordered
    return mix64(hashes)


def to_buckets(hashes: npt.NDArray[np.uint64], num_buckets: int) -> npt.NDArray[np.int64]:
    """Return the bucket of each hash, ``0 .. num_buckets - 1``."""
    buckets: npt.NDArray[np.int64] = (hashes % np.uint64(num_buckets)).astype(np.int64)
    return buckets
