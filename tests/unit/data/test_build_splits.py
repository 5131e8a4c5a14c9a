"""Splits by shares, by the last rows of each user and by a column: what is told, refused, and true of later rows."""

from __future__ import annotations

import copy
from pathlib import Path

import polars as pl
import pytest
import yaml

from hyrec.cli.main import main
from hyrec.data.logs import Recipe, RecipeError, apply, build, extend
from hyrec.data.logs.report import BuildReport

START, DAY = 1_700_006_400, 86_400  # 15 November 2023, 00:00 UTC
RECIPE = yaml.safe_load("""
log: {files: [log.parquet, log.csv], user: user, item: item, time: time, outcomes: [click]}
split: {validate_share: 0.2, test_share: 0.2}
tasks: {click: {}}
features: {item: {}}
counters: {seen: {keys: [user], values: [count]}}
""")
# Ten rows of three users, an hour apart; user 3 has two of them.
LOG = pl.DataFrame(
    {
        "user": [1, 1, 2, 2, 1, 3, 2, 1, 3, 2],
        "item": list("abcdefghij"),
        "time": [START + 3600 * hour for hour in range(10)],
        "click": [0, 1, 0, 1, 0, 1, 0, 1, 0, 1],
        "fold": ["a", "a", "b", "c", "a", "b", "c", "a", "b", "c"],
    }
)
FOLDS = {"column": "fold", "train": ["a"], "validate": ["b"], "test": ["c"]}


def built(folder: Path, split: dict, log: pl.DataFrame = LOG, **changes) -> tuple[dict[str, list], BuildReport]:
    (folder / "in").mkdir(exist_ok=True)
    log.write_parquet(folder / "in" / "log.parquet")
    recipe = {**copy.deepcopy(RECIPE), "split": split}
    recipe["log"] |= changes
    report = build(Recipe.from_dict(recipe), folder / "in", folder / "out")
    rows = {name: pl.read_parquet(folder / "out" / f"{name}.parquet") for name in ("train", "validate", "test")}
    return {name: part["item"].to_list() for name, part in rows.items()}, report


def test_shares_are_the_latest_rows_and_their_moments_are_told(tmp_path):
    rows, report = built(tmp_path, {"validate_share": 0.2, "test_share": 0.2})
    assert rows == {"train": list("abcdef"), "validate": list("gh"), "test": list("ij")}
    moments = "rows from 2023-11-15T06:00:00+00:00 on validate, from 2023-11-15T08:00:00+00:00 on test"
    assert moments in "\n".join(report.notes)


def test_a_built_recipe_has_the_moments_of_its_shares(tmp_path):
    rows, _ = built(tmp_path, {"validate_share": 0.2, "test_share": 0.2}, time_zone="Asia/Shanghai")
    split = Recipe.load(tmp_path / "out" / "recipe.yaml").split
    assert (split.validate_share, split.validate_from) == (0.0, "2023-11-15T14:00:00+08:00")
    again, _ = built(tmp_path, {"validate_from": split.validate_from, "test_from": split.test_from})
    assert again == rows


def test_shares_of_logged_days_are_whole_days(tmp_path):
    days = LOG.with_columns(day=pl.Series(["20231115"] * 5 + ["20231116"] * 3 + ["20231117"] * 2))
    rows, _ = built(tmp_path, {"validate_share": 0.1, "test_share": 0.1}, days, day="day")
    assert rows == {"train": list("abcde"), "validate": list("fgh"), "test": list("ij")}


def test_shares_are_those_of_the_rows_that_are_more_than_history(tmp_path):
    rows, report = built(tmp_path, {"test_share": 0.5, "validate_share": 0.25, "train_from": "2023-11-15T06:00"})
    assert (rows, report.history_only) == ({"train": ["g"], "validate": ["h"], "test": ["i", "j"]}, 6)


def test_leave_one_out_tests_a_users_last_row_and_tells_users_with_few(tmp_path):
    rows, report = built(tmp_path, {"leave_one_out": "user"})
    assert rows == {"train": list("abcdfi"), "validate": list("eg"), "test": list("hj")}
    assert "1 of 3 values of 'user' have fewer than 3 moments: all their 2 rows train" in "\n".join(report.notes)


