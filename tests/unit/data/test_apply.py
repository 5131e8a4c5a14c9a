"""New rows are encoded as the build would have encoded them, from what the build has kept."""

from __future__ import annotations

import copy
from pathlib import Path

import polars as pl
import pytest

from hyrec.data.logs import Recipe, RecipeError, apply, build
from hyrec.schema import OOV_ID
from tests.unit.data.test_build_dataset import DAY, ITEMS, LOG, RECIPE, SNAPSHOT, built, write_logs

TEST = pl.col("time") >= 3 * DAY
OUTCOMES = ["click", "watched"]


def write_new(folder: Path, log: pl.DataFrame, *, csv: bool = False, items: pl.DataFrame | None = None) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, frame in {"log": log, "items": items}.items():
        if frame is not None:
            frame.write_csv(folder / f"{name}.csv") if csv else frame.write_parquet(folder / f"{name}.parquet")
    return folder


def applied(folder: Path, log: pl.DataFrame, out: str = "new-out", **options) -> pl.DataFrame:
    apply(folder / "out", write_new(folder / "new", log, **options), folder / out)
    return pl.read_parquet(folder / out / "predict.parquet")


@pytest.mark.parametrize("csv", [False, True], ids=["parquet", "csv"])
def test_rows_of_the_log_without_their_labels_are_encoded_as_the_build_encoded_them(tmp_path, csv):
    whole = pl.concat(built(tmp_path, csv=csv).values(), how="vertical_relaxed")
    rows = applied(tmp_path, LOG.drop(OUTCOMES), csv=csv)
    key = ["time", "user", "item"]
    expected = whole.sort(key).drop("click")
    assert rows.sort(key).select(expected.columns).equals(expected)


@pytest.mark.parametrize("csv", [False, True], ids=["parquet", "csv"])
def test_later_rows_see_the_build_s_events(tmp_path, csv):
    whole = built(tmp_path / "whole", csv=csv)["test"]
    built(tmp_path, csv=csv, log=LOG.filter(~TEST))
    rows = applied(tmp_path, LOG.filter(TEST).drop(OUTCOMES), csv=csv)
    assert rows.drop("input_row").equals(whole.drop("click").select(rows.drop("input_row").columns))


def test_new_rows_with_a_label_are_events_for_later_ones_and_rows_without_are_none(tmp_path):
    built(tmp_path)
    new = pl.DataFrame({"time": [4 * DAY, 5 * DAY, 6 * DAY], "user": 9, "item": "a", "tab": 1})
    outcomes = pl.DataFrame({"click": [1, None, None], "watched": [2.0, None, None]})
    rows = applied(tmp_path, pl.concat([new, outcomes], how="horizontal"))
    seen = [len(events) for events in rows["s_shown__item"]]
    assert seen == [1, 3, 3]  # the snapshot, which is older than the second day only, the log's row, and the first


def test_rows_keep_the_order_of_the_files_and_say_where_they_stood(tmp_path):
    built(tmp_path)
    new = (
        LOG.drop(OUTCOMES).reverse().with_columns(user=pl.when(pl.col("tab") == 9).then(None).otherwise(pl.col("user")))
    )
    rows = applied(tmp_path, new)
    kept = new.with_row_index("input_row").drop_nulls("user")
    assert rows.select("input_row", "time", "user", "item").equals(kept.select("input_row", "time", "user", "item"))


def test_values_that_the_build_does_not_know_are_out_of_vocabulary_and_the_others_keep_their_ids(tmp_path):
    recipe = copy.deepcopy(RECIPE)
    del recipe["sequences"]["clicks"]["features"]["share"]  # which divides by the tab
    whole = built(tmp_path, recipe=recipe, csv=True)["test"]
    new = LOG.filter(TEST).drop(OUTCOMES)
    odd = new.with_columns(user=pl.lit("u9"), tab=pl.lit("x"))
    rows = applied(tmp_path, pl.concat([new.cast({"user": pl.String, "tab": pl.String}), odd]), csv=True)
    assert rows["f_user"].to_list() == [*whole["f_user"], OOV_ID]
    assert rows["f_tab"].to_list() == [*whole["f_tab"], OOV_ID]


def test_ids_of_which_the_build_knows_none_are_told(tmp_path):
    built(tmp_path)
    new = pl.DataFrame({"time": [9 * DAY] * 5, "user": [70 + i for i in range(5)], "item": "a", "tab": 1})
    write_new(tmp_path / "new", new)
    (warning,) = apply(tmp_path / "out", tmp_path / "new", tmp_path / "new-out").warnings
    assert warning.startswith(
        "Features of which every known id is out of vocabulary: user. Are these ids written as in"
    )


