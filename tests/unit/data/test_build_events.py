"""Event logs of a build: joins, times, files, what is refused, and what later rows see of them."""

from __future__ import annotations

import copy
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import yaml

from hyrec.data.logs import BuildReport, Recipe, RecipeError, apply, build, extend
from hyrec.data.parquet import ParquetData
from hyrec.schema import Schema

DAY, START = 86_400, int(datetime(2023, 5, 1, tzinfo=UTC).timestamp())
LOG = pl.DataFrame(
    {
        "user": ["u1", "u2", "u1", "u2", "u1"],
        "item": ["a", "a", "b", "b", "a"],
        "time": [START + 100, START + 200, START + DAY, START + 2 * DAY, START + 3 * DAY],
        "click": [1, 0, 1, 0, 1],
    }
)
PURCHASES = pl.DataFrame(
    {
        "buyer": ["u1", "u1", "u2", "u9"],
        "at": [START + 50, START + 100, START + 2 * DAY - 1, START],
        "product": ["b", "a", "c", "a"],
        "price": [5.0, 7.0, 2.0, 1.0],
    }
)
PRODUCTS = pl.DataFrame({"product_id": ["a", "b", "c"], "colour": ["red", "blue", "green"]})
RECIPE = yaml.safe_load("""
log: {files: [log.*], user: user, item: item, time: time, outcomes: [click]}
split: {validate_from: 2023-05-03, test_from: 2023-05-04}
tasks: {click: {}}
tables: {products: {files: [products.*], key: product_id}}
features: {item: {table: item, role: item}}
event_logs: {purchases: {files: [purchases.*], user: buyer, time: at, names: {product_id: product}}}
sequences:
  bought:
    log: purchases
    features: {product: {table: item}, price: {kind: dense}, colour: {source: products}}
""")


def changed(path: str, value: object) -> dict:
    """Return the recipe with one key set, as ``event_logs.purchases.delay``."""
    recipe = copy.deepcopy(RECIPE)
    *parts, last = path.split(".")
    place = recipe
    for part in parts:
        place = place.setdefault(part, {})
    place[last] = value
    return recipe


def write(folder: Path, *, csv: bool = False, **frames: pl.DataFrame) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, frame in frames.items():
        frame.write_csv(folder / f"{name}.csv") if csv else frame.write_parquet(folder / f"{name}.parquet")
    return folder


def built(
    folder: Path, recipe: dict = RECIPE, *, csv: bool = False, **frames: pl.DataFrame
) -> tuple[pl.DataFrame, BuildReport]:
    given = {"log": LOG, "purchases": PURCHASES, "products": PRODUCTS, **frames}
    report = build(Recipe.from_dict(recipe), write(folder / "in", csv=csv, **given), folder / "out")
    splits = [pl.read_parquet(folder / "out" / f"{split}.parquet") for split in ("train", "validate", "test")]
    return pl.concat(splits), report


def values(folder: Path, table: str, ids: list[int]) -> list[str | None]:
    frame = pl.read_parquet(folder / "out" / "vocabulary" / f"{table}.parquet")
    by_id = dict(zip(frame["id"], frame["value"], strict=True)) | {1: None, 2: "?"}
    return [by_id[i] for i in ids]


@pytest.mark.parametrize("csv", [False, True], ids=["parquet", "csv"])
def test_a_sequence_holds_the_strictly_earlier_events_of_the_same_user_with_columns_of_log_and_table(tmp_path, csv):
    rows, _ = built(tmp_path, csv=csv)
    assert rows["s_bought__price"].to_list() == [[5.0], [], [5.0, 7.0], [2.0], [5.0, 7.0]]
    assert rows["s_bought__time"].to_list()[2] == [START + 50, START + 100]
    assert values(tmp_path, "item", rows["s_bought__product"][2].to_list()) == ["b", "a"]
    assert values(tmp_path, "bought.colour", rows["s_bought__colour"][2].to_list()) == ["blue", "red"]


