"""Columns that identify a row: which of several rows is used, against a loop, and what later rows repeat."""

from __future__ import annotations

import copy
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from hyrec.data.logs import Recipe, RecipeError, apply, build, extend

START = 1_700_006_400
RECIPE = yaml.safe_load("""
log: {files: [log*.parquet], user: user, item: item, time: time, outcomes: [click], unique: [request, item],
      repeated: last}
split: {validate_from: 2033-01-01, test_from: 2033-01-02}
tasks: {click: {}}
features: {item: {}, tab: {kind: dense}}
counters: {clicks: {keys: [user], positive: [click], values: [count]}}
""")
LOG = pl.DataFrame(
    {
        "user": [1, 1, 1, 1, 2],
        "item": ["a", "b", "a", "a", "a"],
        "time": [START, START, START + 5, START, START],
        "request": [7, 7, 7, None, 8],
        "click": [0, 1, 1, 0, 1],
        "tab": [0.0, 1.0, 2.0, 3.0, 4.0],
    }
)


def recipe_with(**log) -> Recipe:
    recipe = copy.deepcopy(RECIPE)
    recipe["log"] |= log
    return Recipe.from_dict(recipe)


def built(folder: Path, log: pl.DataFrame = LOG, **changes):
    (folder / "in").mkdir(exist_ok=True)
    log.write_parquet(folder / "in" / "log.parquet")
    report = build(recipe_with(**changes), folder / "in", folder / "out")
    return sorted(pl.read_parquet(folder / "out" / "train.parquet")["f_tab"].to_list()), report


@pytest.mark.parametrize(("repeated", "used"), [("last", [1, 2, 3, 4]), ("first", [0, 1, 3, 4])])
def test_one_of_the_rows_with_the_same_key_is_used_and_the_others_are_counted(tmp_path, repeated, used):
    rows, report = built(tmp_path, repeated=repeated)
    assert (rows, report.dropped["repeats another by request, item"]) == (used, 1)


def test_an_error_has_the_numbers_and_an_example(tmp_path):
    with pytest.raises(RecipeError, match=r"1 of 5 rows repeat another .*; 2 rows have request 7, item 'a'"):
        built(tmp_path, repeated="error")


def test_nothing_is_wrong_where_no_row_repeats_another(tmp_path):
    assert built(tmp_path, LOG[1:], repeated="error")[1].dropped["repeats another by request, item"] == 0


@pytest.mark.parametrize("repeated", ["first", "last"])
@given(st.lists(st.tuples(st.sampled_from([None, 1, 2]), st.integers(0, 1), st.integers(0, 2)), min_size=1, max_size=9))
@settings(max_examples=25, deadline=None)
def test_ties_in_time_go_by_the_line(repeated, drawn):
    log = pl.DataFrame(
        {
            "user": 1,
            "item": [item for _, item, _ in drawn],
            "time": [START + time for *_, time in drawn],
            "request": pl.Series([request for request, *_ in drawn], dtype=pl.Int64),
            "click": 1,
            "tab": [float(-line) for line in range(len(drawn))],
        }
    )
    used: dict[object, int] = {}
    for line in sorted(range(len(drawn)), key=lambda line: (drawn[line][2], line)):
        request, item, _ = drawn[line]
        key = (request, item) if request is not None else f"line {line}"
        if repeated == "last" or key not in used:
            used[key] = line
    with TemporaryDirectory() as folder:
        assert built(Path(folder), log, repeated=repeated)[0] == sorted(-line for line in used.values())


def later(folder: Path, rows: dict) -> Path:
    (folder / "new").mkdir(exist_ok=True)
    pl.DataFrame(rows).write_parquet(folder / "new" / "log.parquet")
    return folder / "new"


def test_rows_to_score_repeat_nothing(tmp_path):
    built(tmp_path)
    new = {"user": [1, 1], "item": ["b", "b"], "time": [START + 9] * 2, "request": [7, 7], "tab": [0.0, 0.0]}
    assert apply(tmp_path / "out", later(tmp_path, new), tmp_path / "scored").rows == 2
    counted = pl.read_parquet(tmp_path / "scored" / "predict.parquet")["f_clicks_count"].exp().round().to_list()
    assert counted == [4, 4]  # 1 + the three rows of the user that the build has used


def test_a_later_correction_takes_the_place_of_a_built_row(tmp_path):
    built(tmp_path)
    new = {"user": [1], "item": ["b"], "time": [START + 9], "request": [7], "click": [0], "tab": [9.0]}
    report = extend(tmp_path / "out", later(tmp_path, new), tmp_path / "grown")
    assert (report.history, report.dropped["repeats another by request, item"]) == (3, 1)


def test_event_logs_have_keys_too(tmp_path):
    (tmp_path / "in").mkdir()
    LOG.write_parquet(tmp_path / "in" / "log.parquet")
    LOG.with_columns(order=pl.Series([1, 1, 2, 3, 3])).write_parquet(tmp_path / "in" / "orders.parquet")
    recipe = copy.deepcopy(RECIPE)
    orders = {"files": ["orders.parquet"], "user": "user", "time": "time", "unique": ["order"], "repeated": "first"}
    recipe |= {
        "event_logs": {"orders": orders},
        "counters": {"all": {"keys": ["user"], "values": ["count"], "log": "orders"}},
    }
    report = build(Recipe.from_dict(recipe), tmp_path / "in", tmp_path / "out")
    assert report.events["orders"].dropped["repeats another by order"] == 2


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"repeated": "keep"}, "with log.unique it is one of first, last, error"),
        ({"unique": []}, "without log.unique it is one of keep, drop, error"),
        ({"unique": ["item", "click"]}, "an outcome of the impression"),
        ({"unique": ["requst"]}, "Did you mean 'request'"),
    ],
)
def test_settings_that_cannot_be_meant_are_refused(tmp_path, changes, said):
    with pytest.raises(RecipeError, match=said):
        built(tmp_path, **changes)
