"""The short run that a time is estimated from, in a process of its own."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

import lightning as L

from hyrec.config.experiment import Experiment
from hyrec.data.parquet import ParquetData
from hyrec.data.parquet.loader import BatchLoader
from hyrec.messages import CommandError

_WARM_UP = 5


class Pace(NamedTuple):
    """How fast a loop goes, in seconds: a batch, what the first of a window takes on top, and all that was measured."""

    batch: float
    lead: float
    measured: float

    @classmethod
    def of(cls, ticks: Sequence[float]) -> Pace:
        """Read it from the times of the start and of the end of every batch."""
        done, whole = len(ticks) - 1, ticks[-1] - ticks[0]
        warm = max(min(_WARM_UP, done // 2), 1)
        batch = (ticks[-1] - ticks[warm]) / (done - warm) if done > warm else whole
        return cls(batch, max(0.0, whole - done * batch), whole)


class Stopwatch(L.Callback):
    """Time the batches of a run, and end its training ``steps`` batches after those that warm up.

    The batches before training serve to time evaluation; the run itself does not validate. ``batches``, ``epochs``,
    ``validations`` and ``evaluated``, the batches of all of these, are those of the whole run.
    """

    def __init__(self, steps: int) -> None:
        self.limit = _WARM_UP + steps
        self.train = self.evaluation = Pace(0.0, 0.0, 0.0)
        self.batches = self.validations = self.evaluated = 0
        self.epochs = 0.0
        self._ticks: list[float] = []

    def on_sanity_check_start(self, *args: Any, **kwargs: Any) -> None:
        """Start the clock."""
        self._ticks = [time.perf_counter()]

    def on_validation_batch_end(self, *args: Any, **kwargs: Any) -> None:
        """Take the time."""
        self._ticks.append(time.perf_counter())

    def on_sanity_check_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Read the pace of evaluation."""
        self.evaluated = sum(_known(batches) for batches in trainer.num_val_batches)
        self.evaluation = Pace.of(self._ticks) if len(self._ticks) > 1 else self.evaluation

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Count what the whole run would do, and see to it that this one does not validate."""
        if days := _days(trainer):
            self.batches, self.epochs = sum(trained for trained, _ in days), len(days)
            self.evaluated, self.validations = (
                sum(parts) for parts in zip(*((n, n > 0) for _, n in days), strict=True)
            )
        else:
            per_epoch = _known(trainer.num_training_batches)
            self.batches = _batches(trainer, per_epoch)
            self.epochs = self.batches / per_epoch if per_epoch else 0.0
            self.validations = _validations(trainer, per_epoch, self.batches) if self.evaluated else 0
            self.evaluated *= self.validations
        trainer.limit_val_batches = 0
        self.on_sanity_check_start()

    def on_train_batch_end(self, trainer: L.Trainer, *args: Any, **kwargs: Any) -> None:
        """Take the time; end training when there are enough."""
        self._ticks.append(time.perf_counter())
        if len(self._ticks) > self.limit:
            trainer.fit_loop.epoch_loop.max_steps = trainer.global_step

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Read the pace of training, and end it."""
        self.train = Pace.of(self._ticks) if len(self._ticks) > 1 else self.train
        trainer.fit_loop.epoch_loop.max_steps = trainer.global_step


def short_run(arguments: Sequence[str], steps: int) -> dict[str, float] | None:
    """Train for a few steps with the data, callbacks and batches of the real run; log to files only.

    Returned are the seconds of all batches of the whole run, ``foreseen``, and those that this one spent on batches and
    on making data that later runs find ready, ``measured``; None in all processes but the first.
    """
    experiment, watch = Experiment.parse(["fit", *arguments]), Stopwatch(steps)
    logger = False if experiment.options["trainer"]["logger"] is False else None
    data, model = experiment.data(), experiment.model()
    trainer = experiment.trainer(callbacks=[watch], num_sanity_val_steps=watch.limit, logger=logger)
    started = time.perf_counter()
    data.prepare_data()
    preparation = time.perf_counter() - started
    trainer.fit(model, datamodule=data)
    if not watch.train.measured:
        raise CommandError("No training batch was run: there are no training rows, or trainer options forbid it.")
    data.setup("test")
    test = data.test_dataloader()
    tested = _limited(len(test), trainer.limit_test_batches)
    foreseen = _seconds(watch.train, trainer.train_dataloader, watch.batches, watch.epochs)
    passes = ((trainer.val_dataloaders, watch.evaluated, watch.validations), (test, tested, 1))
    foreseen += sum(_seconds(watch.evaluation, loader, batches, times) for loader, batches, times in passes)
    measured = preparation + watch.train.measured + watch.evaluation.measured
    return {"foreseen": foreseen, "measured": measured} if trainer.is_global_zero else None


def _days(trainer: L.Trainer) -> list[tuple[int, int]]:
    """Return the training batches of every day and those of the validation behind it, where epochs are days."""
    data: Any = trainer.datamodule  # type: ignore[attr-defined]
    if not isinstance(data, ParquetData) or not data.by_day:
        return []
    left = math.inf if trainer.max_steps < 0 else trainer.max_steps * trainer.accumulate_grad_batches
    validations, days = [*data.validation_batches(), 0], list[tuple[int, int]]()
    for day, later in zip(data.epoch_batches(), validations, strict=False):
        own = _limited(day, trainer.limit_train_batches)
        done = min(own, left)
        left -= done
        if done:
            days.append((int(done), _limited(later, trainer.limit_val_batches) if done == own else 0))
    return days


def _limited(batches: int, limit: float | None) -> int:
    """Return how many batches are left by an option of the trainer, a number of batches or a share."""
    return batches if limit is None else min(batches, limit) if isinstance(limit, int) else int(batches * limit)


def _batches(trainer: L.Trainer, per_epoch: int) -> int:
    """Return the training batches of a whole run."""
    epochs = -1 if trainer.max_epochs is None else trainer.max_epochs
    ends = [per_epoch * epochs] if epochs >= 0 else []
    ends += [trainer.max_steps * trainer.accumulate_grad_batches] if trainer.max_steps >= 0 else []
    if not ends:
        raise CommandError("The run has no end that is known beforehand: set trainer.max_epochs or trainer.max_steps.")
    return int(min(ends))


def _validations(trainer: L.Trainer, per_epoch: int, total: int) -> int:
    """Return how often a run of ``total`` batches validates; those by the clock are not foreseen."""
    interval, every_n_epoch = trainer.val_check_batch, trainer.check_val_every_n_epoch
    if not interval or not per_epoch or not math.isfinite(interval):
        return 0
    if every_n_epoch is None:
        return int(total // interval)
    epochs, rest = divmod(total, per_epoch)
    count = int(per_epoch // interval) * (epochs // every_n_epoch)
    return count + (int(rest // interval) if (epochs + 1) % every_n_epoch == 0 else 0)


def _seconds(pace: Pace, loaders: Any, batches: int, passes: float) -> float:
    """Return the time of passes over a split, whose workers read the next window of rows ahead."""
    windows = passes
    for loader in loaders if isinstance(loaders, list | tuple) else [loaders]:
        if isinstance(loader, BatchLoader) and not loader.num_workers:
            windows = max(windows, batches / loader.sampler.rows.layout.batches_per_window)
    return windows * pace.lead + batches * pace.batch


def _known(batches: float) -> int:
    if not math.isfinite(batches):
        raise CommandError("The length of the run is unknown: its data loader cannot say how many batches it has.")
    return int(batches)
