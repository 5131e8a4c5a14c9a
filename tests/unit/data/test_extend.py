"""A build grows by new rows: ids that were given stay, and what grew serves as a build."""

from __future__ import annotations

import copy
from pathlib import Path

import polars as pl
import pytest

from hyrec.data.logs import RecipeError, apply, extend
from hyrec.data.parquet import ParquetData
from hyrec.schema import OOV_ID, Schema
from tests.unit.data.test_apply import OUTCOMES, TEST, applied, write_new
from tests.unit.data.test_build_dataset import DAY, LOG, RECIPE, built, ids

LATER = LOG.with_columns(pl.col("time") + 10 * DAY, item=pl.col("item").replace({"c": "z", "d": "y"}))
SCORED = LATER.with_columns(pl.col("time") + 10 * DAY).drop(OUTCOMES)


def extended(folder: Path, log: pl.DataFrame = LATER, **options) -> pl.DataFrame:
    extend(folder / "out", write_new(folder / "later", log, **options), folder / "grown" / "out")
    return pl.read_parquet(folder / "grown" / "out" / "train.parquet")


@pytest.mark.parametrize("csv", [False, True], ids=["parquet", "csv"])
def test_ids_stay_and_new_values_get_the_next_ones(tmp_path, csv):
    built(tmp_path, csv=csv)
    before = ids(tmp_path, "item")
    rows = extended(tmp_path, csv=csv)
    after = ids(tmp_path / "grown", "item")
    assert {item: after[item] for item in before} == before
    assert {item: after[item] for item in {*after} - {*before}} == {
        "y": max(before.values()) + 1,
        "z": max(before.values()) + 2,
    }
    assert rows["f_item"].to_list() == [after[item] for item in rows["item"]]


def test_rows_of_the_grown_build_see_what_both_hold(tmp_path):
    recipe = copy.deepcopy(RECIPE)
    recipe["features"]["item"] = {"role": "item", "table": "item"}
    built(tmp_path, recipe=recipe)
    rows = extended(tmp_path)
    whole = built(tmp_path / "whole", recipe=recipe, log=pl.concat([LOG, LATER]))["test"].filter(
        pl.col("time") >= 10 * DAY
    )
    numbers = [name for name in rows.columns if name.startswith(("f_item_clicks", "s_clicks__time", "s_clicks__share"))]
    assert rows.select("time", "user", "item", "click", *numbers).equals(
        whole.select("time", "user", "item", "click", *numbers)
    )


def test_rows_for_the_grown_build_see_the_rows_that_it_grew_by(tmp_path):
    built(tmp_path)
    extended(tmp_path)
    new = write_new(tmp_path / "grown" / "new", SCORED)
    apply(tmp_path / "grown" / "out", new, tmp_path / "scored")
    whole = write_new(tmp_path / "both", pl.concat([LATER, SCORED], how="diagonal"))
    apply(tmp_path / "out", whole, tmp_path / "at-once")
    grown, at_once = (pl.read_parquet(tmp_path / name / "predict.parquet") for name in ("scored", "at-once"))
    names = [name for name in grown.columns if name.startswith(("f_item_clicks", "s_clicks__time", "s_clicks__share"))]
    assert grown.select(names).equals(at_once.tail(LOG.height).select(names))


def test_files_of_the_build_before_fit_the_grown_schema_and_grown_files_do_not_fit_the_one_before(tmp_path):
    built(tmp_path)
    extended(tmp_path)
    before, after = (tmp_path / name for name in ("out", "grown/out"))
    grown = ParquetData(Schema.load(after / "schema.yaml"), train=str(before / "train.parquet"))
    assert grown.num_samples("train") == 5
    with pytest.raises(ValueError, match=r"other vocabularies than the schema \(tables item"):
        ParquetData(Schema.load(before / "schema.yaml"), train=str(after / "train.parquet")).num_samples("train")


def test_values_that_are_too_rare_get_no_id(tmp_path):
    recipe = copy.deepcopy(RECIPE)
    recipe["features"]["item"]["min_count"] = 3
    built(tmp_path, recipe=recipe)
    rows = extended(tmp_path, LATER.with_columns(item=pl.col("item").replace({"a": "y"})))
    assert set(rows.filter(pl.col("item") == "z")["f_item"]) == {OOV_ID}
    assert set(rows.filter(pl.col("item") == "y")["f_item"]) != {OOV_ID}


def test_dense_transforms_stay_as_they_were(tmp_path):
    built(tmp_path)
    extended(tmp_path)
    before, after = (Schema.load(tmp_path / name / "schema.yaml").features["length"] for name in ("out", "grown/out"))
    assert before == after


def test_rows_without_a_label_are_left_out_and_told(tmp_path):
    built(tmp_path)
    source = write_new(tmp_path / "later", pl.concat([LATER, SCORED], how="diagonal"))
    report = extend(tmp_path / "out", source, tmp_path / "grown")
    assert f"dropped   {LOG.height} rows: without a label" in str(report)
    assert pl.read_parquet(tmp_path / "grown" / "train.parquet").height == LOG.height


def test_rows_without_any_label_are_refused(tmp_path):
    built(tmp_path)
    with pytest.raises(RecipeError, match="has a label, so there is nothing to learn from"):
        extended(tmp_path, SCORED)


def test_a_build_does_not_grow_in_its_own_place(tmp_path):
    built(tmp_path)
    with pytest.raises(RecipeError, match="is the build itself"):
        extend(tmp_path / "out", write_new(tmp_path / "later", LATER), tmp_path / "out")


def test_texts_for_a_table_of_numbers_are_refused(tmp_path):
    built(tmp_path, csv=True)
    with pytest.raises(RecipeError, match="The table 'user' has ids of Int64, and new values are String"):
        extended(tmp_path, LATER.with_columns(user=pl.lit("u1")), csv=True)


def test_a_table_that_is_given_again_is_kept_for_later_rows(tmp_path):
    built(tmp_path)
    items = pl.DataFrame({"item": ["a", "z"], "colours": ["pink", "red"], "length": [1.0, 2.0]})
    extended(tmp_path, items=items)
    rows = applied(tmp_path / "grown", SCORED.filter(TEST))
    assert dict(zip(rows["item"], rows["f_length"], strict=True)) == {"a": 1.0, "b": 4.0, "z": 2.0, "y": None}


@pytest.mark.parametrize(("before", "later"), [(False, False), (False, True), (True, False), (True, True)])
def test_rows_that_the_build_holds_are_not_learned_again_where_repeated_rows_are_dropped(tmp_path, before, later):
    recipe = copy.deepcopy(RECIPE)
    recipe["log"] |= {"repeated": "drop", "files": ["log*"]}
    built(tmp_path, recipe=recipe, csv=before)
    rows = extended(tmp_path, pl.concat([LOG, LATER]), csv=later)
    assert sorted(rows["time"]) == sorted(LATER["time"])


def test_a_label_that_no_new_row_has_is_a_column_of_unknown_labels(tmp_path):
    recipe = copy.deepcopy(RECIPE)
    recipe["tasks"]["watched"] = {}
    built(tmp_path, recipe=recipe)
    rows = extended(tmp_path, LATER.with_columns(watched=pl.lit(None, pl.Float64)))
    assert rows["watched"].to_list() == [None] * LATER.height
