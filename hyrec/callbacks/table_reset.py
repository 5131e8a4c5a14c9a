"""Several epochs without learning rare ids by heart."""

from __future__ import annotations

import numpy as np
import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.utilities import rank_zero_info
from torch import nn

from hyrec.embeddings.tables import EmbeddingTable
from hyrec.optim.averages import averages_of


class TableReset(Callback):
    """Draw the rows of large embedding tables anew before every epoch but the first; layers stay as they are.

    A row of a rare id sees few samples. In a second pass over them it learns their labels by heart: training loss
    falls, and later data are predicted worse. Layers learn more from each pass, on tables that are new to them (MEDA,
    arXiv 2305.19531). What the optimizer remembers of such a table is forgotten as well, and so is what an average over
    steps has kept of it.

    Args:
        min_rows: Tables of at least so many rows are reset. Those of fewer (weekdays, age groups) see every id often
            enough to be kept.

    Raises:
        ValueError: When ``min_rows`` is below 1; at the start of a run whose tables are divided among processes.
    """

    def __init__(self, min_rows: int = 1000) -> None:
        if min_rows < 1:
            raise ValueError(f"TableReset needs min_rows >= 1, got {min_rows}.")
        self.min_rows = min_rows

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Tell what will be reset."""
        tables = self._tables(pl_module)
        if any(type(table.weight.data) is not torch.Tensor for table in tables.values()):
            raise ValueError("TableReset needs whole tables in every process; this strategy divides them.")
        if (trainer.max_epochs or 0) != 1:
            names = ", ".join(name.rpartition(".")[2] for name in tables) or "none has so many rows"
            rank_zero_info(f"Tables of {self.min_rows:,} rows and more start anew with every epoch: {names}")

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Reset, with the same rows in every process and in a run that continues from a checkpoint."""
        if trainer.current_epoch == 0:
            return
        place = [int(getattr(pl_module, "random_seed", 0)), trainer.current_epoch]
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(int(np.random.SeedSequence(place).generate_state(1)[0]))
            averages = [self._tables(average.module) for average in averages_of(trainer.callbacks)]  # type: ignore[attr-defined]
            for name, table in self._tables(pl_module).items():
                table.reset_parameters()
                for optimizer in trainer.optimizers:
                    for part in getattr(optimizer, "optimizers", {"": optimizer}).values():
                        part.state.pop(table.weight, None)
                for tables in averages:
                    tables[name].weight.data.copy_(table.weight.data)

    def _tables(self, pl_module: nn.Module) -> dict[str, EmbeddingTable]:
        return {
            name: module
            for name, module in pl_module.named_modules()
            if isinstance(module, EmbeddingTable) and module.num_embeddings >= self.min_rows
        }
