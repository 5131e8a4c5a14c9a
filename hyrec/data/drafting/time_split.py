"""Days and hours of a log, and where it is parted by time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import numpy as np
import polars as pl

from hyrec.data.drafting.columns import share
from hyrec.data.drafting.roles import Roles, Why
from hyrec.data.logs.history import Ints
from hyrec.data.logs.recipe_parts import RecipeError
from hyrec.data.logs.times import SECONDS_A_DAY, local_times, whole_times
from hyrec.data.moments import UNITS

_LAST_DAY, _FITS = 0.03, 0.95
"""Shares of the rows: what the last two days need each for a split by days, and whose days tell a time zone."""


@dataclass(frozen=True)
class DraftedSplit:
    """Where the log is parted, and what it then holds.

    Args:
        validate_from: First moment of the validation rows.
        test_from: First moment of the test rows.
        num_days: Days that the log has.
        known_users: Share of the test rows whose user has rows that train.
        later_days: Share of all rows that are not of their user's first day.
        why: Why there.
    """

    validate_from: str
    test_from: str
    num_days: int
    known_users: float
    later_days: float
    why: Why


def time_zone(roles: Roles) -> tuple[str, Why]:
    """Return the zone in which a column of days has the days of the times."""
    unknown = "UTC", Why("no column tells: hours and days are of this zone", sure=False)
    days = [name for name, seen in roles.log.guesses.items() if seen.kind == "day"]
    if not days or not roles.is_clock:
        return unknown
    rows = roles.log.sample.drop_nulls([days[0], roles.time])
    seconds = whole_times(rows[roles.time], roles.unit, "log.time").to_numpy() // UNITS[roles.unit]
    text = rows[days[0]].cast(pl.String).str.replace_all("-", "").str.slice(0, 8)
    day = text.str.to_date("%Y%m%d", strict=False).to_physical().to_numpy()
    fits = {hours: float(((seconds + 3600 * hours) // SECONDS_A_DAY == day).mean()) for hours in range(-12, 15)}
    best = max(fits, key=lambda hours: (fits[hours], -abs(hours)))
    if fits[best] < _FITS:
        return unknown
    zone = f"Etc/GMT{-best:+d}" if best else "UTC"
    return zone, Why(f"{days[0]!r} has the days of this zone in {fits[best]:.1%} of the rows")


def split_by_time(roles: Roles, zone: str) -> DraftedSplit:
    """Part the rows by time: the last day tests, the day before validates; 80/10/10 where days are few or small."""
    time = whole_times(roles.log.column(roles.time), roles.unit, "log.time")
    rows = pl.DataFrame([time.alias("time"), roles.log.ids(roles.user).alias("user")]).drop_nulls().sort("time")
    moments = rows["time"].to_numpy()
    days = local_times(moments, zone, roles.unit).dt.date()
    sizes = days.value_counts().sort(days.name)
    last = sizes.tail(2)
    if sizes.height >= 3 and (last["count"] / rows.height).min() >= _LAST_DAY:  # type: ignore[operator]
        bounds = [str(day) for day in last[days.name]]
        starts = [int(days.search_sorted(day)) for day in last[days.name]]
        why = f"the last of {sizes.height} days tests, the day before validates"
    else:
        starts = _quantiles(moments, roles.time)
        there = local_times(moments[starts], zone, roles.unit).dt.replace_time_zone(None).cast(pl.Datetime("us"))
        bounds = [moment.isoformat() for moment in there if isinstance(moment, datetime)]
        why = f"80/10/10 by time: of the log's {sizes.height:,} days the last two are too few or too small"
    users = rows["user"]
    known = share(users[starts[1] :].is_in(users[: starts[0]].unique().implode()))
    later = share(
        pl.DataFrame([users, days.alias("day")]).select(pl.col("day") > pl.col("day").min().over("user"))["day"]
    )
    if not roles.is_clock:
        why = f"80/10/10 by {roles.time!r}, which tells no days; if it counts each user's rows, long histories test"
    why = f"{why}; {known:.0%} of the test rows are by users of train"
    return DraftedSplit(bounds[0], bounds[1], sizes.height, known, later, Why(why, roles.is_clock))


def _quantiles(moments: Ints, name: str) -> list[int]:
    """Return the first row of validation and test, so that no moment is on both sides."""
    starts, least = [], moments[:1] + 1
    for part in (0.8, 0.9):
        moment = np.maximum(moments[int(part * len(moments))], least)
        starts.append(int(np.searchsorted(moments, moment)[0]))
        if starts[-1] >= len(moments):
            raise RecipeError(f"Column {name!r} has too few different times for rows that train, validate and test.")
        least = moments[starts[-1] :][:1] + 1
    return starts
