"""Progress for log files: a line now and then, in place of a bar that redraws itself."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Iterable
from typing import Any, Literal

import lightning as L
from lightning.pytorch.callbacks import Callback, ProgressBar

from hyrec.optim.schedule import planned_epochs
from hyrec.plain_text import duration

_SHOWN = {"loss": "train/loss", "auc": "train/auc"}


def progress_of(callbacks: Iterable[Callback], enabled: bool | None) -> list[Callback]:
    """Return ``LogLines`` where a bar is wanted, nobody watches, and no callback shows progress already."""
    watched = sys.stderr.isatty() or "ipykernel" in sys.modules
    if enabled is False or watched or any(isinstance(callback, ProgressBar) for callback in callbacks):
        return []
    return [LogLines()]


class LogLines(ProgressBar):
    """Write a line every so many seconds and at the end of epochs and validations, without carriage returns.

    It takes the place of Lightning's bar where standard error is no terminal: in log files, in jobs, under ``nohup``.

    Args:
        seconds: Least time between two lines of one stage.

    Raises:
        ValueError: When ``seconds`` is negative.
    """

    def __init__(self, seconds: float = 30.0) -> None:
        super().__init__()
        if not seconds >= 0:
            raise ValueError(f"LogLines needs seconds >= 0, got {seconds}.")
        self._seconds = seconds
        self._is_on = True
        self._start = self._last = 0.0
        self._first = 0
        self._steps = math.inf

    def now(self) -> float:
        """Return the time in seconds."""
        return time.monotonic()

    def setup(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        """Start the clock."""
        super().setup(trainer, pl_module, stage)
        self._last = self.now()

    def disable(self) -> None:
        """Write no more; Lightning does this in every process but the first."""
        self._is_on = False

    def enable(self) -> None:
        """Write again."""
        self._is_on = True

    def print(self, *args: Any, **kwargs: Any) -> None:
        """Write a line that somebody else has to say."""
        self._say(*args)

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Start the clock; a run that continues counts the time left by its own speed."""
        self._start = self._last = self.now()
        self._first, self._steps = trainer.global_step, _steps(trainer)

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Say how far training is, when it is time or the epoch ends."""
        total, done = self._steps, trainer.global_step
        if not (trainer.is_last_batch or done >= total or self._is_due()):
            return
        metrics = trainer.callback_metrics
        figures = [f"{name} {float(metrics[key]):.4f}" for name, key in _SHOWN.items() if key in metrics]
        if speed := metrics.get("train/samples_per_s"):
            figures.append(f"{float(speed):,.0f} samples/s")
        if math.isfinite(total) and self._first < done < total:
            left = (self.now() - self._start) / (done - self._first) * (total - done)
            figures.append(f"about {duration(left)} left")
        batches = f"batch {batch_idx + 1:,}{_of(trainer.num_training_batches)}"
        self._say(f"epoch {trainer.current_epoch + 1}{_of(trainer.max_epochs)}, {batches}:", ", ".join(figures))

    def on_validation_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, batch: Any, batch_idx: int, *_: Any
    ) -> None:
        """Say how far validation is, when it is time."""
        self._count("validating", batch_idx, trainer.num_val_batches)

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Say what was measured; the clock of training goes on."""
        if trainer.state.fn != "fit" or trainer.sanity_checking:
            return
        found = {key: float(value) for key, value in trainer.callback_metrics.items() if key.startswith("val/")}
        self._say(f"step {trainer.global_step:,}:", ", ".join(f"{key} {value:.4f}" for key, value in found.items()))

    def on_test_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, batch: Any, batch_idx: int, *_: Any
    ) -> None:
        """Say how far testing is, when it is time."""
        self._count("testing", batch_idx, trainer.num_test_batches)

    def on_predict_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, batch: Any, batch_idx: int, *_: Any
    ) -> None:
        """Say how far prediction is, when it is time."""
        self._count("predicting", batch_idx, trainer.num_predict_batches)

    def _count(self, what: Literal["validating", "testing", "predicting"], number: int, totals: Any) -> None:
        if self._is_due():
            total = totals[0] if isinstance(totals, list) and len(totals) == 1 else None
            self._say(f"{what}, batch {number + 1:,}{_of(total)}")

    def _is_due(self) -> bool:
        return self.now() - self._last >= self._seconds

    def _say(self, *words: Any) -> None:
        self._last = self.now()
        if self._is_on:
            print(*words, file=sys.stderr, flush=True)


def _of(total: float | None) -> str:
    """Return " of 1,200"; nothing where the total is not known."""
    return f" of {int(total):,}" if total is not None and math.isfinite(total) and total >= 0 else ""


def _steps(trainer: L.Trainer) -> float:
    """Return how many steps a run will take; infinite where nothing bounds it."""
    try:
        return sum(planned_epochs(trainer))
    except ValueError:
        return math.inf
