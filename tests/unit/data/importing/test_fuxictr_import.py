"""FuxiCTR: what becomes of every column, raw or encoded, CSV or Parquet, and what is refused."""

import json

import numpy as np
import polars as pl
import pytest

from hyrec.data.importing import import_data
from hyrec.data.logs.recipe_parts import RecipeError
from hyrec.data.parquet import ParquetData
from hyrec.data.parquet.policy import DataError
from hyrec.schema import MISSING_ID, OOV_ID, Schema
from tests.fuxictr_files import CONFIG, rows, write


def imported(folder, **options):
    return import_data("fuxictr", write(folder / "raw", **options), folder / "out")[0]


def batch_of(folder, split="validate"):
    schema = Schema.load(folder / "out" / "schema.yaml")
    data = ParquetData(schema, predict=str(folder / "out" / f"{split}.parquet"), batch_size=1000)
    (batch,) = data.loader("predict")
    return batch


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("fuxictr")


@pytest.fixture(scope="module")
def found(folder):
    return imported(folder)


def slow_ids(column, split_rows, train_rows, sequences=()):
    """Return the ids of a column, by counting what trains one value after another."""
    counts = {}
    for name, separator in [(column, None), *sequences]:
        for value in train_rows[name].cast(pl.String).to_list():
            for entry in [] if value is None else [value] if separator is None else value.split(separator):
                counts[entry] = counts.get(entry, 0) + 1
    known = sorted((value for value in counts if counts[value] >= 2), key=lambda value: (-counts[value], value))
    ids = {value: 3 + place for place, value in enumerate(known)}
    values = split_rows[column].cast(pl.String).to_list()
    return [MISSING_ID if value is None else ids.get(value, OOV_ID) for value in values], ids


def test_every_column_of_config_and_files_is_told_once(found):
    said = [column for column, _ in (*found.mapped, *found.left_out)]
    assert sorted(said) == sorted([*rows(1).columns, "hour", "brand2"])


@pytest.mark.parametrize(
    ("column", "sequences"), [("userid", ()), ("pid", ()), ("adgroup_id", [("click_sequence", "^")])]
)
def test_ids_are_counted_on_the_rows_that_train_with_all_columns_of_their_table(folder, found, column, sequences):
    expected, _ = slow_ids(column, rows(40, 1), rows(120, 0), sequences)
    assert batch_of(folder).features[column].tolist() == expected


def test_events_are_the_last_ones_with_the_ids_of_the_column_that_they_share(folder, found):
    _, ids = slow_ids("adgroup_id", rows(1), rows(120, 0), [("click_sequence", "^")])
    expected = [
        ids.get(v, OOV_ID) for text in rows(40, 1)["click_sequence"] for v in (text.split("^") if text else [])[-4:]
    ]
    assert batch_of(folder).sequences["click_sequence"].features["click_sequence"].tolist() == expected


def test_sequences_that_are_alike_long_in_every_row_are_one(found):
    assert {name: sorted(spec.features) for name, spec in found.schema.sequences.items()} == {
        "click_sequence": ["cate_sequence", "click_sequence"]
    }


def test_sequences_of_other_lengths_stay_apart(tmp_path):
    write(tmp_path / "raw")
    train = tmp_path / "raw" / "taobao_tiny" / "train.csv"
    frame = pl.read_csv(train, infer_schema=False)
    frame.with_columns(cate_sequence=pl.lit("c1")).write_csv(train)
    found, _ = import_data("fuxictr", tmp_path / "raw", tmp_path / "out")
    assert sorted(found.schema.sequences) == ["cate_sequence", "click_sequence"]


def test_what_fill_na_writes_for_nothing_is_missing(folder, found):
    stored = rows(40, 1)["final_gender_code"].to_list()
    ids = batch_of(folder).features["final_gender_code"].tolist()
    assert [id == MISSING_ID for id in ids] == [value == -1 for value in stored]


def test_numbers_are_standardized_by_the_rows_that_train(found):
    price = rows(120, 0)["price"].drop_nulls().to_numpy()
    feature = found.schema.features["price"]
    assert (feature.mean, feature.std) == pytest.approx((price.mean(), price.std()), rel=1e-5)


def test_guesses_are_marked_and_python_is_not_run(found):
    told = found.report()
    assert "guessed by its name" in told
    assert "guessed: oldest first" in told
    assert "made by convert_hour, Python that is not run" in told
    assert "guessed" not in dict(found.mapped)["adgroup_id"]


def test_parquet_reads_as_csv_does(folder, found, tmp_path):
    other = imported(tmp_path, kind="parquet")
    assert other.schema == found.schema


