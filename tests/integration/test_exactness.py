"""Runs that must agree to the last digit: two processes against one, and a killed run against an undisturbed one."""

import csv
import os
import signal
import subprocess
import sys

import pytest
import torch

SETTINGS = [
    "--config",
    "pkg:hyrec/debug.yaml",
    "--trainer.enable_progress_bar",
    "false",
    "--model.mixer.dropout",
    "0.2",
]
KILLER = '''
import os
import signal

from lightning.pytorch.callbacks import Callback


class KilledAfter(Callback):
    """Kill this process after a step, as a machine that fails would.

    Args:
        step: Optimizer steps to survive.
    """

    def __init__(self, step: int) -> None:
        self.step = step

    def on_train_batch_end(self, trainer, *_):
        """Kill."""
        if trainer.global_step == self.step:
            os.kill(os.getpid(), signal.SIGKILL)
'''


@pytest.fixture(scope="module")
def hyrec(tmp_path_factory):
    folder = tmp_path_factory.mktemp("exact")
    (folder / "killer.py").write_text(KILLER)
    environment = {
        **os.environ,
        "HYREC_CACHE": str(folder / "cache"),
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": os.pathsep.join(sys.path),
    }

    def call(*arguments, code=0):
        command = [sys.executable, "-m", "hyrec", *arguments]
        done = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300, check=False
        )
        assert done.returncode == code, done.stderr[-3000:]
        return folder

    return call


def measured(run):
    with (run / "metrics.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row.get("test/auc")]
    return {name: float(value) for name, value in rows[-1].items() if name.startswith("test/") and value}


@pytest.mark.slow
def test_two_processes_report_the_metrics_that_one_finds_for_the_same_weights(hyrec):
    pair = ["--trainer.devices", "2", "--trainer.strategy", "ddp", "--trainer.use_distributed_sampler", "false"]
    folder = hyrec("fit", *SETTINGS, *pair, "--trainer.default_root_dir", "pair")
    config = ["--config", "pair/config.yaml", "--trainer.default_root_dir", "alone"]
    one = ["--trainer.devices", "1", "--trainer.strategy", "auto"]
    hyrec("test", *config, *one, "--ckpt_path", "pair/checkpoints/best.ckpt")
    together, alone = measured(folder / "pair"), measured(folder / "alone")
    assert set(together) == set(alone) >= {"test/auc", "test/query_auc", "test/gauc", "test/logloss", "test/ece"}
    assert together == pytest.approx(alone, abs=2e-6)


CONTINUED = [
    *SETTINGS,
    "--trainer.max_epochs",
    "2",
    "--checkpoint.every_n_train_steps",
    "2",
]


@pytest.fixture(scope="module")
def whole(hyrec):
    return hyrec("fit", *CONTINUED, "--trainer.default_root_dir", "whole") / "whole"


def states(run):
    return {name: torch.load(run / f"checkpoints/{name}.ckpt", weights_only=True) for name in ("best", "last")}


def best_score(state):
    (found,) = [value for key, value in state["callbacks"].items() if key.startswith("BestCheckpoint")]
    return float(found["best_model_score"])


@pytest.mark.slow
@pytest.mark.parametrize("epoch", [0, 1], ids=["before_the_first_validation", "after_it"])
def test_a_killed_run_that_continues_ends_with_the_weights_of_an_undisturbed_one(hyrec, whole, epoch):
    undisturbed, broken = states(whole), f"broken{epoch}"
    begin = undisturbed["last"]["global_step"] // 2 * epoch
    settings = [*CONTINUED, "--trainer.default_root_dir", broken]
    killer = ["--plugin", "killer.py", "--trainer.callbacks+=KilledAfter", f"--trainer.callbacks.step={begin + 3}"]
    folder = hyrec("fit", *settings, *killer, code=-signal.SIGKILL)
    saved = folder / broken / "checkpoints/last.ckpt"
    assert torch.load(saved, weights_only=True)["global_step"] == begin + 2, "inside the epoch"
    hyrec("fit", *settings, "--ckpt_path", str(saved))
    continued = states(folder / broken)
    for name, expected in undisturbed.items():
        assert continued[name]["global_step"] == expected["global_step"]
        assert best_score(continued[name]) == best_score(expected)
        for weight, value in expected["state_dict"].items():
            assert torch.equal(value, continued[name]["state_dict"][weight]), (name, weight)
    assert measured(folder / broken) == measured(whole)
