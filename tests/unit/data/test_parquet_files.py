"""Which files are read, how they are split by time, and what is said when one cannot be used."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hyrec.data.parquet.data import ParquetData
from hyrec.data.parquet.policy import DataError
from hyrec.schema import Schema

FLAT = {"features": {"item": {"vocab_size": 1000}}, "tasks": {"click": {}}, "time_column": "now"}


def schema(**changed: Any) -> Schema:
    return Schema.from_dict({**FLAT, **changed})


def write(path: Path, items: list[int], group_size: int = 3, **columns: Any) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    base = {"item": pa.array(items, pa.int64()), "click": pa.array([0] * len(items), pa.int8())}
    pq.write_table(pa.table({**base, "now": pa.array(items, pa.int64()), **columns}), path, row_group_size=group_size)
    return str(path)


def items(data: ParquetData, split: Any) -> list[int]:
    return [int(i) for batch in data.loader(split) for i in batch.features["item"]]


def test_a_path_is_a_file_a_directory_or_a_glob(tmp_path: Path) -> None:
    write(tmp_path / "b.parquet", [5, 6])
    write(tmp_path / "a" / "x.parquet", [3, 4])
    one = str(tmp_path / "b.parquet")
    assert items(ParquetData(schema(), validate=one), "validate") == [5, 6]
    assert items(ParquetData(schema(), validate=str(tmp_path)), "validate") == [3, 4, 5, 6]
    assert items(ParquetData(schema(), validate=str(tmp_path / "*.parquet")), "validate") == [5, 6]
    both = [one, str(tmp_path / "a")]
    assert items(ParquetData(schema(), validate=both), "validate") == [5, 6, 3, 4]


def test_a_missing_path_names_the_closest_one(tmp_path: Path) -> None:
    write(tmp_path / "train.parquet", [3])
    data = ParquetData(schema(), train=str(tmp_path / "trian.parquet"))
    with pytest.raises(DataError, match=r"train: there is no file .*Did you mean .*train.parquet'\?"):
        data.loader("train")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"holds no \*.parquet file"):
        ParquetData(schema(), train=str(tmp_path / "empty")).loader("train")


def test_a_file_named_twice_is_an_error(tmp_path: Path) -> None:
    path = write(tmp_path / "a.parquet", [3])
    with pytest.raises(DataError, match="more than once"):
        ParquetData(schema(), train=[path, str(tmp_path)]).loader("train")


def test_a_missing_column_names_the_closest_one_and_lists_all(tmp_path: Path) -> None:
    path = write(tmp_path / "a.parquet", [3])
    wrong = schema(features={"itm": {"vocab_size": 9}})
    with pytest.raises(DataError, match=r"no column 'itm', which features.itm reads. Did you mean 'item'\? Columns: "):
        ParquetData(wrong, train=path).loader("train")


@pytest.mark.parametrize(
    ("feature", "column", "words"),
    [
        ({"vocab_size": 9}, pa.array([1.5]), "has type double; features.x needs integers or strings"),
        ({"vocab_size": 9}, pa.array(["a"]), "has a vocab_size, which needs integers: use hash_size"),
        ({"vocab_size": 9}, pa.array([[1]]), "features.x needs one value a row"),
        ({"kind": "multi_id", "vocab_size": 9}, pa.array([1]), "features.x needs a list a row"),
        ({"kind": "dense"}, pa.array(["a"]), "needs numbers"),
        ({"kind": "dense", "width": 2}, pa.array([1.0]), "needs a list a row"),
    ],
)
def test_a_wrong_type_is_an_error_before_anything_is_read(
    tmp_path: Path, feature: dict[str, Any], column: pa.Array, words: str
) -> None:
    path = write(tmp_path / "a.parquet", [3], x=column)
    data = ParquetData(schema(features={"x": feature}), train=path)
    with pytest.raises(DataError, match=words) as error:
        data.setup("fit")
    assert path in str(error.value)


def test_a_truncated_file_is_an_error_that_names_it(tmp_path: Path) -> None:
    path = Path(write(tmp_path / "a.parquet", list(range(3, 900))))
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(DataError, match=r"a.parquet cannot be read as Parquet .* write or copy it again"):
        ParquetData(schema(), train=str(path)).setup("fit")


def test_a_damaged_row_group_is_an_error_that_names_it(tmp_path: Path) -> None:
    path = Path(write(tmp_path / "a.parquet", list(range(3, 900)), group_size=300))
    content = bytearray(path.read_bytes())
    start = pq.ParquetFile(path).metadata.row_group(1).column(0).dictionary_page_offset
    content[start : start + 40] = b"\xff" * 40
    path.write_bytes(bytes(content))
    data = ParquetData(schema(), validate=str(path), batch_size=100)
    with pytest.raises(DataError, match=r"a.parquet, row group 1 cannot be read"):
        list(data.loader("validate"))


def test_files_without_rows_are_counted_and_skipped(tmp_path: Path) -> None:
    empty, full = write(tmp_path / "a.parquet", []), write(tmp_path / "b.parquet", [3])
    data = ParquetData(schema(), validate=[empty, full])
    assert items(data, "validate") == [3]
    assert f"validate: {empty}: 1 x file without rows, skipped" in data.report().splitlines()
    with pytest.raises(DataError, match="no rows"):
        ParquetData(schema(), validate=empty).loader("validate")


def test_files_of_a_split_must_be_alike(tmp_path: Path) -> None:
    first = write(tmp_path / "a.parquet", [3], key=pa.array([1]))
    second = write(tmp_path / "b.parquet", [3], key=pa.array(["x"]))
    with pytest.raises(DataError, match=r"b.parquet: column 'key' differs"):
        ParquetData(schema(id_columns=["key"]), train=[first, second]).setup("fit")


@pytest.mark.parametrize("group_size", [1, 3, 100])
def test_one_path_is_split_by_time(tmp_path: Path, group_size: int) -> None:
    times = [30, 10, 20, 11, 40, 25, 12]
    path = write(tmp_path / "a.parquet", times, group_size)
    data = ParquetData(schema(split={"validate_from": "20", "test_from": "30"}), path=path, batch_size=2)
    assert sorted(items(data, "train")) == [10, 11, 12]
    assert items(data, "validate") == [20, 25]
    assert items(data, "test") == items(data, "predict") == [30, 40]
    rows = [int(r) for batch in data.loader("test") for r in batch.row]
    assert rows == [0, 1], "places count the rows of the split"


def test_a_split_may_be_written_as_dates_and_times_as_timestamps(tmp_path: Path) -> None:
    days = np.array(["2022-05-01", "2022-05-02T23:59:59", "2022-05-03"], "datetime64[s]")
    path = write(tmp_path / "a.parquet", [3, 4, 5], now=pa.array(days))
    data = ParquetData(schema(split={"test_from": "2022-05-03"}), path=path)
    assert (sorted(items(data, "train")), items(data, "test")) == ([3, 4], [5])
    assert data.val_dataloader() == []
    bad = ParquetData(schema(split={"test_from": "3 May"}), path=path)
    with pytest.raises(DataError, match="neither a day or ISO date-time"):
        bad.setup("test")


def test_a_null_time_belongs_to_no_split(tmp_path: Path) -> None:
    path = write(tmp_path / "a.parquet", [3, 4], now=pa.array([1, None], pa.int64()))
    with pytest.raises(DataError, match="row 1, column 'now': the time is null"):
        ParquetData(schema(split={"test_from": "1"}), path=path).setup("test")


def test_options_that_exclude_one_another_are_errors(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="path and train exclude one another"):
        ParquetData(schema(split={"test_from": "1"}), train="a", path="b")
    with pytest.raises(DataError, match="the schema has no split"):
        ParquetData(schema(), path="b")
    with pytest.raises(DataError, match=r"no files for 'test': set data.init_args.test. Given: train"):
        ParquetData(schema(), train="a").test_dataloader()
    with pytest.raises(DataError, match="batch_size must be at least 1, got 0"):
        ParquetData(schema(), train="a", batch_size=0)


def test_prediction_needs_no_labels_and_training_does(tmp_path: Path) -> None:
    pq.write_table(pa.table({"item": [3, 4], "now": [1, 2]}), tmp_path / "a.parquet")
    data = ParquetData(schema(), predict=str(tmp_path), test=str(tmp_path))
    (batch,) = list(data.predict_dataloader())
    assert batch.labels["click"].isnan().all()
    with pytest.raises(DataError, match="no column 'click'"):
        data.test_dataloader()


def test_scan_reads_all_rows_but_only_the_columns_asked_for(tmp_path: Path) -> None:
    features = {"item": {"vocab_size": 1000}, "other": {"vocab_size": 9}}
    sequences = {"s": {"features": {"e": {"vocab_size": 9}}}}
    values = list(range(3, 20))
    path = write(tmp_path / "a.parquet", values, other=pa.array([3] * 17), e=pa.array([[3]] * 17))
    data = ParquetData(schema(features=features, sequences=sequences), train=path)
    batches = list(data.scan("train", ["item"]))
    assert [int(i) for b in batches for i in b.features["item"]] == values
    assert [int(r) for b in batches for r in b.row] == list(range(17))
    assert all(list(b.features) == ["item"] and not b.sequences and "click" in b.labels for b in batches)
    assert list(next(data.scan("train", sequences=["s"])).sequences) == ["s"]
    with pytest.raises(DataError, match="Did you mean 'item'"):
        next(data.scan("train", ["itme"]))


def test_id_columns_are_found_again_by_row(tmp_path: Path) -> None:
    first = write(tmp_path / "a.parquet", [3, 4, 5, 6, 7], key=pa.array(list("abcde")).dictionary_encode())
    second = write(tmp_path / "b.parquet", [8, 9], key=pa.array(["f", None]).dictionary_encode())
    data = ParquetData(schema(id_columns=["key", "item"]), test=[first, second])
    table = data.id_columns("test", np.array([6, 0, 5, 3]))
    assert table.to_pydict() == {"key": [None, "a", "f", "d"], "item": [9, 3, 8, 6]}
    with pytest.raises(DataError, match="7 samples; got places from 7 to 7"):
        data.id_columns("test", np.array([7]))


def test_id_columns_of_requests_have_one_row_a_candidate(tmp_path: Path) -> None:
    table = {
        "item": [[3, 4], [], [5]],
        "click": [[0, 1], [], [1]],
        "q": ["x", "y", "z"],
        "k": [[1, 2], [], [3]],
    }
    pq.write_table(pa.table({**table, "now": [1, 2, 3]}), tmp_path / "a.parquet")
    features = {"item": {"vocab_size": 9, "role": "item"}}
    data = ParquetData(schema(features=features, layout="requests", id_columns=["q", "k"]), test=str(tmp_path))
    (batch,) = list(data.test_dataloader())
    assert batch.row is not None
    assert data.id_columns("test", batch.row).to_pydict() == {"q": ["x", "x", "z"], "k": [1, 2, 3]}
    assert data.num_samples("test") == 3
    assert "1 x request without candidates, skipped" in data.report()
