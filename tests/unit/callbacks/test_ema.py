"""Averages over steps: what they are, and that validation, checkpoints and later runs use them."""

import pytest
import torch
from lightning.pytorch.callbacks import Callback, EMAWeightAveraging

from hyrec.callbacks.ema import EMA
from hyrec.callbacks.table_reset import TableReset
from hyrec.config.experiment import Experiment
from hyrec.ranker import Ranker
from hyrec.saved_state import read_checkpoint

DECAY = 0.6


class StopError(Exception):
    """Ends a run as a kill would."""


class Seen(Callback):
    """Keep the weights of every step, those that validation uses, and the averaged tables as an epoch begins."""

    def __init__(self, stop_after=None):
        self.steps, self.validated, self.starts, self.stop_after = [], [], [], stop_after

    def on_train_epoch_start(self, trainer, pl_module):
        (average,) = [c._average_model.module for c in trainer.callbacks if hasattr(c, "_average_model")]
        self.starts.append((weights_of(pl_module), weights_of(average)))

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        self.steps.append(weights_of(pl_module))
        if len(self.steps) == self.stop_after:
            raise StopError

    def on_validation_batch_end(self, trainer, pl_module, *_):
        if not trainer.sanity_checking:
            self.validated.append(weights_of(pl_module))


def weights_of(model):
    return {name: parameter.detach().clone() for name, parameter in model.named_parameters()}


def fit(folder, *callbacks, ckpt_path=None):
    options = ["--trainer.default_root_dir", str(folder), "--trainer.max_epochs", "2", "--trainer.logger", "false"]
    options += ["--model.dense_optimizer.lr", "0.05"]
    experiment = Experiment.parse(["--config", "pkg:hyrec/debug.yaml", "--data.simulator.num_requests=120", *options])
    model, data = experiment.model(), experiment.data()
    trainer = experiment.trainer(callbacks=[*callbacks], enable_progress_bar=False, limit_val_batches=1)
    trainer.fit(model, datamodule=data, ckpt_path=ckpt_path, weights_only=True if ckpt_path else None)
    return model


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("ema")


@pytest.fixture(scope="module")
def run(folder):
    seen = Seen()
    return fit(folder / "whole", EMA(DECAY), seen), seen


def is_table(name):
    return ".tables." in name


def reference(steps):
    """The average behind every step, a number at a time in float64; tables are those of the step."""
    averages = []
    for n, step in enumerate(steps):
        decay = min(DECAY, (1 + n) / (10 + n)) if n else 0.0
        before = averages[-1] if n else step
        averages.append(
            {k: v if is_table(k) else decay * before[k].double() + (1 - decay) * v.double() for k, v in step.items()}
        )
    return averages


def assert_same(found, expected):
    assert found.keys() == expected.keys()
    for name, value in found.items():
        torch.testing.assert_close(value.double(), expected[name].double(), rtol=1e-4, atol=1e-6, msg=name)


def test_validation_uses_the_average_of_the_layers_and_the_tables_as_they_are(run):
    _, seen = run
    averages = reference(seen.steps)
    half = len(seen.steps) // 2
    assert len(seen.validated) == 2
    assert_same(seen.validated[0], averages[half - 1])
    assert_same(seen.validated[1], averages[-1])


def test_the_average_is_not_what_training_goes_on_from(run):
    _, seen = run
    name = next(name for name in seen.steps[0] if not is_table(name) and seen.steps[0][name].ndim > 1)
    assert not torch.allclose(seen.validated[1][name], seen.steps[-1][name], atol=1e-4)


def test_a_checkpoint_holds_the_average_and_beside_it_what_training_goes_on_from(run, folder):
    _, seen = run
    checkpoint = read_checkpoint(folder / "whole/checkpoints/last.ckpt")
    averages = reference(seen.steps)
    assert_same({name: checkpoint["state_dict"][name] for name in averages[-1]}, averages[-1])
    assert_same({name: checkpoint["current_model_state"][name] for name in averages[-1]}, seen.steps[-1])


def test_a_model_that_is_loaded_has_the_average(run, folder):
    _, seen = run
    loaded = Ranker.load_from_checkpoint(folder / "whole/checkpoints/last.ckpt", weights_only=True)
    assert_same(weights_of(loaded), seen.validated[1])


def test_a_run_that_was_stopped_resumes_to_the_last_bit(run, folder):
    whole, seen = run
    with pytest.raises(StopError):
        fit(folder / "stopped", EMA(DECAY), Seen(stop_after=len(seen.steps) // 2 + 1))
    resumed = fit(folder / "stopped", EMA(DECAY), ckpt_path=folder / "stopped/checkpoints/last.ckpt")
    expected = weights_of(whole)
    assert all(torch.equal(value, expected[name]) for name, value in weights_of(resumed).items())


@pytest.mark.parametrize("average", [EMA, EMAWeightAveraging])
def test_a_table_that_starts_anew_starts_anew_in_the_average_too(average, folder):
    seen = Seen()
    fit(folder / average.__name__, TableReset(min_rows=100), average(decay=0.99), seen)
    model, averaged = seen.starts[1]
    assert torch.equal(averaged["network.tables.user_id.weight"], model["network.tables.user_id.weight"])
    assert not torch.equal(seen.steps[-1]["network.tables.user_id.weight"], model["network.tables.user_id.weight"])


def test_tables_are_not_copied(run, folder):
    callback = EMA(DECAY)
    model = Experiment.parse(["--config", "pkg:hyrec/debug.yaml"]).model()
    callback.setup(None, model, "fit")
    own, theirs = (m.network.tables["user_id"].weight for m in (callback._average_model.module, model))
    assert own is theirs
    assert callback._average_model.module.network.head is not model.network.head


@pytest.mark.parametrize("decay", [1.0, -0.1])
def test_a_decay_that_keeps_everything_or_is_negative_is_refused(decay):
    with pytest.raises(ValueError, match="decay from 0 to below 1"):
        EMA(decay)
