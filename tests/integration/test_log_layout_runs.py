"""As a user goes with ``--layout log``: build, fit, resume, predict, as with the flat layout."""

import sys

import numpy as np
import polars as pl
import pytest
import torch

from hyrec.cli.main import main

RECIPE = """
log: {files: [log.csv], user: user, item: item, time: time, outcomes: [click]}
split: {validate_from: 2023-11-16, test_from: 2023-11-17}
tasks: {click: {}}
features: {user: {role: user}, item: {role: item, table: item}, tab: {}}
sequences:
  clicks: {where: [{column: click}], features: {item: {table: item}}}
  seen: {refresh: day, features: {item: {table: item}, tab: {}}}
"""
START, ROWS = 1_700_006_400, 300
QUIET = ["--trainer.enable_progress_bar", "false", "--data.batch_size", "32"]
QUIET += ["--model.schedule.shape", "constant", "--model.schedule.warmup", "0"]  # whatever the number of steps


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return a folder with a build and a run of three steps in each layout."""
    folder = tmp_path_factory.mktemp("user")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(sys, "argv", ["hyrec"])
        number = np.arange(ROWS)
        item, time = number * 7 % 29, START + 1000 * number
        columns = {"user": number % 17, "item": item, "time": time, "tab": number % 3, "click": item % 2}
        (folder / "recipe.yaml").write_text(RECIPE)
        (folder / "logs").mkdir()
        pl.DataFrame(columns).write_csv(folder / "logs" / "log.csv")
        for layout in ("flat", "log"):
            options = ["--recipe", "recipe.yaml", "--input", "logs", "--out", layout, "--layout", layout]
            assert main(["data", "build", *options]) == 0
            fit(layout, layout, 3)
        yield folder


def fit(layout, name, steps, *more):
    data = [f"--data.{split}={layout}/{split}.parquet" for split in ("train", "validate", "test")]
    configs = ["--config", "pkg:hyrec/debug.yaml", "--config", "pkg:hyrec/data/parquet.yaml"]
    run = ["--trainer.default_root_dir", f"run-{name}", "--trainer.max_steps", str(steps)]
    assert main(["fit", *configs, "--schema", f"{layout}/schema.yaml", *data, *QUIET, *run, *more]) == 0


def weights(folder, name):
    saved = torch.load(folder / f"run-{name}" / "checkpoints" / "last.ckpt", weights_only=True)
    return saved["global_step"], saved["state_dict"]


def assert_same_weights(folder, one, other):
    steps, expected = weights(folder, one)
    found_steps, found = weights(folder, other)
    assert found_steps == steps
    assert not [name for name, value in expected.items() if not torch.equal(value, found[name])]


def test_a_run_on_either_layout_ends_with_the_same_weights(folder):
    assert_same_weights(folder, "flat", "log")


def test_a_run_that_stopped_inside_an_epoch_resumes_exactly(folder):
    fit("log", "begun", 2)
    fit("log", "begun", 3, "--ckpt_path", "run-begun/checkpoints/last.ckpt")
    assert_same_weights(folder, "log", "begun")


def test_a_model_of_one_layout_scores_rows_of_the_other(folder):
    for layout in ("flat", "log"):
        options = ["--ckpt_path", "best", "--data.predict", f"{layout}/test.parquet", "--output", f"scores-{layout}"]
        assert main(["predict", "--config", "run-log/config.yaml", *options]) == 0
    scores = [pl.read_parquet(folder / f"scores-{layout}") for layout in ("flat", "log")]
    assert scores[0].height
    assert scores[0].equals(scores[1])