def test_raw_values_stand_for_what_python_would_make_of_them(tmp_path):
    columns = [*CONFIG["taobao_tiny"]["feature_cols"]]
    columns += [{"name": "time_stamp", "dtype": "str", "type": "categorical", "preprocess": "convert_day"}]
    found = imported(tmp_path, feature_cols=columns)
    assert "time_stamp" in found.schema.features
    assert "Raw values: time_stamp, for preprocess" in found.report()


def test_groups_of_a_feature_keep_values_that_are_too_rare_for_an_id(tmp_path):
    found = imported(tmp_path, group_id="userid", min_categr_count=1000)
    assert found.schema.group_column == "userid_key"
    users = rows(40, 1)["userid"].to_list()
    assert len(set(batch_of(tmp_path).group.tolist())) == len(set(users))


def test_options_are_read_under_their_older_names_too(tmp_path):
    column = {"name": "final_gender_code", "dtype": "float", "type": "categorical", "na_value": -1, "regularizer": 0}
    found = imported(tmp_path, feature_cols=[column])
    assert (batch_of(tmp_path).features["final_gender_code"] == MISSING_ID).any()
    assert "Options of columns that are not taken over: regularizer." in found.notes


def test_encoded_files_are_read_by_their_map_and_0_is_padding(tmp_path):
    raw = tmp_path / "raw"
    raw.mkdir()
    features = [
        {"userid": {"type": "categorical", "padding_idx": 0, "vocab_size": 5}},
        {"past": {"type": "sequence", "share_embedding": "item", "max_len": 3, "vocab_size": 9}},
        {"item": {"type": "categorical", "padding_idx": 0, "vocab_size": 9}},
    ]
    (raw / "feature_map.json").write_text(json.dumps({"dataset_id": "x", "labels": ["clk"], "features": features}))
    past = pl.Series([[0, 0, 7], [7, 7, 2], [0, 0, 0]], dtype=pl.Array(pl.Int64, 3))
    frame = pl.DataFrame({"userid": [1, 2, 1], "item": [7, 2, 7], "clk": [1, 0, 1], "past": past})
    frame.write_parquet(raw / "train.parquet")
    found, _ = import_data("fuxictr", raw, tmp_path / "out")
    batch = batch_of(tmp_path, "train")
    seven, two = batch.features["item"].tolist()[:2]
    assert np.diff(batch.sequences["past"].offsets).tolist() == [1, 3, 0]
    assert batch.sequences["past"].features["past"].tolist() == [seven, seven, seven, two]
    assert "Nothing validates" in found.report()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"train_data": "elsewhere/rows.csv"}, r"no training rows.*\n.*csv and parquet can be read"),
        ({"label_col": {"name": "clik"}}, "no label 'clik'. Did you mean 'clk'"),
        ({"label_col": []}, "needs feature_cols and label_col"),
        ({"feature_cols": [{"name": "userid", "type": "text"}]}, r"type 'text'. Types: categorical"),
        (
            {"feature_cols": [{"name": "usrid", "type": "categorical"}]},
            "names the column 'usrid'.*Did you mean 'userid'",
        ),
        ({"feature_cols": [{"name": "pid", "type": "numeric"}]}, "column 'pid' is String"),
        ({"feature_cols": [{"name": ["pid", "pid"], "type": "categorical"}]}, "names 'pid' twice"),
        ({"min_categr_count": "many"}, "min_categr_count must be a whole number, 0 or more, got 'many'"),
        ({"blocked": True}, "UniRank"),
        ({"data_format": "h5"}, "no training rows"),
    ],
)
def test_what_cannot_be_imported_is_refused_with_the_reason(tmp_path, change, words):
    folder = write(tmp_path / "raw")
    path = folder / "config" / "dataset_config.yaml"
    (folder / "config" / "dataset_config.yaml").write_text(
        json.dumps({"taobao_tiny": {**CONFIG["taobao_tiny"], **change}}) if path.is_file() else ""
    )
    with pytest.raises((DataError, RecipeError), match=words) as error:
        import_data("fuxictr", folder, tmp_path / "out")
    assert len(str(error.value).splitlines()) <= 5
    assert not (tmp_path / "out").exists()


def test_of_several_data_sets_the_one_that_is_there_is_taken(tmp_path):
    folder = write(tmp_path / "raw")
    other = {**CONFIG["taobao_tiny"], "train_data": "../data/other/train_other.csv"}
    text = json.dumps({"other": other, **CONFIG})
    (folder / "config" / "dataset_config.yaml").write_text(text)
    assert "taobao_tiny" in import_data("fuxictr", folder, tmp_path / "out")[0].origin
    (folder / "config" / "dataset_config.yaml").write_text(json.dumps({"same": CONFIG["taobao_tiny"], **CONFIG}))
    with pytest.raises(DataError, match=r"several data sets\. Described: same, taobao_tiny"):
        import_data("fuxictr", folder, tmp_path / "out")
