"""``hyrec data init``: files as other programs write them, and columns that only an outcome fills."""

import numpy as np
import polars as pl
import pytest
import yaml

from hyrec.cli.main import main
from hyrec.data.drafting.recipe_draft import draft_recipe
from hyrec.data.logs import Recipe, RecipeError, build

ROWS = 600


def log(rows=ROWS):
    draw = np.random.default_rng(0)
    return pl.DataFrame(
        {
            "user_id": draw.integers(0, 30, rows),
            "item_id": draw.integers(0, 60, rows),
            "timestamp": np.sort(1_700_000_000 + draw.integers(0, 6 * 86_400, rows)),
            "click": draw.integers(0, 2, rows),
        }
    )


def drafted(folder):
    return Recipe.from_dict(yaml.safe_load(draft_recipe([str(folder)], {}).text))


def lines_of(frame, header):
    return "\n".join([header, *(",".join(map(str, row)) for row in frame.with_row_index().rows()), ""])


@pytest.mark.parametrize(
    "header",
    [
        ",user_id,item_id,timestamp,click",
        '"",user_id,item_id,timestamp,click',
        '"","user_id","item_id","timestamp","click"',
    ],
    ids=["pandas", "polars", "R"],
)
def test_a_csv_file_whose_first_column_has_no_name_is_drafted_without_it_and_built(header, tmp_path):
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "log.csv").write_text(lines_of(log(), header))
    recipe = drafted(tmp_path / "logs")
    assert set(recipe.features) == {"item_id", "user_id", "hour"}
    assert all(build(recipe, tmp_path / "logs", tmp_path / "out").splits.values())


def test_a_column_that_counts_the_rows_is_no_feature(tmp_path):
    log().with_row_index("record").write_csv(tmp_path / "log.csv")
    assert "record" not in drafted(tmp_path).features


@pytest.mark.parametrize("kind", ["text", "list", "joined"])
def test_what_only_positives_have_is_an_outcome(kind, tmp_path):
    frame = log()
    draw = np.random.default_rng(1)
    values = {
        "text": [f"code{number}" for number in draw.integers(0, 200, ROWS)],
        "list": [draw.integers(0, 20, 3).tolist() for _ in range(ROWS)],
        "joined": ["|".join(f"t{number}" for number in draw.integers(0, 20, 3)) for _ in range(ROWS)],
    }[kind]
    nothing = [] if kind == "list" else None
    extra = [value if click else nothing for value, click in zip(values, frame["click"], strict=True)]
    frame.with_columns(pl.Series("extra", extra)).write_parquet(tmp_path / "log.parquet")
    recipe = drafted(tmp_path)
    assert "extra" in recipe.log.outcomes
    assert "extra" not in recipe.features


def test_a_column_that_is_there_twice_is_refused_as_the_build_does(tmp_path):
    (tmp_path / "log.csv").write_text(lines_of(log(), "user_id,user_id,item_id,timestamp,click"))
    with pytest.raises(RecipeError, match="holds the column 'user_id' twice"):
        draft_recipe([str(tmp_path)], {})


def test_a_log_without_rows_is_told(tmp_path):
    log().head(0).write_csv(tmp_path / "log.csv")
    with pytest.raises(RecipeError, match=r"log\.csv holds a header and no rows"):
        draft_recipe([str(tmp_path)], {})


def test_times_that_tell_no_day_from_month_are_told_with_what_is_read(tmp_path, capsys):
    times = pl.from_epoch("timestamp").dt.strftime("%d/%m/%Y %H:%M")
    log().with_columns(timestamp=times).write_csv(tmp_path / "log.csv")
    for given in ([], ["--time", "timestamp"]):
        assert main(["data", "init", str(tmp_path / "log.csv"), *given, "--out", str(tmp_path / "r")]) == 2
        told = capsys.readouterr().err
        assert "'timestamp' of log.csv holds '14/11/2023 22:" in told
        assert "Write ISO date-times, as 2024-01-25 06:07:00" in told