def test_a_sequence_is_of_the_log_s_user_also_where_a_table_is_joined_by_another_one(tmp_path):
    recipe = changed("event_logs.purchases.names", {"product_id": "product", "user": "given_to"})
    recipe["tables"]["people"] = {"files": ["people.*"], "key": "user", "role": "user"}
    recipe["sequences"]["bought"]["features"]["age"] = {"source": "people", "kind": "dense"}
    people = pl.DataFrame({"user": ["u1", "u2"], "age": [30, 40]})
    purchases = PURCHASES.with_columns(given_to=pl.lit("u2"))
    rows, _ = built(tmp_path, recipe, purchases=purchases, people=people)
    assert rows["s_bought__price"].to_list()[2:4] == [[5.0, 7.0], [2.0]]
    assert rows["s_bought__age"].to_list()[2] == [40.0, 40.0]


def test_events_from_validate_from_on_are_in_no_vocabulary(tmp_path):
    late = PURCHASES.with_columns(at=pl.col("at") + 2 * DAY)
    rows, _ = built(tmp_path, purchases=late)
    assert values(tmp_path, "item", rows["s_bought__product"][4].to_list()) == ["b", "a"]
    assert rows["s_bought__colour"][4].to_list() == [2, 2]


def test_a_counter_counts_events_by_keys_that_both_logs_have(tmp_path):
    recipe = changed("event_logs.purchases.names", {"product_id": "product", "item": "product"})
    recipe["counters"] = {"sold": {"log": "purchases", "keys": ["item"], "values": ["count"], "role": "item"}}
    rows, _ = built(tmp_path, recipe)
    assert rows["f_sold_count"].to_numpy() == pytest.approx(np.log1p([1, 2, 1, 1, 2]))  # by item a, a, b, b, a


def test_a_counter_by_a_table_s_column_joins_the_table_to_both_logs(tmp_path):
    recipe = changed("event_logs.purchases.names", {"item": "product"})
    recipe["tables"]["products"] |= {"on": "item"}
    recipe["counters"] = {"sold": {"log": "purchases", "keys": ["products.colour"], "values": ["count"]}}
    rows, _ = built(tmp_path, recipe)
    assert rows["f_sold_count"].to_numpy() == pytest.approx(np.log1p([1, 2, 1, 1, 2]))


@pytest.mark.parametrize(
    ("delay", "seen"), [(0, [[5], [], [5, 7], [2], [5, 7]]), (100, [[], [], [5, 7], [], [5, 7]]), (0.5, None)]
)
def test_an_event_is_visible_after_the_delay_of_its_log(tmp_path, delay, seen):
    rows, _ = built(tmp_path, changed("event_logs.purchases.delay", delay))
    assert rows["s_bought__price"].to_list() == (seen or [[5], [], [5, 7], [], [5, 7]])  # half a second counts as one


@pytest.mark.parametrize(
    ("unit", "zone", "at"),
    [
        ("ms", "UTC", pl.col("at") * 1000),
        ("us", "Asia/Shanghai", pl.col("at") * 1_000_000),
        ("s", "UTC", pl.from_epoch("at")),
        ("ms", "Asia/Shanghai", pl.from_epoch("at").dt.offset_by("8h")),
        ("s", "Asia/Shanghai", pl.from_epoch("at").dt.replace_time_zone("UTC")),
        ("s", "Asia/Shanghai", pl.from_epoch("at").dt.offset_by("8h").dt.to_string("%Y-%m-%d %H:%M:%S")),
        ("s", "Asia/Shanghai", pl.from_epoch("at").dt.to_string("%Y-%m-%dT%H:%M:%SZ")),
        ("us", "Asia/Shanghai", pl.from_epoch("at").dt.offset_by("1h").dt.to_string("%Y-%m-%dT%H:%M:%S+01:00")),
    ],
)
def test_times_may_have_another_unit_and_be_written_in_another_zone(tmp_path, unit, zone, at):
    recipe = changed("event_logs.purchases.time_unit", unit)
    recipe["event_logs"]["purchases"]["time_zone"] = zone
    rows, _ = built(tmp_path, recipe, purchases=PURCHASES.with_columns(at=at))
    assert rows["s_bought__time"].to_list() == built(tmp_path / "plain")[0]["s_bought__time"].to_list()


