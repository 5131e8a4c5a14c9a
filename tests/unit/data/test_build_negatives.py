"""Negatives for a log of positives: what a drawn row holds, what is told and refused, and what later rows see."""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import yaml

from hyrec.cli.main import main
from hyrec.data.logs import Recipe, RecipeError, apply, build, extend, history
from hyrec.schema import Schema

START = 1_700_006_400
RECIPE = yaml.safe_load("""
log: {files: [log.parquet], user: user, item: item, time: time, outcomes: []}
split: {validate_share: 0.15, test_share: 0.15}
tasks: {taken: {}}
negatives: {count: 3, by: popularity, seed: 5}
tables: {items: {files: [items.parquet], key: item}}
features:
  user: {role: user}
  item: {role: item}
  device: {}
  colour: {source: items}
  price: {source: items, kind: dense, transform: standardize}
counters:
  item_taken: {keys: [item], values: [count], role: item}
  colour_taken: {keys: [user, items.colour], values: [count], role: cross}
sequences: {taken: {features: {item: {}, colour: {source: items}}}}
""")
RNG = np.random.default_rng(0)
LOG = pl.DataFrame(
    {
        "user": RNG.integers(0, 4, 40),
        "item": [f"i{number}" for number in RNG.integers(0, 12, 40) ** 2 // 12],
        "time": START + np.sort(RNG.integers(0, 30, 40)),
        "device": RNG.integers(0, 3, 40),
    }
)
ITEMS = pl.DataFrame(
    {"item": [f"i{n}" for n in range(12)], "colour": list("rgb") * 4, "price": [float(n) for n in range(12)]}
)


def built(folder: Path, log: pl.DataFrame = LOG, **changes):
    (folder / "in").mkdir(exist_ok=True)
    log.write_parquet(folder / "in" / "log.parquet")
    ITEMS.write_parquet(folder / "in" / "items.parquet")
    report = build(Recipe.from_dict({**copy.deepcopy(RECIPE), **changes}), folder / "in", folder / "out")
    parts = {name: pl.read_parquet(folder / "out" / f"{name}.parquet") for name in ("train", "validate", "test")}
    return parts, report


def values(folder: Path, table: str, ids: pl.Series) -> list:
    frame = pl.read_parquet(folder / "out" / "vocabulary" / f"{table}.parquet")
    return [dict(frame.select("id", "value").iter_rows()).get(number) for number in ids]


def test_a_request_is_a_positive_and_items_that_its_user_has_not_taken(tmp_path):
    parts, report = built(tmp_path)
    rows, pool = pl.concat(parts.values()), set(parts["train"].filter(taken=1)["item"])
    assert (
        rows.filter(taken=1)
        .select("user", "item", "time")
        .sort(pl.all())
        .equals(LOG.select("user", "item", "time").sort(pl.all()))
    )
    assert rows["request"].n_unique() == len(LOG)
    for request in rows.partition_by("request"):
        assert request["taken"].to_list() == [1] + [0] * (len(request) - 1)
        user, time = request["user"][0], request["time"][0]
        assert request.n_unique(["user", "time", "f_device"]) == 1
        had = set(LOG.filter((pl.col("user") == user) & (pl.col("time") <= time))["item"])
        drawn = request["item"][1:].to_list()
        assert len(set(drawn)) == len(drawn) == min(3, len(pool - had))
        assert set(drawn) <= pool - had
    assert report.rows_read == len(LOG)
    assert sum(report.splits.values()) == len(rows)


def test_properties_counters_and_histories_are_those_of_the_drawn_item_at_the_moment(tmp_path):
    rows = pl.concat(built(tmp_path)[0].values())
    colours = dict(ITEMS.select("item", "colour").iter_rows())
    prices = dict(ITEMS.select("item", "price").iter_rows())
    assert [prices[item] for item in rows["item"]] == rows["f_price"].to_list()
    assert [colours[item] for item in rows["item"]] == values(tmp_path, "colour", rows["f_colour"])
    item_count, colour_count = (rows[f"f_{name}_taken_count"].exp().round() - 1 for name in ("item", "colour"))
    for row, of_item, with_colour in zip(rows.iter_rows(named=True), item_count, colour_count, strict=True):
        earlier = LOG.filter(pl.col("time") < row["time"])
        assert of_item == (earlier["item"] == row["item"]).sum()
        of_user = earlier.filter(user=row["user"])
        assert with_colour == sum(colours[item] == colours[row["item"]] for item in of_user["item"])
        assert len(row["s_taken__item"]) == len(of_user)


def test_the_group_is_the_request_and_the_label_is_the_tasks(tmp_path):
    built(tmp_path)
    schema = Schema.load(tmp_path / "out" / "schema.yaml")
    assert (schema.group_column, schema.tasks["taken"].column) == ("request", "taken")


def test_another_group_may_be_written_and_the_request_stays_a_column(tmp_path):
    parts, _ = built(tmp_path, group="user")
    assert Schema.load(tmp_path / "out" / "schema.yaml").group_column == "user"
    assert "request" in parts["train"].columns


def test_what_is_fitted_sees_the_logs_own_rows(tmp_path):
    parts, _ = built(tmp_path)
    taken = parts["train"].filter(taken=1)["f_price"]
    price = Schema.load(tmp_path / "out" / "schema.yaml").features["price"]
    assert (price.mean, price.std) == pytest.approx((taken.mean(), taken.std(ddof=0)), rel=1e-6)


def test_the_same_seed_draws_the_same_whatever_is_worked_on_at_once(tmp_path, monkeypatch):
    (tmp_path / "again").mkdir()
    first = built(tmp_path)[0]["train"]
    monkeypatch.setattr(history, "AT_ONCE", 7)
    assert built(tmp_path / "again")[0]["train"].equals(first)
    assert not built(tmp_path / "again", negatives={"count": 3, "seed": 6})[0]["train"]["item"].equals(first["item"])


def test_rows_before_the_training_span_are_history_without_negatives(tmp_path):
    parts, report = built(tmp_path, split={**RECIPE["split"], "train_from": "2023-11-15T00:00:10"})
    assert report.history_only == (LOG["time"] < START + 10).sum()
    assert pl.concat(parts.values()).filter(taken=1).height == (LOG["time"] >= START + 10).sum()


@pytest.mark.parametrize(
    "split", [{"leave_one_out": "user"}, {"column": "fold", "train": [0], "validate": [1], "test": [2]}]
)
def test_negatives_are_in_the_split_of_their_positive(tmp_path, split):
    parts, _ = built(tmp_path, LOG.with_columns(fold=pl.Series([0, 1, 0, 2] * 10)), split=split)
    requests = [set(part["request"]) for part in parts.values()]
    assert all(requests)
    assert sum(map(len, requests)) == len(set.union(*requests)) == len(LOG)


def test_rows_with_fewer_items_left_are_told_on_screen(tmp_path, capsys):
    (tmp_path / "in").mkdir()
    LOG.write_parquet(tmp_path / "in" / "log.parquet")
    ITEMS.write_parquet(tmp_path / "in" / "items.parquet")
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump({**RECIPE, "negatives": {"count": 9}}))
    options = ["--recipe", tmp_path / "recipe.yaml", "--input", tmp_path / "in", "--out", tmp_path / "out"]
    assert main(["data", "build", *map(str, options)]) == 0
    told = capsys.readouterr().out
    assert "items drawn by uniform of" in told
    assert "of 40 rows have fewer than 9, as their users took the others" in told


