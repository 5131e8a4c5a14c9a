"""From tiny logs, whose histories are written out by hand, to Parquet and schema."""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import yaml

from hyrec.data.logs import Recipe, RecipeError, build
from hyrec.schema import Schema

DAY = 86_400
# Day 0 and 1 train, day 2 validates, day 3 tests. User 7 has two candidates at the moment 100.
LOG = pl.DataFrame(
    {
        "time": [100, 100, 200, 150, DAY + 5, 2 * DAY + 10, 2 * DAY + 20, 3 * DAY + 1],
        "user": [7, 7, 7, 8, 7, 7, 8, 9],
        "item": ["a", "b", "a", "a", "c", "a", "d", "a"],
        "tab": [1, 1, 2, 1, 1, 2, 9, 1],
        "click": [1, 0, 1, 0, 1, 0, 1, 1],
        "watched": [4.0, 0.0, 6.0, 1.0, 8.0, 0.0, 2.0, 3.0],
    }
)
ITEMS = pl.DataFrame(
    {"item": ["a", "b", "c", "d"], "colours": ["red,blue", "red", "", "green"], "length": [8.0, 4.0, 16.0, None]}
)
SNAPSHOT = pl.DataFrame({"user": [7, 9], "list": [["b", "c"], ["a"]], "last": [50, 4 * DAY]})
RECIPE = yaml.safe_load("""
log: {files: [log.parquet, log*.csv], user: user, item: item, time: time, outcomes: [click, watched]}
split: {validate_from: 1970-01-03, test_from: 1970-01-04}
tasks: {click: {}}
tables: {items: {files: [items.parquet, items.csv], key: item}}
snapshot: {files: [snapshot.parquet], user: user, last_time: last}
features:
  item: {role: item, table: item}
  user: {role: user}
  tab: {}
  colours: {source: items, kind: multi_id, separator: ",", table: colour}
  length: {source: items, kind: dense, transform: standardize}
  hour: {derive: hour}
counters:
  item_clicks: {keys: [item], positive: [{column: click}], values: [rate, count, age], strength: 2, role: item}
sequences:
  clicks:
    where: [{column: click}]
    max_length: 3
    features:
      item: {table: item}
      colour: {source: items, column: colours, derive: first, separator: ",", table: colour}
      share: {column: watched, per: tab, kind: dense}
  shown: {snapshot: list, features: {item: {table: item}, tab: {}}}
""")
PADDING, MISSING, OOV = 0, 1, 2


def write_logs(folder: Path, log: pl.DataFrame = LOG, *, csv: bool = False, snapshot: bool = True) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, frame in {"log": log, "items": ITEMS}.items():
        frame.write_csv(folder / f"{name}.csv") if csv else frame.write_parquet(folder / f"{name}.parquet")
    if snapshot:
        SNAPSHOT.write_parquet(folder / "snapshot.parquet")
    return folder


def built(folder: Path, recipe: dict = RECIPE, **logs) -> dict[str, pl.DataFrame]:
    source = write_logs(folder / "in", **logs)
    build(Recipe.from_dict(recipe), source, folder / "out", row_group_size=3)
    return {split: pl.read_parquet(folder / "out" / f"{split}.parquet") for split in ("train", "validate", "test")}


def ids(folder: Path, table: str) -> dict:
    frame = pl.read_parquet(folder / "out" / "vocabulary" / f"{table}.parquet")
    return dict(zip(frame["value"], frame["id"], strict=True))


def names(folder: Path, table: str, values: list[int]) -> list:
    by_id = {number: value for value, number in ids(folder, table).items()} | {MISSING: None, OOV: "?"}
    return [by_id[value] for value in values]


def test_histories_hold_the_strictly_earlier_events_oldest_first(tmp_path):
    rows = pl.concat(built(tmp_path).values())
    clicked = {
        (t, u, i): names(tmp_path, "item", events)
        for t, u, i, events in rows.select("time", "user", "item", "s_clicks__item").iter_rows()
    }
    assert clicked == {
        (100, 7, "a"): [],
        (100, 7, "b"): [],  # the click on "a" happened at the same moment
        (150, 8, "a"): [],
        (200, 7, "a"): ["a"],
        (DAY + 5, 7, "c"): ["a", "a"],
        (2 * DAY + 10, 7, "a"): ["a", "a", "c"],
        (2 * DAY + 20, 8, "d"): [],
        (3 * DAY + 1, 9, "a"): [],
    }