def test_hours_of_events_are_those_of_the_impression_log_s_zone(tmp_path):
    recipe = changed("sequences.bought.features.hour", {"derive": "hour", "kind": "dense"})
    recipe["log"]["time_zone"] = "Asia/Shanghai"
    rows, _ = built(tmp_path, recipe)
    assert rows["s_bought__hour"][2].to_list() == [8, 8]


def test_conditions_choose_the_events_of_a_log_and_of_a_sequence(tmp_path):
    recipe = changed("event_logs.purchases.keep", [{"column": "price", "op": ">", "value": 2}])
    recipe["sequences"]["bought"]["where"] = [{"column": "products.colour", "value": "red"}]
    rows, report = built(tmp_path, recipe)
    assert rows["s_bought__price"].to_list() == [[], [], [7.0], [], [7.0]]
    assert "dropped   purchases: 2 rows: not price > 2" in str(report)


def test_events_without_user_or_time_are_left_out_and_counted(tmp_path):
    odd = PURCHASES.with_columns(buyer=pl.when(pl.col("price") == 2).then(None).otherwise("buyer"))
    rows, report = built(tmp_path, purchases=odd)
    assert rows["s_bought__price"].to_list() == [[5.0], [], [5.0, 7.0], [], [5.0, 7.0]]
    assert report.events["purchases"].dropped["user or time missing"] == 1


@pytest.mark.parametrize(("repeated", "seen"), [("keep", [5, 5, 7, 7]), ("drop", [5, 7])])
def test_repeated_events_are_counted_and_kept_or_dropped(tmp_path, repeated, seen):
    recipe = changed("event_logs.purchases.repeated", repeated)
    rows, report = built(tmp_path, recipe, purchases=pl.concat([PURCHASES, PURCHASES]))
    assert rows["s_bought__price"][2].to_list() == seen
    assert report.events["purchases"].repeated == 4


@pytest.mark.parametrize("csv", [False, True], ids=["parquet", "csv"])
@pytest.mark.parametrize("source", ["log", "products"])
def test_an_event_may_hold_a_list_of_ids_of_its_log_or_of_a_table(tmp_path, csv, source):
    tags = {"source": source, "kind": "multi_id", "separator": "|", "max_length": 2, "table": "tag"}
    recipe = changed("sequences.bought.features.tags", tags)
    recipe["features"]["colour"] = {"column": "item", "table": "tag"}
    purchases = PURCHASES.with_columns(tags=pl.Series(["red|new", "", "old", "far"]))
    products = PRODUCTS.with_columns(tags=pl.Series(["", "red|new", "old"]))
    rows, _ = built(tmp_path, recipe, csv=csv, purchases=purchases, products=products)
    third = rows["s_bought__tags"][2].to_list()  # of a purchase of "b" and one of "a"
    assert [values(tmp_path, "tag", ids) for ids in third] == [["red", "new"], []]
    assert rows["s_bought__tags"][1].to_list() == []
    known = pl.read_parquet(tmp_path / "out" / "vocabulary" / "tag.parquet")["value"]
    assert set(known) == {"a", "b", "red", "new", "old"} | ({"far"} if source == "log" else set())
    data = ParquetData(Schema.load(tmp_path / "out" / "schema.yaml"), predict=str(tmp_path / "out" / "train.parquet"))
    (batch,) = data.predict_dataloader()
    assert batch.sequences["bought"].features["tags"].shape[1] == 2


def test_lists_of_the_snapshot_s_events_are_those_of_their_tables(tmp_path):
    recipe = {key: part for key, part in RECIPE.items() if key not in ("event_logs", "sequences")}
    recipe["snapshot"] = {"files": ["past.*"], "user": "user"}
    recipe["tables"] = {"products": {"files": ["products.*"], "key": "product_id", "on": "item"}}
    tags = {"source": "products", "kind": "multi_id", "separator": "|", "max_length": 2}
    own = {"kind": "multi_id", "separator": ",", "column": "item", "max_length": 1}
    recipe["sequences"] = {"seen": {"snapshot": "liked", "features": {"tags": tags, "own": own}}}
    products = PRODUCTS.with_columns(tags=pl.Series(["x", "y|z", None]))
    past = pl.DataFrame({"user": ["u1"], "liked": [["b", "c"]]})
    rows, _ = built(tmp_path, recipe, products=products, past=past)
    third = rows["s_seen__tags"][2].to_list()
    assert [values(tmp_path, "seen.tags", ids) for ids in third] == [["y", "z"], [], ["x"]]
    assert [len(ids) for ids in rows["s_seen__own"][2].to_list()] == [1, 1, 1]


