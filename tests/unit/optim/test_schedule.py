import lightning as L
import pytest
import torch
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.demos.boring_classes import BoringModel
from torch.utils.data import DataLoader

from hyrec.config.experiment import Experiment
from hyrec.optim import Schedule
from hyrec.optim.schedule import planned_epochs


def test_warm_up_rises_and_the_cosine_ends_at_the_floor():
    schedule = Schedule(warmup=0.1, floor=0.2)
    factors = [schedule.factor(step, 100) for step in range(101)]
    assert factors[:10] == sorted(factors[:10])
    assert factors[9] == pytest.approx(1.0)
    assert factors[10:] == sorted(factors[10:], reverse=True)
    assert factors[100] == pytest.approx(0.2)


def test_constant_stays_at_one_after_the_warm_up():
    schedule = Schedule(warmup=0.0, shape="constant")
    assert {schedule.factor(step, 10) for step in range(10)} == {1.0}


@pytest.mark.parametrize("option", ["warmup", "floor"])
def test_a_share_outside_zero_to_one_is_refused(option):
    with pytest.raises(ValueError, match=f"schedule.{option} is a share from 0 to 1, got 500"):
        Schedule(**{option: 500})


def test_a_restart_decays_within_every_epoch_and_warms_up_once():
    schedule = Schedule(warmup=0.5, floor=0.1, restart="epoch")
    factor = schedule.over([4, 6])
    assert [factor(step) for step in range(4)] == [schedule.factor(step, 4) for step in range(4)]
    later = Schedule(warmup=0.0, floor=0.1)
    assert [factor(4 + step) for step in range(6)] == [later.factor(step, 6) for step in range(6)]


def test_without_restart_epochs_do_not_matter():
    schedule = Schedule(warmup=0.2, restart="never")
    assert [schedule.over([4, 6])(step) for step in range(10)] == [schedule.factor(step, 10) for step in range(10)]


def test_a_run_without_steps_has_the_rate_at_which_it_would_begin():
    assert Schedule(warmup=0.0).over([])(0) == 1.0


@pytest.mark.parametrize(
    ("options", "epochs"),
    [
        ({"max_epochs": 3}, [3, 3, 3]),
        ({"max_epochs": 3, "accumulate_grad_batches": 2}, [2, 2, 2]),
        ({"max_steps": 7, "max_epochs": -1}, [3, 3, 1]),
        ({"max_steps": 2, "max_epochs": 5}, [2]),
        ({"max_steps": 2, "max_epochs": 5, "accumulate_grad_batches": 2}, [2]),
        ({"max_epochs": 2, "limit_train_batches": 2}, [2, 2]),
        ({"max_epochs": 2, "limit_train_batches": 0}, []),
    ],
)
def test_the_epochs_of_a_run_are_those_that_it_takes(options, epochs, tmp_path):
    found = []

    class Model(BoringModel):
        def configure_optimizers(self):
            found.extend(planned_epochs(self.trainer))
            return super().configure_optimizers()

    trainer = L.Trainer(default_root_dir=tmp_path, barebones=True, **options)
    trainer.fit(Model(), DataLoader(torch.zeros(3, 32)))
    assert found == epochs
    assert trainer.global_step == sum(epochs)


def test_a_run_without_an_end_is_told_what_to_set():
    options = ["--trainer.max_epochs=-1", "--trainer.logger=false", "--trainer.enable_progress_bar=false"]
    experiment = Experiment.parse(["--config", "pkg:hyrec/debug.yaml", *options])
    with pytest.raises(ValueError, match=r"trainer\.max_epochs or trainer\.max_steps"):
        experiment.trainer().fit(experiment.model(), datamodule=experiment.data())


def test_with_restarts_the_state_after_an_epoch_is_that_of_a_run_that_ends_there(tmp_path):
    first = {}

    class AfterFirst(Callback):
        def on_train_epoch_end(self, trainer, pl_module):
            first.setdefault(trainer.max_epochs, {name: w.clone() for name, w in pl_module.state_dict().items()})

    for epochs in (1, 2):
        options = [f"--trainer.max_epochs={epochs}", "--trainer.logger=false"]
        settings = ["--data.simulator.num_requests=120", "--trainer.default_root_dir", str(tmp_path / str(epochs))]
        experiment = Experiment.parse(["--config", "pkg:hyrec/debug.yaml", *options, *settings])
        trainer = experiment.trainer(callbacks=[AfterFirst()], enable_progress_bar=False)
        trainer.fit(experiment.model(), datamodule=experiment.data())
    assert all(torch.equal(weight, first[2][name]) for name, weight in first[1].items())