def test_a_table_that_is_given_again_takes_the_place_of_its_rows_and_the_others_stay(tmp_path):
    built(tmp_path)
    new = LOG.filter(TEST).drop(OUTCOMES)
    new = pl.concat([new, new.with_columns(item=pl.lit("b")), new.with_columns(item=pl.lit("new"))])
    items = pl.DataFrame({"item": ["a", "new"], "colours": ["green", "red"], "length": [1.0, 2.0]})
    rows = applied(tmp_path, new, items=items)
    assert rows["f_length"].to_list() == [1.0, 4.0, 2.0]


def test_what_is_fitted_stays_as_it_was(tmp_path):
    built(tmp_path)
    applied(tmp_path, LOG.drop(OUTCOMES).with_columns(tab=pl.lit(77)), items=ITEMS.with_columns(pl.col("length") + 50))
    assert (tmp_path / "new-out" / "schema.yaml").read_bytes() == (tmp_path / "out" / "schema.yaml").read_bytes()


def test_the_snapshot_is_the_build_s(tmp_path):
    recipe = copy.deepcopy(RECIPE)
    recipe["snapshot"].pop("last_time")
    whole = built(tmp_path, recipe=recipe)["test"]
    new = write_new(tmp_path / "new", LOG.filter(TEST).drop(OUTCOMES))
    SNAPSHOT.with_columns(list=pl.lit(["d"])).write_parquet(new / "snapshot.parquet")
    apply(tmp_path / "out", new, tmp_path / "new-out")
    rows = pl.read_parquet(tmp_path / "new-out" / "predict.parquet")
    assert rows["s_shown__item"].to_list() == whole["s_shown__item"].to_list()


def test_rows_after_the_recipe_s_last_moment_are_encoded(tmp_path):
    recipe = copy.deepcopy(RECIPE)
    recipe["split"]["until"] = "1970-01-05"
    built(tmp_path, recipe=recipe)
    assert applied(tmp_path, LOG.drop(OUTCOMES).with_columns(time=9 * DAY)).height == LOG.height


def test_a_second_call_gives_the_same_bytes(tmp_path):
    built(tmp_path)
    for out in ("one", "two", "one"):
        applied(tmp_path, LOG.drop(OUTCOMES), out=out)
    for path in (tmp_path / "one").iterdir():
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes()


def test_the_report_counts_rows_that_are_not_later_than_the_build(tmp_path):
    built(tmp_path)
    new = write_new(tmp_path / "new", pl.concat([LOG, LOG[:1].with_columns(time=pl.lit(4 * DAY, pl.Int64))]))
    report = apply(tmp_path / "out", new, tmp_path / "new-out")
    assert f"{LOG.height} of {LOG.height + 1} rows are not later" in str(report)
    assert f"{LOG.height} of these have a label" in str(report)


@pytest.mark.parametrize(
    "form",
    [
        {"user": pl.col("user").cast(pl.String).cast(pl.Categorical), "click": pl.col("click") == 1},
        {"user": pl.col("user").cast(pl.Float64), "time": pl.from_epoch("time").dt.replace_time_zone("UTC")},
        {"user": pl.col("user").cast(pl.UInt64) + 2**63, "item": pl.col("item").cast(pl.Binary)},
        {"user": pl.col("user").cast(pl.Decimal(20, 2)), "tab": pl.lit(None, pl.Int64)},
    ],
    ids=["categories and truth values", "floats and timestamps", "large numbers and bytes", "decimals and nothing"],
)
def test_columns_of_any_type_are_kept_as_they_were(tmp_path, form):
    recipe = copy.deepcopy(RECIPE)
    del recipe["snapshot"], recipe["tables"], recipe["sequences"]["shown"]["snapshot"]
    recipe["features"] = {name: recipe["features"][name] for name in ("item", "user", "tab", "hour")}
    del recipe["sequences"]["clicks"]["features"]["colour"]
    log = LOG.with_columns(**form)
    whole = built(tmp_path / "whole", recipe=recipe, log=log)["test"]
    built(tmp_path, recipe=recipe, log=log.filter(LOG.select(~TEST).to_series()))
    rows = applied(tmp_path, log.filter(LOG.select(TEST).to_series()).drop(OUTCOMES))
    assert rows.drop("input_row").equals(whole.drop("click").select(rows.drop("input_row").columns))


