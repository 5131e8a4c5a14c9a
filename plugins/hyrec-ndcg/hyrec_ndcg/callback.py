"""Logs NDCG@k beside hyrec's own metrics."""

from __future__ import annotations

from typing import Any

import lightning as L
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle
from torchmetrics import MetricCollection

from hyrec.batch import Batch
from hyrec.ranker import Ranker
from hyrec_ndcg.metric import NDCG


class GroupNDCG(L.Callback):
    """Log ``val/ndcg@k`` and ``test/ndcg@k``, by the schema's group; other tasks as ``val/<task>/ndcg@k``.

    The logits are those of the evaluation step itself: no batch is scored twice. Exact under DDP.

    Args:
        k: Places that count; one value, or several that share the stored scores.

    Raises:
        ValueError: When ``k`` is empty or below one, and at the start of a run when the schema has no group_column.
    """

    def __init__(self, k: int | list[int] = 10) -> None:
        self.k = [k] if isinstance(k, int) else list(k)
        if not self.k or min(self.k) < 1:
            raise ValueError(f"GroupNDCG needs one or more k of at least 1, as in k: [5, 10]; got {self.k}.")
        self._metrics: dict[str, MetricCollection] = {}
        self._logits: dict[str, Tensor] | None = None
        self._hook: RemovableHandle | None = None

    def setup(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        """Check that the data has groups."""
        schema = _ranker(pl_module).schema
        if not schema.group_column:
            raise ValueError("GroupNDCG needs the group of every row: set group_column in the schema.")
        self._metrics = {task: MetricCollection({f"ndcg@{k}": NDCG(k) for k in self.k}) for task in schema.tasks}

    def on_validation_epoch_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Start to collect."""
        self._start(pl_module)

    def on_test_epoch_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Start to collect."""
        self._start(pl_module)

    def on_validation_batch_end(
        self,
        trainer: L.Trainer,
        pl_module: L.LightningModule,
        outputs: Any,
        batch: Batch,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Collect one batch."""
        self._collect(batch)

    def on_test_batch_end(
        self,
        trainer: L.Trainer,
        pl_module: L.LightningModule,
        outputs: Any,
        batch: Batch,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Collect one batch."""
        self._collect(batch)

    def on_validation_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Log the metric of all validation rows."""
        self._finish("val", pl_module)

    def on_test_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Log the metric of all test rows."""
        self._finish("test", pl_module)

    def on_exception(self, trainer: L.Trainer, pl_module: L.LightningModule, exception: BaseException) -> None:
        """Let go of the model."""
        self._unhook()

    def _start(self, pl_module: L.LightningModule) -> None:
        self._unhook()
        for metrics in self._metrics.values():
            metrics.to(pl_module.device).reset()
        self._hook = pl_module.register_forward_hook(self._remember)

    def _remember(self, module: nn.Module, args: tuple[Any, ...], logits: dict[str, Tensor]) -> None:
        self._logits = logits

    def _collect(self, batch: Batch) -> None:
        if self._logits is None:
            raise RuntimeError("GroupNDCG saw a batch end without a forward of the Ranker.")
        for task, metrics in self._metrics.items():
            metrics.update(self._logits[task].detach().sigmoid(), batch.labels[task], group=batch.group)
        self._logits = None

    def _finish(self, split: str, pl_module: L.LightningModule) -> None:
        self._unhook()
        primary = _ranker(pl_module).primary_task
        for task, metrics in self._metrics.items():
            prefix = split if task == primary else f"{split}/{task}"
            for name, value in metrics.compute().items():
                pl_module.log(f"{prefix}/{name}", value.float(), rank_zero_only=False)
            metrics.reset()

    def _unhook(self) -> None:
        if self._hook is not None:
            self._hook.remove()
        self._hook = self._logits = None


def _ranker(pl_module: L.LightningModule) -> Ranker:
    if not isinstance(pl_module, Ranker):
        raise ValueError(f"GroupNDCG reads the logits of a hyrec Ranker, got {type(pl_module).__name__}.")
    return pl_module
