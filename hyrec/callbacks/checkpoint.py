"""Keeps the best and the last state of a run."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any, Literal

from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint


class BestCheckpoint(ModelCheckpoint):
    """Save ``best.ckpt`` by a validation metric and ``last.ckpt``, in ``checkpoints`` of the run's folder.

    Args:
        monitor: Metric that chooses the best state. Default: ``val/query_auc``, or ``val/auc`` when the
            schema has no group column; without validation rows the newest state counts as the best.
        mode: Whether a larger (``max``) or a smaller (``min``) value is better.
        every_n_train_steps: Also save every so many steps. Default: after each validation.
        train_time_interval: Also save after so much time, as ``00:00:10:00`` (days, hours, minutes, seconds).
        save_last: Whether ``last.ckpt`` is kept too, which a run continues from.
        save_top_k: 1 keeps the best, 0 none.
        save_weights_only: Leave out optimizers and loops; such a file cannot be continued from.
        dirpath: Folder. Default: ``checkpoints`` in the run's folder.
    """

    def __init__(
        self,
        *,
        monitor: str | None = None,
        mode: Literal["max", "min"] = "max",
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
            mode=mode,
            every_n_train_steps=every_n_train_steps,
            train_time_interval=train_time_interval,
            save_last=save_last,
            save_top_k=save_top_k,
            save_weights_only=save_weights_only,
            auto_insert_metric_name=False,
            enable_version_counter=False,
        )

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Settle folder and metric."""
        if self.dirpath is None:
            self.dirpath = str(Path(trainer.default_root_dir) / "checkpoints")
        has_rows: Any = getattr(trainer.datamodule, "has", None)  # type: ignore[attr-defined]
        if self.monitor is None and (has_rows is None or has_rows("validate")):
            grouped = bool(getattr(getattr(pl_module, "schema", None), "group_column", ""))
            self.monitor = "val/query_auc" if grouped else "val/auc"
        super().setup(trainer, pl_module, stage)
