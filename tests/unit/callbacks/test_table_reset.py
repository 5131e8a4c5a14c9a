"""Tables that start anew with every epoch."""

import pytest
import torch
from lightning.pytorch.callbacks import Callback

from hyrec.callbacks.table_reset import TableReset
from hyrec.config.experiment import Experiment

LARGE, SMALL = "user_id", "brand"


class StopError(Exception):
    """Ends a run as a kill would."""


class Seen(Callback):
    """Keep tables and the optimizer's memory of them as an epoch begins and ends; stop within one when told to."""

    def __init__(self, stop_in=None):
        self.start, self.end, self.known, self.stop_in = [], [], [], stop_in

    def on_train_epoch_start(self, trainer, pl_module):
        self.start.append(tables_of(pl_module))
        state = trainer.optimizers[0].optimizers["sparse"].state
        self.known.append({name: table.weight in state for name, table in pl_module.network.tables.named_children()})

    def on_train_epoch_end(self, trainer, pl_module):
        self.end.append(tables_of(pl_module))

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        if trainer.current_epoch == self.stop_in:
            raise StopError


def tables_of(model):
    return {name: table.weight.detach().clone() for name, table in model.network.tables.named_children()}


def fit(folder, *callbacks, ckpt_path=None):
    options = ["--trainer.default_root_dir", str(folder), "--trainer.max_epochs", "2", "--trainer.logger", "false"]
    experiment = Experiment.parse(
        ["--config", "pkg:hyrec/debug.yaml", "--data.simulator.num_requests=200", "--seed_everything=3", *options]
    )
    model, data = experiment.model(), experiment.data()
    trainer = experiment.trainer(callbacks=[*callbacks], enable_progress_bar=False, limit_val_batches=1)
    trainer.fit(model, datamodule=data, ckpt_path=ckpt_path, weights_only=True if ckpt_path else None)
    return model


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("reset")


@pytest.fixture(scope="module")
def run(folder):
    seen = Seen()
    return fit(folder / "whole", TableReset(min_rows=100), seen), seen


def test_a_large_table_starts_the_second_epoch_as_narrow_as_the_first(run):
    _, seen = run
    first, second = (start[LARGE] for start in seen.start)
    assert second.abs().max() <= first.abs().max() * 1.2
    assert not torch.equal(second, seen.end[0][LARGE])
    assert not torch.equal(second, first)
    assert not second[0].any()


def test_a_small_table_goes_on_as_it_was(run):
    _, seen = run
    assert torch.equal(seen.start[1][SMALL], seen.end[0][SMALL])


def test_the_optimizer_forgets_the_tables_that_start_anew_and_no_other(run):
    _, seen = run
    assert not seen.known[1][LARGE]
    assert seen.known[1][SMALL]


def test_a_run_that_was_stopped_after_a_reset_resumes_to_the_last_bit(run, folder):
    with pytest.raises(StopError):
        fit(folder / "stopped", TableReset(min_rows=100), Seen(stop_in=1))
    resumed = fit(folder / "stopped", TableReset(min_rows=100), ckpt_path=folder / "stopped/checkpoints/last.ckpt")
    whole = tables_of(run[0])
    assert all(torch.equal(table, whole[name]) for name, table in tables_of(resumed).items())


def test_fewer_than_one_row_is_refused():
    with pytest.raises(ValueError, match="min_rows >= 1, got 0"):
        TableReset(min_rows=0)
