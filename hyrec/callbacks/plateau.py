"""Smaller steps when a validation metric stands still."""

from __future__ import annotations

import math
from typing import Any, Literal

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.utilities import rank_zero_info
from torch.optim import lr_scheduler

from hyrec.callbacks.monitor import metrics_of, mode_of, refuse_unlogged

_SEEN = ("best", "num_bad_epochs", "cooldown_counter", "last_epoch", "_last_lr", "mode", "mode_worse")


class ReduceLROnPlateau(Callback):
    """Multiply the learning rates of layers and tables when a validation metric has stopped improving.

    torch's scheduler of this name decides when; it cannot be given to an optimizer that has a schedule already. Here
    the reduction comes on top of ``model.schedule``: choose ``schedule.shape: constant`` where it alone shall lower
    rates. A run that continues from a checkpoint knows what was reduced.

    Args:
        monitor: Metric of the validation rows.
        mode: Whether a larger (``max``) or a smaller (``min``) value is better. Default: as the metric says.
        factor: What rates are multiplied by.
        patience: Validations without improvement that are waited for.
        threshold: Least relative change that counts as improvement.
        cooldown: Validations after a reduction that do not count.
        min_share: Share of the original rates below which nothing is reduced.

    Raises:
        ValueError: For a factor or a share outside 0 to 1, and at the start of a run for a metric that nothing logs, or
            of which no end is better.
    """

    def __init__(
        self,
        monitor: str = "val/auc",
        mode: Literal["max", "min"] | None = None,
        factor: float = 0.5,
        patience: int = 2,
        threshold: float = 1e-4,
        cooldown: int = 0,
        min_share: float = 0.01,
    ) -> None:
        for name, value in (("factor", factor), ("min_share", min_share)):
            if not 0 < value < 1:
                raise ValueError(f"ReduceLROnPlateau needs a {name} between 0 and 1, got {value}.")
        for name, least in (("patience", patience), ("threshold", threshold), ("cooldown", cooldown)):
            if least < 0:
                raise ValueError(f"ReduceLROnPlateau needs {name} >= 0, got {least}.")
        self.monitor, self.mode = monitor, mode
        self._options: dict[str, Any] = {"factor": factor, "patience": patience, "threshold": threshold}
        self._options |= {"cooldown": cooldown, "min_lr": min_share}
        self._share = torch.optim.SGD([torch.zeros(1)], lr=1.0)  # its rate is the share of the original rates
        self._decides = lr_scheduler.ReduceLROnPlateau(self._share, mode or "max", **self._options)

    @property
    def share(self) -> float:
        """What is left of the original learning rates, 1 at first."""
        return float(self._share.param_groups[0]["lr"])

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Settle which end of the metric is better."""
        refuse_unlogged(self.monitor, trainer, pl_module, "ReduceLROnPlateau")
        mode = self.mode or mode_of(self.monitor, metrics_of(pl_module), "ReduceLROnPlateau")
        if mode != self._decides.mode:
            self._decides = lr_scheduler.ReduceLROnPlateau(self._share, mode, **self._options)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Reduce, when it is time."""
        value = float(trainer.callback_metrics.get(self.monitor, math.nan))
        if trainer.sanity_checking or trainer.state.fn != "fit" or math.isnan(value):
            return
        before = self.share
        self._decides.step(value)
        if self.share == before:
            return
        ratio = self.share / before
        for optimizer in trainer.optimizers:
            for group in optimizer.param_groups:
                for rate in ("lr", "initial_lr"):
                    if rate in group:
                        group[rate] *= ratio
        for config in trainer.lr_scheduler_configs:
            scheduler: Any = config.scheduler
            scheduler.base_lrs = [rate * ratio for rate in scheduler.base_lrs]
        rank_zero_info(
            f"{self.monitor} stands still at {value:.4f}: learning rates are {self.share:g} of the original ones from "
            f"step {trainer.global_step:,} on"
        )

    def state_dict(self) -> dict[str, Any]:
        """Return what was seen and reduced."""
        return {"share": self.share, "decides": self._decides.state_dict()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue with what an earlier run saw and reduced."""
        self._share.param_groups[0]["lr"] = state_dict["share"]
        seen = {name: value for name, value in state_dict["decides"].items() if name in _SEEN}
        self._decides.load_state_dict(seen)  # not the options, which may be others now
