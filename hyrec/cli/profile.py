"""What the columns of Parquet files hold."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from hyrec.messages import CommandError
from hyrec.plain_text import table


def profile(files: Sequence[Path], max_rows: int) -> str:
    """Describe every column of ``max_rows`` rows (0: of all): type, nulls, list lengths, distinct values and range.

    Raises:
        CommandError: For a file that is not Parquet, or files whose columns differ.
    """
    parts, left = [], max_rows
    for file in files:
        part = _read(file, left if max_rows else 0)
        parts.append(part)
        left -= part.num_rows
        if max_rows and left <= 0:
            break
    try:
        rows = pa.concat_tables(parts)
    except pa.ArrowInvalid as error:
        raise CommandError(
            f"The files have different columns: {str(error).splitlines()[0]}. Profile them one by one."
        ) from error
    header = ["column", "type", "null", "length mean", "p95", "max", "distinct", "range"]
    lines = [[name, *_describe(rows.column(name))] for name in rows.column_names]
    return f"{rows.num_rows:,} rows of {len(parts)} file(s)\n" + table(header, lines, right=(2, 3, 4, 5, 6))


def _read(file: Path, limit: int) -> pa.Table:
    try:
        source = pq.ParquetFile(file)
        batches = []
        for batch in source.iter_batches(batch_size=min(limit, 65_536) or 65_536):
            batches.append(batch)
            if limit and sum(b.num_rows for b in batches) >= limit:
                break
        rows = pa.Table.from_batches(batches, schema=source.schema_arrow)
    except (pa.ArrowException, OSError) as error:
        raise CommandError(f"{file} is not a readable Parquet file: {str(error).splitlines()[0]}") from error
    return rows.slice(0, limit) if limit else rows


def _describe(column: pa.ChunkedArray) -> list[str]:
    nulls = f"{column.null_count / max(1, len(column)):.1%}"
    lengths = ["", "", ""]
    values: Any = column
    if pa.types.is_list(column.type) or pa.types.is_large_list(column.type) or pa.types.is_fixed_size_list(column.type):
        sizes = pc.list_value_length(column).fill_null(0).to_numpy()
        if len(sizes):
            lengths = [f"{sizes.mean():.1f}", f"{np.percentile(sizes, 95):.0f}", f"{sizes.max()}"]
        values = pc.list_flatten(column)
    return [str(column.type), nulls, *lengths, *_values(values)]


def _values(values: Any) -> list[str]:
    known = values.drop_null()
    if not len(known):
        return ["0", ""]
    try:
        distinct = f"{pc.count_distinct(known).as_py():,}"
        low, high = (pc.min_max(known)[side].as_py() for side in ("min", "max"))
    except pa.ArrowNotImplementedError:  # nested types have neither
        return ["", ""]
    return [distinct, f"{_short(low)} .. {_short(high)}"]


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)[:20]
