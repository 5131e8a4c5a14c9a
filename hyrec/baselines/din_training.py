"""Trains DIN as its published code does."""

from __future__ import annotations

import copy
import time

import torch
from lightning.fabric.utilities import move_data_to_device
from torch import Tensor
from torch.nn import functional as F

from hyrec.baselines.baseline import Baseline, NotOfferedError, Report
from hyrec.baselines.din import DIN
from hyrec.batch import Batch
from hyrec.data.base import RankingData
from hyrec.plain_text import count, duration


class DINBaseline(Baseline):
    """DIN, trained with Adam on tables and layers alike: gradients of tables are dense, as in the code of peers.

    The epoch of the least validation log loss is kept; training ends when ``patience`` epochs have not lowered it.

    Args:
        seed: Of the initial weights; the order of the rows is the data's.
        max_epochs: Most epochs.
        patience: Epochs without a better one.
        lr: Learning rate.
    """

    def __init__(self, seed: int, max_epochs: int = 20, patience: int = 2, lr: float = 1e-3) -> None:
        self.seed, self.max_epochs, self.patience, self.lr = seed, max_epochs, patience, lr
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")

    def fit(self, data: RankingData, task: str, report: Report) -> None:
        """Train."""
        torch.manual_seed(self.seed)
        self.sequences = list(data.schema.sequences)
        self.network = DIN(data.schema).to(self.device)
        optimizer = torch.optim.Adam(self.network.parameters(), lr=self.lr)
        in_tables = sum(p.numel() for p in self.network.tables.parameters())
        others = sum(p.numel() for p in self.network.parameters()) - in_tables
        report(f"{count(in_tables)} parameters in tables, {count(others)} in layers")
        loader, least, best, waited = data.train_dataloader(), float("inf"), None, 0
        for epoch in range(self.max_epochs):
            start = time.monotonic()
            if hasattr(getattr(loader, "sampler", None), "set_epoch"):
                loader.sampler.set_epoch(epoch)
            self.network.train()
            for batch in loader:
                loss, weight = self._loss(batch, task)
                optimizer.zero_grad()
                (loss / weight.clamp(min=1e-12)).backward()
                optimizer.step()
            found = self._validation_loss(data, task)
            report(f"epoch {epoch + 1}: validation log loss {found:.4f} ({duration(time.monotonic() - start)})")
            waited += 1
            if best is None or found < least:
                least, best, waited = found, copy.deepcopy(self.network.state_dict()), 0
                self.note = f"{epoch + 1} epoch{'s' * (epoch > 0)}"
            if waited == self.patience:
                break
        assert best is not None
        self.network.load_state_dict(best)
        self.network.eval()

    def predict(self, batch: Batch) -> Tensor:
        """Return the probability of each sample."""
        with torch.no_grad():
            logits: Tensor = self.network(move_data_to_device(batch, self.device))
        return logits.double().sigmoid().cpu()

    def _loss(self, batch: Batch, task: str) -> tuple[Tensor, Tensor]:
        """Return the summed loss of the rows whose label is known, and their weight."""
        batch = move_data_to_device(batch, self.device)
        label = batch.labels[task]
        weight = torch.ones_like(label) if batch.weights is None else batch.weights
        weight = weight.masked_fill(label.isnan(), 0.0)
        loss = F.binary_cross_entropy_with_logits(self.network(batch), label.nan_to_num(), weight, reduction="sum")
        return loss, weight.sum()

    @torch.no_grad()
    def _validation_loss(self, data: RankingData, task: str) -> float:
        self.network.eval()
        sums = [self._loss(batch, task) for batch in data.val_dataloader()]
        if not (total := sum(float(weight) for _, weight in sums)):
            raise NotOfferedError(f"no row of 'validate' has a known label of {task!r}.")
        return sum(float(loss) for loss, _ in sums) / total
