"""What stored values become, which policies apply, and that nothing is handled without being counted."""

from __future__ import annotations

import datetime
import math
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from hyrec.batch import Batch, Jagged
from hyrec.data.hashing import hash_strings
from hyrec.data.parquet.arrow import Lists
from hyrec.data.parquet.chunk import Chunk, Packed
from hyrec.data.parquet.data import ParquetData
from hyrec.data.parquet.policy import DataError, Policies
from hyrec.data.parquet.values import Origin, ValueDecoder
from hyrec.schema import Feature, Schema
from tests.references.parquet import hash_of


def read(
    path: Path, schema: dict[str, Any], columns: dict[str, Any], **options: Any
) -> tuple[Batch, dict[tuple[str, str], int]]:
    """Write one file, read it as one batch, and return what was counted (times count from zero here)."""
    schema.setdefault("tasks", {"click": {}})
    if "click" not in columns:
        first = len(next(iter(columns.values())))
        columns["click"] = [0] * first
    pq.write_table(pa.table(columns), path / "rows.parquet")
    data = ParquetData(Schema.from_dict(schema), validate=str(path / "rows.parquet"), batch_size=100, **options)
    (batch,) = list(data.loader("validate"))
    return batch, {key: n for key, n in data.counts["validate"].as_dict().items() if key[1] != "odd_time"}


def one_id(feature: dict[str, Any]) -> dict[str, Any]:
    return {"features": {"x": feature}}


def test_ids_are_shifted_and_reserved_ids_pass(tmp_path: Path) -> None:
    batch, counts = read(tmp_path, one_id({"vocab_size": 10}), {"x": [0, 1, 2, 9]})
    assert batch.features["x"].tolist() == [0, 1, 2, 9]
    assert counts == {}
    batch, counts = read(tmp_path, one_id({"vocab_size": 10, "offset": 3}), {"x": [0, 6]})
    assert batch.features["x"].tolist() == [3, 9]
    assert batch.features["x"].dtype == torch.int64


def test_broken_ids_are_mapped_and_counted(tmp_path: Path) -> None:
    batch, counts = read(tmp_path, one_id({"vocab_size": 10, "offset": 3}), {"x": [None, -1, -1, 7, 5]})
    assert batch.features["x"].tolist() == [1, 1, 1, 2, 8]
    assert counts == {("x", "null"): 1, ("x", "negative"): 2, ("x", "out_of_range"): 1}
    batch, _ = read(tmp_path, one_id({"vocab_size": 10}), {"x": [-5]}, policies=Policies(negative="oov"))
    assert batch.features["x"].tolist() == [2]


@pytest.mark.parametrize(
    ("policy", "values", "words"),
    [
        (Policies(negative="error"), [4, 4, -7], ["row 2", "'x'", "-7"]),
        (Policies(out_of_range="error"), [4, 99], ["row 1", "'x'", "99", "vocab_size=10"]),
    ],
)
def test_an_id_that_no_policy_allows_is_an_error_that_names_its_place(
    tmp_path: Path, policy: Policies, values: list[int], words: list[str]
) -> None:
    with pytest.raises(DataError) as error:
        read(tmp_path, one_id({"vocab_size": 10}), {"x": values}, policies=policy)
    for word in [str(tmp_path / "rows.parquet"), "row group 0", *words]:
        assert word in str(error.value)


def test_an_unknown_policy_names_the_closest_one() -> None:
    with pytest.raises(ValueError, match="Did you mean 'missing'"):
        Policies(negative="mising")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "kind", [pa.int8(), pa.int16(), pa.int32(), pa.int64(), pa.uint8(), pa.uint16(), pa.uint32(), pa.uint64()]
)
def test_every_integer_type_reads_alike(tmp_path: Path, kind: pa.DataType) -> None:
    column = pa.array([3, None, 100], kind)
    batch, counts = read(tmp_path, one_id({"vocab_size": 50}), {"x": column})
    assert batch.features["x"].tolist() == [3, 1, 2]
    assert counts == {("x", "null"): 1, ("x", "out_of_range"): 1}