def test_a_log_of_events_whose_times_are_not_read_is_told(tmp_path):
    log().write_csv(tmp_path / "log.csv")
    times = pl.from_epoch("timestamp").dt.strftime("%d.%m.%y")
    log().select("user_id", when=times, topic=pl.col("item_id") % 7).write_csv(tmp_path / "searches.csv")
    (row,) = [row for row in draft_recipe([str(tmp_path)], {}).decisions if row[0] == "not used"]
    assert row[1] == "searches.csv"
    assert row[2].startswith("CHECK: 'when' of searches.csv holds '")


def test_a_label_of_words_is_told_to_be_written_in_numbers(tmp_path, capsys):
    words = pl.when(pl.col("click") > 0).then(pl.lit("yes")).otherwise(pl.lit("no"))
    log().with_columns(click=words).write_csv(tmp_path / "log.csv")
    for given, told in (([], "click ('no' and 'yes')"), (["--label", "click"], "String ('no', 'yes'). Write 0 and 1.")):
        assert main(["data", "init", str(tmp_path / "log.csv"), *given, "--out", str(tmp_path / "r")]) == 2
        assert told in capsys.readouterr().err


def test_a_decimal_comma_makes_no_list_of_two_ids(tmp_path):
    price = [f"{item * 1.37:.2f}".replace(".", ",") for item in log()["item_id"]]
    log().with_columns(price=pl.Series(price)).write_csv(tmp_path / "log.csv")
    log().select("user_id", "timestamp", "item_id", paid=pl.Series(price)).write_csv(tmp_path / "purchases.csv")
    text = draft_recipe([str(tmp_path)], {}).text
    assert "# CHECK: left out: price: numbers with a decimal comma, as " in text
    assert "left out: paid: numbers with a decimal comma, as " in text
    assert "kind: multi_id" not in text


def test_a_log_whose_moments_are_those_of_the_log_is_no_table(tmp_path):
    rows = log().unique("timestamp", keep="first", maintain_order=True)
    rows.write_csv(tmp_path / "log.csv")
    rows.filter(pl.col("click") > 0).drop("click").write_csv(tmp_path / "purchases.csv")
    recipe = drafted(tmp_path)
    assert not recipe.tables
    assert list(recipe.event_logs) == ["purchases"]


def test_commas_of_a_title_part_no_list(tmp_path):
    titles = ["Lamp, desk", "Chair", "Mug, 0.3 l"]
    log().with_columns(title=pl.Series([titles[item % 3] for item in log()["item_id"]])).write_csv(tmp_path / "log.csv")
    assert "title: {role: item, group: item, kind: id}" in draft_recipe([str(tmp_path)], {}).text


def parted(folder, days, name="part-{}.parquet"):
    """Write the log by day into folders named day=..., two files each."""
    for number, (day,) in enumerate(
        log().select(pl.from_epoch("timestamp").dt.date()).unique(maintain_order=True).rows()
    ):
        rows = log().filter(pl.from_epoch("timestamp").dt.date() == day)
        for half in (0, 1):
            path = folder / f"day={days[number]}" / name.format(10 * number + half)
            path.parent.mkdir(exist_ok=True, parents=True)
            rows[half::2].write_parquet(path)


def test_the_pattern_of_partitions_finds_those_of_later_days_too(tmp_path):
    days = [f"2024-05-0{day}" for day in range(1, 8)]
    parted(tmp_path / "logs", days)
    (tmp_path / "logs" / "notes").mkdir()
    files = [str(path) for path in (tmp_path / "logs").glob("*/*")]
    recipe = Recipe.from_dict(yaml.safe_load(draft_recipe(files, {}).text))
    assert recipe.log.files == ["day=*/part-*.parquet"]
    assert all(build(recipe, tmp_path / "logs", tmp_path / "out").splits.values())


def test_the_pattern_of_numbered_files_leaves_their_numbers_open(tmp_path):
    for number, rows in enumerate((log()[:200], log()[200:400], log()[400:])):
        rows.write_csv(tmp_path / f"log_2024-05-0{number + 1}.csv")
    assert drafted(tmp_path).log.files == ["log_*.csv"]


