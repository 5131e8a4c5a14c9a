"""Which states a run keeps, and what it continues from."""

import contextlib
import math
import os
from datetime import timedelta

import lightning as L
import pytest
import torch
from lightning.pytorch.callbacks import Callback
from torch import nn
from torch.utils.data import DataLoader

from hyrec.callbacks.checkpoint import BestCheckpoint
from hyrec.config.experiment import Experiment

BATCHES = 6
"""Of an epoch."""


class Model(L.LightningModule):
    """Its weight is the number of steps taken; its validations score what they are told.

    Args:
        scores: One for each validation.
        logged: What a score is called.
    """

    def __init__(self, scores, logged="val/auc"):
        super().__init__()
        self.steps = nn.Parameter(torch.zeros(1))
        self.scores, self.logged, self.validated = list(scores), logged, []

    def training_step(self, batch, batch_idx):
        return -self.steps.sum()

    def validation_step(self, batch, batch_idx):
        pass

    def on_validation_epoch_end(self):
        self.validated.append(int(self.steps))
        self.log(self.logged, torch.tensor(self.scores[len(self.validated) - 1]))

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=1.0)


class After(Callback):
    """Call a function after each batch, as the machine might do things."""

    def __init__(self, act):
        self.act = act

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        self.act(trainer)


class StopError(Exception):
    """Ends a run as a kill would."""


def stop_at(step):
    def act(trainer):
        if trainer.global_step == step:
            raise StopError

    return After(act)


def rows(count):
    return DataLoader(torch.zeros(count, 1), batch_size=1)


def fit(
    folder, scores=(), *, checkpoint=None, callbacks=(), ckpt_path=None, validate=True, logged="val/auc", **options
):
    """Train; return the model and the callback, also after a run that was stopped."""
    model, checkpoint = Model(scores, logged), checkpoint or BestCheckpoint()
    trainer = L.Trainer(
        accelerator="cpu",
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=folder,
        callbacks=[*callbacks, checkpoint],
        **{"max_epochs": 1, "num_sanity_val_steps": 0, **options},
    )
    loaders = [rows(BATCHES), *([rows(2)] if validate else [])]
    with contextlib.suppress(StopError):
        trainer.fit(model, *loaders, ckpt_path=ckpt_path, weights_only=True if ckpt_path else None)
    return model, checkpoint


def saved(folder, name):
    """Return the steps of a checkpoint: those it says, which must be those of its weight."""
    state = torch.load(folder / "checkpoints" / f"{name}.ckpt", weights_only=True)
    assert state["global_step"] == round(float(state["state_dict"]["steps"]))
    return state["global_step"]


def kept(folder):
    return {name: saved(folder, name) for name in ("best", "last")}


def record(folder, found):
    """Return a callback that adds the steps in ``last.ckpt`` after each batch; 0 when there is none."""
    path = folder / "checkpoints/last.ckpt"
    return After(lambda _: found.append(saved(folder, "last") if path.exists() else 0))


def test_the_last_state_is_kept_when_validation_no_longer_improves(tmp_path):
    fit(tmp_path, [0.5, 0.9, 0.7, 0.6], max_epochs=4)
    assert kept(tmp_path) == {"best": 2 * BATCHES, "last": 4 * BATCHES}


def test_the_best_is_the_state_that_was_validated_also_when_steps_are_saved(tmp_path):
    checkpoint = BestCheckpoint(every_n_train_steps=4)
    model, checkpoint = fit(tmp_path, [0.5, 0.9, 0.7], checkpoint=checkpoint, max_epochs=3)
    assert model.validated == [6, 12, 18]
    assert kept(tmp_path) == {"best": 12, "last": 18}
    assert float(checkpoint.best_model_score) == pytest.approx(0.9)


def test_the_final_validation_is_considered(tmp_path):
    _, checkpoint = fit(tmp_path, [0.5, 0.9], checkpoint=BestCheckpoint(every_n_train_steps=4), max_epochs=2)
    assert kept(tmp_path) == {"best": 12, "last": 12}
    assert checkpoint.best_model_path == str(tmp_path / "checkpoints/best.ckpt")


