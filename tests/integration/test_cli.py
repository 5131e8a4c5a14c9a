"""The commands on the debug config: one training run in this process, then everything that can follow it."""

import csv
import os
import shutil
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
import yaml

from hyrec.cli.main import main
from hyrec.metrics.functional import auc
from hyrec.ranker import Ranker

QUIET = ["--trainer.enable_progress_bar", "false", "--trainer.enable_model_summary", "false"]
LOCAL_CODE = Path(__file__).parents[1] / "local_code"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cli")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("HYREC_CACHE", str(folder / "cache"))
        patch.setattr(sys, "argv", ["hyrec"])
        yield folder


def newest(pattern, folder):
    return sorted(folder.glob(pattern))[-1]


@pytest.fixture(scope="module")
def run(folder):
    """Train with a mixer that local code brings."""
    shutil.copy(LOCAL_CODE / "reverse_mixer.py", folder)
    options = ["--plugin", "reverse_mixer.py", "--model.mixer", "ReverseMixer"]
    assert main(["fit", "--config", "pkg:hyrec/debug.yaml", *options, *QUIET]) == 0
    return newest("runs/debug/*", folder)


def metrics(path):
    rows = list(csv.DictReader((path / "metrics.csv").open()))
    return {key: float(row[key]) for row in rows for key in row if row[key] and key.startswith("test/")}


@pytest.fixture
def mistake(folder, capsys):
    def told(*arguments):
        assert main([*arguments, *QUIET]) == 2
        text = capsys.readouterr().err.strip()
        lines = [line for line in text.splitlines() if "Warning" not in line and "warn" not in line]
        assert len(lines) <= 5, text
        assert "Traceback" not in text
        return text

    return told


def test_a_run_keeps_config_metrics_and_checkpoints_in_one_folder(run):
    found = {str(p.relative_to(run)) for p in run.rglob("*") if p.is_file()}
    assert {"config.yaml", "metrics.csv", "checkpoints/best.ckpt", "checkpoints/last.ckpt"} <= found


def test_fit_ends_with_the_test_of_the_best_checkpoint(run):
    assert {"test/auc", "test/query_auc", "test/logloss"} <= set(metrics(run))


def test_a_new_run_is_not_told_that_its_files_will_be_deleted(folder, recwarn):
    few = ["--trainer.max_steps", "1", "--trainer.limit_val_batches", "1", "--test_after_fit", "false"]
    assert main(["fit", "--config", "pkg:hyrec/debug.yaml", "--name", "new", *few, *QUIET]) == 0
    told = [str(warning.message) for warning in recwarn]
    assert [text for text in told if "not empty" in text or "treespec" in text] == []


def test_a_checkpoint_loads_without_arguments_and_with_weights_only(run):
    model = Ranker.load_from_checkpoint(run / "checkpoints" / "best.ckpt", weights_only=True)
    assert model.network.ctx.d_model == 16
    assert type(model.network.backbone.mixers.layers[0].mixer).__name__ == "ReverseMixer"


def test_the_saved_config_holds_schema_and_plugins_and_nothing_of_the_moment(run, folder):
    saved = yaml.safe_load((run / "config.yaml").read_text())
    assert set(saved["schema"]["sequences"]) == {"searches", "clicks", "views"}
    assert saved["plugins"] == [str(folder / "reverse_mixer.py")]
    assert saved["name"] == "debug"
    assert saved["trainer"]["default_root_dir"] is None
    assert saved["ckpt_path"] is None


def test_testing_a_saved_run_gives_the_metrics_of_its_end(run):
    assert main(["test", "--config", str(run / "config.yaml"), "--ckpt_path", "best", *QUIET]) == 0
    again, first = metrics(newest("test-*", run)), metrics(run)
    assert {k: again[k] for k in first} == pytest.approx(first)


@pytest.fixture(scope="module")
def predictions(run):
    assert main(["predict", "--config", str(run / "config.yaml"), "--ckpt_path", "best", *QUIET]) == 0
    return newest("predict-*/predictions", run)


def test_predictions_hold_every_test_row_once_with_ids_and_label(predictions, folder):
    table = pq.read_table(predictions)
    assert {"request_id", "item_id", "row", "group", "label_click", "score_click"} <= set(table.column_names)
    assert sorted(table["row"].to_pylist()) == list(range(table.num_rows))
    stored = pq.read_table(newest("cache/simulated-*/test.parquet", folder))
    items = pa.compute.list_flatten(stored["item_id"])
    order = np.argsort(table["row"].to_numpy())
    assert table["item_id"].to_numpy()[order].tolist() == items.to_pylist()


def test_predicted_scores_have_the_tested_auc(predictions, run):
    table = pq.read_table(predictions)
    scores, labels = (torch.from_numpy(table[c].to_numpy().copy()) for c in ("score_click", "label_click"))
    assert float(auc(scores, labels)) == pytest.approx(metrics(run)["test/auc"], abs=1e-6)


def test_predictions_are_never_mixed_with_older_ones(predictions, run, mistake):
    told = mistake("predict", "--config", str(run / "config.yaml"), "--ckpt_path", "best", "--output", str(predictions))
    assert "holds predictions already" in told


