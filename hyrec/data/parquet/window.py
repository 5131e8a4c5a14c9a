"""How many rows may be shuffled together: what they take in memory once decoded, from footers and the schema alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from hyrec.data.packing import Array
from hyrec.data.parquet.columns import columns_of
from hyrec.data.parquet.epoch_order import Layout
from hyrec.schema import Feature, Schema

GIB = 2**30
_PLACE, _FLOAT, _WIDE = 8, 4, 8  # bytes of an offset, position or count; of a float32; of a time, key or id column


def decoded_bytes(schema: Schema, rows: int, samples: int, entries: Callable[[str], int | None]) -> int:
    """Return the most bytes that stored rows take decoded, where their lists are as long as ``entries`` says.

    Args:
        schema: What is read of each row.
        rows: Stored rows.
        samples: Their samples.
        entries: Entries of all lists of a column, null and empty lists counted as one; None where that is not known,
            and lists count as long as they may be.
    """
    columns = len(schema.features) + len(schema.tasks) + sum(len(spec.features) for spec in schema.sequences.values())
    own = len(schema.tasks) * _FLOAT + (len(schema.id_columns) + 3) * _WIDE  # group, weight and time are the three
    total = rows * _PLACE * (3 + columns) + samples * own  # first sample, candidates, order; a count for each column
    for name, feature in schema.features.items():
        places = samples if schema.is_per_candidate(name) else rows
        if feature.kind in ("multi_id", "weighted_ids"):
            kept = _kept(entries(columns_of(name, feature)[0]), places, feature.max_length)
            total += places * _PLACE + kept * (_size(feature) + _FLOAT * (feature.kind == "weighted_ids"))
        else:
            total += places * feature.width * _size(feature)
    for spec in schema.sequences.values():
        single = {side: feature for side, feature in spec.features.items() if feature.kind != "multi_id"}
        # Where all side information is lists, their entries are at least as many as the events.
        stored = [feature.column or side for side, feature in (single or spec.features).items()]
        known = [entries(column) for column in stored]
        kept = _kept(None if None in known else max(filter(None, known), default=0), rows, spec.max_length)
        event = sum(_size(feature) * max(1, feature.max_length) for feature in spec.features.values()) + _WIDE * bool(
            spec.time_column
        )
        total += rows * _PLACE + kept * event
    return total


def row_bytes(schema: Schema, lengths: Mapping[str, int], candidates: int) -> int:
    """Return ``decoded_bytes`` of one row, by the events of each sequence; no file is read.

    Lists of features are as long as the schema allows, or of one entry where it sets no limit.
    """
    entries = {}
    for name, feature in schema.features.items():
        lists = candidates if schema.is_per_candidate(name) else 1
        entries[columns_of(name, feature)[0]] = max(1, feature.max_length) * lists
    for name, spec in schema.sequences.items():
        entries |= {feature.column or side: lengths[name] for side, feature in spec.features.items()}
    return decoded_bytes(schema, 1, candidates, entries.__getitem__)


def _kept(entries: int | None, lists: int, longest: int) -> int:
    if entries is None:
        return lists * max(1, longest)
    return min(entries, lists * longest) if longest else entries


def _size(feature: Feature) -> int:
    return _WIDE if feature.kind != "dense" and feature.num_ids >= 2**31 else _FLOAT


def rows_within(limit: float, rows: Array, size: Array) -> int | None:
    """Return how many rows always fit into ``limit`` bytes, whichever row groups they are of; None: all of them.

    Inside of a row group, rows count as equally large: a footer does not say which of them have long lists.

    Args:
        limit: Bytes.
        rows: Rows of each row group.
        size: Bytes of each row group.

    Example:
        >>> rows_within(50.0, rows=np.array([10, 10]), size=np.array([20, 40]))
        15
    """
    if size.sum() <= limit:
        return None
    largest_first = np.argsort(-size / rows, kind="stable")
    sizes, counts = (np.concatenate([[0], np.cumsum(column[largest_first])]) for column in (size, rows))
    return max(1, int(np.interp(limit, sizes, counts)))


def told_window(layout: Layout, size: float, num_rows: float, allowed: float) -> str:
    """Return a line on what is shuffled together: of rows of ``size`` bytes, where ``allowed`` GiB may be taken."""
    rows = min(layout.batches_per_window * layout.batch_size * layout.streams, num_rows)
    of = f" in {layout.streams} workers" if layout.streams > 1 else ""
    taken = f"{rows:,.0f} rows{of}, {rows * size / GIB:.2f} GiB in memory"
    return f"Shuffled together: {taken} (data.shuffle_memory allows {allowed:g} GiB a process)"
