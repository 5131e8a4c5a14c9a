"""Days and zones of a log, where the clocks skip a midnight or show one twice."""

from __future__ import annotations

import copy
from datetime import datetime
from zoneinfo import ZoneInfo

import polars as pl
import pytest

from hyrec.data.logs import Recipe, RecipeError
from hyrec.data.logs.times import bound, day_starts, whole_times
from tests.unit.data.test_build_recipe import BASE

# Zone, day and its first moment in UTC.
FIRST_MOMENTS = [
    ("Africa/Cairo", "2023-04-28", "2023-04-27T22:00"),  # 0:00 to 1:00 are skipped
    ("America/Havana", "2023-11-05", "2023-11-05T04:00"),  # 0:00 to 1:00 are shown twice
    ("America/Toronto", "1919-03-31", "1919-03-31T04:30"),  # 23:30 to 0:30 are skipped
    ("Pacific/Apia", "2011-12-30", "2011-12-30T10:00"),  # the whole day is skipped
    ("Asia/Shanghai", "2023-04-28", "2023-04-27T16:00"),
]


def utc(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo("UTC")).timestamp())


@pytest.mark.parametrize(("zone", "day", "first"), FIRST_MOMENTS)
@pytest.mark.parametrize("unit", ["s", "ms"])
def test_a_day_as_a_bound_is_its_first_moment(zone, day, first, unit):
    recipe = copy.deepcopy(BASE)
    recipe["log"] |= {"time_zone": zone, "time_unit": unit}
    assert bound(day, Recipe.from_dict(recipe), "split") == utc(first) * {"s": 1, "ms": 1000}[unit]


@pytest.mark.parametrize(("zone", "day", "first"), [row for row in FIRST_MOMENTS if row[0] != "Pacific/Apia"])
def test_a_moment_of_a_day_belongs_to_the_days_first_moment(zone, day, first):
    moments = [utc(first), utc(first) + 5400, utc(first) + 20 * 3600]
    assert day_starts(moments, zone, "s").tolist() == [utc(first)] * 3


@pytest.mark.parametrize(
    "text", ["2023-04-28T10:00:00", "2023-04-28 10:00:00", "2023-04-28T10:00:00Z", "2023-04-28T18:00:00+08:00"]
)
def test_an_iso_date_time_is_a_time_of_utc_unless_it_says_its_zone(text):
    assert whole_times(pl.Series([text, None]), "ms", "log.time").to_list() == [utc("2023-04-28T10:00") * 1000, None]


def test_an_iso_time_that_cannot_be_read_is_named():
    with pytest.raises(RecipeError, match="'t' holds 'yesterday'"):
        whole_times(pl.Series("t", ["2023-04-28T10:00:00", "yesterday"]), "s", "log.time")