def test_a_run_of_one_epoch_has_a_best_state(tmp_path):
    _, checkpoint = fit(tmp_path, [0.5], checkpoint=BestCheckpoint(every_n_train_steps=4))
    assert kept(tmp_path) == {"best": 6, "last": 6}
    assert os.path.isfile(checkpoint.best_model_path)


def test_validations_inside_an_epoch_are_all_considered(tmp_path):
    model, _ = fit(tmp_path, [0.5, 0.9, 0.7], checkpoint=BestCheckpoint(every_n_train_steps=5), val_check_interval=2)
    assert model.validated == [2, 4, 6]
    assert kept(tmp_path) == {"best": 4, "last": 6}


def test_steps_are_saved_before_the_first_validation_and_between_validations(tmp_path):
    found = []
    checkpoint = BestCheckpoint(every_n_train_steps=2)
    fit(tmp_path, [0.5, 0.4], checkpoint=checkpoint, callbacks=[record(tmp_path, found)], max_epochs=2)
    assert found == [0, 0, 2, 2, 4, 4, 6, 6, 8, 8, 10, 10], "as seen just before this step is saved"


def test_times_are_saved_before_the_first_validation(tmp_path):
    found = []
    checkpoint = BestCheckpoint(train_time_interval=timedelta(0))
    fit(tmp_path, [0.5], checkpoint=checkpoint, callbacks=[record(tmp_path, found)])
    assert found == [0, 1, 2, 3, 4, 5]


def test_nothing_is_saved_by_the_check_before_training(tmp_path):
    model, _ = fit(tmp_path, [0.1, 0.9], callbacks=[stop_at(3)], num_sanity_val_steps=1)
    assert model.validated == [0]
    assert not list(tmp_path.glob("checkpoints/*"))


def test_without_validation_rows_the_newest_state_is_the_best(tmp_path):
    checkpoint = BestCheckpoint(every_n_train_steps=2)
    _, checkpoint = fit(tmp_path, checkpoint=checkpoint, callbacks=[stop_at(9)], max_epochs=2, validate=False)
    assert kept(tmp_path) == {"best": 8, "last": 8}
    _, checkpoint = fit(tmp_path, max_epochs=2, validate=False)
    assert kept(tmp_path) == {"best": 12, "last": 12}
    assert checkpoint.best_model_path == str(tmp_path / "checkpoints/best.ckpt")


@pytest.mark.parametrize("steps", [None, 3])
def test_a_run_that_ends_before_its_first_validation_has_a_best_state(tmp_path, steps):
    _, checkpoint = fit(tmp_path, checkpoint=BestCheckpoint(every_n_train_steps=steps), max_steps=4)
    assert kept(tmp_path) == {"best": 4, "last": 4}
    assert checkpoint.best_model_path == str(tmp_path / "checkpoints/best.ckpt")


def ask_to_stop(trainer):
    trainer.should_stop = trainer.global_step == 4


@pytest.mark.parametrize("cut", [{"max_steps": 4}, {"callbacks": [After(ask_to_stop)]}], ids=["max_steps", "asked"])
@pytest.mark.parametrize("validate", [True, False], ids=["validates", "never_validates"])
def test_a_run_that_ends_inside_an_epoch_continues_there(tmp_path, cut, validate):
    fit(tmp_path, [0.4], validate=validate, **cut)
    assert kept(tmp_path) == {"best": 4, "last": 4}
    seen = []
    see = After(lambda trainer: seen.append((trainer.current_epoch, trainer.fit_loop.batch_idx)))
    options = {"callbacks": [see], "validate": validate, "max_steps": 8, "max_epochs": 2}
    model, _ = fit(tmp_path, [0.5], ckpt_path=tmp_path / "checkpoints/last.ckpt", **options)
    assert seen == [(0, 4), (0, 5), (1, 0), (1, 1)]
    assert model.validated == ([6] if validate else [])
    assert kept(tmp_path) == {"best": 6 if validate else 8, "last": 8}


def test_epochs_without_a_validation_are_saved(tmp_path):
    found = []
    options = {"check_val_every_n_epoch": 2, "max_epochs": 3, "callbacks": [record(tmp_path, found)]}
    fit(tmp_path, [0.5], **options)
    assert found == [0] * 6 + [6] * 6 + [12] * 6
    assert kept(tmp_path) == {"best": 12, "last": 18}


