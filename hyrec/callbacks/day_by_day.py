"""A run whose epochs are days: each is measured on before it is trained on."""

from __future__ import annotations

from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import EarlyStopping
from lightning.pytorch.utilities import rank_zero_info

from hyrec.callbacks.baseline_table import baseline_table
from hyrec.callbacks.plateau import ReduceLROnPlateau
from hyrec.data.parquet import ParquetData
from hyrec.messages import CommandError


class DayByDay(Callback):
    """Let the trainer take the days of ``data.by_day`` one after the other, and print the metrics of each at the end.

    Added where the data ask for it. After an epoch, validation is on the day that is trained on next, so that
    ``val/auc`` by epoch is a curve by day of how models of that day do on the next one (prequential evaluation). The
    epochs are the days, whatever ``max_epochs`` says, and the newest state is the best one.

    Raises:
        CommandError: At the start of a run, when there is only one day, and for callbacks that compare epochs.
    """

    def __init__(self) -> None:
        self._measured: dict[str, dict[str, float]] = {}

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Settle how many epochs there are."""
        if stage != "fit":
            return
        days = _data(trainer).days
        if len(days) < 2:
            raise CommandError(f"data.by_day: all training rows are of {days[0].date}. There must be several days.")
        for callback in trainer.callbacks:  # type: ignore[attr-defined]
            if isinstance(callback, (EarlyStopping, ReduceLROnPlateau)):
                raise CommandError(
                    f"data.by_day and {type(callback).__name__} exclude one another: it would compare one day with "
                    "another, and a metric that falls from a day to the next says nothing about the model."
                )
        trainer.fit_loop.max_epochs = len(days)
        trainer.reload_dataloaders_every_n_epochs = 1  # type: ignore[attr-defined]
        rows = sum(day.index.num_rows for day in days)
        rank_zero_info(f"Day by day: {days[0].date} to {days[-1].date}, {len(days)} days with {rows:,} rows")

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Say which day it is."""
        day = _data(trainer).days[trainer.current_epoch]
        rank_zero_info(f"Training on {day.date}, {day.index.num_rows:,} rows")

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Keep what was measured on the next day."""
        if trainer.state.fn == "fit" and not trainer.sanity_checking:
            days, following = _data(trainer).days, trainer.current_epoch + 1
            name = str(days[following].date) if following < len(days) else "validation rows"
            logged = trainer.callback_metrics.items()
            self._measured[name] = {key[4:]: float(value) for key, value in logged if key.startswith("val/")}

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Print the curve by day."""
        if self._measured and trainer.is_global_zero:
            names = [name for name in next(iter(self._measured.values())) if "/" not in name and name != "loss"]
            print(baseline_table("before it was trained on", self._measured, names))

    def state_dict(self) -> dict[str, Any]:
        """Return what was measured so far."""
        return {"measured": self._measured}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue the curve of an earlier run."""
        self._measured = dict(state_dict["measured"])


def _data(trainer: Trainer) -> ParquetData:
    data: ParquetData = trainer.datamodule  # type: ignore[attr-defined]
    return data
