import json
import math
import os
import subprocess
import sys
import time
from pathlib import Path

import lightning as L
import pytest
import torch
from torch.utils.data import DataLoader, IterableDataset, TensorDataset

import hyrec
from hyrec.cli.probe import main as run_probe
from hyrec.messages import CommandError
from hyrec.studies.plan.timing import estimate, probe
from hyrec.studies.plan.timing_run import Stopwatch

QUIET = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False, "enable_checkpointing": False}


class Sleeper(L.LightningModule):
    """Takes a known time for each batch."""

    def __init__(self, train=0.0, evaluate=0.0):
        super().__init__()
        self.layer = torch.nn.Linear(1, 1)
        self.train_seconds, self.evaluate_seconds, self.passes = train, evaluate, 0

    def training_step(self, batch, batch_idx):
        time.sleep(self.train_seconds)
        return self.layer(batch[0]).sum()

    def validation_step(self, batch, batch_idx):
        time.sleep(self.evaluate_seconds)

    def on_validation_start(self):
        self.passes += not self.trainer.sanity_checking

    test_step = validation_step

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), 0.01)


class Endless(IterableDataset):
    def __iter__(self):
        yield from torch.zeros(1000, 1)


def loader(batches):
    return DataLoader(TensorDataset(torch.zeros(batches, 1)))


def trained(module, *, watch=None, train=12, validate=3, test=0, **options):
    options = {"max_epochs": 1, "num_sanity_val_steps": 0, **options}
    trainer = L.Trainer(accelerator="cpu", callbacks=[watch] if watch else [], **QUIET, **options)
    trainer.fit(module, loader(train) if isinstance(train, int) else train, loader(validate) if validate else None)
    if test:
        trainer.limit_test_batches = 4
        trainer.test(module, loader(test), verbose=False)
    return trainer


def loop(batches, batch=0.0, **more):
    return {"batches": batches, "windows": 1, "measured": 0.0, "lead": 0.0, "batch": batch, "tail": 0.0, **more}


def times(loops, **more):
    facts = {
        "max_epochs": 1,
        "max_steps": -1,
        "max_time": None,
        "accumulate": 1,
        "val_check_batch": None,
        "check_every_n_epoch": 1,
        "sanity": 0,
        "preparation": 0.0,
    }
    return {"loops": loops, **facts, **more}


@pytest.mark.parametrize(
    "options",
    [
        {"max_epochs": 3},
        {"max_epochs": 2, "val_check_interval": 0.25},
        {"max_epochs": 2, "val_check_interval": 5},
        {"max_epochs": 5, "check_val_every_n_epoch": 2},
        {"max_epochs": 3, "val_check_interval": 7, "check_val_every_n_epoch": None},
        {"max_epochs": -1, "max_steps": 31, "val_check_interval": 4},
        {"max_epochs": 9, "max_steps": 8, "accumulate_grad_batches": 2},
        {"max_epochs": 2, "limit_train_batches": 0.5},
        {"max_epochs": 1, "limit_val_batches": 0},
    ],
    ids=str,
)
def test_batches_and_validations_are_counted_as_lightning_runs_them(options):
    whole = Sleeper()
    done = trained(whole, **options)
    watch = Stopwatch(2)
    trained(Sleeper(), watch=watch, **{**options, "num_sanity_val_steps": 2})
    seconds = {"train": 1.0, "validate": 1000.0}
    loops = {split: loop(watch.loops[split]["batches"], seconds[split], windows=0) for split in watch.loops}
    found = estimate({"loops": loops, **watch.facts, "sanity": 0, "preparation": 0.0}, 0.0)
    assert divmod(found, 1000) == (3 * whole.passes, done.fit_loop.epoch_loop.total_batch_idx + 1)


