"""An exponential moving average of the layers' weights."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Iterator
from typing import Any

import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import WeightAveraging
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from hyrec.ranker import Ranker


class EMA(WeightAveraging):
    """Average the layers' weights over steps; validation, checkpoints, test and predict use the average.

    After each step ``average = d average + (1 - d) weights`` with ``d = min(decay, (1 + n) / (10 + n))`` behind n
    steps, so that early averages do not lag behind. Embedding tables are not averaged and not copied: the average has
    those of the model, and a step touches no more of their rows than without it. A checkpoint holds the average as its
    weights, and what training goes on from beside it.

    Args:
        decay: Share of the average that a step keeps, 0 to 1; 0.999 looks back over about a thousand steps.

    Raises:
        ValueError: When ``decay`` is not below 1 or is negative.
    """

    def __init__(self, decay: float = 0.999) -> None:
        if not 0 <= decay < 1:
            raise ValueError(f"EMA needs a decay from 0 to below 1, got {decay}. 0.999 is usual.")
        super().__init__()
        self.decay = decay

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Begin with the weights that training begins with."""
        if stage == "fit":
            self._average_model = LayersAverage(pl_module, self.decay)

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Follow the model to its device."""
        assert self._average_model is not None
        self._average_model.to(pl_module.device)

    def on_load_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Continue from both; outside training the average alone is used, which the model has loaded already."""
        if self._average_model is not None:
            super().on_load_checkpoint(trainer, pl_module, checkpoint)

    def _swap_models(self, pl_module: LightningModule) -> None:
        for own, theirs in _unshared(self._average_model.module, pl_module):  # type: ignore[union-attr]
            kept = own.clone()
            own.copy_(theirs)
            theirs.copy_(kept)


class LayersAverage(AveragedModel):
    """A copy of a model whose layers are averages, and whose tables are the model's own."""

    def __init__(self, model: LightningModule, decay: float) -> None:
        nn.Module.__init__(self)
        tables = model.network.sparse_parameters() if isinstance(model, Ranker) else []
        self.module = copy.deepcopy(model, {id(table): table for table in tables})
        self.decay = decay
        self.register_buffer("n_averaged", torch.tensor(0))
        self.use_buffers, self.avg_fn, self.multi_avg_fn = True, None, None

    def update_parameters(self, model: nn.Module) -> None:
        """Take a step's weights into the average; counts and indexes are copied."""
        behind = int(self.n_averaged)
        decay = min(self.decay, (1 + behind) / (10 + behind)) if behind else 0.0
        for own, theirs in _unshared(self.module, model):
            if own.is_floating_point():
                own.lerp_(theirs, 1 - decay)
            else:
                own.copy_(theirs)
        self.n_averaged += 1


def _unshared(one: nn.Module, other: nn.Module) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield the parameters and buffers of two copies of a model side by side, without those that they share."""
    both = zip(
        itertools.chain(one.parameters(), one.buffers()),
        itertools.chain(other.parameters(), other.buffers()),
        strict=True,
    )
    yield from ((own.detach(), theirs.detach()) for own, theirs in both if own is not theirs)
