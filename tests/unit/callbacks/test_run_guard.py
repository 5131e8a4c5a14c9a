"""A loss that is no number ends a run before weights change, or its step is left out."""

import os
import signal
import warnings

import pytest
import torch
from lightning.pytorch.callbacks import Callback

from hyrec.callbacks.checkpoint import BestCheckpoint
from hyrec.callbacks.run_guard import DivergenceError, RunGuard, Stopped
from hyrec.sample_batch import random_batch
from hyrec.testing.batches import tiny_schema
from tests.integration.test_ranker import build, loader, trainer

SCHEMA = tiny_schema()


def batches(broken=()):
    """Return four batches; the weights of samples of the broken ones are infinite."""
    made = [random_batch(SCHEMA, num_requests=8, candidates=2, seed=number) for number in range(4)]
    for number in broken:
        made[number].weights = torch.full((made[number].num_samples,), torch.inf)
    return made


def weights(model):
    return [p.detach().clone() for p in model.network.parameters()]


class Remember(Callback):
    """Keep the weights after each step."""

    def __init__(self):
        self.kept = []

    def on_train_batch_end(self, trainer, pl_module, *_):
        self.kept.append(weights(pl_module))


def fit(tmp_path, made, policy, *callbacks):
    model = build()
    run = trainer(tmp_path, callbacks=[RunGuard(policy), *callbacks], enable_checkpointing=bool(callbacks))
    run.fit(model, loader(made))
    return model, run


def test_the_first_loss_that_is_no_number_ends_the_run_and_names_step_rate_and_column(tmp_path):
    made = batches(broken=[2])
    remember = Remember()
    with pytest.raises(DivergenceError, match=r"at step 2 \(learning rates .*\n.*weights of samples \(inf\)"):
        fit(tmp_path, made, "stop", remember)
    assert len(remember.kept) == 2
    assert all(p.isfinite().all() for p in remember.kept[-1])


def test_a_skipped_step_leaves_the_weights_as_they_are_and_is_counted(tmp_path):
    made = batches(broken=[1, 2])
    remember = Remember()
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        fit(tmp_path, made, "skip", remember)
    assert any("2 steps were skipped" in str(w.message) for w in told)
    first, _, third, last = remember.kept
    assert all(torch.equal(a, b) for a, b in zip(first, third, strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(third, last, strict=True))
    assert all(p.isfinite().all() for p in last)


class Break(Callback):
    """Make a weight infinite after the last step."""

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        if batch_idx == 3:
            next(pl_module.parameters()).data.fill_(torch.nan)


def test_weights_that_are_no_numbers_never_replace_a_checkpoint(tmp_path):
    made = batches()
    checkpoint = BestCheckpoint(every_n_train_steps=2)
    with pytest.raises(ValueError, match="Weights are not finite at step 4, so no checkpoint is written"):
        fit(tmp_path, made, "stop", Break(), checkpoint)
    state = torch.load(tmp_path / "checkpoints/last.ckpt", weights_only=True)
    assert state["global_step"] == 2


class Terminate(Callback):
    """Send the process a signal after a step."""

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        if batch_idx == 1:
            os.kill(os.getpid(), signal.SIGTERM)


def test_a_signal_lets_the_step_end_saves_it_and_gives_signals_back(tmp_path):
    before = signal.getsignal(signal.SIGTERM)
    made = batches()
    with pytest.raises(Stopped) as stopped:
        fit(tmp_path, made, "stop", Terminate(), BestCheckpoint())
    assert stopped.value.code == 143
    assert torch.load(tmp_path / "checkpoints/last.ckpt", weights_only=True)["global_step"] == 2
    assert signal.getsignal(signal.SIGTERM) == before
