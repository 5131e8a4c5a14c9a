"""Logs as other people write them: ids of any form, CSV of any separator, decimals, damaged and odd files."""

from __future__ import annotations

import copy
from decimal import Decimal
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from hyrec.data.logs import BuildReport, Recipe, RecipeError, build
from hyrec.schema import MISSING_ID

START, DAY = 1_700_006_400, 86_400  # 15 November 2023, 00:00 UTC
RECIPE = yaml.safe_load("""
log: {files: ["log*"], user: user, item: item, time: time, outcomes: [click]}
split: {validate_from: 2023-11-17, test_from: 2023-11-18}
tasks: {click: {}}
tables: {items: {files: ["items*"], key: item}}
features:
  user: {role: user}
  item: {role: item, table: item}
  price: {source: items, kind: dense}
  brand: {source: items, role: item}
counters: {seen: {keys: [item], values: [count]}}
sequences: {past: {features: {item: {table: item}}}}
""")
BIG = 2**63


def log(**changes: list) -> dict[str, list]:
    columns = {"user": [1, 2, 1, 2, 1], "item": [5, 5, 6, 7, 6], "click": [1, 0, 1, 0, 1]}
    return {**columns, "time": [START + i * DAY // 2 for i in range(5)], **changes}


def items(**changes: list) -> dict[str, list]:
    return {"item": [5, 6, 7], "price": [1.5, 2.0, 3.0], "brand": [10, 20, 30], **changes}


def write_csv(path: Path, columns: dict[str, list], separator: str = ",") -> None:
    rows = [list(columns), *zip(*columns.values(), strict=True)]
    path.write_text("".join(separator.join("" if v is None else str(v) for v in row) + "\n" for row in rows))


def made(folder: Path, recipe: dict = RECIPE) -> tuple[pl.DataFrame, BuildReport]:
    report = build(Recipe.from_dict(recipe), folder, folder / "out")
    return pl.concat([pl.read_parquet(folder / "out" / f"{s}.parquet") for s in ("train", "validate", "test")]), report


def vocabulary(folder: Path, table: str) -> list:
    return pl.read_parquet(folder / "out" / "vocabulary" / f"{table}.parquet")["value"].sort().to_list()


def changed(path: str, value: object) -> dict:
    recipe = copy.deepcopy(RECIPE)
    *parents, last = path.split(".")
    inside = recipe
    for part in parents:
        inside = inside[part]
    inside[last] = value
    return recipe


@pytest.mark.parametrize("csv", [True, False], ids=["CSV", "Parquet"])
@pytest.mark.parametrize(
    "ids",
    [[BIG + 7, BIG + 8, BIG + 9], [-5, -(2**63), 2**63 - 1], [-5, BIG + 8, 3], [2**53, 2**53 + 1, BIG]],
    ids=["unsigned", "negative", "both", "near floats"],
)
def test_ids_of_64_bits_keep_their_values_in_log_table_and_vocabulary(tmp_path, csv, ids):
    log_ids = [ids[0], ids[0], ids[1], ids[2], ids[1]]
    whole = pa.decimal128(20) if min(ids) < 0 and max(ids) >= BIG else pa.uint64() if max(ids) >= BIG else pa.int64()
    if csv:
        write_csv(tmp_path / "log.csv", log(user=log_ids, item=log_ids))
        write_csv(tmp_path / "items.csv", items(item=ids, brand=ids))
    else:
        pq.write_table(
            pa.table(log(user=pa.array(log_ids, whole), item=pa.array(log_ids, whole))), tmp_path / "log.parquet"
        )
        pq.write_table(
            pa.table(items(item=pa.array(ids, whole), brand=pa.array(ids, whole))), tmp_path / "items.parquet"
        )
    rows, _ = made(tmp_path)
    assert [int(value) for value in rows["user"]] == log_ids
    assert rows["f_price"].to_list() == [1.5, 1.5, 2.0, 3.0, 2.0]  # the table was joined by the ids
    for table in ("user", "item", "brand"):
        assert {int(value) for value in vocabulary(tmp_path, table)} == {*ids}


def test_a_list_of_unsigned_ids_keeps_them(tmp_path):
    write_csv(tmp_path / "items.csv", items())
    tags = pa.array([[BIG + 1], [BIG + 2, 3], [], [3], None], pa.list_(pa.uint64()))
    pq.write_table(pa.table(log(tags=tags)), tmp_path / "log.parquet")
    rows, _ = made(tmp_path, changed("features.tags", {"kind": "multi_id"}))
    assert vocabulary(tmp_path, "tags") == [3, BIG + 1, BIG + 2]
    assert rows["f_tags"].list.len().to_list() == [1, 2, 0, 1, 0]


def test_files_of_signed_and_unsigned_ids_are_one_column(tmp_path):
    write_csv(tmp_path / "items.csv", items())
    for name, kind, user in (("log_1", pa.int64(), [-1, 2, 3, 4, 5]), ("log_2", pa.uint64(), [BIG + 1, 2, 3, 4, 6])):
        pq.write_table(pa.table(log(user=pa.array(user, kind))), tmp_path / f"{name}.parquet")
    rows, _ = made(tmp_path)
    assert {int(user) for user in rows["user"]} == {-1, 2, 3, 4, 5, 6, BIG + 1}


def test_ids_beside_a_file_that_holds_them_as_floats_keep_their_last_digit(tmp_path):
    write_csv(tmp_path / "items.csv", items())
    pq.write_table(pa.table(log(user=[2**53, 2**53 + 1, 1, 1, 1])), tmp_path / "log_1.parquet")
    pq.write_table(pa.table(log(user=[1.0, 2.0, None, 4.0, 5.0])), tmp_path / "log_2.parquet")
    rows, _ = made(tmp_path)
    assert {2**53, 2**53 + 1} <= set(rows["user"])


@pytest.mark.parametrize("files", [1, 2])
def test_csv_ids_with_leading_zeros_stay_apart_from_those_without(tmp_path, files):
    users = ["0012", "12", "12", "7", "0012"]
    write_csv(tmp_path / "items.csv", items(item=["05", "5", "6"]))
    columns = log(user=users, item=["05", "5", "5", "6", "5"])
    for number in range(files):  # each file alone could be read as numbers
        rows = range(5) if files == 1 else [[0, 4], [1, 2, 3]][number]
        write_csv(tmp_path / f"log_{number}.csv", {name: [values[i] for i in rows] for name, values in columns.items()})
    rows, _ = made(tmp_path)
    assert rows["user"].to_list() == users
    assert vocabulary(tmp_path, "user") == ["0012", "12", "7"]
    assert rows["f_price"].to_list() == [1.5, 2.0, 2.0, 3.0, 2.0]
    assert np.expm1(rows["f_seen_count"].to_numpy()).round().tolist() == [0, 0, 1, 0, 2]


def test_a_text_log_joins_a_table_of_numbers_where_both_are_csv_and_is_refused_otherwise(tmp_path):
    write_csv(tmp_path / "log.csv", log(item=["5", "05", "6", "7", "6"]))
    write_csv(tmp_path / "items.csv", items())
    assert made(tmp_path)[0]["f_price"].to_list() == [1.5, None, 2.0, 3.0, 2.0]
    (tmp_path / "items.csv").unlink()
    pq.write_table(pa.table(items()), tmp_path / "items.parquet")
    with pytest.raises(RecipeError, match="leading zeros"):
        made(tmp_path)


def test_the_group_column_keeps_ids_as_csv_writes_them(tmp_path):
    write_csv(tmp_path / "log.csv", log(request=["01", "1", "01", "2", "2"]))
    write_csv(tmp_path / "items.csv", items())
    assert made(tmp_path, changed("group", "request"))[0]["request"].to_list() == ["01", "1", "01", "2", "2"]


def test_numbers_of_a_csv_column_stay_numbers_where_it_is_no_id(tmp_path):
    write_csv(tmp_path / "log.csv", log(click=["01", "00", "1", "0", "1"], place=["007", "7", "8", "9", "8"]))
    write_csv(tmp_path / "items.csv", items(price=["01", "002", "3"]))
    recipe = changed("features.place", {})
    recipe["log"]["keep"] = [{"column": "place", "op": "<", "value": 9}]
    rows, report = made(tmp_path, recipe)
    assert rows["f_price"].to_list() == [1.0, 1.0, 2.0, 2.0]
    assert (rows["click"].to_list(), report.dropped["not place < 9"]) == ([1, 0, 1, 1], 1)
    assert vocabulary(tmp_path, "place") == ["007", "7", "8"]


def test_a_label_of_words_is_refused_with_what_it_holds(tmp_path):
    write_csv(tmp_path / "log.csv", log(click=["yes", "no", "no", "yes", "no"]))
    write_csv(tmp_path / "items.csv", items())
    with pytest.raises(RecipeError, match=r"tasks.click: column 'click' is String \('no', 'yes'\).*write 1 and 0"):
        made(tmp_path)


def test_a_text_among_numbers_is_shown(tmp_path):
    write_csv(tmp_path / "log.csv", log(), ";")
    write_csv(tmp_path / "items.csv", items(price=["1.5", "2", "3,50"]), ";")
    with pytest.raises(RecipeError, match=r"features.price is dense but its column is String \('3,50' is no number\)"):
        made(tmp_path)


@pytest.mark.parametrize("empty", ["", '""'])
def test_an_empty_entry_of_a_csv_file_is_missing_quoted_or_not(tmp_path, empty):
    write_csv(tmp_path / "log.csv", log(click=[1, 0, empty, 0, 1]))
    write_csv(tmp_path / "items.csv", items(price=[1.5, empty, 3.0], brand=[empty, "b", "c"]))
    rows, _ = made(tmp_path)
    assert rows["click"].to_list() == [1, 0, None, 0, 1]
    assert rows["f_price"].to_list() == [1.5, 1.5, None, 3.0, None]
    assert rows["f_brand"].to_list()[0] == MISSING_ID


def test_decimals_are_ids_numbers_labels_and_times(tmp_path):
    def decimals(values: list, kind: pa.DataType) -> pa.Array:
        return pa.array([Decimal(value) for value in values], kind)

    columns = log()
    pq.write_table(
        pa.table(
            {
                "user": decimals(columns["user"], pa.decimal128(20, 0)),
                "item": decimals(columns["item"], pa.decimal128(10, 2)),
                "click": decimals(columns["click"], pa.decimal128(1, 0)),
                "time": decimals(columns["time"], pa.decimal128(12, 0)),
            }
        ),
        tmp_path / "log.parquet",
    )
    pq.write_table(
        pa.table(items(price=decimals(["1.50", "2.25", "3.00"], pa.decimal128(10, 2)))), tmp_path / "items.parquet"
    )
    rows, report = made(tmp_path)
    assert rows.select("user", "item", "click", "time").to_dict(as_series=False) == {
        k: log()[k] for k in ("user", "item", "click", "time")
    }
    assert rows["f_price"].to_list() == [1.5, 1.5, 2.25, 3.0, 2.25]
    assert report.base_rates["train"]["click"] == pytest.approx(0.5)


@pytest.mark.parametrize("separator", ["\t", ";", "|", "^"])
def test_csv_is_read_whatever_stands_between_its_columns(tmp_path, separator):
    write_csv(tmp_path / "log.csv", log(), separator)
    write_csv(tmp_path / "items.csv", items(), separator)
    recipe = copy.deepcopy(RECIPE)
    if separator == "^":
        recipe["log"]["separator"] = recipe["tables"]["items"]["separator"] = separator
    assert made(tmp_path, recipe)[0]["user"].to_list() == log()["user"]


@pytest.mark.parametrize("place", ["log", "tables.items", "snapshot"])
def test_the_key_that_is_told_for_another_separator_is_the_one_that_helps(tmp_path, place):
    names = {"log": "log.csv", "tables.items": "items.csv", "snapshot": "snapshot.csv"}
    columns = {"log": log(), "tables.items": items(), "snapshot": {"user": [1, 2], "seen": [3, 4]}}
    for part, name in names.items():
        write_csv(tmp_path / name, columns[part], "^" if part == place else ",")
    recipe = changed("snapshot", {"files": ["snapshot.csv"], "user": "user"})
    recipe["counters"] = {"seen": {"keys": ["user"], "values": ["count"], "snapshot_events": "seen"}}
    with pytest.raises(RecipeError, match=rf"need {place}\.separator\."):
        made(tmp_path, recipe)
    *parents, last = place.split(".")
    part = recipe[parents[0]][last] if parents else recipe[last]
    part["separator"] = "^"
    assert made(tmp_path, recipe)[1].snapshot_hidden == 0


def test_a_csv_file_may_begin_with_a_byte_order_mark_and_end_its_lines_as_windows_does(tmp_path):
    write_csv(tmp_path / "log.csv", log())
    text = (tmp_path / "log.csv").read_text()
    (tmp_path / "log.csv").write_bytes(b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode())
    write_csv(tmp_path / "items.csv", items())
    assert made(tmp_path)[0]["click"].to_list() == log()["click"]


def test_what_writers_leave_behind_is_not_read(tmp_path):
    write_csv(tmp_path / "items.csv", items())
    parts = tmp_path / "log"
    for place in (parts, parts / "_temporary" / "0", parts / ".hidden"):
        place.mkdir(parents=True)
        pl.DataFrame(log()).write_parquet(place / "part.parquet")
    (parts / "._part.parquet").write_bytes(b"no Parquet")
    (parts / "_SUCCESS").touch()
    assert made(tmp_path, changed("log.files", ["log/**/*"]))[1].rows_read == 5


def test_repeated_rows_are_kept_and_counted_dropped_or_refused(tmp_path):
    write_csv(tmp_path / "items.csv", items())
    twice = {name: [*values, values[0], values[3]] for name, values in log(tags=["a"] * 5).items()}
    twice["click"][-1] = 1 - twice["click"][-1]  # the same moment, and not the same row
    write_csv(tmp_path / "log.csv", twice)
    rows, report = made(tmp_path)
    assert (rows.height, report.repeated) == (7, 1)
    assert "1 rows repeat another" in str(report)
    rows, report = made(tmp_path, changed("log.repeated", "drop"))
    assert (rows.height, report.dropped["repeats another row"], report.rows_read) == (6, 1, 7)
    with pytest.raises(RecipeError, match="1 rows repeat another"):
        made(tmp_path, changed("log.repeated", "error"))


def test_rows_that_differ_in_a_list_only_are_not_repeated(tmp_path):
    write_csv(tmp_path / "items.csv", items())
    columns = {name: [values[0]] * 4 for name, values in log().items()}
    pl.DataFrame({**columns, "tags": [[1], [2], [1], None]}).write_parquet(tmp_path / "log.parquet")
    assert made(tmp_path, changed("features.tags", {"kind": "multi_id"}))[1].repeated == 1


@pytest.mark.parametrize(("scale", "unit"), [(1000, "'ms'"), (10**6, "'us'"), (10**9, "'ns'")])
def test_times_of_another_unit_are_refused_with_the_unit_that_fits(tmp_path, scale, unit):
    write_csv(tmp_path / "items.csv", items())
    write_csv(tmp_path / "log.csv", log(time=[time * scale for time in log()["time"]]))
    with pytest.raises(RecipeError, match=f"5 would lie inside in {unit}"):
        made(tmp_path)


def test_a_snapshot_in_another_unit_than_the_log_is_refused(tmp_path):
    write_csv(tmp_path / "items.csv", items())
    write_csv(tmp_path / "log.csv", log(time=[time * 1000 for time in log()["time"]]))
    pl.DataFrame({"user": [1, 2], "last": [START - 9, START - 8]}).write_parquet(tmp_path / "snapshot.parquet")
    recipe = changed("log.time_unit", "ms")
    recipe["snapshot"] = {"files": ["snapshot.parquet"], "user": "user", "last_time": "last"}
    with pytest.raises(RecipeError, match=r"snapshot.last_time.*would lie inside in 's'"):
        made(tmp_path, recipe)


def test_a_table_whose_times_are_in_another_unit_than_the_log_is_refused(tmp_path):
    write_csv(tmp_path / "items.csv", items(brand=[(START - 9) * 1000] * 3))
    write_csv(tmp_path / "log.csv", log())
    recipe = changed("features.age", {"source": "items", "column": "brand", "kind": "dense", "derive": "age"})
    with pytest.raises(RecipeError, match=r"features.age.*would lie inside in 'ms'"):
        made(tmp_path, recipe)


def test_a_few_times_of_another_unit_are_told(tmp_path):
    write_csv(tmp_path / "items.csv", items())
    write_csv(tmp_path / "log.csv", log(time=[*log()["time"][:4], log()["time"][4] * 1000]))
    assert "1 of 5 moments in 's' lie outside 1990 to 2100; 1 would lie inside in 'ms'" in str(made(tmp_path)[1])


HEADER = b"user,item,click,time\n"
ROW = f"1,5,1,{START}\n".encode()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "cannot be read as CSV: empty CSV"),
        (HEADER, "a header and no rows"),
        (ROW * 3, "first line of a CSV file names its columns"),
        (HEADER + b"1,5,1,2,9\n", "cannot be read as CSV"),
        (HEADER + b'"1,5,1,2\n3,4,5,6\n', "cannot be read as CSV"),
        (HEADER + b"\xff\xfe,5,1,2\n", "UTF-8"),
        (b"user,item,click,time,user\n" + ROW, "holds the column 'user' twice"),
        (b"user item click time\n1 5 1 2\n", "need log.separator"),
        (b"usr,item,click,time\n" + ROW, "Did you mean"),
        (HEADER + b"1,5,1,yesterday\n", "a time is a number, a timestamp or an ISO date-time"),
        (HEADER + b"1,5,1,1e300\n", "too large for a time"),
        (HEADER + b",,,\n,,,\n", "No row trains"),
    ],
)
def test_a_csv_file_that_cannot_be_used_is_told_in_five_lines(tmp_path, content, said):
    write_csv(tmp_path / "items.csv", items())
    (tmp_path / "log.csv").write_bytes(content)
    with pytest.raises(RecipeError, match=said) as refused:
        made(tmp_path)
    assert str(refused.value).count("\n") < 5


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"user": [{"a": 1}] * 5}, "struct.*by name, as 'user.a'"),
        ({"user": pa.array([[("a", 1)]] * 5, pa.map_(pa.string(), pa.int64()))}, "map.*by name, as 'user.key'"),
        ({"user": [b"\xff"] * 5}, "no UTF-8"),
        ({"user": [1.5] * 5}, "fractions"),
        ({"user": [None] * 5}, "No row trains"),
        ({"time": [None] * 5}, "No row trains"),
        ({"time": pa.array([2**64 - 1] * 5, pa.uint64())}, "too large for a time"),
        ({"item": [[1]] * 5}, "is no id"),
    ],
)
def test_a_parquet_column_that_cannot_be_used_is_told_in_five_lines(tmp_path, columns, said):
    write_csv(tmp_path / "items.csv", items())
    pq.write_table(pa.table(log(**columns)), tmp_path / "log.parquet")
    with pytest.raises(RecipeError, match=said) as refused:
        made(tmp_path)
    assert str(refused.value).count("\n") < 5


