"""Packed lists in NumPy: the entries of all of them in one array, and offsets that say where each begins."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Array: TypeAlias = npt.NDArray[Any]


def ranges(starts: Array, lengths: Array) -> Array:
    """Return ``start, start + 1, ...`` of every range, one after the other.

    Example:
        >>> ranges(np.array([5, 0]), np.array([2, 3])).tolist()
        [5, 6, 0, 1, 2]
    """
    before = np.cumsum(lengths) - lengths
    index: Array = np.arange(int(lengths.sum()), dtype=np.int64) + np.repeat(starts - before, lengths)
    return index


def to_offsets(lengths: Array) -> Array:
    """Return where each list starts when lists of these lengths are packed, and the end: ``(n + 1,)``."""
    out = np.zeros(len(lengths) + 1, np.int64)
    np.cumsum(lengths, out=out[1:])
    return out


def owners(offsets: Array) -> Array:
    """Return the list of every entry.

    Example:
        >>> owners(np.array([0, 2, 2, 3])).tolist()
        [0, 0, 2]
    """
    return np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))


def list_sums(values: Array, offsets: Array) -> Array:
    """Return the sum of every list, as whole numbers for booleans.

    Example:
        >>> list_sums(np.array([True, True, False]), np.array([0, 2, 2, 3])).tolist()
        [2, 0, 0]
    """
    sums = np.cumsum(values)
    running = np.append(np.zeros(1, sums.dtype), sums)
    between: Array = running[offsets[1:]] - running[offsets[:-1]]
    return between
