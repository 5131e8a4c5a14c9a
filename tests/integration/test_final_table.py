"""The one table that ends a fit, a test and a validation."""

import pytest
import yaml

from hyrec.cli.main import main

SMALL = ["--config", "pkg:hyrec/debug.yaml", "--data.simulator.num_requests=120", "--trainer.logger=false"]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    assert main(["fit", *SMALL, "--trainer.default_root_dir", str(folder), "--test_after_fit=false"]) == 0
    return folder


@pytest.mark.parametrize(("command", "title"), [("test", "test (click)"), ("validate", "validate (click)")])
def test_a_command_that_evaluates_ends_with_one_table(command, title, run, tmp_path, capsys):
    saved = ["--config", str(run / "config.yaml"), "--ckpt_path", "best", "--trainer.default_root_dir", str(tmp_path)]
    assert main([command, *saved]) == 0
    out = capsys.readouterr().out
    assert out.count(title) == 1
    assert "DataLoader 0" not in out
    assert [line.split()[0] for line in out.splitlines()[1:3]] == ["model", "counting"]


def test_trying_out_shows_the_model_alone(run, capsys):
    saved = ["--config", str(run / "config.yaml"), "--ckpt_path", "best", "--trainer.fast_dev_run=true"]
    assert main(["test", *saved]) == 0
    out = capsys.readouterr().out
    assert "test (click)" in out
    assert "counting" not in out


def test_lightnings_own_table_is_there_for_who_asks(run, tmp_path, capsys):
    saved = ["--config", str(run / "config.yaml"), "--ckpt_path", "best", "--trainer.default_root_dir", str(tmp_path)]
    assert main(["test", *saved, "--verbose=true"]) == 0
    assert "DataLoader 0" in capsys.readouterr().out


def test_every_task_has_its_figures(tmp_path, capsys):
    data = tmp_path / "data"
    assert main(["data", "simulate", "--out", str(data), "--num_requests", "120"]) == 0
    schema = yaml.safe_load((data / "schema.yaml").read_text())
    schema["tasks"] = {"click": {"column": "is_click"}, "skip": {"column": "is_click", "positive": [0]}}
    (data / "schema.yaml").write_text(yaml.safe_dump(schema))
    capsys.readouterr()
    files = [f"--data.{split}={data / split}.parquet" for split in ("train", "validate", "test")]
    parquet = ["--schema", str(data / "schema.yaml"), "--data=ParquetData", *files]
    assert main(["fit", "--config", "pkg:hyrec/debug.yaml", *parquet, "--trainer.default_root_dir", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    click, skip = (out.index(f"test ({task})") for task in ("click", "skip"))
    assert click < out.index("counting") < skip
    auc = {task: float(out[start:].splitlines()[1].split()[1]) for task, start in (("click", click), ("skip", skip))}
    assert 0 < auc["skip"] < 1
