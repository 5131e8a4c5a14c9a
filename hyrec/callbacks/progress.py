"""Training speed and a running AUC on the progress bar."""

from __future__ import annotations

import time
from collections import deque
from typing import Any

import lightning as L
import torch
from torch import Tensor

from hyrec.batch import Batch
from hyrec.metrics.functional import auc

_FIRST = 10
"""Steps until the first update of an epoch, at most."""


class RankingProgress(L.Callback):
    """Log ``train/auc`` over the latest samples and ``train/samples_per_s`` (samples a second, all processes).

    The AUC is of the scores that the training steps computed, each before its update, so no sample is scored twice.
    Time counts from one step's end to the next, data loading included, validation left out. An epoch has an update at
    its tenth step, too, so that slow ones tell early, and at its end if it is shorter.

    Args:
        window: Samples of one process that the AUC is computed over.
        every: Steps between two updates.

    Raises:
        ValueError: When either is below one.
    """

    def __init__(self, window: int = 20_000, every: int = 50) -> None:
        if window < 1 or every < 1:
            raise ValueError(f"RankingProgress needs window >= 1 and every >= 1, got {window} and {every}.")
        self.window, self.every = window, every
        self._scores: deque[tuple[Tensor, Tensor]] = deque()
        self._kept = self._samples = 0
        self._seconds = 0.0
        self._last: float | None = None

    def on_train_epoch_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Start the clock."""
        self._last = time.perf_counter()

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Leave validation out of the clock."""
        self._last = time.perf_counter()

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, batch: Batch, batch_idx: int
    ) -> None:
        """Collect one step; log every so often."""
        now = time.perf_counter()
        self._seconds += now - (self._last or now)
        self._last = now
        self._samples += batch.num_samples
        self._scores.append((outputs["logits"], batch.labels[str(pl_module.primary_task)]))
        self._kept += batch.num_samples
        while self._kept - len(self._scores[0][0]) >= self.window:
            self._kept -= len(self._scores.popleft()[0])
        done, is_last = batch_idx + 1, trainer.is_last_batch or trainer.global_step == trainer.max_steps
        if done % self.every == 0 or done == _FIRST or (is_last and done < min(_FIRST, self.every)):
            speed = trainer.world_size * self._samples / max(self._seconds, 1e-9)
            pl_module.log("train/samples_per_s", speed, prog_bar=True, batch_size=batch.num_samples)
            if (value := self._auc()) is not None:
                pl_module.log("train/auc", value, prog_bar=True, batch_size=batch.num_samples)
            self._samples, self._seconds = 0, 0.0

    def _auc(self) -> float | None:
        logits = torch.cat([logit for logit, _ in self._scores]).float().cpu()
        labels = torch.cat([label for _, label in self._scores]).cpu()
        known = ~labels.isnan()
        labels = labels[known]
        if not 0 < float(labels.sum()) < len(labels):
            return None
        return float(auc(logits[known], labels))
