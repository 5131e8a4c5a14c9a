"""``hyrec data init``: recipes drafted for logs of many styles."""

import itertools

import numpy as np
import polars as pl
import pytest
import yaml

from hyrec.cli.main import main
from hyrec.data.drafting.recipe_draft import draft_recipe
from hyrec.data.logs import Recipe, RecipeError, build
from tests.new_processes import heavy_packages_of

START = 1_700_000_000
UNITS = {"s": 1, "ms": 1_000, "us": 1_000_000}
NAMES = [  # user, item, time, label
    ("user_id", "item_id", "timestamp", "click"),
    ("uid", "iid", "ts", "label"),
    ("userId", "movieId", "eventTime", "liked"),
    ("member_id", "product_id", "created_at", "is_purchase"),
    ("customer", "sku", "time_ms", "is_click"),
    ("visitorid", "itemid", "time_stamp", "clk"),
    ("reviewerID", "asin", "unixReviewTime", "overall"),
    ("user_id:token", "item_id:token", "timestamp:float", "rating:float"),
]


def log_of(names, form, days=6, rows=400, seed=0):
    """Return a log of 30 users and 60 items; times in a unit, as timestamps or as ISO texts."""
    user, item, time, label = names
    draw = np.random.default_rng(seed)
    seconds = pl.Series(np.sort(START + draw.integers(0, days * 86_400, rows)))
    times = seconds * UNITS.get(form, 1)
    if form in ("iso", "timestamp"):
        times = pl.from_epoch(seconds)
        times = times.dt.strftime("%Y-%m-%d %H:%M:%S") if form == "iso" else times
    labels = draw.integers(1, 6, rows) if label in ("rating:float", "overall") else draw.integers(0, 2, rows)
    return pl.DataFrame(
        {
            item: draw.integers(0, 60, rows) + 1000,
            user: [f"u{number}" for number in draw.integers(0, 30, rows)],
            "device_type": draw.choice(["phone", "desktop", "tv", "watch", "car"], rows),
            "user_level": draw.integers(0, 9, rows),
            time: times,
            label: labels,
            "dwell": draw.random(rows) * 60,
        }
    )


def written(folder, frames, suffix="csv"):
    folder.mkdir(exist_ok=True)
    for name, frame in frames.items():
        if suffix == "parquet":
            frame.write_parquet(folder / f"{name}.parquet")
        else:
            frame.write_csv(folder / f"{name}.{suffix}", separator="\t" if suffix == "tsv" else ",")
    return folder


def drafted(folder, frames, suffix="csv", **given):
    text = draft_recipe([str(written(folder / "logs", frames, suffix))], given).text
    return text, Recipe.from_dict(yaml.safe_load(text))


@pytest.mark.parametrize("names", NAMES, ids=lambda names: names[0])
@pytest.mark.parametrize(("form", "suffix"), [*itertools.product(["s", "ms", "us", "iso"], ["csv", "tsv", "parquet"])])
def test_user_item_time_unit_and_label_are_found_whatever_they_are_called(names, form, suffix, tmp_path):
    _, recipe = drafted(tmp_path, {"events": log_of(names, form)}, suffix)
    unit = "us" if form == "iso" else form
    assert (recipe.log.user, recipe.log.item, recipe.log.time, recipe.log.time_unit) == (*names[:3], unit)
    assert [task.column for task in recipe.tasks.values()] == [names[3]]
    assert recipe.outcomes == {names[3], "dwell"}
    assert recipe.features["device_type"].kind == "id"


def test_timestamps_are_times(tmp_path):
    _, recipe = drafted(tmp_path, {"events": log_of(NAMES[0], "timestamp")}, "parquet")
    assert (recipe.log.time, recipe.log.time_unit) == ("timestamp", "us")


def test_of_ratings_about_half_are_positive(tmp_path):
    _, recipe = drafted(tmp_path, {"events": log_of(NAMES[-1], "s")})
    assert recipe.tasks["rating"].threshold in (2, 3)


def test_a_log_of_days_is_split_by_days_and_a_short_one_by_shares(tmp_path):
    _, days = drafted(tmp_path, {"events": log_of(NAMES[0], "s", days=6, rows=2000)})
    _, hours = drafted(tmp_path, {"events": log_of(NAMES[0], "s", days=1)})
    assert (days.split.validate_from, days.split.test_from) == ("2023-11-19", "2023-11-20")
    assert "T" in hours.split.test_from


