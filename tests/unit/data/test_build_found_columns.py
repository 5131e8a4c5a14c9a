"""Logs whose columns are not those of a table: without a header, in names of folders, in structs and maps."""

from __future__ import annotations

import copy
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from hyrec.data.logs import Recipe, RecipeError, apply, build

RECIPE = yaml.safe_load("""
log: {files: ["**/log*"], user: user, item: item, time: time, outcomes: [click]}
split: {validate_from: 2023-11-17, test_from: 2023-11-18}
tasks: {click: {}}
features: {user: {role: user}, item: {role: item}}
""")
START, HALF_A_DAY = 1_700_006_400, 43_200  # 15 November 2023, 00:00 UTC
LINES = [f"u{i % 2},{i % 3},{START + i * HALF_A_DAY},{i % 2}" for i in range(8)]
NAMES = ["user", "item", "time", "click"]


def changed(path: str, value: object) -> dict:
    recipe = copy.deepcopy(RECIPE)
    *parents, last = path.split(".")
    part = recipe
    for name in parents:
        part = part[name]
    part[last] = value
    return recipe


def made(folder: Path, recipe: dict) -> pl.DataFrame:
    build(Recipe.from_dict(recipe), folder / "logs", folder / "out")
    return pl.concat([pl.read_parquet(folder / "out" / f"{s}.parquet") for s in ("train", "validate", "test")])


def values(folder: Path, table: str, ids: pl.Series) -> list:
    known = pl.read_parquet(folder / "out" / "vocabulary" / f"{table}.parquet")
    return [dict(zip(known["id"], known["value"], strict=True)).get(i) for i in ids]


def write(folder: Path, lines: list[str], name: str = "log.csv") -> None:
    path = folder / "logs" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n")


def columns(first: int = 0, last: int = 8) -> dict[str, list]:
    rows = range(first, last)
    return {
        "user": [f"u{i % 2}" for i in rows],
        "item": [i % 3 for i in rows],
        "time": [START + i * HALF_A_DAY for i in rows],
        "click": [i % 2 for i in rows],
    }


def write_parquet(folder: Path, table: dict | pa.Table, name: str = "log.parquet") -> None:
    path = folder / "logs" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table if isinstance(table, pa.Table) else pa.table(table), path)


def test_a_log_without_a_header_is_built_as_one_with_it(tmp_path):
    write(tmp_path / "bare", LINES)
    write(tmp_path / "named", [",".join(NAMES), *LINES])
    bare = made(tmp_path / "bare", changed("log.columns", NAMES))
    assert bare.equals(made(tmp_path / "named", RECIPE))


def test_a_wrong_number_of_names_is_told_with_the_first_line(tmp_path):
    write(tmp_path, LINES)
    with pytest.raises(RecipeError, match=r"log.columns names 3 columns, and the first line of log.csv has 4: u0, 0"):
        made(tmp_path, changed("log.columns", NAMES[:3]))


def test_names_for_a_file_that_has_a_header_are_refused(tmp_path):
    write(tmp_path, [",".join(NAMES), *LINES])
    with pytest.raises(RecipeError, match=r"has these names in its first line already. Leave log.columns out"):
        made(tmp_path, changed("log.columns", NAMES))


def test_a_file_without_a_header_is_told_the_key_that_helps(tmp_path):
    write(tmp_path, LINES)
    with pytest.raises(RecipeError, match=r"where there is none, log.columns does"):
        made(tmp_path, RECIPE)


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_names_of_folders_are_columns(tmp_path, kind):
    for place, (first, last) in {
        "shop=03": (0, 3),
        "shop=12": (3, 6),
        "shop=__HIVE_DEFAULT_PARTITION__": (6, 8),
    }.items():
        if kind == "csv":
            write(tmp_path, [",".join(NAMES), *LINES[first:last]], f"{place}/log.csv")
        else:
            write_parquet(tmp_path, columns(first, last), f"{place}/log.parquet")
    recipe = changed("features.shop", {})
    recipe["split"] = {"validate_from": "2023-11-20", "test_from": "2023-11-21"}
    rows = made(tmp_path, recipe)
    assert values(tmp_path, "shop", rows["f_shop"]) == ["03"] * 3 + ["12"] * 3 + [None] * 2


