"""Which states a run keeps, and what it continues from."""

import os
import subprocess
import sys
from datetime import timedelta

import lightning as L
import pytest
import torch
from lightning.pytorch.callbacks import Callback
from torch import nn
from torch.utils.data import DataLoader

from hyrec.callbacks.checkpoint import BestCheckpoint

BATCHES = 6
"""Of an epoch."""


class Model(L.LightningModule):
    """Its weight is the number of steps taken; its validations score what they are told.

    Args:
        scores: Of each validation; None logs another metric.
    """

    def __init__(self, scores):
        super().__init__()
        self.steps = nn.Parameter(torch.zeros(1))
        self.scores, self.validated = list(scores), []

    def training_step(self, batch, batch_idx):
        return -self.steps.sum()

    def validation_step(self, batch, batch_idx):
        pass

    def on_validation_epoch_end(self):
        self.validated.append(int(self.steps))
        self.log("val/auc", torch.tensor(self.scores[len(self.validated) - 1]))

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=1.0)


class After(Callback):
    """Call a function after each batch, as the machine might do things."""

    def __init__(self, act):
        self.act = act

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        self.act(trainer)


class Stop(Exception):
    """Ends a run as a kill would."""


def stop_at(step):
    def act(trainer):
        if trainer.global_step == step:
            raise Stop

    return After(act)


def rows(count):
    return DataLoader(torch.zeros(count, 1), batch_size=1)


def fit(folder, scores=(), *, checkpoint=None, callbacks=(), ckpt_path=None, validate=True, **options):
    """Train; return the model and the callback, also after a run that was stopped."""
    model, checkpoint = Model(scores), checkpoint or BestCheckpoint()
    trainer = L.Trainer(
        accelerator="cpu",
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=folder,
        callbacks=[*callbacks, checkpoint],
        **{"max_epochs": 1, "num_sanity_val_steps": 1, **options},
    )
    model.validated.append(-1) if False else None
    loaders = [rows(BATCHES), *([rows(2)] if validate else [])]
    try:
        trainer.fit(model, *loaders, ckpt_path=ckpt_path, weights_only=True if ckpt_path else None)
    except Stop:
        pass
    return model, checkpoint


def saved(folder, name):
    """Return the steps of a checkpoint: those it says, which must be those of its weight."""
    state = torch.load(folder / "checkpoints" / f"{name}.ckpt", weights_only=True)
    assert state["global_step"] == int(state["state_dict"]["steps"])
    return state["global_step"]