def test_a_pattern_is_as_narrow_as_other_files_ask_for(tmp_path):
    for number, rows in enumerate((log()[:300], log()[300:])):
        rows.write_csv(tmp_path / f"log_1{number}.csv")
    pl.DataFrame({"note": ["a", "b"]}).write_csv(tmp_path / "log_2.csv")
    assert drafted(tmp_path).log.files == ["log_1*.csv"]


NAMES = ["user_id", "item_id", "timestamp", "click"]


def test_files_without_a_header_are_drafted_with_the_names_that_are_given_and_built(tmp_path, monkeypatch):
    (tmp_path / "logs").mkdir()
    log().write_csv(tmp_path / "logs" / "log.csv", include_header=False)
    items = pl.DataFrame({"item_id": range(60), "price": [n * 1.5 for n in range(60)]})
    items.write_csv(tmp_path / "logs" / "items.csv", include_header=False)
    columns = ["--columns", "log.csv=" + ",".join(NAMES), "--columns", "items*=item_id,price"]
    monkeypatch.chdir(tmp_path)
    assert main(["data", "init", "logs", *columns]) == 0
    recipe = Recipe.load("recipe.yaml")
    assert recipe.log.columns == NAMES
    assert recipe.tables["item"].columns == ["item_id", "price"]
    assert build(recipe, tmp_path / "logs", tmp_path / "out").rows_read == ROWS


@pytest.mark.parametrize(
    ("columns", "told"),
    [
        ("user_id,item_id", "--columns names 2 columns of log.csv, and its first line has 4: "),
        ("lag.csv=a,b,c,d", "--columns names 'lag.csv', which is none of the files. Files: log.csv."),
    ],
)
def test_names_of_columns_that_do_not_fit_are_told(columns, told, tmp_path, capsys):
    log().write_csv(tmp_path / "log.csv", include_header=False)
    assert main(["data", "init", str(tmp_path / "log.csv"), "--columns", columns, "--out", str(tmp_path / "r")]) == 2
    assert told in capsys.readouterr().err


def test_a_file_that_seems_to_have_no_header_is_told_the_option_that_names_columns(tmp_path, capsys):
    log().write_csv(tmp_path / "log.csv", include_header=False)
    assert main(["data", "init", str(tmp_path / "log.csv"), "--out", str(tmp_path / "r")]) == 2
    assert "--columns a,b,c" in capsys.readouterr().err


@pytest.mark.parametrize(("form", "is_told"), [("%Y-%m-%d %H:%M:%S", True), ("%Y-%m-%dT%H:%M:%SZ", False)])
def test_times_that_do_not_say_their_zone_ask_for_it(form, is_told, tmp_path):
    times = pl.from_epoch("timestamp").dt.strftime(form)
    log().with_columns(timestamp=times).write_csv(tmp_path / "log.csv")
    searches = log().select("user_id", time=times, topic=pl.col("item_id") % 7)
    searches.write_csv(tmp_path / "searches.csv")
    text = draft_recipe([str(tmp_path)], {}).text
    assert ("naive_zone: UTC  # CHECK: the times do not say their zone: name it" in text) == is_told
    assert Recipe.from_dict(yaml.safe_load(text)).event_logs["searches"].time_zone == "UTC"
    assert ("times are ISO times that do not say their zone: name it" in text) == is_told


def test_a_folder_of_partitions_is_told_how_to_name_them(tmp_path):
    (tmp_path / "day=1").mkdir()
    log().write_parquet(tmp_path / "day=1" / "part.parquet")
    with pytest.raises(RecipeError, match=r"as .*/\*/\*\.parquet"):
        draft_recipe([str(tmp_path)], {})


def test_paths_with_blanks_are_quoted_in_the_next_commands(tmp_path, capsys):
    logs = tmp_path / "my logs"
    logs.mkdir()
    log().write_csv(logs / "log.csv")
    assert main(["data", "init", str(logs), "--out", str(tmp_path / "my recipe.yaml")]) == 0
    assert f"--recipe '{tmp_path / 'my recipe.yaml'}' --input '{logs}'" in capsys.readouterr().out
