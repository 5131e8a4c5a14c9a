"""TAAC-2026: what becomes of every column, read where it lies, and what is told about it."""

import copy
import json

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from hyrec.data.importing import FORMATS, import_data
from hyrec.data.parquet import ParquetData
from hyrec.data.parquet.policy import DataError
from hyrec.schema import Schema
from tests.taac_files import SCHEMA, columns, write


def imported(folder, **options):
    return import_data("taac", write(folder / "raw", **options), folder / "out")[0]


def changed(**keys):
    return {**copy.deepcopy(SCHEMA), **keys}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("taac")


@pytest.fixture(scope="module")
def found(folder):
    return imported(folder)


@pytest.fixture(scope="module")
def batch(folder, found):
    data = ParquetData(Schema.load(folder / "out" / "schema.yaml"), predict=str(folder / "raw"), batch_size=1000)
    (batch,) = data.loader("predict")
    return batch


def test_every_column_of_the_files_is_mapped_or_left_out_and_none_twice(found):
    said = [column for column, _ in (*found.mapped, *found.left_out)]
    assert sorted(said) == sorted(columns())


def test_ids_keep_0_as_a_value_and_broken_ones_become_missing_or_out_of_vocabulary(batch):
    stored, vocabulary = columns()["user_int_feats_3"].to_pylist(), 40
    expected = [1 if x is None or x < 0 else 2 if x >= vocabulary else x + 3 for x in stored]
    assert batch.features["user_int_feats_3"].tolist() == expected


def test_lists_of_ids_and_of_numbers_with_one_feature_id_are_ids_with_weights(batch):
    pair = batch.features["user_int_feats_89"]
    ids = [x + 3 for row in columns()["user_int_feats_89"].to_pylist() for x in row or []]
    weights = [x for row in columns()["user_dense_feats_89"].to_pylist() for x in row or []]
    assert pair.values.tolist() == ids
    assert pair.weights.tolist() == pytest.approx(weights)


def test_weights_that_are_counts_are_read_as_their_logarithm(batch):
    weights = [x for row in columns()["user_dense_feats_62"].to_pylist() for x in row or []]
    assert batch.features["user_int_feats_62"].weights.tolist() == pytest.approx(np.log1p(weights).tolist())


def test_sequences_are_oldest_first_in_memory(batch):
    times = [x for row in columns()["domain_b_seq_67"].to_pylist() for x in reversed(row)]
    assert batch.sequences["seq_b"].time.tolist()[: len(times)] == times


def test_the_time_of_the_label_is_left_out_as_a_leak(found):
    assert dict(found.left_out)["label_time"].startswith("it tells the label")


def test_only_label_2_is_positive(folder, found):
    data = ParquetData(found.schema, path=str(folder / "raw"), batch_size=1000)
    (train,), (validate,) = data.loader("train"), data.loader("validate")
    positive = sum(int(part.labels["conversion"].sum()) for part in (train, validate))
    assert positive == pc.sum(pc.equal(columns()["label_type"], 2)).as_py()
    assert train.time.max() < validate.time.min()


def test_the_sample_schema_with_moments_for_vocabularies_gives_the_same(folder, found, tmp_path):
    sample = changed()
    for domain in sample["seq"].values():
        for entry in domain["features"]:
            entry[1] = 1_772_725_681 if entry[0] == domain["ts_fid"] else entry[1]
    assert imported(tmp_path, schema=sample).schema == found.schema


@pytest.mark.parametrize(
    ("schema", "column", "why"),
    [
        (changed(user_int=[[1, 0, 1]]), "user_int_feats_1", "its vocabulary is 0"),
        (changed(user_int=[[2, 9, 1]]), "user_int_feats_2", "the files do not have it"),
        (changed(user_int=[[1, 5, 1]]), "user_int_feats_3", "does not name it"),
        (changed(user_dense=[[61, 17]]), "user_dense_feats_61", "other lengths than the 17"),
        (changed(user_int=[[89, 10, 9]]), "user_int_feats_3", "does not name it"),
    ],
)
def test_what_cannot_be_used_is_left_out_with_its_reason(schema, column, why, tmp_path):
    assert why in dict(imported(tmp_path, schema=schema).left_out)[column]


