"""What the columns of Parquet files hold, without a schema."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from hyrec.data.parquet.policy import DataError
from hyrec.parquet import open_parquet


@dataclass(frozen=True)
class ColumnFigures:
    """A column: shares, counts and texts, as a table shows them.

    Args:
        type: Its type.
        null: Share of nulls.
        lengths: Of lists: mean, 95 % and largest length. None for other columns.
        distinct: Distinct values (of lists: of their entries). None for nested ones.
        range: Least and largest value, as texts; empty without any.
    """

    type: str
    null: float
    lengths: tuple[float, float, int] | None
    distinct: int | None
    range: tuple[str, ...]


@dataclass(frozen=True)
class Columns:
    """Columns of files, of the first rows of each."""

    rows: int
    rows_read: int
    files: int
    columns: dict[str, ColumnFigures]


def describe_columns(files: Sequence[Path], max_rows: int) -> Columns:
    """Describe every column of ``max_rows`` rows (0: of all), as many of each file as are its due.

    Raises:
        DataError: For a file that is not Parquet, or files whose columns differ.
    """
    counts = [num_rows(file) for file in files]
    total = sum(counts)
    share = min(1.0, max_rows / max(1, total)) if max_rows else 1.0
    parts = [_read(file, round(count * share)) for file, count in zip(files, counts, strict=True)]
    try:
        rows = pl.concat(parts)
    except pl.exceptions.PolarsError as error:
        raise DataError(
            f"The files have different columns: {str(error).splitlines()[0]}. Profile them one by one."
        ) from error
    return Columns(total, rows.height, len(files), {column.name: _describe(column) for column in rows})


def num_rows(file: Path) -> int:
    """Return the rows of a Parquet file.

    Raises:
        DataError: For a file that is not Parquet.
    """
    try:
        return int(open_parquet(file).metadata.num_rows)
    except (OSError, ValueError) as error:
        raise _unreadable(file, error) from error


def _read(file: Path, rows: int) -> pl.DataFrame:
    try:
        return pl.read_parquet(file, n_rows=rows, glob=False)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise _unreadable(file, error) from error


def _unreadable(file: Path, error: Exception) -> DataError:
    return DataError(f"{file} is not a readable Parquet file: {str(error).splitlines()[0]}")


def _describe(column: pl.Series) -> ColumnFigures:
    lengths, values = None, column
    if isinstance(column.dtype, (pl.List, pl.Array)):
        lists = column.cast(pl.List(column.dtype.inner))
        sizes = lists.list.len().fill_null(0).to_numpy()
        if len(sizes):
            p95 = float(pl.Series(sizes).quantile(0.95) or 0)
            lengths = float(sizes.mean()), p95, int(sizes.max())
        values = lists.explode()
    known = values.drop_nulls()
    nested = known.dtype.is_nested()  # these have neither distinct values nor a range
    ends = () if nested or not len(known) else (_short(known.min()), _short(known.max()))
    null = column.null_count() / max(1, len(column))
    return ColumnFigures(str(column.dtype), null, lengths, None if nested else known.n_unique(), ends)


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)[:20]
