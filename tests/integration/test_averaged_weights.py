"""Runs with Lightning's callbacks that average weights: one file has one result, and a run's config is a config."""

from __future__ import annotations

import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import yaml

from hyrec.cli.main import main

SMALL = [
    *("--trainer.limit_train_batches", "6", "--trainer.limit_val_batches", "2", "--trainer.limit_test_batches", "2"),
    *("--trainer.enable_progress_bar", "false", "--trainer.enable_model_summary", "false"),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where this module's commands run: they share one simulated log."""
    return tmp_path_factory.mktemp("averaged")


def run(folder: Path, *arguments: str) -> int:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("HYREC_CACHE", str(folder / "cache"))
        patch.setattr(sys, "argv", ["hyrec"])
        return main([*arguments, *SMALL])


def fit(folder: Path, name: str, *options: str) -> Path:
    assert run(folder, "fit", "--config", "pkg:hyrec/debug.yaml", "--name", name, *options) == 0
    return next((folder / "runs" / name).iterdir())


def scores(folder: Path) -> list[float]:
    table = pq.read_table(next(folder.glob("*.parquet")))
    return table["score_click"].to_pylist()


@pytest.mark.parametrize("callback", ["EMA", "EMAWeightAveraging"])
def test_with_averaged_weights_the_test_that_ends_fit_is_that_of_the_file(folder: Path, callback: str) -> None:
    ema = [f"--trainer.callbacks+={callback}", "--trainer.callbacks.decay", "0.9"]
    of_fit = fit(folder, callback, *ema, "--model.dense_optimizer.lr", "0.05", "--save_predictions", "true")
    best = ["--config", str(of_fit / "config.yaml"), "--ckpt_path", "best", "--output"]
    assert run(folder, "test", *best, f"again-{callback}", "--save_predictions", "true") == 0
    assert scores(of_fit / "predictions") == scores(folder / f"again-{callback}")
    assert run(folder, "predict", *best, f"new-{callback}", "--trainer.limit_predict_batches", "2") == 0
    assert scores(of_fit / "predictions") == scores(folder / f"new-{callback}")


def test_a_run_with_a_callback_that_keeps_objects_has_a_config_of_plain_data(folder: Path) -> None:
    swa = ["--trainer.callbacks+=StochasticWeightAveraging", "--trainer.callbacks.swa_lrs", "0.001"]
    config = fit(folder, "swa", *swa, "--trainer.max_epochs", "2", "--test_after_fit", "false") / "config.yaml"
    (callback,) = yaml.safe_load(config.read_text())["trainer"]["callbacks"]
    assert "device" not in callback["init_args"]
    assert run(folder, "fit", "--config", str(config), "--ckpt_path", "last", "--trainer.max_epochs", "3") == 0