def test_lists_of_different_widths_in_the_schema_are_no_pair(tmp_path):
    schema = changed(user_dense=[[62, 4]])
    assert imported(tmp_path, schema=schema).schema.features["user_int_feats_62"].kind == "multi_id"


def test_a_domain_without_times_has_none_and_one_without_features_goes(tmp_path):
    seq = {**copy.deepcopy(SCHEMA["seq"]), "seq_d": {"prefix": "domain_d_seq", "ts_fid": 26, "features": [[26, 0]]}}
    seq["seq_a"]["ts_fid"] = None
    schema = imported(tmp_path, schema=changed(seq=seq)).schema
    assert list(schema.sequences) == ["seq_a", "seq_b", "seq_c"]
    assert schema.sequences["seq_a"].time_column == ""


def test_rows_of_one_moment_train_without_a_split(tmp_path):
    found = imported(tmp_path, change=lambda c: c.update(timestamp=pa.array([1_772_725_000] * 60)))
    assert list(found.data) == ["train"]
    assert "nothing validates" in found.report()


def test_most_rows_in_the_first_moment_leave_some_to_train(tmp_path):
    times = [1_772_725_000] * 58 + [1_772_725_001] * 2
    found = imported(tmp_path, change=lambda c: c.update(timestamp=pa.array(times)))
    assert found.schema.split.validate_from == "1772725001"


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ({"features": []}, "it is no schema of TAAC-2026"),
        (changed(format="tfrecord"), "format is 'tfrecord'"),
        (changed(user_int=[[1, 5]]), r"user_int must be a list of \[fid, vocabulary, width\], got the entry \[1, 5\]"),
        (changed(user_int=[[1, 5, 1], [1, 5, 1]]), "user_int names the feature 1 twice"),
        (changed(seq={"seq_a": {"ts_fid": 39}}), "seq.seq_a needs a prefix"),
        (changed(seq=[]), "seq must be a mapping"),
    ],
)
def test_another_schema_is_refused_with_its_file_and_key(schema, words, tmp_path):
    with pytest.raises(DataError, match=words) as error:
        imported(tmp_path, schema=schema)
    assert str(tmp_path / "raw" / "schema.json") in str(error.value)


def test_ids_that_are_floats_are_refused_with_the_remedy(tmp_path):
    with pytest.raises(DataError, match=r"'user_int_feats_1' has type double.*cast it to int64"):
        imported(tmp_path, change=lambda c: c.update(user_int_feats_1=pa.array([1.0] * 60)))


def test_rows_to_score_are_not_imported(tmp_path):
    with pytest.raises(DataError, match=r"no column 'label_type'.*only --data.predict"):
        imported(tmp_path, change=lambda c: c.pop("label_type"))


def test_a_folder_without_rows_is_refused(tmp_path):
    folder = write(tmp_path / "raw")
    pq.write_table(pa.table(columns()).slice(0, 0), folder / "part-0.parquet")
    with pytest.raises(DataError, match="hold no row"):
        import_data("taac", folder, tmp_path / "out")


def test_a_schema_under_another_name_is_found_unless_there_are_two(tmp_path):
    folder = write(tmp_path / "raw")
    (folder / "schema.json").rename(folder / "online.schema.json")
    import_data("taac", folder, tmp_path / "out")
    (folder / "sample.schema.json").write_text(json.dumps(SCHEMA))
    with pytest.raises(DataError, match=r"needs one schema\.json"):
        import_data("taac", folder, tmp_path / "out")


def test_every_format_says_what_it_is():
    assert all(known.text and known.signs and bool(known.importer) != bool(known.recipe) for known in FORMATS.values())
