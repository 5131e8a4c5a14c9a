"""Derived columns: bins, crosses, years and months, and functions of plugins, against loops over the rows."""

from __future__ import annotations

import copy
from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from hyrec.cli.main import main
from hyrec.data.logs import Recipe, RecipeError, apply, build
from hyrec.data.logs.derived import bins, cross
from hyrec.schema import Schema

START = int(datetime(2023, 12, 31, 20, tzinfo=UTC).timestamp())
RECIPE = yaml.safe_load("""
log: {files: [log.parquet, log.csv], user: user, item: item, time: time, outcomes: [click, watched],
      time_zone: Asia/Shanghai}
split: {validate_from: 2024-02-01, test_from: 2024-03-01}
tasks: {click: {}}
tables: {items: {files: [items.parquet, items.csv], key: item}}
features:
  age_bin: {column: age, derive: bins, boundaries: [18, 25.5, 40]}
  price_bin: {source: items, column: price, derive: bins, boundaries: [10]}
  tab_colour: {derive: cross, columns: [tab, items.colour]}
  kind: {source: items, derive: cross, columns: [colour, size]}
  year: {derive: year}
  month: {derive: month, kind: dense}
  made: {source: items, column: made_on, derive: year}
  made_month: {source: items, column: made_on, derive: month, kind: dense}
sequences:
  seen:
    features:
      kind: {source: items, derive: cross, columns: [colour, size]}
      heard: {column: watched, derive: bins, boundaries: [5]}
""")
LOG = pl.DataFrame(
    {
        "user": [1, 1, 1, 2, 2, 1],
        "item": ["a", "b", "c", "a", "d", "b"],
        "time": [START + 3600 * hour for hour in (0, 3, 5, 6, 7, 8)],
        "tab": [1, 2, 1, None, 2, 1],
        "age": [18.0, 17.9, None, 40.0, 99.0, 25.5],
        "watched": [1.0, 5.0, None, 9.0, 0.0, 1.0],
        "click": [1, 0, 1, 0, 1, 0],
    }
)
ITEMS = pl.DataFrame(
    {
        "item": ["a", "b", "c"],
        "colour": ["red", "blue|", None],
        "size": [1, 2, 3],
        "price": [9.5, 10.0, None],
        "made_on": [date(2020, 2, 29), None, date(1969, 12, 31)],
    }
)


def built(folder: Path, recipe: dict = RECIPE, form: str = "parquet") -> dict[str, list]:
    (folder / "in").mkdir(exist_ok=True)
    for name, frame in (("log", LOG), ("items", ITEMS)):
        getattr(frame, f"write_{form}")(folder / "in" / f"{name}.{form}")
    build(Recipe.from_dict(copy.deepcopy(recipe)), folder / "in", folder / "out")
    return values(folder, folder / "out" / "train.parquet")


def values(folder: Path, file: Path) -> dict[str, list]:
    """Return what ids of each column stand for, 1 and 2 (missing, out of vocabulary) as None and '?'."""
    rows, schema, found = pl.read_parquet(file), Schema.load(folder / "out" / "schema.yaml"), {}
    for place, table, feature in schema.every_feature():
        stored = rows[feature.column].to_list()
        if feature.kind != "dense":
            vocabulary = pl.read_parquet(folder / "out" / "vocabulary" / f"{table}.parquet")
            known = {1: None, 2: "?", **dict(vocabulary.select("id", "value").iter_rows())}
            stored = [[known[v] for v in entry] if isinstance(entry, list) else known[entry] for entry in stored]
        found[place] = stored
    return found


@pytest.mark.parametrize("form", ["parquet", "csv"])
def test_derived_columns_are_those_of_a_loop(tmp_path, form):
    found = built(tmp_path, form=form)
    assert [v if v is None else int(v) for v in found["features.age_bin"]] == [1, 0, None, 3, 3, 2]
    assert [v if v is None else int(v) for v in found["features.price_bin"]] == [0, 1, None, 0, None, 1]
    assert found["features.tab_colour"] == ["1|red", "2|blue\\|", None, None, None, "1|blue\\|"]
    assert found["features.kind"] == ["red|1", "blue\\||2", None, "red|1", None, "blue\\||2"]
    assert [int(v) for v in found["features.year"]] == [2024] * 6  # in Shanghai, where the first row is of 4 o'clock
    assert found["features.month"] == [1.0] * 6
    assert [v if v is None else int(v) for v in found["features.made"]] == [2020, None, 1969, 2020, None, None]
    assert found["features.made_month"] == [2.0, None, 12.0, 2.0, None, None]
    assert found["sequences.seen.features.kind"][5] == ["red|1", "blue\\||2", None]
    assert found["sequences.seen.features.heard"][5] in (["0", "1", None], [0, 1, None])


def test_later_rows_are_derived_alike(tmp_path):
    built(tmp_path)
    apply(tmp_path / "out", tmp_path / "in", tmp_path / "scored")
    assert values(tmp_path, tmp_path / "scored" / "predict.parquet")["features.tab_colour"][:2] == [
        "1|red",
        "2|blue\\|",
    ]


def test_a_cross_is_a_cross_feature_unless_something_else_is_written(tmp_path):
    built(tmp_path)
    features = Schema.load(tmp_path / "out" / "schema.yaml").features
    assert (features["tab_colour"].role, features["kind"].role, features["year"].role) == ("cross", "item", "context")