def test_items_that_only_later_rows_hold_are_told(tmp_path):
    log = LOG.with_columns(item=pl.when(pl.col("time") == pl.col("time").max()).then(pl.lit("i11")).otherwise("item"))
    parts, report = built(tmp_path, log)
    trained = set(parts["train"]["item"])
    later = sum(item not in trained for name in ("validate", "test") for item in parts[name].filter(taken=1)["item"])
    assert later
    assert f"{later} rows that validate or test hold other items" in "\n".join(report.notes)


def test_a_property_of_items_in_the_log_is_warned_of(tmp_path):
    log = LOG.join(ITEMS.select("item", shop="colour"), on="item", maintain_order="left")
    _, report = built(tmp_path, log, features={**RECIPE["features"], "shop": {}})
    assert "features.shop is the same in all rows of an item" in "\n".join(report.warnings)
    assert "features.device" not in "\n".join(report.warnings)


@pytest.mark.parametrize("label", [None, 1, 0])
def test_candidates_are_scored_and_rows_that_were_taken_are_seen(tmp_path, label):
    built(tmp_path)
    (tmp_path / "new").mkdir()
    new = pl.DataFrame(
        {"user": [1] * 3, "item": ["i0", "i1", "i0"], "time": [START + 50, START + 50, START + 60], "device": 0}
    )
    if label is not None:
        new = new.with_columns(taken=pl.lit(label))
    new.write_parquet(tmp_path / "new" / "log.parquet")
    apply(tmp_path / "out", tmp_path / "new", tmp_path / "scored")
    rows = pl.read_parquet(tmp_path / "scored" / "predict.parquet")
    before = (LOG["item"] == "i0").sum()
    counted = (rows["f_item_taken_count"].exp().round() - 1).to_list()
    assert counted[0] == before
    assert counted[2] == before + (label or 0)
    assert rows["request"][0] == rows["request"][1] != rows["request"][2]


def test_csv_files_hold_the_same(tmp_path):
    parquet = built(tmp_path)[0]["train"]
    (tmp_path / "csv").mkdir()
    LOG.write_csv(tmp_path / "csv" / "log.csv")
    ITEMS.write_csv(tmp_path / "csv" / "items.csv")
    recipe = copy.deepcopy(RECIPE)
    recipe["log"]["files"], recipe["tables"]["items"]["files"] = ["log.csv"], ["items.csv"]
    build(Recipe.from_dict(recipe), tmp_path / "csv", tmp_path / "out2")
    assert pl.read_parquet(tmp_path / "out2" / "train.parquet").equals(parquet)
    assert apply(tmp_path / "out2", tmp_path / "csv", tmp_path / "scored").rows == len(LOG)


def test_a_build_with_negatives_is_built_again_not_extended(tmp_path):
    built(tmp_path)
    with pytest.raises(RecipeError, match="build it again from all logs"):
        extend(tmp_path / "out", tmp_path / "in", tmp_path / "grown")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"negatives": {"count": 0}}, "1 to 10000"),
        ({"negatives": {"by": "popular"}}, "Did you mean 'popularity'"),
        ({"tasks": {"taken": {}, "liked": {}}}, "the label of one task"),
        ({"tasks": {"taken": "rating >= 4"}}, "without a rule"),
        ({"tasks": {"device": {}}, "features": {"item": {}}}, "which negatives make of logs without one"),
        ({"features": {"device": {"role": "item"}}}, "read it from a table"),
        ({"tables": {"items": {"files": ["items.parquet"], "key": "item", "on": "device"}}}, "join it by 'item'"),
    ],
)
def test_what_negatives_cannot_go_with_is_refused(tmp_path, changes, said):
    with pytest.raises(RecipeError, match=said):
        built(tmp_path, **changes)