def test_lists_of_events_need_a_longest_length(tmp_path):
    with pytest.raises(RecipeError, match="tags of kind 'multi_id' needs a max_length, for example 8"):
        Recipe.from_dict(changed("sequences.bought.features.tags", {"kind": "multi_id"}))


def test_the_order_of_the_lines_does_not_matter(tmp_path):
    built(tmp_path / "one")
    built(tmp_path / "two", purchases=PURCHASES.reverse())
    for path in (tmp_path / "one" / "out").rglob("*"):
        if path.is_file():
            assert (
                path.read_bytes()
                == (tmp_path / "two" / "out" / path.relative_to(tmp_path / "one" / "out")).read_bytes()
            )


@pytest.mark.parametrize(
    ("path", "value", "told"),
    [
        ("sequences.bought.log", "purchase", "sequences.bought.log is 'purchase'. Did you mean 'purchases'?"),
        ("counters.sold", {"log": "sales", "keys": ["item"]}, "Allowed: log, purchases."),
        ("event_logs.plays", {"files": ["p"], "user": "u", "time": "t"}, "write sequences.NAME.log: plays"),
        ("event_logs.log", {"files": ["p"], "user": "u", "time": "t"}, "give it another one"),
        ("event_logs.purchases.names", {"produkt_id": "x"}, "Did you mean 'product_id'?"),
        ("event_logs.purchases.delay", -1.0, "event_logs.purchases.delay must be 0 or more seconds, got -1.0."),
        ("event_logs.purchases.unit", "ms", "has no key 'unit'"),
        ("event_logs.purchases.time_unit", "min", "Allowed: s, ms, us"),
        ("sequences.bought.snapshot", "list", "of the snapshot, which is of the impression log, not of 'purchases'"),
        ("sequences.bought.features.x", {"source": "purchases"}, "Allowed: log, products."),
    ],
)
def test_a_recipe_that_cannot_be_meant_is_refused(path, value, told):
    recipe = changed(path, value)
    recipe["counters"] = {n: {"positive": [{"column": "x"}], **c} for n, c in recipe.get("counters", {}).items()}
    with pytest.raises(RecipeError) as refused:
        Recipe.from_dict(recipe)
    assert told in str(refused.value)


@pytest.mark.parametrize(
    ("purchases", "told"),
    [
        (PURCHASES.with_columns(pl.col("at") * 1000), "Set event_logs.purchases.time_unit to 'ms'"),
        (PURCHASES.rename({"buyer": "buyers"}), "Did you mean 'buyers'?"),
        (PURCHASES.with_columns(buyer=pl.Series([1, 1, 2, 9])), "'buyer' is Int64, and 'user' of the log is String"),
        (PURCHASES.with_columns(product=pl.Series([1, 2, 3, 1])), "'product' is Int64 in event_logs.purchases"),
        (PURCHASES.with_columns(at=pl.lit("soon")), "event_logs.purchases.time: column 'at' is String"),
        (PURCHASES.head(0), "a header and no rows"),
    ],
)
def test_event_logs_that_do_not_fit_are_refused(tmp_path, purchases, told):
    with pytest.raises(RecipeError) as refused:
        built(tmp_path, purchases=purchases)
    assert told in str(refused.value)


def test_a_zone_that_does_not_exist_is_refused_with_its_place(tmp_path):
    with pytest.raises(RecipeError, match=r"event_logs\.purchases\.time_zone 'Mars' is no zone"):
        built(tmp_path, changed("event_logs.purchases.time_zone", "Mars"))


def test_users_are_counted_and_a_log_of_other_users_is_told(tmp_path):
    _, report = built(tmp_path / "some")
    assert "purchases: 4 rows of 3 users; 2 of the impressions' 2 users have any" in str(report)
    _, report = built(tmp_path, purchases=PURCHASES.with_columns(pl.col("buyer").str.to_uppercase()))
    assert report.events["purchases"].found == 0
    assert "none of its 3 users is one of the impressions' 2: 'buyer' holds 'U1', 'user' of the log 'u1'" in str(report)