PARTS = st.tuples(st.text("a|\\", max_size=3), st.text("b|\\", max_size=3))


@given(st.lists(PARTS, min_size=1, max_size=8))
def test_combinations_are_one_where_all_their_ids_are(drawn):
    made = cross([pl.Series([part[i] for part in drawn]) for i in (0, 1)], "x").to_list()
    for one, its in zip(drawn, made, strict=True):
        for other, others in zip(drawn, made, strict=True):
            assert (one == other) == (its == others)


@given(st.lists(st.none() | st.floats(), max_size=9), st.lists(st.integers(-5, 5), min_size=1, max_size=4, unique=True))
def test_bins_count_the_boundaries_that_a_number_is_not_below(drawn, boundaries):
    limits = sorted(map(float, boundaries))
    found = bins(pl.Series(drawn, dtype=pl.Float64), limits, "x").to_list()
    assert found == [None if v is None or v != v else sum(v >= limit for limit in limits) for v in drawn]


def with_feature(**column) -> dict:
    return {**RECIPE, "features": {"made": column}, "sequences": {}}


@pytest.mark.parametrize(
    ("column", "said"),
    [
        ({"derive": "pl.col('age') > 3"}, "no expressions: nothing in them is run. Allowed: hour, .*'hyrec.derive'"),
        ({"derive": "croos", "columns": ["tab", "user"]}, "Did you mean 'cross'"),
        ({"derive": "cross", "columns": ["tab"]}, "two different columns"),
        ({"derive": "cross", "columns": ["tab", "user"], "kind": "dense"}, "kind 'id'"),
        ({"columns": ["tab", "user"]}, "is made of columns, and only these are"),
        ({"derive": "cross", "columns": ["tab", "user"], "column": "age"}, "take the place of"),
        ({"derive": "cross", "columns": ["tab", "watched"]}, "an outcome of the impression"),
        ({"derive": "cross", "columns": ["tab", "usr"]}, "has no column 'usr'"),
        ({"column": "age", "derive": "bins"}, "boundaries that ascend"),
        ({"column": "age", "derive": "bins", "boundaries": [3, 1]}, "boundaries that ascend"),
        ({"column": "item", "derive": "bins", "boundaries": [3]}, "one of numbers"),
        (
            {"source": "items", "column": "colour", "derive": "first", "boundaries": [3]},
            "transform 'bucketize' goes with",
        ),
        ({"column": "tab", "derive": "year", "kind": "multi_id"}, "holds lists"),
    ],
)
def test_what_cannot_be_derived_is_refused(tmp_path, column, said):
    with pytest.raises(RecipeError, match=said):
        built(tmp_path, with_feature(**column))


@pytest.fixture
def package(tmp_path, monkeypatch):
    """An installed package with functions for recipes."""
    folder = tmp_path / "site"
    (folder / "shapes-1.0.dist-info").mkdir(parents=True)
    (folder / "shapes-1.0.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: shapes\nVersion: 1.0\n")
    points = "[hyrec.derive]\narea = shapes_of_logs:area\nshort = shapes_of_logs:short\nabsent = shapes_of_logs:none\n"
    (folder / "shapes-1.0.dist-info" / "entry_points.txt").write_text(points)
    (folder / "shapes_of_logs.py").write_text(
        "def area(width, height):\n    return width * height\n\n\ndef short(width):\n    return width[:1]\n"
    )
    monkeypatch.syspath_prepend(folder)
    return folder


def test_a_function_of_an_installed_package_makes_a_column(package, tmp_path, capsys):
    recipe = with_feature(derive="area", columns=["age", "items.price"], kind="dense")
    built(tmp_path, recipe)
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(recipe))
    options = ["--recipe", tmp_path / "recipe.yaml", "--input", tmp_path / "in", "--out", tmp_path / "out"]
    assert main(["data", "build", *map(str, options)]) == 0
    found = values(tmp_path, tmp_path / "out" / "train.parquet")["features.made"]
    assert found == pytest.approx([171.0, 179.0, None, 380.0, None, 255.0], nan_ok=True)


@pytest.mark.parametrize(
    ("column", "said"),
    [
        ({"derive": "area", "columns": ["age"]}, "'area' failed .TypeError"),
        ({"derive": "area", "columns": ["tab", "tab"], "column": "age"}, "take the place of"),
        ({"derive": "short", "columns": ["tab"]}, "returned 1 values for 6 rows"),
        ({"derive": "absent", "columns": ["tab"]}, "shapes_of_logs:none cannot be imported"),
        ({"derive": "aera", "columns": ["tab"]}, "Did you mean 'area'.* Installed: absent, area, short"),
    ],
)
def test_functions_that_fail_are_told_with_their_place(package, tmp_path, column, said):
    with pytest.raises(RecipeError, match=said):
        built(tmp_path, with_feature(**column))


def test_functions_of_disabled_plugins_do_not_exist(package, tmp_path, monkeypatch):
    monkeypatch.setenv("HYREC_DISABLE_PLUGINS", "shapes")
    with pytest.raises(RecipeError, match="Installed: none"):
        built(tmp_path, with_feature(derive="area", columns=["age", "items.price"], kind="dense"))
