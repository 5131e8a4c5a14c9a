"""What is read back from the folder of a study."""

import json
import math

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from hyrec.studies.analysis.results import StudyResults, read_curves, read_results
from hyrec.studies.analysis.slices import slice_metric
from hyrec.studies.plan.plan import Plan, PlannedVariant
from hyrec.studies.plan.study import Study, StudyError, Variant
from hyrec.studies.run.cell import read_test_metrics


def finish(folder, status="finished", metrics="step,test/auc\n9,0.7\n", **record):
    folder.mkdir(parents=True, exist_ok=True)
    known = dict.fromkeys(("study", "variant", "fingerprint", "started", "ended", "error"), "")
    known |= {"seed": 0, "exit_code": 0, "attempts": 1, "arguments": [], "folder": str(folder), "seconds": 12.5}
    (folder / "cell.json").write_text(json.dumps({**known, "status": status, **record}))
    if metrics is not None:
        (folder / "metrics.csv").write_text(metrics)


@pytest.fixture
def study(tmp_path):
    variants = tuple(Variant(name, name) for name in ("base", "other"))
    study = Study("s", "?", (), {}, ("auc",), (0, 1, 2), "base", variants)
    Plan(study, tuple(PlannedVariant(v, (), (), 1, 1, 1.0) for v in variants), "0").save(tmp_path)
    return tmp_path


def test_finished_cells_are_read_with_their_test_metrics(study):
    finish(study / "cells/base/s0", metrics="step,train/loss,test/auc,test/like/auc\n3,0.5,,\n9,,0.7,nan\n")
    results = read_results(study)
    (cell,) = results.cells.values()
    assert (cell.variant, cell.seed, cell.seconds) == ("base", 0, 12.5)
    assert cell.metrics["auc"] == 0.7
    assert math.isnan(cell.metrics["like/auc"])
    assert results.metric_names == ("auc", "like/auc")
    assert results.values("base", "auc") == {0: 0.7}
    assert results.values("other", "auc") == {}


def test_every_other_cell_is_listed_with_its_reason(study):
    finish(study / "cells/base/s0")
    finish(study / "cells/base/s1", "failed", None, error="ValueError: too deep\n")
    finish(study / "cells/base/s2", "interrupted", None)
    finish(study / "cells/other/s0", metrics=None)
    finish(study / "cells/other/s1", metrics="step,train/loss\n1,0.5\n")
    results = read_results(study)
    failed = {(u.variant, u.seed): u.reason for u in results.failed}
    assert failed["base", 1] == "ValueError: too deep"
    assert "no metrics.csv" in failed["other", 0]
    assert "no test metrics" in failed["other", 1]
    missing = {(u.variant, u.seed): (u.status, u.reason) for u in results.missing}
    assert missing["base", 2][0] == "interrupted"
    assert missing["other", 2] == ("missing", "it has not been run")
    assert len(results.cells) + len(results.failed) + len(results.missing) == 6


def test_a_record_that_cannot_be_read_does_not_count_as_finished(study):
    folder = study / "cells/base/s0"
    finish(folder)
    for content in ('{"status": "finis', "[1]"):
        (folder / "cell.json").write_text(content)
        results = read_results(study)
        assert not results.cells
        assert any(u.seed == 0 and "cell.json" in u.reason for u in results.missing)


def test_a_folder_without_a_plan_is_refused(tmp_path):
    with pytest.raises(StudyError, match=r"holds no plan\.json"):
        read_results(tmp_path)


def test_an_unknown_metric_is_refused_with_the_nearest_name(study):
    finish(study / "cells/base/s0", metrics="step,test/auc,test/query_auc\n9,0.7,0.6\n")
    with pytest.raises(StudyError, match="Did you mean 'query_auc'"):
        read_results(study).check_metric("query_acu")


def test_curves_of_a_resumed_run_are_joined_and_the_later_figures_stand(tmp_path):
    (tmp_path / "metrics-1.csv").write_text("step,train/loss,val/auc\n10,0.9,\n20,0.8,\n20,,0.61\n30,0.75,\n40,0.7")
    (tmp_path / "metrics-2.csv").write_text("step,train/loss,val/auc\n20,0.81,\n30,0.71,\n30,,0.62\n")
    (tmp_path / "metrics-10.csv").write_text("step,train/loss,val/auc\n40,0.6,\n")
    (tmp_path / "metrics.csv").write_text("step,epoch,val/auc,test/auc\n50,1,0.66,0.65\n")
    curves = read_curves(tmp_path)
    assert curves["train/loss"] == [(10, 0.9), (20, 0.81), (30, 0.71), (40, 0.6)]
    assert curves["val/auc"] == [(20, 0.61), (30, 0.62), (50, 0.66)]
    assert curves["test/auc"] == [(50, 0.65)]
    assert "epoch" not in curves


def test_a_line_that_a_kill_cut_off_is_not_read(tmp_path):
    (tmp_path / "metrics.csv").write_text("step,train/loss\n10,0.9\n20,0.")
    assert read_curves(tmp_path)["train/loss"] == [(10, 0.9)]


