import json
import os
import time
from itertools import accumulate
from pathlib import Path

import lightning as L
import pytest
import torch
from torch.utils.data import DataLoader, IterableDataset, TensorDataset

from hyrec.cli.probe import main as run_probe
from hyrec.messages import CommandError
from hyrec.studies.plan.timing import probe
from hyrec.studies.plan.timing_run import Pace, Stopwatch
from tests.new_processes import loaded_by

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


def trained(module, *, watch=None, train=12, validate=3, **options):
    options = {"max_epochs": 1, "num_sanity_val_steps": 0, **options}
    trainer = L.Trainer(accelerator="cpu", callbacks=[watch] if watch else [], **QUIET, **options)
    trainer.fit(module, loader(train) if isinstance(train, int) else train, loader(validate) if validate else None)
    return trainer


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
    assert (watch.validations, watch.batches) == (whole.passes, done.fit_loop.epoch_loop.total_batch_idx + 1)


def test_the_time_of_a_batch_is_measured():
    watch = Stopwatch(6)
    trained(Sleeper(train=0.03, evaluate=0.02), watch=watch, train=100, validate=40, num_sanity_val_steps=9)
    assert (watch.batches, watch.evaluated) == (100, 40)
    assert 0.03 <= watch.train.batch < 0.06
    assert 0.02 <= watch.evaluation.batch < 0.05
    assert watch.train.measured < 1.2, "training ended after the batches that were asked for"


def test_what_the_first_batch_takes_longer_is_no_part_of_the_others():
    pace = Pace.of(list(accumulate([5.0, *[1.0] * 11], initial=0.0)))
    assert pace == pytest.approx((1.0, 4.0, 16.0))


def test_a_probe_neither_validates_nor_begins_a_second_epoch():
    module, watch = Sleeper(), Stopwatch(50)
    trainer = trained(module, watch=watch, train=8, max_epochs=4, num_sanity_val_steps=2)
    assert (module.passes, trainer.current_epoch, trainer.global_step) == (0, 1, 8)
    assert (watch.epochs, watch.batches) == (4, 32)


def test_a_run_of_unknown_length_is_refused():
    with pytest.raises(CommandError, match="length of the run is unknown"):
        trained(Sleeper(), watch=Stopwatch(2), train=DataLoader(Endless()))
    with pytest.raises(CommandError, match="no end that is known"):
        trained(Sleeper(), watch=Stopwatch(2), max_epochs=-1)


@pytest.fixture
def probed(tmp_path, monkeypatch):
    """Run the short run of a real config in this process; return what it measured."""
    monkeypatch.setenv("HYREC_CACHE", str(tmp_path / "cache"))
    result, run = tmp_path / "times.json", tmp_path / "run"
    options = ["--config", "pkg:hyrec/debug.yaml", "--config", "pkg:hyrec/logger/wandb.yaml"]
    options += ["--trainer.max_epochs", "3", "--data.batch_size", "16"]
    assert run_probe([str(result), "4", *options, f"--trainer.default_root_dir={run}"]) == 0
    return json.loads(result.read_text()), run


def test_a_probe_of_a_config_foresees_the_whole_run_and_logs_to_no_service(probed):
    found, run = probed
    assert found["measured"] > 0
    assert 0 < found["foreseen"] < 60
    logged = (run / "metrics.csv").read_text().splitlines()
    assert max(int(line.split(",")[logged[0].split(",").index("step")]) for line in logged[1:]) < 12
    assert not list(Path(run).rglob("*wandb*"))


def test_a_probe_that_fails_tells_why_in_the_words_of_hyrec():
    with pytest.raises(CommandError, match=r"exit code 2\)\.\nThe package 'hyrec' ships no config 'hyformr.yaml'"):
        probe(["--config", "pkg:hyrec/hyformr.yaml"], os.environ)


def test_asking_for_a_probe_loads_no_torch():
    loaded = loaded_by("hyrec.studies.plan.timing")
    assert "hyrec.studies.plan.timing" in loaded
    assert not {"torch", "lightning"} & loaded