def test_huge_unsigned_ids_are_out_of_range_and_not_negative(tmp_path: Path) -> None:
    column = pa.array([2**64 - 1, 5], pa.uint64())
    batch, counts = read(tmp_path, one_id({"vocab_size": 50, "offset": 3}), {"x": column})
    assert batch.features["x"].tolist() == [2, 8]
    assert counts == {("x", "out_of_range"): 1}


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.binary(), pa.dictionary(pa.int8(), pa.string())])
def test_strings_hash_to_the_same_bucket_whatever_their_type(tmp_path: Path, kind: pa.DataType) -> None:
    words = ["a", "longer than most", None, "", "äöü", "a"]
    column = pa.array(words, pa.string()).cast(kind) if not pa.types.is_dictionary(kind) else pa.array(words, kind)
    batch, counts = read(tmp_path, one_id({"hash_size": 1000}), {"x": column})
    expected = [1 if w is None else 3 + hash_of(w) % 1000 for w in words]
    assert batch.features["x"].tolist() == expected
    assert counts == {("x", "null"): 1}


def test_integers_of_every_64_bits_are_hashed(tmp_path: Path) -> None:
    stored = [0, 5, -1, 2**62, -(2**63)]
    batch, counts = read(tmp_path, one_id({"hash_size": 1000}), {"x": stored})
    assert batch.features["x"].tolist() == [3 + hash_of(x) % 1000 for x in stored]
    assert counts == {}


def test_a_hash_is_the_same_in_every_process_and_on_every_machine() -> None:
    assert hash_strings(pa.array(["a", "bc"])).tolist() == [6857225946766476583, 171518909861766600]
    assert [hash_of("a"), hash_of("bc")] == [6857225946766476583, 171518909861766600]


def test_dense_values_are_float32_with_nan_for_null_and_infinite(tmp_path: Path) -> None:
    schema = {"features": {"p": {"kind": "dense"}, "v": {"kind": "dense", "width": 2}, "n": {"kind": "dense"}}}
    columns = {
        "p": [1.5, None, math.inf, 1e300],
        "v": [[1, 2], None, [3, None], [5, 6]],
        "n": pa.array([1, 2, 3, 4], pa.int16()),
    }
    batch, counts = read(tmp_path, schema, columns)
    nan = math.nan
    assert batch.features["p"].dtype == torch.float32
    expected = torch.tensor([[1, 2], [nan, nan], [3, nan], [5, 6]])
    torch.testing.assert_close(batch.features["v"], expected, equal_nan=True)
    torch.testing.assert_close(batch.features["p"], torch.tensor([[1.5], [nan], [nan], [nan]]), equal_nan=True)
    assert batch.features["n"].tolist() == [[1], [2], [3], [4]]
    assert counts == {("p", "null"): 1, ("p", "not_finite"): 2, ("v", "null_list"): 1, ("v", "null"): 1}


def test_a_wrong_width_is_an_error_that_names_its_place(tmp_path: Path) -> None:
    schema = {"features": {"v": {"kind": "dense", "width": 2}}}
    with pytest.raises(DataError, match=r"rows.parquet, row group 0, row 1, column 'v': a list of 3 .* width=2"):
        read(tmp_path, schema, {"v": [[1.0, 2.0], [1.0, 2.0, 3.0]]})


def test_lists_of_ids_keep_their_first_entries(tmp_path: Path) -> None:
    schema = {"features": {"t": {"kind": "multi_id", "vocab_size": 50, "max_length": 2}}}
    batch, counts = read(tmp_path, schema, {"t": [[3, 4, 5], None, [], [None, 6]]})
    tags = batch.features["t"]
    assert isinstance(tags, Jagged)
    assert tags.values.tolist() == [3, 4, 1, 6]
    assert tags.offsets.tolist() == [0, 2, 2, 2, 4]
    assert counts == {("t", "null_list"): 1, ("t", "null"): 1}


def test_weights_stay_aligned_with_their_ids(tmp_path: Path) -> None:
    schema = {"features": {"t": {"kind": "weighted_ids", "vocab_size": 50, "weight_column": "w", "max_length": 2}}}
    batch, counts = read(tmp_path, schema, {"t": [[3, 4, 5], [6]], "w": [[0.5, None, 2.0], [4.0]]})
    assert batch.features["t"].weights.tolist() == [0.5, 0.0, 4.0]
    assert counts == {("w", "null_weight"): 1}
    with pytest.raises(DataError, match=r"row 1, column 'w': 2 entries, but column 't' of the ids has 1"):
        read(tmp_path, schema, {"t": [[3], [4]], "w": [[1.0], [1.0, 2.0]]})


def clicks(**options: Any) -> dict[str, Any]:
    events = {"features": {"i": {"vocab_size": 50}, "d": {"kind": "dense"}}, "time_column": "t", **options}
    return {
        "features": {"x": {"vocab_size": 10}},
        "sequences": {"clicks": events},
        "time_column": "now",
        "time_unit": "ms",
    }