def test_a_build_without_state_is_to_be_built_again(tmp_path):
    built(tmp_path)
    for path in (tmp_path / "out" / "_state").iterdir():
        path.unlink()
    with pytest.raises(RecipeError, match="Build it again"):
        applied(tmp_path, LOG)


@pytest.mark.parametrize(("place", "message"), [("ou", "Did you mean '.*out'"), ("in", "no schema.yaml")])
def test_a_folder_that_is_no_build_is_refused(tmp_path, place, message):
    built(tmp_path)
    with pytest.raises(RecipeError, match=message):
        apply(tmp_path / place, tmp_path / "in", tmp_path / "new-out")


def test_a_vocabulary_of_another_build_is_refused(tmp_path):
    built(tmp_path)
    built(tmp_path / "other", log=LOG.with_columns(tab=pl.col("tab") + 1))
    name = Path("out") / "vocabulary" / "tab.parquet"
    (tmp_path / name).write_bytes((tmp_path / "other" / name).read_bytes())
    with pytest.raises(RecipeError, match=r"tab\.parquet is of another build"):
        applied(tmp_path, LOG)


@pytest.mark.parametrize(
    ("name", "before", "after", "message"),
    [
        ("recipe.yaml", "  hour:", "  our:", "not of one build: features.hour differs"),
        ("recipe.yaml", "table: item", "table: thing", "not of one build: features.item differs"),
        ("schema.yaml", "fingerprint:\n  clicks", "fingerprint:\n  cliks", "no fingerprint of sequences.clicks"),
        ("schema.yaml", "  dense length:", "  dense width:", "no fingerprint of features.length"),
    ],
)
def test_a_build_that_was_changed_by_hand_is_refused(tmp_path, name, before, after, message):
    recipe = copy.deepcopy(RECIPE)
    recipe["sequences"]["clicks"]["features"]["a"] = {"column": "tab"}
    built(tmp_path, recipe=recipe)
    text = (tmp_path / "out" / name).read_text()
    assert before in text
    (tmp_path / "out" / name).write_text(text.replace(before, after, 1))
    with pytest.raises(RecipeError, match=message):
        applied(tmp_path, LOG)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("vocabulary/tab.parquet", r"tab\.parquet cannot be read as Parquet"),
        ("_state/table-items.parquet", r"table-items\.parquet is gone; build it again"),
    ],
)
def test_a_part_of_the_build_that_is_gone_is_named(tmp_path, name, message):
    built(tmp_path)
    (tmp_path / "out" / name).unlink()
    with pytest.raises(RecipeError, match=message):
        applied(tmp_path, LOG)


def test_a_data_set_is_not_replaced_by_new_rows(tmp_path):
    built(tmp_path)
    with pytest.raises(RecipeError, match="is a data set, which would be lost"):
        applied(tmp_path, LOG, out="out")


def test_files_beside_the_new_rows_stay(tmp_path):
    built(tmp_path)
    (tmp_path / "new-out").mkdir()
    for name in ("recipe.yaml", "validate.parquet", "predict.parquet"):
        (tmp_path / "new-out" / name).write_text("of the user")
    assert applied(tmp_path, LOG).height == LOG.height
    assert all(
        (tmp_path / "new-out" / name).read_text() == "of the user" for name in ("recipe.yaml", "validate.parquet")
    )


def test_labels_without_the_other_outcomes_are_refused(tmp_path):
    built(tmp_path)
    with pytest.raises(RecipeError, match=r"the label 'click'.* but not the outcome 'watched'"):
        applied(tmp_path, LOG.drop("watched"))


def test_a_label_column_that_is_empty_needs_no_other_outcomes(tmp_path):
    built(tmp_path)
    assert "click" not in applied(tmp_path, LOG.drop("watched").with_columns(click=None)).columns


@pytest.mark.parametrize("csv", [False, True], ids=["parquet", "csv"])
def test_a_missing_column_is_named_with_what_there_is(tmp_path, csv):
    built(tmp_path, csv=csv)
    with pytest.raises(RecipeError, match=r"has no column 'tab'\. Did you mean 'tba'"):
        applied(tmp_path, LOG.rename({"tab": "tba"}), csv=csv)


@pytest.mark.parametrize("csv", [False, True], ids=["parquet", "csv"])
def test_files_without_rows_are_refused(tmp_path, csv):
    built(tmp_path, csv=csv)
    with pytest.raises(RecipeError, match="holds a header and no rows"):
        applied(tmp_path, LOG.head(0), csv=csv)


