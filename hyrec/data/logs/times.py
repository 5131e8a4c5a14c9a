"""Times, days and time zones of a log: everything becomes whole numbers since 1970 in the log's unit."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import numpy as np
import polars as pl

from hyrec.data.logs.history import Ints
from hyrec.data.logs.recipe import Recipe
from hyrec.data.logs.recipe_parts import RecipeError
from hyrec.data.moments import UNITS, misfit, parse_iso

SECONDS_A_DAY = 86_400
_SAYS_ZONE = r":\d\d(\.\d+)?\s*([Zz]|[+-]\d\d(:?\d\d)?)$"


def bound(moment: str, recipe: Recipe, where: str) -> int:
    """Return a day or ISO date-time in the log's zone as a time in the log's unit."""
    parsed = parse_iso(moment)
    if parsed is None:
        raise RecipeError(f"{where} is {moment!r}, which is no day or ISO date-time such as 2022-05-03.")
    if parsed.tzinfo is not None:
        return round(parsed.timestamp() * UNITS[recipe.log.time_unit])
    return int(epochs(pl.Series([parsed]), recipe.log.time_zone, recipe.log.time_unit)[0])


def check_zone(zone: str, where: str = "log.time_zone") -> None:
    """Refuse a time zone that does not exist; ``where`` it is written."""
    try:
        _known_epochs(pl.Series([datetime(2000, 1, 1)]), zone)
    except pl.exceptions.PolarsError as error:
        raise RecipeError(f"{where} {zone!r} is no zone that is known; zones are UTC, Asia/Shanghai, ...") from error


def local_times(time: Ints, zone: str, unit: Any) -> pl.Series:
    """Return times as date-times in a zone."""
    return pl.from_epoch(pl.Series(time), time_unit=unit).dt.replace_time_zone("UTC").dt.convert_time_zone(zone)


def epochs(local: pl.Series, zone: str, unit: Any) -> pl.Series:
    """Return local date-times as times.

    Of a date-time that the clocks show twice it is the first, and of one that they skip the moment from which
    on they show a later one.
    """
    known = _known_epochs(local, zone)
    for skipped in local.filter(known.is_null()).drop_nulls().unique():
        there = int((skipped - datetime(1970, 1, 1)).total_seconds())
        around = range(there - 2 * SECONDS_A_DAY, there + 2 * SECONDS_A_DAY)
        shown = local_times(np.array(around), zone, "s").dt.replace_time_zone(None)
        known = known.set(local == skipped, around[int((shown < skipped).sum())] * UNITS["us"])
    return known // (UNITS["us"] // UNITS[unit])


def _known_epochs(local: pl.Series, zone: str) -> pl.Series:
    zoned = local.cast(pl.Datetime("us")).dt.replace_time_zone(zone, ambiguous="earliest", non_existent="null")
    since: pl.Series = zoned.dt.epoch("us")
    return since


def midnights(days: pl.Series, zone: str, unit: Any) -> Ints:
    """Return the first moment of each row's ``log.day``."""
    distinct = days.unique()
    text = distinct.cast(pl.String).str.replace_all("-", "").str.slice(0, 8)
    parsed = text.str.to_datetime("%Y%m%d", strict=False)
    if parsed.null_count():
        bad = distinct.filter(parsed.is_null())[0]
        raise RecipeError(f"log.day: column {days.name!r} holds {bad!r}; a day is 20220503 or 2022-05-03.")
    return _of_distinct(days, distinct, epochs(parsed, zone, unit))


def day_starts(time: Ints, zone: str, unit: Any) -> Ints:
    """Return the first moment of each time's day."""
    days = local_times(time, zone, unit).dt.date()
    distinct = days.unique()
    return _of_distinct(days, distinct, epochs(distinct.cast(pl.Datetime("us")), zone, unit))


def _of_distinct(values: pl.Series, distinct: pl.Series, result: pl.Series) -> Ints:
    found = values.replace_strict(distinct, result, return_dtype=pl.Int64) if len(values) else result
    return found.to_numpy().astype(np.int64)


