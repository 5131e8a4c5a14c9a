"""As a user goes: build, fit, apply, predict. Every new row gets its score, and rows of other builds are refused."""

import json
import shlex
import sys
from pathlib import Path

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
counters: {item_clicks: {keys: [item], positive: [{column: click}], role: item}}
sequences: {clicks: {where: [{column: click}], features: {item: {table: item}}}}
"""
START, ROWS = 1_700_006_400, 300
PREDICT = ["predict", "--config", "run/config.yaml", "--ckpt_path", "best"]
QUIET = ["--trainer.enable_progress_bar", "false", "--trainer.default_root_dir", "run", "--trainer.max_steps", "2"]


def log_of(users: int) -> pl.DataFrame:
    number = np.arange(ROWS)
    item, time = number * 7 % 29, START + 1000 * number
    return pl.DataFrame({"user": number % users, "item": item, "time": time, "tab": number % 3, "click": item % 2})


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return a folder with a build, a run on it, the build of another log, and new rows without labels."""
    folder = tmp_path_factory.mktemp("user")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(sys, "argv", ["hyrec"])
        (folder / "recipe.yaml").write_text(RECIPE)
        for name, users in {"logs": 17, "others": 19}.items():
            (folder / name).mkdir()
            log_of(users).write_csv(folder / name / "log.csv")
            assert main(["data", "build", "--recipe", "recipe.yaml", "--input", name, "--out", f"built-{name}"]) == 0
        data = [f"--data.{split}=built-logs/{split}.parquet" for split in ("train", "validate", "test")]
        configs = ["--config", "pkg:hyrec/debug.yaml", "--config", "pkg:hyrec/data/parquet.yaml"]
        assert main(["fit", *configs, "--schema", "built-logs/schema.yaml", *data, *QUIET]) == 0
        (folder / "new").mkdir()
        new = log_of(23).reverse().head(40).drop("click").with_columns(pl.col("time") + 10**6)
        new.with_columns(user=pl.when(pl.col("user") > 20).then(None).otherwise(pl.col("user"))).write_csv(
            "new/log.csv"
        )
        yield folder


def test_every_new_row_gets_a_score_that_joins_back_to_its_line(folder, capsys):
    assert main(["data", "apply", "--built", "built-logs", "--input", "new", "--out", "applied"]) == 0
    told = capsys.readouterr().out
    assert "hyrec predict --config runs/NAME/TIME/config.yaml --ckpt_path best" in told
    assert main([*PREDICT, "--data.predict", "applied/predict.parquet", "--output", "scores"]) == 0
    lines = pl.read_csv(folder / "new" / "log.csv").with_row_index("input_row")
    rows = pl.read_parquet(folder / "applied" / "predict.parquet").with_row_index("row")
    scores = pl.read_parquet(folder / "scores").cast({"row": pl.UInt32})
    joined = lines.join(rows.select("row", "input_row"), on="input_row").join(scores, on="row", suffix="_scored")
    assert joined.height == lines["user"].is_not_null().sum() == scores.height
    assert joined["user"].equals(joined["user_scored"].alias("user"))
    assert joined["item"].equals(joined["item_scored"].alias("item"))
    assert joined["score_click"].is_between(0, 1).all()


def test_the_command_that_is_told_can_be_copied(folder, capsys):
    assert main(["data", "apply", "--built", "built-logs", "--input", "new", "--out", "of today"]) == 0
    assert shlex.split(capsys.readouterr().out.splitlines()[-1])[-1] == str(Path("of today") / "predict.parquet")


def test_rows_of_another_build_are_refused_by_the_tables_that_differ(folder, capsys):
    assert main(["data", "apply", "--built", "built-others", "--input", "new", "--out", "applied-others"]) == 0
    assert main([*PREDICT, "--data.predict", "applied-others/predict.parquet", "--output", "none"]) == 2
    assert "with other vocabularies than the schema (tables user" in capsys.readouterr().err


