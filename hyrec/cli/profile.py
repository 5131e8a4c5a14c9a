"""What the columns of Parquet files hold."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl

from hyrec.messages import CommandError
from hyrec.plain_text import table


def profile(files: Sequence[Path], max_rows: int) -> str:
    """Describe every column of ``max_rows`` rows (0: of all): type, nulls, list lengths, distinct values and range.

    Raises:
        CommandError: For a file that is not Parquet, or files whose columns differ.
    """
    parts: list[pl.DataFrame] = []
    for file in files:
        left = max_rows - sum(part.height for part in parts)
        if max_rows and left <= 0:
            break
        try:
            parts.append(pl.read_parquet(file, n_rows=left if max_rows else None, glob=False))
        except (pl.exceptions.PolarsError, OSError) as error:
            raise CommandError(f"{file} is not a readable Parquet file: {str(error).splitlines()[0]}") from error
    try:
        rows = pl.concat(parts)
    except pl.exceptions.PolarsError as error:
        raise CommandError(
            f"The files have different columns: {str(error).splitlines()[0]}. Profile them one by one."
        ) from error
    header = ["column", "type", "null", "length mean", "p95", "max", "distinct", "range"]
    lines = [[column.name, *_describe(column)] for column in rows]
    return f"{rows.height:,} rows of {len(parts)} file(s)\n" + table(header, lines, right=(2, 3, 4, 5, 6))


def _describe(column: pl.Series) -> list[str]:
    lengths, values = ["", "", ""], column
    if isinstance(column.dtype, (pl.List, pl.Array)):
        lists = column.cast(pl.List(column.dtype.inner))
        sizes = lists.list.len().fill_null(0)
        lengths = [f"{sizes.mean():.1f}", f"{sizes.quantile(0.95):.0f}", f"{sizes.max()}"] if len(sizes) else lengths
        values = lists.explode()
    known, nulls = values.drop_nulls(), f"{column.null_count() / max(1, len(column)):.1%}"
    distinct, least = f"{known.n_unique():,}", ""
    if known.dtype.is_nested():  # it has neither
        distinct = ""
    elif len(known):
        least = f"{_short(known.min())} .. {_short(known.max())}"
    return [str(column.dtype), nulls, *lengths, distinct, least]


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)[:20]
