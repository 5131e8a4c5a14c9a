"""Conditions in a build, and in the labels of what it writes, against a loop over the rows."""

from __future__ import annotations

import math
from pathlib import Path

import polars as pl
import pytest
import yaml

from hyrec.cli.main import main
from hyrec.data.tables import table_batches
from hyrec.schema import Schema

PLAYED = [5, 20, None, 7, 100, 10, 50, None, 10, 9]
TABS = [1, 2, 3, 1, None, 2, 1, 2, 3, 3]
RECIPE = """
log: {files: [log.FORM], user: user, item: item, time: time, outcomes: [played], keep: ['tab in [1, 2]']}
split: {validate_share: 0.2, test_share: 0.2}
tasks: {long: played >= 10}
features: {item: {}}
counters: {liked: {keys: [user], where: played > 6, values: [count]}}
"""


@pytest.fixture(params=["parquet", "csv"])
def built(request, tmp_path) -> Path:
    log = pl.DataFrame({"user": 1, "item": range(10), "time": range(1_700_000_000, 1_700_000_010)})
    log = log.with_columns(played=pl.Series(PLAYED), tab=pl.Series(TABS))
    (tmp_path / "in").mkdir()
    getattr(log, f"write_{request.param}")(tmp_path / "in" / f"log.{request.param}")
    (tmp_path / "recipe.yaml").write_text(RECIPE.replace("FORM", request.param))
    options = ["--recipe", tmp_path / "recipe.yaml", "--input", tmp_path / "in", "--out", tmp_path / "out"]
    assert main(["data", "build", *map(str, options)]) == 0
    return tmp_path / "out"


def test_rows_labels_and_counts_are_those_of_a_loop(built):
    schema = Schema.load(built / "schema.yaml")
    rows = pl.concat([pl.read_parquet(built / f"{split}.parquet") for split in ("train", "validate", "test")])
    kept = [i for i in range(10) if TABS[i] in (1, 2)]
    assert rows["item"].to_list() == kept
    labels = next(table_batches(rows.to_arrow(), schema)).labels["long"].tolist()
    expected = [math.nan if PLAYED[i] is None else float(PLAYED[i] >= 10) for i in kept]
    assert str(labels) == str(expected)
    earlier = [sum(PLAYED[j] is not None and PLAYED[j] > 6 for j in kept if j < i) for i in kept]
    assert rows["f_liked_count"].exp().round().to_list() == [count + 1 for count in earlier]


def test_a_condition_that_is_not_met_is_told_as_it_is_written(built, capsys):
    assert yaml.safe_load((built / "report.json").read_text())["dropped"]["not tab in [1, 2]"] == 4
