"""What a plan refuses before anything is trained."""

import pytest

from hyrec.studies.plan.plan import Plan
from hyrec.studies.plan.planner import check_metrics, make_plan
from hyrec.studies.plan.request import StudyRequest
from hyrec.studies.plan.study import StudyError
from hyrec.studies.plan.study_file import read_study

CONTENT = {
    "base": {"configs": ["pkg:hyrec/debug.yaml"]},
    "metrics": ["auc"],
    "variants": {"full": {}, "none": {"options": {"model.queries.pooling": "none"}}},
}


CALIBRATION = "hyrec.metrics.CalibrationError"


def study(**changes):
    return read_study({**CONTENT, **changes}, default_name="s")


def planned(**options):
    """Return the plan in which the second variant has options of the trainer."""
    options = {f"trainer.{name}": value for name, value in options.items()}
    variants = {"full": {}, "none": {"options": {"model.queries.pooling": "none", **options}}}
    return make_plan(StudyRequest("s.yaml", study(variants=variants)))


@pytest.mark.parametrize(
    ("option", "value", "told"),
    [
        ("limit_test_batches", 0, "trainer.limit_test_batches is 0"),
        ("limit_test_batches", 0.0, "trainer.limit_test_batches is 0.0"),
        ("fast_dev_run", True, "trainer.fast_dev_run is true"),
        ("fast_dev_run", 3, "trainer.fast_dev_run is 3"),
        ("logger", False, "trainer.logger is false"),
    ],
)
def test_what_would_train_and_leave_no_test_metrics_is_refused(option, value, told):
    with pytest.raises(StudyError, match=f"variant none: {told}, so it has no test metrics"):
        planned(**{option: value})


@pytest.mark.parametrize(
    "trainer", [{"limit_test_batches": None, "fast_dev_run": False, "logger": None}, {"limit_test_batches": 1.0}]
)
def test_what_is_tested_is_not_refused(trainer):
    assert [row.variant.name for row in planned(**trainer).variants] == ["full", "none"]


def resolved(found):
    """Return options of every variant, as far as metrics depend on them."""
    schema = {"features": {"a": {"vocab_size": 9}}, "tasks": {"click": {}}}
    return {variant.name: {"schema": schema, "model": {}} for variant in found.variants}


@pytest.mark.parametrize("metric", ["query_auc", "click/gauc"])
def test_a_metric_inside_groups_needs_a_group_column(metric):
    found = study(metrics=[metric])
    with pytest.raises(StudyError, match=f"the schema has no group_column, so no test logs '{metric}'.*Allowed: auc"):
        check_metrics(found, resolved(found))


def test_a_metric_of_the_model_is_one_that_a_test_logs():
    found = study(metrics=["ece@5"])
    rows = resolved(found)
    for options in rows.values():
        options["model"] = {"init_args": {"metrics": [{"class_path": CALIBRATION, "init_args": {"num_bins": 5}}]}}
    check_metrics(found, rows)
    rows["none"]["model"] = {}
    with pytest.raises(StudyError, match=r"no test of variant none logs 'ece@5'. Did you mean 'ece'"):
        check_metrics(found, rows)


def test_metrics_that_no_run_could_be_trained_with_are_refused():
    found = study()
    rows = resolved(found)
    rows["none"]["model"] = {"init_args": {"metrics": ["hyrec.metrics.AUC", "hyrec.metrics.AUC"]}}
    with pytest.raises(StudyError, match=r"variant none: model.metrics names 'auc' twice"):
        check_metrics(found, rows)


def test_a_stored_plan_names_the_option_that_a_config_now_sets_otherwise(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.yaml").write_text("trainer: {max_steps: 5}\n")
    found = study(base={"configs": ["pkg:hyrec/debug.yaml", "mine.yaml"]})
    plan = make_plan(StudyRequest("s.yaml", found))
    assert (plan.file_seeds, plan.working_folder) == ((0,), str(tmp_path))
    plan.save(tmp_path)
    stored = Plan.load(tmp_path)
    assert stored == plan
    request = StudyRequest("s.yaml", found)
    assert stored.differences(make_plan(request)) == []
    (tmp_path / "mine.yaml").write_text("trainer: {max_steps: 6}\n")
    changed = [f"variant {name}: trainer.max_steps: 5 -> 6" for name in ("full", "none")]
    assert stored.differences(make_plan(request)) == changed