def test_a_figure_that_is_no_number_is_refused(tmp_path):
    (tmp_path / "metrics.csv").write_text("step,test/auc\n10,much\n")
    with pytest.raises(StudyError, match="'much' where a number belongs"):
        read_test_metrics(tmp_path)


@pytest.mark.parametrize(
    ("content", "told"),
    [(b"step,test/auc\n9,\xff\n", "cannot be read"), (b"step,test/auc\n9,0.5,0.6\n", "more values than names")],
)
def test_one_damaged_file_of_metrics_is_a_failed_cell_and_the_others_are_read(study, content, told):
    finish(study / "cells/base/s0")
    finish(study / "cells/other/s0")
    (study / "cells/other/s0/metrics.csv").write_bytes(content)
    results = read_results(study)
    assert list(results.cells) == [("base", 0)]
    (failed,) = results.failed
    assert (failed.variant, failed.status) == ("other", "failed")
    assert told in failed.reason


def test_predictions_of_several_processes_are_joined_in_the_order_of_rows(study):
    folder = study / "cells/base/s0"
    finish(folder)
    (cell,) = read_results(study).cells.values()
    assert cell.scores() is None
    (folder / "predictions").mkdir()
    for part, rows in enumerate(([3, 0], [2, 1])):
        scored = [row / 10 for row in rows]
        table = pa.table({"row": rows, "label_click": [0.0, 1.0], "score_click": scored})
        pq.write_table(table, folder / f"predictions/part-{part:05d}.parquet")
    scores = cell.scores("click")
    assert scores.row.tolist() == [0, 1, 2, 3]
    assert scores.score.tolist() == [0.0, 0.1, 0.2, 0.3]


@pytest.mark.parametrize(
    ("model", "task"),
    [
        ({"class_path": "hyrec.Ranker", "init_args": {"primary_task": "like"}}, "like"),
        ({"class_path": "hyrec.Ranker", "init_args": {"primary_task": None}}, "click"),
        ({"primary_task": "like"}, "like"),
    ],
)
def test_the_primary_task_is_the_one_of_the_saved_config(study, model, task):
    folder = study / "cells/base/s0"
    finish(folder)
    config = {"model": model, "schema": {"tasks": {"click": {}, "like": {}}}}
    (folder / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
    (cell,) = read_results(study).cells.values()
    assert cell.primary_task == task


def test_without_a_saved_config_the_primary_task_is_not_known(study):
    finish(study / "cells/base/s0")
    (cell,) = read_results(study).cells.values()
    assert cell.primary_task is None


def test_the_reason_of_a_failure_holds_no_path_of_this_machine(study):
    finish(study / "cells/base/s0")
    finish(study / "cells/other/s0")
    (study / "cells/other/s0/metrics.csv").unlink()
    (failed,) = read_results(study).failed
    assert failed.reason.startswith("cells/other/s0 has no metrics.csv")


def test_a_study_that_was_moved_is_not_named_by_its_old_place(study):
    folder = study / "cells/base/s0"
    finish(folder)
    record = json.loads((folder / "cell.json").read_text())
    was = "/home/ada/study"
    record |= {"status": "failed", "error": f"{was}/cells/base/s0/x is bad", "folder": f"{was}/cells/base/s0"}
    (folder / "cell.json").write_text(json.dumps(record))
    (failed,) = read_results(study).failed
    assert failed.reason == "cells/base/s0/x is bad"


def test_results_say_which_version_a_cell_ran_with(study):
    folder = study / "cells/base/s0"
    finish(folder)
    (cell,) = read_results(study).cells.values()
    assert (cell.version, cell.commit) == ("", None)
    record = json.loads((folder / "cell.json").read_text())
    (folder / "cell.json").write_text(json.dumps({**record, "version": "0.2", "commit": "abc"}))
    (cell,) = read_results(study).cells.values()
    assert (cell.version, cell.commit) == ("0.2", "abc")


def test_the_metrics_are_those_of_the_runs_without_what_is_not_installed_here(tmp_path):
    first = {"model.metrics": ["hyrec.metrics.LogLoss", {"class_path": "not_here.Recall", "init_args": {"k": 3}}]}
    second = {"model.metrics": [{"class_path": "hyrec.metrics.CalibrationError", "init_args": {"num_bins": 5}}]}
    variants = (Variant("a", "a"), Variant("b", "b"))
    rows = [PlannedVariant(v, (), (), 1, 1, 1.0, options=o) for v, o in zip(variants, (first, second), strict=True)]
    study = Study("s", "?", (), {}, ("recall@3",), (0,), "a", variants)
    results = StudyResults(tmp_path, Plan(study, tuple(rows), "0"), {})
    assert set(results.metrics) == {"ece@5", "logloss"}
    assert [results.facts(name).direction for name in ("like/ece@5", "loss", "recall@3")] == [-1, -1, 0]
    with pytest.raises(StudyError, match=r"There is no metric 'loglos'. Did you mean 'logloss'"):
        slice_metric(results, "like/loglos", "user_activity")
