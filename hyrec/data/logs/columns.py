"""The value of a recipe's column for every row, before it becomes an id or a float."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import polars as pl
from numpy.typing import NDArray

from hyrec.data.logs.derived import bins, called, cross, date_part
from hyrec.data.logs.history import Ints
from hyrec.data.logs.ids import id_values
from hyrec.data.logs.recipe import Recipe
from hyrec.data.logs.recipe_parts import LOG, Column, RecipeError
from hyrec.data.logs.rows import Rows, Values
from hyrec.data.logs.times import SECONDS_A_DAY, check_unit, epochs, local_times
from hyrec.data.moments import UNITS
from hyrec.data.packing import to_offsets

Signature: TypeAlias = tuple[str | tuple[str, ...] | tuple[float, ...], ...]


def signature(name: str, column: Column) -> Signature:
    """Return what tells two columns' values apart; equal signatures have equal values."""
    made_of = (column.derive, *column.columns), tuple(column.boundaries if column.derive == "bins" else ())
    return column.source, column.column or name, column.kind, *made_of, column.per, column.separator


def column_values(rows: Rows, time: Ints | None, name: str, column: Column, recipe: Recipe, where: str) -> Values:
    """Return the value for each row: whole numbers or strings for ids (lists for ``multi_id``), float32 for numbers.

    Of the snapshot's events, whose ``time`` is None, the log's columns are null. ``where`` is for messages.
    """
    dtype = pl.Int64 if column.kind == "id" else pl.Float32
    if column.is_of_moment:
        if time is None:
            return Values(pl.repeat(None, rows.height, dtype=dtype, eager=True).alias(name))
        local = local_times(time, recipe.log.time_zone, recipe.log.time_unit)
        return Values(getattr(local.dt, column.derive)().cast(dtype))
    stored = _stored(rows, name, column, where)
    values = stored.entries
    if column.derive == "bins":
        values = bins(values, column.boundaries, where)
    if column.derive in ("year", "month"):
        values = date_part(values, column.derive, recipe, where)
    if column.kind == "multi_id":
        return Values(_lists(values, column, where), stored.index)
    if column.derive == "age" and time is not None:
        return Values(_age_in_days(stored.by_row(), time, recipe, where))
    if column.derive == "first":
        values = _lists(values, column, where).list.first()
    if column.kind == "id":
        return Values(id_values(values, where), stored.index)
    if not (values.dtype.is_numeric() or values.dtype in (pl.Boolean, pl.Null)):
        raise RecipeError(
            f"{where} is dense but its column is {values.dtype}{_no_number(values)}: write "
            "numbers, decimals with a point, or use kind: id."
        )
    values = values.cast(pl.Float64)
    if column.per:
        per = rows.values(_full_name(column.per, column.source)).entries
        if not (per.dtype.is_numeric() or per.dtype in (pl.Boolean, pl.Null)):
            raise RecipeError(f"{where}.per is {column.per!r}, a column of {per.dtype}; it has to be one of numbers.")
        per = per.cast(pl.Float64)
        values = pl.select(pl.when(per != 0).then(values / per)).to_series()
    return Values(values.cast(pl.Float32).fill_nan(None), stored.index)


def _stored(rows: Rows, name: str, column: Column, where: str) -> Values:
    """Return what the column is made of, as it is stored; of several columns what they make together."""
    if not column.columns:
        as_id = column.kind != "dense" and column.derive not in ("bins", "year", "month")
        return rows.values(_full_name(column.column or name, column.source), as_id=as_id)
    is_cross = column.derive == "cross"
    parts = [rows.values(_full_name(part, column.source), as_id=is_cross) for part in column.columns]
    index = parts[0].index if column.source != LOG else None
    series = [part.by_row() if column.source == LOG else part.entries for part in parts]
    made = cross(series, where) if is_cross else called(column.derive, series, where)
    return Values(made.alias(name), index)


def _full_name(column: str, source: str) -> str:
    return column if source == LOG else f"{source}.{column}"


def _no_number(values: pl.Series) -> str:
    """Return the first text that is no number."""
    texts = values.drop_nulls() if values.dtype == pl.String else pl.Series([], dtype=pl.String)
    wrong = texts.filter(texts.cast(pl.Float64, strict=False).is_null())
    return f" ({wrong[0]!r} is no number)" if len(wrong) else ""


def _lists(values: pl.Series, column: Column, where: str) -> pl.Series:
    if isinstance(values.dtype, pl.Array):
        values = values.arr.to_list()
    if column.separator and not values.dtype.is_nested():
        text = pl.col("v").cast(pl.String).str.split(column.separator)
        parts = text.list.eval(pl.element().str.strip_chars()).list.eval(pl.element().filter(pl.element() != ""))
        values = values.alias("v").to_frame().select(parts).to_series()
    if values.dtype == pl.Null:
        values = values.cast(pl.List(pl.Int64))
    if values.dtype != pl.List:
        raise RecipeError(f"{where} reads a column of {values.dtype} as lists: name the separator, or use kind: id.")
    return values


def _age_in_days(values: pl.Series, time: Ints, recipe: Recipe, where: str) -> pl.Series:
    unit = recipe.log.time_unit
    if values.dtype == pl.String:
        values = values.str.slice(0, 10).str.to_date("%Y-%m-%d", strict=False)
    if isinstance(values.dtype, pl.Datetime) and values.dtype.time_zone:
        since = values.dt.epoch(unit)
    elif values.dtype in (pl.Date, pl.Datetime):
        since = epochs(values, recipe.log.time_zone, unit)
    elif values.dtype.is_numeric() or values.dtype == pl.Null:
        since = values.cast(pl.Int64, strict=False)
        check_unit(since.drop_nulls().to_numpy(), unit, where)
    else:
        raise RecipeError(f"{where} derives an age from a column of {values.dtype}; it needs a date or a time.")
    days = (pl.Series(time) - since).cast(pl.Float64) / (SECONDS_A_DAY * UNITS[unit])
    floats: pl.Series = days.cast(pl.Float32)
    return floats


def flat(values: pl.Series) -> tuple[pl.Series, Ints]:
    """Return the entries of a list column and the ``(N + 1,)`` offsets; a null list is an empty one."""
    lengths = values.list.len().fill_null(0).to_numpy().astype(np.int64)
    entries = values.filter(pl.Series(lengths > 0)).explode()
    return entries.cast(pl.Int64) if entries.dtype == pl.Null else entries, to_offsets(lengths)


def statistics(
    values: NDArray[np.float32], num_buckets: int, boundaries: list[float]
) -> tuple[float, float, list[float]]:
    """Return mean, standard deviation and bucket limits of the known values (of the training span).

    Limits that coincide are one limit, so a column of few distinct values gets fewer buckets than asked for.
    """
    known = values[~np.isnan(values)].astype(np.float64)
    if not len(known):
        return 0.0, 1.0, boundaries or [0.0]
    mean, std = float(known.mean()), float(known.std())
    if num_buckets:
        limits = np.quantile(known, np.arange(1, num_buckets) / num_buckets).astype(np.float32)
        boundaries = [float(limit) for limit in np.unique(limits)] or [float(known[0])]
    return mean, std if std > 0 else 1.0, boundaries