def test_a_log_that_begins_after_the_last_impression_is_told(tmp_path):
    _, report = built(tmp_path, purchases=PURCHASES.with_columns(pl.col("at") + 30 * DAY))
    assert "no impression sees any of its 4 events: the first is of 2023-05-31" in str(report)


@pytest.mark.parametrize("delay", [0, DAY])
def test_events_that_know_their_day_alone_are_told_unless_they_are_delayed(tmp_path, delay):
    days = PURCHASES.with_columns(at=pl.from_epoch("at").dt.date())
    _, report = built(tmp_path, changed("event_logs.purchases.delay", delay), purchases=days)
    assert ("all times are midnights" in str(report)) == (delay == 0)


def test_a_table_for_an_event_log_alone_needs_no_column_of_the_impression_log(tmp_path):
    assert "product_id" not in LOG.columns
    rows, _ = built(tmp_path)
    assert (rows["s_bought__colour"].list.len() == rows["s_bought__product"].list.len()).all()


NEW = pl.DataFrame({"user": ["u1", "u2", "u9"], "item": "a", "time": START + 5 * DAY})
LATER = pl.DataFrame({"buyer": ["u2"], "at": [START + 4 * DAY], "product": ["z"], "price": [9.0]})


@pytest.mark.parametrize("csv", [False, True], ids=["parquet", "csv"])
def test_new_rows_see_the_build_s_events_and_new_ones(tmp_path, csv):
    built(tmp_path, csv=csv)
    new = write(tmp_path / "new", csv=csv, log=NEW)
    for purchases, seen in ((None, [2.0]), (LATER, [2.0, 9.0]), (LATER.head(0), [2.0])):
        if purchases is not None:
            write(new, csv=csv, purchases=purchases)
        apply(tmp_path / "out", new, tmp_path / "applied")
        rows = pl.read_parquet(tmp_path / "applied" / "predict.parquet")
        assert rows["s_bought__price"].to_list() == [[5.0, 7.0], seen, [1.0]]


def test_events_that_the_build_has_read_are_told_when_they_are_given_again(tmp_path):
    built(tmp_path)
    new = write(tmp_path / "new", log=NEW, purchases=pl.concat([PURCHASES, LATER]))
    report = apply(tmp_path / "out", new, tmp_path / "applied")
    assert "4 of 5 new events are not later than the last of the build's" in str(report)
    assert "purchases: 9 rows (5 of them new) of 3 users; 3 of the impressions' 3 users have any" in str(report)


def test_a_dump_that_is_given_again_counts_once_where_repeats_are_dropped(tmp_path):
    built(tmp_path, changed("event_logs.purchases.repeated", "drop"))
    new = write(tmp_path / "new", log=NEW, purchases=pl.concat([PURCHASES, LATER]))
    report = apply(tmp_path / "out", new, tmp_path / "applied")
    rows = pl.read_parquet(tmp_path / "applied" / "predict.parquet")
    assert rows["s_bought__price"].to_list() == [[5.0, 7.0], [2.0, 9.0], [1.0]]
    assert "count twice" not in str(report)


def test_a_grown_build_has_ids_for_values_of_new_events_and_keeps_them_for_the_next(tmp_path):
    built(tmp_path)
    later = write(tmp_path / "later", log=NEW.with_columns(click=1), purchases=LATER)
    extend(tmp_path / "out", later, tmp_path / "grown" / "out")
    apply(tmp_path / "grown" / "out", write(tmp_path / "new", log=NEW), tmp_path / "applied")
    rows = pl.read_parquet(tmp_path / "applied" / "predict.parquet")
    assert values(tmp_path / "grown", "item", rows["s_bought__product"][1].to_list()) == ["c", "z"]


def test_a_saved_recipe_says_the_same_of_its_event_logs(tmp_path):
    recipe = Recipe.from_dict(changed("event_logs.purchases.delay", 60))
    recipe.save(tmp_path / "recipe.yaml")
    assert Recipe.load(tmp_path / "recipe.yaml") == recipe