def test_the_name_of_a_folder_may_be_the_day_of_the_log(tmp_path):
    for day in range(4):  # each is logged a day late, so that times alone would part the rows elsewhere
        write_parquet(tmp_path, columns(2 * day, 2 * day + 2), f"day=2023-11-{16 + day}/log.parquet")
    made(tmp_path, changed("log.day", "day"))
    rows = {s: pl.read_parquet(tmp_path / "out" / f"{s}.parquet").height for s in ("train", "validate", "test")}
    assert rows == {"train": 2, "validate": 2, "test": 4}


def test_new_rows_in_a_folder_of_their_own_are_encoded_as_those_of_the_build(tmp_path):
    for shop, rows in (("03", (0, 4)), ("12", (4, 7))):
        write_parquet(tmp_path, columns(*rows), f"shop={shop}/log.parquet")
    recipe = changed("features.shop", {})
    recipe["split"] = {"validate_from": "2023-11-20", "test_from": "2023-11-21"}
    made(tmp_path, recipe)
    write_parquet(tmp_path / "new", columns(7, 8), "shop=12/log.parquet")
    apply(tmp_path / "out", tmp_path / "new" / "logs", tmp_path / "applied")
    new = pl.read_parquet(tmp_path / "applied" / "predict.parquet")
    assert values(tmp_path, "shop", new["f_shop"]) == ["12"]


def nested() -> pa.Table:
    tags = [[{"id": i % 4, "weight": 0.5}, {"id": 7, "weight": 0.1}] for i in range(8)]
    words = [[("a", 1.0), ("b", 2.0)] if i % 2 else [] for i in range(8)]
    made = pa.table(columns())
    made = made.append_column("page", pa.array([{"name": f"p{i % 2}", "place": {"row": i}} for i in range(8)]))
    made = made.append_column("tags", pa.array(tags))
    return made.append_column("words", pa.array(words, pa.map_(pa.string(), pa.float64())))


def test_fields_of_structs_and_sides_of_maps_are_columns(tmp_path):
    write_parquet(tmp_path, nested())
    recipe = changed("features.page", {"column": "page.name"})
    recipe["features"]["row"] = {"column": "page.place.row", "kind": "dense"}
    recipe["features"]["tags"] = {"column": "tags.id", "kind": "multi_id"}
    recipe["features"]["words"] = {"column": "words.key", "kind": "multi_id"}
    recipe["split"] = {"validate_from": "2023-11-20", "test_from": "2023-11-21"}
    recipe["log"]["keep"] = ["page.place.row >= 2"]
    rows = made(tmp_path, recipe)
    assert rows["f_row"].to_list() == [2, 3, 4, 5, 6, 7]
    assert values(tmp_path, "page", rows["f_page"]) == ["p0", "p1"] * 3
    assert [values(tmp_path, "tags", ids) for ids in rows["f_tags"]] == [[i % 4, 7] for i in range(2, 8)]
    assert [values(tmp_path, "words", ids) for ids in rows["f_words"]] == [[], ["a", "b"]] * 3


@pytest.mark.parametrize(("name", "inside"), [("page", "page.name"), ("tags", "tags.id"), ("words", "words.key")])
def test_a_struct_as_a_whole_is_refused_with_what_is_in_it(tmp_path, name, inside):
    write_parquet(tmp_path, nested())
    with pytest.raises(RecipeError, match=rf"column '{name}' of log.parquet is .*by name, as '{inside}'"):
        made(tmp_path, changed(f"features.{name}", {}))


def test_a_field_of_an_outcome_is_an_outcome():
    with pytest.raises(RecipeError, match=r"features.seen uses 'result.seconds', an outcome of the impression"):
        Recipe.from_dict(
            {**changed("log.outcomes", ["click", "result"]), "features": {"seen": {"column": "result.seconds"}}}
        )