def test_the_snapshot_comes_first_without_times_and_is_hidden_from_earlier_impressions(tmp_path):
    rows = built(tmp_path)
    second = rows["train"].row(3, named=True)
    assert (second["user"], second["time"]) == (7, 200)
    assert names(tmp_path, "item", second["s_shown__item"]) == ["b", "c", "a", "b"]
    assert second["s_shown__time"] == [None, None, 100, 100]
    assert second["s_shown__tab"][:2] == [MISSING, MISSING]
    assert rows["test"]["s_shown__item"].to_list() == [[]]  # user 9's snapshot is of a later day


def test_side_information_belongs_to_its_event(tmp_path):
    row = built(tmp_path)["validate"].row(0, named=True)
    assert names(tmp_path, "colour", row["s_clicks__colour"]) == ["red", "red", None]
    assert row["s_clicks__share"] == [4.0, 3.0, 8.0]  # watched / tab
    assert row["s_clicks__time"] == [100, 200, DAY + 5]


def test_counters_count_strictly_earlier_events(tmp_path):
    rows = pl.concat(built(tmp_path).values()).filter(pl.col("item") == "a").sort("time", "user")
    events, clicks = np.array([0, 1, 2, 3, 4]), np.array([0, 1, 1, 2, 2])
    rate = (clicks + 2 * 0.5) / (events + 2)
    assert rows["f_item_clicks_count"].to_numpy() == pytest.approx(np.log1p(events))
    assert rows["f_item_clicks_rate"].to_numpy() == pytest.approx(np.log(rate / (1 - rate)), abs=1e-6)
    ages = [None, *np.log1p([50, 50, 2 * DAY - 190, DAY - 9])]
    assert rows["f_item_clicks_age"].to_list() == [None, *(pytest.approx(a, rel=1e-6) for a in ages[1:])]


@pytest.mark.parametrize("strength", [1.0, 20.0])
def test_a_rate_leans_on_its_prior_by_its_strength(tmp_path, strength):
    recipe = copy.deepcopy(RECIPE)
    recipe["counters"]["item_clicks"] |= {"strength": strength, "prior": 0.3}
    row = built(tmp_path, recipe)["validate"].row(0, named=True)  # three earlier events of the item, two clicks
    rate = (2 + strength * 0.3) / (3 + strength)
    assert row["f_item_clicks_rate"] == pytest.approx(np.log(rate / (1 - rate)), abs=1e-6)


def test_day_refresh_sees_earlier_days_only(tmp_path):
    recipe = copy.deepcopy(RECIPE)
    recipe["counters"]["item_clicks"]["refresh"] = recipe["sequences"]["clicks"]["refresh"] = "day"
    rows = built(tmp_path, recipe)
    assert rows["train"]["f_item_clicks_count"].to_list()[:4] == [0.0] * 4
    assert rows["validate"]["f_item_clicks_count"][0] == pytest.approx(np.log1p(3))
    assert rows["train"]["s_clicks__item"].list.len().to_list() == [0, 0, 0, 0, 2]


def test_a_delay_hides_the_newest_events(tmp_path):
    recipe = copy.deepcopy(RECIPE)
    recipe["log"]["delay"] = 100
    rows = built(tmp_path, recipe)
    assert rows["train"]["s_clicks__item"].list.len().to_list() == [0, 0, 0, 0, 2]


@pytest.mark.parametrize("row", range(LOG.height))
def test_an_outcome_never_changes_the_features_of_its_own_or_earlier_moments(tmp_path, row):
    changed = LOG.with_row_index("n").with_columns(
        pl.when(pl.col("n") == row).then(1 - pl.col("click")).otherwise("click").alias("click"),
        pl.when(pl.col("n") == row).then(pl.col("watched") + 5).otherwise("watched").alias("watched"),
    )
    before = pl.concat(built(tmp_path / "a").values())
    after = pl.concat(built(tmp_path / "b", log=changed.drop("n")).values())
    features = [column for column in before.columns if column.startswith(("f_", "s_"))]
    until = pl.col("time") <= LOG["time"][row]
    assert before.filter(until).select(features).equals(after.filter(until).select(features))


