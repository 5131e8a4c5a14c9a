"""The running AUC and the speed of training: from the first steps on, and at the end of what is shorter."""

import lightning as L
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader

from hyrec.callbacks.progress import RankingProgress
from hyrec.sample_batch import random_batch
from hyrec.testing.batches import tiny_schema

SCHEMA = tiny_schema()


class Model(L.LightningModule):
    """Scores by chance, and notes in which steps a figure was logged."""

    primary_task = next(iter(SCHEMA.tasks))

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))
        self.logged = []

    def log(self, name, value, **options):
        self.logged.append((name, self.trainer.global_step))
        super().log(name, value, **options)

    def training_step(self, batch, batch_idx):
        torch.manual_seed(batch_idx)
        return {"loss": self.weight.sum(), "logits": torch.randn(batch.num_samples)}

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=1.0)


def updates(folder, steps, **limits):
    """Return the steps in which both figures are logged."""
    batch, model = random_batch(SCHEMA, num_requests=8, candidates=2, spare=0, seed=0), Model()
    trainer = L.Trainer(
        accelerator="cpu", logger=False, enable_checkpointing=False, enable_progress_bar=False, default_root_dir=folder,
        enable_model_summary=False, callbacks=[RankingProgress()], **{"max_epochs": 1, **limits},
    )  # fmt: skip
    trainer.fit(model, DataLoader([batch] * steps, batch_size=None))
    found = {
        name: [step for known, step in model.logged if known == name] for name in ("train/auc", "train/samples_per_s")
    }
    assert found["train/auc"] == found["train/samples_per_s"]
    return found["train/auc"]


@pytest.mark.parametrize(("steps", "told"), [(3, [3]), (10, [10]), (55, [10, 50])])
def test_an_epoch_tells_its_figures_by_its_tenth_step_or_its_end(tmp_path, steps, told):
    assert updates(tmp_path, steps) == told


def test_a_run_that_ends_within_its_first_steps_tells_its_figures_at_the_last_one(tmp_path):
    assert updates(tmp_path, 30, max_steps=4) == [4]