@pytest.mark.parametrize("options", [{"save_top_k": 0}, {"save_last": False}])
def test_a_state_that_is_not_wanted_is_not_kept(tmp_path, options):
    fit(tmp_path, [0.5, 0.6], checkpoint=BestCheckpoint(**options), max_epochs=2)
    (path,) = (tmp_path / "checkpoints").iterdir()
    assert path.name == ("last.ckpt" if "save_top_k" in options else "best.ckpt")


@pytest.mark.parametrize("elsewhere", [False, True])
@pytest.mark.parametrize("steps", [4, 5])
def test_a_run_that_continues_knows_the_earlier_best_score(tmp_path, elsewhere, steps):
    fit(tmp_path, [0.9, 0.1], checkpoint=BestCheckpoint(every_n_train_steps=4), callbacks=[stop_at(9)], max_epochs=2)
    assert kept(tmp_path) == {"best": 6, "last": 8}
    folder = tmp_path / "new" if elsewhere else tmp_path
    checkpoint = BestCheckpoint(every_n_train_steps=steps)
    last = tmp_path / "checkpoints/last.ckpt"
    model, checkpoint = fit(folder, [0.7, 0.8], checkpoint=checkpoint, ckpt_path=last, max_epochs=3)
    assert model.validated == [12, 18]
    assert float(checkpoint.best_model_score) == pytest.approx(0.9)
    assert checkpoint.best_model_path == str(folder / "checkpoints/best.ckpt")
    assert saved(folder, "best") == 6
    assert saved(folder, "last") == 18


def test_a_run_that_continues_elsewhere_keeps_a_better_state_there(tmp_path):
    fit(tmp_path, [0.7])
    last = tmp_path / "checkpoints/last.ckpt"
    _, checkpoint = fit(tmp_path / "new", [0.8], ckpt_path=last, max_epochs=2)
    assert checkpoint.best_model_path == str(tmp_path / "new/checkpoints/best.ckpt")
    assert kept(tmp_path / "new") == {"best": 12, "last": 12}
    assert kept(tmp_path) == {"best": 6, "last": 6}


def test_an_earlier_best_whose_file_is_gone_is_forgotten(tmp_path):
    fit(tmp_path, [0.9])
    (tmp_path / "checkpoints/best.ckpt").unlink()
    with pytest.warns(UserWarning, match="which is not there: the next validation chooses anew"):
        _, checkpoint = fit(tmp_path, [0.5], ckpt_path=tmp_path / "checkpoints/last.ckpt", max_epochs=2)
    assert kept(tmp_path) == {"best": 12, "last": 12}
    assert float(checkpoint.best_model_score) == pytest.approx(0.5)


@pytest.mark.parametrize("step", [2, 3, 5, 6, 7, 10, 13, 16, 18])
def test_a_run_that_is_stopped_anywhere_and_continues_validates_the_same_states(tmp_path, step):
    whole, scores = [3, 6, 9, 12, 15, 18], [0.1, 0.2, 0.3, 0.9, 0.8, 0.7]
    options = {"val_check_interval": 3, "max_epochs": 3}
    first, _ = fit(
        tmp_path, scores, checkpoint=BestCheckpoint(every_n_train_steps=2), callbacks=[stop_at(step)], **options
    )
    last = tmp_path / "checkpoints/last.ckpt"
    if step <= 2:
        assert not last.exists()
        return
    steps = saved(tmp_path, "last")
    done = [at for at in whole if at <= steps]
    assert first.validated == done, "a state that is due for validation is saved after it"
    model, _ = fit(
        tmp_path, scores[len(done) :], checkpoint=BestCheckpoint(every_n_train_steps=2), ckpt_path=last, **options
    )
    assert [*done, *model.validated] == whole
    assert kept(tmp_path) == {"best": 12, "last": 18}


def test_a_state_between_two_optimizer_steps_is_never_the_last(tmp_path):
    found = []
    options = {"accumulate_grad_batches": 3, "callbacks": [record(tmp_path, found)]}
    fit(tmp_path, [0.9], checkpoint=BestCheckpoint(train_time_interval=timedelta(0)), **options)
    assert found == [0, 0, 0, 1, 1, 1], "batches 3 and 6 end a step"
    assert kept(tmp_path) == {"best": 2, "last": 2}


