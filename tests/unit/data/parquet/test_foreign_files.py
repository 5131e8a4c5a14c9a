"""Files of other writers: what they call and store differently is read as it is meant."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hyrec.batch import Batch
from hyrec.data.parquet.data import ParquetData
from hyrec.data.parquet.policy import DataError, Policies
from hyrec.schema import Schema, SchemaError
from tests.references.parquet import hash_of

NOW = 1_700_000_000
"""A moment of 2023, in seconds."""


def data_of(path: Path, schema: dict[str, Any], *files: dict[str, Any], **options: Any) -> ParquetData:
    """Write files and open them for validation; they get a label unless they have one."""
    paths = []
    for number, columns in enumerate(files):
        label = {"click": pa.array([0] * len(next(iter(columns.values()))))}
        paths.append(str(path / f"part-{number}.parquet"))
        pq.write_table(pa.table(label | columns), paths[-1])
    described = Schema.from_dict({"tasks": {"click": {}}, **schema})
    return ParquetData(described, validate=paths, batch_size=1000, **options)


def read(path: Path, schema: dict[str, Any], *files: dict[str, Any], **options: Any) -> Batch:
    (batch,) = data_of(path, schema, *files, **options).loader("validate")
    return batch


def one(feature: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"features": {"x": feature}, **more}


HASHED = one({"hash_size": 10**6})
PAST: dict[str, Any] = {"features": {"item": {"vocab_size": 100}}, "max_length": 5}


# ---- ids


def test_a_hash_is_the_same_id_signed_and_unsigned(tmp_path: Path) -> None:
    unsigned = np.array([2**63, 2**64 - 1, 7], np.uint64)
    (tmp_path / "s").mkdir()
    ids = read(tmp_path, HASHED, {"x": unsigned}).features["x"].tolist()
    assert ids == read(tmp_path / "s", HASHED, {"x": unsigned.view(np.int64)}).features["x"].tolist()
    assert ids == [3 + hash_of(int(x)) % 10**6 for x in unsigned]


def test_a_policy_about_negative_ids_does_not_concern_hashes(tmp_path: Path) -> None:
    batch = read(tmp_path, HASHED, {"x": [-5, 5]}, policies=Policies(negative="error"))
    assert batch.features["x"].tolist() == [3 + hash_of(x) % 10**6 for x in (-5, 5)]


@pytest.mark.parametrize("feature", [{"hash_size": 10**6}, {"vocab_size": 100, "offset": 3}])
def test_whole_decimals_are_ids_like_integers(tmp_path: Path, feature: dict[str, Any]) -> None:
    (tmp_path / "i").mkdir()
    stored = [7, None, 0]
    expected = read(tmp_path / "i", one(feature), {"x": stored}).features["x"]
    decimals = pa.array(stored, pa.int64()).cast(pa.decimal128(25, 0))
    assert read(tmp_path, one(feature), {"x": decimals}).features["x"].tolist() == expected.tolist()


def test_a_decimal_of_64_bits_is_hashed_like_the_unsigned_integer(tmp_path: Path) -> None:
    large = pa.array([Decimal(2**64 - 1)], pa.decimal128(20, 0))
    assert read(tmp_path, HASHED, {"x": large}).features["x"].tolist() == [3 + hash_of(2**64 - 1) % 10**6]


def test_an_id_of_more_than_64_bits_is_an_error_that_names_the_column(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"column 'x' holds values that are no whole numbers of 64 bits"):
        read(tmp_path, HASHED, {"x": pa.array([Decimal(2**64)], pa.decimal128(38, 0))})


def test_decimals_with_a_fraction_are_no_ids(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="needs integers or strings"):
        read(tmp_path, HASHED, {"x": pa.array([Decimal("1.5")])})


@pytest.mark.parametrize(
    "kind",
    [
        pa.string(), pa.large_string(), pa.string_view(), pa.binary(), pa.large_binary(), pa.binary_view(),
        pa.dictionary(pa.int32(), pa.string()),
    ],
    ids=str,
)  # fmt: skip
def test_texts_are_the_same_ids_in_every_arrow_type(tmp_path: Path, kind: pa.DataType) -> None:
    flat = pa.array(["a", None, "é"]).cast(pa.binary() if pa.types.is_binary_view(kind) else pa.string())
    column = flat.dictionary_encode() if pa.types.is_dictionary(kind) else flat.cast(kind)
    ids = read(tmp_path, HASHED, {"x": column}).features["x"].tolist()
    assert ids == [3 + hash_of("a") % 10**6, 1, 3 + hash_of("é") % 10**6]


@pytest.mark.parametrize("form", ["list", "large list", "fixed-size list", "list view"])
@pytest.mark.parametrize("kind", [pa.int64(), pa.string_view(), pa.decimal128(12, 0)], ids=str)
def test_lists_are_read_in_every_arrow_type(tmp_path: Path, form: str, kind: pa.DataType) -> None:
    make = {
        "list": pa.list_, "large list": pa.large_list, "fixed-size list": lambda kind: pa.list_(kind, 2),
        "list view": pa.list_view,
    }[form]  # fmt: skip
    held: list[Any] = ["a", "b"] if kind == pa.string_view() else [4, 5]
    batch = read(tmp_path, one({"kind": "multi_id", "hash_size": 10**6}), {"x": pa.array([held, held], make(kind))})
    assert batch.features["x"].values.tolist() == [3 + hash_of(value) % 10**6 for value in held * 2]


def test_numbers_and_their_texts_in_one_hashed_table_are_refused(tmp_path: Path) -> None:
    item = {"hash_size": 100, "table": "item"}
    schema = {"features": {"x": item}, "sequences": {"past": {"features": {"y": item}}}}
    with pytest.raises(DataError, match=r"'x' \(int64\) and 'y' \(string\) share a hashed table"):
        read(tmp_path, schema, {"x": [1], "y": [["1"]]})


# ---- numbers and labels


def test_decimals_are_numbers(tmp_path: Path) -> None:
    schema = one({"kind": "dense"}, tasks={"click": {}, "buy": {"positive": [2]}})
    price, buy = pa.array([Decimal("1.25"), None, Decimal("-3.50")]), pa.array([Decimal(2), Decimal(1), None])
    batch = read(tmp_path, schema, {"x": price, "buy": buy})
    assert np.array_equal(batch.features["x"].flatten().numpy(), [1.25, np.nan, -3.5], equal_nan=True)
    assert np.array_equal(batch.labels["buy"].numpy(), [1, 0, np.nan], equal_nan=True)


@pytest.mark.parametrize("label", [float("-inf"), float("inf")])
def test_an_infinite_label_is_an_error_that_names_its_row(tmp_path: Path, label: float) -> None:
    with pytest.raises(DataError, match=r"row 1, column 'click': -?inf is no label"):
        read(tmp_path, one({"vocab_size": 9}), {"x": [3, 3], "click": [1.0, label]})


def test_labels_that_equal_a_threshold_are_told(tmp_path: Path) -> None:
    schema = one({"vocab_size": 9}, tasks={"like": {"column": "stars", "threshold": 4}})
    data = data_of(tmp_path, schema, {"x": [3, 3, 3], "stars": [3, 4, 5]})
    (batch,) = data.loader("validate")
    assert batch.labels["like"].tolist() == [0, 0, 1]
    assert "stars: 1 x label that equals the task's threshold, read as 0" in data.report()


# ---- null types


@pytest.mark.parametrize("first", [0, 1])
def test_a_part_whose_column_is_null_throughout_goes_with_every_other(tmp_path: Path, first: int) -> None:
    features = {"x": {"hash_size": 100}, "tags": {"kind": "multi_id", "hash_size": 100}}
    parts: list[dict[str, Any]] = [
        {"x": pa.nulls(2), "tags": pa.array([[], []], pa.list_(pa.null())), "key": pa.nulls(2)},
        {"x": ["a", "b"], "tags": [["t"], []], "key": pa.array([5, 6])},
    ]
    data = data_of(tmp_path, {"features": features, "id_columns": ["key"]}, parts[first], parts[1 - first])
    (batch,) = data.loader("validate")
    known = [3 + hash_of(x) % 100 for x in "ab"]
    assert batch.features["x"].tolist() == ([1, 1, *known] if first == 0 else [*known, 1, 1])
    assert batch.ids["key"].tolist() == ([-1, -1, 5, 6] if first == 0 else [5, 6, -1, -1])
    keys = data.id_columns("validate", batch.row).column("key").to_pylist()
    assert keys == ([None, None, 5, 6] if first == 0 else [5, 6, None, None])


# ---- names and structs


def test_a_column_name_may_hold_dots(tmp_path: Path) -> None:
    schema = {
        "features": {"x": {"vocab_size": 9, "column": "item.id", "role": "item"}},
        "tasks": {"click": {"column": "click.label"}}, "layout": "requests", "time_column": "event.time",
        "split": {"validate_from": "2023-11-15"},
    }  # fmt: skip
    columns = {
        "item.id": [[3, 4], [5]], "click.label": [[0, 1], [1]],
        "event.time": pa.array([NOW, NOW + 86_400]), "event": [1, 2],
    }  # fmt: skip
    pq.write_table(pa.table(columns), tmp_path / "all.parquet")
    data = ParquetData(Schema.from_dict(schema), path=str(tmp_path / "all.parquet"))
    assert [batch.features["x"].tolist() for split in ("train", "validate") for batch in data.loader(split)] == [
        [3, 4],
        [5],
    ]  # type: ignore[arg-type]


def test_a_path_leads_to_a_field_of_structs_in_lists(tmp_path: Path) -> None:
    spec = {**PAST, "features": {"item": {"vocab_size": 100, "column": "past.item"}}, "time_column": "past.at.time"}
    events = [[{"item": 7, "at": {"time": NOW - 5}}, None], None, [{"item": None, "at": {"time": NOW - 3}}]]
    kind = pa.list_(pa.struct({"item": pa.int64(), "at": pa.struct({"time": pa.int64()}), "unused": pa.string()}))
    schema = {
        "features": {"u": {"vocab_size": 9, "column": "user.id"}},
        "sequences": {"past": spec},
        "time_column": "t",
    }
    columns = {"user": pa.array([{"id": 4}, None, {"id": 5}]), "past": pa.array(events, kind), "t": [NOW] * 3}
    batch = read(tmp_path, schema, columns)
    assert batch.features["u"].tolist() == [4, 1, 5]
    past = batch.sequences["past"]
    assert (past.offsets.tolist(), past.features["item"].tolist()) == ([0, 2, 2, 3], [7, 1, 1])
    assert past.time is not None
    assert np.array_equal(past.time.numpy(), [NOW - 5, np.nan, NOW - 3], equal_nan=True)


def test_a_struct_where_a_value_is_needed_leads_to_its_fields(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"needs one of its fields, such as 'x.id'"):
        read(tmp_path, one({"vocab_size": 9}), {"x": pa.array([{"id": 4}])})


def test_columns_of_types_that_nothing_reads_do_no_harm(tmp_path: Path) -> None:
    uuid = pa.array([b"0" * 16], pa.uuid())
    unread = pa.StructArray.from_arrays([pa.array([5], pa.duration("s"))], ["a"])
    batch = read(tmp_path, HASHED, {"x": uuid, "y": unread, "z": uuid.cast(pa.binary(16))})
    assert batch.features["x"].tolist() == [3 + hash_of("0" * 16) % 10**6]


def test_a_path_that_leads_nowhere_is_an_error_that_names_the_nearest(tmp_path: Path) -> None:
    schema = one({"vocab_size": 9, "column": "user.di"})
    with pytest.raises(DataError, match=r"no column 'user.di', .* Did you mean 'user.id'\?"):
        read(tmp_path, schema, {"user": pa.array([{"id": 4}])})


def test_a_map_is_ids_and_their_weights(tmp_path: Path) -> None:
    feature = {"kind": "weighted_ids", "hash_size": 100, "weight_column": "x"}
    maps = pa.array([[("a", 0.5), ("b", 2.0)], None, [("a", None)]], pa.map_(pa.string(), pa.float32()))
    tags = read(tmp_path, one(feature), {"x": maps}).features["x"]
    a, b = (3 + hash_of(x) % 100 for x in "ab")
    assert (tags.offsets.tolist(), tags.values.tolist()) == ([0, 2, 2, 3], [a, b, a])
    assert tags.weights.tolist() == [0.5, 2.0, 0.0]


def test_a_column_that_is_there_twice_is_refused_where_it_is_read(tmp_path: Path) -> None:
    path = str(tmp_path / "a.parquet")
    pq.write_table(pa.table([[3], [4], [0], [1], [2]], names=["x", "x", "click", "y", "y"]), path)
    with pytest.raises(DataError, match="holds the column 'x' twice"):
        ParquetData(Schema.from_dict(one({"vocab_size": 9}, tasks={"click": {}})), validate=path).loader("validate")
    schema = Schema.from_dict({"features": {"click": {"vocab_size": 9}}, "tasks": {"click": {}}})
    assert ParquetData(schema, validate=path).num_samples("validate") == 1


# ---- joined texts


def test_a_separator_parts_texts_into_lists(tmp_path: Path) -> None:
    spec = {**PAST, "features": {"item": {"vocab_size": 100}, "age": {"kind": "dense"}}, "separator": "^"}
    schema = {"features": {"u": {"vocab_size": 9}}, "sequences": {"past": spec}}
    columns = {"u": [3] * 4, "item": ["17^4^33", "", None, "5^ ^6"], "age": ["1^2.5^3", "", None, "1^2^"]}
    past = read(tmp_path, schema, columns).sequences["past"]
    assert (past.offsets.tolist(), past.features["item"].tolist()) == ([0, 3, 3, 3, 6], [17, 4, 33, 5, 1, 6])
    assert np.array_equal(past.features["age"].numpy(), [1, 2.5, 3, 1, 2, np.nan], equal_nan=True)


def test_event_times_may_be_joined_too(tmp_path: Path) -> None:
    spec = {**PAST, "time_column": "at", "separator": "|"}
    schema = {"features": {"u": {"vocab_size": 9}}, "sequences": {"past": spec}, "time_column": "t"}
    past = read(tmp_path, schema, {"u": [3], "item": [[4, 5]], "at": [f"{NOW - 9}|{NOW - 8}"], "t": [NOW]})
    assert past.sequences["past"].time.tolist() == [NOW - 9, NOW - 8]  # type: ignore[union-attr]


@pytest.mark.parametrize("items", [[17, 4], ["17", "4"]])
def test_joined_ids_are_hashed_as_the_table_s_other_column_is(tmp_path: Path, items: list[Any]) -> None:
    item = {"hash_size": 10**6, "table": "item"}
    spec = {"features": {"past": item}, "separator": "^"}
    batch = read(tmp_path, {"features": {"x": item}, "sequences": {"s": spec}}, {"x": items, "past": ["17", "4^17"]})
    one_, other = batch.features["x"].tolist()
    assert batch.sequences["s"].features["past"].tolist() == [one_, other, one_]


def test_a_joined_entry_that_is_no_number_is_an_error_that_shows_it(tmp_path: Path) -> None:
    spec = {**PAST, "separator": "^"}
    with pytest.raises(DataError, match=r"column 'item' holds values that are no whole numbers .*'4,33'"):
        read(
            tmp_path, {"features": {"u": {"vocab_size": 9}}, "sequences": {"s": spec}}, {"u": [3], "item": ["17^4,33"]}
        )


@pytest.mark.parametrize("text", ["17^4^33", "17|4|33", "17, 4, 33", "17;4;33", " 17 4  33"])
def test_whole_numbers_are_parted_without_a_separator(tmp_path: Path, text: str) -> None:
    spec = {**PAST, "time_column": "at"}
    schema = {"features": {"u": {"vocab_size": 9}}, "sequences": {"past": spec}, "time_column": "t"}
    columns = {"u": [3] * 2, "item": [text, ""], "at": [[NOW - 17, NOW - 4, NOW - 3], []], "t": [NOW] * 2}
    past = read(tmp_path, schema, columns).sequences["past"]
    assert (past.offsets.tolist(), past.features["item"].tolist()) == ([0, 3, 3], [17, 4, 33])


def test_candidates_that_are_joined_in_a_text_are_counted_as_those_of_lists(tmp_path: Path) -> None:
    item = {"vocab_size": 9, "role": "item"}
    schema = {"layout": "requests", "features": {"x": item}, "id_columns": ["x"]}
    columns = {"x": ["3|4|5", "6|7", "8"], "click": [[0, 1, 0], [1, 0], [1]]}
    data = data_of(tmp_path, schema, columns)
    assert (data.num_samples("validate"), [len(b.row) for b in data.loader("validate")]) == (6, [6])


def test_lists_in_texts_count_as_long_as_they_may_be_in_memory(tmp_path: Path) -> None:
    schema = {"features": {"u": {"vocab_size": 9}}, "sequences": {"past": {**PAST, "max_length": 200}}}
    sizes = []
    for name, events in (("lists", [[7] * 200] * 50), ("texts", ["^".join(["7"] * 200)] * 50)):
        (tmp_path / name).mkdir()
        data = data_of(tmp_path / name, schema, {"u": [3] * 50, "item": events})
        sizes.append(data.loader("validate").sampler.rows.index.decoded_bytes)
    assert sizes[0] == sizes[1]


def test_a_joined_text_without_a_separator_leads_to_the_key(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="Set separator, if the text joins the entries of a list"):
        read(tmp_path, one({"kind": "multi_id", "hash_size": 9}), {"x": ["17^4"]})


@pytest.mark.parametrize(
    "change",
    [{"features": {"x": {"vocab_size": 9, "separator": "^"}}},
     {"sequences": {"s": {"features": {"y": {"vocab_size": 9, "separator": "^"}}}}}],
)  # fmt: skip
def test_a_separator_that_would_do_nothing_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(SchemaError, match="does nothing here"):
        Schema.from_dict({"features": {"u": {"vocab_size": 9}}, "tasks": {"click": {}}, **change})


# ---- leftovers of writers


def test_what_writers_leave_behind_is_skipped(tmp_path: Path) -> None:
    def put(name: str, item: int) -> None:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.table({"x": [item], "click": [0]}), tmp_path / name)

    put("day=1/part-0.parquet", 3)
    put("_day=2/part-0.parquet", 4)
    for name in ("_temporary/0/part-0.parquet", ".tmp/a.parquet", "_part.parquet"):
        put(name, 9)
    (tmp_path / "day=1" / "._part-0.parquet").write_bytes(b"\0\5\x16\7")
    schema = Schema.from_dict(one({"vocab_size": 20}, tasks={"click": {}}))

    def found(path: str) -> list[int]:
        loader = ParquetData(schema, validate=str(tmp_path / path), batch_size=10).loader("validate")
        return [int(item) for batch in loader for item in batch.features["x"]]

    assert sorted(found(".")) == sorted(found("**/*.parquet")) == [3, 4]
    assert found("_temporary") == found("_temporary/*/*.parquet") == found("_part.parquet") == [9]
