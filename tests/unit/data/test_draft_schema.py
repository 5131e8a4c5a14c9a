"""``hyrec data init --schema``: schemas drafted for Parquet files of training rows."""

import numpy as np
import polars as pl
import pytest

from hyrec.cli.main import main
from hyrec.data.drafting.schema_draft import draft_schema
from hyrec.data.logs import RecipeError
from hyrec.data.parquet.data import ParquetData
from hyrec.schema import Schema

ROWS = 600


def rows(seed=0):
    draw = np.random.default_rng(seed)
    label = draw.integers(0, 2, ROWS)
    return pl.DataFrame(
        {
            "label": label,
            "C1": [f"{value:08x}" for value in draw.integers(0, 40, ROWS)],
            "C2": [f"{value:08x}" for value in draw.integers(0, 9, ROWS)],
            "price": draw.normal(5, 2, ROWS),
            "user_id": draw.integers(0, 50, ROWS),
            "user_tags": [draw.integers(0, 20, 3).tolist() for _ in range(ROWS)],
            "item_id": draw.integers(0, 10**12, ROWS),
            "vector": [draw.normal(size=4).tolist() for _ in range(ROWS)],
            "is_new": draw.integers(0, 2, ROWS).astype(bool),
            "q7": label * 3.0 + draw.random(ROWS),
        }
    )


def drafted(folder, frame=None, **given):
    frame = rows() if frame is None else frame
    for name, part in (("train", frame[:400]), ("val", frame[400:500]), ("test", frame[500:])):
        part.write_parquet(folder / f"{name}.parquet")
    (folder / "schema.txt").write_text(draft_schema([str(folder)], given).text)
    return Schema.load(folder / "schema.txt")


def test_kinds_and_sizes_follow_the_values(tmp_path):
    features = drafted(tmp_path).features
    assert (features["C1"].kind, features["C1"].hash_size) == ("id", 1000)
    assert (features["user_id"].vocab_size, features["user_id"].offset) == (53, 3)
    assert features["item_id"].hash_size >= ROWS
    assert (features["price"].kind, features["price"].transform) == ("dense", "standardize")
    assert (features["user_tags"].kind, features["user_tags"].vocab_size) == ("multi_id", 23)
    assert (features["vector"].kind, features["vector"].width) == ("dense", 4)


def test_columns_of_one_prefix_are_a_group(tmp_path):
    schema = drafted(tmp_path)
    assert set(schema.features_of_group("C")) == {"C1", "C2"}
    assert set(schema.features_of_group("user")) == {"user_id", "user_tags"}


def test_the_label_and_what_tells_it_are_no_features(tmp_path):
    schema = drafted(tmp_path)
    assert list(schema.tasks) == ["label"]
    assert {"label", "q7"}.isdisjoint(schema.features)


def test_rows_of_a_user_are_compared(tmp_path):
    assert drafted(tmp_path).group_column == "user_id"


@pytest.mark.parametrize("form", ["number", "timestamp"])
def test_a_time_splits_the_rows(form, tmp_path):
    seconds = pl.Series(1_700_000_000 + 60 * np.arange(ROWS))
    times = pl.from_epoch(seconds) if form == "timestamp" else seconds
    schema = drafted(tmp_path, rows().with_columns(times.alias("ts")))
    data = ParquetData(schema, path=str(tmp_path), batch_size=50)
    sizes = [data.index(split).num_rows for split in ("train", "validate", "test")]
    assert sizes == [480, 60, 60]


def test_every_row_is_read_by_the_drafted_schema(tmp_path):
    data = ParquetData(drafted(tmp_path), train=str(tmp_path / "train.parquet"), batch_size=100)
    batches = list(data.train_dataloader())
    assert sum(len(batch.labels["label"]) for batch in batches) == 400


def test_csv_files_are_refused_with_the_way_to_parquet(tmp_path):
    rows().drop("user_tags", "vector").write_csv(tmp_path / "rows.csv")
    with pytest.raises(RecipeError, match="Write CSV as Parquet first"):
        draft_schema([str(tmp_path)], {})


def test_the_next_command_names_the_files_of_each_split(tmp_path, capsys):
    drafted(tmp_path)
    assert main(["data", "init", str(tmp_path), "--schema", "--out", str(tmp_path / "mine.yaml")]) == 0
    assert f"--data.validate {tmp_path / 'val.parquet'}" in capsys.readouterr().out