def test_a_validation_between_two_optimizer_steps_is_followed_by_the_last_state(tmp_path):
    found = []
    options = {"accumulate_grad_batches": 2, "val_check_interval": 3, "callbacks": [record(tmp_path, found)]}
    fit(tmp_path, [0.9, 0.5], **options)
    assert found == [0, 0, 0, 0, 2, 2]


def test_files_are_written_beside_the_earlier_ones_and_renamed(tmp_path, monkeypatch):
    def save(state, path):
        """Fill the disk."""
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    fit(tmp_path, [0.5])
    monkeypatch.setattr(torch, "save", save)
    with pytest.raises(OSError, match="No space left"):
        fit(tmp_path, [0.9], ckpt_path=tmp_path / "checkpoints/last.ckpt", max_epochs=2)
    assert kept(tmp_path) == {"best": 6, "last": 6}


def test_while_the_metric_is_undefined_the_newest_state_is_the_best(tmp_path):
    with pytest.warns(UserWarning, match="val/auc is undefined so far: best.ckpt is the newest state"):
        _, checkpoint = fit(tmp_path, [math.nan] * 3, checkpoint=BestCheckpoint(monitor="val/auc"), max_epochs=3)
    assert kept(tmp_path) == {"best": 18, "last": 18}
    assert checkpoint.best_model_score is None


def test_the_first_defined_metric_chooses_and_an_undefined_one_later_does_not(tmp_path):
    scores = [math.nan, 0.6, math.nan, 0.5]
    with pytest.warns(UserWarning, match="undefined"):
        fit(tmp_path, scores, checkpoint=BestCheckpoint(monitor="val/auc"), max_epochs=4)
    assert kept(tmp_path) == {"best": 12, "last": 24}


def test_a_run_that_resumes_in_another_folder_has_its_best_state_there_at_once(tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    fit(first, [0.9], max_epochs=1)
    _, checkpoint = fit(second, [0.2], max_epochs=2, ckpt_path=first / "checkpoints/last.ckpt")
    assert kept(second) == {"best": 6, "last": 12}
    assert checkpoint.best_model_path == str(second / "checkpoints/best.ckpt")


@pytest.mark.parametrize(
    ("monitor", "mode", "best"), [("logloss", None, 2), ("logloss", "max", 3), ("pcoc", "min", 2), ("auc", None, 3)]
)
def test_the_better_end_is_that_of_the_metric_unless_it_is_said(tmp_path, monitor, mode, best):
    checkpoint = BestCheckpoint(monitor=f"val/{monitor}", mode=mode)
    fit(tmp_path, [0.7, 0.5, 0.9], checkpoint=checkpoint, logged=f"val/{monitor}", max_epochs=3)
    assert kept(tmp_path) == {"best": best * BATCHES, "last": 3 * BATCHES}


@pytest.mark.parametrize(
    ("monitor", "told"),
    [
        ("val/pcoc", "neither end is better: set checkpoint.mode to max or min"),
        ("val/loglos", "no metric of the model. Did you mean 'logloss'"),
    ],
)
def test_a_metric_without_a_better_end_needs_a_mode_before_the_first_step(tmp_path, monitor, told):
    with pytest.raises(ValueError, match=told):
        fit(tmp_path, checkpoint=BestCheckpoint(monitor=monitor))
    assert not (tmp_path / "checkpoints").exists()


@pytest.mark.parametrize(
    ("options", "monitor", "mode"),
    [
        ([], "val/auc", "max"),
        (["--model.metrics=[QueryAUC, LogLoss]"], "val/query_auc", "max"),
        (["--model.metrics=[LogLoss, AUC]"], "val/auc", "max"),
        (["--model.metrics=[PCOC, LogLoss]"], "val/logloss", "min"),
        (["--model.metrics=[PCOC]"], "val/loss", "min"),
    ],
)
def test_without_a_word_a_metric_with_a_better_end_chooses(tmp_path, options, monitor, mode):
    checkpoint = BestCheckpoint()
    trainer = L.Trainer(accelerator="cpu", logger=False, default_root_dir=tmp_path, callbacks=[checkpoint])
    checkpoint.setup(trainer, Experiment.parse(["--config", "pkg:hyrec/debug.yaml", *options]).model(), "fit")
    assert (checkpoint.monitor, checkpoint.mode) == (monitor, mode)
