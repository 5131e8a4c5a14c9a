"""Learning rates that fall when a metric stands still."""

import lightning as L
import pytest
import torch
from lightning.pytorch.callbacks import EarlyStopping
from torch import nn
from torch.utils.data import DataLoader

from hyrec.callbacks.checkpoint import BestCheckpoint
from hyrec.callbacks.plateau import ReduceLROnPlateau
from hyrec.callbacks.run_guard import RunGuard
from hyrec.config.experiment import Experiment

STEPS = 2
"""Of an epoch."""


class Model(L.LightningModule):
    """Its validations score what they are told; it keeps the learning rate of every step.

    Args:
        scores: One for each validation.
        logged: What a score is called.
        schedule: Factor of the rate by step.
    """

    def __init__(self, scores, logged="val/auc", schedule=lambda step: 1.0):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))
        self.scores, self.logged, self.schedule, self.rates = scores, logged, schedule, []

    def training_step(self, batch, batch_idx):
        self.rates.append(self.optimizers().param_groups[0]["lr"])
        return self.weight.sum()

    def validation_step(self, batch, batch_idx):
        self.log(self.logged, torch.tensor(self.scores[self.current_epoch]))

    def configure_optimizers(self):
        optimizer = torch.optim.SGD(self.parameters(), lr=1.0)
        scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, self.schedule)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}


def fit(folder, model, *callbacks, epochs, ckpt_path=None):
    trainer = L.Trainer(
        default_root_dir=folder,
        max_epochs=epochs,
        callbacks=[RunGuard(), *callbacks, BestCheckpoint(monitor=model.logged, mode="max")],
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        accelerator="cpu",
    )
    rows = DataLoader(torch.zeros(STEPS, 1))
    trainer.fit(model, rows, rows, ckpt_path=ckpt_path, weights_only=True if ckpt_path else None)
    return model.rates[::STEPS]


def test_a_metric_that_stands_still_halves_the_rates(tmp_path):
    rates = fit(tmp_path, Model([0.5, 0.6, 0.6, 0.6, 0.7]), ReduceLROnPlateau(patience=1), epochs=5)
    assert rates == [1, 1, 1, 1, 0.5]


def test_a_smaller_loss_is_an_improvement(tmp_path):
    plateau = ReduceLROnPlateau("val/loss", patience=0)
    rates = fit(tmp_path, Model([0.5, 0.4, 0.45, 0.4], logged="val/loss"), plateau, epochs=4)
    assert rates == [1, 1, 1, 0.5]


def test_a_reduction_comes_on_top_of_the_schedule(tmp_path):
    model = Model([0.6, 0.5, 0.5], schedule=lambda step: 1 / (1 + step))
    fit(tmp_path, model, ReduceLROnPlateau(patience=0, factor=0.1), epochs=3)
    assert model.rates == pytest.approx([1, 1 / 2, 1 / 3, 1 / 4, 0.1 / 5, 0.1 / 6])


def test_rates_do_not_fall_below_the_smallest_share(tmp_path):
    plateau = ReduceLROnPlateau(patience=0, min_share=0.3)
    assert fit(tmp_path, Model([0.5] * 5), plateau, epochs=5) == [1, 1, 0.5, 0.3, 0.3]


def test_a_resumed_run_knows_what_was_seen_and_reduced(tmp_path):
    scores = [0.6, 0.5, 0.5, 0.5, 0.5, 0.5]
    whole = fit(tmp_path / "whole", Model(scores), ReduceLROnPlateau(patience=1), epochs=6)
    fit(tmp_path / "parts", Model(scores), ReduceLROnPlateau(patience=1), epochs=4)
    last = str(tmp_path / "parts" / "checkpoints" / "last.ckpt")
    resumed = fit(tmp_path / "parts", Model(scores), ReduceLROnPlateau(patience=1), epochs=6, ckpt_path=last)
    assert resumed == whole[4:]
    assert whole[-1] < 1