def events(i: Any, d: Any, t: Any) -> dict[str, Any]:
    return {"x": [3] * len(i), "i": i, "d": d, "t": t, "now": [10_000] * len(i)}


@pytest.mark.parametrize("order", ["oldest_first", "newest_first"])
def test_the_most_recent_events_are_kept_oldest_first(tmp_path: Path, order: str) -> None:
    step = 1 if order == "oldest_first" else -1
    rows = events([[3, 4, 5][::step], [6], []], [[0.3, 0.4, None][::step], [0.6], []], [[1, 2, 3][::step], [9], []])
    batch, counts = read(tmp_path, clicks(max_length=2, order=order), rows)
    found = batch.sequences["clicks"]
    assert found.features["i"].tolist() == [4, 5, 6]
    assert found.time is not None
    assert found.time.tolist() == [0.002, 0.003, 0.009]
    assert found.time.dtype == torch.float64
    assert found.offsets.tolist() == [0, 2, 3, 3]
    assert found.max_length == 2
    torch.testing.assert_close(found.features["d"], torch.tensor([0.4, math.nan, 0.6]), equal_nan=True)
    assert counts == {("d", "null"): 1}


def test_a_batch_without_events_has_one_spare_row(tmp_path: Path) -> None:
    batch, counts = read(tmp_path, clicks(), events(*[pa.array([None, []], pa.list_(pa.int64()))] * 3))
    found = batch.sequences["clicks"]
    assert (found.features["i"].tolist(), found.max_length, found.offsets.tolist()) == ([0], 1, [0, 0, 0])
    assert found.time is not None
    assert len(found.time) == 1
    assert counts == {("i", "null_list"): 1, ("d", "null_list"): 1, ("t", "null_list"): 1}


def test_unequal_lengths_in_a_sequence_are_an_error_with_both_lengths(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"row group 0, row 1, column '[it]': [23] entries, but column .* has [23]"):
        read(tmp_path, clicks(), events([[3], [4, 5]], [[1.0], [1.0, 2.0, 3.0]], [[1], [1, 2]]))


@pytest.mark.parametrize(("order", "kept"), [("oldest_first", [5, 6]), ("newest_first", [5, 4])])
def test_truncating_unequal_lengths_aligns_the_most_recent_events(tmp_path: Path, order: str, kept: list[int]) -> None:
    rows = events([[4, 5, 6]], [[1.0, 2.0]], [[1, 1, 1, 1]])
    batch, counts = read(tmp_path, clicks(order=order), rows, policies=Policies(unequal_lengths="truncate"))
    assert batch.sequences["clicks"].features["i"].tolist() == kept
    assert batch.sequences["clicks"].features["d"].tolist() == ([1, 2] if order == "oldest_first" else [2, 1])
    assert counts == {("i", "truncated"): 1, ("t", "truncated"): 2}


def test_events_out_of_order_and_events_that_are_too_late_are_counted(tmp_path: Path) -> None:
    rows = events([[3, 4, 5], [6]], [[0.0] * 3, [0.0]], [[5, 4, 10_000], [1]])
    _, counts = read(tmp_path, clicks(), rows)
    assert counts == {("t", "out_of_order"): 1, ("t", "not_before_impression"): 1}


def test_a_null_event_time_is_unknown_and_counted(tmp_path: Path) -> None:
    batch, counts = read(tmp_path, clicks(), events([[3, 4, 5]], [[1.0] * 3], [[None, 2, None]]))
    time = batch.sequences["clicks"].time
    assert time is not None
    assert time.isnan().tolist() == [True, False, True]
    assert time[1] == 0.002
    assert counts == {("t", "null_time"): 2}


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_timestamps_know_their_own_unit(tmp_path: Path, unit: str) -> None:
    moment = datetime.datetime(2022, 5, 3, 12, tzinfo=datetime.timezone.utc)
    schema = {"features": {"x": {"vocab_size": 9}}, "time_column": "now", "time_unit": "us"}
    batch, _ = read(tmp_path, schema, {"x": [3], "now": pa.array([moment], pa.timestamp(unit, "UTC"))})
    assert batch.time is not None
    assert batch.time.tolist() == [moment.timestamp()]


