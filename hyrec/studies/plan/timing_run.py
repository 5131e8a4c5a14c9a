"""The short run that a time is estimated from, in a process of its own."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from typing import Any

import lightning as L

from hyrec.config.experiment import Experiment
from hyrec.data.parquet.loader import BatchLoader
from hyrec.messages import CommandError

_WARM_UP = 5
_SANITY = 2
"""Validation batches that Lightning runs before training unless it is told otherwise."""


class Stopwatch(L.Callback):
    """Time the batches of a run, and end its training after some.

    Args:
        steps: Training batches to time, after those that warm up.
    """

    def __init__(self, steps: int) -> None:
        self.limit = _WARM_UP + steps
        self.loops: dict[str, dict[str, Any]] = {}
        self.facts: dict[str, Any] = {}
        self.test_limit: float = 1.0
        self._started = 0.0
        self._ticks: list[float] = []

    def on_sanity_check_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Start the clock of evaluation."""
        self._start()

    def on_validation_batch_end(self, trainer: L.Trainer, *args: Any, **kwargs: Any) -> None:
        """Take the time."""
        self._tick()

    def on_sanity_check_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Stop the clock of evaluation."""
        self._stop("validate", trainer.val_dataloaders, sum(_known(n) for n in trainer.num_val_batches))

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Note what the whole run would be, and see to it that this one does not validate."""
        interval = trainer.val_check_batch
        validates = "validate" in self.loops and interval is not None and math.isfinite(interval)
        self.facts = {
            "max_epochs": -1 if trainer.max_epochs is None else trainer.max_epochs,
            "max_steps": trainer.max_steps,
            "max_time": _seconds_allowed(trainer),
            "accumulate": trainer.accumulate_grad_batches,
            "val_check_batch": interval if validates else None,
            "check_every_n_epoch": trainer.check_val_every_n_epoch,
        }
        self._batches = _known(trainer.num_training_batches)
        trainer.limit_val_batches = 0
        self._start()

    def on_train_batch_end(self, trainer: L.Trainer, *args: Any, **kwargs: Any) -> None:
        """Take the time; end training when there are enough."""
        self._tick()
        if len(self._ticks) >= self.limit:
            self._end(trainer)

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Stop the clock of training."""
        self._stop("train", trainer.train_dataloader, self._batches)
        self._end(trainer)

    def on_test_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Start the clock of the test."""
        self._start()

    def on_test_batch_end(self, trainer: L.Trainer, *args: Any, **kwargs: Any) -> None:
        """Take the time."""
        self._tick()

    def on_test_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Stop the clock of the test."""
        loaders = trainer.test_dataloaders
        self._stop("test", loaders, sum(_limited(len(x), self.test_limit) for x in _listed(loaders)))

    def _end(self, trainer: L.Trainer) -> None:
        trainer.fit_loop.epoch_loop.max_steps = trainer.global_step

    def _start(self) -> None:
        self._started, self._ticks = time.perf_counter(), []

    def _tick(self) -> None:
        self._ticks.append(time.perf_counter())

    def _stop(self, split: str, loaders: Any, batches: int) -> None:
        now = time.perf_counter()
        if not self._ticks:
            return
        warm = min(_WARM_UP, len(self._ticks) // 2)
        timed = len(self._ticks) - max(warm, 1)
        whole = self._ticks[-1] - self._started
        batch = (self._ticks[-1] - self._ticks[max(warm, 1) - 1]) / timed if timed else whole
        self.loops[split] = {
            "batches": batches,
            "windows": max((_windows(loader, batches) for loader in _listed(loaders)), default=1),
            "measured": now - self._started,
            "lead": max(0.0, whole - len(self._ticks) * batch),
            "batch": batch,
            "tail": now - self._ticks[-1],
        }


def short_run(arguments: Sequence[str], steps: int) -> dict[str, Any] | None:
    """Train for a few steps with the data, callbacks and batches of the real run.

    It logs to files only, and the batches before training serve to time evaluation.

    Args:
        arguments: What follows ``hyrec fit``.
        steps: Batches to time.

    Returns:
        What was measured, and what the whole run would be; None in all processes but the first.

    Raises:
        CommandError: When no training batch was run.
    """
    experiment, watch, few = Experiment.parse(["fit", *arguments]), Stopwatch(steps), _WARM_UP + steps
    options = experiment.options["trainer"]
    sanity = options["num_sanity_val_steps"]
    logger = False if options["logger"] is False else None
    data, model = experiment.data(), experiment.model()
    trainer = experiment.trainer(callbacks=[watch], num_sanity_val_steps=few, logger=logger)
    started = time.perf_counter()
    data.prepare_data()  # later runs find it ready
    preparation = time.perf_counter() - started
    trainer.fit(model, datamodule=data)
    limit = trainer.limit_test_batches
    watch.test_limit = 1.0 if limit is None else limit
    if limit is None or isinstance(limit, float) or limit > few:
        trainer.limit_test_batches = few if limit else 0
    experiment.test_best(trainer, model, data)
    if "train" not in watch.loops:
        raise CommandError("No training batch was run: there are no training rows, or trainer options forbid it.")
    if not trainer.is_global_zero:
        return None
    known = {"sanity": _SANITY if sanity is None else int(sanity), "preparation": preparation}
    return {"loops": watch.loops, **watch.facts, **known}


def _listed(loaders: Any) -> list[Any]:
    return list(loaders) if isinstance(loaders, list | tuple) else [loaders]


def _known(batches: float) -> int:
    if not math.isfinite(batches):
        raise CommandError("The length of the run is unknown: its data loader cannot say how many batches it has.")
    return int(batches)


def _limited(batches: int, limit: float) -> int:
    return min(batches, limit) if isinstance(limit, int) else int(batches * limit)


def _windows(loader: Any, batches: int) -> int:
    """Return how many windows of rows a process reads in turn; workers read the next one ahead."""
    if not isinstance(loader, BatchLoader) or loader.num_workers:
        return 1
    return max(1, math.ceil(batches / loader.sampler.rows.layout.batches_per_window))


def _seconds_allowed(trainer: L.Trainer) -> float | None:
    for callback in trainer.callbacks:  # type: ignore[attr-defined]
        if isinstance(callback, L.pytorch.callbacks.Timer):
            left = callback.time_remaining()
            return None if left is None else float(left)
    return None
