"""Columns that are derived from others: bins, crosses, parts of dates, and what functions of plugins return."""

from __future__ import annotations

import numpy as np
import polars as pl

from hyrec.data.logs.ids import id_values
from hyrec.data.logs.recipe import Recipe
from hyrec.data.logs.recipe_parts import RecipeError
from hyrec.data.logs.times import check_unit
from hyrec.plugins.discovery import PluginError
from hyrec.plugins.functions import find_function


def bins(values: pl.Series, boundaries: list[float], where: str) -> pl.Series:
    """Return the number of the bin of each value, from 0 on: how many boundaries it is not below."""
    if not (values.dtype.is_numeric() or values.dtype in (pl.Boolean, pl.Null)):
        raise RecipeError(f"{where} makes bins of a column of {values.dtype}; it has to be one of numbers.")
    floats = values.cast(pl.Float64).fill_nan(None)
    number = pl.Series(np.searchsorted(np.array(boundaries), floats.fill_null(0.0).to_numpy(), side="right"))
    return _known(number.cast(pl.Int64), floats.is_not_null())


def cross(parts: list[pl.Series], where: str) -> pl.Series:
    """Return a text for each combination of ids, missing where one of them is; texts differ where an id does."""
    texts = []
    for i, part in enumerate(parts):
        text = id_values(part, where).cast(pl.String)
        texts.append(
            text.str.replace_all("\\", "\\\\", literal=True).str.replace_all("|", "\\|", literal=True).alias(f"{i}")
        )
    return pl.DataFrame(texts).select(pl.concat_str(pl.all(), separator="|")).to_series()


def date_part(values: pl.Series, part: str, recipe: Recipe, where: str) -> pl.Series:
    """Return the year or month of dates or times, in the log's zone."""
    zone, unit = recipe.log.time_zone, recipe.log.time_unit
    if values.dtype == pl.String:
        values = values.str.slice(0, 10).str.to_date("%Y-%m-%d", strict=False)
    elif values.dtype.is_numeric() or values.dtype == pl.Null:
        since = values.cast(pl.Int64, strict=False)
        check_unit(since.drop_nulls().to_numpy(), unit, where)
        values = pl.from_epoch(since, time_unit=unit).dt.replace_time_zone("UTC")
    if not (values.dtype == pl.Date or isinstance(values.dtype, pl.Datetime)):
        raise RecipeError(f"{where} derives a {part} from a column of {values.dtype}; it needs a date or a time.")
    if isinstance(values.dtype, pl.Datetime) and values.dtype.time_zone:
        values = values.dt.convert_time_zone(zone)
    number: pl.Series = (values.dt.year() if part == "year" else values.dt.month()).cast(pl.Int64)
    return number


def called(name: str, parts: list[pl.Series], where: str) -> pl.Series:
    """Return what the function of a plugin makes of columns; missing where there is nothing to call it with."""
    if all(part.dtype == pl.Null for part in parts):
        return parts[0]
    try:
        found = find_function(name)(*parts)
        values = found if isinstance(found, pl.Series) else pl.Series(found)
    except PluginError as error:
        raise RecipeError(f"{where}.derive: {error}.") from error
    except Exception as error:  # a plugin is foreign code: anything may come out of it
        raise RecipeError(f"{where}.derive: {name!r} failed ({type(error).__name__}): {error}") from error
    if len(values) != len(parts[0]):
        raise RecipeError(f"{where}.derive: {name!r} returned {len(values):,} values for {len(parts[0]):,} rows.")
    return values


def _known(values: pl.Series, known: pl.Series) -> pl.Series:
    return pl.select(pl.when(known).then(values)).to_series()
