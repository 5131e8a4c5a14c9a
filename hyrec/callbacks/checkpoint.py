"""Keeps the best and the last state of a run."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal

import torch
from lightning import LightningModule, Trainer
from lightning.fabric.plugins import TorchCheckpointIO
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.trainer.states import TrainerFn
from lightning.pytorch.utilities import rank_zero_warn

from hyrec.callbacks.monitor import metrics_of, mode_of, refuse_unlogged
from hyrec.files import replaced


class BestCheckpoint(ModelCheckpoint):
    """Save ``best.ckpt`` by a validation metric and ``last.ckpt``, in ``checkpoints`` of the run's folder.

    ``best.ckpt`` is chosen at the end of each validation. ``last.ckpt`` is written there too, whatever the metric
    says, at the end of epochs and of training, and at the steps or times that are asked for. When a validation ends
    between two optimizer steps (``accumulate_grad_batches``), ``last.ckpt`` waits for the second: a checkpoint holds
    no gradients. A file is replaced only when the new one is complete. A run that continues knows the best score.

    Args:
        monitor: Metric that chooses the best state. Default: ``val/auc``, or without it the model's first metric that
            has a better end. AUC within groups is no default: where known rates move inside a group, over-fitting can
            raise it. Without validation, as long as the metric is undefined (NaN), and where epochs are days
            (``data.by_day``), the newest state counts as the best.
        mode: Whether a larger (``max``) or a smaller (``min``) value is better. Default: as the metric says.
        every_n_train_steps: Also write ``last.ckpt`` every so many steps. Default: after validations and epochs only.
        train_time_interval: Also write it after so much time, as ``00:00:10:00`` (days, hours, minutes, seconds).
        save_last: Whether ``last.ckpt`` is kept too, which a run continues from.
        save_top_k: 1 keeps the best, 0 none.
        save_weights_only: Leave out optimizers and loops; such a file cannot be continued from.
        dirpath: Folder. Default: ``checkpoints`` in the run's folder.

    Raises:
        ValueError: At the start of a run, for a metric that nothing logs, and without ``mode`` for one of which no end
            is better. Before a file is written, for weights that are not finite: they never replace those that are.
    """

    def __init__(
        self,
        *,
        monitor: str | None = None,
        mode: Literal["max", "min"] | None = None,
        every_n_train_steps: int | None = None,
        train_time_interval: timedelta | None = None,
        save_last: bool = True,
        save_top_k: Literal[0, 1] = 1,
        save_weights_only: bool = False,
        dirpath: str | None = None,
    ) -> None:
        super().__init__(
            dirpath=dirpath,
            filename="best",
            monitor=monitor,
            mode=mode or "max",
            every_n_train_steps=every_n_train_steps,
            train_time_interval=train_time_interval,
            save_last=save_last,
            save_top_k=save_top_k,
            save_weights_only=save_weights_only,
            auto_insert_metric_name=False,
            enable_version_counter=False,
        )
        self.stop_after_save: Callable[[], None] | None = None  # set by RunGuard when a signal has come
        self._follows_metric, self._last_waits, self._told_undefined = mode is None, False, False

    @property
    def state_key(self) -> str:
        """Key of the score and the paths in a checkpoint; a run may continue with other steps or times."""
        return self._generate_state_key(monitor=self.monitor, mode=self.mode)

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Settle folder and metric, and how files are written."""
        if self.dirpath is None:
            self.dirpath = str(Path(trainer.default_root_dir).absolute() / "checkpoints")
        metrics = metrics_of(pl_module)
        data = getattr(trainer, "datamodule", None)
        has_rows: Any = getattr(data, "has", None)
        # days are no measure of one another: where epochs are days, the newest state is the best
        if self.monitor is None and not getattr(data, "days", []) and (has_rows is None or has_rows("validate")):
            best = [name for name, metric in metrics.items() if metric.mode]
            self.monitor = f"val/{'auc' if 'auc' in best else [*best, 'loss'][0]}"
        if self.monitor is not None and self._follows_metric:
            self.mode = mode_of(self.monitor, metrics, "checkpoint")
        if type(trainer.strategy.checkpoint_io) is TorchCheckpointIO and "://" not in str(self.dirpath):
            trainer.strategy.checkpoint_io = _ReplacedWhenComplete()
        super().setup(trainer, pl_module, stage)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over what an earlier run found, also one that wrote into another folder."""
        super().load_state_dict({**state_dict, "dirpath": self.dirpath})

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Refuse a metric that nothing will log; take an earlier best state along, or forget one that is gone."""
        refuse_unlogged(self.monitor, trainer, pl_module, "checkpoint")
        earlier = self.best_model_path
        if not earlier:
            return
        if not self.file_exists(earlier, trainer):
            rank_zero_warn(
                f"The best state so far was {earlier}, which is not there: the next validation chooses anew."
            )
            self.best_model_path, self.best_model_score = "", None
            self.best_k_models, self.kth_best_model_path = {}, ""
            return
        own = str(Path(str(self.dirpath)) / "best.ckpt")
        if Path(earlier).resolve() != Path(own).resolve() and "://" not in own + earlier:
            if trainer.is_global_zero:
                with replaced(own) as partial:
                    shutil.copyfile(earlier, partial)
            trainer.strategy.barrier("best.ckpt")
            self.best_k_models = dict(zip([own], self.best_k_models.values(), strict=False))
            self.best_model_path, self.kth_best_model_path = own, own if self.best_k_models else ""

    def on_train_batch_end(self, trainer: Trainer, *_: Any) -> None:
        """Write ``last.ckpt`` when it is due, unless it will be at the end of a validation or an epoch that is next."""
        loop = trainer.fit_loop.epoch_loop
        if not _may_save(trainer) or loop._should_accumulate() or not self._is_due(trainer):
            return
        validates, fetcher = _validates(trainer), trainer.fit_loop._data_fetcher
        assert fetcher is not None
        # a run that continues from here would leave out the validation that is next
        saves_next = loop._num_ready_batches_reached() or (validates and loop._should_check_val_fx(fetcher))
        if not trainer.strategy.broadcast(saves_next):
            self._save(trainer, newest_is_best=not validates)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Choose ``best.ckpt``, write ``last.ckpt``."""
        if not _may_save(trainer):
            return
        metrics = self._monitor_candidates(trainer)
        score = metrics.get(self.monitor or "")
        undefined = score is not None and bool(score.isnan())
        _refuse_broken(trainer, pl_module)
        if undefined and self.best_model_score is None and self.save_top_k:
            if not self._told_undefined:
                rank_zero_warn(f"{self.monitor} is undefined so far: best.ckpt is the newest state.")
                self._told_undefined = True
            self._save_none_monitor_checkpoint(trainer, metrics)
        elif not undefined:
            self._save_topk_checkpoint(trainer, metrics)
        self._last_waits = trainer.fit_loop.epoch_loop._should_accumulate()
        if not self._last_waits:
            self._save(trainer)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write ``last.ckpt`` after an epoch that ends without a validation."""
        if _may_save(trainer) and self._last_global_step_saved != trainer.global_step:
            self._save(trainer, newest_is_best=not _validates(trainer))

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Make the newest state the best when the run has ended before its first validation."""
        if _may_save(trainer) and self.save_top_k and not self.best_model_path:
            _refuse_broken(trainer, pl_module)
            self._save_none_monitor_checkpoint(trainer, self._monitor_candidates(trainer))

    def _is_due(self, trainer: Trainer) -> bool:
        steps, interval = self._every_n_train_steps, self._train_time_interval
        # training that stops inside an epoch is saved here: on_train_epoch_end would count that epoch as a whole one
        stops = 0 <= trainer.max_steps <= trainer.global_step
        stops = stops or (trainer.should_stop and trainer.fit_loop._can_stop_early)
        if stops or self.stop_after_save or self._last_waits or (steps and trainer.global_step % steps == 0):
            return True
        if interval is None or self._last_time_checked is None:
            return False
        due = time.monotonic() - self._last_time_checked >= interval.total_seconds()
        return bool(trainer.strategy.broadcast(due))  # the clock of the first process decides

    def _save(self, trainer: Trainer, *, newest_is_best: bool = False) -> None:
        _refuse_broken(trainer, trainer.lightning_module)
        metrics = self._monitor_candidates(trainer)
        if newest_is_best and self.save_top_k:
            self._save_none_monitor_checkpoint(trainer, metrics)
        self._save_last_checkpoint(trainer, metrics)
        self._last_waits, self._last_time_checked = False, time.monotonic()
        if self.stop_after_save:
            self.stop_after_save()


class _ReplacedWhenComplete(TorchCheckpointIO):
    """Write beside the file, then rename.

    Lightning writes into the system's temporary folder, and where that is another disk, copies over the earlier file.
    """

    def save_checkpoint(self, checkpoint: Mapping[str, Any], path: Any, storage_options: Any | None = None) -> None:
        """Write a checkpoint; the earlier one stays until this one is complete."""
        if storage_options is not None or "://" in str(path):
            super().save_checkpoint(dict(checkpoint), path, storage_options)
            return
        with replaced(path) as partial:
            torch.save(checkpoint, partial)


def _refuse_broken(trainer: Trainer, pl_module: LightningModule) -> None:
    """Raise when a weight is not finite: resuming from such a state, or scoring with it, is no use."""
    fine = all(bool(p.detach().isfinite().all()) for p in pl_module.parameters())
    if not trainer.strategy.reduce_boolean_decision(fine, all=True):
        broken = [name for name, p in pl_module.named_parameters() if not bool(p.detach().isfinite().all())]
        raise ValueError(
            f"Weights are not finite at step {trainer.global_step}, so no checkpoint is written: {len(broken)} "
            f"tensors, the first is {broken[0] if broken else 'in another process'}. Earlier checkpoints stay.\n"
            "Lower the learning rate or set trainer.gradient_clip_val."
        )


def _may_save(trainer: Trainer) -> bool:
    tries_out = getattr(trainer, "fast_dev_run", False) or trainer.sanity_checking
    return not tries_out and trainer.state.fn == TrainerFn.FITTING


def _validates(trainer: Trainer) -> bool:
    """Whether this run validates at all; loaders that are not made yet count as some rows."""
    return trainer.enable_validation and (trainer.val_dataloaders is None or sum(trainer.num_val_batches) > 0)