def test_what_is_read_back_within_a_day_is_frozen_so_that_it_ranks_nothing_backwards(tmp_path):
    _, days = drafted(tmp_path, {"events": log_of(NAMES[0], "s")})
    _, hours = drafted(tmp_path, {"events": log_of(NAMES[0], "s", days=1)})
    assert [recipe.counters["click_by_user"].refresh for recipe in (days, hours)] == ["day", "train"]


def test_a_column_of_requests_is_the_group(tmp_path):
    log = log_of(NAMES[0], "s")
    log = pl.concat([log, log.with_columns(pl.col("item_id") + 7)]).sort("timestamp", "user_id")
    requests = log.select(pl.struct("timestamp", "user_id").rank("dense").alias("request_id"))
    _, recipe = drafted(tmp_path, {"events": log.hstack(requests)})
    assert recipe.group == ["request_id"]
    _, recipe = drafted(tmp_path / "logs", {"events": log})
    assert recipe.group == ["user_id", "day"]


def test_a_column_that_tells_the_label_is_an_outcome_to_be_checked(tmp_path):
    log = log_of(NAMES[0], "s").with_columns(q7=pl.col("click") * 10 + pl.col("dwell") / 30)
    text, recipe = drafted(tmp_path, {"events": log})
    assert "q7" in recipe.outcomes
    assert "- q7  # CHECK: it tells the label" in text


@pytest.mark.parametrize("seed", range(5))
def test_of_few_rows_no_column_is_said_to_tell_the_label(seed, tmp_path):
    log = log_of(NAMES[0], "s", rows=60, seed=seed)
    log = log.with_columns(zone=pl.int_range(60) % 45, weight=pl.Series(np.random.default_rng(seed).random(60)))
    _, recipe = drafted(tmp_path, {"events": log})
    assert recipe.outcomes == {"click", "dwell"}


