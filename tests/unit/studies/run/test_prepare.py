"""The data of a study is prepared once, and its test rows described."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hyrec.config.experiment import Experiment
from hyrec.data.simulated import SimulatedData
from hyrec.studies.plan.plan import Plan, PlannedVariant
from hyrec.studies.plan.study import Study, StudyError, Variant
from hyrec.studies.run.rows import UnnumberedRowsError, describe_rows, write_rows

BASE = ("--config=pkg:hyrec/debug.yaml", "--data.simulator.num_requests=300")


@pytest.fixture(autouse=True)
def _cache(tmp_path, monkeypatch):
    monkeypatch.setenv("HYREC_CACHE", str(tmp_path / "cache"))


def plan(*variants, slices=None):
    """Return the plan of variants ``(family, arguments)``; the first family is the baseline."""
    rows = [Variant(f"{family}@{i}", family, {"i": i}) for i, (family, _) in enumerate(variants)]
    study = Study("s", "?", (), {}, ("auc",), (0,), variants[0][0], tuple(rows), slices or {})
    planned = [PlannedVariant(v, a, (), 1, 1, 1.0) for v, (_, a) in zip(rows, variants, strict=True)]
    return Plan(study, tuple(planned), "0")


def test_the_data_is_built_once_for_each_and_the_baseline_with_most_history_describes_the_rows(tmp_path, monkeypatch):
    built, prepared = [], []

    build = Experiment.data

    def counted(experiment):
        built.append(build(experiment))
        return built[-1]

    prepare = SimulatedData.prepare_data
    monkeypatch.setattr(SimulatedData, "prepare_data", lambda self: (prepared.append(self), prepare(self)))
    monkeypatch.setattr(Experiment, "data", counted)
    short = (*BASE, "--schema.sequences.views.max_length=2")
    other = ("--config=pkg:hyrec/debug.yaml", "--data.simulator.num_requests=200")
    path = write_rows(
        plan(("a", short), ("b", other), ("a", BASE), ("b", (*BASE, "--model.d_model=32"))), tmp_path / "s"
    )
    assert [data.simulator.num_requests for data in built] == [300, 200, 300]
    assert prepared[:3] == built
    rows = pq.read_table(path)
    assert rows.num_rows > 0
    assert max(rows["history_views"].to_pylist()) > 2
    assert {"row", "group", "history_length", "user_activity", "item_frequency"} <= set(rows.column_names)
    assert rows.replace_schema_metadata().equals(describe_rows(built[2]))
    assert [p.name for p in path.parent.iterdir()] == ["rows.parquet"]


def test_a_file_is_written_again_only_for_other_data(tmp_path):
    path = write_rows(plan(("a", BASE)), tmp_path)
    first = path.stat().st_mtime_ns
    assert write_rows(plan(("a", (*BASE, "--model.d_model=32"))), tmp_path).stat().st_mtime_ns == first
    write_rows(plan(("a", BASE), slices={"user": "age_band"}), tmp_path)
    assert path.stat().st_mtime_ns != first


def test_a_slice_by_a_feature_that_does_not_exist_gets_the_nearest(tmp_path):
    with pytest.raises(StudyError, match=r"slices.item is 'item_ids'.*Did you mean 'item_id'"):
        write_rows(plan(("a", BASE), slices={"item": "item_ids"}), tmp_path)


def test_data_without_row_numbers_run_without_slices_and_that_is_said(tmp_path, monkeypatch, caplog):
    def unnumbered(data, user, item):
        raise UnnumberedRowsError("OwnData does not number its rows (Batch.row)")

    pq.write_table(pa.table({"row": [0]}), tmp_path / "rows.parquet")
    monkeypatch.setattr("hyrec.studies.run.rows.describe_rows", unnumbered)
    assert write_rows(plan(("a", BASE)), tmp_path) is None
    assert "OwnData does not number its rows (Batch.row), so there is no rows.parquet" in caplog.text
    assert list(tmp_path.glob("*.parquet")) == []
