"""``hyrec baseline`` measures what it is asked for on the rows of ``hyrec fit``, and writes it."""

import json
import sys

import polars as pl
import pytest

from hyrec.baselines import BASELINES
from hyrec.cli.main import main
from hyrec.metrics import AUC

DATA = ("--config", "pkg:hyrec/debug.yaml")


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    folder = tmp_path_factory.mktemp("baselines")
    assert main(["baseline", *DATA, "--seeds", "0,1", "--out", str(folder)]) == 0
    return folder


@pytest.fixture(scope="module")
def found(out):
    return json.loads((out / "baselines.json").read_text())


def test_every_baseline_is_measured_by_all_metrics_of_the_model(found):
    names = ["auc", "query_auc", "gauc", "logloss", "ne", "pcoc", "ece"]
    assert list(found["baselines"]) == list(BASELINES)
    assert all(list(run["metrics"]) == names for runs in found["baselines"].values() for run in runs)


def test_only_what_is_random_is_fitted_with_every_seed(found):
    seeds = {name: [run["seed"] for run in runs] for name, runs in found["baselines"].items()}
    assert seeds == {name: [0, 1] if kind.is_random else [0] for name, kind in BASELINES.items()}


@pytest.mark.parametrize("name", BASELINES)
def test_the_predictions_give_the_metrics(name, out, found):
    rows = pl.read_parquet(out / "baselines" / name / "s0" / "predictions" / "part-00000.parquet")
    metric = AUC()
    metric.update(rows["score_click"].to_torch(), rows["label_click"].to_torch())
    assert float(metric.compute()) == found["baselines"][name][0]["metrics"]["auc"]


def test_the_table_has_the_frozen_figures_that_fit_prints_as_counting(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["fit", *DATA, "--trainer.enable_progress_bar", "false"]) == 0
    counting = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("counting"))
    assert main(["baseline", *DATA, "--only", "counting"]) == 0
    frozen = [line for line in capsys.readouterr().out.splitlines() if line.startswith("counting_frozen ")]
    assert frozen[-1].split()[1:8] == counting.split()[1:8]


def test_figures_that_were_written_are_not_written_over(out, mistake):
    assert "holds baselines already" in mistake("baseline", *DATA, "--only", "counting", "--out", str(out))


def test_what_is_not_installed_is_told_in_a_line_and_the_others_run(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "sklearn.linear_model", None)
    assert main(["baseline", *DATA, "--only", "counting,logistic"]) == 0
    out = capsys.readouterr().out
    assert "logistic is left out: it needs sklearn: pip install 'hyrec[baselines]'" in out
    assert "\ncounting_frozen " in out


def test_metrics_are_those_that_the_model_is_asked_for(capsys):
    options = ["--only", "counting", "--model.metrics", '["hyrec.metrics.LogLoss"]']
    assert main(["baseline", *DATA, *options]) == 0
    header = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("test (click)"))
    assert header.split() == ["test", "(click)", "logloss", "chosen"]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--only", "lightbgm"], "Did you mean 'lightgbm'?"),
        (["--seeds", "0,0"], "--seeds needs different whole numbers"),
        (["--max_rows", "0"], "--max_rows must be at least 1"),
        (["--data.test", "null"], "the data has none of 'test'"),
    ],
)
def test_mistakes_are_told(arguments, told, mistake, tmp_path):
    assert main(["data", "simulate", "--out", str(tmp_path), "--num_requests", "200"]) == 0
    files = [f"--data.{split}={tmp_path}/{split}.parquet" for split in ("train", "validate", "test")]
    assert told in mistake("baseline", "--schema", f"{tmp_path}/schema.yaml", *files, *arguments)