def test_what_came_of_an_impression_is_no_property_of_an_item_that_was_shown_once(tmp_path):
    log = log_of(NAMES[0], "s").with_columns(item_id=pl.int_range(400) // 2 * 10 + pl.int_range(400) % 2)
    log = pl.concat([log, log[:5]])
    _, recipe = drafted(tmp_path, {"events": log})
    assert "dwell" in recipe.outcomes


def tables(log):
    users, items = log["user_id"].unique(maintain_order=True), log["item_id"].unique(maintain_order=True)
    genres = itertools.cycle(["drama|war", "war", "comedy|drama|crime", "crime"])
    return {
        "users": pl.DataFrame({"user_id": users, "age": [18 + i % 50 for i in range(len(users))]}),
        "items": pl.DataFrame(
            {
                "item_id": items,
                "title": [f"The {i}th film" for i in range(len(items))],
                "genres": list(itertools.islice(genres, len(items))),
                "released": [f"20{10 + i % 10}-05-0{1 + i % 9}" for i in range(len(items))],
            }
        ),
    }


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_tables_of_users_and_items_are_joined_and_their_columns_become_features(suffix, tmp_path):
    log = log_of(NAMES[0], "s")
    text, recipe = drafted(tmp_path, {"events": log, **tables(log)}, suffix)
    assert {name: (table.key, table.role) for name, table in recipe.tables.items()} == {
        "user": ("user_id", "user"),
        "item": ("item_id", "item"),
    }
    assert (recipe.features["genres"].kind, recipe.features["genres"].separator) == ("multi_id", "|")
    assert recipe.features["age"].kind == "dense"
    assert recipe.features["released"].derive == "age"
    assert "left out: item.title" in text


def test_columns_of_any_name_are_user_and_item_where_they_are_keys_of_such_tables(tmp_path):
    log = log_of(("a", "b", "timestamp", "click"), "s")
    frames = {name: pl.DataFrame({key: log[key].unique()}) for name, key in (("users", "a"), ("catalogue", "b"))}
    frames = {name: frame.with_columns(size=pl.int_range(pl.len()) % 3) for name, frame in frames.items()}
    text, recipe = drafted(tmp_path, {"events": log, **frames})
    assert (recipe.log.user, recipe.log.item) == ("a", "b")
    assert "item: b  # CHECK" in text


def test_drafting_imports_no_torch(tmp_path):
    logs = written(tmp_path / "logs", {"events": log_of(NAMES[0], "s")})
    command = ["data", "init", str(logs), "--out", str(tmp_path / "recipe.yaml")]
    assert not {"torch", "lightning"} & heavy_packages_of(*command)
    assert (tmp_path / "recipe.yaml").is_file()


def test_lists_of_the_logs_items_are_a_snapshot(tmp_path):
    log = log_of(NAMES[0], "s")
    past = pl.DataFrame({"user_id": log["user_id"].unique(), "seen": [[1001, 1002]] * log["user_id"].n_unique()})
    _, recipe = drafted(tmp_path, {"events": log, "past": past}, "parquet")
    assert recipe.snapshot.files == ["past.parquet"]
    assert recipe.sequences["shown"].snapshot == "seen"


def test_files_of_the_same_columns_are_one_log(tmp_path):
    log = log_of(NAMES[0], "s")
    frames = {"log_1": log[:200], "log_2": log[200:], **tables(log)}
    _, recipe = drafted(tmp_path, frames)
    assert recipe.log.files == ["log_*.csv"]


def test_options_win_over_guesses(tmp_path):
    log = log_of(NAMES[0], "s").with_columns(sold=pl.col("item_id") % 2, shop_id=pl.col("item_id") % 20)
    given = {"user": ["shop_id"], "label": ["sold", "click"]}
    _, recipe = drafted(tmp_path, {"events": log}, **given)
    assert recipe.log.user == "shop_id"
    assert [task.column for task in recipe.tasks.values()] == ["sold", "click"]


def test_a_weekday_is_a_feature_only_where_a_week_trains(tmp_path):
    _, short = drafted(tmp_path, {"events": log_of(NAMES[0], "s", days=6)})
    _, long = drafted(tmp_path, {"events": log_of(NAMES[0], "s", days=12)})
    assert ["weekday" in recipe.features for recipe in (short, long)] == [False, True]


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_a_log_of_days_without_hours_is_built(suffix, tmp_path):
    log = log_of(NAMES[0], "timestamp").with_columns(pl.col("timestamp").dt.date())
    text, recipe = drafted(tmp_path, {"events": log}, suffix)
    assert "time: timestamp  # CHECK: it holds days only" in text
    assert all(build(recipe, tmp_path / "logs", tmp_path / "out").splits.values())


@pytest.mark.parametrize("form", [pl.Categorical, pl.Binary, pl.Float64], ids=str)
def test_ids_of_other_types_are_ids(form, tmp_path):
    log = log_of(NAMES[0], "s").with_columns(pl.col("user_id").str.strip_prefix("u").cast(pl.Int64))
    log = log.with_columns(pl.col("user_id") if form == pl.Float64 else pl.col("user_id").cast(pl.String))
    _, recipe = drafted(tmp_path, {"events": log.with_columns(pl.col("user_id").cast(form))}, "parquet")
    assert recipe.log.user == "user_id"


def test_times_with_fractions_of_a_second_are_refused_with_the_remedy(tmp_path):
    log = log_of(NAMES[0], "s").with_columns(pl.col("timestamp") + 0.25)
    with pytest.raises(RecipeError, match="'timestamp' holds times with fractions of a second: store whole"):
        drafted(tmp_path, {"events": log})


def test_a_csv_file_without_a_header_is_told(tmp_path):
    (tmp_path / "logs").mkdir()
    log_of(NAMES[0], "s").write_csv(tmp_path / "logs" / "log.csv", include_header=False)
    with pytest.raises(RecipeError, match="where it holds values, name them: --columns"):
        draft_recipe([str(tmp_path / "logs")], {})


def test_a_table_is_found_by_its_files_name_where_its_key_is_only_called_id(tmp_path):
    log = log_of(NAMES[0], "s")
    items = pl.DataFrame({"id": log["item_id"].unique()}).with_columns(kind=pl.col("id") % 5)
    _, recipe = drafted(tmp_path, {"events": log, "items": items})
    assert (recipe.tables["item"].key, recipe.tables["item"].on) == ("id", "item_id")


@pytest.mark.parametrize(
    ("dropped", "role"), [("user_id", "user"), ("item_id", "item"), ("timestamp", "time"), ("click", "label")]
)
def test_what_cannot_be_found_is_refused_with_the_columns_and_the_option(dropped, role, tmp_path):
    log = log_of(NAMES[0], "s").drop(dropped)
    with pytest.raises(RecipeError, match=f"looks like (the|a) {role}; name it with --{role} COLUMN") as refused:
        drafted(tmp_path, {"events": log})
    assert all(name in str(refused.value) for name in log.columns)


def test_a_given_column_that_is_misspelt_gets_the_nearest(tmp_path):
    with pytest.raises(RecipeError, match=r"column 'user_di'\. Did you mean 'user_id'"):
        drafted(tmp_path, {"events": log_of(NAMES[0], "s")}, user=["user_di"])


def test_a_draft_never_replaces_a_file(tmp_path, capsys):
    logs = written(tmp_path / "logs", {"events": log_of(NAMES[0], "s")})
    mine = tmp_path / "recipe.yaml"
    mine.write_text("mine")
    assert main(["data", "init", str(logs), "--out", str(mine)]) == 2
    assert mine.read_text() == "mine"
    assert "--out" in capsys.readouterr().err


@pytest.mark.parametrize("form", ["ms", "iso"])
def test_from_csv_files_to_a_data_set_without_editing(form, tmp_path, capsys):
    log = log_of(NAMES[0], form, rows=600)
    logs = written(tmp_path / "logs", {"events": log, **tables(log)})
    recipe, out = tmp_path / "recipe.yaml", tmp_path / "data"
    assert main(["data", "init", str(logs), "--out", str(recipe)]) == 0
    assert f"hyrec data build --recipe {recipe} --input {logs} --out data" in capsys.readouterr().out
    assert main(["data", "build", "--recipe", str(recipe), "--input", str(logs), "--out", str(out)]) == 0
    assert "backwards" not in capsys.readouterr().out
    parts = [pl.read_parquet(out / f"{part}.parquet") for part in ("train", "validate", "test")]
    assert all(part.height for part in parts)
    assert set(parts[0]["click"]) == {0, 1}
    assert parts[2]["s_shown__item_id"].list.len().mean() > 5
    assert parts[2]["s_click_before__item_id"].list.len().mean() > 2
    assert "f_dwell" not in parts[0].columns


def test_files_with_users_and_times_but_no_label_are_event_logs(tmp_path, monkeypatch):
    log = log_of(("user", "item", "time", "click"), "s")
    searches = log.select(uid="user", ms=pl.col("time") * 1000, query=pl.col("item") % 7)
    orders = log.select(buyer="user", day=pl.from_epoch("time").dt.strftime("%Y-%m-%d"), product="item")
    items = pl.DataFrame({"item": range(1000, 1060), "colour": ["red", "blue"] * 30})
    elsewhere = searches.with_columns(uid=pl.col("uid") + "x")
    folder = written(tmp_path / "logs", {"a": searches, "b": log, "c": orders, "d": items})
    elsewhere.rename({"query": "word"}).write_csv(folder / "e.csv")
    draft = draft_recipe([str(folder)], {})
    recipe = Recipe.from_dict(yaml.safe_load(draft.text))
    assert recipe.log.files == ["b.csv"]
    assert {name: (of.user, of.time, of.time_unit, of.delay) for name, of in recipe.event_logs.items()} == {
        "a": ("uid", "ms", "ms", 0.0),
        "c": ("buyer", "day", "s", 86_400.0),
    }
    assert recipe.sequences["earlier_c"].features["product"].table == "item"
    assert ("not used", "e.csv", "the log refers to no unique column of theirs") in draft.decisions
    report = build(recipe, folder, tmp_path / "out")
    assert report.events["a"].found == report.events["a"].asking
    assert report.history_lengths["earlier_a"].mean > 0


def test_a_table_may_be_called_as_a_column_of_the_log_that_a_counter_counts_by(tmp_path):
    log = log_of(("user", "item", "time", "click"), "s")
    items = pl.DataFrame({"item": range(1000, 1060), "colour": ["red", "blue"] * 30})
    folder = written(tmp_path / "logs", {"log": log, "items": items})
    recipe = Recipe.from_dict(yaml.safe_load(draft_recipe([str(folder)], {}).text))
    assert "item" in recipe.tables
    assert recipe.counters["click_by_item"].keys == ["item"]
    assert build(recipe, folder, tmp_path / "out").splits["train"] > 0