def test_the_time_of_a_batch_is_measured_and_multiplied():
    watch = Stopwatch(6)
    watch.test_limit = 0.5
    trained(Sleeper(train=0.03, evaluate=0.02), watch=watch, train=100, validate=40, test=50, num_sanity_val_steps=9)
    train, validate, test = (watch.loops[split] for split in ("train", "validate", "test"))
    assert (train["batches"], validate["batches"], test["batches"]) == (100, 40, 25)
    assert 0.03 <= train["batch"] < 0.06
    assert 0.02 <= validate["batch"] < 0.05
    assert 3.0 <= estimate(times({"train": train}), 0.0) < 6.0
    assert train["measured"] < 1.2, "training ended after the batches that were asked for"


def test_a_probe_neither_validates_nor_begins_a_second_epoch():
    module, watch = Sleeper(), Stopwatch(50)
    trainer = trained(module, watch=watch, train=8, max_epochs=4, num_sanity_val_steps=2)
    assert (module.passes, trainer.current_epoch, trainer.global_step) == (0, 1, 8)
    assert watch.loops["train"]["batches"] == 8


def test_a_run_of_unknown_length_is_refused():
    with pytest.raises(CommandError, match="length of the run is unknown"):
        trained(Sleeper(), watch=Stopwatch(2), train=DataLoader(Endless()))
    with pytest.raises(CommandError, match="no end that is known"):
        estimate(times({"train": loop(10, 1.0)}, max_epochs=-1), 1.0)


def test_the_parts_of_an_estimate_add_up():
    loops = {
        "train": loop(100, 0.5, measured=10.0, lead=2.0, windows=3),
        "validate": loop(20, 0.1, measured=1.0, tail=1.5),
        "test": loop(30, 0.2, measured=4.0),
    }
    found = estimate(times(loops, max_epochs=2, val_check_batch=100, sanity=2, preparation=5.0), wall=27.0)
    fixed, train, validate, sanity, test = 27 - 5 - 10 - 1 - 4, 2 * (3 * 2 + 50), 2 * (2 + 1.5), 2 * 0.1 + 1.5, 6
    assert found == pytest.approx(fixed + train + validate + sanity + test)


def test_a_time_limit_of_the_trainer_caps_training_but_not_the_test():
    loops = {"train": loop(1000, 1.0), "test": loop(10, 1.0)}
    assert estimate(times(loops, max_time=100.0), wall=0.0) == pytest.approx(110)


@pytest.fixture
def probed(tmp_path, monkeypatch):
    """Run the short run of a real config in this process; return what it measured."""
    monkeypatch.setenv("HYREC_CACHE", str(tmp_path / "cache"))
    result, run = tmp_path / "times.json", tmp_path / "run"
    options = ["--config", "pkg:hyrec/debug.yaml", "--config", "pkg:hyrec/logger/wandb.yaml"]
    options += ["--trainer.max_epochs", "3", "--data.batch_size", "16"]
    assert run_probe([str(result), "4", *options, f"--trainer.default_root_dir={run}"]) == 0
    return json.loads(result.read_text()), run


def test_a_probe_of_a_config_knows_the_whole_run_and_logs_to_no_service(probed):
    measured, run = probed
    assert {split: at["batches"] for split, at in measured["loops"].items()} == {"train": 30, "validate": 4, "test": 4}
    assert measured["max_epochs"] == 3
    assert measured["sanity"] == 2
    assert measured["preparation"] > 0
    assert all(math.isfinite(v) and v >= 0 for at in measured["loops"].values() for v in at.values())
    logged = (run / "metrics.csv").read_text().splitlines()
    assert max(int(line.split(",")[logged[0].split(",").index("step")]) for line in logged[1:]) < 12
    assert not list(Path(run).rglob("*wandb*"))


def test_a_probe_that_fails_tells_why_in_the_words_of_hyrec():
    with pytest.raises(CommandError, match=r"exit code 2\)\.\nThe package 'hyrec' ships no config 'hyformr.yaml'"):
        probe(["--config", "pkg:hyrec/hyformr.yaml"], os.environ)


def test_asking_for_a_probe_loads_no_torch():
    code = "import sys, hyrec.studies.plan.timing; sys.exit('torch' in sys.modules or 'lightning' in sys.modules)"
    root = str(Path(hyrec.__file__).parents[1])
    assert subprocess.run([sys.executable, "-c", code], cwd=root, check=False).returncode == 0
