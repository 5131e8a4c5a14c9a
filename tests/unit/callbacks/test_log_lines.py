"""Progress where nobody watches: lines in a log file."""

import lightning as L
import pytest
import torch
from lightning.pytorch.callbacks import TQDMProgressBar
from torch import nn
from torch.utils.data import DataLoader

from hyrec.callbacks.log_lines import LogLines, progress_of
from hyrec.config.experiment import Experiment


class Model(L.LightningModule):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))

    def training_step(self, batch, batch_idx):
        self.log("train/loss", torch.tensor(0.25))
        return self.weight.sum()

    def validation_step(self, batch, batch_idx):
        self.log("val/auc", torch.tensor(0.75))

    def test_step(self, batch, batch_idx):
        pass

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=1.0)


class Ticking(LogLines):
    """A second passes at each look; the clock began long before the run, as that of a machine does."""

    time = 1e12

    def now(self):
        self.time += 1.0
        return self.time


def trained(folder, lines, **options):
    rows = DataLoader(torch.zeros(6, 1), batch_size=1)
    trainer = L.Trainer(
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        default_root_dir=folder,
        callbacks=[lines],
        **{"max_epochs": 2, "num_sanity_val_steps": 0, **options},
    )
    trainer.fit(Model(), rows, rows)
    return trainer, rows


def test_an_epoch_that_takes_no_time_has_a_line_at_its_end_and_one_for_its_validation(tmp_path, capsys):
    trained(tmp_path, Ticking(seconds=1e9))
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith(("epoch", "step"))]
    assert [line.split(":")[0] for line in lines] == [
        "epoch 1 of 2, batch 6 of 6",
        "step 6",
        "epoch 2 of 2, batch 6 of 6",
        "step 12",
    ]
    assert "loss 0.2500" in lines[0]
    assert lines[0].endswith("left")
    assert "val/auc 0.7500" in lines[1]
    assert "left" not in lines[2]


def test_a_run_that_steps_end_within_an_epoch_has_one_line_at_its_last_step(tmp_path, capsys):
    limits = {"max_epochs": -1, "max_steps": 2, "accumulate_grad_batches": 2}
    trained(tmp_path, Ticking(seconds=1e9), **limits)
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("epoch")]
    assert [line.split(":")[0] for line in lines] == ["epoch 1, batch 4 of 6"]


def test_checking_validation_before_training_says_nothing_where_it_takes_no_time(tmp_path, capsys):
    trained(tmp_path, Ticking(seconds=1e9), num_sanity_val_steps=2)
    assert "validating" not in capsys.readouterr().err


def test_a_config_may_name_the_lines_and_their_pause():
    given = ["--trainer.callbacks", "LogLines", "--trainer.callbacks.seconds", "5"]
    experiment = Experiment.parse(
        ["fit", "--config", "pkg:hyrec/debug.yaml", "--config", "pkg:hyrec/data/simulated.yaml", *given]
    )
    assert sum(isinstance(callback, LogLines) for callback in experiment.trainer().callbacks) == 1


def test_a_long_epoch_has_lines_in_between_and_no_carriage_return(tmp_path, capsys):
    trained(tmp_path, Ticking(seconds=2.0), max_epochs=1)
    told = capsys.readouterr().err
    assert sum(line.startswith("epoch 1 of 1") for line in told.splitlines()) >= 2
    assert "\r" not in told


def test_validation_and_tests_that_take_long_have_lines(tmp_path, capsys):
    trainer, rows = trained(tmp_path, Ticking(seconds=2.0), max_epochs=1)
    trainer.test(Model(), rows)
    told = capsys.readouterr().err
    assert "validating, batch" in told
    assert "testing, batch" in told
    assert "of 6" in told


def test_other_processes_say_nothing(tmp_path, capsys):
    lines = LogLines(seconds=0.0)
    lines.disable()
    lines.print("a word")
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(("callbacks", "enabled"), [([TQDMProgressBar()], None), ([], False)])
def test_a_bar_of_ones_own_or_none_at_all_stays_as_it_was_asked_for(callbacks, enabled):
    assert progress_of(callbacks, enabled) == []


def test_without_a_terminal_there_are_lines():
    assert [type(callback) for callback in progress_of([], None)] == [LogLines]