def test_a_parquet_file_with_a_column_twice_or_of_another_type_is_told(tmp_path):
    write_csv(tmp_path / "items.csv", items())
    columns = log()
    pq.write_table(pa.table([*columns.values(), columns["user"]], names=[*columns, "user"]), tmp_path / "log.parquet")
    with pytest.raises(RecipeError, match="holds the column 'user' twice"):
        made(tmp_path)
    pq.write_table(pa.table(log()), tmp_path / "log.parquet")
    pq.write_table(pa.table(log(click=[[0]] * 5)), tmp_path / "log_2.parquet")
    with pytest.raises(RecipeError, match=r"column 'click' is Int64 in log.parquet and List\(Int64\) in log_2"):
        made(tmp_path)
    (tmp_path / "log_2.parquet").write_bytes((tmp_path / "log.parquet").read_bytes()[:99])
    with pytest.raises(RecipeError, match="cannot be read as Parquet"):
        made(tmp_path)


def test_a_log_of_one_row_and_null_columns_is_built(tmp_path):
    write_csv(tmp_path / "items.csv", items(price=[None] * 3, brand=[None] * 3))
    write_csv(tmp_path / "log.csv", {name: values[:1] for name, values in log(click=[None] * 5).items()})
    rows, _ = made(tmp_path)
    assert rows.select("f_price", "f_brand", "f_seen_count").row(0) == (None, 1, 0.0)


@pytest.mark.parametrize(
    ("keys", "told"), [([5, 6, 7], False), ([5, 60, 70], True), ([50, 60, 70], True), ([5, 6, 70], False)]
)
def test_a_table_that_holds_less_than_half_of_what_the_log_refers_to_is_told(tmp_path, keys, told):
    write_csv(tmp_path / "log.csv", log())
    write_csv(tmp_path / "items.csv", items(item=keys))
    warnings = [warning for warning in made(tmp_path)[1].warnings if "tables.items" in warning]
    found = sum(item in keys for item in log()["item"])
    said = (
        f"tables.items: {found} of 5 rows ({found / 5:.1%}) of the log find their 'item' in items.csv, whose 3 values"
    )
    assert [warning[: len(said)] for warning in warnings] == [said] * told
