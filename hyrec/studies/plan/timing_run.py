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


class Stopwatch(L.Callback):
    """Time the batches of a run, and end its training ``steps`` batches after those that warm up.

    The batches before training serve to time evaluation; the run itself does not validate.
    """

    def __init__(self, steps: int) -> None:
        self.limit = _WARM_UP + steps
        self.loops: dict[str, dict[str, Any]] = {}
        self.facts: dict[str, Any] = {}
        self.test_limit: float = 1.0
        self._started = 0.0
        self._ticks: list[float] = []

    def on_sanity_check_start(self, *args: Any, **kwargs: Any) -> None:
        """Start the clock."""
        self._started, self._ticks = time.perf_counter(), []

    on_test_start = on_sanity_check_start

    def on_validation_batch_end(self, *args: Any, **kwargs: Any) -> None:
        """Take the time."""
        self._ticks.append(time.perf_counter())

    on_test_batch_end = on_validation_batch_end

    def on_sanity_check_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Stop the clock of evaluation."""
        self._stop("validate", trainer.val_dataloaders, sum(_known(n) for n in trainer.num_val_batches))

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Note what the whole run would be, and see to it that this one does not validate."""
        interval = trainer.val_check_batch
        validates = "validate" in self.loops and interval is not None and math.isfinite(interval)
        timers = [x for x in trainer.callbacks if isinstance(x, L.pytorch.callbacks.Timer)]  # type: ignore[attr-defined]
        self.facts = {
            "max_epochs": -1 if trainer.max_epochs is None else trainer.max_epochs,
            "max_steps": trainer.max_steps,
            "max_time": timers[0].time_remaining() if timers else None,
            "accumulate": trainer.accumulate_grad_batches,
            "val_check_batch": interval if validates else None,
            "check_every_n_epoch": trainer.check_val_every_n_epoch,
        }
        self._batches = _known(trainer.num_training_batches)
        trainer.limit_val_batches = 0
        self.on_sanity_check_start()

    def on_train_batch_end(self, trainer: L.Trainer, *args: Any, **kwargs: Any) -> None:
        """Take the time; end training when there are enough."""
        self._ticks.append(time.perf_counter())
        if len(self._ticks) >= self.limit:
            trainer.fit_loop.epoch_loop.max_steps = trainer.global_step

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Stop the clock of training, and end it."""
        self._stop("train", trainer.train_dataloader, self._batches)
        trainer.fit_loop.epoch_loop.max_steps = trainer.global_step

    def on_test_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Stop the clock of the test."""
        sizes, limit = [len(loader) for loader in _listed(trainer.test_dataloaders)], self.test_limit
        batches = sum(min(size, limit) if isinstance(limit, int) else int(size * limit) for size in sizes)
        self._stop("test", trainer.test_dataloaders, batches)

    def _stop(self, split: str, loaders: Any, batches: int) -> None:
        now, ticks = time.perf_counter(), self._ticks
        if not ticks:
            return
        warm = max(min(_WARM_UP, len(ticks) // 2), 1)
        whole = ticks[-1] - self._started
        batch = (ticks[-1] - ticks[warm - 1]) / (len(ticks) - warm) if len(ticks) > warm else whole
        self.loops[split] = {
            "batches": batches,  # of a pass of the whole run
            "windows": max((_windows(loader, batches) for loader in _listed(loaders)), default=1),
            "measured": now - self._started,  # all times in seconds; this is that of the shorter pass
            "lead": max(0.0, whole - len(ticks) * batch),  # of a window's first batch on top of the others
            "batch": batch,  # data loading included
            "tail": now - ticks[-1],  # after the last batch, such as for metrics
        }


def short_run(arguments: Sequence[str], steps: int) -> dict[str, Any] | None:
    """Train for a few steps with the data, callbacks and batches of the real run; log to files only.

    Returned is what was measured, and what the whole run would be; None in all processes but the first.
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
    # Lightning validates 2 batches before training unless it is told otherwise.
    known = {"sanity": 2 if sanity is None else int(sanity), "preparation": preparation}
    return {"loops": watch.loops, **watch.facts, **known} if trainer.is_global_zero else None


def _listed(loaders: Any) -> list[Any]:
    return list(loaders) if isinstance(loaders, list | tuple) else [loaders]


def _known(batches: float) -> int:
    if not math.isfinite(batches):
        raise CommandError("The length of the run is unknown: its data loader cannot say how many batches it has.")
    return int(batches)


def _windows(loader: Any, batches: int) -> int:
    """Return how many windows of rows a process reads in turn; workers read the next one ahead."""
    if not isinstance(loader, BatchLoader) or loader.num_workers:
        return 1
    return max(1, math.ceil(batches / loader.sampler.rows.layout.batches_per_window))