def test_options_that_a_checkpoint_overrides_are_told(run):
    options = ["--config", str(run / "config.yaml"), "--ckpt_path", "last", "--model.d_model", "32"]
    with pytest.warns(UserWarning, match=r"model.d_model: 32 -> 16"):
        assert main(["validate", *options, *QUIET]) == 0


def test_a_run_continues_from_its_last_checkpoint(run, folder):
    options = ["--config", str(run / "config.yaml"), "--ckpt_path", "last", "--trainer.max_epochs", "2"]
    assert main(["fit", *options, "--test_after_fit", "false", *QUIET]) == 0
    longer = newest("runs/debug/*", folder)
    steps = {p: torch.load(p / "checkpoints/last.ckpt", weights_only=True)["global_step"] for p in (run, longer)}
    assert steps[longer] == 2 * steps[run] > 0


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--ckpt_path", "{run}/checkpoints/bets.ckpt"], "best.ckpt"),
        ([], "needs a checkpoint"),
    ],
)
def test_a_wrong_checkpoint_gets_the_nearest(arguments, told, run, mistake):
    arguments = [a.replace("{run}", str(run)) for a in arguments]
    assert told in mistake("test", "--config", str(run / "config.yaml"), *arguments)


def test_best_needs_the_config_of_a_run(mistake):
    assert "no --config comes from a run's folder" in mistake(
        "test", "--config", "pkg:hyrec/debug.yaml", "--ckpt_path", "best"
    )


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--model.mixer", "RankMixr"], "Did you mean 'RankMixer'?"),
        (["--trainer.max_epoch", "3"], "Did you mean 'max_epochs'?"),
        (["--trainer.accelerator", "gup"], "Did you mean 'gpu'?"),
        (["--model.queries.num_queries.viewz", "3"], "Did you mean 'views'?"),
        (["--model.dense_optimizer.lrr", "3"], "Did you mean 'lr'?"),
        (["--config", "configs/hyformer.yaml"], "write pkg:hyrec/hyformer.yaml"),
        (["--plugin", "revers_mixer.py"], "reverse_mixer.py"),
    ],
)
def test_a_typo_gets_the_nearest_right_spelling(arguments, told, run, mistake):
    assert told in mistake("fit", "--config", "pkg:hyrec/debug.yaml", *arguments)


def test_a_command_without_model_names_the_configs_that_ship(mistake):
    assert "pkg:hyrec/hyformer.yaml" in mistake("fit")


def test_data_without_a_schema_is_told_what_it_needs(mistake):
    assert "The data needs a schema" in mistake("fit", "--config", "pkg:hyrec/debug.yaml", "--data", "ParquetData")


def test_a_column_that_the_file_lacks_gets_the_nearest(run, folder, mistake):
    train = newest("cache/simulated-*/train.parquet", folder)
    columns = pq.read_table(train)
    renamed = [name.replace("surface", "surfaces") if name == "surface" else name for name in columns.column_names]
    pq.write_table(columns.rename_columns(renamed), folder / "renamed.parquet")
    schema = str(train.with_name("schema.yaml"))
    options = ["--schema", schema, "--data", "ParquetData", "--data.train", "renamed.parquet"]
    told = mistake("fit", "--config", "pkg:hyrec/debug.yaml", *options)
    assert "'surface'" in told
    assert "Did you mean 'surfaces'?" in told


def test_a_data_path_that_is_missing_gets_the_nearest(run, folder, mistake):
    train = newest("cache/simulated-*/train.parquet", folder)
    options = ["--schema", str(train.with_name("schema.yaml")), "--data", "ParquetData"]
    told = mistake("fit", "--config", "pkg:hyrec/debug.yaml", *options, "--data.train", str(train)[:-9] + ".parqet")
    assert "there is no file" in told


@pytest.mark.slow
def test_weights_and_biases_works_offline_inside_the_runs_folder(folder, monkeypatch):
    pytest.importorskip("wandb", reason="W&B is optional: pip install 'hyrec[wandb]'")
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    options = ["--config", "pkg:hyrec/logger/wandb.yaml", "--name", "logged", "--test_after_fit", "false"]
    assert main(["fit", "--config", "pkg:hyrec/debug.yaml", *options, *QUIET]) == 0
    run = newest("runs/logged/*", folder)
    assert list(run.glob("wandb/offline-run-*/*.wandb"))
    assert (run / "config.yaml").is_file()
    assert (run / "checkpoints" / "best.ckpt").is_file()


@pytest.mark.slow
def test_two_processes_predict_what_one_predicts(run, predictions, folder, forks):
    options = ["--trainer.strategy", "ddp", "--trainer.accelerator", "cpu", "--trainer.devices", "2"]
    command = ["predict", "--config", str(run / "config.yaml"), "--ckpt_path", "best", "--output", "both"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(sys.path)}
    done = forks.hyrec(*command, *options, *QUIET, cwd=folder, environment=environment)
    assert done.returncode == 0, done.stderr[-2000:]
    assert len(list((folder / "both").glob("part-*.parquet"))) == 2
    one, both = (pq.read_table(p).sort_by("row") for p in (predictions, folder / "both"))
    assert both["row"].equals(one["row"])
    assert both["item_id"].equals(one["item_id"])
    np.testing.assert_allclose(both["score_click"].to_numpy(), one["score_click"].to_numpy(), atol=1e-6)
