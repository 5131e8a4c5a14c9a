"""What is known about each test row."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hyrec.data.parquet.data import ParquetData
from hyrec.schema import Schema
from hyrec.studies.plan.planner import counted_features
from hyrec.studies.plan.study import StudyError
from hyrec.studies.run.rows import UnnumberedRowsError, describe_rows

FLAT = {
    "features": {
        "user": {"vocab_size": 9},
        "country": {"vocab_size": 5},
        "item": {"vocab_size": 8, "role": "item"},
        "price": {"kind": "dense", "role": "item"},
    },
    "sequences": {
        "views": {"features": {"v": {"vocab_size": 9}}, "max_length": 3},
        "clicks": {"features": {"c": {"vocab_size": 9}}},
    },
    "tasks": {"click": {}},
    "group_column": "country",
}


@pytest.fixture
def flat(tmp_path):
    train = {
        "user": [3, 3, 4, 5, 3, None, 2],
        "country": [3] * 7,
        "item": [3, 4, 4, 4, 4, 7, 2],
        "price": [1.0] * 7,
        "v": [[3]] * 7,
        "c": [[3]] * 7,
        "click": [0, 1] * 3 + [0],
    }
    test = {
        "user": [4, 3, None, 6, 2],
        "country": [3] * 5,
        "item": [4, 5, 3, 2, None],
        "price": [1.0] * 5,
        "v": [[], [3], [3] * 2, [3] * 9, None],
        "c": [[4], [4] * 5, [], [], []],
        "click": [0, 1, 0, 1, 0],
    }
    for name, columns in (("train", train), ("test", test)):
        pq.write_table(pa.table(columns), tmp_path / f"{name}.parquet", row_group_size=2)
    return ParquetData(Schema.from_dict(FLAT), **{n: str(tmp_path / f"{n}.parquet") for n in ("train", "test")})


def test_each_row_has_the_events_a_model_reads(flat):
    rows = describe_rows(flat).to_pydict()
    assert rows["row"] == [0, 1, 2, 3, 4]
    assert rows["history_views"] == [0, 1, 2, 3, 0]
    assert rows["history_clicks"] == [1, 5, 0, 0, 0]
    assert rows["history_length"] == [1, 6, 2, 3, 0]


def test_counts_are_those_of_the_training_rows(flat):
    rows = describe_rows(flat).to_pydict()
    assert rows["user_activity"] == [1, 3, None, 0, 0]
    assert rows["item_frequency"] == [4, 0, 1, 0, None]


def test_a_study_may_name_the_features(flat):
    assert describe_rows(flat, user="country").to_pydict()["user_activity"] == [7] * 5
    assert counted_features(flat.schema, item="country") == {"user": "user", "item": "country"}


@pytest.mark.parametrize(
    ("feature", "told"),
    [("itm", "is no feature.*Did you mean 'item'.*Id features: "), ("price", "has kind 'dense'")],
)
def test_a_feature_that_cannot_be_counted_gets_the_nearest(flat, feature, told):
    with pytest.raises(StudyError, match=told):
        describe_rows(flat, item=feature)


def test_what_the_data_lack_is_left_out(tmp_path):
    pq.write_table(pa.table({"tag": [3, 4], "click": [0, 1]}), tmp_path / "rows.parquet")
    schema = Schema.from_dict(
        {"features": {"tag": {"vocab_size": 9, "role": "context"}}, "tasks": {"click": {}}},
    )
    path = str(tmp_path / "rows.parquet")
    assert describe_rows(ParquetData(schema, train=path, test=path)).column_names == ["row"]


def test_data_that_do_not_number_their_rows_are_told_from_other_mistakes(flat, monkeypatch):
    scan = flat.scan
    monkeypatch.setattr(
        flat, "scan", lambda *args, **options: (replace(batch, row=None) for batch in scan(*args, **options))
    )
    with pytest.raises(UnnumberedRowsError, match="ParquetData does not number its rows"):
        describe_rows(flat)


def test_candidates_of_a_request_share_its_history(tmp_path):
    columns = {
        "user": [3, 4],
        "item": [[3, 4, 5], [6]],
        "price": [[1.0] * 3, [1.0]],
        "country": [3, 3],
        "v": [[3, 3], []],
        "c": [[3], [4, 4]],
        "click": [[0, 1, 0], [1]],
    }
    pq.write_table(pa.table(columns), tmp_path / "rows.parquet")
    path = str(tmp_path / "rows.parquet")
    data = ParquetData(Schema.from_dict({**FLAT, "layout": "requests"}), train=path, test=path)
    rows = describe_rows(data)
    assert rows["row"].to_pylist() == [0, 1, 2, 3]
    assert rows["history_length"].to_pylist() == [3, 3, 3, 2]
    assert rows["user_activity"].to_pylist() == [3, 3, 3, 1]
    assert np.all(rows["item_frequency"].to_numpy() == 1)