def whole_times(values: pl.Series, unit: Any, where: str, zone: str = "UTC") -> pl.Series:
    """Return a column of numbers, timestamps or ISO date-times as whole times; of ``zone``, unless they say theirs.

    Raises:
        RecipeError: For what is no time, and for fractions of the unit.
    """
    if values.dtype == pl.String and len(known := values.drop_nulls()) and parse_iso(known[0]) is not None:
        values = _iso_times(values, where, zone)
    if values.dtype in (pl.Datetime, pl.Date):
        if zone != "UTC" and getattr(values.dtype, "time_zone", None) is None:
            return epochs(values.cast(pl.Datetime("us")), zone, unit)
        return values.dt.epoch(unit)
    if not (values.dtype.is_numeric() or values.dtype == pl.Null):
        raise RecipeError(
            f"{where}: column {values.name!r} is {values.dtype}; a time is a number, a timestamp or an ISO date-time."
        )
    if values.dtype.is_float():
        values = values.fill_nan(None)
    whole: pl.Series = values.cast(pl.Int64, strict=False)
    if whole.null_count() > values.null_count():
        raise RecipeError(f"{where}: column {values.name!r} has numbers that are too large for a time in {unit}.")
    if values.dtype.is_float() and not (whole.cast(values.dtype) == values).all():
        raise RecipeError(f"{where}: column {values.name!r} has fractions of {unit}; store a finer unit.")
    return whole


def are_local(values: pl.Series) -> bool:
    """Whether a column holds date-times some of which do not say their zone."""
    known = values.drop_nulls()
    if known.dtype == pl.String:
        is_time = len(known) and parse_iso(known[0]) is not None and ":" in known[0]
        return bool(is_time) and not known.str.contains(_SAYS_ZONE).all()
    return isinstance(known.dtype, pl.Datetime) and known.dtype.time_zone is None


def _iso_times(text: pl.Series, where: str, zone: str) -> pl.Series:
    is_local = ~text.str.contains(_SAYS_ZONE).fill_null(False)
    said, local = (_parsed(text.filter(mask)) for mask in (~is_local, is_local))
    if zone != "UTC":
        there = epochs(local.drop_nulls().dt.replace_time_zone(None), zone, "us")
        there = pl.from_epoch(there, time_unit="us").dt.replace_time_zone("UTC")
        local = local.scatter(local.is_not_null().arg_true(), there)
    places = pl.concat([(~is_local).arg_true(), is_local.arg_true()])
    times = pl.concat([said, local])[places.arg_sort()].alias(text.name)
    if times.null_count() > text.null_count():
        bad = text.filter(times.is_null() & text.is_not_null())[0]
        raise RecipeError(f"{where}: column {text.name!r} holds {bad!r}; write every time as 2022-05-03T10:00:00Z.")
    return times


def _parsed(text: pl.Series) -> pl.Series:
    """Parse date-times that all say their zone, or of which none does; null for other texts."""
    if text.null_count() == len(text):
        return pl.repeat(None, len(text), dtype=pl.Datetime("us", "UTC"), eager=True)
    times: pl.Series = text.str.to_datetime(time_unit="us", time_zone="UTC", strict=False)
    return times


def check_unit(times: Ints, unit: str, where: str, key: str = "log.time_unit") -> list[str]:
    """Return a note where moments lie outside 1990 to 2100, with the unit in which they would lie inside.

    ``key`` of the recipe says the unit.

    Raises:
        RecipeError: When another unit would fit most of the times. Times that fit no unit, such as days that are
            counted from the log's first, are only told.
    """
    found, best, fits_most = misfit(times, unit, where)
    if fits_most:
        allowed = f"Set {key} to {best!r}, or convert" if best in UNITS else "Convert"
        shared = ": the log, the snapshot and the tables share one unit" if key == "log.time_unit" else ""
        raise RecipeError(f"{found}. {allowed} the column{shared}.")
    return [f"{found}."] if found else []
