import json
import math
from dataclasses import replace
from pathlib import Path

import pytest

from hyrec.studies.analysis.comparison import compare
from hyrec.studies.analysis.results import CellResult, StudyResults
from hyrec.studies.plan.plan import Plan, PlannedVariant
from hyrec.studies.plan.study import Study, StudyError, Variant
from hyrec.studies.report.findings import Findings
from hyrec.studies.report.wandb import figures, log_study
from hyrec.studies.run.cell import Cell
from hyrec.studies.run.wandb import cell_environment, tracked

ARGUMENTS = ("--config=pkg:hyrec/hyformer.yaml", "--config=pkg:hyrec/data/kuairand.yaml", "--model.d_model=32")


def plan_of(*, commit: str | None = "0123456789abcdef") -> Plan:
    variants = (
        Variant("full@d_model=32", "full", {"model.d_model": 32}),
        Variant("less@d_model=32", "less", {"model.d_model": 32}),
    )
    study = Study(
        "table2", "Which part?", ("pkg:hyrec/hyformer.yaml",), {}, ("query_auc",), (0, 1, 2), "full", variants
    )
    rows = tuple(PlannedVariant(variant, ARGUMENTS, (), 100, 1000, 2e6) for variant in variants)
    return Plan(study, rows, version="0", commit=commit)


def results_of(folder: Path) -> StudyResults:
    plan = plan_of()
    values = {"full@d_model=32": (0.70, 0.71, 0.72), "less@d_model=32": (0.68, 0.70, 0.69)}
    cells = {
        (name, seed): CellResult(name, seed, folder / name / f"s{seed}", {"query_auc": value}, 10.0)
        for name, found in values.items()
        for seed, value in enumerate(found)
    }
    return StudyResults(folder, plan, cells)


def cell_of(folder: Path, seed: int = 0) -> Cell:
    return Cell("table2", "less@d_model=32", seed, ARGUMENTS, folder / f"s{seed}")


@pytest.fixture(autouse=True)
def _no_sweep(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WANDB_SWEEP_ID", raising=False)


def test_the_run_of_a_cell_says_study_variant_and_seed(tmp_path: Path):
    found = cell_environment(plan_of(), cell_of(tmp_path))
    assert found["WANDB_NAME"] == "table2/less@d_model=32/s0"
    assert found["WANDB_RUN_GROUP"] == "table2"
    assert found["WANDB_JOB_TYPE"] == "fit"


def test_tags_say_model_data_variant_and_commit(tmp_path: Path):
    tags = cell_environment(plan_of(), cell_of(tmp_path))["WANDB_TAGS"].split(",")
    assert tags == ["hyformer", "kuairand", "less", "d_model=32", "0123456789ab"]


def test_outside_of_a_checkout_there_is_no_commit_among_the_tags(tmp_path: Path):
    tags = cell_environment(plan_of(commit=None), cell_of(tmp_path))["WANDB_TAGS"].split(",")
    assert tags == ["hyformer", "kuairand", "less", "d_model=32"]


def test_a_resumed_cell_has_the_id_it_had(tmp_path: Path):
    first, again = (cell_environment(plan_of(), cell_of(tmp_path)) for _ in range(2))
    assert first == again
    assert first["WANDB_RESUME"] == "allow"


def test_every_cell_folder_and_configuration_has_an_id_of_its_own(tmp_path: Path):
    cell = cell_of(tmp_path)
    cells = [
        cell,
        cell_of(tmp_path, seed=1),
        replace(cell, folder=tmp_path / "elsewhere"),
        replace(cell, arguments=(*ARGUMENTS, "--model.d_model=64")),
    ]
    assert len({cell_environment(plan_of(), cell)["WANDB_RUN_ID"] for cell in cells}) == len(cells)


def test_the_agent_of_a_sweep_chooses_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("WANDB_SWEEP_ID", "abc")
    assert "WANDB_RUN_ID" not in cell_environment(plan_of(), cell_of(tmp_path))


def test_a_project_may_name_its_owner(tmp_path: Path):
    pytest.importorskip("wandb")
    plan, cell = plan_of(), cell_of(tmp_path)
    assert tracked(plan, cell, "p").extra_arguments == (
        "--config=pkg:hyrec/logger/wandb.yaml",
        "--trainer.logger.project=p",
    )
    assert tracked(plan, cell, "team/p").extra_arguments[-2:] == (
        "--trainer.logger.project=p",
        "--trainer.logger.entity=team",
    )


def test_without_wandb_only_asking_for_it_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("hyrec.loggers.wandb_run.importlib.util.find_spec", lambda name: None)
    plan = plan_of()
    assert cell_environment(plan, cell_of(tmp_path))
    with pytest.raises(ValueError, match=r"pip install 'hyrec\[wandb\]'"):
        tracked(plan, cell_of(tmp_path), "p")
    with pytest.raises(ValueError, match=r"pip install 'hyrec\[wandb\]'"):
        log_study(Findings.of(results_of(tmp_path)), "p")


def test_the_table_holds_mean_interval_verdict_and_costs(tmp_path: Path):
    rows = compare(results_of(tmp_path), "query_auc", replicates=0)
    base, less = map(figures, rows)
    assert (base["variant"], base["verdict"], base["difference"]) == ("full@d_model=32", "baseline", None)
    assert less["mean"] == pytest.approx(0.69)
    assert less["difference"] == pytest.approx(-0.02)
    assert less["low"] < -0.02 < less["high"]
    assert (less["seeds"], less["dense_parameters"], less["flops_per_sample"]) == (3, 100, 2e6)
    assert less["seconds"] == pytest.approx(10.0)


def test_seeds_of_the_table_are_those_of_the_difference(tmp_path: Path):
    results = results_of(tmp_path)
    cells = {key: cell for key, cell in results.cells.items() if key != ("full@d_model=32", 2)}
    rows = compare(replace(results, cells=cells), "query_auc", replicates=0)
    base, less = map(figures, rows)
    assert (base["seeds"], base["mean_seeds"]) == (2, 2)
    assert (less["seeds"], less["mean_seeds"]) == (2, 3)


def test_the_table_is_json_without_nan(tmp_path: Path):
    rows = compare(results_of(tmp_path), "query_auc", replicates=0)
    assert any(math.isnan(row.p_holm) for row in rows)
    json.dumps([figures(row) for row in rows], allow_nan=False)


def test_a_study_none_of_whose_metrics_is_reported_has_no_table(tmp_path: Path):
    pytest.importorskip("wandb")
    results = results_of(tmp_path)
    study = replace(results.plan.study, metrics=("gauc",))
    with pytest.raises(StudyError, match="reports 'gauc'"):
        log_study(Findings.of(replace(results, plan=replace(results.plan, study=study))), "p")