def test_a_resumed_run_follows_the_options_that_it_has_now(tmp_path):
    fit(tmp_path, Model([0.6, 0.5, 0.5]), ReduceLROnPlateau(patience=5), epochs=3)
    last = str(tmp_path / "checkpoints" / "last.ckpt")
    plateau = ReduceLROnPlateau(patience=2, factor=0.1)
    assert fit(tmp_path, Model([0.5] * 6), plateau, epochs=6, ckpt_path=last) == pytest.approx([1, 0.1, 0.1])


def test_a_metric_that_is_undefined_changes_nothing(tmp_path):
    rates = fit(tmp_path, Model([float("nan")] * 4), ReduceLROnPlateau(patience=0), epochs=4)
    assert rates == [1, 1, 1, 1]


def test_a_metric_that_nothing_logs_is_refused_with_those_that_are():
    options = ["--trainer.callbacks=ReduceLROnPlateau", "--trainer.callbacks.monitor=val/acu"]
    experiment = Experiment.parse(["--config", "pkg:hyrec/debug.yaml", "--trainer.logger=false", *options])
    with pytest.raises(ValueError, match=r"ReduceLROnPlateau.monitor is 'val/acu'.*Did you mean 'val/auc'"):
        experiment.trainer(enable_progress_bar=False).fit(experiment.model(), datamodule=experiment.data())


@pytest.mark.parametrize(("option", "value"), [("factor", 1.0), ("min_share", 0.0), ("patience", -1)])
def test_options_without_a_meaning_are_refused(option, value):
    with pytest.raises(ValueError, match=option):
        ReduceLROnPlateau(**{option: value})


def test_an_early_stopping_with_the_wrong_mode_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"val/auc with mode 'min'.*Set mode: max"):
        fit(tmp_path, Model([0.5, 0.6]), EarlyStopping("val/auc"), epochs=2)


def test_an_early_stopping_with_the_right_mode_stops(tmp_path):
    rates = fit(tmp_path, Model([0.5, 0.4, 0.4, 0.4]), EarlyStopping("val/auc", mode="max", patience=2), epochs=4)
    assert len(rates) == 3


def test_a_run_with_an_early_stopping_that_was_cut_off_goes_on_as_the_whole_one(tmp_path):
    def stopping():
        return EarlyStopping("val/auc", mode="max", patience=2)

    class CutOff(L.Callback):
        def on_train_epoch_start(self, trainer, pl_module):
            if trainer.current_epoch == 2:
                raise MemoryError

    scores = [0.6, 0.5, 0.5, 0.7, 0.7]
    whole = fit(tmp_path / "whole", Model(scores), stopping(), epochs=5)
    with pytest.raises(MemoryError):
        fit(tmp_path / "parts", Model(scores), stopping(), CutOff(), epochs=5)
    last = str(tmp_path / "parts" / "checkpoints" / "last.ckpt")
    assert len(whole) == 3
    assert fit(tmp_path / "parts", Model(scores), stopping(), epochs=5, ckpt_path=last) == whole[2:]


def test_an_early_stopping_says_why_the_run_ends(tmp_path, caplog):
    with caplog.at_level("INFO"):
        fit(tmp_path, Model([0.5, 0.4, 0.4, 0.4]), EarlyStopping("val/auc", mode="max", patience=1), epochs=4)
    assert "val/auc did not improve in the last 1 records. Best score: 0.500" in caplog.text


def test_a_wrong_mode_is_refused_where_no_checkpoints_are_kept_too():
    options = ["--trainer.callbacks=EarlyStopping", "--trainer.callbacks.monitor=val/auc"]
    settings = ["--trainer.logger=false", "--trainer.enable_checkpointing=false", "--trainer.enable_progress_bar=false"]
    experiment = Experiment.parse(["--config", "pkg:hyrec/debug.yaml", *options, *settings])
    with pytest.raises(ValueError, match="Set mode: max"):
        experiment.trainer().fit(experiment.model(), datamodule=experiment.data())
