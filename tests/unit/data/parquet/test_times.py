"""Units of times that cannot be meant, and time splits by statistics of the footers."""

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

NOW = 1_700_006_400
"""2023-11-15, in seconds."""
DAY = 86_400
SPLIT = {"validate_from": "2023-11-16", "test_from": "2023-11-17"}


def schema(**changed: Any) -> Schema:
    base = {"features": {"x": {"vocab_size": 2000}}, "tasks": {"click": {}}, "time_column": "now"}
    return Schema.from_dict({**base, **changed})


def write(path: Path, now: Any, group_size: int = 40, **columns: Any) -> str:
    base = {"x": pa.array(np.arange(len(now))), "click": pa.array([0] * len(now)), "now": now}
    pq.write_table(pa.table({**base, **columns}), path, row_group_size=group_size)
    return str(path)


def rows(data: ParquetData, split: Any) -> list[int]:
    return sorted(int(x) for batch in data.loader(split) for x in batch.features["x"])


@pytest.mark.parametrize("group_size", [1, 7, 100])
@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_timestamps_of_every_unit_are_split_alike(tmp_path: Path, unit: str, group_size: int) -> None:
    times = NOW + np.arange(0, 3 * DAY, DAY // 10)
    column = pa.array(times * 10**9 + (123 if unit == "ns" else 0)).cast(pa.timestamp("ns")).cast(pa.timestamp(unit))
    data = ParquetData(schema(split=SPLIT), path=write(tmp_path / "a.parquet", column, group_size))
    assert [rows(data, split) for split in ("train", "validate", "test")] == [
        list(range(10)),
        list(range(10, 20)),
        list(range(20, 30)),
    ]


@pytest.mark.parametrize("kind", [pa.uint64(), pa.float64(), pa.decimal128(20, 0), pa.date32()], ids=str)
def test_times_of_every_type_are_split_alike(tmp_path: Path, kind: pa.DataType) -> None:
    times = pa.array(NOW + np.arange(3) * DAY)
    column = times.cast(pa.timestamp("s")).cast(kind) if kind == pa.date32() else times.cast(kind)
    data = ParquetData(schema(split=SPLIT), path=write(tmp_path / "a.parquet", column, 1))
    assert [rows(data, split) for split in ("train", "validate", "test")] == [[0], [1], [2]]


@pytest.mark.parametrize("day", ["20231116", "2023-11-16", "2023-11-16T00:00:00Z", str(NOW + DAY)])
def test_a_bound_is_a_day_a_moment_or_a_number(tmp_path: Path, day: str) -> None:
    path = write(tmp_path / "a.parquet", pa.array([NOW, NOW + DAY]))
    data = ParquetData(schema(split={"test_from": day}), path=path)
    assert (rows(data, "train"), rows(data, "test")) == ([0], [1])


def test_an_empty_split_says_between_which_moments_it_lies(tmp_path: Path) -> None:
    path = write(tmp_path / "a.parquet", pa.array([NOW]))
    data = ParquetData(schema(split={"validate_from": "86400", "test_from": "172800"}), path=path)
    with pytest.raises(DataError, match=r"from 1970-01-02 00:00:00 on, before 1970-01-03 00:00:00, UTC"):
        data.loader("validate")


@pytest.mark.parametrize(("unit", "factor", "fits"), [("s", 1000, "ms"), ("ms", 1, "s"), ("us", 1000, "ms")])
def test_times_that_most_fit_another_unit_are_an_error_that_names_it(
    tmp_path: Path, unit: str, factor: int, fits: str
) -> None:
    path = write(tmp_path / "a.parquet", pa.array((NOW + np.arange(30)) * factor))
    data = ParquetData(schema(time_unit=unit), validate=path)
    with pytest.raises(DataError, match=rf"30 would lie inside in '{fits}'. Set time_unit: {fits}, or convert"):
        list(data.loader("validate"))


def test_events_in_another_unit_than_their_impressions_are_an_error(tmp_path: Path) -> None:
    events = pa.array([[NOW - 2, NOW - 1]] * 30)
    path = write(tmp_path / "a.parquet", pa.array([NOW * 1000] * 30), item=events, at=events)
    past = {"features": {"item": {"vocab_size": 9}}, "time_column": "at"}
    data = ParquetData(schema(time_unit="ms", sequences={"past": past}), validate=path)
    with pytest.raises(DataError, match=r"column 'at': .* would lie inside in 's'"):
        list(data.loader("validate"))


def test_a_few_odd_moments_are_counted(tmp_path: Path) -> None:
    path = write(tmp_path / "a.parquet", pa.array([NOW * 1000, 0, *[NOW] * 30]))
    data = ParquetData(schema(), validate=path)
    list(data.loader("validate"))
    assert data.report() == "validate: now: 2 x moment outside 1990 to 2100, which it would not be in 'ms'"


def test_times_that_count_from_zero_are_told_and_used(tmp_path: Path) -> None:
    data = ParquetData(schema(), validate=write(tmp_path / "a.parquet", pa.array(np.arange(100))))
    assert len(rows(data, "validate")) == 100
    assert data.report() == "validate: now: 100 x moment outside 1990 to 2100, in every unit"
