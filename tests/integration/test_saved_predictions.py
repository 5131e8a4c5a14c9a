"""``hyrec fit --save_predictions true`` on the debug config: what it writes, and beside which loggers."""

import csv
import os
import shutil
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from hyrec.cli.main import main
from hyrec.metrics import QueryAUC, default_metrics
from hyrec.studies.analysis.scores import Scores

QUIET = ["--trainer.enable_progress_bar", "false"]
FIT = ["fit", "--config", "pkg:hyrec/debug.yaml", *QUIET]
LOCAL_CODE = Path(__file__).parents[1] / "local_code"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("saved")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.syspath_prepend(str(folder))
        patch.setenv("HYREC_CACHE", str(folder / "cache"))
        patch.setattr(sys, "argv", ["hyrec"])
        yield folder


@pytest.fixture(scope="module")
def run(folder):
    shutil.copy(LOCAL_CODE / "first_logger.py", folder)
    logger = ["--plugin", "first_logger", "--trainer.logger", "first_logger.FirstLogger"]
    assert main([*FIT, "--save_predictions", "true", "--trainer.default_root_dir", "run", *logger]) == 0
    return folder / "run"


@pytest.fixture(scope="module")
def saved(run):
    return pq.read_table(run / "predictions")


def logged(run):
    rows = list(csv.DictReader((run / "metrics.csv").open()))
    return {key: float(row[key]) for row in rows for key in row if row[key]}


def test_metrics_are_written_beside_any_logger(run):
    assert {"train/loss", "val/auc", "test/auc"} <= set(logged(run))


def test_metrics_recomputed_from_the_file_are_those_that_were_logged(run, saved):
    scores = Scores.of(saved)
    found = {name.removeprefix("test/"): value for name, value in logged(run).items() if name.startswith("test/")}
    assert len(found) == 8
    assert {name: scores.metric(metric) for name, metric in default_metrics().items()} == pytest.approx(
        {name: value for name, value in found.items() if name != "loss"}, rel=1e-6
    )


def test_what_follows_a_run_leaves_its_folder_as_it_is(run):
    kept = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    best = ["--config", str(run / "config.yaml"), "--ckpt_path", "best", *QUIET]
    assert main(["test", *best, "--trainer.limit_test_batches", "1", "--save_predictions", "false"]) == 0
    assert all(path.read_bytes() == content for path, content in kept.items())
    assert len(list(run.glob("test-*/metrics.csv"))) == 1


def test_they_are_the_predictions_of_the_best_checkpoint_bit_for_bit(run, saved):
    best = ["--config", str(run / "config.yaml"), "--ckpt_path", str(run / "checkpoints" / "best.ckpt"), *QUIET]
    assert main(["predict", *best, "--output", "predicted"]) == 0
    assert pq.read_table("predicted").equals(saved)
    options = ["--trainer.default_root_dir", "tested", "--save_predictions", "true", "--trainer.logger", "true"]
    assert main(["test", *best, *options]) == 0
    assert pq.read_table("tested/predictions").equals(saved)


def test_a_run_does_not_train_when_its_predictions_could_not_be_written(run, capsys):
    before = logged(run)
    assert main([*FIT, "--save_predictions", "true", "--trainer.default_root_dir", str(run)]) == 2
    assert "of another run" in capsys.readouterr().err
    assert logged(run) == before


def test_no_predictions_are_saved_unless_asked_for(folder):
    assert main([*FIT, "--trainer.default_root_dir", "plain", "--trainer.logger", "false"]) == 0
    assert not (folder / "plain" / "predictions").exists()
    assert not (folder / "plain" / "metrics.csv").exists()


@pytest.mark.slow
def test_two_processes_save_every_row_once(folder, saved, forks):
    pair = ["--trainer.devices", "2", "--trainer.strategy", "ddp", "--save_predictions", "true"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [*FIT, *pair, "--trainer.default_root_dir", "pair"]
    done = forks.hyrec(*command, cwd=folder, environment=environment)
    assert done.returncode == 0, done.stderr[-2000:]
    assert len(list((folder / "pair" / "predictions").glob("part-*.parquet"))) == 2
    both = pq.read_table(folder / "pair" / "predictions")
    one = saved.sort_by("row")
    assert (
        both.sort_by("row")
        .select(["row", "item_id", "group", "label_click"])
        .equals(one.select(["row", "item_id", "group", "label_click"]))
    )
    measured = logged(folder / "pair")
    assert Scores.of(both).metric(QueryAUC()) == pytest.approx(measured["test/query_auc"], abs=1e-6)
