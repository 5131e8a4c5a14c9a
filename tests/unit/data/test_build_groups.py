"""What a recipe groups by, and the warning of counters that rank the rows of a group backwards."""

from __future__ import annotations

import copy
import dataclasses
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from hyrec.data.logs import BuildReport, Recipe, RecipeError, build
from hyrec.data.logs.groups import ordered_pairs
from hyrec.schema import Schema

DAY = 86_400
RECIPE = yaml.safe_load("""
log: {files: [log.parquet], user: user, item: item, time: time, outcomes: [click]}
split: {validate_from: 1970-01-03, test_from: 1970-01-05}
tasks: {click: {}}
features: {item: {}}
counters: {own: {keys: [user], positive: [{column: click}], values: [rate], refresh: day}}
""")
DAYS = 8


def log() -> pl.DataFrame:
    """Return eight days of five users with three impressions a day, all clicked on even days and none on odd ones."""
    rows = [(user, day, n) for user in range(5) for day in range(DAYS) for n in range(3)]
    return pl.DataFrame(
        {
            "user": [user for user, _, _ in rows],
            "item": [f"{user} {day} {n}" for user, day, n in rows],
            "time": [day * DAY + 100 * n for _, day, n in rows],
            "date": [19700101 + day for _, day, _ in rows],
            "request": [None if (day, n) == (0, 0) else user % 2 for user, day, n in rows],
            "click": [int((day + (n == 2)) % 2 == 0) for _, day, n in rows],
        }
    )


def built(folder: Path, frame: pl.DataFrame | None = None, **changes: object) -> tuple[pl.DataFrame, BuildReport]:
    recipe = copy.deepcopy(RECIPE) | {key: value for key, value in changes.items() if key not in ("refresh", "day")}
    if "day" in changes:
        recipe["log"]["day"] = changes["day"]
    if "refresh" in changes:
        recipe["counters"]["own"]["refresh"] = changes["refresh"]
    (log() if frame is None else frame).write_parquet(folder / "log.parquet")
    report = build(Recipe.from_dict(recipe), folder, folder / "out")
    parts = [pl.read_parquet(folder / "out" / f"{split}.parquet") for split in ("train", "validate", "test")]
    return pl.concat(parts).sort("item"), report


@pytest.mark.parametrize("zone", ["UTC", "Asia/Shanghai"])
def test_groups_of_several_columns_are_equal_exactly_where_all_of_them_are(tmp_path, zone):
    rows, _ = built(tmp_path, group=["user", "day"], log=RECIPE["log"] | {"time_zone": zone})
    days = pl.from_epoch(rows["time"], "s").dt.replace_time_zone("UTC").dt.convert_time_zone(zone).dt.date()
    pairs = list(zip(rows["user"], days, strict=True))
    numbers = rows["user_day"].to_list()
    assert Schema.load(tmp_path / "out" / "schema.yaml").group_column == "user_day"
    assert len(set(numbers)) == len(set(pairs)) == len(set(zip(numbers, pairs, strict=True)))


def test_the_day_of_a_group_is_the_logged_day_where_there_is_one(tmp_path):
    shifted = log().with_columns(date=pl.when(pl.col("time") % DAY == 0).then("date").otherwise(pl.col("date") + 1))
    rows, _ = built(tmp_path, shifted, group=["user", "day"], day="date")
    pairs = list(zip(rows["user"], rows["item"].replace_strict(shifted["item"], shifted["date"]), strict=True))
    numbers = rows["user_day"].to_list()
    assert len(set(numbers)) == len(set(pairs)) == len(set(zip(numbers, pairs, strict=True)))


def test_a_group_of_one_column_keeps_its_values(tmp_path):
    rows, _ = built(tmp_path, log().with_columns(pl.col("request").fill_null(7)), group="request")
    assert set(rows["request"]) == {0, 1, 7}


def test_a_group_with_a_missing_part_is_missing(tmp_path):
    rows, _ = built(tmp_path, group=["user", "request"])
    assert rows.filter(pl.col("user_request").is_null())["item"].to_list() == [f"{user} 0 0" for user in range(5)]


def test_an_outcome_is_refused_as_a_group():
    with pytest.raises(RecipeError, match="group uses 'click', an outcome"):
        Recipe.from_dict(RECIPE | {"group": ["user", "click"]})


def of_counters(report):
    """Warnings of counters; each item of these logs is shown once, which is told of features.item."""
    return [warning for warning in report.warnings if "counters." in warning]


def test_a_rate_that_moves_inside_groups_is_told_with_how_it_ranks_and_what_to_do(tmp_path):
    (warning,) = of_counters(built(tmp_path)[1])
    assert warning.startswith("counters.own (refresh: day) moves inside 10 of 10 groups by user that validate or test")
    assert "orders 24% of their click pairs rightly" in warning  # of 29 pairs of a user, 7
    assert warning.endswith("Write refresh: train, or group: [user, day].")


@pytest.mark.parametrize("changes", [{"refresh": "train"}, {"group": ["user", "day"]}], ids=str)
def test_what_the_warning_says_helps(tmp_path, changes):
    assert of_counters(built(tmp_path, **changes)[1]) == []


def test_a_rate_of_others_that_moves_is_not_told(tmp_path):
    counters = {"place": {"keys": ["request"], "positive": [{"column": "click"}], "values": ["rate"]}}
    mixed = log().with_columns(request=pl.col("time") % 3)
    assert of_counters(built(tmp_path, mixed, counters=counters)[1]) == []


def test_ten_counters_that_rank_backwards_have_six_lines(tmp_path):
    counters = {f"own{n}": RECIPE["counters"]["own"] for n in range(10)}
    _, report = built(tmp_path, counters=counters)
    warnings = of_counters(report)
    assert len(warnings) == 6
    assert warnings[-1].startswith("Backwards as well: counters.own5, ")
    assert all(f"warning   {warning}" in str(report) for warning in warnings)


ROWS = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 3), st.booleans()), max_size=20)


@given(ROWS)
@settings(max_examples=100, deadline=None)
def test_pairs_equal_those_of_a_loop(rows):
    segment, value, positive = (np.array([row[i] for row in rows]) for i in range(3))
    pairs = [(a[1], b[1]) for a in rows for b in rows if a[0] == b[0] and a[2] and not b[2] and a[1] != b[1]]
    counted = ordered_pairs(segment.astype(np.uint32), value.astype(np.float32), positive.astype(np.bool_))
    assert counted == (sum(high > low for high, low in pairs), len(pairs))


def test_a_day_of_the_log_that_is_not_the_impressions_day_is_refused_as_a_group(tmp_path):
    frame = log().rename({"date": "day"})
    features = {"item": {}, "day": {}}
    with pytest.raises(RecipeError, match="the log has a column 'day' of its own"):
        built(tmp_path, frame, group=["user", "day"], features=features)
    rows, _ = built(tmp_path, frame, group=["user", "day"], features=features, day="day")
    assert rows["user_day"].n_unique() == 5 * DAYS


def test_a_recipe_of_python_names_one_group_by_its_name():
    recipe = Recipe.from_dict(RECIPE)
    assert dataclasses.replace(recipe, group="request").group_by == ["request"]
