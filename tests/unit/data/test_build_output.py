"""The folder of a data set is all new or all old, and says which vocabularies its ids are of."""

from __future__ import annotations

import copy
import errno
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from hyrec.data.logs import Recipe, RecipeError, build, builder
from hyrec.data.parquet import ParquetData
from hyrec.fingerprint import DENSE, KEY, refuse_other_vocabularies
from hyrec.schema import Schema
from tests.unit.data.test_build_dataset import ITEMS, LOG, RECIPE, write_logs


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def dies(after: int, error: Exception):
    """Return a writer that fails after some splits."""
    written = []
    write = builder.write

    def failing(path, *args):
        if len(written) == after:
            path.write_bytes(b"half of a file")
            raise error
        written.append(path)
        write(path, *args)

    return failing


def test_a_build_replaces_all_files_of_the_one_before(tmp_path):
    source, out = write_logs(tmp_path / "in"), tmp_path / "out"
    recipe = copy.deepcopy(RECIPE)
    del recipe["features"]["tab"], recipe["sequences"]["shown"]
    build(Recipe.from_dict(RECIPE), source, out)
    build(Recipe.from_dict(recipe), source, out)
    build(Recipe.from_dict(recipe), source, tmp_path / "alone")
    assert contents(out) == contents(tmp_path / "alone")
    assert {path.name for path in tmp_path.iterdir()} == {"in", "out", "alone"}


@pytest.mark.parametrize("after", [0, 2])
@pytest.mark.parametrize("error", [RuntimeError("power"), OSError(errno.ENOSPC, "No space left on device")])
def test_a_build_that_dies_leaves_the_data_set_before_and_nothing_of_its_own(tmp_path, monkeypatch, after, error):
    source, out = write_logs(tmp_path / "in"), tmp_path / "out"
    build(Recipe.from_dict(RECIPE), source, out)
    before = contents(tmp_path)
    monkeypatch.setattr(builder, "write", dies(after, error))
    with pytest.raises((RuntimeError, OSError)):
        build(Recipe.from_dict(RECIPE), source, out)
    with pytest.raises((RuntimeError, OSError)):
        build(Recipe.from_dict(RECIPE), source, tmp_path / "new")
    assert contents(tmp_path) == before


def test_a_full_disk_is_told_in_one_sentence(tmp_path, monkeypatch):
    monkeypatch.setattr(builder, "write", dies(1, OSError(errno.ENOSPC, "No space left on device")))
    with pytest.raises(OSError, match="is full: nothing was written to"):
        build(Recipe.from_dict(RECIPE), write_logs(tmp_path / "in"), tmp_path / "out")


@pytest.mark.parametrize("inside", [True, False], ids=["from inside it", "from elsewhere"])
def test_files_of_somebody_else_stay(tmp_path, monkeypatch, inside):
    source, out = write_logs(tmp_path / "in"), tmp_path / "out"
    build(Recipe.from_dict(RECIPE), source, out)
    (out / "notes.txt").write_text("mine")
    (out / "vocabulary" / "other.parquet").write_bytes(b"mine")
    recipe = copy.deepcopy(RECIPE)
    del recipe["features"]["tab"], recipe["sequences"]["shown"]
    if inside:
        monkeypatch.chdir(out)
    build(Recipe.from_dict(recipe), source, Path() if inside else out)
    build(Recipe.from_dict(recipe), source, tmp_path / "alone")
    mine = {"notes.txt": b"mine", "vocabulary/other.parquet": b"mine"}
    assert contents(out) == contents(tmp_path / "alone") | mine


def test_a_data_set_may_stand_beside_its_logs(tmp_path):
    source = write_logs(tmp_path)
    build(Recipe.from_dict(RECIPE), source, source)
    assert pl.read_parquet(source / "log.parquet").equals(LOG)
    assert (source / "schema.yaml").is_file()


def test_an_out_that_is_a_file_is_refused(tmp_path):
    (tmp_path / "out").write_text("mine")
    with pytest.raises(RecipeError, match="is a file"):
        build(Recipe.from_dict(RECIPE), write_logs(tmp_path / "in"), tmp_path / "out")


def test_a_file_of_another_vocabulary_is_refused_by_its_tables(tmp_path):
    source = write_logs(tmp_path / "in")
    other = write_logs(tmp_path / "in2", LOG.with_columns(tab=pl.col("tab") + 1))
    build(Recipe.from_dict(RECIPE), source, tmp_path / "out")
    build(Recipe.from_dict(RECIPE), other, tmp_path / "out2")
    schema = Schema.load(tmp_path / "out" / "schema.yaml")
    tables = {name for name in schema.fingerprint if not name.startswith(DENSE)}
    assert tables == {"item", "user", "tab", "colour", "hour", "shown.tab"}
    train = str(tmp_path / "out" / "train.parquet")
    assert ParquetData(schema, train=train).num_samples("train") == 5
    with pytest.raises(ValueError, match=r"other vocabularies than the schema \(tables shown.tab, tab\)"):
        ParquetData(schema, train=str(tmp_path / "out2" / "train.parquet")).num_samples("train")
    unknown = replace(schema, fingerprint={})
    assert ParquetData(unknown, train=str(tmp_path / "out2" / "train.parquet")).num_samples("train") == 5


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"tables": ITEMS.with_columns(pl.col("length") * 2)}, "length"),
        ({"strength": 9}, "item_clicks_rate"),
    ],
    ids=["a transform that moved", "another counter"],
)
def test_a_file_of_the_same_vocabularies_and_other_numbers_is_refused_by_its_features(tmp_path, change, name):
    recipe = copy.deepcopy(RECIPE)
    source, other = write_logs(tmp_path / "in"), write_logs(tmp_path / "in2")
    build(Recipe.from_dict(recipe), source, tmp_path / "out")
    if "tables" in change:
        change["tables"].write_parquet(other / "items.parquet")
    else:
        recipe["counters"]["item_clicks"] |= change
    build(Recipe.from_dict(recipe), other, tmp_path / "out2")
    schema = Schema.load(tmp_path / "out" / "schema.yaml")
    with pytest.raises(ValueError, match=rf"other transforms or rules than the schema \(dense .*{name}"):
        ParquetData(schema, train=str(tmp_path / "out2" / "train.parquet")).num_samples("train")


def test_a_fingerprint_that_cannot_be_read_is_refused_and_not_taken_for_none() -> None:
    with pytest.raises(ValueError, match=r"a\.parquet: its hyrec\.fingerprint is no mapping"):
        refuse_other_vocabularies("a.parquet", {KEY: b"{"}, {})
