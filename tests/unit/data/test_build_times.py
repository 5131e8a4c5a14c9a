"""Days and zones of a log, where the clocks skip a midnight or show one twice."""

from __future__ import annotations

import copy
from datetime import datetime
from zoneinfo import ZoneInfo

import polars as pl
import pytest

from hyrec.data.logs import Recipe, RecipeError, build
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


@pytest.mark.parametrize("zone", ["UTC", "Asia/Shanghai"])
@pytest.mark.parametrize("swapped", [False, True])
def test_iso_times_of_which_some_say_their_zone_are_read_together(zone, swapped):
    texts = ["2023-04-28T10:00:00", None, "2023-04-28T18:00:00.5+08:00", "2023-04-28T10:00:00Z", "2023-04-28 10:00:00"]
    first = utc("2023-04-28T10:00") - (8 * 3600 if zone == "Asia/Shanghai" else 0)
    times = [first * 1000, None, utc("2023-04-28T10:00") * 1000 + 500, utc("2023-04-28T10:00") * 1000, first * 1000]
    order = [3, 2, 1, 0, 4] if swapped else [0, 1, 2, 3, 4]
    read = whole_times(pl.Series([texts[i] for i in order]), "ms", "log.time", zone)
    assert read.to_list() == [times[i] for i in order]


LOCAL = ["2023-11-15T10:00:00", "2023-11-16T10:00:00", "2023-11-17T10:00:00", "2023-11-18T10:00:00Z"]


def test_the_logs_local_times_are_those_of_its_naive_zone_and_a_zone_that_is_said_counts(tmp_path):
    rows = {"user_id": [1] * 4, "video_id": [1, 2, 3, 4], "time": LOCAL, "is_click": [0, 1, 0, 1]}
    pl.DataFrame(rows).write_csv(tmp_path / "log.csv")
    recipe = {
        "log": {"files": ["log.csv"], "user": "user_id", "item": "video_id", "time": "time", "outcomes": ["is_click"]},
        "split": {"validate_from": "2023-11-17", "test_from": "2023-11-18"},
        "tasks": {"is_click": {}},
        "features": {"video_id": {}},
    }
    recipe["log"] |= {"naive_zone": "Asia/Shanghai"}
    build(Recipe.from_dict(recipe), tmp_path, tmp_path / "out")
    times = pl.concat([pl.read_parquet(tmp_path / "out" / f"{s}.parquet") for s in ("train", "validate", "test")])[
        "time"
    ]
    said = ["2023-11-15T02:00", "2023-11-16T02:00", "2023-11-17T02:00", "2023-11-18T10:00"]
    assert times.to_list() == [utc(text) for text in said]


def test_a_naive_zone_that_does_not_exist_is_refused(tmp_path):
    pl.DataFrame({"user_id": [1], "time": LOCAL[:1]}).write_csv(tmp_path / "log.csv")
    recipe = copy.deepcopy(BASE)
    recipe["log"] |= {"naive_zone": "Europe/Berlim"}
    with pytest.raises(RecipeError, match=r"log.naive_zone 'Europe/Berlim' is no zone"):
        build(Recipe.from_dict(recipe), tmp_path, tmp_path / "out")
