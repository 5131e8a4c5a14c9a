"""The figures of ``hyrec baseline --out STUDY`` are in the study's report, unless they are of other rows."""

import json
import shutil

import polars as pl
import pytest

from hyrec.studies.report.baselines import baselines_section
from hyrec.studies.report.blocks import Table, Text
from hyrec.studies.report.findings import Findings


@pytest.fixture
def with_baselines(study):
    """A study with two baselines: their predictions are those of a variant, so of the same rows."""
    folder = study()
    for name, seed in (("counting_frozen", 0), ("din", 0), ("din", 1)):
        target = folder / "baselines" / name / f"s{seed}" / "predictions"
        shutil.copytree(folder / "cells" / "merged" / "s0" / "predictions", target)

    def run(seed, auc):
        return {"seed": seed, "metrics": {"auc": auc, "query_auc": 0.6, "logloss": 0.5}, "note": "", "seconds": 1.0}

    runs = {"counting_frozen": [run(0, 0.61)], "din": [run(0, 0.70), run(1, 0.72)]}
    (folder / "baselines.json").write_text(json.dumps({"task": "click", "data": {}, "baselines": runs}))
    return folder


def section(folder):
    return baselines_section(Findings.read(folder))


def test_baselines_have_a_row_each_below_that_of_the_study(with_baselines):
    (table,) = section(with_baselines).blocks
    assert isinstance(table, Table)
    assert [row[0] for row in table.rows] == ["hyformer", "counting_frozen", "din"]
    assert table.rows[2][2:] == ("0.7100 ± 0.0141", "0.5000 ± 0.0000", "2")


def test_baselines_of_other_test_rows_are_not_shown(with_baselines):
    predictions = with_baselines / "baselines" / "din" / "s0" / "predictions" / "part-00000.parquet"
    pl.read_parquet(predictions).head(20).write_parquet(predictions)
    (told,) = section(with_baselines).blocks
    assert isinstance(told, Text)


def test_a_study_without_baselines_has_no_such_section(finished_study):
    assert section(finished_study) is None


def test_baselines_of_another_task_are_not_shown(with_baselines):
    found = json.loads((with_baselines / "baselines.json").read_text())
    (with_baselines / "baselines.json").write_text(json.dumps({**found, "task": "like"}))
    for config in with_baselines.glob("cells/*/*/config.yaml"):
        config.unlink()
    for cell in with_baselines.glob("cells/*/*"):
        (cell / "config.yaml").write_text("schema: {tasks: {click: {}}}")
    (told,) = section(with_baselines).blocks
    assert isinstance(told, Text)


def test_a_damaged_prediction_of_a_baseline_does_not_end_the_report(with_baselines):
    path = with_baselines / "baselines" / "din" / "s0" / "predictions" / "part-00000.parquet"
    path.write_bytes(path.read_bytes()[:100])
    (shown,) = section(with_baselines).blocks
    assert isinstance(shown, Table)