def test_rows_without_a_user_column_value_train(tmp_path):
    log = LOG.with_columns(session=pl.Series([None, None, None, None, 1, None, 1, 1, None, None]))
    rows, _ = built(tmp_path, {"leave_one_out": "session"}, log)
    assert rows == {"train": list("abcdefij"), "validate": ["g"], "test": ["h"]}


def test_a_column_says_the_split(tmp_path):
    rows, _ = built(tmp_path, FOLDS)
    assert rows == {"train": list("abeh"), "validate": list("cfi"), "test": list("dgj")}


def test_numbers_of_folds_in_csv_files_are_found(tmp_path):
    (tmp_path / "in").mkdir()
    LOG.with_columns(fold=pl.Series([0, 0, 1, 2, 0, 1, 2, 0, 1, 2])).write_csv(tmp_path / "in" / "log.csv")
    recipe = {**RECIPE, "split": {"column": "fold", "train": [0], "validate": [1], "test": [2]}}
    assert build(Recipe.from_dict(recipe), tmp_path / "in", tmp_path / "out").splits["test"] == 3


def test_a_value_in_no_split_is_an_error_with_numbers(tmp_path):
    log = LOG.with_columns(fold=pl.Series(["a", "a", "b", "d", "a", "b", "d", "a", "b", None]))
    with pytest.raises(RecipeError, match=r"'d' \(2 rows\), no value \(1 rows\)"):
        built(tmp_path, FOLDS, log)


@pytest.mark.parametrize("split", [{"leave_one_out": "user"}, FOLDS], ids=["leave one out", "column"])
def test_a_row_sees_all_that_is_earlier_however_it_is_split(tmp_path, split):
    built(tmp_path, split)
    parts = [pl.read_parquet(tmp_path / "out" / f"{name}.parquet") for name in ("train", "validate", "test")]
    seen = pl.concat(parts).sort("time")["f_seen_count"].exp().round().cast(int) - 1
    assert seen.to_list() == [0, 1, 0, 1, 2, 0, 2, 3, 1, 3]


@pytest.mark.parametrize("split", [{"leave_one_out": "user"}, FOLDS], ids=["leave one out", "column"])
def test_vocabularies_hold_the_values_of_rows_that_train(tmp_path, split):
    rows, _ = built(tmp_path, split)
    known = pl.read_parquet(tmp_path / "out" / "vocabulary" / "item.parquet")["value"].to_list()
    assert sorted(known) == sorted(rows["train"])


@pytest.mark.parametrize(
    "split", [{"leave_one_out": "session"}, FOLDS, RECIPE["split"]], ids=["last", "column", "share"]
)
def test_later_rows_need_nothing_of_the_split(tmp_path, split):
    built(tmp_path, split, LOG.with_columns(session="user"))
    (tmp_path / "new").mkdir()
    new = {"user": [1, 3], "item": ["a", "z"], "time": [START + DAY, START + DAY]}
    pl.DataFrame(new).write_parquet(tmp_path / "new" / "log.parquet")
    assert apply(tmp_path / "out", tmp_path / "new", tmp_path / "scored").rows == 2
    seen = pl.read_parquet(tmp_path / "scored" / "predict.parquet")["f_seen_count"].exp().round() - 1
    assert seen.to_list() == [4, 2]


@pytest.mark.parametrize("split", [{"leave_one_out": "user"}, FOLDS, RECIPE["split"]], ids=["last", "column", "share"])
def test_builds_grow_however_they_are_split(tmp_path, split):
    built(tmp_path, split)
    (tmp_path / "new").mkdir()
    new = {"user": [1, 3], "item": ["a", "z"], "time": [START + DAY, START + DAY], "click": [1, 0]}
    pl.DataFrame(new).write_parquet(tmp_path / "new" / "log.parquet")
    assert extend(tmp_path / "out", tmp_path / "new", tmp_path / "grown").rows == 2
    assert pl.read_parquet(tmp_path / "grown" / "train.parquet")["item"].to_list() == ["a", "z"]