def test_rows_that_cannot_be_used_are_told(tmp_path):
    built(tmp_path)
    with pytest.raises(RecipeError, match=r"no row of log\.parquet can be used: 8 user, item or time missing"):
        applied(tmp_path, LOG.with_columns(item=pl.lit(None, pl.String)))


def test_a_log_of_csv_and_parquet_files_is_kept_in_both_forms(tmp_path):
    recipe = copy.deepcopy(RECIPE)
    recipe["log"]["files"] = ["log*"]
    source = write_logs(tmp_path / "in", LOG[::2])
    LOG[1::2].write_csv(source / "log.csv")
    build(Recipe.from_dict(recipe), source, tmp_path / "out")
    test = pl.read_parquet(tmp_path / "out" / "test.parquet").drop("click")
    rows = applied(tmp_path, LOG.filter(TEST).drop(OUTCOMES))
    assert rows.select(test.columns).equals(test)


@pytest.mark.parametrize("csv", [False, True], ids=["parquet", "csv"])
@pytest.mark.parametrize("as_number", [pl.col("user"), pl.col("user").cast(pl.Float64)], ids=["whole", "floats"])
@pytest.mark.parametrize("as_text", ["7", "7.0"])
def test_one_id_that_is_text_does_not_hide_the_numbers_that_the_build_knows(tmp_path, csv, as_number, as_text):
    recipe = copy.deepcopy(RECIPE)
    del recipe["snapshot"], recipe["sequences"]["shown"]["snapshot"]
    built(tmp_path, recipe=recipe, csv=csv, log=LOG.with_columns(as_number))
    new = pl.DataFrame({"time": 9 * DAY, "user": [as_text, "u9"], "item": "a", "tab": 1})
    rows = applied(tmp_path, new, csv=True)
    assert [len(events) for events in rows["s_shown__item"]] == [5, 0]
    assert (rows["f_user"] == OOV_ID).to_list() == [False, True]


def test_floats_of_new_rows_are_the_texts_that_the_build_knows(tmp_path):
    recipe = copy.deepcopy(RECIPE)
    del recipe["snapshot"], recipe["sequences"]["shown"]["snapshot"]
    built(tmp_path, recipe=recipe, log=LOG.with_columns(user=pl.col("user").cast(pl.String).replace("8", "u8")))
    rows = applied(tmp_path, pl.DataFrame({"time": 9 * DAY, "user": [7.0, None], "item": "a", "tab": 1}))
    assert [len(events) for events in rows["s_shown__item"]] == [5]


@pytest.mark.parametrize(("before", "later"), [("ms", "s"), ("s", "ms")], ids=["in the build", "in new rows"])
def test_timestamps_and_numbers_are_not_taken_for_one_another(tmp_path, before, later):
    forms = {"s": pl.col("time"), "ms": pl.from_epoch("time").cast(pl.Datetime("ms"))}
    built(tmp_path, log=LOG.with_columns(forms[before]))
    with pytest.raises(RecipeError, match=r"'time' is .* in the built logs and .* in log\.parquet; write all files"):
        applied(tmp_path, LOG.drop(OUTCOMES).with_columns(forms[later]))


def test_tables_whose_names_end_alike_are_kept_apart(tmp_path):
    recipe = copy.deepcopy(RECIPE)
    recipe["tables"]["items-text"] = {"files": ["prices.parquet"], "key": "item"}
    recipe["features"]["price"] = {"source": "items-text", "kind": "dense"}
    (tmp_path / "in").mkdir()
    pl.DataFrame({"item": ["a"], "price": [5.0]}).write_parquet(tmp_path / "in" / "prices.parquet")
    whole = built(tmp_path, recipe=recipe, csv=True)["test"]
    rows = applied(tmp_path, LOG.filter(TEST).drop(OUTCOMES), csv=True)
    assert rows.select("f_price", "f_length").equals(whole.select("f_price", "f_length"))


def test_rows_are_counted_through_files_of_both_forms_by_name(tmp_path):
    recipe = copy.deepcopy(RECIPE)
    recipe["log"]["files"] = ["log*"]
    built(tmp_path, recipe=recipe)
    new, source = LOG.drop(OUTCOMES), write_new(tmp_path / "new", LOG[:3].drop(OUTCOMES))
    new[3:5].write_csv(source / "log2.csv")
    new[5:].write_parquet(source / "log3.parquet")
    apply(tmp_path / "out", source, tmp_path / "new-out")
    rows = pl.read_parquet(tmp_path / "new-out" / "predict.parquet")
    assert rows["input_row"].to_list() == list(range(LOG.height))
    assert rows.select("time", "user", "item").equals(new.select("time", "user", "item"))