def test_an_outcome_does_change_what_comes_later(tmp_path):
    changed = LOG.with_columns(click=pl.Series([0, *LOG["click"].to_list()[1:]]))
    before, after = built(tmp_path / "a")["validate"], built(tmp_path / "b", log=changed)["validate"]
    assert before["s_clicks__item"][0].len() == after["s_clicks__item"][0].len() + 1
    assert before["f_item_clicks_rate"][0] > after["f_item_clicks_rate"][0]


def test_csv_and_parquet_give_the_same_files_in_any_row_order(tmp_path):
    built(tmp_path / "parquet")
    built(tmp_path / "csv", csv=True, log=LOG.reverse())
    for path in sorted((tmp_path / "parquet" / "out").rglob("*.*")):
        other = tmp_path / "csv" / "out" / path.relative_to(tmp_path / "parquet" / "out")
        # The report names the files that were read, and the state keeps the texts of CSV files.
        if path.name != "report.json" and path.parent.name != "_state":
            assert path.read_bytes() == other.read_bytes(), path.name


def test_several_files_are_read_as_one_log(tmp_path):
    whole = built(tmp_path / "one", csv=True)
    source = write_logs(tmp_path / "two" / "in", csv=True)
    (source / "log.csv").unlink()
    LOG[:3].write_csv(source / "log_1.csv")
    LOG[3:].write_csv(source / "log_2.csv")
    build(Recipe.from_dict(RECIPE), source, tmp_path / "two" / "out")
    assert pl.read_parquet(tmp_path / "two" / "out" / "train.parquet").equals(whole["train"])


def test_vocabularies_come_from_the_training_span_only(tmp_path):
    rows = built(tmp_path)
    assert set(ids(tmp_path, "tab")) == {1, 2}
    assert rows["validate"].filter(pl.col("item") == "d")["f_tab"].to_list() == [OOV]
    assert rows["validate"].filter(pl.col("item") == "d")["f_item"].to_list() == [OOV]
    assert ids(tmp_path, "item") == {"a": 3, "b": 4, "c": 5}  # snapshot and log counted together
    assert rows["test"]["f_user"].to_list() == [OOV]


def test_rare_values_are_out_of_vocabulary_and_absent_ones_are_missing(tmp_path):
    recipe = copy.deepcopy(RECIPE)
    recipe["features"]["tab"]["min_count"] = 2
    rows = built(tmp_path, recipe)["train"]
    assert rows.filter(pl.col("time") == 200)["f_tab"].to_list() == [OOV]
    nobody = LOG.with_columns(tab=pl.when(pl.col("time") == 200).then(None).otherwise("tab"))
    rows = built(tmp_path / "null", recipe, log=nobody)["train"]
    assert rows.filter(pl.col("time") == 200)["f_tab"].to_list() == [MISSING]


def test_statistics_come_from_the_training_span_only(tmp_path):
    built(tmp_path)
    schema = Schema.load(tmp_path / "out" / "schema.yaml")
    lengths = np.array([8.0, 4.0, 8.0, 8.0, 16.0])
    assert schema.features["length"].mean == pytest.approx(lengths.mean())
    assert schema.features["length"].std == pytest.approx(lengths.std())


def test_the_schema_describes_the_files(tmp_path):
    rows = built(tmp_path)["train"]
    schema = Schema.load(tmp_path / "out" / "schema.yaml")
    assert {feature.column for feature in schema.features.values()} <= set(rows.columns)
    assert (schema.group_column, schema.time_column, schema.id_columns) == ("user", "time", ["user", "item"])
    for spec in schema.sequences.values():
        lengths = {tuple(rows[c].list.len()) for c in [spec.time_column, *(f.column for f in spec.features.values())]}
        assert len(lengths) == 1
    for name, feature in schema.features.items():
        if feature.kind == "id":
            assert rows[feature.column].max() < schema.table_sizes[schema.table_of(name)]
            assert rows[feature.column].min() > PADDING