def test_an_empty_split_is_told_with_the_others_sizes(tmp_path, capsys):
    (tmp_path / "in").mkdir()
    LOG.write_parquet(tmp_path / "in" / "log.parquet")
    recipe = {**RECIPE, "split": {"validate_from": "2023-11-15T08:00", "test_from": "2023-11-15T08:00"}}
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(recipe))
    options = ["--recipe", tmp_path / "recipe.yaml", "--input", tmp_path / "in", "--out", tmp_path / "out"]
    assert main(["data", "build", *map(str, options)]) == 0
    assert "warning   validate has no rows (train 8, validate 0, test 2)" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("labels", "told"),
    [
        ([0, 1] * 4 + [1, 1], "test: the 2 known of 2 labels of 'click' are all positive: there is nothing to rank."),
        ([0] * 6 + [0, 1, 0, 1], "train: the 6 known of 6 labels of 'click' are all negative: there is nothing to l"),
        ([0, 1] * 4 + [None, None], "test: none of 2 labels of 'click' is known"),
    ],
)
def test_a_label_of_one_value_in_a_split_is_told(tmp_path, labels, told):
    _, report = built(tmp_path, RECIPE["split"], LOG.with_columns(click=pl.Series(labels)))
    assert told in "\n".join(report.warnings)


def test_a_feature_whose_ids_later_rows_do_not_share_is_told_with_what_to_do(tmp_path):
    _, report = built(tmp_path, RECIPE["split"], LOG.with_columns(item=pl.Series([*"abcabc", *"xyzx"])))
    (warning,) = [warning for warning in report.warnings if warning.startswith("features.item")]
    assert warning.startswith(
        "features.item: every known id in validate and test is out of vocabulary: what is learned"
    )
    assert "leave it out" in warning


def test_a_feature_of_which_rows_that_train_hold_rare_ids_only_is_told_of_min_count(tmp_path):
    LOG.write_parquet(tmp_path / "log.parquet")
    recipe = Recipe.from_dict({**RECIPE, "features": {"item": {"min_count": 100}}})
    report = build(recipe, tmp_path, tmp_path / "out")
    assert any("features.item" in warning and "min_count. Lower it" in warning for warning in report.warnings)


@pytest.mark.parametrize(
    ("split", "said"),
    [
        ({}, "nothing that parts the rows"),
        ({"validate_from": "2023-11-15"}, "lacks the key 'test_from'"),
        ({"leave_one_out": "user", "test_share": 0.1}, "test_share .by shares. and leave_one_out"),
        ({"validate_share": 0.6, "test_share": 0.4}, "less than 1 together"),
        ({"validate_share": -0.1, "test_share": 0.4}, "0 or more"),
        ({"column": "fold", "train": ["a"]}, "some that validate or test"),
        ({**FOLDS, "test": ["b"]}, "split.validate and split.test both name 'b'"),
        ({**FOLDS, "column": "click"}, "an outcome of the impression"),
        ({**FOLDS, "column": "flod"}, "Did you mean 'fold'"),
        ({**FOLDS, "train": ["x"], "test": ["c", "a"]}, "No row trains"),
    ],
)
def test_splits_that_cannot_be_meant_are_refused(tmp_path, split, said):
    with pytest.raises(RecipeError, match=said):
        built(tmp_path, split)


@pytest.mark.parametrize("split", [{"leave_one_out": "user"}, FOLDS], ids=["leave one out", "column"])
def test_nothing_freezes_in_a_split_without_a_moment(split):
    recipe = copy.deepcopy({**RECIPE, "split": split})
    recipe["counters"]["seen"]["refresh"] = "train"
    with pytest.raises(RecipeError, match=r"counters\.seen\.refresh is 'train'"):
        Recipe.from_dict(recipe)


def test_vocabularies_of_event_logs_hold_what_precedes_the_last_row_that_trains(tmp_path):
    (tmp_path / "in").mkdir()
    LOG.write_parquet(tmp_path / "in" / "log.parquet")
    searches = pl.DataFrame({"user": 1, "at": [START, START + 8 * 3600, START + 9 * 3600], "query": ["x", "y", "z"]})
    searches.write_parquet(tmp_path / "in" / "searches.parquet")
    recipe = {
        **RECIPE,
        "split": {"leave_one_out": "user"},
        "event_logs": {"searches": {"files": ["searches.parquet"], "user": "user", "time": "at"}},
        "sequences": {"searched": {"log": "searches", "features": {"query": {}}}},
    }
    build(Recipe.from_dict(recipe), tmp_path / "in", tmp_path / "out")  # the last row that trains is i, after 8 hours
    known = pl.read_parquet(tmp_path / "out" / "vocabulary" / "searched.query.parquet")["value"].to_list()
    assert sorted(known) == ["x", "y"]