def test_labels_follow_the_task_and_null_is_unknown(tmp_path: Path) -> None:
    schema = {
        "features": {"x": {"vocab_size": 9}},
        "tasks": {"buy": {"column": "kind", "positive": [2, 3]}, "long": {"column": "s", "threshold": 1.5}},
    }
    batch, counts = read(tmp_path, schema, {"x": [3, 3, 3], "kind": [2, 1, None], "s": [2.0, math.nan, 1.5]})
    nan = math.nan
    torch.testing.assert_close(batch.labels["buy"], torch.tensor([1.0, 0, nan]), equal_nan=True)
    torch.testing.assert_close(batch.labels["long"], torch.tensor([1.0, nan, 0]), equal_nan=True)
    assert counts == {("kind", "null_label"): 1, ("s", "null_label"): 1, ("s", "at_threshold"): 1}


def test_groups_may_be_strings_but_not_null(tmp_path: Path) -> None:
    schema = {"features": {"x": {"vocab_size": 9}}, "group_column": "q"}
    batch, _ = read(tmp_path, schema, {"x": [3, 3, 3], "q": ["a", "b", "a"]})
    assert batch.group is not None
    assert batch.group.tolist() == [hash_of("a") >> 1, hash_of("b") >> 1, hash_of("a") >> 1]
    with pytest.raises(DataError, match="row 1, column 'q': the group is null"):
        read(tmp_path, schema, {"x": [3, 3], "q": ["a", None]})


def test_weights_of_samples_must_be_numbers_of_at_least_zero(tmp_path: Path) -> None:
    schema = {"features": {"x": {"vocab_size": 9}}, "weight_column": "w"}
    batch, _ = read(tmp_path, schema, {"x": [3, 3], "w": [0.5, 2]})
    assert batch.weights is not None
    assert batch.weights.tolist() == [0.5, 2.0]
    with pytest.raises(DataError, match=r"row 1, column 'w': .* got -1.0"):
        read(tmp_path, schema, {"x": [3, 3], "w": [0.5, -1]})


def test_sliced_and_fixed_size_lists_read_right(tmp_path: Path) -> None:
    for kind in (pa.list_(pa.int64()), pa.large_list(pa.int64()), pa.list_(pa.int64(), 2)):
        lists = Lists.of(pa.array([[1, 2], [3, 4], None, [5, 6]], kind).slice(1))
        values = np.asarray(lists.values.fill_null(-1))
        got = [values[s : s + n].tolist() for s, n in zip(lists.starts, lists.lengths, strict=True)]
        assert got == [[3, 4], [], [5, 6]]
        assert lists.null is not None
        assert lists.null.tolist() == [False, True, False]


def test_a_column_of_nulls_without_a_type_is_all_missing(tmp_path: Path) -> None:
    schema = {
        "features": {
            "x": {"vocab_size": 9},
            "h": {"hash_size": 9},
            "t": {"kind": "multi_id", "vocab_size": 9},
        },
    }
    batch, counts = read(tmp_path, schema, {"x": pa.nulls(2), "h": pa.nulls(2), "t": pa.nulls(2)})
    assert batch.features["x"].tolist() == batch.features["h"].tolist() == [1, 1]
    assert batch.features["t"].offsets.tolist() == [0, 0, 0]
    assert counts == {("x", "null"): 2, ("h", "null"): 2, ("t", "null_list"): 2}


REQUESTS: dict[str, Any] = {
    "layout": "requests",
    "features": {
        "u": {"vocab_size": 9},
        "i": {"vocab_size": 9, "role": "item"},
        "p": {"kind": "dense", "role": "cross"},
    },
    "sequences": {"s": {"features": {"e": {"vocab_size": 9}}}},
    "group_column": "q",
    "time_column": "now",
    "id_columns": ["q", "key"],
}


def requests(**changed: Any) -> dict[str, Any]:
    return {
        "u": [3, 4, 5],
        "i": [[3, 4], [], [5]],
        "p": [[0.5, None], [], None],
        "e": [[3], [4], [5, 6]],
        "q": [70, 80, 90],
        "key": [["a", "b"], [], ["c"]],
        "now": [1, 2, 3],
        "click": [[1, 0], [], [None]],
        **changed,
    }