def test_rows_before_the_training_span_are_history_only(tmp_path):
    recipe = copy.deepcopy(RECIPE)
    recipe["split"] |= {"train_from": "1970-01-02", "until": "1970-01-04"}
    rows = built(tmp_path, recipe)
    assert [len(frame) for frame in rows.values()] == [1, 2, 0]
    assert names(tmp_path, "item", rows["train"]["s_clicks__item"][0]) == ["a", "a"]


def test_the_day_column_decides_the_split_where_there_is_one(tmp_path):
    recipe = copy.deepcopy(RECIPE)
    recipe["log"]["day"] = "day"
    days = pl.Series("day", [19700101] * 4 + [19700103] + [19700103] * 2 + [19700104])
    rows = built(tmp_path, recipe, log=LOG.with_columns(days))
    assert [len(frame) for frame in rows.values()] == [4, 3, 1]


def test_the_time_zone_moves_days_and_hours(tmp_path):
    recipe = copy.deepcopy(RECIPE)
    recipe["log"]["time_zone"] = "Asia/Shanghai"
    rows = built(tmp_path, recipe)
    assert names(tmp_path, "hour", rows["train"]["f_hour"].to_list()) == [8] * 5
    late = LOG.with_columns(pl.col("time") + 17 * 3600)  # 17:00 UTC is past midnight in Shanghai
    assert [len(f) for f in built(tmp_path / "late", recipe, log=late).values()] == [4, 1, 3]


def test_the_report_accounts_for_every_row(tmp_path):
    recipe = copy.deepcopy(RECIPE)
    recipe["log"]["keep"] = [{"column": "tab", "op": "<", "value": 9}]
    log = LOG.with_columns(item=pl.when(pl.col("time") == 150).then(None).otherwise("item"))
    report = build(Recipe.from_dict(recipe), write_logs(tmp_path / "in", log), tmp_path / "out")
    assert report.rows_read == LOG.height == sum(report.splits.values()) + sum(report.dropped.values())
    assert report.dropped == {"user, item or time missing": 1, "not tab < 9": 1}
    assert report.base_rates["train"]["click"] == pytest.approx(3 / 4)
    assert report.snapshot_hidden == 1
    assert "not tab < 9" in str(report)


def test_without_a_snapshot_the_log_is_enough_and_the_report_says_so(tmp_path):
    report = build(Recipe.from_dict(RECIPE), write_logs(tmp_path / "in", snapshot=False), tmp_path / "out")
    assert report.snapshot_events == 0
    assert "No snapshot" in str(report)


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        ("log.files", ["lgo.parquet"], "Did you mean 'log.parquet'"),
        ("features.tba", {}, "Did you mean 'tab'"),
        ("features.kolour", {"source": "items", "column": "colour"}, "Did you mean 'colours'"),
        ("counters.c", {"keys": ["items.colour"], "values": ["count"]}, "Did you mean 'colours'"),
        ("sequences.clicks.where", [{"column": "click", "value": "yes"}], "cannot be compared"),
        ("split.validate_from", "3 May", "no day or ISO date-time"),
        ("split.train_from", "1970-02-01", "No row trains"),
        ("log.time_zone", "Asia/Shangai", "log.time_zone"),
        ("features.length", {"source": "items", "column": "colours", "kind": "dense"}, "use kind: id"),
        ("features.half", {"source": "items", "column": "part"}, "has no column 'part'"),
        ("features.again", {"table": "item", "column": "tab"}, "tables of their own"),
    ],
)
def test_what_does_not_fit_the_logs_is_named(tmp_path, path, value, said):
    recipe = copy.deepcopy(RECIPE)
    *parents, last = path.split(".")
    inside = recipe
    for part in parents:
        inside = inside[part]
    inside[last] = value
    with pytest.raises(RecipeError, match=said):
        built(tmp_path, recipe)


def test_a_table_with_a_key_twice_is_refused(tmp_path):
    source = write_logs(tmp_path)
    pl.concat([ITEMS, ITEMS[:1]]).write_parquet(source / "items.parquet")
    with pytest.raises(RecipeError, match="more than once"):
        build(Recipe.from_dict(RECIPE), source, tmp_path / "out")