def test_a_checkpoint_of_another_build_is_refused_by_what_differs(folder, capsys):
    asked = ["--schema", "built-others/schema.yaml", "--data.predict", "built-others/test.parquet", "--output", "none"]
    assert main([*PREDICT, *asked]) == 2
    told = capsys.readouterr().err
    assert "was trained with another schema: features " in told
    assert "user (vocab_size)" in told


def test_a_build_grows_and_its_model_trains_on(folder, capsys):
    (folder / "later").mkdir()
    later = log_of(23).with_columns(pl.col("time") + 10**6).filter(~pl.col("user").is_between(2, 16))
    later.write_csv("later/log.csv")
    assert main(["data", "extend", "--built", "built-logs", "--input", "later", "--out", "grown"]) == 0
    assert "hyrec fit --config runs/NAME/TIME/config.yaml --warm_start best" in capsys.readouterr().out
    grown = ["--schema", "grown/schema.yaml", "--data.train", "grown/train.parquet"]
    on = ["--config", "run/config.yaml", "--warm_start", "best", "--trainer.default_root_dir", "run-2"]
    assert main(["fit", *on, *grown]) == 0
    before, after = (
        torch.load(folder / file, weights_only=True)["state_dict"]["network.tables.user.weight"]
        for file in ("run/checkpoints/best.ckpt", "run-2/checkpoints/last.ckpt")
    )
    known = pl.read_parquet(folder / "grown" / "vocabulary" / "user.parquet")
    absent = known.filter(pl.col("value").is_between(2, 16))["id"].to_list()
    assert after.shape[0] == before.shape[0] + 6
    assert torch.equal(after[absent], before[absent])
    assert main(["fit", *on[:2], "--warm_start", "bset.ckpt", *grown]) == 2
    assert "The checkpoint 'bset.ckpt' does not exist." in capsys.readouterr().err


@pytest.mark.parametrize(
    ("built", "source", "message"),
    [
        ("built-log", "new", "There is no folder --built 'built-log'. Did you mean 'built-logs'?"),
        ("new", "new", "--built 'new' is no folder that 'hyrec data build' has written: it has no schema.yaml."),
        ("built-logs", "nwe", "There is no folder --input 'nwe'. Did you mean 'new'?"),
        ("built-logs", "built-others", "log.files: built-others holds none of log.csv."),
    ],
)
def test_a_mistake_is_told_with_the_nearest_name(folder, capsys, built, source, message):
    assert main(["data", "apply", "--built", built, "--input", source, "--out", "never"]) == 2
    assert message in capsys.readouterr().err
    assert not (folder / "never").exists()


def test_importance_of_every_input_of_a_run_is_printed_and_written(folder, capsys):
    assert main(["importance", "run", "--max_rows", "100", "--out", "found"]) == 0
    told = capsys.readouterr().out
    found = json.loads((folder / "found" / "importance.json").read_text())
    names = {f"{one['kind']} {one['name']}" for one in found["inputs"]}
    assert names >= {"feature user", "feature item", "feature tab", "feature item_clicks_rate", "sequence clicks"}
    assert all(name.split()[1] in told for name in names)
    assert pl.read_csv(folder / "found" / "importance.csv").height == len(names)
    assert "auc lost without it" in (folder / "found" / "importance.svg").read_text()


def test_importance_of_an_unknown_task_is_told_with_the_tasks(folder, capsys):
    assert main(["importance", "run", "--task", "clik"]) == 2
    assert "The model has no task 'clik'. Did you mean 'click'?" in capsys.readouterr().err


def test_importance_of_what_is_no_run_is_refused(folder, capsys):
    assert main(["importance", "new"]) == 2
    assert "new is no folder of a run: it holds no config.yaml" in capsys.readouterr().err


@pytest.mark.parametrize(("option", "least"), [("max_rows", 1), ("repeats", 1), ("seed", 0)])
def test_a_number_of_importance_that_is_too_small_is_refused(option, least, folder, capsys):
    assert main(["importance", "run", f"--{option}", str(least - 1)]) == 2
    assert f"--{option} must be at least {least}, got {least - 1}." in capsys.readouterr().err