def test_a_request_shares_its_row_between_candidates(tmp_path: Path) -> None:
    batch, counts = read(tmp_path, dict(REQUESTS), requests())
    assert batch.request_of is not None
    assert (batch.num_samples, batch.num_requests, batch.request_of.max_candidates) == (3, 2, 2)
    assert batch.request_of.index.tolist() == [0, 0, 1]
    assert batch.request_of.slot.tolist() == [0, 1, 0]
    assert batch.features["u"].tolist() == [3, 3, 5]
    assert batch.features["i"].tolist() == [3, 4, 5]
    assert batch.sequences["s"].offsets.tolist() == [0, 1, 3]
    assert batch.time is not None
    assert batch.time.tolist() == [1.0, 3.0]
    assert batch.group is not None
    assert batch.group.tolist() == [70, 70, 90]
    assert batch.row is not None
    assert batch.row.tolist() == [0, 1, 2]
    assert batch.ids["q"].tolist() == [70, 70, 90]
    assert "key" not in batch.ids, "strings never enter a batch"
    assert counts == {("p", "null"): 1, ("p", "null_list"): 1, ("click", "null_label"): 1}


def test_every_candidate_list_needs_one_entry_a_candidate(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"row 0, column 'p': 1 entries, but the request has 2 candidates"):
        read(tmp_path, dict(REQUESTS), requests(p=[[0.5], [], None]))


def test_counts_are_those_of_the_batches_that_were_delivered(tmp_path: Path) -> None:
    pq.write_table(pa.table({"x": [None, 3, None, None], "click": [0] * 4}), tmp_path / "x.parquet")
    schema = Schema.from_dict({"features": {"x": {"vocab_size": 9}}, "tasks": {"click": {}}})
    data = ParquetData(schema, validate=str(tmp_path), batch_size=2)
    batches = iter(data.loader("validate"))
    next(batches)
    assert data.counts["validate"].as_dict() == {("x", "null"): 1}
    next(batches)
    assert data.report() == "validate: x: 3 x null, read as missing (id 1, or NaN)"
    list(data.loader("validate"))
    assert "3 x null" in data.report(), "a second pass counts anew"


def test_an_absent_candidate_list_is_counted_once_and_not_by_candidate(tmp_path: Path) -> None:
    schema = {**REQUESTS, "features": {**REQUESTS["features"], "brand": {"vocab_size": 9, "role": "item"}}}
    batch, counts = read(tmp_path, schema, requests(p=[[1.0, 2.0], [], [3.0]], brand=[None, [], [5]]))
    assert batch.features["brand"].tolist() == [1, 1, 5]
    assert counts == {("brand", "null_list"): 1, ("click", "null_label"): 1}


def test_what_stands_under_a_null_is_never_looked_at() -> None:
    buffers = pa.array([-5, 4, 99], pa.int64()).buffers()
    nulls = pa.array([None, 1, None]).buffers()[0]
    values = ValueDecoder(Policies(negative="error", out_of_range="error"), Origin("file", 0, np.arange(3)))
    garbage = pa.Array.from_buffers(pa.int64(), 3, [nulls, buffers[1]])
    assert values.ids(garbage, None, Feature(vocab_size=9), "x", lambda rows: rows).tolist() == [1, 4, 1]
    assert {key: count.tolist() for key, count in values.notes.items()} == {("x", "null"): [1, 0, 1]}


def test_candidates_are_counted_right_when_all_their_columns_are_lists_of_lists(tmp_path: Path) -> None:
    features = {"t": {"kind": "multi_id", "vocab_size": 9, "role": "item"}}
    columns = {"t": [[[3, 4], [5]], [[6, 7, 8]]], "click": [[0, 1], [1]]}
    pq.write_table(pa.table(columns), tmp_path / "rows.parquet", row_group_size=1)
    schema = Schema.from_dict({"layout": "requests", "features": features, "tasks": {"click": {}}})
    data = ParquetData(schema, validate=str(tmp_path))
    (batch,) = list(data.loader("validate"))
    assert data.num_samples("validate") == batch.num_samples == 3
    assert batch.features["t"].offsets.tolist() == [0, 2, 3, 6]
    assert batch.row is not None
    assert batch.row.tolist() == [0, 1, 2]


def test_parts_of_a_window_are_not_held_beside_the_whole() -> None:
    def parts() -> Iterator[Chunk]:
        for _ in range(40):
            lists = Packed(np.arange(1001) * 100, {"ids": np.zeros(100_000, np.int32)})
            yield Chunk(1000, np.zeros(1000, np.int64), rows={("time", ""): np.zeros(1000)}, sequences={"s": lists})

    tracemalloc.start()
    try:
        whole = Chunk.concatenate(parts())
        size, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert whole.num_rows == 40_000
    assert peak < 1.1 * size
