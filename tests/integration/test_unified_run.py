"""configs/unified.yaml through the command line: trained, saved, continued, predicted with and inspected."""

import sys
from pathlib import Path

import pytest

from hyrec.blocks import LongerBlock
from hyrec.cli.main import main
from hyrec.ranker import Ranker

SMALL = [
    *("--config", "pkg:hyrec/unified.yaml", "--config", "pkg:hyrec/trainer/cpu.yaml", "--model.d_model", "16"),
    *("--data", "SimulatedData", "--data.simulator.num_requests", "300", "--data.batch_size", "64"),
    *("--model.block", "LongerBlock", "--trainer.max_epochs", "1", "--trainer.enable_progress_bar", "false"),
]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("unified")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("HYREC_CACHE", str(folder / "cache"))
        patch.setattr(sys, "argv", ["hyrec"])
        assert main(["fit", *SMALL]) == 0
        (made,) = Path("runs/unified").iterdir()
        yield folder / made


def test_a_checkpoint_loads_with_its_blocks(run):
    model = Ranker.load_from_checkpoint(run / "checkpoints" / "best.ckpt", weights_only=True)
    assert [type(layer.block) for layer in model.network.backbone.blocks] == [LongerBlock, LongerBlock]


def test_a_run_goes_on(run):
    config = ["--config", str(run / "config.yaml"), "--trainer.max_epochs", "2"]
    assert main(["fit", *config, "--ckpt_path", "last", "--test_after_fit", "false"]) == 0


def test_a_run_predicts(run):
    assert main(["predict", "--config", str(run / "config.yaml"), "--ckpt_path", "best"]) == 0
    assert list(run.glob("predict-*/predictions/*.parquet"))


def test_the_cost_of_blocks_is_told(run, capsys):
    assert main(["inspect", "--config", str(run / "config.yaml")]) == 0
    (row,) = [line.split() for line in capsys.readouterr().out.splitlines() if line.startswith("block ")]
    assert row[1:3] == ["LongerBlock", "2"]
    assert float(row[5]) > 0
